"""Roll the terms of one op into a reduction: loads of one array whose indices form a box.

`add %x0, %x1, ..., %x7` becomes `reduce add %k in 0..8 { load %x[%k] }`; the eight neighbours of
a cell become the 3 x 3 box without its centre. Offsets along each axis may have a stride; a run
along a diagonal is a box of one loop. Where the loads cover a whole axis the reduction runs over
the axis itself, so that it follows the size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Affine, Builder, Index, Loop, Module, Op, Operand, dims, value_types, walk
from ddc.ir.types import Type

from .base import Context, Pass
from .rewrite import rewrite

MIN_TERMS = 4  # fewer terms read better one by one
MIN_WITH_HOLE = 6  # a box of fewer entries with a hole is no box to a reader
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
    """Roll sums, parities, conjunctions … of loads that form a box into reductions."""

    name: ClassVar[str] = "reduce-terms"
    min_terms: int = MIN_TERMS

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with its entry's boxes rolled."""
        entry = module.entry
        types = value_types(entry, module)
        blocks = [entry.body, *(op.body for op in walk(entry.body) if op.body is not None)]
        loads = {op.results[0]: op for op in walk(entry.body) if op.code == "load"}
        # Loads by block and place, so that a hole is read by the load that is there already.
        places = {
            (number, op.operands[0], tuple(i.at for i in op.index)): op.results[0]
            for number, block in enumerate(blocks)
            for op in block.ops
            if op.code == "load"
        }
        homes = {name: key[0] for key, name in places.items()}
        # A hole widens the derived range of the sum, which would change the cases of a table.
        tabled = {o for op in walk(entry.body) if op.code == "table" for o in op.operands}

        def step(op: Op, builder: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
            counted = op.code == "threshold" and op.attr("weights") is None
            code = "add" if counted else op.code
            if code not in _KINDS or len(op.operands) < self.min_terms:
                return None
            groups, rest = _groups(op.operands, loads)
            holes = 1 if _KINDS[code][1] and op.results[0] not in tabled else 0
            boxes = [_box(g, holes) if len(g.names) >= self.min_terms else None for g in groups]
            if not any(boxes):
                return None
            with builder.body() as ops:
                parts = list(rest)
                for group, box in zip(groups, boxes):
                    if box is None:
                        parts.extend(group.names)
                    else:
                        known: dict[tuple[object, ...], str] = {
                            key[1:]: name
                            for key, name in places.items()
                            if key[0] == homes.get(str(group.names[0]))
                        }
                        parts.append(_emit(builder, group, box, code, types, known))
                result = parts[0] if len(parts) == 1 else builder.op(code, *parts, name="count")
                if counted:
                    least = op.attr("least")
                    assert isinstance(least, int)
                    builder.op("ge", result, least)
            ops[-1] = replace(ops[-1], results=op.results, origin=op.origin)
            return ops, list(op.results)

        return module.with_entry(rewrite(entry, step))


@dataclass
class _Group:
    """Loads of one array whose indices differ by constants: the index without, and those."""

    array: Operand
    base: tuple[Index, ...]
    offsets: list[tuple[int, ...]] = field(default_factory=list)
    names: list[Operand] = field(default_factory=list)


def _border(a: Index, b: Index) -> Index:
    """Return the index with the border that one of the two needs; rolling gives an axis one."""
    return b if a.border == "inside" else a


def _groups(
    operands: Sequence[Operand], loads: dict[str, Op]
) -> tuple[list[_Group], list[Operand]]:
    groups: dict[object, _Group] = {}
    rest: list[Operand] = []
    for operand in operands:
        load = loads.get(operand) if isinstance(operand, str) else None
        if load is None:
            rest.append(operand)
            continue
        base = tuple(replace(i, at=i.at - i.at.const) for i in load.index)
        key = (load.operands[0], tuple(i.at for i in base))
        group = groups.setdefault(key, _Group(load.operands[0], base))
        group.base = tuple(map(_border, group.base, base))
        group.offsets.append(tuple(i.at.const for i in load.index))
        group.names.append(operand)
    return list(groups.values()), rest


@dataclass(frozen=True)
class _Box:
    """Offsets `origin + sum(step * loop)`: one vector and one count for each loop."""

    origin: tuple[int, ...]
    vectors: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    missing: tuple[tuple[int, ...], ...]

    def points(self) -> list[tuple[int, ...]]:
        """Return all offsets of the box."""
        return [
            tuple(
                o + sum(t * v[a] for t, v in zip(ts, self.vectors))
                for a, o in enumerate(self.origin)
            )
            for ts in itertools.product(*(range(c) for c in self.counts))
        ]


def _box(group: _Group, holes: int) -> _Box | None:
    """Return the box of a group's offsets: axis-parallel with strides, or one straight run."""
    points = np.array(sorted(group.offsets), dtype=np.int64)
    if len({tuple(p) for p in points.tolist()}) < len(points):
        return None
    straight = _run(points)
    if straight is not None:
        return straight
    axes: list[tuple[int, int, int, int]] = []
    for axis in range(points.shape[1]):
        places = np.unique(points[:, axis])
        steps = np.unique(np.diff(places))
        if len(steps) > 1:
            return None
        if len(places) > 1:
            axes.append((axis, int(places[0]), int(steps[0]), len(places)))
    origin = tuple(int(v) for v in points.min(axis=0))
    vectors = tuple(
        tuple(step if a == axis else 0 for a in range(points.shape[1])) for axis, _, step, _ in axes
    )
    box = _Box(origin, vectors, tuple(count for *_, count in axes), ())
    missing = tuple(sorted(set(box.points()) - {tuple(p) for p in points.tolist()}))
    allowed = holes if len(points) >= MIN_WITH_HOLE else 0
    return replace(box, missing=missing) if len(missing) <= allowed else None


def _run(points: NDArray[np.int64]) -> _Box | None:
    steps = np.unique(np.diff(points, axis=0), axis=0)
    if len(steps) != 1:
        return None
    return _Box(tuple(points[0].tolist()), (tuple(steps[0].tolist()),), (len(points),), ())


def _emit(
    builder: Builder,
    group: _Group,
    box: _Box,
    code: str,
    types: dict[str, Type],
    known: dict[tuple[object, ...], str],
) -> Operand:
    """Add the reduction of a group, and take out again what the box has too much."""
    shape = dims(types[str(group.array)])
    index = list(group.base)
    offsets = [Affine.of(o) for o in box.origin]
    loops: list[Loop] = []
    for vector, count in zip(box.vectors, box.counts):
        axis, *others = [a for a, step in enumerate(vector) if step]
        moves = not group.base[axis].at.is_const
        whole = not others and vector[axis] == 1 and shape[axis] == Affine.of(count)
        low = 0
        if whole and (not moves or group.base[axis].border == "wrap"):
            # Every entry of the axis exactly once: where the window stands does not matter.
            index[axis], offsets[axis] = Index(Affine()), Affine()
        elif not others and vector[axis] == 1:
            low, offsets[axis] = box.origin[axis], Affine()
        loop = builder.loop(f"d{_AXES[axis]}" if moves else "kpqr"[len(loops)], low, low + count)
        loops.append(loop)
        for a, step in enumerate(vector):
            offsets[a] = offsets[a] + Affine.symbol(loop.symbol, step)
    kind, inverse = _KINDS[code]
    with builder.body() as ops:
        moved = [replace(i, at=i.at + o) for i, o in zip(index, offsets)]
        value = builder.op("load", group.array, name="x", index=moved)
    total = builder.reduce(kind, loops, ops, value, "count" if code == "add" else code)
    for hole in box.missing:
        at = [replace(i, at=i.at + o) for i, o in zip(group.base, hole)]
        extra = known.get((group.array, tuple(i.at for i in at)))
        extra = extra or builder.op("load", group.array, name="centre", index=at)
        assert inverse is not None
        total = builder.op(inverse, total, extra, name="others")
    return total
