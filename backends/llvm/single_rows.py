"""Kernels over rows of single-precision numbers, as LLVM assembly for AVX-512.

Thresholds: all features of a row are compared at once, which gives a word of bits; the logic then
works on such words, sixteen rows at a time. Curves: the piece is found by a binary search whose
tables are permuted inside registers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ddc.ir import Module, Op, Real, attributes, dims, element

from .expressions import least_single
from .text import Writer, real, vector_width

MOST_FEATURES = 32
MOST_KNOTS = 16
LANES = 16
CHUNK = 64  # rows whose words are made before the logic looks at them


def vector(values: Sequence[float]) -> str:
    """Return a vector of single-precision literals."""
    return "<" + ", ".join(f"float {real(float(np.float32(v)))}" for v in values) + ">"


# ---------------------------------------------------------------- thresholds


@dataclass
class _Rules:
    """Bits of a row: atoms are (layer, feature) with a sign, everything else is logic."""

    cuts: list[dict[int, float]] = field(default_factory=lambda: [])

    def atom(self, feature: int, cut: float) -> tuple[int, int]:
        """Return layer and feature of `x[feature] >= cut`."""
        for layer, known in enumerate(self.cuts):
            if known.setdefault(feature, cut) == cut:
                return layer, feature
        self.cuts.append({feature: cut})
        return len(self.cuts) - 1, feature


# The value of a bit: an atom with its sign, or the register of sixteen rows' bits.
_Bit = tuple[int, int, bool] | str


def threshold_kernel(module: Module) -> str | None:
    """Return `run(x, out, rows)` for rules on thresholds of one row of reals, None for others.

    `rows` is a multiple of 64; the result is one byte a row. It returns 0 where no feature was NaN.
    """
    entry = module.entry
    if len(entry.params) != 1 or len(entry.results) != 1 or entry.sizes:
        return None
    shape = dims(entry.params[0].type)
    if len(shape) != 1 or not isinstance(element(entry.params[0].type), Real):
        return None
    count = shape[0].const
    if not 1 <= count <= MOST_FEATURES or dims(entry.results[0].type):
        return None
    rules, w = _Rules(), Writer()
    for name in ("x", "out", "rows"):
        w.name(name)
    atoms = _atoms(module, entry.params[0].name, rules)
    if atoms is None or not rules.cuts:
        return None
    layers = len(rules.cuts)
    words = w.alloca(f"[{layers * CHUNK} x i32]", "words")
    w.entry[-1] = w.entry[-1].replace("align 16", "align 64")
    nans = w.alloca(f"i{count}", "nans")
    w.line(f"store i{count} 0, ptr {nans}")
    with w.loop("0", "%rows", "chunk", str(CHUNK)) as chunk:
        with w.loop("0", str(CHUNK), "j") as j:
            row = w.let(f"add nsw i64 {chunk.var}, {j.var}")
            at = w.let(f"mul nsw i64 {row}, {count}")
            place = w.let(f"getelementptr inbounds float, ptr %x, i64 {at}")
            given = w.let(f"load <{count} x float>, ptr {place}, align 4", "features")
            _note_nans(w, given, count, nans)
            for layer, cuts in enumerate(rules.cuts):
                limits = vector([cuts.get(k, math.inf) for k in range(count)])
                above = w.let(f"fcmp oge <{count} x float> {given}, {limits}")
                word = w.let(f"bitcast <{count} x i1> {above} to i{count}")
                if count < 32:
                    word = w.let(f"zext i{count} {word} to i32")
                slot = w.let(f"add nsw i64 {j.var}, {layer * CHUNK}")
                place = w.let(f"getelementptr inbounds i32, ptr {words}, i64 {slot}")
                w.line(f"store i32 {word}, ptr {place}, align 4")
        with w.loop("0", str(CHUNK), "k", str(LANES)) as k:
            loaded: list[str] = []
            for layer in range(layers):
                slot = w.let(f"add nsw i64 {k.var}, {layer * CHUNK}")
                place = w.let(f"getelementptr inbounds i32, ptr {words}, i64 {slot}")
                loaded.append(w.let(f"load <{LANES} x i32>, ptr {place}, align 64", "word"))
            result = _logic(module, atoms, loaded, w)
            if result is None:
                return None
            bytes_ = w.let(f"zext <{LANES} x i1> {result} to <{LANES} x i8>")
            row = w.let(f"add nsw i64 {chunk.var}, {k.var}")
            place = w.let(f"getelementptr inbounds i8, ptr %out, i64 {row}")
            w.line(f"store <{LANES} x i8> {bytes_}, ptr {place}, align 1")
    _return_nans(w, count, nans)
    head = "define i32 @run(ptr noalias %x, ptr noalias %out, i64 %rows) #0 {"
    count_bits = f"declare <{LANES} x i32> @llvm.ctpop.v{LANES}i32(<{LANES} x i32>)"
    return "\n".join([count_bits, head, w.text(), "}", vector_width(512), ""])


def _note_nans(w: Writer, given: str, count: int, nans: str) -> None:
    """Add a look at a vector of singles: lanes that hold a NaN leave their bit."""
    unordered = w.let(f"fcmp uno <{count} x float> {given}, {given}")
    word = w.let(f"bitcast <{count} x i1> {unordered} to i{count}")
    before = w.let(f"load i{count}, ptr {nans}")
    w.line(f"store i{count} {w.let(f'or i{count} {before}, {word}')}, ptr {nans}")


def _return_nans(w: Writer, count: int, nans: str) -> None:
    any_ = w.let(f"icmp ne i{count} {w.let(f'load i{count}, ptr {nans}')}, 0")
    w.line(f"ret i32 {w.let(f'zext i1 {any_} to i32')}")


def _atoms(module: Module, array: str, rules: _Rules) -> dict[str, _Bit] | None:
    """Return the comparisons of features with numbers; None where something else is read."""
    features: dict[str, int] = {}
    atoms: dict[str, _Bit] = {}
    for op in module.entry.body.ops:
        if op.code == "load" and op.operands[0] == array and op.index[0].at.is_const:
            features[op.result] = op.index[0].at.const
        elif op.code in ("ge", "gt", "le", "lt"):
            found = _comparison(op, features)
            if found is None:
                return None
            feature, cut, strict, negated = found
            atoms[op.result] = (*rules.atom(feature, least_single(cut, strict)), not negated)
        elif any(o in features or o == array for o in op.operands):
            return None
    return atoms


def _comparison(op: Op, features: Mapping[str, int]) -> tuple[int, float, bool, bool] | None:
    """Return feature, cut, strictness and negation of a comparison as `x >= cut` or `x > cut`."""
    a, b, code = op.operands[0], op.operands[1], op.code
    if isinstance(b, str) and b in features and isinstance(a, (int, Fraction)):
        a, b, code = b, a, {"ge": "le", "gt": "lt", "le": "ge", "lt": "gt"}[code]
    if not isinstance(a, str) or a not in features or not isinstance(b, (int, Fraction)):
        return None
    try:
        cut = float(b)
    except OverflowError:
        return None
    return features[a], cut, code in ("gt", "le"), code in ("le", "lt")


def _logic(
    module: Module, atoms: Mapping[str, _Bit], words: Sequence[str], w: Writer
) -> str | None:
    """Add the logic on the words of sixteen rows; return the result's register."""
    logic = _Logic(words, w)
    bits: dict[str, _Bit] = dict(atoms)
    for op in module.entry.body.ops:
        if op.code == "load" or op.result in atoms:
            continue
        given = [bits[o] for o in op.operands if isinstance(o, str) and o in bits]
        value = logic.value(op, given) if len(given) == len(op.operands) else None
        if value is None:
            return None
        bits[op.result] = value
    last = module.entry.body.yields[0]
    return logic.register(bits[last]) if isinstance(last, str) and last in bits else None


