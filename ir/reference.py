"""Write the table of ops in `README.md` from the op table: `python -m ddc.ir.reference`."""

from __future__ import annotations

import sys
from pathlib import Path

from .ops import MANY, OPS, AttrSpec, OpSpec

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- ops: written by `python -m ddc.ir.reference` -->\n"
END = "<!-- end of ops -->\n"

_VALUES = {
    "int": "INT",
    "number": "NUMBER",
    "ints": "[INT, ...]",
    "numbers": "[NUMBER, ...]",
    "pairs": "[(X, Y), ...]",
}
_OPERANDS = "xyz"
# What stands in the place of, or after, the operands of ops with a syntax of their own.
_SPECIAL = {
    "index": "INDEX",
    "load": "%x[INDEX BORDER, ...]",
    "gather": "%x, %i, ...",
    "dense": "%x, @weights [, @bias]",
    "conv": "%x, @kernel [, @bias]",
    "scale": "%x, @factors, @shifts",
    "embedding": "%x, @table",
}
_SHAPED = ("reshape", "pack")


def op_table() -> str:
    """Return the table of ops as markdown, one table for each family."""
    families: dict[str, list[OpSpec]] = {}
    for spec in OPS.values():
        families.setdefault(spec.family, []).append(spec)
    parts: list[str] = []
    for family, specs in families.items():
        rows = [f"| `{form(spec)}` | {_summary(spec)} |" for spec in specs]
        head = [f"**{family.capitalize()}**", "", "| op | result |", "|---|---|"]
        parts.append("\n".join([*head, *rows]) + "\n")
    return "\n".join(parts)


def form(spec: OpSpec) -> str:
    """Return how an op is written: optional parts in brackets, alternatives with bars."""
    words = [spec.code]
    if spec.head is not None:
        words.append(f"{_value(spec.head)} of")
    words.append(_SPECIAL.get(spec.code) or _operands(*spec.operands))
    if spec.code in _SHAPED:
        words.append("to [DIM, ...]")
    for attr in spec.attrs:
        if not attr.head:
            clause = f"{attr.name} {_value(attr)}"
            words.append(clause if attr.required else f"[{clause}]")
    return " ".join(words).replace("|", "\\|")


def _operands(low: int, high: int) -> str:
    if high == MANY:
        return "%x, ..."
    return ", ".join(f"%{name}" for name in _OPERANDS[:low])


def _value(attr: AttrSpec) -> str:
    return _VALUES.get(attr.kind) or "|".join(attr.words)


def _summary(spec: OpSpec) -> str:
    notes = ["commutes"] if spec.commutes else []
    if not spec.elementwise and spec.family != "data":
        notes.append("whole array")
    return "; ".join([spec.summary, *notes])


def updated(text: str) -> str:
    """Return the text of the reference with the present table of ops."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{op_table()}\n{END}{after}"


if __name__ == "__main__":
    old = README.read_text("utf-8")
    new = updated(old)
    README.write_text(new, "utf-8")
    sys.stdout.write("up to date\n" if new == old else f"wrote {README.name}\n")
