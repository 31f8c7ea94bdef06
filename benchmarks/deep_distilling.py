"""Print the tables of deep distilling: `python -m benchmarks.deep_distilling [maxsat ...]`.

Networks are learned here from their training sets, compiled, proved, and compared with what is
published about them. Goals that are missed are printed as misses.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.distilling import growth, kinds, maxsat_tables, orientation_tables, provable, small
from benchmarks.distilling.common import report

SECTIONS = {
    "kinds": kinds.run,
    "growth": growth.run,
    "small": small.run,
    "orientation": orientation_tables.run,
    "maxsat": maxsat_tables.run,
    "provable": provable.run,
}


def main(wanted: list[str]) -> int:
    """Print the sections asked for, all by default; return 1 if a goal is missed."""
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        print(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
        return 2
    with tempfile.TemporaryDirectory() as name:
        results = [SECTIONS[section](Path(name)) for section in wanted or SECTIONS]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    results.append(report("memory under 4 GB", peak < 4, f"{peak:.2f} GB at most"))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
