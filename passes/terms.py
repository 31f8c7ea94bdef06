"""Roll the terms of one op into a reduction.

`add %x0, …, %x7` becomes `reduce add %k in 0..8 { load %x[%k] }`; the eight neighbours of a cell
become the 3 x 3 box without its centre; `8 * a[0] + 4 * a[1] + …` becomes a sum over powers of
two. Terms are alike when they are the same expression of loads, up to constants in the indices
and one coefficient; the constants have to form a lattice (boxes, strides, diagonals), the
coefficients a constant, an affine sequence or powers of two. Where the loads cover a whole axis
the reduction runs over the axis itself, so that it follows the size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ddc.ir import OPS, Affine, Builder, Index, Loop, Module, Op, Operand, dims, value_types, walk
from ddc.ir.types import Type

from . import lattice
from .base import Context, Pass
from .lattice import Lattice, Point
from .rewrite import rewrite

MIN_TERMS = 4  # fewer terms read better one by one
MAX_TREE = 12  # ops and loads of one term
_AXES = "ijklmnop"

# op -> (reduction, how a missing entry is taken out again; None: the box must be complete)
_KINDS: dict[str, tuple[str, str | None]] = {
    "add": ("add", "sub"),
    "xor": ("xor", "xor"),
    "and": ("and", None),
    "or": ("or", None),
    "min": ("min", None),
    "max": ("max", None),
}


@dataclass(frozen=True)
class ReduceTerms(Pass):
    """Roll sums, parities, conjunctions … of terms that differ in their indices into reductions."""

    name: ClassVar[str] = "reduce-terms"
    min_terms: int = MIN_TERMS

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with the terms of its entry rolled."""
        entry = module.entry
        roller = _Roller(
            {name: op for op in walk(entry.body) if op.body is None for name in op.results},
            value_types(entry, module),
            {o for op in walk(entry.body) if op.code == "table" for o in op.operands},
            {o: n for n, block in enumerate(_blocks(entry.body.ops)) for o in block},
            self.min_terms,
        )
        return module.with_entry(rewrite(entry, roller.step))


def _blocks(ops: Sequence[Op]) -> list[list[str]]:
    """Return the names that each block of a function defines."""
    found = [[name for op in ops for name in op.results]]
    for op in ops:
        if op.body is not None:
            found += _blocks(op.body.ops)
    return found


@dataclass(frozen=True)
class _Term:
    """An operand as `coefficient * expression`, its loads' constants taken out as a point."""

    key: object
    ops: tuple[Op, ...]  # in order; the last one gives the value
    point: Point
    coefficient: int


@dataclass
class _Group:
    """Terms that are the same expression."""

    first: _Term
    names: list[Operand] = field(default_factory=list[Operand])
    points: list[Point] = field(default_factory=list[Point])
    weights: dict[Point, int] = field(default_factory=dict[Point, int])
    borders: dict[str, tuple[Index, ...]] = field(default_factory=dict[str, tuple[Index, ...]])