class _Logic:
    """Logic on words: what several atoms of a layer say is one test of their word."""

    one = f"<{LANES} x i1>"
    word = f"<{LANES} x i32>"

    def __init__(self, words: Sequence[str], w: Writer) -> None:
        self.words = words
        self.w = w

    def value(self, op: Op, given: Sequence[_Bit]) -> _Bit | None:
        """Return the bit that an op gives, None for an op that is no logic."""
        plain = [bit for bit in given if not isinstance(bit, str)]
        others = [bit for bit in given if isinstance(bit, str)]
        if op.code == "not":
            return self._not(given[0])
        if op.code in ("and", "or"):
            return self._joined(op.code, [*self._tested(plain, op.code == "and"), *others])
        if op.code == "xor":
            return self._joined("xor", [self.register(bit) for bit in given])
        return self._threshold(op, given) if op.code == "threshold" else None

    def register(self, bit: _Bit) -> str:
        """Return a register with the bit of sixteen rows."""
        if isinstance(bit, str):
            return bit
        layer, feature, positive = bit
        kept = self._kept(layer, 1 << feature)
        code = "ne" if positive else "eq"
        return self.w.let(f"icmp {code} {self.word} {kept}, zeroinitializer", "bit")

    def _not(self, bit: _Bit) -> _Bit:
        if isinstance(bit, str):
            return self.w.let(f"xor {self.one} {bit}, splat (i1 true)")
        layer, feature, positive = bit
        return layer, feature, not positive

    def _kept(self, layer: int, features: int) -> str:
        """Return the word of a layer with these features alone."""
        return self.w.let(f"and {self.word} {self.words[layer]}, {_mask(features)}")

    def _tested(self, chosen: Sequence[tuple[int, int, bool]], wanted: bool) -> list[str]:
        """Return for each layer whether all chosen atoms are (or some atom is not) as wanted."""
        found: list[str] = []
        for layer in sorted({atom[0] for atom in chosen}):
            here = [atom for atom in chosen if atom[0] == layer]
            if len({f for _, f, _ in here}) < len(here):
                return [self.register(atom) for atom in chosen]
            kept = self._kept(layer, sum(1 << f for _, f, _ in here))
            pattern = sum(1 << f for _, f, positive in here if positive == wanted)
            test = "eq" if wanted else "ne"
            found.append(self.w.let(f"icmp {test} {self.word} {kept}, {_mask(pattern)}", "bit"))
        return found

    def _joined(self, code: str, registers: Sequence[str]) -> str:
        total = registers[0]
        for other in registers[1:]:
            total = self.w.let(f"{code} {self.one} {total}, {other}", "bit")
        return total

    def _threshold(self, op: Op, given: Sequence[_Bit]) -> str | None:
        least = op.attr("least")
        if op.attr("weights") is not None or not isinstance(least, int):
            return None
        total = "zeroinitializer"
        simple = [bit for bit in given if not isinstance(bit, str) and bit[2]]
        if len(set(simple)) < len(simple):
            simple = []
        for layer in sorted({atom[0] for atom in simple}):
            kept = self._kept(layer, sum(1 << f for n, f, _ in simple if n == layer))
            part = self.w.let(f"call {self.word} @llvm.ctpop.v{LANES}i32({self.word} {kept})")
            total = self.w.let(f"add {self.word} {total}, {part}")
        for bit in given:
            if bit not in simple:
                part = self.w.let(f"zext {self.one} {self.register(bit)} to {self.word}")
                total = self.w.let(f"add {self.word} {total}, {part}")
        return self.w.let(f"icmp sge {self.word} {total}, splat (i32 {least})", "bit")


