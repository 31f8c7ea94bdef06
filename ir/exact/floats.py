"""Evaluate a chain in floating point, with the rows that the bounds do not decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import STEP, Activation
from .bounds import Format, Values, affine, after
from .graph import Chain, Layer
from .sources import Floats, Rows, per_row

Array = NDArray[Any]
Bools = NDArray[np.bool_]

DENSE = 1 << 24  # a matrix with at most so many entries is written out where it is not very sparse
SPARSE_BLOCK = 1 << 22  # numbers that are gathered at a time


def unbounded() -> np.errstate:
    """Return a context without warnings: what leaves a format has no bound and decides nothing."""
    return np.errstate(over="ignore", invalid="ignore")


class Matrix:
    """Affine rows ready to be applied in one format: dense where that is faster."""

    def __init__(self, rows: Rows, form: Format) -> None:
        self.rows = rows
        self.bias: Array = rows.bias.astype(form.dtype)[:, None]
        size = rows.count * rows.width
        self.dense: Array | None = None
        if size <= DENSE and len(rows.weights) * 20 >= size or size <= 1 << 16:
            full = np.zeros((rows.count, rows.width))
            np.add.at(full, (rows.owners, rows.columns), rows.weights)
            self.dense = full.astype(form.dtype)
        self.weights: Array = rows.weights.astype(form.dtype)

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """Return the affine units over x [inputs, batch]."""
        z: Array = np.empty((self.rows.count, x.shape[1]), x.dtype) if out is None else out
        if self.dense is not None:
            np.matmul(self.dense, x, out=z)
        else:
            self._sparse(x, z)
        z += self.bias
        return z

    def _sparse(self, x: Array, z: Array) -> None:
        rows = self.rows
        step = max(1, SPARSE_BLOCK // max(1, x.shape[1]))
        start = 0
        while start < rows.count:
            first = int(rows.starts[start])
            stop = int(np.searchsorted(rows.starts, first + step, side="right")) - 1
            stop = min(max(stop, start + 1), rows.count)
            entries = slice(first, int(rows.starts[stop]))
            terms = x[rows.columns[entries]] * self.weights[entries, None]
            z[start:stop] = per_row(np.add, terms, rows.starts[start : stop + 1] - first, 0)
            start = stop


@dataclass
class Verdict:
    """Rows that are not decided are marked; None where every row is."""

    undecided: Bools | None = None

    def mark(self, rows: Bools) -> None:
        """Mark more rows."""
        self.undecided = rows if self.undecided is None else self.undecided | rows


class Compare:
    """A comparison of units with errors, in place."""

    def __init__(self, activation: Activation, z: Values, form: Format) -> None:
        self.below, self.equal, self.above = activation.outcomes
        self.constant = self.below == self.equal == self.above
        cut = float(activation.cut)
        self.cut = form.dtype(cut)
        moved = abs(Fraction(float(self.cut)) - activation.cut)
        error = z.error + (float(moved) * (1 + 2.0**-30) + form.tiny if moved else 0.0)
        self.exact = bool((error == 0).all())
        self.sure = (error == 0)[:, None]
        # One step outwards covers the rounding of the sum and of the conversion.
        high, low = (cut + error).astype(form.dtype), (cut - error).astype(form.dtype)
        up, down = form.dtype(np.inf), form.dtype(-np.inf)
        self.high: Array = np.where(error == 0, self.cut, np.nextafter(np.nextafter(high, up), up))[
            :, None
        ]
        self.low: Array = np.where(
            error == 0, self.cut, np.nextafter(np.nextafter(low, down), down)
        )[:, None]

    def sides(self, z: Array, verdict: Verdict) -> tuple[Bools, Bools]:
        """Return where z is above and where it is below the cut, and mark what is not decided."""
        above: Bools = z > self.high
        below: Bools = z < self.low
        if not self.exact and not self.constant:
            decided = np.count_nonzero(above) + np.count_nonzero(below)
            if decided < z.size:
                unknown = ~(above | below) & ~(self.sure & (z == self.cut))
                verdict.mark(unknown.any(axis=0))
        return above, below

    def __call__(self, z: Array, verdict: Verdict) -> None:
        """Replace z by the outcomes."""
        above, below = self.sides(z, verdict)
        if (self.below, self.equal, self.above) == STEP:
            np.copyto(z, above)
            return
        z.fill(self.equal)
        z[above] = self.above
        z[below] = self.below

    def bits(self, z: Array, verdict: Verdict) -> Array:
        """Return the outcomes as a new array of bits or small ints."""
        above, below = self.sides(z, verdict)
        if (self.below, self.equal, self.above) == STEP:
            return above
        return np.where(above, self.above, np.where(below, self.below, self.equal)).astype(np.int8)


class _Round:
    def __init__(self, activation: Activation, z: Values, form: Format) -> None:
        size = np.where(np.isfinite(z.size), z.size, 0.0)
        slack = np.where(z.error == 0, 0.0, z.error * 1.001 + 4 * form.unit * (size + 1))
        self.error: Array = slack.astype(form.dtype)[:, None]
        self.exact = not slack.any()

    def __call__(self, z: Array, verdict: Verdict) -> None:
        if not self.exact:
            differs = np.rint(z - self.error) != np.rint(z + self.error)
            if differs.any():
                verdict.mark(differs.any(axis=0))
        np.rint(z, out=z)


class _Plain:
    """An activation that is the same function in floating point."""

    def __init__(self, activation: Activation, z: Values, form: Format) -> None:
        self.kind = activation.kind
        self.slope = form.dtype(float(activation.slope))
        self.low, self.high = (form.dtype(float(v)) for v in (activation.low, activation.high))
        self.zero: Array | None = None

    def __call__(self, z: Array, verdict: Verdict) -> None:
        if self.kind == "ramp" and self.slope == 0:
            zero = self.zero
            if zero is None or zero.shape != z.shape:
                zero = self.zero = np.zeros_like(z)  # more than twice as fast as a scalar
            np.maximum(z, zero, out=z)
        elif self.kind == "ramp":
            np.multiply(z, self.slope, out=z, where=z < 0)
        elif self.kind == "clip":
            np.clip(z, self.low, self.high, out=z)
        elif self.kind == "tanh":
            np.tanh(z, out=z)
        elif self.kind == "sigmoid":
            z *= 0.5
            np.tanh(z, out=z)
            z *= 0.5
            z += 0.5


Applied = Compare | _Round | _Plain
_APPLIED: dict[str, type[Applied]] = {"compare": Compare, "round": _Round}


class Step:
    """A layer in one format: affine units, then activations in place."""

    def __init__(self, layer: Layer, z: Values, form: Format) -> None:
        self.matrix = Matrix(layer.rows, form)
        self.values = after(layer, z, form)
        self.runs: list[tuple[int, int, Applied]] = [
            (start, stop, _APPLIED.get(a.kind, _Plain)(a, z.part(start, stop), form))
            for start, stop, a in layer.runs
            if a.kind != "identity" and stop > start
        ]

    def activate(self, z: Array, verdict: Verdict) -> None:
        """Apply the activations in place."""
        for start, stop, apply in self.runs:
            apply(z[start:stop], verdict)


class Plan:
    """A chain in one format, with static bounds on what rounding does to it."""

    def __init__(
        self,
        chain: Chain,
        x: Values,
        form: Format,
        skip: int = 0,
        first: Values | None = None,
    ) -> None:
        """Prepare layers `skip` and later; `first` is what is known of the units of the first."""
        self.form = form
        self.steps: list[Step] = []
        for number, layer in enumerate(chain.layers[skip:]):
            known = first if number == 0 and first is not None else affine(layer.rows, x, form)
            step = Step(layer, known, form)
            self.steps.append(step)
            x = step.values
        self.values = x
        self.heads = chain.heads
        self.head = self._choose if chain.argmax else self._read
        self._simple = self._single_compare(chain)
        size = np.where(np.isfinite(x.size), x.size, 0.0)
        slack = np.where(x.error == 0, 0.0, x.error * 1.001 + 4 * form.unit * (size + 1))
        self._slack: Array = slack.astype(form.dtype)[self.heads][:, :, None]

    def _single_compare(self, chain: Chain) -> Compare | None:
        """Return the last activation where the outputs are its units, in order."""
        if not self.steps or chain.argmax:
            return None
        runs, count = self.steps[-1].runs, chain.layers[-1].rows.count
        whole = len(runs) == 1 and runs[0][:2] == (0, count)
        same = np.array_equal(self.heads[:, 0], np.arange(count))
        last = runs[0][2] if whole and same else None
        return last if isinstance(last, Compare) else None

    def run(self, x: Array) -> tuple[Array, Bools | None]:
        """Return the decisions for x [inputs, batch], [outputs, batch], and the undecided rows."""
        verdict = Verdict()
        if not self.steps:
            return self.head(x, verdict), verdict.undecided
        return self.resume(self.steps[0].matrix(x))

    def buffers(self, batch: int) -> list[Array]:
        """Return room for the units of every layer."""
        return [np.empty((step.matrix.rows.count, batch), self.form.dtype) for step in self.steps]

    def resume(self, z: Array, room: Sequence[Array] = ()) -> tuple[Array, Bools | None]:
        """Return the decisions from the affine units of the first layer; overwrites them."""
        verdict = Verdict()
        for number, (step, following) in enumerate(zip(self.steps, self.steps[1:]), 1):
            step.activate(z, verdict)
            z = following.matrix(z, room[number] if room else None)
        if self._simple is not None:
            return self._simple.bits(z, verdict), verdict.undecided
        self.steps[-1].activate(z, verdict)
        return self.head(z, verdict), verdict.undecided

    def _read(self, z: Array, verdict: Verdict) -> Array:
        shown: Array = z[self.heads[:, 0]]
        return shown

    def _choose(self, z: Array, verdict: Verdict) -> Array:
        shown = z[self.heads]
        best: Array = np.argmax(shown, axis=1)
        if self._slack.any():
            least = np.max(shown - self._slack, axis=1, keepdims=True)
            rivals = np.count_nonzero(shown + self._slack >= least, axis=1)
            close = (rivals != 1).any(axis=0)  # 0 where something is not a number
            if close.any():
                verdict.mark(close)
        return best


def values_of(plan: Plan, x: Floats) -> tuple[Floats, Floats]:
    """Return real outputs for x [inputs, batch] and their error bounds [outputs]."""
    verdict = Verdict()
    z: Array = x
    for step in plan.steps:
        z = step.matrix(z)
        step.activate(z, verdict)
    return z[plan.heads[:, 0]], plan.values.error[plan.heads[:, 0]]
