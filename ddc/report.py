"""Progress on standard error: by default only on a terminal, and only when the work is long."""

from __future__ import annotations

import sys
import time

QUIET_SECONDS = 1.0  # work shorter than this says nothing
INTERVAL = 0.2  # seconds between two lines


class Progress:
    """A line that is written over: what is being done, and how much of it is done."""

    def __init__(self, wanted: bool | None, quiet: bool) -> None:
        self.active = not quiet and (sys.stderr.isatty() if wanted is None else wanted)
        self.patience = 0.0 if wanted else QUIET_SECONDS
        self.start = time.monotonic()
        self.last = 0.0

    def __call__(self, what: str, share: float) -> None:
        """Show that `share` (0 to 1) of `what` is done."""
        now = time.monotonic()
        if not self.active or now - self.start < self.patience:
            return
        if now - self.last < INTERVAL and share < 1:
            return
        self.last = now
        end = "\n" if share >= 1 else ""
        sys.stderr.write(f"\r{what} {share:4.0%} ({now - self.start:.0f} s)\033[K{end}")
        sys.stderr.flush()
