"""Sizes: which axis of which parameter tells them, and how."""

from __future__ import annotations

from collections.abc import Callable

from ddc.ir import Affine, DdcError, Function, Quotient, dims

from .text import affine


def is_plain(extent: Affine) -> bool:
    """Tell whether every length is such an extent for some size: N + c."""
    return len(extent.terms) == 1 and abs(extent.terms[0][1]) == 1


def solution(extent: Affine, size: str, length: str, name: Callable[[str], str]) -> str:
    """Return the size for which an extent has the given length."""
    coefficient = extent.coefficient(size)
    rest = extent - Affine.symbol(size, coefficient)
    text = length
    if " if " in length and extent != Affine.symbol(size):
        text = length = f"({length})"
    if rest != Affine.of(0):
        gap = affine(rest, name)
        text = f"{length} - ({gap.text})" if gap.prec < 13 else f"{length} - {gap.text}"
    if coefficient == -1:
        return f"-({text})"
    if coefficient != 1:
        return f"({text}) // {coefficient}" if text != length else f"{text} // {coefficient}"
    return text


def solve(function: Function) -> dict[str, tuple[str, int, Affine]]:
    """Return for each size the parameter and axis that give it, in an order that works.

    Raises `DdcError` where the shapes do not tell a size.
    """
    found: dict[str, tuple[str, int, Affine]] = {}
    axes = [(p.name, k, d) for p in function.params for k, d in enumerate(dims(p.type))]
    axes.sort(key=lambda a: not is_plain(a[2]))
    open_ = {s.name for s in function.sizes}
    while open_:
        axis = next((a for a in axes if _one_open(a[2], open_)), None)
        if axis is None:
            missing = min(open_)
            raise DdcError(f"@{function.name}: no input's shape tells the size {missing}")
        (size,) = axis[2].symbols() & open_
        found[size] = axis
        open_.discard(size)
    return found


def _one_open(extent: Affine, open_: set[str]) -> bool:
    unknown = extent.symbols() & open_
    plain = {s for s, _ in extent.terms if not isinstance(s, Quotient)}
    return (
        len(unknown) == 1
        and unknown <= plain
        and not any(isinstance(s, Quotient) and s.of.symbols() & open_ for s, _ in extent.terms)
    )
