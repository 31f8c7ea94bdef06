"""Proof by parts: both totals are sums of parts that read few inputs each, equal one by one.

A program that says several layers at once has none of the network's units in it any more. But its
total, like the network's, is a sum over places, and what stands at one place reads few inputs,
most of them only as counts. Parts of both sides that read the same inputs are put together, and
their difference is evaluated at everything that those counts can be. It may depend on inputs that
several places share only, and has to cancel over all of them.
"""

# What numpy's `tolist` gives has no element type; mypy checks the rest strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import Module, Operand, element, levels, shape_of
from ddc.ir.exact.activation import COMPARISONS, SIGN, STEP
from ddc.ir.exact.sources import Ints

from .discover import Structure
from .integers import Units
from .logistic import logistic
from .scalars import NotScalarError, Piece, Program, Values
from .unit_values import UnitValues, weights_of

MOST_STATES = 1 << 16  # of one part
MOST_SHARED = 1 << 12  # values of the inputs that several parts share
MOST_OUTPUTS = 1 << 12
CLOSE = 1e-13  # of numbers that only have to agree to 1e-12

Outcomes = tuple[int, int, int]


class NotPartsError(Exception):
    """The program is not shown to be equal by parts; `examples` are inputs that may tell why."""

    def __init__(self, message: str, examples: Sequence[Ints] = ()) -> None:
        super().__init__(message)
        self.examples = list(examples)


@dataclass(frozen=True)
class _Root:
    """A total of the program, and what the output is: its comparison, or its logistic function."""

    pieces: list[Piece]
    const: Fraction
    outcomes: Outcomes | None


def cases_of_parts(program: Module, structure: Structure) -> tuple[int, int]:
    """Return the number of parts and of cases in which program and network were compared.

    The program is straight-line code over entries of its inputs. Raises `NotPartsError` where
    equality is not shown.
    """
    levels_ = _levels(structure.module)
    try:
        prover = _Prover(program, structure, levels_)
        try:
            return prover.run()
        except NotPartsError as error:
            if error.examples:
                raise
        # Parts of the two sides that do not fit into each other may still be one place.
        prover.near = True
        return prover.run()
    except NotScalarError as error:
        raise NotPartsError(str(error)) from None


@dataclass
class _Group:
    """Parts of both sides over one set of inputs."""

    mask: int
    mine: list[Piece] = field(default_factory=list[Piece])
    theirs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


