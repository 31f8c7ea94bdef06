"""Keep the matrix library to one thread while blocks are spread over threads of our own.

OpenBLAS splits every small product over all cores and waits for them busily, which costs a factor
of ten and more as soon as another process wants a core.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

_LOCK = threading.Lock()
_wanted = {"users": 0, "before": 1}
_GET = "scipy_openblas_get_num_threads64_"
_SET = "scipy_openblas_set_num_threads64_"


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return how to read and set the number of threads of numpy's own OpenBLAS, if it has one."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for path in sorted(folder.glob("libscipy_openblas64_*")):
        try:
            library = ctypes.CDLL(str(path))
            read, write = getattr(library, _GET), getattr(library, _SET)
        except (OSError, AttributeError):
            continue
        read.argtypes, read.restype = [], ctypes.c_int
        write.argtypes, write.restype = [ctypes.c_int], None
        return read, write
    return None


@contextmanager
def own_threads() -> Generator[int]:
    """Yield how many threads of our own are of use, with the matrix library on one thread each."""
    controls = _controls()
    if controls is None:
        yield 1
        return
    _limit(controls, 1)
    try:
        yield min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    finally:
        _limit(controls, -1)


def _limit(controls: tuple[Callable[[], int], Callable[[int], None]], change: int) -> None:
    """Count those who want one thread; the first sets it and the last restores what was before."""
    read, write = controls
    with _LOCK:
        if _wanted["users"] == 0:
            _wanted["before"] = read()
            write(1)
        _wanted["users"] += change
        if _wanted["users"] == 0:
            write(_wanted["before"])
