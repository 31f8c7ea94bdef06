"""Kernels between rows of numbers that are 0 or 1 and rows of bits in lanes, as LLVM assembly.

A block of rows is cut into as many runs as a vector has bits; a run is contiguous memory. Bit `l` of
vector `c` holds cell `c` of run `l`. The runs are read one after the other: eight of them are added
up, each one bit higher, to bytes that hold the same cell of all eight, and the bytes of all runs
are transposed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .text import Writer, real, vector_width
from .transposition import ONE_IN_BYTES, Vectors, transpose

LEAST = 64  # numbers of a run
CHUNK = 4096  # numbers of a run that are moved together
SIDE = 8  # runs that share bytes
NAMES = ("source", "target", "work", "cells")

# types of numbers by the name of their functions
ELEMENTS = {"8": "i8", "16": "i16", "32": "i32", "64": "i64", "single": "float", "double": "double"}


def room(lanes: int, cells: int) -> int:
    """Return the bytes of `work` that conversions of runs of some numbers need."""
    size = lanes // 8
    return -(-min(cells, CHUNK) // size) * (size + 1) * size


def row_conversions(lanes: int, element: str) -> str:
    """Return `pack(source, target, work, cells)` and `unpack` of the same parameters.

    `cells` (`LEAST` at least) are the numbers of a run, runs lie one after the other; `work` has `room`.
    `pack` returns 0 where all numbers were 0 or 1; `unpack` goes from vectors to numbers.
    """
    type_ = ELEMENTS[element]
    texts = [_pack(lanes, type_), _unpack(lanes, type_)]
    if type_[0] == "i":
        size = lanes // 8
        texts.append(f"declare {type_} @llvm.vector.reduce.or.v{size}{type_}(<{size} x {type_}>)")
    texts.append(vector_width(max(128, lanes)))
    return "\n".join([*texts, ""])


class _Mover:
    """What both directions share: blocks of as many cells as a vector has bytes, in chunks."""

    def __init__(self, lanes: int) -> None:
        self.v = Vectors(lanes, NAMES)
        self.w = w = self.v.w
        self.size = size = lanes // 8
        self.bytes = f"<{size} x i8>"
        self.between = self.v.room(f"[{size} x {self.v.type}]", "between")
        begun = w.let(f"add nsw i64 %cells, {size - 1}")
        self.blocks = w.let(f"sdiv i64 {begun}, {size}", "blocks")
        self.latest = w.let(f"sub nsw i64 %cells, {size}", "latest")

    def count(self, chunk: str) -> str:
        """Return how many blocks a chunk has."""
        rest = self.w.let(f"sub nsw i64 {self.blocks}, {chunk}")
        most = CHUNK // self.size
        more = self.w.let(f"icmp sgt i64 {rest}, {most}")
        return self.w.let(f"select i1 {more}, i64 {most}, i64 {rest}", "count")

    def cell(self, chunk: str, block: str) -> str:
        """Return the first cell of a block; the last block overlaps the one before it."""
        number = self.w.let(f"add nsw i64 {chunk}, {block}")
        wish = self.w.let(f"mul nsw i64 {number}, {self.size}")
        late = self.w.let(f"icmp sgt i64 {wish}, {self.latest}")
        return self.w.let(f"select i1 {late}, i64 {self.latest}, i64 {wish}", "cell")

    def block(self, number: str) -> str:
        """Return the address of a block of `work`; blocks share no cache set."""
        at = self.w.let(f"mul nsw i64 {number}, {self.size + 1}")
        return self.v.at("%work", at)

    def shared(self, block: str, group: str) -> str:
        """Return the address of the bytes that eight runs share in a block."""
        return self.v.at(self.block(block), group)

    def place(self, array: str, type_: str, group: str, k: int, chunk: str, block: str) -> str:
        """Return the address of a block's numbers in a run."""
        run = self.w.let(f"mul nsw i64 {group}, {SIDE}")
        run = self.w.let(f"mul nsw i64 {self.v.add(run, k)}, %cells")
        at = self.w.let(f"add nsw i64 {run}, {self.cell(chunk, block)}")
        return self.w.let(f"getelementptr inbounds {type_}, ptr {array}, i64 {at}")


