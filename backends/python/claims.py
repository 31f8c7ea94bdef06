"""What inputs must be, in words and as collections of values."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.ir import (
    Affine,
    Bit,
    Category,
    Int,
    Missing,
    Param,
    Real,
    Scalar,
    Size,
    dims,
    element,
    int_bounds,
)

from .text import float_text

SHORT_RANGE = 256  # `v in range(n)` of a float walks the range
FEW = 4  # values that a dictionary names one by one


def describe(scalar: Scalar, short: bool = False) -> str:
    """Return what values of a type are, in words; `short` leaves out what a range says anyway."""
    if isinstance(scalar, Missing):
        return f"{describe(scalar.base, short)}, or missing"
    if isinstance(scalar, Bit):
        return "0 or 1"
    if isinstance(scalar, Category):
        return "one of " + ", ".join(ascii(n) for n in scalar.names)
    if isinstance(scalar, Int) and scalar.values:
        return "one of " + ", ".join(map(str, scalar.values))
    if isinstance(scalar, Real):
        low, high, noun = scalar.low, scalar.high, "a number"
        ends = [None if b is None else float_text(b).removesuffix(".0") for b in (low, high)]
    else:
        bounds = int_bounds(scalar) or (None, None)
        ends, noun = [None if b is None else str(b) for b in bounds], "an integer"
    if ends[0] is not None and ends[1] is not None:
        return f"in {ends[0]}..{ends[1]}" if short else f"{noun} in {ends[0]}..{ends[1]}"
    if ends[0] is not None:
        return f"{noun} from {ends[0]} up"
    return noun if ends[1] is None else f"{noun} up to {ends[1]}"


def membership(scalar: Scalar) -> str | None:
    """Return a collection that holds exactly the values of a small discrete type."""
    if isinstance(scalar, Bit):
        return "(0, 1)"
    if isinstance(scalar, Int) and scalar.values:
        return f"({', '.join(map(str, scalar.values))}{',' if len(scalar.values) == 1 else ''})"
    bounds = int_bounds(scalar)
    if bounds is None or bounds[0] is None or bounds[1] is None or isinstance(scalar, Category):
        return None
    if bounds[1] - bounds[0] >= SHORT_RANGE:
        return None
    if bounds[1] - bounds[0] < 3:
        values = range(bounds[0], bounds[1] + 1)
        return f"({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"
    start = f"{bounds[0]}, " if bounds[0] else ""
    return f"range({start}{bounds[1] + 1})"


def dictionary(scalar: Scalar) -> str | None:
    """Return a dictionary from the values of a small discrete type to ints, and from nothing else.

    Looking a value up refuses what is no value, and makes an int of a bool, a float or numpy's own.
    """
    if isinstance(scalar, Category):
        return f"{{{', '.join(f'{ascii(n)}: {k}' for k, n in enumerate(scalar.names))}}}"
    collection = membership(scalar)
    if collection is None:
        return None
    values: tuple[int, ...] = scalar.values if isinstance(scalar, Int) and scalar.values else ()
    low, high = int_bounds(scalar) or (0, 0)
    values = values or tuple(range(low or 0, (high or 0) + 1))
    if len(values) <= FEW:
        return f"{{{', '.join(f'{v}: {v}' for v in values)}}}"
    return f"{{v: v for v in {collection}}}"


def shape_text(shape: Sequence[Affine], sizes: Sequence[Size] = ()) -> str:
    """Return a shape in brackets, with the least lengths of the sizes that are given."""
    least = {s.name: s.minimum for s in sizes if s.minimum > 1}
    texts = [str(d) for d in shape]
    return f"[{', '.join(f'{t} >= {least[t]}' if t in least else t for t in texts)}]"


def value_text(param: Param) -> str:
    """Return what a parameter holds, in words."""
    return _holds(param, (), plural=False, short=False)


def _holds(param: Param, sizes: Sequence[Size], plural: bool, short: bool) -> str:
    words, shape = describe(element(param.type), short), dims(param.type)
    if not shape:
        return f"each {words}" if plural else words
    noun = "sequence" if len(shape) == 1 else "array"
    noun = f"{noun}s" if plural else f"a {noun}" if noun == "sequence" else f"an {noun}"
    return f"{noun} {shape_text(shape, sizes)}, each {words}"


def claim(
    public: str, params: Sequence[Param], names: Sequence[str], sizes: Sequence[Size], short: bool
) -> str:
    """Return in one sentence what every parameter must be."""
    groups: list[tuple[Param, list[str]]] = []
    for param, name in zip(params, names):
        if groups and groups[-1][0].type == param.type:
            groups[-1][1].append(name)
        else:
            groups.append((param, [name]))
    parts = [
        f"{_listed(names)} must be {_holds(param, sizes, len(names) > 1, short)}"
        for param, names in groups
    ]
    shown = {str(d) for p in params for d in dims(p.type)}
    rest = [f"{s.name} >= {s.minimum}" for s in sizes if s.minimum > 1 and s.name not in shown]
    return f"{public}: {', and '.join(parts)}{', with ' if rest else ''}{', '.join(rest)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
