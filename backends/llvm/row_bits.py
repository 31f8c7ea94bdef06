"""Kernels between rows of numbers that are 0 or 1 and rows of bits in lanes, as LLVM assembly.

A block of rows is cut into as many runs as a vector has bits; a run is contiguous memory. Vector
`c` holds cell `c` of every run: bit `64 * w + k` is a cell of run `W * k + w`, where `W` is the
words of a vector. So the runs are read one after the other, and 64 cells of eight runs, side by
side, are what a cache line of words holds before the words are transposed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .text import Writer, real
from .transposition import BLOCK, Vectors, transpose

CHUNK = 64  # blocks of a run that are moved together
SIDE = 8  # runs side by side, whose words fill a cache line
NAMES = ("source", "target", "work", "cells")

# types of numbers by the name of their functions
ELEMENTS = {"8": "i8", "16": "i16", "32": "i32", "64": "i64", "single": "float", "double": "double"}


def row_conversions(lanes: int, element: str) -> str:
    """Return `pack(source, target, work, cells)` and `unpack` of the same parameters.

    `cells` (64 at least) are the numbers of a run, runs lie one after the other. `work` has room for
    64 vectors for every 64 cells begun, `CHUNK` times at most. `pack` returns 0 where all numbers were 0 or 1; `unpack` goes from vectors to numbers.
    """
    type_ = ELEMENTS[element]
    texts = [_pack(lanes, type_), _unpack(lanes, type_)]
    if type_[0] == "i":
        texts.append(f"declare {type_} @llvm.vector.reduce.or.v64{type_}(<64 x {type_}>)")
    texts.append(f'attributes #0 = {{ nounwind "prefer-vector-width"="{max(128, lanes)}" }}')
    return "\n".join([*texts, ""])


class _Mover:
    """What both directions share: chunks of blocks, and words side by side."""

    def __init__(self, lanes: int) -> None:
        self.v = Vectors(lanes, NAMES)
        self.w = w = self.v.w
        self.stage = self._room(f"[{CHUNK * SIDE} x i64]", "stage")
        begun = w.let(f"add nsw i64 %cells, {BLOCK - 1}")
        self.blocks = w.let(f"sdiv i64 {begun}, {BLOCK}", "blocks")
        self.latest = w.let(f"sub nsw i64 %cells, {BLOCK}", "latest")

    def _room(self, type_: str, wish: str) -> str:
        place = self.w.alloca(type_, wish)
        self.w.entry[-1] = self.w.entry[-1].replace("align 16", "align 64")
        return place

    def count(self, chunk: str) -> str:
        """Return how many blocks a chunk has."""
        rest = self.w.let(f"sub nsw i64 {self.blocks}, {chunk}")
        more = self.w.let(f"icmp sgt i64 {rest}, {CHUNK}")
        return self.w.let(f"select i1 {more}, i64 {CHUNK}, i64 {rest}", "count")

    def cell(self, chunk: str, block: str) -> str:
        """Return the first cell of a block; the last block overlaps the one before it."""
        number = self.w.let(f"add nsw i64 {chunk}, {block}")
        wish = self.w.let(f"mul nsw i64 {number}, {BLOCK}")
        late = self.w.let(f"icmp sgt i64 {wish}, {self.latest}")
        return self.w.let(f"select i1 {late}, i64 {self.latest}, i64 {wish}", "cell")

    def block(self, number: str) -> str:
        """Return the address of a block of `work`."""
        return self.v.at("%work", self.w.let(f"mul nsw i64 {number}, {BLOCK}"))

    def words(self, block: str, group: str) -> str:
        """Return the address of the words of eight runs, in a block of `work`."""
        return self.w.let(f"getelementptr inbounds i64, ptr {self.block(block)}, i64 {group}")

    def staged(self, block: str, k: str = "0") -> str:
        """Return the address of a word of a block, side by side with those of other runs."""
        at = self.w.let(f"mul nsw i64 {block}, {SIDE}")
        at = self.w.let(f"add nsw i64 {at}, {k}")
        return self.w.let(f"getelementptr inbounds i64, ptr {self.stage}, i64 {at}", "slot")

    def copy(self, source: str, target: str) -> None:
        """Copy the words of eight runs."""
        words = self.w.let(f"load <{SIDE} x i64>, ptr {source}, align 64")
        self.w.line(f"store <{SIDE} x i64> {words}, ptr {target}, align 64")

    def run(self, group: str, k: str) -> str:
        """Return where a run begins."""
        number = self.w.let(f"add nsw i64 {group}, {k}")
        return self.w.let(f"mul nsw i64 {number}, %cells", "run")


def _pack(lanes: int, type_: str) -> str:
    m = _Mover(lanes)
    v, w, size = m.v, m.w, BLOCK
    vector = f"<{size} x {type_}>"
    whole = type_[0] == "i"
    seen = m._room(vector if whole else "i64", "seen")
    w.line(f"store {vector} zeroinitializer, ptr {seen}" if whole else f"store i64 0, ptr {seen}")
    with w.loop("0", m.blocks, "chunk", str(CHUNK)) as chunk:
        count = m.count(chunk.var)
        with w.loop("0", str(lanes), "group", str(SIDE)) as group:
            with w.loop("0", str(SIDE), "k") as k:
                start = m.run(group.var, k.var)
                with w.loop("0", count, "block") as block:
                    at = w.let(f"add nsw i64 {start}, {m.cell(chunk.var, block.var)}")
                    place = w.let(f"getelementptr inbounds {type_}, ptr %source, i64 {at}")
                    cells = w.let(f"load {vector}, ptr {place}, align 1", "numbers")
                    word = _word(w, cells, type_, seen)
                    w.line(f"store i64 {word}, ptr {m.staged(block.var, k.var)}, align 8")
            with w.loop("0", count, "block") as block:
                m.copy(m.staged(block.var), m.words(block.var, group.var))
        with w.loop("0", count, "block") as block:
            words = m.block(block.var)
            transpose(v, words, words, v.at("%target", m.cell(chunk.var, block.var)))
    if whole:
        every = w.let(f"load {vector}, ptr {seen}")
        every = w.let(f"call {type_} @llvm.vector.reduce.or.v{size}{type_}({vector} {every})")
        bad = w.let(f"icmp ugt {type_} {every}, 1")
    else:
        bad = w.let(f"icmp ne i64 {w.let(f'load i64, ptr {seen}')}, 0")
    w.line(f"ret i32 {w.let(f'zext i1 {bad} to i32')}")
    return _function("i32 @pack", w)


def _word(w: Writer, cells: str, type_: str, seen: str) -> str:
    """Return which of 64 numbers are not 0; `seen` collects what they are."""
    vector = f"<{BLOCK} x {type_}>"
    if type_[0] == "i":
        before = w.let(f"load {vector}, ptr {seen}")
        w.line(f"store {vector} {w.let(f'or {vector} {before}, {cells}')}, ptr {seen}")
        alive = w.let(f"icmp ne {vector} {cells}, zeroinitializer")
        return w.let(f"bitcast <{BLOCK} x i1> {alive} to i64", "word")
    alive = w.let(f"fcmp une {vector} {cells}, zeroinitializer")
    word = w.let(f"bitcast <{BLOCK} x i1> {alive} to i64", "word")
    other = w.let(f"fcmp une {vector} {cells}, splat ({type_} {real(1.0)})")
    other = w.let(f"bitcast <{BLOCK} x i1> {other} to i64")
    bad = w.let(f"and i64 {word}, {other}")
    before = w.let(f"load i64, ptr {seen}")
    w.line(f"store i64 {w.let(f'or i64 {before}, {bad}')}, ptr {seen}")
    return word


def _unpack(lanes: int, type_: str) -> str:
    m = _Mover(lanes)
    v, w = m.v, m.w
    vector, bits = f"<{BLOCK} x {type_}>", f"<{BLOCK} x i1>"
    code = "zext" if type_[0] == "i" else "uitofp"
    with w.loop("0", m.blocks, "chunk", str(CHUNK)) as chunk:
        count = m.count(chunk.var)
        with w.loop("0", count, "block") as block:
            words = m.block(block.var)
            transpose(v, v.at("%source", m.cell(chunk.var, block.var)), words, words)
        with w.loop("0", str(lanes), "group", str(SIDE)) as group:
            with w.loop("0", count, "block") as block:
                m.copy(m.words(block.var, group.var), m.staged(block.var))
            with w.loop("0", str(SIDE), "k") as k:
                start = m.run(group.var, k.var)
                with w.loop("0", count, "block") as block:
                    at = w.let(f"add nsw i64 {start}, {m.cell(chunk.var, block.var)}")
                    place = w.let(f"getelementptr inbounds {type_}, ptr %target, i64 {at}")
                    word = w.let(f"load i64, ptr {m.staged(block.var, k.var)}, align 8", "word")
                    alive = w.let(f"bitcast i64 {word} to {bits}")
                    cells = w.let(f"{code} {bits} {alive} to {vector}", "numbers")
                    w.line(f"store {vector} {cells}, ptr {place}, align 1")
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


__all__ = ["BLOCK", "CHUNK", "ELEMENTS", "FIELDS", "batch_driver", "row_conversions"]
