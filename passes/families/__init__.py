"""Raise wide networks of sign and step units: find the families of units, and write them as loops."""

from .noise import scales as weight_scales
from .parts import NotPartsError, cases_of_parts
from .raiser import Families, cases_fused, spelled, structure_of
from .structural import NotStructuralError, units_found

__all__ = [
    "Families",
    "NotPartsError",
    "NotStructuralError",
    "cases_fused",
    "cases_of_parts",
    "spelled",
    "structure_of",
    "units_found",
    "weight_scales",
]
