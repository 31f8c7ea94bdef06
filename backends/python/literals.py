"""Arrays as Python literals: constants exactly, compact where large, and lists of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddc.ir import Constant, DdcError

INLINE = 64  # entries of a constant written as nested tuples
LARGEST = 1 << 22  # entries of a constant that is written at all


def constant_literal(constant: Constant) -> str:
    """Return an expression for a constant array as nested tuples."""
    array = constant.array
    if array.size > LARGEST:
        raise DdcError(f"a constant of {array.size} numbers is too large for Python text")
    if array.size <= INLINE:
        return nested(array.tolist(), array.ndim)
    kind = "float" if array.dtype.kind == "f" else "int"
    rows = array.reshape(-1, array.shape[-1]).tolist()
    text = "\n".join(" ".join(number(v) for v in row) for row in rows)
    entry = f"tuple(tuple({kind}(v) for v in row.split()) for row in _TEXT.splitlines())"
    if array.ndim == 1:
        entry = f"tuple({kind}(v) for v in _TEXT.split())"
    for size in reversed(array.shape[1:-1]):
        entry = f"tuple(zip(*[iter({entry})] * {size}))"
    return entry.replace("_TEXT", f'"""\\\n{text}\n"""')


def array_literal(constant: Constant) -> str:
    """Return an expression for a constant array as a numpy array, reals in binary64."""
    array = constant.array
    if array.size > LARGEST:
        raise DdcError(f"a constant of {array.size} numbers is too large for Python text")
    real = array.dtype.kind == "f"
    wide = not real and array.size > 0 and max(abs(int(array.min())), int(array.max())) >= 1 << 62
    kind = "float" if real else "object" if wide else "int"
    if 0 < array.size <= INLINE:
        text = nested(array.tolist(), array.ndim).replace("(", "[").replace(",)", "]")
        text = text.replace(")", "]").replace("float[", "float(").replace('"]', '")')
        return f"np.array({text}, dtype={kind})"
    shape = ", ".join(map(str, array.shape))
    rows = array.reshape(-1, array.shape[-1]).tolist() if array.size else []
    text = "\n".join(" ".join(number(v) for v in row) for row in rows)
    entry = f'"""\\\n{text}\n""".split()'
    if kind == "object":
        entry = f"[int(v) for v in {entry}]"
    return f"np.array({entry}, dtype={kind}).reshape({shape})"


def number(value: Any) -> str:
    """Return the shortest exact text of a number."""
    return repr(value)


def nested(value: Any, rank: int) -> str:
    """Return nested tuples of numbers."""
    if rank == 0:
        text = number(value)
        return f'float("{text}")' if text in ("nan", "inf", "-inf") else text
    items: Sequence[str] = [nested(v, rank - 1) for v in value]
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def nested_lists(texts: Sequence[str], shape: Sequence[int]) -> str:
    """Return a row-major list as the text of nested lists."""
    if not shape:
        return texts[0]
    rows = list(texts)
    for size in reversed(shape[1:]):
        count = len(rows) // size if size else 0
        rows = [f"[{', '.join(rows[k * size : (k + 1) * size])}]" for k in range(count)]
    if 0 in shape:
        inner = "[]"
        first = list(shape).index(0)
        for size in reversed(shape[:first]):
            inner = f"[{', '.join([inner] * size)}]"
        return inner
    return f"[{', '.join(rows)}]"
