"""A person's own samples: does the program agree with their labels, and with the network on them?

What the network answers and what somebody wanted of it are two questions: the first is fidelity,
and a mismatch is an error; the second is told apart, with the first sample on which they part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.frontend import Samples
from ddc.ir import (
    DdcError,
    Evidence,
    Function,
    Module,
    OneHot,
    Real,
    Type,
    claim,
    dims,
    element,
    levels,
)
from ddc.ir.interpreter import run_batch
from ddc.passes import Context
from ddc.passes.recurrent.network import is_recurrent

from .composed import compared_on

Rows = dict[str, NDArray[Any]]

MOST_ANSWERS = 1 << 22  # numbers that are computed in all
BLOCK = 1 << 12  # samples at a time
LONGEST = 100  # characters of one input that are shown


def judged(
    program: Module, network: Module, samples: Samples, shown: bool, context: Context
) -> tuple[Evidence, ...]:
    """Return what samples tell of a program whose network is `network`.

    Where fidelity is not proved (`shown` is false) the samples are tests too, and a
    `MismatchError` is raised where the answers differ. Samples outside the declared types, and
    those that do not fit at all, are noted.
    """
    over_time = is_recurrent(network)
    try:
        inputs, inside = _inputs(program.entry, network.entry, samples, over_time)
    except DdcError as error:
        context.note(f"--data: {error}: nothing is compared with it")
        return ()
    used = int(np.count_nonzero(inside))
    if used < len(inside):
        outside = len(inside) - used
        context.note(f"--data: {outside} of {len(inside)} samples are outside the declared types")
    if not used:
        return ()
    rows = {name: array[inside] for name, array in inputs.items()}
    claims: list[Evidence] = []
    if not shown and not over_time:
        compared_on(program, network, rows, context)
        claims.append(claim("tested", samples=used))
    if samples.y is not None:
        labels = np.asarray(samples.y)[inside]
        several = len(network.entry.results)
        if over_time and several > 1 and labels.ndim == 3 and labels.shape[2] == several:
            labels = np.moveaxis(labels, 2, 1)
        claims += _agreement(program, rows, labels, over_time, context)
    return tuple(claims)


def _inputs(
    program: Function, entry: Function, samples: Samples, over_time: bool
) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the samples by parameter in their shapes, and which rows have values of the types.

    Sequences may be of another length than the network was trained on, for a program of any.
    """
    found: Rows = {}
    inside: NDArray[np.bool_] = np.ones(len(next(iter(samples.arrays.values()))), dtype=bool)
    for param, values in zip(entry.params, _columns(entry, samples, over_time), strict=True):
        shape = _shape(param.type)
        if over_time and program.sizes:
            shape = (values.shape[1] // math.prod(shape[1:]), *shape[1:])
        if values.shape[1] != math.prod(shape):
            wanted = math.prod(shape)
            raise DdcError(f"{param.name} has {values.shape[1]} numbers a sample, not {wanted}")
        known = _values(param.type)
        fits = np.isfinite(values) if known is None else np.isin(values, known)
        inside &= fits.all(axis=1)
        kept = values if known is None else np.where(fits, values, known[0]).astype(np.int64)
        found[param.name] = kept.reshape(len(values), *shape)
    if over_time and len({array.shape[1] for array in found.values()}) > 1:
        raise DdcError("its sequences have several lengths")
    return found, inside


def _columns(entry: Function, samples: Samples, over_time: bool) -> list[NDArray[Any]]:
    """Return the numbers of each parameter [rows, numbers], by its name or else by their order."""
    arrays = {n: np.asarray(a).reshape(len(a), -1) for n, a in samples.arrays.items()}
    names = [param.name for param in entry.params]
    if set(names) <= set(arrays):
        return [arrays[name] for name in names]
    if over_time and len(names) == len(arrays):
        return list(arrays.values())
    row = np.concatenate(list(arrays.values()), axis=1)
    widths = [math.prod(_shape(param.type)) for param in entry.params]
    if sum(widths) != row.shape[1]:
        raise DdcError(f"it has {row.shape[1]} numbers a sample, the inputs are {sum(widths)}")
    return np.split(row, np.cumsum(widths)[:-1], axis=1)


def _shape(type_: Type) -> tuple[int, ...]:
    return tuple(dim.const for dim in dims(type_))


def _values(type_: Type) -> list[int] | None:
    """Return the values of one entry, None for real numbers."""
    scalar = element(type_)
    if isinstance(scalar, Real):
        return None
    known = range(scalar.size) if isinstance(scalar, OneHot) else levels(scalar)
    if known is None:
        raise DdcError(f"{type_} has no small range")
    return list(known)


def _agreement(
    program: Module, rows: Rows, labels: NDArray[Any], over_time: bool, context: Context
) -> tuple[Evidence, ...]:
    """Return on how many samples the program answers as labelled, and where it first does not."""
    if any(isinstance(element(r.type), Real) for r in program.entry.results):
        return ()
    wanted = labels.reshape(len(labels), -1)
    used = min(len(labels), max(1, MOST_ANSWERS // max(1, wanted.shape[1])))
    steps = next(iter(rows.values())).shape[1] if over_time else 1
    agree = 0
    first: tuple[int, int] | None = None  # step and sample
    for start in range(0, used, BLOCK):
        part = slice(start, min(start + BLOCK, used))
        mine = _answers(program, rows, part)
        if mine.shape[1] != wanted.shape[1]:
            counts = (
                f"y has {wanted.shape[1]} numbers a sample, the program answers {mine.shape[1]}"
            )
            context.note(f"--data: {counts}: they are not compared")
            return ()
        off = (mine != wanted[part]).reshape(len(mine), -1, steps).any(axis=1)
        agree += int(np.count_nonzero(~off.any(axis=1)))
        if off.any():
            step, row = (int(k) for k in np.argwhere(off.T)[0])
            first = min(first or (step, start + row), (step, start + row))
    if first is None:
        return (claim("labels", samples=used, agree=agree),)
    step, row = first
    mine = _answers(program, rows, slice(row, row + 1)).reshape(-1, steps)
    label = wanted[row].reshape(-1, steps)
    end, place = (step + 1, f"at step {step + 1} ") if over_time else (None, "")
    inputs = ", ".join(f"{name} = {_short(array[row][:end])}" for name, array in _listed(rows))
    answers = mine[:, step], label[:, step]
    said = "{}the program answers {}, the label is {}".format(place, *map(_short, answers))
    return (claim("labels", samples=used, agree=agree, first=f"{inputs}: {said}"),)


def _listed(rows: Rows) -> list[tuple[str, NDArray[Any]]]:
    return [(name, array.reshape(len(array), -1, *array.shape[2:])) for name, array in rows.items()]


def _answers(program: Module, rows: Rows, part: slice) -> NDArray[Any]:
    """Return the answers for some rows [rows, numbers], one result after the other."""
    results = run_batch(program, {name: array[part] for name, array in rows.items()})
    count = part.stop - part.start
    return np.concatenate([np.asarray(r).reshape(count, -1) for r in results], axis=1)


def _short(array: NDArray[Any]) -> str:
    """Return numbers as text, the beginning of many; whole ones without a point."""
    whole = array.astype(np.int64) if (array == np.rint(array)).all() else array
    text = str(whole.item() if whole.size == 1 else whole.tolist())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
