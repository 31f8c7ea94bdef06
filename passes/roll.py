"""Roll units that agree up to their indices into maps.

Every output is a unit: a table over concrete reads. A *fit* says how the reads follow the
output's coordinates: each axis of a read array is driven by an output axis with a stride
(or by none), plus an offset, with a border rule. The fit is found from one interior unit and
then checked on every unit exactly: the interior table, composed with the border rule, must be
that unit's own function. So rolling is exact by construction; what does not fit stays unrolled.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ddc.ir import (
    Affine,
    Builder,
    Function,
    Index,
    Loop,
    Module,
    Operand,
    element,
    shape_of,
    with_dims,
)

from .base import Context, Pass
from .ranks import ranked
from .units import Family, Read, Unit, level_table, read, stem, table_operand

MAX_FITS = 256  # hypotheses tried for one family before it stays unrolled
MAX_EXCEPTIONAL = 8  # boxes of so few units may consist of border units alone
RULE_SHARE = 5  # in larger ones, one unit in so many reads everything that the rule reads
MAX_SEGMENTS = 4  # runs that a leading axis is cut into before it stays unrolled


@dataclass(frozen=True)
class Axis:
    """How one axis of an array is indexed: `stride * (output axis driver) + offset`."""

    driver: int | None
    stride: int
    cyclic: bool


@dataclass(frozen=True)
class Fit:
    """One map: for every array its axes, the reads of the interior unit as offsets, borders.

    `offsets[i]` belongs to variable i of `values`; `borders[array]` has one entry per axis.
    """

    axes: dict[str, tuple[Axis, ...]]
    borders: dict[str, tuple[tuple[str, int | None], ...]]
    reads: tuple[tuple[str, tuple[int, ...]], ...]
    values: NDArray[np.int64]


@dataclass(frozen=True)
class Roll(Pass):
    """Roll outputs that agree up to their indices into maps over the output's axes."""

    name: ClassVar[str] = "roll"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with its entry rolled as far as it fits."""
        family = read(module.entry)
        if family is None or not family.shape or len(family.units) < 2:
            return module
        rolled = _Roller(family).roll(module.entry) or ranked(module.entry, family)
        if rolled is None:
            context.note(f"the outputs of {family.result.name} do not follow one rule: not rolled")
            return module
        return module.with_entry(rolled)


class _Roller:
    def __init__(self, family: Family) -> None:
        self.family = family
        self.shapes = {p.name: shape_of(p.type) for p in family.params}
        self.levels = level_table(family.params)
        self.order = {p.name: i for i, p in enumerate(family.params)}

    def roll(self, function: Function) -> Function | None:
        family = self.family
        builder = Builder([p.name for p in family.params])
        box = tuple((0, d) for d in family.shape)
        result: Operand | None = self._box(builder, family.units, box, family.result.name)
        if result is None:
            result = self._flattened(builder) or self._segments(builder)
        if result is None:
            return None
        params = [(p.name, p.type) for p in family.params]
        results = [(family.result.name, family.result.type)]
        rolled = builder.function(
            function.name, params, results, [result], function.sizes, function.where
        )
        return replace(rolled, evidence=function.evidence)

    def _flattened(self, builder: Builder) -> Operand | None:
        """Roll a line of outputs that are the cells of a grid, row by row, as one map."""
        family, count = self.family, len(self.family.units)
        grids = [shape for shape in self.shapes.values() if len(shape) == 2]
        if len(family.shape) != 1 or not grids:
            return None
        rows, columns = (max(shape[axis] for shape in grids) for axis in (0, 1))
        for width in range(min(columns, count // 2), 1, -1):
            height, rest = divmod(count, width)
            if rest or height > rows:
                continue
            shape = (Affine.of(height), Affine.of(width))
            result = replace(family.result, type=with_dims(element(family.result.type), shape))
            units = tuple(
                replace(unit, at=divmod(number, width)) for number, unit in enumerate(family.units)
            )
            grid = _Roller(Family(family.params, result, units))
            fit = grid._fit(units)
            if fit is None or not _is_moving(fit):
                continue
            loop = builder.loop("i", 0, count)
            place = Affine.symbol(loop.symbol)
            drivers = (place.floordiv(width), place.mod(width))
            box = ((0, height), (0, width))
            return grid._emit(builder, fit, box, family.result.name, [loop], drivers)
        return None

    # ------------------------------------------------------------ cutting the leading axis

    def _segments(self, builder: Builder) -> Operand | None:
        """Cut the leading axis into runs that fit one map each, and join them."""
        family = self.family
        rows = family.shape[0]
        width = len(family.units) // rows
        starts = [0]
        fits: list[Fit] = []
        while starts[-1] < rows:
            end, fit = self._longest_run(starts[-1], rows, width)
            if fit is None or len(fits) == MAX_SEGMENTS:
                return None
            fits.append(fit)
            starts.append(end)
        if len(fits) > max(2, rows // 2):
            return None
        parts: list[str] = []
        for low, high, fit in zip(starts, starts[1:], fits):
            box = ((low, high), *((0, d) for d in family.shape[1:]))
            parts.append(self._emit(builder, fit, box, f"{family.result.name}_part"))
        return builder.op("concat", *parts, name=family.result.name)

    def _longest_run(self, start: int, rows: int, width: int) -> tuple[int, Fit | None]:
        best: tuple[int, Fit | None] = (start, None)
        low, high = start + 1, rows
        # Runs shrink monotonically, so the longest one is found by bisection.
        while low <= high:
            middle = (low + high) // 2 if best[1] is not None else (low if low == high else high)
            fit = self._fit(self.family.units[start * width : middle * width])
            if fit is not None:
                best, low = (middle, fit), middle + 1
            else:
                high = middle - 1
                if best[1] is None:
                    first = self._fit(self.family.units[start * width : (start + 1) * width])
                    if first is None:
                        return best
                    best, low = (start + 1, first), max(low, start + 2)
        return best

    # ------------------------------------------------------------ fitting one map

    def _box(
        self,
        builder: Builder,
        units: Sequence[Unit],
        box: tuple[tuple[int, int], ...],
        name: str,
    ) -> str | None:
        fit = self._fit(units)
        return None if fit is None else self._emit(builder, fit, box, name)

    def _fit(self, units: Sequence[Unit]) -> Fit | None:
        interior = self._interior(units)
        if interior is None:
            return None
        arrays = sorted({r.array for r in interior.reads}, key=self.order.__getitem__)
        if any(r.array not in arrays for unit in units for r in unit.reads):
            return None
        choices = [list(self._axes(name, interior, units)) for name in arrays]
        hypotheses = itertools.islice(itertools.product(*choices), MAX_FITS)
        checker = _Checker(units)
        for chosen in hypotheses:
            axes = dict(zip(arrays, chosen))
            reads, values = self._relative(interior, axes)
            for borders in self._borders(arrays, axes, reads, units):
                fit = Fit(axes, borders, reads, values)
                if checker.holds(fit, self.shapes, self.levels):
                    return fit
        return None

    def _interior(self, units: Sequence[Unit]) -> Unit | None:
        """Return a unit that reads most, as near to the middle of the box as possible.

        None where hardly any unit reads as much: such a unit is an exception, not the rule.
        """
        most = max(len(unit.reads) for unit in units)
        middle = np.mean([unit.at for unit in units], axis=0)
        full = [unit for unit in units if len(unit.reads) == most]
        if len(units) > MAX_EXCEPTIONAL and len(full) * RULE_SHARE < len(units):
            return None
        return min(full, key=lambda unit: float(np.abs(np.array(unit.at) - middle).sum()))

    def _axes(self, name: str, interior: Unit, units: Sequence[Unit]) -> Iterator[tuple[Axis, ...]]:
        """Yield indexings of one array under which every unit's reads are among the predicted."""
        rank = len(self.family.shape)
        shape = self.shapes[name]
        per_axis: list[list[Axis]] = []
        for size in shape:
            moving = [
                Axis(driver, stride, cyclic)
                for cyclic in (False, True)
                for stride in _strides(size, self.family.shape)
                for driver in range(rank)
            ]
            per_axis.append([*moving, Axis(None, 0, False)])
        reads = [[r.at for r in unit.reads if r.array == name] for unit in units]
        at = np.array([unit.at for unit in units])
        base = [r.at for r in interior.reads if r.array == name]
        usable: list[list[Axis]] = []
        for axis, candidates in enumerate(per_axis):
            places = [sorted({place[axis] for place in places}) for places in reads]
            wanted = sorted({place[axis] for place in base})
            usable.append(
                [
                    a
                    for a in candidates
                    if _axis_fits(a, wanted, interior.at, at, places, shape[axis])
                ]
            )
        distinct = [
            choice
            for choice in itertools.product(*usable)
            if len({a.driver for a in choice if a.driver is not None})
            == sum(a.driver is not None for a in choice)
        ]
        distinct.sort(key=_plainness)
        yield from distinct

    def _relative(
        self, interior: Unit, axes: dict[str, tuple[Axis, ...]]
    ) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], NDArray[np.int64]]:
        """Return the interior reads as offsets in canonical order, and its table in that order."""
        keyed: list[tuple[tuple[int, tuple[int, ...]], int, tuple[str, tuple[int, ...]]]] = []
        for variable, place in enumerate(interior.reads):
            offsets = tuple(
                _offset(axis, index, interior.at, size)
                for axis, index, size in zip(axes[place.array], place.at, self.shapes[place.array])
            )
            entry = (place.array, offsets)
            keyed.append(((self.order[place.array], offsets), variable, entry))
        keyed.sort()
        values = np.transpose(interior.values, [variable for _, variable, _ in keyed])
        return tuple(entry for _, _, entry in keyed), values

    def _borders(
        self,
        arrays: Sequence[str],
        axes: dict[str, tuple[Axis, ...]],
        reads: tuple[tuple[str, tuple[int, ...]], ...],
        units: Sequence[Unit],
    ) -> Iterator[dict[str, tuple[tuple[str, int | None], ...]]]:
        """Yield border rules, `inside` wherever no unit reads outside."""
        at = np.array([unit.at for unit in units])
        rules: list[list[tuple[str, int | None]]] = []
        for name in arrays:
            fills: list[tuple[str, int | None]] = [
                ("else", value) for value in _by_size(self.levels[name])
            ]
            for number, axis in enumerate(axes[name]):
                places = np.array([o[number] for array, o in reads if array == name])
                along = 0 if axis.driver is None else axis.stride * at[:, axis.driver]
                least, most = np.min(along) + places.min(), np.max(along) + places.max()
                inside = least >= 0 and most < self.shapes[name][number]
                if inside:
                    rules.append([("inside", None)])
                elif axis.cyclic:
                    rules.append([("wrap", None)])
                else:
                    rules.append([*fills, ("clamp", None)])
        for chosen in itertools.islice(sorted(itertools.product(*rules), key=_mixed), MAX_FITS):
            rest = iter(chosen)
            yield {name: tuple(next(rest) for _ in self.shapes[name]) for name in arrays}

    # ------------------------------------------------------------ writing the map

    def _emit(
        self,
        builder: Builder,
        fit: Fit,
        box: Sequence[tuple[int, int]],
        name: str,
        loops: Sequence[Loop] = (),
        drivers: Sequence[Affine] = (),
    ) -> str:
        """Write the map over a box; `drivers` are its coordinates where its loops are others."""
        loops = loops or [builder.loop(v, low, high) for v, (low, high) in zip("ijklmnop", box)]
        drivers = drivers or [Affine.symbol(loop.symbol) for loop in loops]
        with builder.body() as ops:
            names = [self._load(builder, fit, drivers, box, name, o) for name, o in fit.reads]
            out = table_operand(builder, fit.values, names, "out")
        return builder.map(loops, ops, [out], [name])[0]

    def _load(
        self,
        builder: Builder,
        fit: Fit,
        drivers: Sequence[Affine],
        box: Sequence[tuple[int, int]],
        array: str,
        offsets: tuple[int, ...],
    ) -> str:
        if not offsets:
            return array
        indices: list[Index] = []
        rules = zip(fit.axes[array], offsets, fit.borders[array], self.shapes[array])
        for axis, offset, (border, fill), size in rules:
            at, ends = Affine.of(offset), [offset]
            if axis.driver is not None:
                at = at + drivers[axis.driver] * axis.stride
                low, high = box[axis.driver]
                ends = [offset + axis.stride * low, offset + axis.stride * (high - 1)]
            inside = min(ends) >= 0 and max(ends) < size
            indices.append(Index(at) if inside else Index(at, border, fill))
        return builder.load(
            array, *indices, name=stem(array, ["m" * (o < 0) + str(abs(o)) for o in offsets])
        )