class _Prover:
    def __init__(
        self, program: Module, structure: Structure, levels: Sequence[Sequence[int]]
    ) -> None:
        self.structure, self.levels = structure, levels
        self.program = Program(program.entry, levels)
        self.net = UnitValues(structure, len(levels))
        self.parts = self.cases = 0
        self.near = False  # whether parts that overlap are put together

    def run(self) -> tuple[int, int]:
        """Compare every output."""
        self.parts = self.cases = 0
        structure = self.structure
        last = structure.references[-1]
        returned = self.program.results
        targets = structure.targets - last.start
        if structure.decision:
            if len(targets) != 2:
                raise NotPartsError("more than two outputs are chosen from")
            total, bias = self._apart(last.units, targets)
            if structure.decision == "argmax":
                self._output(self._compared(returned[0]), total, bias, (0, 0, 1), Fraction(1))
            else:
                self._shares(returned, total, bias, last.units.scale)
            return self.parts, self.cases
        if last.units.outcomes is None or len(returned) != len(targets):
            raise NotPartsError("the outputs are of another kind")
        if len(targets) > MOST_OUTPUTS:
            raise NotPartsError("there are too many outputs")
        for operand, unit in zip(returned, targets.tolist()):
            below, tie, above = last.units.outcomes[unit].tolist()
            total, bias = weights_of(last.units, unit)
            root = self._compared(operand)
            self._output(root, total, bias, (below, tie, above), Fraction(1))
        return self.parts, self.cases

    def _apart(self, units: Units, targets: Ints) -> tuple[dict[int, int], int]:
        """Return the second output less the first, over what the last layer reads."""
        first, bias = weights_of(units, int(targets[0]))
        second, more = weights_of(units, int(targets[1]))
        total = {n: second.get(n, 0) - first.get(n, 0) for n in {*first, *second}}
        return {n: w for n, w in total.items() if w}, more - bias

    def _shares(
        self, returned: Sequence[Operand], total: dict[int, int], bias: int, scale: Fraction
    ) -> None:
        """Compare two probabilities with the logistic functions of the difference."""
        if len(returned) != 2 or not all(isinstance(r, str) for r in returned):
            raise NotPartsError("the shares are of another shape")
        first, second = map(str, returned)
        for name in self.program.heads(first, second):
            turns = logistic(self.program.ops, first, name), logistic(
                self.program.ops, second, name
            )
            if 0 not in turns and turns[0] == -turns[1]:
                pieces, const = self.program.flattened([(Fraction(turns[1]), name)])
                self._output(_Root(pieces, const, None), total, bias, None, scale)
                return
        raise NotPartsError("the shares are no logistic functions of one number")

    # ------------------------------------------------------------ what the program decides

    def _compared(self, operand: Operand) -> _Root:
        """Return the total whose comparison with 0 an output is."""
        found = self._decision(operand)
        if found is None:
            raise NotPartsError("an output is no comparison of a sum")
        terms, outcomes = found
        below, tie, above = outcomes
        if above < below:
            terms, outcomes = [(-c, o) for c, o in terms], (above, tie, below)
        return _Root(*self.program.flattened(terms), outcomes)

    def _decision(self, operand: Operand) -> tuple[list[tuple[Fraction, Operand]], Outcomes] | None:
        op = self.program.defined.get(operand) if isinstance(operand, str) else None
        if op is None:
            return None
        one = Fraction(1)
        if op.code in COMPARISONS:
            terms: list[tuple[Fraction, Operand]] = [(one, op.operands[0]), (-one, op.operands[1])]
            return terms, COMPARISONS[op.code]
        if op.code in ("sign", "step"):
            return [(one, op.operands[0])], SIGN if op.code == "sign" else STEP
        inner = [self._decision(o) for o in op.operands[:2]]
        if op.code == "not" and inner[0] is not None:
            terms, (below, tie, above) = inner[0]
            return terms, (1 - below, 1 - tie, 1 - above)
        if op.code == "select" and inner[0] is not None:
            shown = [o for o in op.operands[1:] if isinstance(o, int)]
            terms, outcomes = inner[0]
            if len(shown) == 2:
                below, tie, above = (shown[0] if o else shown[1] for o in outcomes)
                return terms, (below, tie, above)
        if op.code == "sub" and inner[0] is not None and len(inner) == 2 and inner[1] is not None:
            return _less(*inner[0], *inner[1])
        return None

    # ------------------------------------------------------------ one output

    def _output(
        self,
        root: _Root,
        total: dict[int, int],
        bias: int,
        outcomes: Outcomes | None,
        scale: Fraction,
    ) -> None:
        """Compare one total of the program with one of the network."""
        groups = self._groups(root, total)
        several = _shared(groups)
        factor = self._factor(groups, outcomes, scale)
        found = [
            self._apart_of(group, several, factor, scale, outcomes is not None) for group in groups
        ]
        slack = sum(worst for _, _, worst in found)
        over = self._summed([(own, apart) for own, apart, _ in found])
        offset = root.const * factor - bias * scale
        left = np.unique(over)
        if outcomes is None:
            if np.abs(over + float(offset)).max() + slack > CLOSE * 10:
                raise NotPartsError("the sums differ")
            return
        if len(left) > 1:
            raise NotPartsError("the sums differ")
        # factor * program's sum = network's sum + moved, in every case
        moved = Fraction(left[0]) + offset
        self._same_cut(root, outcomes, moved, factor)

    def _same_cut(self, root: _Root, outcomes: Outcomes, moved: Fraction, factor: Fraction) -> None:
        """Compare two comparisons with 0 of sums that differ by a number and a factor."""
        assert root.outcomes is not None
        if moved == 0 and root.outcomes == outcomes:
            return
        # Program: sums are const + whole numbers; its cut and the network's in those numbers.
        mine, theirs = -root.const, -root.const + moved / factor
        whole = all(piece.whole for piece in root.pieces)
        if whole and _first(mine, root.outcomes) == _first(theirs, outcomes) is not None:
            return
        raise NotPartsError("the sums are compared with other numbers")

    def _groups(self, root: _Root, total: dict[int, int]) -> list[_Group]:
        """Put parts of both sides together that read the same inputs."""
        pieces: list[tuple[int, Piece | None, tuple[int, int]]] = [
            (piece.mask, piece, (0, 0)) for piece in root.pieces
        ]
        pieces += [(self.net.mask(number), None, (number, w)) for number, w in total.items()]
        pieces.sort(key=lambda piece: -piece[0].bit_count())
        groups: list[_Group] = []
        at: dict[int, list[_Group]] = {}
        for mask, piece, unit in pieces:
            inputs = _bits(mask)
            near = min((at.get(k, []) for k in inputs), key=len, default=[])
            group = next((g for g in near if g.mask & mask == mask), None)
            if group is None:
                read = (at[k] for k in inputs if k in at)
                group = self._nearest(min(read, key=len, default=[]), mask)
                if group is None:
                    group = _Group(0)
                    groups.append(group)
                for k in _bits(mask & ~group.mask):
                    at.setdefault(k, []).append(group)
                group.mask |= mask
            if piece is not None:
                group.mine.append(piece)
            else:
                group.theirs.append(unit)
        return groups

    def _nearest(self, groups: Sequence[_Group], mask: int) -> _Group | None:
        """Return the group that reads most of these inputs, None where it reads less than half."""
        best = max(groups, key=lambda g: (g.mask & mask).bit_count(), default=None)
        if not self.near or best is None or 2 * (best.mask & mask).bit_count() < mask.bit_count():
            return None
        return best

    def _summed(self, parts: Sequence[tuple[list[int], NDArray[Any]]]) -> NDArray[Any]:
        """Return the sum of parts that each depend on a few inputs, over all of those."""
        over = sorted({k for own, _ in parts for k in own})
        if math.prod(len(self.levels[k]) for k in over) > MOST_SHARED:
            raise NotPartsError("the parts share too many inputs")
        total: Any = np.zeros([1] * len(over), dtype=np.int64)
        for own, apart in parts:
            shape = [len(self.levels[k]) if k in own else 1 for k in over]
            total = total + apart.reshape(shape)
        return np.asarray(total)

    def _factor(
        self, groups: Sequence[_Group], outcomes: Outcomes | None, scale: Fraction
    ) -> Fraction:
        """Return the number of times that the network's sums move as far as the program's."""
        if outcomes is None:
            return Fraction(1)
        for group in groups:
            values, _ = self._states(group, [])
            mine, theirs = self._mine(group, values), self._theirs(group, values, scale)
            if mine.max() != mine.min():
                found = Fraction(theirs.max() - theirs.min()) / Fraction(mine.max() - mine.min())
                if found > 0:
                    return found
        return Fraction(1)

    def _states(self, group: _Group, shared: Sequence[int]) -> tuple[Values, list[list[int]]]:
        """Return everything that the inputs of a group can be, those that count alike as counts."""
        classes = self.net.classes(group.theirs)
        self.program.classes(group.mine, classes)
        members: dict[object, list[int]] = {}
        for k in _bits(group.mask):
            alone = k in shared or list(self.levels[k]) != [0, 1]
            key: object = k if alone else tuple(classes.get(k, ()))
            members.setdefault(key, []).append(k)
        found = list(members.values())
        ranges = [
            np.array(self.levels[m[0]] if len(m) == 1 else range(len(m) + 1), dtype=np.int64)
            for m in found
        ]
        if math.prod(len(r) for r in ranges) > MOST_STATES:
            raise NotPartsError("a part has too many cases")
        tables = np.meshgrid(*ranges, indexing="ij") if ranges else []
        return Values(dict(zip((m[0] for m in found), (t.ravel() for t in tables)))), found

    def _mine(self, group: _Group, values: Values) -> NDArray[Any]:
        total: Any = np.zeros(values.lanes, dtype=np.int64)
        for piece in group.mine:
            total = total + self.program.value(piece, values)
        return np.asarray(total)

    def _theirs(self, group: _Group, values: Values, scale: Fraction) -> NDArray[Any]:
        total: Any = np.zeros(values.lanes, dtype=np.int64)
        for number, weight in group.theirs:
            total = total + weight * self.net.value(number, values)
        return np.asarray(total if scale == 1 else total * scale)

    def _apart_of(
        self, group: _Group, several: int, factor: Fraction, scale: Fraction, exact: bool
    ) -> tuple[list[int], NDArray[Any], float]:
        """Return by how much the parts differ, and over which of the inputs that others read too."""
        shared = _bits(several & group.mask)
        values, members = self._states(group, shared)
        self.parts += 1
        self.cases += values.lanes
        mine, theirs = self._mine(group, values), self._theirs(group, values, scale)
        if exact:
            apart = mine.astype(object) * factor - theirs
        else:
            apart = mine.astype(np.float64) * float(factor) - theirs.astype(np.float64)
        place = np.zeros(values.lanes, dtype=np.int64)
        for k in shared:
            few = np.array(self.levels[k])
            place = place * len(few) + np.searchsorted(few, values.of(k))
        order = np.argsort(place, kind="stable")
        starts = np.flatnonzero(np.diff(place[order], prepend=-1))
        low = np.minimum.reduceat(apart[order], starts)
        high = np.maximum.reduceat(apart[order], starts)
        worst = 0.0 if exact else float((high - low).max())
        if (high != low).any() if exact else worst > CLOSE:
            run = int(np.argmax(high - low))
            lanes = order[starts[run] :][: np.count_nonzero(place == place[order[starts[run]]])]
            ends = lanes[int(np.argmin(apart[lanes]))], lanes[int(np.argmax(apart[lanes]))]
            raise NotPartsError(
                "a part differs", [self._example(values, members, int(lane)) for lane in ends]
            )
        apart = low.reshape([len(self.levels[k]) for k in shared])
        own = list(shared)
        for axis in reversed(range(len(shared))):
            if (apart == apart.take([0], axis)).all():
                apart = apart.take(0, axis)
                del own[axis]
        return own, np.asarray(apart), worst

    def _example(self, values: Values, members: list[list[int]], lane: int) -> Ints:
        """Return flat inputs at which the parts of a group are what they are in a lane."""
        found = np.array([few[0] for few in self.levels], dtype=np.int64)
        for few in members:
            value = int(values.of(few[0])[lane])
            if len(few) == 1:
                found[few[0]] = value
            else:
                found[few[:value]] = 1
        return found