@dataclass
class _Roller:
    defined: dict[str, Op]
    types: dict[str, Type]
    tabled: set[Operand]  # operands of tables: their range must not change
    homes: dict[str, int]
    min_terms: int

    def step(self, op: Op, builder: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
        """Return the op's replacement by reductions, None where too few terms are alike."""
        counted = op.code == "threshold"
        code = "add" if counted else op.code
        if code not in _KINDS or len(op.operands) < self.min_terms:
            return None
        factors = op.attr("weights")
        weights = factors if counted and isinstance(factors, tuple) else (1,) * len(op.operands)
        groups, rest = self._groups(op.operands, [int(str(w)) for w in weights])
        holes = 1 if _KINDS[code][1] and op.results[0] not in self.tabled else 0
        plans = [self._plan(group, code, holes) for group in groups]
        if not any(plans) or (counted and not all(plans)) or (counted and rest and factors):
            return None
        with builder.body() as ops:
            parts: list[Operand] = list(rest)
            for group, plan in zip(groups, plans):
                if plan is None:
                    parts.extend(group.names)
                else:
                    parts.append(self._emit(builder, group, plan, code))
            result = parts[0] if len(parts) == 1 else builder.op(code, *parts, name="count")
            if counted:
                least = op.attr("least")
                assert isinstance(least, int)
                builder.op("ge", result, least)
        ops[-1] = replace(ops[-1], results=op.results, origin=op.origin)
        return ops, list(op.results)

    # ------------------------------------------------------------ terms

    def _groups(
        self, operands: Sequence[Operand], factors: Sequence[int]
    ) -> tuple[list[_Group], list[Operand]]:
        groups: dict[object, _Group] = {}
        rest: list[Operand] = []
        for operand, factor in zip(operands, factors):
            term = self._term(operand)
            if term is None or not term.point:
                rest.append(operand)
                continue
            group = groups.setdefault(term.key, _Group(term))
            group.names.append(operand)
            group.points.append(term.point)
            group.weights[term.point] = term.coefficient * factor
            self._merge_borders(group, term)
        return list(groups.values()), rest

    def _merge_borders(self, group: _Group, term: _Term) -> None:
        """Remember the border that some load of the group needs on each axis."""
        for position, op in enumerate(term.ops):
            if op.code == "load":
                known = group.borders.get(str(position), op.index)
                merged = tuple(b if a.border == "inside" else a for a, b in zip(known, op.index))
                group.borders[str(position)] = merged

    def _term(self, operand: Operand) -> _Term | None:
        """Return an operand as a term, None where it is no expression of loads."""
        if not isinstance(operand, str) or operand not in self.defined:
            return None
        coefficient, root = 1, operand
        top = self.defined[operand]
        if top.code == "mul" and len(top.operands) == 2 and isinstance(top.operands[0], int):
            if not isinstance(top.operands[1], str) or top.operands[1] not in self.defined:
                return None
            coefficient, root = top.operands[0], top.operands[1]
        ops = self._tree(root)
        if ops is None:
            return None
        point: list[int] = []
        place = {op.results[0]: number for number, op in enumerate(ops)}
        key: list[object] = []
        for op in ops:
            point += [index.at.const for index in op.index]
            operands = tuple(
                ("op", place[o]) if isinstance(o, str) and o in place else o for o in op.operands
            )
            bases = tuple(index.at - index.at.const for index in op.index)
            key.append((op.code, op.attrs, operands, bases))
        return _Term(tuple(key), ops, tuple(point), coefficient)

    def _tree(self, root: str) -> tuple[Op, ...] | None:
        """Return the elementwise ops and loads that make a value within its own block."""
        order: dict[str, Op] = {}
        stack = [(root, False)]
        while stack:
            name, ready = stack.pop()
            op = self.defined.get(name)
            if op is None or name in order or self.homes.get(name) != self.homes.get(root):
                continue
            if op.code != "load" and not OPS[op.code].elementwise:
                return None
            if ready:
                order[name] = op
                continue
            stack.append((name, True))
            if op.code != "load":
                stack += [(o, False) for o in reversed(op.operands) if isinstance(o, str)]
            if len(order) + len(stack) > 2 * MAX_TREE:
                return None
        return tuple(order.values())

    # ------------------------------------------------------------ plans

    def _plan(self, group: _Group, code: str, holes: int) -> tuple[Lattice, _Weight] | None:
        if len(group.points) < self.min_terms:
            return None
        single = sum(op.code == "load" for op in group.first.ops) == 1
        box = lattice.find(group.points, holes if single and len(group.first.ops) == 1 else 0)
        if box is None:
            return None
        if code != "add" and set(group.weights.values()) != {1}:
            return None
        weight = _weight([group.weights.get(p) for p in box.points()], len(box.counts))
        return None if weight is None else (box, weight)

    # ------------------------------------------------------------ writing

    def _emit(
        self, builder: Builder, group: _Group, plan: tuple[Lattice, _Weight], code: str
    ) -> Operand:
        """Add the reduction of a group, and take out again what the box has too much."""
        box, weight = plan
        loads = [(n, op) for n, op in enumerate(group.first.ops) if op.code == "load"]
        axes = [(n, axis) for n, op in loads for axis in range(len(op.index))]
        bases = {(n, a): self._based(group, n, a) for n, a in axes}
        offsets = {place: Affine.of(start) for place, start in zip(axes, box.origin)}
        loops = [
            self._loop(builder, group, number, axes, box, bases, offsets)
            for number in range(len(box.counts))
        ]
        kind, inverse = _KINDS[code]
        with builder.body() as ops:
            value = self._body(builder, group, bases, offsets)
            value = weight.emit(builder, value, loops)
        total: Operand = builder.reduce(kind, loops, ops, value, "count" if code == "add" else code)
        if weight.factor != 1:
            total = builder.op("mul", weight.factor, total, name="count")
        for hole in box.missing:
            extra = self._hole(builder, group, hole)
            assert inverse is not None
            total = builder.op(inverse, total, extra, name="others")
        return total

    def _based(self, group: _Group, position: int, axis: int) -> Index:
        index = group.borders[str(position)][axis]
        return replace(index, at=index.at - index.at.const)

    def _loop(
        self,
        builder: Builder,
        group: _Group,
        number: int,
        axes: Sequence[tuple[int, int]],
        box: Lattice,
        bases: dict[tuple[int, int], Index],
        offsets: dict[tuple[int, int], Affine],
    ) -> Loop:
        """Make a loop and add it to the offsets that it moves."""
        vector, count = box.vectors[number], box.counts[number]
        moved = [(place, step) for place, step in zip(axes, vector) if step]
        window = any(not bases[place].at.is_const for place, _ in moved)
        name = f"d{_AXES[moved[0][0][1]]}" if window else "kpqr"[number]
        place, step = moved[0]
        low = 0
        if len(moved) == 1 and step == 1:
            low = offsets[place].const
            if self._whole(group, place, count, bases[place]):
                # Every entry of the axis exactly once: where the window stands does not matter.
                bases[place], low = Index(Affine()), 0
            # Another loop may move the same axis: only the constant becomes the start.
            offsets[place] = offsets[place] - offsets[place].const
        loop = builder.loop(name, low, low + count)
        for place, step in moved:
            offsets[place] = offsets[place] + Affine.symbol(loop.symbol, step)
        return loop

    def _whole(self, group: _Group, place: tuple[int, int], count: int, base: Index) -> bool:
        position, axis = place
        array = str(group.first.ops[position].operands[0])
        same_size = dims(self.types[array])[axis] == Affine.of(count)
        return same_size and (base.at.is_const or base.border == "wrap")

    def _body(
        self,
        builder: Builder,
        group: _Group,
        bases: dict[tuple[int, int], Index],
        offsets: dict[tuple[int, int], Affine],
    ) -> str:
        """Write one term with its loads moved by the loops."""
        names: dict[Operand, str] = {}
        value = ""
        for position, op in enumerate(group.first.ops):
            index = tuple(
                replace(bases[position, a], at=bases[position, a].at + offsets[position, a])
                for a in range(len(op.index))
            )
            value = builder.fresh("x" if op.code == "load" else op.results[0])
            given = tuple(names.get(o, o) for o in op.operands)
            builder.append(replace(op, results=(value,), operands=given, index=index, origin=None))
            names[op.results[0]] = value
        return value

    def _hole(self, builder: Builder, group: _Group, hole: Point) -> Operand:
        """Return the entry at a hole: by the load that reads it already, else by a new one."""
        (op,) = group.first.ops
        index = [
            replace(self._based(group, 0, a), at=self._based(group, 0, a).at + offset)
            for a, offset in enumerate(hole)
        ]
        home = self.homes[op.results[0]]
        for name, other in self.defined.items():
            same = other.code == "load" and other.operands == op.operands
            if (
                same
                and self.homes[name] == home
                and [i.at for i in other.index] == [i.at for i in index]
            ):
                return name
        return builder.op("load", *op.operands, name="centre", index=index)


@dataclass(frozen=True)
class _Weight:
    """The coefficient of a term: `factor * base ** (start + slope * loop)`, or affine in it."""

    factor: int = 1
    base: int | None = None
    start: int = 0
    slope: int = 0

    def emit(self, builder: Builder, value: str, loops: Sequence[Loop]) -> str:
        """Multiply a value by its coefficient, without the common factor."""
        if self.slope == 0:
            return value
        (loop,) = loops
        start = self.start - self.slope * loop.low.const
        place = Affine.symbol(loop.symbol, self.slope) + start
        weight = builder.op("index", name="weight", index=[Index(place)])
        if self.base is not None:
            weight = builder.op("pow", self.base, weight, name="weight")
        return builder.op("mul", weight, value, name="part")


def _weight(values: Sequence[int | None], loops: int) -> _Weight | None:
    """Return how the coefficients follow the points of a box; holes (None) need a constant."""
    known = [v for v in values if v is not None]
    if len(set(known)) == 1:
        return _Weight(known[0]) if len(known) == len(values) or known[0] == 1 else None
    if loops != 1 or len(known) < len(values) or 0 in known:
        return None
    steps = {b - a for a, b in itertools.pairwise(known)}
    if len(steps) == 1:
        return _Weight(1, None, known[0], steps.pop())
    return _powers_of_two(known)


def _powers_of_two(values: Sequence[int]) -> _Weight | None:
    smallest = min(values, key=abs)
    ratios = [v // smallest for v in values]
    exact = all(r * smallest == v and r > 0 and r & (r - 1) == 0 for r, v in zip(ratios, values))
    exponents = [r.bit_length() - 1 for r in ratios] if exact else []
    slopes = {b - a for a, b in itertools.pairwise(exponents)}
    if len(slopes) != 1:
        return None
    return _Weight(smallest, 2, exponents[0], slopes.pop())
