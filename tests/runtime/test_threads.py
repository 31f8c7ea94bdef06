"""Shared work: all results, and an early end after an error or Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from threading import Event

import pytest

from ddc.runtime.threads import shared


def test_every_thread_has_its_number() -> None:
    for threads in (1, 2, 5):
        assert shared(threads, lambda number, _: number * number) == [k * k for k in range(threads)]


def slowly(_: int, stop: Event) -> None:
    for _ in range(1000):
        if stop.is_set():
            return
        time.sleep(0.01)


def test_an_error_ends_all() -> None:
    def work(number: int, stop: Event) -> None:
        if number == 0:
            raise ValueError("bad")
        slowly(number, stop)

    start = time.monotonic()
    with pytest.raises(ValueError, match="bad"):
        shared(3, work)
    assert time.monotonic() - start < 5


def test_ctrl_c_ends_all() -> None:
    here = threading.get_ident()
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(here, signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        shared(2, slowly)
    assert time.monotonic() - start < 5