def _shared(groups: Sequence[_Group]) -> int:
    """Return the inputs that several groups read, as bits."""
    once = twice = 0
    for group in groups:
        twice |= once & group.mask
        once |= group.mask
    return twice


def _levels(network: Module) -> list[tuple[int, ...]]:
    """Return the values of every flat input."""
    found: list[tuple[int, ...]] = []
    for param in network.entry.params:
        few = levels(element(param.type))
        if few is None:
            raise NotPartsError("an input has too many values")
        found += [few] * math.prod(shape_of(param.type))
    return found


def _bits(mask: int) -> list[int]:
    """Return the places of the bits of a number that are 1."""
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _first(cut: Fraction, outcomes: Outcomes) -> tuple[int, Outcomes] | None:
    """Return the first whole number above a cut by a comparison of two outcomes."""
    below, tie, above = outcomes
    if cut.denominator != 1:
        return math.floor(cut) + 1, (below, below, above)
    if tie not in (below, above):
        return None
    return int(cut) + (tie == below), (below, below, above)


def _less(
    terms: list[tuple[Fraction, Operand]],
    outcomes: Outcomes,
    others: list[tuple[Fraction, Operand]],
    theirs: Outcomes,
) -> tuple[list[tuple[Fraction, Operand]], Outcomes] | None:
    """Return one comparison less another one of the same numbers."""

    def settled(found: list[tuple[Fraction, Operand]]) -> dict[Operand, Fraction]:
        total: dict[Operand, Fraction] = {}
        for factor, operand in found:
            if operand != 0:
                total[operand] = total.get(operand, Fraction(0)) + factor
        return total

    mine, other = settled(terms), settled(others)
    if mine != other:
        if mine != {o: -f for o, f in other.items()}:
            return None
        theirs = (theirs[2], theirs[1], theirs[0])
    (a, b, c), (x, y, z) = outcomes, theirs
    return terms, (a - x, b - y, c - z)


__all__ = ["NotPartsError", "cases_of_parts"]
