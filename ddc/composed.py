"""Evidence for programs that say what several layers of units do together.

The network was raised to loops that spell its units one by one: that is proved by expanding them
again. Units were then put together place by place, each body compared with the units it stands
for in every case of what they read; later passes are exact. Such a proof is composed of its
steps, so the whole is tested too: on inputs of all densities, ties and extremes included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Evidence, MismatchError, Module, claim, dims, element, levels
from ddc.ir.equivalence import Counterexample
from ddc.ir.equivalence.straight import straight
from ddc.ir.exact import decide
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate
from ddc.passes import Context
from ddc.passes.families import (
    NotPartsError,
    NotStructuralError,
    cases_fused,
    cases_of_parts,
    spelled,
    structure_of,
    units_found,
)
from ddc.passes.tables import network_of

ROWS = 2048
MOST_WORK = 1 << 30  # multiplications of the network that are spent on tests
QUICK = 1 << 20  # multiplications for one input that are little
TOLERANCE = 1e-12
SEED = 0


def composed(
    program: Module, network: Module, sizes: dict[str, int], context: Context
) -> tuple[Evidence, ...] | None:
    """Return the evidence for a program made from this network in this context, None for others.

    Raises `MismatchError` where a tested input has another answer.
    """
    cases = cases_fused(network, context)
    if cases is None:
        return None
    structure = structure_of(network, context)
    try:
        units = units_found(spelled(network, structure), structure)
    except NotStructuralError:
        return None
    tested = _tested(instantiate(program, sizes), network, context)
    return claim("proved", "composed", units=units, cases=cases), tested


def by_parts(
    program: Module, network: Module, sizes: dict[str, int], context: Context
) -> tuple[Evidence, ...] | None:
    """Return the evidence for a program that equals the network part by part, loops written out.

    None where that is not shown; raises `MismatchError` where a part that differs gives an input,
    or a tested one does, on which the answers differ.
    """
    examples: list[NDArray[np.int64]] = []
    try:
        parts, cases = cases_of_parts(_straight(program, sizes), structure_of(network, context))
    except NotPartsError as error:
        examples = error.examples
    else:
        return (claim("proved", "composed", parts=parts, cases=cases),)
    fixed = instantiate(program, sizes)
    if examples:
        _compared(fixed, network, _shaped(network, np.array(examples)), context)
    tested = _tested(fixed, network, context)
    # More inputs, drawn evenly, are for networks that answer them soon.
    return (tested,) if _work(network) > QUICK else None


def _straight(program: Module, sizes: dict[str, int]) -> Module:
    """Return a program without loops, where it can be written so."""
    fixed = instantiate(program, sizes)
    if all(op.body is None for op in fixed.entry.body.ops):
        return fixed
    try:
        return straight(fixed, {})
    except DdcError:
        return fixed


def _shaped(network: Module, flat: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return rows of flat inputs by name and shape."""
    arrays: dict[str, NDArray[np.int64]] = {}
    start = 0
    for param in network.entry.params:
        shape = tuple(dim.const for dim in dims(param.type))
        width = int(np.prod(shape, dtype=np.int64))
        arrays[param.name] = flat[:, start : start + width].reshape(len(flat), *shape)
        start += width
    return arrays


def _tested(program: Module, network: Module, context: Context) -> Evidence:
    rows = max(64, min(ROWS, MOST_WORK // max(_work(network), 1)))
    _compared(program, network, _inputs(network, rows), context)
    return claim("tested", inputs=rows, generator="densities", seed=SEED)


def _work(network: Module) -> int:
    """Return how many multiplications one input takes."""
    return sum(constant.array.size for _, constant in network.constants)


def answers_apart(program: Module, network: Module, context: Context) -> tuple[int, int]:
    """Return on how many of some inputs of all densities two answers differ, and of how many."""
    rows = max(64, min(ROWS, MOST_WORK // max(_work(network), 1)))
    wrong, _, _ = _answers(program, network, _inputs(network, rows), context)
    return int(wrong.sum()), rows


def compared_on(
    program: Module, network: Module, inputs: dict[str, NDArray[Any]], context: Context
) -> None:
    """Raise `MismatchError` at the first of some inputs on which program and network differ."""
    _compared(program, network, inputs, context)


def _compared(
    program: Module, network: Module, inputs: dict[str, NDArray[np.int64]], context: Context
) -> None:
    """Raise `MismatchError` at the first of some inputs on which the answers differ."""
    wrong, mine, theirs = _answers(program, network, inputs, context)
    bad = np.flatnonzero(wrong)
    if len(bad):
        row = int(bad[0])
        example = Counterexample(
            {name: array[row] for name, array in inputs.items()},
            (mine[row],),
            (theirs[row],),
            tuple(r.name for r in program.entry.results),
        )
        raise MismatchError(
            f"the program differs from the network {example.text('the program', 'the network')}"
        )


def _answers(
    program: Module, network: Module, inputs: dict[str, NDArray[np.int64]], context: Context
) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
    """Return which rows differ, the program's answers and the network's."""
    rows = len(next(iter(inputs.values())))
    (mine,) = run_batch(program, inputs)
    shape = [dim.const for dim in dims(network.entry.results[0].type)]
    if list(mine.shape[1:]) != shape:
        raise MismatchError(
            f"the program differs from the network in its result: it has shape "
            f"{list(mine.shape[1:])}, the network's has {shape}"
        )
    if mine.dtype.kind == "f":
        (theirs,) = run_batch(network, inputs)
        wrong = ~np.isclose(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE)
    else:
        flat = [a.reshape(rows, -1) for a in inputs.values()]
        theirs = decide(network_of(network, context), np.concatenate(flat, axis=1))
        theirs = theirs.reshape(mine.shape)
        wrong = mine != theirs
    bad = np.asarray(wrong.reshape(rows, -1).any(axis=1), dtype=np.bool_)
    return bad, mine, theirs


def _inputs(network: Module, rows: int) -> dict[str, NDArray[np.int64]]:
    """Return random inputs from empty to full: each entry leaves its least value with one share."""
    generator = np.random.default_rng(SEED)
    arrays: dict[str, NDArray[np.int64]] = {}
    for param in network.entry.params:
        values = levels(element(param.type))
        if values is None:
            raise DdcError(f"input {param.name} has no small range to draw from")
        shape = tuple(dim.const for dim in dims(param.type))
        share = generator.random((rows, *([1] * len(shape)))) ** 3
        share[0], share[-1] = 0, 1
        drawn = generator.integers(1, max(len(values), 2), size=(rows, *shape))
        lit = generator.random((rows, *shape)) < share
        index = np.where(lit, np.minimum(drawn, len(values) - 1), 0)
        arrays[param.name] = np.array(values, dtype=np.int64)[index]
    return arrays
