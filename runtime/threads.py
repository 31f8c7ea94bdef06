"""Work that threads share, and that stops soon after one of them failed or Ctrl-C was pressed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Result = TypeVar("Result")


def shared(threads: int, work: Callable[[int, Event], Result]) -> list[Result]:
    """Return `work(number, stop)` of every thread; it is to end early once `stop` is set.

    Raises the first exception of a thread.
    """
    stop = Event()
    if threads == 1:
        return [work(0, stop)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(work, number, stop) for number in range(threads)]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            stop.set()
            raise
