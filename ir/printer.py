"""Write IR as text, in the one canonical form: `parse(print_module(m)) == m`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .constant_text import constant_text
from .evidence import Detail, Evidence
from .module import (
    Attr,
    Block,
    Function,
    Global,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    Origin,
    Param,
    Size,
)
from .ops import OPS
from .types import Type, number_text, quote

LONGEST_HEADER = 100


def print_module(module: Module, elide: bool = False) -> str:
    """Return the text of a module.

    `elide` leaves out the entries of large constants, for reading: such a text cannot be parsed.
    """
    parts = [print_function(function) for function in module.functions]
    constants = [
        f"const @{name} = {constant_text(constant.array, elide)}\n"
        for name, constant in module.constants
    ]
    if constants:
        parts.append("".join(constants))
    return "\n".join(parts)


def print_function(function: Function) -> str:
    """Return the text of a function."""
    lines = [*_header(function)]
    lines += _block_lines(function.body)
    returned = ", ".join(map(_operand, function.body.yields))
    lines += [f"  return {returned}".rstrip(), "}", ""]
    return "\n".join(lines)


def print_op(op: Op) -> str:
    """Return an op on one line; the body of a structured op is not shown."""
    return _op_line(op) + (" ... }" if op.body is not None else "")


def print_type(type_: Type) -> str:
    """Return the text of a type."""
    return str(type_)


# ---------------------------------------------------------------- functions


def _header(function: Function) -> Iterator[str]:
    sizes = ", ".join(map(_size, function.sizes))
    head = f"func @{function.name}{f'<{sizes}>' if sizes else ''}"
    head += f"({_params(function.params)}) -> ({_params(function.results)})"
    claims = [] if function.where is None else [f"where @{function.where}"]
    claims += [_evidence(claim) for claim in function.evidence]
    line = " ".join([head, *claims, "{"])
    if len(line) <= LONGEST_HEADER or not claims:
        yield line
        return
    yield head
    yield from (f"    {claim}" for claim in claims[:-1])
    yield f"    {claims[-1]} {{"


def _size(size: Size) -> str:
    return size.name if size.minimum == 1 else f"{size.name} >= {size.minimum}"


def _params(params: tuple[Param, ...]) -> str:
    return ", ".join(f"%{param.name}: {param.type}" for param in params)


def _evidence(claim: Evidence) -> str:
    details = ", ".join(f"{key} = {_detail(value)}" for key, value in claim.details)
    return f"{claim.kind}{' ' if claim.method else ''}{claim.method}({details})"


def _detail(value: Detail) -> str:
    return quote(value) if isinstance(value, str) else number_text(value)


# ---------------------------------------------------------------- ops


def _block_lines(block: Block) -> list[str]:
    """Return the lines of the ops of a function's body, bodies inside it indented."""
    lines: list[str] = []
    stack = [(iter(block.ops), block)]
    while stack:
        ops, around = stack[-1]
        indent = "  " * len(stack)
        op = next(ops, None)
        if op is not None:
            lines.append(indent + _op_line(op))
            if op.body is not None:
                stack.append((iter(op.body.ops), op.body))
            continue
        stack.pop()
        if not stack:
            break
        if around.nexts:
            lines.append(f"{indent}next {', '.join(map(_operand, around.nexts))}")
        if around.yields:
            lines.append(f"{indent}yield {', '.join(map(_operand, around.yields))}")
        lines.append(indent[2:] + "}")
    return lines


def _op_line(op: Op) -> str:
    results = ", ".join(f"%{name}" for name in op.results)
    words = _structured(op) if op.body is not None else _simple(op)
    if op.origin is not None:
        words.append(_origin(op.origin))
    if op.body is not None:
        words.append("{")
    return f"{results} = {' '.join(words)}"


def _structured(op: Op) -> list[str]:
    kind = op.attr("kind")
    words = [op.code] if kind is None else [op.code, str(kind)]
    words.append(", ".join(map(_loop, op.loops)))
    if op.states:
        states = (f"%{s.name}: {s.type} = {_operand(s.init)}" for s in op.states)
        words.append(f"with ({', '.join(states)})")
    return words


def _loop(loop: Loop) -> str:
    return f"%{loop.var} in {loop.low}..{loop.high}"


def _simple(op: Op) -> list[str]:
    words = [op.code]
    spec = OPS.get(op.code)
    head = spec.head.name if spec is not None and spec.head is not None else None
    if head is not None and (value := op.attr(head)) is not None:
        words += [_attr(value), "of"]
    if op.code == "index":
        words.append(", ".join(map(_axis, op.index)))
    operands = ", ".join(map(_operand, op.operands))
    if op.code == "load":
        operands += f"[{', '.join(map(_axis, op.index))}]"
    if operands:
        words.append(operands)
    if op.code in ("reshape", "pack"):
        words.append(f"to [{', '.join(map(str, op.shape))}]")
    order = [] if spec is None else [attr.name for attr in spec.attrs]
    for name, value in sorted(op.attrs, key=lambda a: order.index(a[0]) if a[0] in order else -1):
        if name != head:
            words += [name, _attr(value)]
    return words


def _operand(operand: Operand) -> str:
    if isinstance(operand, str):
        return f"%{operand}"
    return f"@{operand.name}" if isinstance(operand, Global) else number_text(operand)


def _axis(index: Index) -> str:
    if index.border == "inside":
        return str(index.at)
    if index.other is None:
        return f"{index.at} {index.border}"
    return f"{index.at} {index.border} {number_text(index.other)}"


def _attr(value: Attr) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, Fraction)):
        return number_text(value)
    entries = (
        (
            f"({number_text(entry[0])}, {number_text(entry[1])})"
            if isinstance(entry, tuple)
            else number_text(entry)
        )
        for entry in value
    )
    return f"[{', '.join(entries)}]"


def _origin(origin: Origin) -> str:
    return f"from({', '.join([quote(origin.layer), *map(str, origin.neurons)])})"
