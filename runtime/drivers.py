"""Loops around a native function, as LLVM assembly: over rows of inputs, and over steps of time."""

from __future__ import annotations

from ddc.backends.llvm.text import Writer, quoted
from ddc.backends.llvm.unit import EXTENSION, Unit

ROWS = "ddc.rows"
ADVANCE = "ddc.advance"


def rows(unit: Unit) -> str:
    """Return `ddc.rows(count, sizes, (input, stride)..., workspace, (output, stride)...)`.

    It calls the function for each of `count` rows; strides are in entries, 0 for one value that
    all rows share. The result tells whether a row reported that an int left 64 bits.
    """
    kernel, w = unit.kernel, Writer()
    heads = ["i64 %count"]
    arguments: list[str] = []
    for size in kernel.sizes:
        name = f"%{quoted(f'size.{size}')}"
        heads.append(f"i64 {name}")
        arguments.append(f"i64 {name}")
    w.name("count")
    places: list[tuple[str, str, str, bool]] = []
    for k, parameter in enumerate((*kernel.inputs, *kernel.outputs)):
        if k == len(kernel.inputs) and kernel.workspace:
            heads.append("ptr %workspace")
        heads += [f"ptr %base{k}", f"i64 %stride{k}"]
        places.append((f"base{k}", f"stride{k}", parameter.type, parameter.array is None))
    with w.loop("0", "%count", "row", carried=[("i32", "0", "over")]) as row:
        addresses: list[str] = []
        for base, stride, type_, _ in places:
            at = w.let(f"mul nsw i64 {row.var}, %{stride}")
            addresses.append(
                w.let(f"getelementptr inbounds {unit.types[type_]}, ptr %{base}, i64 {at}", "place")
            )
        given = list(arguments)
        inputs = len(kernel.inputs)
        for (_, _, type_, scalar), address in zip(places[:inputs], addresses):
            if scalar:
                value = w.let(f"load {unit.types[type_]}, ptr {address}", "value")
                given.append(f"{unit.types[type_]} {EXTENSION.get(type_, '')}{value}")
            else:
                given.append(f"ptr {address}")
        if kernel.workspace:
            given.append("ptr %workspace")
        by_pointer = kernel.checked or kernel.returned is None
        if by_pointer:
            given += [f"ptr {address}" for address in addresses[inputs:]]
        shown = ", ".join(given)
        over = row.values[0]
        if kernel.checked:
            bad = w.let(f"call i32 @{unit.symbol}({shown}) #1", "bad")
            over = w.let(f"or i32 {over}, {bad}")
        elif by_pointer:
            w.line(f"call void @{unit.symbol}({shown}) #1")
        else:
            value = w.let(f"call {unit.result()} @{unit.symbol}({shown}) #1", "made")
            type_ = unit.types[kernel.outputs[0].type]
            w.line(f"store {type_} {value}, ptr {addresses[-1]}")
        row.nexts = [over]
    w.line(f"ret i32 {row.finals[0]}")
    return f"define i32 @{ROWS}({', '.join(heads)}) {{\n{w.text()}\n}}\n"


def advance(unit: Unit) -> str | None:
    """Return `ddc.advance(first, second, count, sizes, workspace)`: steps to and fro.

    The last state is in `first` after an even number of steps, else in `second`. None for a
    function that does not give what it takes.
    """
    kernel, w = unit.kernel, Writer()
    if len(kernel.inputs) != 1 or len(kernel.outputs) != 1:
        return None
    taken, made = kernel.inputs[0], kernel.outputs[0]
    if taken.array is None or kernel.returned is not None or taken.type != made.type:
        return None
    heads = ["ptr %first", "ptr %second", "i64 %count"]
    sizes = [f"i64 %{quoted(f'size.{size}')}" for size in kernel.sizes]
    for name in ("first", "second", "count"):
        w.name(name)
    carried = [("ptr", "%first", "from"), ("ptr", "%second", "to"), ("i32", "0", "over")]
    with w.loop("0", "%count", "step", carried=carried) as loop:
        source, target, over = loop.values
        given = [*sizes, f"ptr {source}"]
        if kernel.workspace:
            given.append("ptr %workspace")
        shown = ", ".join([*given, f"ptr {target}"])
        if kernel.checked:
            bad = w.let(f"call i32 @{unit.symbol}({shown}) #1", "bad")
            over = w.let(f"or i32 {over}, {bad}")
        else:
            w.line(f"call void @{unit.symbol}({shown}) #1")
        loop.nexts = [target, source, over]
    w.line(f"ret i32 {loop.finals[2]}")
    heads += [*sizes, *(["ptr %workspace"] if kernel.workspace else [])]
    return f"define i32 @{ADVANCE}({', '.join(heads)}) {{\n{w.text()}\n}}\n"


def with_drivers(unit: Unit) -> tuple[str, list[str]]:
    """Return the module of a unit together with its drivers, and the functions that it exports."""
    parts, names = [unit.module(), rows(unit)], [unit.symbol, ROWS]
    stepping = advance(unit)
    if stepping is not None:
        parts.append(stepping)
        names.append(ADVANCE)
    return "\n".join([*parts, "attributes #1 = { noinline }", ""]), names
