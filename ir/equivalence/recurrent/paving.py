"""An inductive invariant by paving: pairs of a program state and a cell of the hidden space.

Breadth-first from the start: the image of each cell under each letter is enclosed, its decisions are
compared with the program's results, and the cells that cover it are visited next. When no new cells
turn up, the visited ones are an invariant and the two agree on every word. As long as that has not
happened, n layers without a difference prove agreement on all words of length n.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ddc.ir.exact.recurrent import Cell, Form
from ddc.ir.exact.recurrent.forms import UNIT, matrix

from .machine import Machine
from .outcome import Budget, Outcome
from .shapes import Shape

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MARGIN = 1 + 1e-9  # cells are this much larger than what is put into them
MOST_COVER = 4096  # cells for one image
NUMBERS = 1 << 21  # that are held at a time
FARTHEST = 2.0**40  # lattice points


class Lost(Exception):
    """An image that is not enclosed by few cells."""


class Points:
    """Cells that are single states, for networks whose weights are short enough not to round."""

    def __init__(self, cell: Cell, machine: Machine) -> None:
        self.cell, self.machine = cell, machine

    def run(self, budget: Budget) -> Outcome:
        """Return whether finitely many states are reached and answer right."""
        visited: set[bytes] = set()
        states, hidden = np.zeros(1, dtype=np.int64), self.cell.start[None]
        depth = 0
        while len(states):
            if budget.left < 0 or len(states) * self.machine.size > NUMBERS:
                return Outcome(False, depth, None, "points", len(visited))
            self.machine.expand(states)
            rows = np.repeat(np.arange(len(states)), self.machine.size)
            letters = np.tile(np.arange(self.machine.size), len(states))
            after, low, high = self.cell.step(self.cell.points(hidden[rows]), letters)
            wanted = self.machine.out[states[rows], letters]
            if after.rad.any() or not ((low == wanted) & (high == wanted)).all():
                return Outcome(False, depth, None, "points", len(visited))
            nexts = self.machine.next[states[rows], letters]
            new: list[int] = []
            for row, (state, vector) in enumerate(zip(nexts.tolist(), after.mid + 0.0)):
                key = state.to_bytes(8, "little") + vector.tobytes()
                if key not in visited:
                    visited.add(key)
                    new.append(row)
            kept = np.array(new, dtype=np.int64)
            states, hidden = nexts[kept], after.mid[kept]
            depth += 1
            if len(visited) > budget.cells:
                return Outcome(False, depth, None, "points", len(visited))
        return Outcome(True, 0, None, "points", len(visited))


class Paving:
    """One attempt with cells of one shape."""

    def __init__(self, cell: Cell, machine: Machine, shape: Shape) -> None:
        self.cell, self.machine, self.shape = cell, machine, shape
        self.inverse, self.wide = _inverses(shape.basis)
        self.visited: set[bytes] = set()
        width = max([cell.hidden, *(c.size for c in cell.constants.values())])
        rows = NUMBERS // ((cell.hidden + 3) * max(16, width // cell.hidden))
        self.rows = max(64, min(rows, 1 << 15))

    def run(self, budget: Budget, longest: int | None = None) -> Outcome:
        """Return whether the cells close, or how many layers show no difference."""
        start = Form.exact(self.cell.start[None], 0)
        zero = np.zeros(1, dtype=np.int64)
        states, places = self._new(zero, *self._cover(zero, start))
        depth = 0
        while len(states):
            try:
                found = self._layer(states, places, budget)
            except Lost:
                found = None
            if found is None or len(self.visited) > budget.cells:
                return Outcome(False, depth, None, "paving", len(self.visited))
            states, places = found
            depth += 1
            if longest is not None and depth >= longest:
                return Outcome(False, depth, None, "paving", len(self.visited))
        return Outcome(True, 0, None, "paving", len(self.visited))

    def _layer(self, states: Ints, places: Ints, budget: Budget) -> tuple[Ints, Ints] | None:
        """Return the new cells after one more letter, None where a difference cannot be excluded."""
        size = self.machine.size
        self.machine.expand(states)
        fresh: list[tuple[Ints, Ints]] = []
        step = max(1, self.rows // size)
        for first in range(0, len(states), step):
            if budget.left < 0 or len(self.visited) > budget.cells:
                return None
            part = slice(first, first + step)
            rows = np.repeat(np.arange(len(states[part])), size)
            letters = np.tile(np.arange(size), len(states[part]))
            at = states[part][rows]
            hidden = self._form(states[part], places[part]).at(rows)
            after, low, high = self.cell.step(hidden, letters)
            wanted = self.machine.out[at, letters]
            if not ((low == wanted) & (high == wanted)).all():
                return None
            nexts = self.machine.next[at, letters]
            fresh.append(self._new(nexts, *self._cover(nexts, after)))
        return np.concatenate([f[0] for f in fresh]), np.concatenate([f[1] for f in fresh])

    def _form(self, states: Ints, places: Ints) -> Form:
        """Return the cells as forms whose unknowns are the directions of the basis."""
        kind = self.shape.of(states)
        basis = self.shape.basis[kind]
        radius = self.shape.radius[kind] * MARGIN
        centre = places * (2 * self.shape.radius[kind] * self.shape.overlap)
        mid = np.einsum("rij,rj->ri", basis, centre)
        gens = basis.transpose(0, 2, 1) * radius[:, :, None]
        lost = 8 * (basis.shape[1] + 2) * UNIT
        rad = lost * np.einsum("rij,rj->ri", np.abs(basis), np.abs(centre) + radius)
        return Form(mid, gens, rad + 1e-300)

    def _cover(self, states: Ints, sets: Form) -> tuple[Ints, Ints]:
        """Return which rows need which cells of their states: rows, places [n, hidden]."""
        kind = self.shape.of(states)
        turned = matrix(sets, self.inverse[kind], self.wide)
        low, high = turned.bounds()
        if not (np.isfinite(low) & np.isfinite(high)).all():
            raise Lost
        radius = self.shape.radius[kind]
        pitch = 2 * radius * self.shape.overlap
        if (np.maximum(np.abs(low), np.abs(high)) > FARTHEST * pitch).any():
            raise Lost
        near = np.rint((low + high) / 2 / pitch)
        inside = (near * pitch - radius <= low) & (high <= near * pitch + radius)
        first = np.floor((low + radius) / pitch)
        stride = max(1, int(1 / self.shape.overlap))
        reach = np.ceil((high - (first * pitch + radius)) / (stride * pitch))
        count = np.where(inside, 1, 1 + np.maximum(reach, 0))
        first = np.where(inside, near, first)
        total = count.prod(axis=1)
        if total.max(initial=0) > MOST_COVER:
            raise Lost
        rows = np.arange(len(states))
        places = first
        for axis in range(first.shape[1]):
            repeat = count[rows, axis].astype(np.int64)
            start = np.cumsum(repeat) - repeat
            offset: Ints = np.arange(int(repeat.sum())) - np.repeat(start, repeat)
            rows, places = np.repeat(rows, repeat), np.repeat(places, repeat, axis=0)
            places[:, axis] += offset * stride
        return rows, places.astype(np.int64)

    def _new(self, states: Ints, rows: Ints, places: Ints) -> tuple[Ints, Ints]:
        """Return the cells that were not visited yet, and mark them."""
        keys = np.concatenate([states[rows][:, None], places], axis=1)
        keys = keys[distinct(keys)]
        chosen: list[int] = []
        for place, row in enumerate(keys):
            key = row.tobytes()
            if key not in self.visited:
                self.visited.add(key)
                chosen.append(place)
        kept = keys[np.array(chosen, dtype=np.int64)]
        return kept[:, 0], kept[:, 1:]


def distinct(keys: Ints) -> Ints:
    """Return the places of the first of equal rows."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64)
    low, high = keys.min(axis=0), keys.max(axis=0)
    radix = [int(b) - int(a) + 1 for a, b in zip(low, high)]
    if math.prod(radix) < 1 << 62:
        code = np.zeros(len(keys), dtype=np.int64)
        for column, size in zip((keys - low).T, radix):
            code = code * size + column
        return np.unique(code, return_index=True)[1]
    packed = np.ascontiguousarray(keys).view(np.dtype((np.void, 8 * keys.shape[1])))
    return np.unique(packed.ravel(), return_index=True)[1]


def _inverses(basis: Floats) -> tuple[Floats, float]:
    """Return inverses, and a bound on how far an entry of them is from the true one."""
    inverse: Floats = np.linalg.inv(basis).astype(np.float64)
    size = basis.shape[1]
    if (basis == np.eye(size)).all():
        return inverse, 0.0
    rest = np.abs(np.eye(size) - inverse @ basis)
    rest += 2 * (size + 2) * UNIT * (np.abs(inverse) @ np.abs(basis) + np.eye(size))
    norm = float(rest.sum(axis=2).max()) * (1 + 2.0**-40)
    if not norm < 0.5:
        raise Lost
    # The true inverse is (I - R)^-1 times the computed one, R its residual.
    return inverse, norm / (1 - norm) * float(np.abs(inverse).sum(axis=1).max()) * 1.01