def _is_moving(fit: Fit) -> bool:
    """Tell whether a fit follows both coordinates of a grid."""
    drivers = {axis.driver for axes in fit.axes.values() for axis in axes}
    return {0, 1} <= drivers


def _strides(size: int, shape: Sequence[int]) -> list[int]:
    """Return the strides worth trying: 1, reversal, and the ratios of the extents."""
    found = [1, -1]
    for extent in shape:
        for ratio in (size // extent, -(-size // extent)):
            if ratio > 1 and ratio not in found:
                found.append(ratio)
    return found


def _axis_fits(
    axis: Axis,
    wanted: Sequence[int],
    origin: Sequence[int],
    at: NDArray[np.int64],
    places: Sequence[Sequence[int]],
    size: int,
) -> bool:
    """Tell whether every unit's places along one axis are among the predicted ones."""
    offsets = np.array([_offset(axis, w, origin, size) for w in wanted], dtype=np.int64)
    for unit, seen in zip(at, places):
        base = 0 if axis.driver is None else axis.stride * int(unit[axis.driver])
        predicted = offsets + base
        if axis.cyclic:
            predicted = predicted % size
        else:
            # A clamped read lands on the border entry.
            predicted = np.clip(predicted, 0, size - 1)
        if not set(seen) <= set(predicted.tolist()):
            return False
    return True


def _offset(axis: Axis, index: int, origin: Sequence[int], size: int) -> int:
    """Return the offset of a read from where its driver stands; cyclic ones smallest in size."""
    if axis.driver is None:
        return index
    raw = index - axis.stride * origin[axis.driver]
    return (raw + (size - 1) // 2) % size - (size - 1) // 2 if axis.cyclic else raw


def _plainness(axes: Sequence[Axis]) -> tuple[int, int, int, int]:
    """Sort plain indexings first: driven axes in order, stride 1, not cyclic."""
    drivers = [a.driver for a in axes if a.driver is not None]
    return (
        sum(a.driver is None for a in axes),
        sum(a.stride != 1 for a in axes if a.driver is not None),
        int(drivers != sorted(drivers)),
        sum(a.cyclic for a in axes),
    )


def _by_size(values: Sequence[int]) -> list[int]:
    return sorted(values, key=lambda v: (abs(v), v))[:4]


def _mixed(rules: Sequence[tuple[str, int | None]]) -> int:
    """Sort border rules that are the same on every axis first."""
    return len({rule for rule in rules if rule[0] != "inside"})


class _Checker:
    """Compares units with a fit exactly; equal situations are compared once."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.kinds: dict[tuple[tuple[int, ...], bytes], int] = {}
        self.kind_of = [
            self.kinds.setdefault((u.values.shape, u.values.tobytes()), len(self.kinds))
            for u in units
        ]

    def holds(
        self, fit: Fit, shapes: dict[str, tuple[int, ...]], levels: dict[str, tuple[int, ...]]
    ) -> bool:
        """Tell whether the fit gives every unit's own function."""
        seen: dict[object, bool] = {}
        for unit, kind in zip(self.units, self.kind_of):
            expected = [
                _place(array, offsets, unit.at, fit, shapes, levels) for array, offsets in fit.reads
            ]
            number: dict[Read | int, int] = {}
            pattern = tuple(
                e if isinstance(e, int) else number.setdefault(e, len(number)) + 1000
                for e in expected
            )
            if any(r not in number for r in unit.reads):
                return False
            key = (pattern, tuple(number[r] for r in unit.reads), kind)
            if key not in seen:
                seen[key] = _same_function(fit.values, pattern, key[1], unit.values)
            if not seen[key]:
                return False
        return True


def _place(
    array: str,
    offsets: tuple[int, ...],
    at: Sequence[int],
    fit: Fit,
    shapes: dict[str, tuple[int, ...]],
    levels: dict[str, tuple[int, ...]],
) -> Read | int:
    """Return where a read lands for the unit at `at`, or the level index of a border value."""
    place: list[int] = []
    rules = zip(fit.axes[array], offsets, fit.borders[array], shapes[array])
    for axis, offset, (border, fill), size in rules:
        index = offset if axis.driver is None else axis.stride * at[axis.driver] + offset
        if border == "wrap":
            index %= size
        elif border == "clamp":
            index = min(max(index, 0), size - 1)
        elif fill is not None and not 0 <= index < size:
            return levels[array].index(fill)
        place.append(index)
    return Read(array, tuple(place))


def _same_function(
    values: NDArray[np.int64],
    pattern: tuple[int, ...],
    variables: tuple[int, ...],
    own: NDArray[np.int64],
) -> bool:
    """Compare `values` with its variables merged or fixed by `pattern` with a unit's own table.

    `pattern[i]` is 1000 + v for variable v, else a fixed level index of axis i; `variables` names
    the variables of `own`, which may be fewer.
    """
    fixed = tuple(slice(None) if p >= 1000 else p for p in pattern)
    free = [p - 1000 for p in pattern if p >= 1000]
    count = max(free, default=-1) + 1
    composed = np.einsum(values[fixed], free, list(range(count))) if free else values[fixed]
    absent = [v for v in range(count) if v not in variables]
    aligned = np.transpose(own, np.argsort(variables)) if variables else own
    return bool(
        np.array_equal(
            composed, np.broadcast_to(np.expand_dims(aligned, tuple(absent)), composed.shape)
        )
    )
