"""Loops around a native function, as LLVM assembly: over rows of inputs, and over steps of time."""

from __future__ import annotations

from ddc.backends.llvm.text import Writer, quoted
from ddc.backends.llvm.unit import EXTENSION, Unit

ROWS = "ddc.rows"
ADVANCE = "ddc.advance"
BANDS = "ddc.bands"

# What `bands` is told of each array: its address, entries in a row, bytes of an entry, a kernel of
# `llvm.elements`, memory for a band of stored entries (of inputs: 0 where they are read as they
# are), bytes of a stored entry, and the bounds of inputs.
FIELDS = ("base", "line", "unit", "convert", "scratch", "stored", "low", "high")


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


def bands(unit: Unit, size: str) -> str | None:
    """Return `ddc.bands(arrays, first, end, band, halo, rows, sizes, workspace)`.

    The function gives each row of its outputs from `halo` rows around it. It is called for bands of
    the rows `first..end` out of `rows`, with the rows around them as far as there are any; `size` is the
    size that rows are. Inputs are checked (the result has its first bit set where one was bad) and
    converted, outputs converted, band by band. An int that left 64 bits sets the second bit.
    None for functions with a lone number among inputs or outputs.
    """
    kernel, w = unit.kernel, Writer()
    if kernel.returned is not None or any(
        p.array is None for p in (*kernel.inputs, *kernel.outputs)
    ):
        return None
    heads = ["ptr %arrays", *(f"i64 %{n}" for n in ("first", "end", "band", "halo", "rows"))]
    for name in ("arrays", "first", "end", "band", "halo", "rows"):
        w.name(name)
    sizes: list[str] = []
    for name in kernel.sizes:
        register = f"%{quoted(f'size.{name}')}"
        heads.append(f"i64 {register}")
        sizes.append(register)
    if kernel.workspace:
        heads.append("ptr %workspace")
    arrays = [_told(w, k) for k in range(len(kernel.inputs) + len(kernel.outputs))]
    ins, outs = arrays[: len(kernel.inputs)], arrays[len(kernel.inputs) :]
    with w.loop("%first", "%end", "start", "%band", [("i32", "0", "over")]) as loop:
        start, over = loop.var, loop.values[0]
        stop = _least(w, w.let(f"add nsw i64 {start}, %band"), "%end")
        low = _most(w, w.let(f"sub nsw i64 {start}, %halo"), "0")
        high = _least(w, w.let(f"add nsw i64 {stop}, %halo"), "%rows")
        count = w.let(f"sub nsw i64 {high}, {low}", "count")
        given = [f"i64 {count if n == size else s}" for n, s in zip(kernel.sizes, sizes)]
        for told in ins:
            place, numbers = _part(w, told, low, high)
            taken = w.let(
                f"call i32 {told['convert']}(ptr {place}, ptr {told['scratch']}, i64 {numbers},"
                f" i64 {told['low']}, i64 {told['high']})"
            )
            over = w.let(f"or i32 {over}, {taken}")
            none = w.let(f"icmp eq ptr {told['scratch']}, null")
            given.append(f"ptr {w.let(f'select i1 {none}, ptr {place}, ptr ' + told['scratch'])}")
        if kernel.workspace:
            given.append("ptr %workspace")
        given += [f"ptr {told['scratch']}" for told in outs]
        shown = ", ".join(given)
        if kernel.checked:
            left = w.let(f"call i32 @{unit.symbol}({shown}) #1", "left")
            over = w.let(f"or i32 {over}, {w.let(f'shl i32 {left}, 1')}")
        else:
            w.line(f"call void @{unit.symbol}({shown}) #1")
        for told in outs:
            place, numbers = _part(w, told, start, stop)
            skipped = w.let(f"sub nsw i64 {start}, {low}")
            skipped = w.let(f"mul nsw i64 {skipped}, {told['line']}")
            skipped = w.let(f"mul nsw i64 {skipped}, {told['stored']}")
            source = w.let(f"getelementptr i8, ptr {told['scratch']}, i64 {skipped}")
            w.line(f"call void {told['convert']}(ptr {source}, ptr {place}, i64 {numbers})")
        loop.nexts = [over]
    w.line("fence seq_cst")
    w.line(f"ret i32 {loop.finals[0]}")
    return f"define i32 @{BANDS}({', '.join(heads)}) {{\n{w.text()}\n}}\n"


def _told(w: Writer, number: int) -> dict[str, str]:
    """Return the registers of what is told of an array."""
    found: dict[str, str] = {}
    for k, name in enumerate(FIELDS):
        at = number * len(FIELDS) + k
        place = w.let(f"getelementptr inbounds i64, ptr %arrays, i64 {at}")
        type_ = "ptr" if name in ("base", "convert", "scratch") else "i64"
        found[name] = w.let(f"load {type_}, ptr {place}, align 8", name)
    return found


def _part(w: Writer, told: dict[str, str], low: str, high: str) -> tuple[str, str]:
    """Return the address and the number of the entries in rows `low..high`."""
    before = w.let(f"mul nsw i64 {low}, {told['line']}")
    before = w.let(f"mul nsw i64 {before}, {told['unit']}")
    place = w.let(f"getelementptr i8, ptr {told['base']}, i64 {before}", "place")
    rows = w.let(f"sub nsw i64 {high}, {low}")
    return place, w.let(f"mul nsw i64 {rows}, {told['line']}", "numbers")


def _least(w: Writer, a: str, b: str) -> str:
    return w.let(f"select i1 {w.let(f'icmp slt i64 {a}, {b}')}, i64 {a}, i64 {b}")


def _most(w: Writer, a: str, b: str) -> str:
    return w.let(f"select i1 {w.let(f'icmp sgt i64 {a}, {b}')}, i64 {a}, i64 {b}")


def with_drivers(unit: Unit, size: str | None = None) -> tuple[str, list[str]]:
    """Return the module of a unit together with its drivers, and the functions that it exports.

    `size` is the size of the first axis, where bands of it may be computed on their own.
    """
    parts, names = [unit.module(), rows(unit)], [unit.symbol, ROWS]
    others = {ADVANCE: advance(unit), BANDS: None if size is None else bands(unit, size)}
    for name, text in others.items():
        if text is not None:
            parts.append(text)
            names.append(name)
    return "\n".join([*parts, "attributes #1 = { noinline }", ""]), names
