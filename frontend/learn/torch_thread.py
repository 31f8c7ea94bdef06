"""Torch, imported where it is needed, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ddc.ir import DdcError

TORCH = (
    'training needs torch, which is not installed: pip install "deep-distilling-compiler[torch]"'
)


@contextmanager
def one_thread() -> Iterator[Any]:
    """Give torch, which works on one thread meanwhile: over small products threads only wait.

    Raises `DdcError` where torch is missing.
    """
    try:
        import torch
    except ImportError:
        raise DdcError(TORCH) from None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield torch
    finally:
        torch.set_num_threads(threads)