def _pack(lanes: int, type_: str) -> str:
    m = _Mover(lanes)
    v, w, size = m.v, m.w, m.size
    whole = type_[0] == "i"
    kept = f"<{size} x {type_}>" if whole else f"i{size}"
    seen = v.room(kept, "seen")
    w.line(f"store {kept} {'zeroinitializer' if whole else '0'}, ptr {seen}, align 64")
    with w.loop("0", m.blocks, "chunk", str(CHUNK // size)) as chunk:
        count = m.count(chunk.var)
        with w.loop("0", str(size), "group") as group:
            for k in range(SIDE):
                with w.loop("0", count, "block") as block:
                    place = m.place("%source", type_, group.var, k, chunk.var, block.var)
                    bits = _bits(w, size, place, type_, seen)
                    shared = m.shared(block.var, group.var)
                    if k:
                        bits = w.let(f"bitcast {m.bytes} {bits} to {v.type}")
                        amount = str(k) if lanes == 64 else f"splat (i64 {k})"
                        bits = w.let(f"shl {v.type} {bits}, {amount}")
                        before = w.let(f"load {v.type}, ptr {shared}, align {size}")
                        bits = w.let(f"or {v.type} {bits}, {before}")
                        w.line(f"store {v.type} {bits}, ptr {shared}, align {size}")
                    else:
                        w.line(f"store {m.bytes} {bits}, ptr {shared}, align {size}")
        with w.loop("0", count, "block") as block:
            target = v.at("%target", m.cell(chunk.var, block.var))
            transpose(v, m.block(block.var), m.between, target)
    every = w.let(f"load {kept}, ptr {seen}, align 64")
    if whole:
        every = w.let(f"call {type_} @llvm.vector.reduce.or.v{size}{type_}({kept} {every})")
        bad = w.let(f"icmp ugt {type_} {every}, 1")
    else:
        bad = w.let(f"icmp ne {kept} {every}, 0")
    w.line(f"ret i32 {w.let(f'zext i1 {bad} to i32')}")
    return _function("i32 @pack", w)


def _bits(w: Writer, size: int, place: str, type_: str, seen: str) -> str:
    """Return numbers as bytes; `seen` collects what they are."""
    vector = f"<{size} x {type_}>"
    given = w.let(f"load {vector}, ptr {place}, align 1", "numbers")
    if type_[0] == "i":
        before = w.let(f"load {vector}, ptr {seen}, align 64")
        either = w.let(f"or {vector} {before}, {given}")
        w.line(f"store {vector} {either}, ptr {seen}, align 64")
        return given if type_ == "i8" else w.let(f"trunc {vector} {given} to <{size} x i8>")
    alive = w.let(f"fcmp une {vector} {given}, zeroinitializer")
    other = w.let(f"fcmp une {vector} {given}, splat ({type_} {real(1.0)})")
    other = w.let(f"and <{size} x i1> {alive}, {other}")
    other = w.let(f"bitcast <{size} x i1> {other} to i{size}")
    before = w.let(f"load i{size}, ptr {seen}, align 64")
    w.line(f"store i{size} {w.let(f'or i{size} {before}, {other}')}, ptr {seen}, align 64")
    return w.let(f"zext <{size} x i1> {alive} to <{size} x i8>")


def _unpack(lanes: int, type_: str) -> str:
    m = _Mover(lanes)
    v, w, size = m.v, m.w, m.size
    code = "zext" if type_[0] == "i" else "uitofp"
    with w.loop("0", m.blocks, "chunk", str(CHUNK // size)) as chunk:
        count = m.count(chunk.var)
        with w.loop("0", count, "block") as block:
            source = v.at("%source", m.cell(chunk.var, block.var))
            transpose(v, source, m.between, m.block(block.var))
        with w.loop("0", str(size), "group") as group:
            for k in range(SIDE):
                with w.loop("0", count, "block") as block:
                    place = m.place("%target", type_, group.var, k, chunk.var, block.var)
                    shared = m.shared(block.var, group.var)
                    bits = w.let(f"load {v.type}, ptr {shared}, align {size}")
                    if k:
                        amount = str(k) if lanes == 64 else f"splat (i64 {k})"
                        bits = w.let(f"lshr {v.type} {bits}, {amount}")
                    mask = str(ONE_IN_BYTES) if lanes == 64 else f"splat (i64 {ONE_IN_BYTES})"
                    bits = w.let(f"and {v.type} {bits}, {mask}")
                    bits = w.let(f"bitcast {v.type} {bits} to {m.bytes}")
                    if type_ != "i8":
                        bits = w.let(f"{code} {m.bytes} {bits} to <{size} x {type_}>", "numbers")
                    w.line(f"store <{size} x {type_}> {bits}, ptr {place}, align 1")
    w.line("ret void")
    return _function("void @unpack", w)


def _function(head: str, w: Writer) -> str:
    names = "ptr %source, ptr noalias %target, ptr noalias %work, i64 %cells"
    return f"define {head}({names}) #0 {{\n{w.text()}\n}}\n"


# ---------------------------------------------------------------- all blocks of a batch

FIELDS = ("base", "width", "size", "convert")  # of an array: what `batch` is told


def batch_driver() -> str:
    """Return `batch(arrays, inputs, outputs, run, rows, depth, bytes, packed, made, work, states,
    step, first, end)`.

    For blocks `first..end` it packs all inputs, calls `run` and unpacks all outputs; it returns 0 where all
    numbers were 0 or 1. A block has `depth` rows in each lane of vectors of some `bytes`; the last one
    ends with the last row, so that it may overlap the one before it. `arrays` holds `FIELDS` of inputs
    and outputs: an address, numbers in a row, bytes of a number, and a kernel of `row_conversions`.
    `run(packed, made, third, fourth, fifth)` is told `depth, 0, depth`, or where `step` is not 0 an
    address `step` bytes further in `states` for each block, the width of the first input and `depth`.
    """
    w = Writer()
    pointers = ("arrays", "run", "packed", "made", "work", "states")
    numbers = ("inputs", "outputs", "rows", "depth", "bytes", "step", "first", "end")
    for name in (*pointers, *numbers):
        w.name(name)
    lanes = w.let("mul nsw i64 %bytes, 8")
    size = w.let(f"mul nsw i64 {lanes}, %depth", "size")
    latest = w.let(f"sub nsw i64 %rows, {size}", "latest")
    automaton = w.let("icmp ne i64 %step, 0", "automaton")
    every = w.let("add nsw i64 %inputs, %outputs")

    def converted(number: str, buffer: str, start: str, to_lanes: bool) -> tuple[str, str]:
        """Convert an array's rows; return the bytes of its vectors, and what the kernel answers."""
        base, width, bytes_, convert = _fields(w, number)
        skipped = w.let(f"mul nsw i64 {start}, {width}")
        skipped = w.let(f"mul nsw i64 {skipped}, {bytes_}")
        place = w.let(f"getelementptr i8, ptr {base}, i64 {skipped}", "place")
        cells = w.let(f"mul nsw i64 %depth, {width}", "cells")
        taken = w.let(f"mul nsw i64 {cells}, %bytes")
        pair = (place, buffer) if to_lanes else (buffer, place)
        shown = f"(ptr {pair[0]}, ptr {pair[1]}, ptr %work, i64 {cells})"
        if to_lanes:
            return taken, w.let(f"call i32 {convert}{shown}", "bad")
        w.line(f"call void {convert}{shown}")
        return taken, ""

    with w.loop("%first", "%end", "block", carried=[("i32", "0", "over")]) as block:
        wish = w.let(f"mul nsw i64 {block.var}, {size}")
        late = w.let(f"icmp sgt i64 {wish}, {latest}")
        start = w.let(f"select i1 {late}, i64 {latest}, i64 {wish}", "start")
        carried = [("ptr", "%packed", "to"), ("i32", block.values[0], "over")]
        with w.loop("0", "%inputs", "input", carried=carried) as given:
            buffer, over = given.values
            taken, bad = converted(given.var, buffer, start, True)
            following = w.let(f"getelementptr i8, ptr {buffer}, i64 {taken}")
            given.nexts = [following, w.let(f"or i32 {over}, {bad}")]
        block.nexts = [given.finals[1]]
        _run(w, automaton, block.var)
        with w.loop("%inputs", every, "output", carried=[("ptr", "%made", "from")]) as result:
            taken, _ = converted(result.var, result.values[0], start, False)
            result.nexts = [w.let(f"getelementptr i8, ptr {result.values[0]}, i64 {taken}")]
    w.line(f"ret i32 {block.finals[0]}")
    names = ", ".join([*(f"ptr %{n}" for n in pointers), *(f"i64 %{n}" for n in numbers)])
    return f"define i32 @batch({names}) nounwind {{\n{w.text()}\n}}\n"


def _fields(w: Writer, number: str) -> Sequence[str]:
    """Return what is told of an array."""
    start = w.let(f"mul nsw i64 {number}, {len(FIELDS)}")
    found: list[str] = []
    for k, name in enumerate(FIELDS):
        at = w.let(f"add nsw i64 {start}, {k}")
        place = w.let(f"getelementptr inbounds i64, ptr %arrays, i64 {at}")
        type_ = "ptr" if name in ("base", "convert") else "i64"
        found.append(w.let(f"load {type_}, ptr {place}, align 8", name))
    return found


def _run(w: Writer, automaton: str, block: str) -> None:
    """Call the kernel on what is packed."""
    _, width, _, _ = _fields(w, "0")
    skipped = w.let(f"mul nsw i64 {block}, %step")
    states = w.let(f"getelementptr i8, ptr %states, i64 {skipped}")
    states = w.let(f"ptrtoint ptr {states} to i64")
    third = w.let(f"select i1 {automaton}, i64 {states}, i64 %depth")
    fourth = w.let(f"select i1 {automaton}, i64 {width}, i64 0")
    w.line(f"call void %run(ptr %packed, ptr %made, i64 {third}, i64 {fourth}, i64 %depth)")


__all__ = ["ELEMENTS", "FIELDS", "LEAST", "batch_driver", "room", "row_conversions"]
