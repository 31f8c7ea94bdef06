"""Exact decisions of networks with tanh and sigmoid.

A value is a linear combination of atoms tanh(u) with exact coefficients, sigmoid(z) being
1/2 + tanh(z/2)/2. Atoms are keyed by their exact argument up to sign, so that what cancels in exact
arithmetic cancels here. tanh at different positive rational numbers and 1 are linearly independent
over the rationals: all tanh(u) with commensurable u are rational functions of one power of e, which
is transcendental, with different poles. Behind one layer of smooth units a value is therefore 0
exactly when its combination is empty, and otherwise some precision finds its sign; behind several
layers the precision is limited, and a value that is still open is an error, never a guess.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir.errors import DdcError

from . import planes as big
from .activation import Activation
from .bounds import CONSTANT, grains
from .cancel import Cancelling
from .graph import Chain
from .intervals import tanh_enclosure
from .rational import Exact, RationalPlan, common
from .sources import Ints

FIRST_PRECISION = 96
LAST_PRECISION = 8192
MOST_ATOMS = 1 << 17  # kept between rows
LARGEST_RESULT = 1 << 62

Key = tuple[int, tuple[tuple[int, int], ...]]


class _Open(Exception):
    """A value that the greatest precision does not decide."""


@dataclass(frozen=True)
class Form:
    """`const` + the sum of coefficient * tanh(atom), times the scale of its layer; no zeros."""

    const: int
    terms: dict[int, int]

    def minus(self, other: Form) -> Form:
        """Return the difference of two forms of one scale."""
        terms = dict(self.terms)
        for atom, coefficient in other.terms.items():
            terms[atom] = terms.get(atom, 0) - coefficient
        return Form(self.const - other.const, {a: c for a, c in terms.items() if c})

    def times(self, factor: int) -> Form:
        """Return the form times an int."""
        if factor == 1:
            return self
        terms = {a: c * factor for a, c in self.terms.items()} if factor else {}
        return Form(self.const * factor, terms)


@dataclass(frozen=True)
class _Atom:
    """tanh of scale * (const + terms)."""

    scale: Fraction
    const: int
    terms: tuple[tuple[int, int], ...]


class Atoms:
    """All atoms of some rows, numbered so that arguments only use smaller numbers."""

    def __init__(self) -> None:
        self.atoms: list[_Atom] = []
        self._numbers: dict[_Atom, int] = {}
        self._signs: dict[Key, int] = {}
        self._enclosures: dict[tuple[int, int], tuple[int, int]] = {}
        self._rough: list[float] = []

    def tanh(self, z: Form, scale: Fraction) -> Form:
        """Return tanh(scale * z) as a form of scale 1."""
        key, factor = _canonical(z)
        if factor == 0:
            return Form(0, {})
        atom = _Atom(abs(factor) * scale, *key)
        number = self._numbers.get(atom)
        if number is None:
            number = self._numbers[atom] = len(self.atoms)
            self.atoms.append(atom)
            self._rough.append(self._approximate(atom))
        return Form(0, {number: 1 if factor > 0 else -1})

    def _approximate(self, atom: _Atom) -> float:
        """Return the atom to about 2^-40 of 1, or NaN where its argument is not known so well."""
        if atom.terms:
            low, high = self.enclosure(len(self.atoms) - 1, FIRST_PRECISION)
            close = high - low < 1 << (FIRST_PRECISION - 44)
            return low / (1 << FIRST_PRECISION) if close else math.nan
        argument = atom.scale * atom.const
        return math.tanh(float(argument)) if abs(argument) < 1000 else 1.0

    def sign(self, z: Form) -> int:
        """Return the sign of a form; raises `_Open` where the greatest precision leaves it open."""
        if not z.terms:
            return (z.const > 0) - (z.const < 0)
        rough = self._rough_sign(z)
        if rough:
            return rough
        key, factor = _canonical(z)
        if key not in self._signs:
            self._signs[key] = self._sign(Form(key[0], dict(key[1])))
        return self._signs[key] * (1 if factor > 0 else -1)

    def _rough_sign(self, z: Form) -> int:
        """Return the sign from binary64, 0 where that is not sure."""
        try:
            total, size = float(z.const), abs(float(z.const))
            for atom, coefficient in z.terms.items():
                weight = float(coefficient)
                total += weight * self._rough[atom]
                size += abs(weight)
        except OverflowError:
            return 0
        if not abs(total) > size * (len(z.terms) + 2) * 2.0**-36:  # also where it is NaN
            return 0
        return 1 if total > 0 else -1

    def _sign(self, z: Form) -> int:
        precision = FIRST_PRECISION
        while precision <= LAST_PRECISION:
            low, high = self.range(z, precision)
            if low > 0:
                return 1
            if high < 0:
                return -1
            precision *= 2
        raise _Open

    def range(self, z: Form, precision: int) -> tuple[int, int]:
        """Return ints around the form times 2^precision, its scale left out."""
        low = high = z.const << precision
        for atom, coefficient in z.terms.items():
            below, above = self.enclosure(atom, precision)
            low += coefficient * (below if coefficient > 0 else above)
            high += coefficient * (above if coefficient > 0 else below)
        return low, high

    def enclosure(self, atom: int, precision: int) -> tuple[int, int]:
        """Return ints around tanh times 2^precision."""
        stack = [atom]
        while stack:
            number = stack[-1]
            if (number, precision) in self._enclosures:
                stack.pop()
                continue
            entry = self.atoms[number]
            missing = [a for a, _ in entry.terms if (a, precision) not in self._enclosures]
            if missing:
                stack += missing
                continue
            low, high = self.range(Form(entry.const, dict(entry.terms)), precision)
            above, below = entry.scale.numerator, entry.scale.denominator
            ends = low * above // below, -(-high * above // below)
            self._enclosures[number, precision] = tanh_enclosure(*ends, precision)
        return self._enclosures[atom, precision]

    def nearest(self, z: Form, scale: Fraction) -> int:
        """Return the nearest int to scale * z, half to even; raises `_Open`."""
        if not z.terms:
            return round(scale * z.const)
        precision = FIRST_PRECISION
        while precision <= LAST_PRECISION:
            low, high = self.range(z, precision)
            unit = Fraction(scale, 1 << precision)
            first, last = round(low * unit), round(high * unit)
            if first == last:
                return first
            precision *= 2
        raise _Open


def _canonical(z: Form) -> tuple[Key, int]:
    """Return the form without common factor, its first number positive, and that factor."""
    factor = math.gcd(z.const, *z.terms.values())
    if factor == 0:
        return (0, ()), 0
    terms = sorted(z.terms.items())
    if (z.const or terms[0][1]) < 0:
        factor = -factor
    return (z.const // factor, tuple((a, c // factor) for a, c in terms)), factor


class SmoothPlan:
    """A chain with tanh or sigmoid units, ready for exact evaluation."""

    def __init__(self, chain: Chain, describe: Callable[[Ints], str]) -> None:
        """Take a chain; `describe` puts an input into words for the error of an open value."""
        self.argmax = chain.argmax
        self.heads: list[list[int]] = chain.heads.tolist()
        self.describe = describe
        self.prefix = RationalPlan(chain)
        self.first = next(i for i, layer in enumerate(chain.layers) if layer.smooth)
        self.layers = [_SmoothLayer(chain, i) for i in range(self.first, len(chain.layers))]
        self.atoms = Atoms()
        self.cancelling = Cancelling(chain) if Cancelling.fits(chain) else None

    def run(self, x: Ints) -> NDArray[Any]:
        """Return the decisions for inputs x [inputs, batch], [outputs, batch].

        Raises `DdcError` that names an input which no precision up to the limit decides.
        """
        values = Exact(big.carried([x.astype(np.int64)]), Fraction(1))
        for number in range(self.first):
            values = self.prefix.layer(number, values)
        z = self.prefix.affine(self.first, values)
        if self.cancelling is None:
            return self._one_by_one(x, z)
        found, unknown = self.cancelling.run(z)
        if unknown.any():
            part = Exact([plane[:, unknown] for plane in z.planes], z.scale)
            found[:, unknown] = self._one_by_one(x[:, unknown], part)
        return found

    def _one_by_one(self, x: Ints, z: Exact) -> NDArray[Any]:
        """Return the decisions from the arguments z of the first smooth layer."""
        # Inputs that the first smooth layer cannot tell apart are decided once.
        stacked = np.concatenate(z.planes, axis=0)
        _, chosen, which = np.unique(stacked, axis=1, return_index=True, return_inverse=True)
        ints = big.to_ints(big.take([plane.T for plane in z.planes], chosen))
        found = np.empty((len(self.heads), len(chosen)), dtype=np.int64)
        for column, (row, place) in enumerate(zip(ints.tolist(), chosen.tolist())):
            try:
                found[:, column] = self._decide(row, z.scale)
            except _Open:
                raise DdcError(
                    f"the input {self.describe(x[:, place])} is not decided within "
                    f"{LAST_PRECISION} bits: some value of the network seems to be exactly at its "
                    "cut there; train it further, or round its weights"
                ) from None
        return found[:, which.ravel()]

    def _decide(self, z: list[int], scale: Fraction) -> list[int]:
        if len(self.atoms.atoms) > MOST_ATOMS:
            self.atoms = Atoms()
        forms = [Form(int(v), {}) for v in z]
        for number, layer in enumerate(self.layers):
            if number:
                forms, scale = layer.affine(forms, scale)
            forms, scale = layer.activate(forms, scale, self.atoms)
        chosen = [[forms[i] for i in row] for row in self.heads]
        if self.argmax:
            return [self._first_greatest(row) for row in chosen]
        return [self._whole(form, scale) for (form,) in chosen]

    def _first_greatest(self, forms: list[Form]) -> int:
        best = 0
        for position in range(1, len(forms)):
            if self.atoms.sign(forms[position].minus(forms[best])) > 0:
                best = position
        return best

    def _whole(self, form: Form, scale: Fraction) -> int:
        value = form.const * scale
        if form.terms or value.denominator != 1 or abs(value) >= LARGEST_RESULT:
            raise DdcError("an output is not an integer of at most 62 bits")
        return int(value)


class _SmoothLayer:
    def __init__(self, chain: Chain, number: int) -> None:
        layer = chain.layers[number]
        self.runs = layer.runs
        rows = layer.rows
        grain = min(
            int(grains(rows.weights).min(initial=CONSTANT)),
            int(grains(rows.bias).min(initial=CONSTANT)),
        )
        self.unit = Fraction(2) ** (0 if grain == CONSTANT else grain)
        self.bias = [Fraction(b) for b in rows.bias.tolist()]
        columns: list[int] = rows.columns.tolist()
        weights = [int(Fraction(w) / self.unit) for w in rows.weights.tolist()]
        starts: list[int] = rows.starts.tolist()
        self.entries = [
            list(zip(columns[start:stop], weights[start:stop]))
            for start, stop in itertools.pairwise(starts)
        ]

    def affine(self, forms: list[Form], scale: Fraction) -> tuple[list[Form], Fraction]:
        """Return the affine units and their scale."""
        # The biases must be whole multiples of the new scale too.
        scale_ = common([scale, Fraction(1)])
        refine = int(scale / scale_)
        unit = self.unit * scale_
        result: list[Form] = []
        for bias, entries in zip(self.bias, self.entries):
            const = int(bias / unit)
            terms: dict[int, int] = {}
            for column, weight in entries:
                form = forms[column]
                weight *= refine
                const += weight * form.const
                for atom, coefficient in form.terms.items():
                    terms[atom] = terms.get(atom, 0) + weight * coefficient
            result.append(Form(const, {a: c for a, c in terms.items() if c}))
        return result, unit

    def activate(
        self, forms: list[Form], scale: Fraction, atoms: Atoms
    ) -> tuple[list[Form], Fraction]:
        """Return the values and their scale."""
        parts: list[tuple[list[Form], Fraction]] = []
        for start, stop, activation in self.runs:
            parts.append(_ACTIVATED[activation.kind](activation, forms[start:stop], scale, atoms))
        if len(parts) == 1:
            return parts[0]
        joined = common([part_scale for _, part_scale in parts])
        return [
            form.times(int(part_scale / joined)) for part, part_scale in parts for form in part
        ], joined


_Part = tuple[list[Form], Fraction]


def _same(_: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    return forms, scale


def _tanh(_: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    return [atoms.tanh(form, scale) for form in forms], Fraction(1)


def _sigmoid(_: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    halves = [atoms.tanh(form, scale / 2) for form in forms]
    return [Form(1, half.terms) for half in halves], Fraction(1, 2)


def _against(form: Form, scale: Fraction, cut: Fraction, atoms: Atoms) -> int:
    """Return the sign of scale * form - cut."""
    ratio = cut / scale
    return atoms.sign(form.times(ratio.denominator).minus(Form(ratio.numerator, {})))


def _compare(activation: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    below, equal, above = activation.outcomes
    if below == equal == above:
        return [Form(below, {}) for _ in forms], Fraction(1)
    sides = [_against(form, scale, activation.cut, atoms) for form in forms]
    return [Form((below, equal, above)[side + 1], {}) for side in sides], Fraction(1)


def _ramp(activation: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    slope = activation.slope
    factors = (slope.numerator, slope.denominator)
    chosen = [form.times(factors[atoms.sign(form) >= 0]) for form in forms]
    return chosen, scale / slope.denominator


def _clip(activation: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    low, high = activation.low, activation.high
    fine = common([scale, *(end for end in (low, high) if end)])
    result: list[Form] = []
    for form in forms:
        if _against(form, scale, low, atoms) < 0:
            result.append(Form(int(low / fine), {}))
        elif _against(form, scale, high, atoms) > 0:
            result.append(Form(int(high / fine), {}))
        else:
            result.append(form.times(int(scale / fine)))
    return result, fine


def _round(_: Activation, forms: list[Form], scale: Fraction, atoms: Atoms) -> _Part:
    return [Form(atoms.nearest(form, scale), {}) for form in forms], Fraction(1)


_ACTIVATED: dict[str, Callable[[Activation, list[Form], Fraction, Atoms], _Part]] = {
    "identity": _same,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "compare": _compare,
    "ramp": _ramp,
    "clip": _clip,
    "round": _round,
}
