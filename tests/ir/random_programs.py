"""Random well-formed modules: loops, borders, triangles, scans, tables; seeded, nothing shrinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

from ddc.ir import (
    BIT,
    OPS,
    REAL,
    Affine,
    Array,
    Builder,
    Index,
    Int,
    Loop,
    Module,
    OneHot,
    Op,
    Real,
    Scalar,
    Size,
    State,
    Type,
    attributes,
    dims,
    element,
    int_bounds,
    is_bit,
    levels,
    verify,
)
from ddc.ir.ranges import TypeProblem

Pool = list[tuple[Any, Scalar]]


@dataclass
class Options:
    """What the programs may contain."""

    ops: int = 8
    reals: bool = False
    generic: bool = True  # a size symbol N
    scans: bool = True
    wide: bool = False  # ints beyond 62 bits
    arrays: int = 2
    scalars: int = 2
    extent: int = 3
    big: int = 200
    elements: list[Scalar] = field(
        default_factory=lambda: [BIT, BIT, BIT, Int(-2, 3), Int.of(-1, 1), OneHot(3), Int(0, 9)]
    )


def random_module(rng: Random, options: Options | None = None) -> Module:
    """Return a module of one function that verifies."""
    while True:
        module = _Maker(rng, options or Options()).module()
        if module is not None and not verify(module):
            return module


class _Maker:
    def __init__(self, rng: Random, options: Options) -> None:
        self.rng, self.options = rng, options
        self.b = Builder()
        self.size = Affine.symbol("N") if options.generic and rng.random() < 0.6 else None
        self.arrays: list[tuple[str, Scalar, tuple[Affine, ...]]] = []
        self.loops: list[Loop] = []

    def module(self) -> Module | None:
        rng = self.rng
        pool: Pool = []
        params: list[tuple[str, Type]] = []
        for _ in range(rng.randint(1, self.options.arrays)):
            shape = tuple(self.extent() for _ in range(rng.choice([1, 1, 2])))
            scalar = self.scalar()
            name = self.b.fresh("array")
            self.arrays.append((name, scalar, shape))
            params.append((name, Array(scalar, shape)))
        for _ in range(rng.randint(0, self.options.scalars)):
            name, scalar = self.b.fresh("scalar"), self.scalar()
            pool.append((name, scalar))
            params.append((name, scalar))
        before = len(self.arrays)
        self.fill(pool, self.options.ops, depth=0)
        results: list[tuple[str, Type]] = []
        returns: list[Any] = []
        computed = [entry for entry in pool if isinstance(entry[0], str)][-2:]
        for name, scalar in computed:
            returns.append(name)
            results.append((self.b.fresh("out"), scalar))
        for array, scalar, shape in self.arrays[before:][-2:]:
            returns.append(array)
            results.append((self.b.fresh("out"), Array(scalar, shape)))
        if not results:
            return None
        sizes = [Size("N", 2)] if self.size is not None else []
        return Module((self.b.function("f", params, results, returns, sizes),))

    def scalar(self) -> Scalar:
        if self.options.reals and self.rng.random() < 0.3:
            return REAL
        return self.rng.choice(self.options.elements)

    def extent(self) -> Affine:
        if self.size is not None and self.rng.random() < 0.6:
            return self.size
        return Affine.of(self.rng.randint(1, self.options.extent))

    # ------------------------------------------------------------ ops

    def fill(self, pool: Pool, count: int, depth: int) -> None:
        for _ in range(self.rng.randint(1, count)):
            kind = self.rng.random()
            if kind < 0.2:
                self.load(pool)
            elif kind < 0.4 and depth < 2:
                self.structured(pool, depth)
            elif kind < 0.44:
                self.index(pool)
            else:
                self.elementwise(pool)

    def affine(self) -> Affine:
        rng = self.rng
        result = Affine.of(rng.randint(-2, 2))
        for loop in self.loops:
            if rng.random() < 0.7:
                result = result + Affine.symbol(loop.symbol, rng.choice([1, 1, -1, 2]))
        if self.size is not None and rng.random() < 0.2:
            result = result + self.size
        if rng.random() < 0.15:
            result = result.mod(rng.randint(2, 3))
        if rng.random() < 0.15:
            result = result.floordiv(2)
        return result

    def index(self, pool: Pool) -> None:
        name = self.b.op("index", index=[Index(self.affine())])
        pool.append((name, Int(None, None)))

    def load(self, pool: Pool) -> None:
        name, scalar, shape = self.rng.choice(self.arrays)
        places = [self.place(scalar, dim) for dim in shape]
        loaded = self.b.load(name, *places, name="x")
        ints = not isinstance(scalar, Real)
        others = [p.other for p in places if p.border == "else"]
        if others and ints and not all(v in (levels(scalar) or ()) for v in others):
            low, high = int_bounds(scalar) or (None, None)
            known = [v for v in (low, high, *others) if isinstance(v, int)]
            scalar = BIT if {min(known), max(known)} == {0, 1} else Int(min(known), max(known))
        elif others and scalar not in (BIT, REAL):
            scalar = Int(*(int_bounds(scalar) or (None, None)))
        pool.append((loaded, scalar))

    def place(self, scalar: Scalar, dim: Affine) -> Index:
        rng = self.rng
        for loop in self.loops:
            if loop.low == Affine.of(0) and loop.high == dim and rng.random() < 0.5:
                return Index(Affine.symbol(loop.symbol))
        border = rng.choice(["wrap", "clamp", "else"])
        other = None
        if border == "else":
            other = Fraction(1, 2) if isinstance(scalar, Real) else rng.choice([0, 0, 1, -1])
        return Index(self.affine(), border, other)

    def elementwise(self, pool: Pool) -> None:
        rng = self.rng
        codes = ["and", "or", "xor", "not", "threshold", "table", "add", "sub", "neg", "mul"]
        codes += ["eq", "ne", "lt", "le", "gt", "ge", "select", "sign", "step", "min", "max"]
        codes += ["abs", "floordiv", "mod", "bin", "pow"]
        for _ in range(20):
            code = rng.choice(codes)
            arity = {"select": 3, "not": 1, "neg": 1, "sign": 1, "step": 1, "abs": 1, "bin": 1}
            binary = ("sub", "eq", "ne", "lt", "le", "gt", "ge", "floordiv", "mod", "pow")
            count = arity.get(code, 2 if code in binary else rng.randint(1, 4))
            chosen = [self.operand(pool, code, k) for k in range(count)]
            op = self.with_attributes(code, chosen)
            if op is None:
                continue
            try:
                type_ = OPS[code].rule(op, [t for _, t in chosen])
            except TypeProblem:
                continue
            bounds = int_bounds(element(type_))
            limit = 1 << 80 if self.options.wide else self.options.big
            if bounds is not None:
                known = [b for b in bounds if b is not None]
                if known and max(map(abs, known)) > limit:
                    continue
                if code in ("mul", "pow") and None in bounds and not self.options.wide:
                    continue
            self.b.append(op)
            pool.append((op.result, element(type_)))
            return

    def operand(self, pool: Pool, code: str, place: int) -> tuple[Any, Scalar]:
        rng = self.rng
        if code in ("floordiv", "mod") and place == 1 or (code == "pow" and place == 1):
            value = rng.choice([1, 2, 3, -2] if code != "pow" else [0, 1, 2, 3])
            return value, Int(value, value)
        wants_bit = code in ("and", "or", "xor", "not") or (code == "select" and place == 0)
        fitting = [entry for entry in pool if not wants_bit or is_bit(entry[1])]
        if not fitting or rng.random() < 0.08:
            value = rng.choice([0, 1] if wants_bit else [0, 1, 2, -1, 3])
            if self.options.wide and not wants_bit and rng.random() < 0.3:
                value = rng.choice([1, -1]) * rng.getrandbits(70)
            return value, Int(value, value)
        return rng.choice(fitting[-8:])

    def with_attributes(self, code: str, chosen: list[tuple[Any, Scalar]]) -> Op | None:
        rng = self.rng
        attrs = attributes()
        if code == "threshold":
            weights = None
            if not all(is_bit(t) for _, t in chosen) or rng.random() < 0.4:
                weights = tuple(rng.randint(-3, 3) for _ in chosen)
            attrs = attributes(least=rng.randint(-2, 4), weights=weights)
        elif code == "table":
            cases = 1
            for _, scalar in chosen:
                known = levels(scalar)
                cases *= len(known) if known else 1 << 20
            if cases > 64:
                return None
            top = rng.choice([1, 1, 5])
            attrs = attributes(entries=tuple(rng.randint(0, top) for _ in range(cases)))
        elif code == "bin":
            attrs = attributes(at=tuple(sorted(rng.sample(range(-3, 9), rng.randint(1, 3)))))
        return Op(code, (self.b.fresh(code),), tuple(o for o, _ in chosen), attrs)

    # ------------------------------------------------------------ loops

    def loop(self, box: bool) -> Loop:
        rng = self.rng
        high: Affine = self.extent()
        low = Affine.of(0)
        if not box and self.loops and rng.random() < 0.5:
            high = Affine.symbol(rng.choice(self.loops).symbol) + rng.randint(0, 1)
        elif rng.random() < 0.2:
            low, high = Affine.of(1), high + 1
        return self.b.loop("i", low, high)

    def structured(self, pool: Pool, depth: int) -> None:
        kind = self.rng.choice(["map", "map", "reduce", "reduce", "scan"])
        if kind == "scan" and not self.options.scans:
            kind = "map"
        {"map": self.map, "reduce": self.reduce, "scan": self.scan}[kind](pool, depth)

    def enter(self, loops: list[Loop]) -> None:
        self.loops += loops

    def leave(self, loops: list[Loop]) -> None:
        del self.loops[len(self.loops) - len(loops) :]

    def body(self, pool: Pool, depth: int, loops: list[Loop]) -> tuple[list[Op], Pool]:
        inner = list(pool)
        outer_arrays = list(self.arrays)
        self.enter(loops)
        with self.b.body() as ops:
            self.load(inner)
            self.fill(inner, self.options.ops // 2 + 1, depth + 1)
        self.leave(loops)
        self.arrays = outer_arrays
        return ops, inner

    def map(self, pool: Pool, depth: int) -> None:
        loops = [self.loop(box=True) for _ in range(self.rng.choice([1, 1, 2]))]
        ops, inner = self.body(pool, depth, loops)
        value, scalar = inner[-1]
        if scalar == Int(None, None) and not self.options.wide:
            return
        (name,) = self.b.map(loops, ops, [value], ["mapped"])
        self.arrays.append((name, scalar, tuple(loop.extent for loop in loops)))

    def reduce(self, pool: Pool, depth: int) -> None:
        rng = self.rng
        loops = [self.loop(box=False) for _ in range(rng.choice([1, 1, 2]))]
        if len(loops) == 2 and rng.random() < 0.5:
            second = self.b.loop("j", 0, Affine.symbol(loops[0].symbol) + 1)
            loops[1] = second
        ops, inner = self.body(pool, depth, loops)
        value, scalar = inner[-1]
        kinds = ["add"]
        if is_bit(scalar):
            kinds = ["and", "or", "xor", "count", "add"]
        if all(loop.extent.is_const and loop.extent.const > 0 for loop in loops):
            kinds += ["min", "max"] + (["argmax"] if len(loops) == 1 else [])
        kind = rng.choice(kinds)
        name = self.b.reduce(kind, loops, ops, value, kind)
        known: dict[str, Scalar] = {"and": BIT, "or": BIT, "xor": BIT, "min": scalar, "max": scalar}
        pool.append((name, known.get(kind, REAL if isinstance(scalar, Real) else Int())))

    def scan(self, pool: Pool, depth: int) -> None:
        rng = self.rng
        loop = self.loop(box=True)
        state = State(self.b.fresh("state"), BIT, rng.choice([0, 1]))
        inner = [*pool, (state.name, BIT)]
        ops, inner = self.body(inner, depth, [loop])
        bits = [name for name, scalar in inner if is_bit(scalar)]
        value, scalar = inner[-1]
        if scalar == Int(None, None) and not self.options.wide:
            return
        names = self.b.scan(loop, [state], ops, [rng.choice(bits)], [value], ["seq", "final"])
        self.arrays.append((names[0], scalar, (loop.extent,)))
        pool.append((names[1], BIT))


def random_input(rng: Random, type_: Type, sizes: dict[str, int]) -> Any:
    """Return a value of a type as nested lists."""

    def fill(shape: list[int]) -> Any:
        return [fill(shape[1:]) for _ in range(shape[0])] if shape else entry()

    def entry() -> Any:
        scalar = element(type_)
        if isinstance(scalar, Real):
            return rng.choice([rng.uniform(-2, 2), 0.0, float(rng.randint(-3, 3))])
        if scalar == Int(None, None):
            return rng.choice([1, -1]) * rng.getrandbits(rng.choice([2, 8, 70]))
        return rng.choice(levels(scalar) or (0,))

    return fill([d.evaluate(sizes) for d in dims(type_)])