def _mask(features: int) -> str:
    """Return a vector of one constant; the highest feature is the sign."""
    return f"splat (i32 {features - (1 << 32) if features >= 1 << 31 else features})"


# ---------------------------------------------------------------- curves


def curve_kernel(module: Module) -> str | None:
    """Return `run(x, out, count)` for one curve of a number, None for other programs.

    It returns 0 where no number was NaN.

    At most sixteen knots, no transform.
    """
    entry = module.entry
    if len(entry.params) != 1 or len(entry.body.ops) != 1 or dims(entry.params[0].type):
        return None
    op = entry.body.ops[0]
    if op.code != "curve" or op.operands != (entry.params[0].name,) or entry.sizes:
        return None
    knots, beyond = op.attr("knots"), op.attr("beyond")
    if op.attrs != attributes(knots=knots, beyond=beyond) or entry.body.yields != op.results:
        return None
    assert isinstance(knots, tuple)
    pairs = [(float(k[0]), float(k[1])) for k in knots if isinstance(k, tuple)]
    if not 2 <= len(pairs) <= MOST_KNOTS:
        return None
    w = Writer()
    for name in ("x", "out", "count"):
        w.name(name)
    nans = w.alloca(f"i{LANES}", "nans")
    w.line(f"store i{LANES} 0, ptr {nans}")
    whole = w.let(f"and i64 %count, {-LANES}")
    with w.loop("0", whole, "k", str(LANES)) as fast:
        _note_nans(w, _curve_vector(w, pairs, beyond == "linear", fast.var, None), LANES, nans)
    with w.loop(whole, "%count", "k", str(LANES)) as rest:
        lanes = w.let(
            f"call <{LANES} x i1> @llvm.get.active.lane.mask.v{LANES}i1.i64"
            f"(i64 {rest.var}, i64 %count)"
        )
        _note_nans(w, _curve_vector(w, pairs, beyond == "linear", rest.var, lanes), LANES, nans)
    _return_nans(w, LANES, nans)
    type_ = f"<{LANES} x float>"
    declared = [
        f"declare {type_} @llvm.x86.avx512.permvar.sf.512({type_}, <{LANES} x i32>)",
        f"declare <{LANES} x i1> @llvm.get.active.lane.mask.v{LANES}i1.i64(i64, i64)",
        f"declare {type_} @llvm.masked.load.v{LANES}f32.p0(ptr, i32, <{LANES} x i1>, {type_})",
        f"declare void @llvm.masked.store.v{LANES}f32.p0({type_}, ptr, i32, <{LANES} x i1>)",
    ]
    head = "define i32 @run(ptr noalias %x, ptr noalias %out, i64 %count) #0 {"
    return "\n".join([*declared, head, w.text(), "}", vector_width(512), ""])


