"""Training data: samples and labels, checked, so that whatever is wrong with them is one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ddc.frontend.samples import Samples, infer
from ddc.frontend.signature import Signature, parse_signature, width_of
from ddc.ir import DdcError

from .separate import Floats, Ints

MAX_CLASSES = 10_000
SHOWN = 3  # rows that an error names
ONE = 1e-9  # how far a row of probabilities may sum from 1

# decision -> what its labels are
OUTPUTS = {
    "step": "bits",
    "sign": "-1 and 1",
    "argmax": "classes 0, 1, 2 ...",
    "softmax": "probabilities that sum to 1",
    "raw": "probabilities",
}


@dataclass(frozen=True, eq=False)
class Table:
    """Distinct samples with what is wanted of each.

    `rows` [samples, inputs]; `labels` [samples], the class that its wanted outputs make, numbered by
    first appearance; `targets` [samples, outputs] as the decision reads them, `argmax` as one-hot
    truth values; `input`, `output`: the signature.
    """

    rows: Floats
    labels: Ints
    targets: Floats
    input: str
    output: str
    given: int  # samples, repetitions included

    @property
    def constant(self) -> bool:
        """Tell whether all samples have one label."""
        return int(self.labels.max()) == 0

    @property
    def soft(self) -> bool:
        """Tell whether the targets are probabilities."""
        return self.output in ("softmax", "raw")


def table(samples: Samples, input: str | None = None, output: str | None = None) -> Table:
    """Return checked training data.

    `input` is the signature to learn under, by default the narrowest of the samples; `output` the
    decision, by default what the labels look like. Raises `DdcError` for labels that are missing,
    of the wrong length or contradictory, for missing values, and for too few samples.
    """
    if samples.y is None:
        raise DdcError("the data have no labels: name an array or a column y")
    rows = np.concatenate([_flat(array) for array in samples.arrays.values()], axis=1)
    wanted = _flat(samples.y)
    if len(wanted) != len(rows):
        raise DdcError(f"y has {len(wanted)} labels for {len(rows)} samples")
    _complete(rows, "the inputs")
    _complete(wanted, "y")
    if len(rows) < 2:
        raise DdcError(f"{len(rows)} sample is too few: a network needs at least 2")
    if not rows.shape[1]:
        raise DdcError("the samples hold no numbers")
    chosen = output or _decision(wanted, samples.y.ndim)
    targets = _targets(wanted, chosen)
    kept = _consistent(rows, targets)
    labels = _numbered(targets[kept])
    return Table(rows[kept], labels, targets[kept], _signature(samples, input), chosen, len(rows))


def _flat(array: np.ndarray) -> Floats:
    flat: Floats = array.reshape(len(array), -1).astype(np.float64) + 0.0
    return flat


def _complete(values: Floats, what: str) -> None:
    missing = np.flatnonzero(~np.isfinite(values).all(1))
    if missing.size:
        raise DdcError(f"{what} miss values: {named(missing)}")


def named(rows: Sequence[int] | Ints) -> str:
    """Return `row 3`, or `rows 3, 7, 8 and 12 more`; rows are counted from 0."""
    shown = ", ".join(str(int(row)) for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more} (counted from 0)"


def _decision(wanted: Floats, axes: int) -> str:
    """Return the decision that the labels look like."""
    if np.isin(wanted, (0, 1)).all():
        return "step"
    if np.isin(wanted, (-1, 1)).all():
        return "sign"
    if axes == 1 and (wanted == np.rint(wanted)).all() and wanted.min() >= 0:
        return "argmax"
    if wanted.min() >= 0 and wanted.max() <= 1:
        return "softmax" if _sums_to_one(wanted) else "raw"
    raise DdcError(f"y holds {_odd(wanted):g}: labels are {', or '.join(OUTPUTS.values())}")


def _odd(wanted: Floats) -> float:
    outside = wanted[(wanted < 0) | (wanted > 1)]
    return float(outside.flat[0])


def _sums_to_one(wanted: Floats) -> bool:
    return wanted.shape[1] > 1 and bool((np.abs(wanted.sum(1) - 1) <= ONE).all())


def _targets(wanted: Floats, output: str) -> Floats:
    """Return the labels as the decision reads them; raise `DdcError` where they do not fit it."""
    if output not in OUTPUTS:
        raise DdcError(f"essence networks decide by {', '.join(OUTPUTS)}, not by {output!r}")
    if not _FITS[output](wanted):
        raise DdcError(f"y does not fit --output {output}, whose labels are {OUTPUTS[output]}")
    if output == "argmax":
        classes = _classes(wanted)
        assert classes is not None
        return np.eye(int(classes.max()) + 1)[classes]
    return wanted


def _classes(wanted: Floats) -> Ints | None:
    """Return one class for each row, or None: a column of class numbers, or one-hot rows."""
    if wanted.shape[1] > 1:
        one_hot = np.isin(wanted, (0, 1)).all() and (wanted.sum(1) == 1).all()
        return np.argmax(wanted, 1) if one_hot else None
    column = wanted[:, 0]
    if (column != np.rint(column)).any() or column.min() < 0:
        return None
    if column.max() >= MAX_CLASSES:
        raise DdcError(f"class {column.max():g} is beyond the limit of {MAX_CLASSES} classes")
    return column.astype(np.int64)


_FITS: dict[str, Callable[[Floats], bool]] = {
    "step": lambda wanted: bool(np.isin(wanted, (0, 1)).all()),
    "sign": lambda wanted: bool(np.isin(wanted, (-1, 1)).all()),
    "argmax": lambda wanted: _classes(wanted) is not None,
    "softmax": lambda wanted: bool(wanted.min() >= 0) and _sums_to_one(wanted),
    "raw": lambda wanted: bool(wanted.min() >= 0 and wanted.max() <= 1),
}


def _consistent(rows: Floats, targets: Floats) -> Ints:
    """Return the first of equal rows each; raise `DdcError` where equal rows differ in targets."""
    first: dict[bytes, int] = {}
    clashes: list[tuple[int, int]] = []
    for at, row in enumerate(rows):
        seen = first.setdefault(row.tobytes(), at)
        if seen != at and (targets[seen] != targets[at]).any():
            clashes.append((seen, at))
    if clashes:
        shown = ", ".join(f"{a} and {b}" for a, b in clashes[:SHOWN])
        more = f", and {len(clashes) - SHOWN} more" if len(clashes) > SHOWN else ""
        raise DdcError(
            f"contradictory labels: equal inputs have different labels in rows {shown}{more} "
            "(counted from 0)"
        )
    return np.array(list(first.values()))


def _numbered(targets: Floats) -> Ints:
    """Return a class for each row of targets, numbered by first appearance."""
    numbers: dict[bytes, int] = {}
    rows = np.ascontiguousarray(targets)
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])


def _signature(samples: Samples, text: str | None) -> str:
    if text is None:
        return str(infer(samples))
    signature: Signature = parse_signature(text)
    if signature.letters:
        raise DdcError(f"--input: say a number for {signature.letters[0]}")
    said = sum(width_of(type_) for _, type_ in signature.params)
    width = sum(int(np.prod(array.shape[1:])) for array in samples.arrays.values())
    if said != width:
        raise DdcError(f"--input says {said} numbers, the samples hold {width}")
    return str(signature)
