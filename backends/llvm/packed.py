"""Kernels for bit grids in packed layouts, as LLVM assembly with explicit vectors.

Lanes: the first axis of a grid is cut into as many segments as a vector has bits, and bit `l` of a
vector is a cell of segment `l`. The cells next to a cell are then whole vectors, in the same
lanes: nothing is shifted. A grid is `rows + 2 * ghost` rows of vectors (`rows` is the length of a
segment); rows beyond a segment's ends are copies of its neighbours', one lane further.

Segments of a grid whose first axis is no multiple of the lanes differ by one cell. The shorter
ones see their neighbour's first cell one row earlier; `long` is the vector of the longer ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ddc.backends.lowering.logic import cone
from ddc.backends.lowering.luts import Recipe, recipe
from ddc.backends.lowering.sharing import Plan, Value, plan, reads_of
from ddc.backends.lowering.stencil import Offset, Stencil
from ddc.ir.equivalence.gates import Gates

from .bits import TERNARY, emit_gates, emit_look, emit_recipe
from .text import Writer
from .transposition import ONE_IN_BYTES, Vectors, transpose

PARAMETERS = (
    "source", "target", "scratch", "from", "to", "rows", "columns", "stride", "first", "end",
    "bytes", "offsets", "grid", "long", "pitch", "ghost",
)  # fmt: skip
BLOCK = 64  # cells of a segment at least
AT_ONCE = 256  # cells of a segment that are read together


@dataclass(frozen=True)
class Packed:
    """Sizes of the kernels for one rule: bits of a vector, steps of a pass, rows at once."""

    lanes: int
    steps: int
    rows: int = 1

    @property
    def bytes(self) -> int:
        """How many bytes a vector has."""
        return self.lanes // 8


def _function(name: str, parameters: Sequence[str], writer: Writer, result: str = "void") -> str:
    writer.line("ret void" if result == "void" else "unreachable")
    shown = ", ".join(parameters)
    return f"define {result} @{name}({shown}) #0 {{\n{writer.text()}\n}}\n"


def cell(v: Vectors, row: str, column: str) -> str:
    """Return the index of a vector."""
    start = v.w.let(f"mul nsw i64 {row}, %stride")
    return v.w.let(f"add nsw i64 {start}, {column}", "cell")


# ---------------------------------------------------------------- one axis: a register pipeline


def pipeline(packed: Packed, stencil: Stencil, name: str) -> str:
    """Return `name(source, target, first, end)`: several steps of rows `first..end` in one pass.

    The last vectors of every time level stay in registers; each new vector is pushed through all
    levels. Ghosts of `steps * radius` rows must be there. Source and target may be the same.
    """
    v = Vectors(packed.lanes, PARAMETERS)
    w, (reach,) = v.w, stencil.radius
    window = 2 * reach
    ghost = packed.steps * reach
    zero = "zeroinitializer" if packed.lanes > 64 else "0"
    carried = [(v.type, zero, f"t{t}") for t in range(packed.steps) for _ in range(window)]

    def push(values: Sequence[str], given: str) -> tuple[list[str], str]:
        following: list[str] = []
        for t in range(packed.steps):
            seen = [*values[t * window : (t + 1) * window], given]
            following += seen[1:]
            given = _rule(w, stencil, {(k - reach,): s for k, s in enumerate(seen)}, packed.lanes)
        return following, given

    start = w.let(f"sub nsw i64 %first, {ghost}")
    filled = w.let(f"add nsw i64 %first, {ghost}")
    with w.loop(start, filled, "fill", carried=carried) as fill:
        fill.nexts, _ = push(fill.values, v.load("%source", fill.var))
    finish = w.let(f"add nsw i64 %end, {ghost}")
    again = [(t, value, n) for (t, _, n), value in zip(carried, fill.finals)]
    with w.loop(filled, finish, "j", carried=again) as main:
        main.nexts, out = push(main.values, v.load("%source", main.var))
        v.store(out, "%target", w.let(f"sub nsw i64 {main.var}, {ghost}"))
    return _function(name, ("ptr %source", "ptr %target", "i64 %first", "i64 %end"), w)


@lru_cache(maxsize=64)
def rule_recipe(stencil: Stencil) -> Recipe:
    """Return the rule as look-ups; cells are variables by their place in `offsets`."""
    gates = Gates()
    signals = {o: gates.variable(k) for k, o in enumerate(stencil.offsets)}
    output = stencil.output(gates, signals)
    return recipe(gates, output, cone(gates, [output]))


def _rule(w: Writer, stencil: Stencil, cells: dict[Offset, str], lanes: int) -> str:
    """Return the rule's result, given its cells.

    Vectors of 512 bits are for AVX-512, where any function of three bits is one instruction.
    """
    registers = {k: cells[o] for k, o in enumerate(stencil.offsets)}
    if lanes == 512:
        return emit_recipe(w, lanes, rule_recipe(stencil), registers, {})
    gates = Gates()
    output = stencil.output(gates, {o: gates.variable(k) for k, o in enumerate(stencil.offsets)})
    return emit_gates(w, gates, [output], registers, lanes)[0]


# ---------------------------------------------------------------- two axes: rows that share sums


def rows_at_once(packed: Packed, stencil: Stencil, name: str) -> str:
    """Return `name(source, target, from, to, rows, columns)`: one step of a block of cells.

    `from` and `to` are the strides of source and target; several rows are made at once, so that
    what their windows have in common is computed once. What a window has in common with the one
    before it stays in registers.
    """
    v = Vectors(packed.lanes, PARAMETERS)
    w = v.w
    groups = w.let(f"sdiv i64 %rows, {packed.rows}")
    whole = w.let(f"mul nsw i64 {groups}, {packed.rows}")
    with w.loop("0", whole, "row", step=str(packed.rows)) as row:
        _row_group(v, plan(stencil, packed.rows), row.var)
    with w.loop(whole, "%rows", "row") as row:
        _row_group(v, plan(stencil, 1), row.var)
    names = (
        "ptr %source",
        "ptr noalias %target",
        "i64 %from",
        "i64 %to",
        "i64 %rows",
        "i64 %columns",
    )
    text = _function(name, names, w)
    return text.replace("define void", "define internal void", 1)


def _row_group(v: Vectors, shared: Plan, row: str) -> None:
    """Add the loop that makes some rows of cells, from left to right."""
    w = v.w
    used = [shared.structures[k] for k, _ in (*shared.first, *shared.body)]
    starts: dict[int, str] = {}
    for r in sorted({row for row in used if isinstance(row, int)}):
        place = w.let(f"mul nsw i64 {v.add(row, r)}, %from")
        starts[r] = w.let(f"getelementptr inbounds {v.type}, ptr %source, i64 {place}", "line")
    targets = [
        w.let(
            f"getelementptr inbounds {v.type}, ptr %target, i64 "
            f"{w.let(f'mul nsw i64 {v.add(row, k)}, %to')}",
            "line",
        )
        for k in range(len(shared.outputs))
    ]

    def compute(values: Sequence[Value], known: dict[Value, str], column: str | None) -> None:
        done: dict[object, str] = {}
        for value in values:
            structure = shared.structures[value[0]]
            if isinstance(structure, int):
                index = str(value[1]) if column is None else v.add(column, value[1])
                known[value] = v.load(starts[structure], index)
            else:
                reads = [known[read] for read in reads_of(structure, value[1])]
                known[value] = emit_look(w, v.lanes, structure.table, reads, done)

    first: dict[Value, str] = {}
    compute(shared.first, first, None)
    carried = [(v.type, first[value], "kept") for value in shared.kept]
    with w.loop("0", "%columns", "x", carried=carried) as x:
        known = dict(zip(shared.kept, x.values))
        compute(shared.body, known, x.var)
        for out, line in zip(shared.outputs, targets):
            v.store(known[out], line, x.var)
        x.nexts = [known[k, shift + 1] for k, shift in shared.kept]


def tiles(packed: Packed, stencil: Stencil, name: str, step: str, width: int) -> str:
    """Return `name(source, target, scratch, long, rows, columns, stride, first, end)`.

    It makes `packed.steps` steps of the tiles `first..end`, each `width` columns of all rows: the
    levels between stay in scratch memory that the cache holds, where `ends` (see `ghosts`) fills
    the rows beyond, and `sides` columns beyond a grid that does not wrap. Ghosts must be there: columns for all steps, rows for one.
    """
    v = Vectors(packed.lanes, PARAMETERS)
    w, t = v.w, packed.steps
    down, across = stencil.radius
    inner = (width + 2 * t * across) | 1  # the stride of scratch: rows share no set of a cache
    tall = w.let(f"add nsw i64 %rows, {2 * down}")
    size = w.let(f"mul nsw i64 {tall}, {inner}")
    scratch = v.at("%scratch", str(down * inner))  # the first cell
    spare = v.at(scratch, size)
    with w.loop("%first", "%end", "tile") as tile:
        left = w.let(f"mul nsw i64 {tile.var}, {width}", "left")
        rest = w.let(f"sub nsw i64 %columns, {left}")
        narrow = w.let(f"icmp slt i64 {rest}, {width}")
        columns = w.let(f"select i1 {narrow}, i64 {rest}, i64 {width}", "columns")
        source, stride = "%source", "%stride"
        for level in range(1, t + 1):
            more = (t - level) * across
            # The cell (0, left - more) is the first one of this level.
            given = v.at(source, v.add(left, -more) if level == 1 else str(across))
            wide = w.let(f"add nsw i64 {columns}, {2 * more}")
            made, to = (scratch, spare)[level % 2], str(inner)
            if level == t:
                made, to = v.at("%target", left), "%stride"
            w.line(
                f"call void @{step}(ptr {given}, ptr {made}, i64 {stride}, i64 {to}, i64 %rows,"
                f" i64 {wide})"
            )
            if level < t and stencil.borders[1] != "wrap":
                before = w.let(f"select i1 {w.let(f'icmp eq i64 {left}, 0')}, i64 {more}, i64 0")
                final = w.let(f"icmp eq i64 {rest}, {columns}")
                after = w.let(f"select i1 {final}, i64 {more}, i64 0")
                w.line(
                    f"call void @sides(ptr {made}, i64 %rows, i64 {wide}, i64 {inner},"
                    f" i64 {before}, i64 {after})"
                )
            if level < t:
                numbers = f"i64 %rows, i64 {wide}, i64 {inner}"
                w.line(f"call void @ends(ptr {made}, ptr %long, {numbers})")
            source, stride = made, str(inner)
    names = (
        "ptr %source", "ptr %target", "ptr %scratch", "ptr %long", "i64 %rows", "i64 %columns",
        "i64 %stride", "i64 %first", "i64 %end",
    )  # fmt: skip
    return _function(name, names, w)


# ---------------------------------------------------------------- layouts


def conversions(packed: Packed) -> str:
    """Return `pack` and `unpack`: between bytes of cells and lanes.

    `pack(bytes, offsets, grid, rows, columns, pitch, stride)`: `offsets` gives the first byte of
    each segment, `pitch` the bytes from row to row. There must be at least 64 columns (of cells
    that lie one byte apart). `pack` returns 0 where all bytes were 0 or 1.
    """
    return _conversion(packed, "pack", to_lanes=True) + _conversion(
        packed, "unpack", to_lanes=False
    )


def _conversion(packed: Packed, name: str, to_lanes: bool) -> str:
    v = Vectors(packed.lanes, PARAMETERS)
    w, size = v.w, packed.bytes
    side = AT_ONCE // size  # blocks, each of as many cells as a vector has bytes
    buffer = v.room(f"[{side * size} x {v.type}]", "block")
    between = v.room(f"[{size} x {v.type}]", "between")
    seen = v.room(v.type, "seen")
    if to_lanes:
        zero = "zeroinitializer" if v.lanes > 64 else "0"
        w.line(f"store {v.type} {zero}, ptr {seen}, align 64")
    blocks = w.let(f"add nsw i64 %columns, {size - 1}")
    blocks = w.let(f"sdiv i64 {blocks}, {size}")
    final = w.let(f"sub nsw i64 {blocks}, 1")
    latest = w.let(f"sub nsw i64 %columns, {size}")

    def column(group: str, k: int) -> str:
        """Return where a block begins; the last one overlaps the one before it."""
        number = v.add(group, k)
        beyond = w.let(f"icmp sgt i64 {number}, {final}")
        number = w.let(f"select i1 {beyond}, i64 {final}, i64 {number}")
        wish = w.let(f"mul nsw i64 {number}, {size}")
        late = w.let(f"icmp sgt i64 {wish}, {latest}")
        return w.let(f"select i1 {late}, i64 {latest}, i64 {wish}", "x")

    with w.loop("0", "%rows", "row") as row, w.loop("0", blocks, "block", str(side)) as group:
        columns = [column(group.var, k) for k in range(side)]
        line = w.let(f"mul nsw i64 {row.var}, %pitch")
        shifts = [w.let(f"add nsw i64 {line}, {x}", "shift") for x in columns]
        parts = [v.at(buffer, str(k * size)) for k in range(side)]
        places = [v.at("%grid", cell(v, row.var, x)) for x in columns]
        if to_lanes:
            _bytes_shared(v, parts, shifts, seen)
        for part, place in zip(parts, places):
            transpose(v, *((part, between, place) if to_lanes else (place, between, part)))
        if not to_lanes:
            _bytes_shared(v, parts, shifts, None)
    names = (
        "ptr %bytes", "ptr %offsets", "ptr %grid", "i64 %rows", "i64 %columns", "i64 %pitch",
        "i64 %stride",
    )  # fmt: skip
    if not to_lanes:
        return _function(name, names, w)
    every = w.let(f"load <{size} x i8>, ptr {seen}, align 64")
    every = w.let(f"call i8 @llvm.vector.reduce.or.v{size}i8(<{size} x i8> {every})")
    bad = w.let(f"and i8 {every}, -2")
    w.line(f"ret i32 {w.let(f'zext i8 {bad} to i32')}")
    return f"define i32 @{name}({', '.join(names)}) #0 {{\n{w.text()}\n}}\n"


def _bytes_shared(
    v: Vectors, buffers: Sequence[str], shifts: Sequence[str], seen: str | None
) -> None:
    """Move the cells of all lanes between their bytes and bytes that eight lanes share.

    Blocks side by side are moved together: of a segment, far from the others in memory, several
    cache lines in a row are then touched at once. Where bytes are read, `seen` collects their bits.
    """
    w, t = v.w, v.type

    def splat(value: int) -> str:
        return str(value) if v.lanes == 64 else f"splat (i64 {value})"

    with w.loop("0", str(v.lanes // 8), "eight") as eight:
        lanes = w.let(f"mul nsw i64 {eight.var}, 8")
        slots = [v.at(buffer, eight.var) for buffer in buffers]
        shared = [v.load(slot, "0") for slot in slots] if seen is None else []
        before = w.let(f"load {t}, ptr {seen}, align 64") if seen is not None else ""
        for k in range(8):
            offset = w.let(f"getelementptr inbounds i64, ptr %offsets, i64 {v.add(lanes, k)}")
            first = w.let(f"load i64, ptr {offset}, align 8")
            for number, shift in enumerate(shifts):
                byte = w.let(f"add nsw i64 {first}, {shift}")
                place = w.let(f"getelementptr inbounds i8, ptr %bytes, i64 {byte}")
                if seen is None:
                    cells = shared[number]
                    cells = w.let(f"lshr {t} {cells}, {splat(k)}") if k else cells
                    cells = w.let(f"and {t} {cells}, {splat(ONE_IN_BYTES)}")
                    w.line(f"store {t} {cells}, ptr {place}, align 1")
                    continue
                cells = w.let(f"load {t}, ptr {place}, align 1")
                before = w.let(f"or {t} {before}, {cells}")
                if k:
                    cells = w.let(f"shl {t} {cells}, {splat(k)}")
                    shared[number] = w.let(f"or {t} {shared[number]}, {cells}")
                else:
                    shared.append(cells)
        if seen is not None:
            w.line(f"store {t} {before}, ptr {seen}, align 64")
            for value, slot in zip(shared, slots):
                v.store(value, slot, "0")


def module(parts: Sequence[str], lanes: int) -> str:
    """Return a module of kernels."""
    return "\n".join(
        [
            *parts,
            "declare i64 @llvm.fshl.i64(i64, i64, i64)",
            "declare i64 @llvm.fshr.i64(i64, i64, i64)",
            f"declare i8 @llvm.vector.reduce.or.v{lanes // 8}i8(<{lanes // 8} x i8>)",
            TERNARY,
            f'attributes #0 = {{ nounwind "prefer-vector-width"="{lanes}" }}',
            "",
        ]
    )


__all__ = [
    "BLOCK",
    "Packed",
    "conversions",
    "module",
    "pipeline",
    "rows_at_once",
    "tiles",
]