def _curve_vector(
    w: Writer, pairs: Sequence[tuple[float, float]], linear: bool, at: str, lanes: str | None
) -> str:
    """Add the heights of sixteen numbers; return the register of the numbers."""
    type_, ints = f"<{LANES} x float>", f"<{LANES} x i32>"
    places, heights = [p for p, _ in pairs], [h for _, h in pairs]
    slopes = [
        (h2 - h1) / (p2 - p1) if p2 > p1 else 0.0 for (p1, h1), (p2, h2) in zip(pairs, pairs[1:])
    ]
    slopes.append(slopes[-1] if linear else 0.0)

    def padded(values: Sequence[float], rest: float) -> str:
        return vector([*values, *[rest] * (LANES - len(values))])

    def permuted(table: str, place: str) -> str:
        name = "@llvm.x86.avx512.permvar.sf.512"
        return w.let(f"call {type_} {name}({type_} {table}, {ints} {place})", "entry")

    source = w.let(f"getelementptr inbounds float, ptr %x, i64 {at}")
    if lanes is None:
        x = w.let(f"load {type_}, ptr {source}, align 4", "x")
    else:
        x = w.let(
            f"call {type_} @llvm.masked.load.v{LANES}f32.p0(ptr {source}, i32 4,"
            f" <{LANES} x i1> {lanes}, {type_} zeroinitializer)",
            "x",
        )
    given = x
    if not linear:  # beyond the outer knots the curve stays what it is there
        for test, knot in (("olt", places[0]), ("ogt", places[-1])):
            edge = f"splat (float {real(float(np.float32(knot)))})"
            outside = w.let(f"fcmp {test} {type_} {x}, {edge}")
            x = w.let(f"select <{LANES} x i1> {outside}, {type_} {edge}, {type_} {x}")
    cuts = padded([least_single(p, strict=False) for p in places], math.inf)
    place = "zeroinitializer"
    for step in (8, 4, 2, 1):
        tried = w.let(f"add {ints} {place}, splat (i32 {step})")
        reached = w.let(f"fcmp oge {type_} {given}, {permuted(cuts, tried)}")
        place = w.let(f"select <{LANES} x i1> {reached}, {ints} {tried}, {ints} {place}", "piece")
    away = w.let(f"fsub {type_} {x}, {permuted(padded(places, 0.0), place)}")
    rise = w.let(f"fmul {type_} {permuted(padded(slopes, 0.0), place)}, {away}")
    height = w.let(f"fadd {type_} {permuted(padded(heights, 0.0), place)}, {rise}", "height")
    target = w.let(f"getelementptr inbounds float, ptr %out, i64 {at}")
    if lanes is None:
        w.line(f"store {type_} {height}, ptr {target}, align 4")
    else:
        w.line(
            f"call void @llvm.masked.store.v{LANES}f32.p0({type_} {height}, ptr {target}, i32 4,"
            f" <{LANES} x i1> {lanes})"
        )
    return given
