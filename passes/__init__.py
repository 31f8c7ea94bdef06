"""Rewrites of modules: raise, roll, simplify, generalise. `ddc passes` lists them."""

from .base import Context, Declined, Pass
from .pipeline import DEFAULT, Instruments, PassError, describe, parse, render, run

__all__ = [
    "DEFAULT",
    "Context",
    "Declined",
    "Instruments",
    "Pass",
    "PassError",
    "describe",
    "parse",
    "render",
    "run",
]
