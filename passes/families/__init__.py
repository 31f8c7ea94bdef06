"""Raise wide networks of sign and step units: find the families of units, and write them as loops."""

from .raiser import Families, cases_fused, spelled, structure_of
from .structural import NotStructuralError, units_found

__all__ = [
    "Families",
    "NotStructuralError",
    "cases_fused",
    "spelled",
    "structure_of",
    "units_found",
]
