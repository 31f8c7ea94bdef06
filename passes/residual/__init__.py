"""Outputs that depend on a growing prefix, as scans through residual classes.

`words` reads the inputs as words of letters, `classes` finds which prefixes nothing later tells
apart, `identify` one machine for all positions, `write` its scan.
"""

from .raiser import Residual

__all__ = ["Residual"]
