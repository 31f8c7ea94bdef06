"""Programs whose memory is what they said and read last: outputs as expressions of both.

y_t = F(y_(t-1), ..., x_t, x_(t-1), ...): accumulators of conditions, counts that start again, walks within
bounds, extremes, remainders; with no past output a window. F is searched for by `synthesis`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ddc.passes import logic

from .network import StepNetwork
from .registers import Registers, functional
from .synthesis import explain, explain_most

Ints = NDArray[np.int64]

SAMPLES = 1500
SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (3, 2), (3, 3))  # past outputs, inputs
OWN_PADS = 3  # letters before the first that are tried where every output starts apart
LAGS = 6  # of windows that are too wide for a table
DEAREST = 44
LONELY_COLUMNS = 3
LONELY = 16  # of an expression that samples may depart from which say nothing about each other
ENDS = ("last", "before", "earlier")


def feedbacks(
    net: StepNetwork,
    rng: np.random.Generator,
    tolerance: float,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> Iterator[Registers]:
    """Yield programs over the last outputs and inputs that explain samples, the least memory first."""
    words, answers = samples(net, rng)
    for past, lags in shapes:
        if past + lags < net.length - 1:
            found = _fitted(net, words, answers, past, lags, tolerance)
            if found is not None:
                yield found
                return


def formulas(
    net: StepNetwork, rng: np.random.Generator, tolerance: float, most: int = LAGS
) -> Iterator[Registers]:
    """Yield the expression over the fewest last inputs that explains samples."""
    words, answers = samples(net, rng)
    for lags in range(1, min(most, net.length - 1) + 1):
        found = _fitted(net, words, answers, 0, lags, tolerance)
        if found is not None:
            yield found
            return


def samples(net: StepNetwork, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return random words, a third of them of two letters only, and what the network answers."""
    words = rng.integers(0, net.size, size=(SAMPLES, net.length))
    few = rng.integers(0, net.size, size=(SAMPLES // 3, 2))
    choice = rng.integers(0, 2, size=(SAMPLES // 3, net.length))
    words[: SAMPLES // 3] = np.take_along_axis(few, choice, axis=1)
    return words, net.run(words)[0]


def _fitted(
    net: StepNetwork, words: Ints, answers: Ints, past: int, lags: int, tolerance: float
) -> Registers | None:
    first = max(past, lags - 1)
    x, steps = net.letters[words], words.shape[1]
    parts = [answers[:, first - 1 - k : steps - 1 - k] for k in range(past)]
    parts += [x[:, first - k : steps - k] for k in range(lags)]
    rows = np.concatenate(parts, axis=2).reshape(-1, sum(p.shape[2] for p in parts))
    wide = answers[:, first:].reshape(-1, net.outputs)
    table = functional(rows, wide, tolerance)
    if table is None and not (tolerance and _lonely(rows)):
        return None
    outputs: list[logic.Expr] = []
    for m in range(net.outputs):
        if table is None:
            expr = explain_most(list(rows.T), wide[:, m], LONELY, tolerance)
        else:
            expr = explain(list(table[0].T), table[1][:, m], DEAREST)
        if expr is None:
            return None
        outputs.append(expr)
    few, wanted = words[:200, : first + 2], answers[:200, : first + 2]
    best: tuple[float, Registers] | None = None
    for starts, pad in _beginnings(net, few, answers[:, : first + 2], past, lags, outputs):
        found = _program(net, past, lags, outputs, starts, pad)
        right = float((found.run(net, few) == wanted).all(axis=(1, 2)).mean())
        if right == 1:
            return found
        if best is None or right > best[0]:
            best = right, found
    return best[1] if best is not None and best[0] > 1 - 10 * tolerance else None


def _beginnings(
    net: StepNetwork, words: Ints, answers: Ints, past: int, lags: int, outputs: list[logic.Expr]
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield what the outputs may have been before the first, one for all and then each its own."""
    count = net.outputs
    for start in _starts(answers) if past else [0]:
        for pad in _pads(net, lags):
            yield (start,) * count, pad
    if count == 1 or not past:
        return
    for pad in _pads(net, lags)[:OWN_PADS]:
        own = [0] * count
        for m in [*range(count)] * 2:

            def right(start: int, place: int = m, pad: int = pad, own: list[int] = own) -> float:
                starts = (*own[:place], start, *own[place + 1 :])
                given = _program(net, past, lags, outputs, starts, pad).run(net, words)
                return float((given[..., place] == answers[: len(words), :, place]).mean())

            own[m] = max(_starts(answers[..., m]), key=right)
        yield tuple(own), pad


def _lonely(rows: Ints) -> bool:
    """Tell whether most rows, of few columns, are alone and cannot vote on what goes with them."""
    return rows.shape[1] <= LONELY_COLUMNS and len(np.unique(rows, axis=0)) > len(rows) / 4


def _program(
    net: StepNetwork,
    past: int,
    lags: int,
    outputs: list[logic.Expr],
    starts: tuple[int, ...],
    pad: int,
) -> Registers:
    """Return the program whose registers are the last outputs, newest first."""
    m = net.outputs
    if not past:
        return Registers((), (), (), tuple(outputs), lags, pad)
    names = tuple(f"{end}{k}" if m > 1 else end for end in ENDS[:past] for k in range(m))
    updates = (*outputs, *(logic.Var(k) for k in range((past - 1) * m)))
    said = tuple(logic.Var(k) for k in range(m))
    return Registers(names, starts * past, updates, said, lags, pad)


def _starts(answers: Ints) -> list[int]:
    low, high = int(answers.min()), int(answers.max())
    return [*dict.fromkeys([0, high, low, *range(max(low - 1, -40), min(high + 1, 40) + 1)])]


def _pads(net: StepNetwork, lags: int) -> list[int]:
    """Return the letters that may stand before the first; the one of zeros first, none of them last."""
    if lags < 2:
        return [0]
    zero = np.flatnonzero((net.letters == 0).all(axis=1)).tolist()
    return [*dict.fromkeys([*zero, 0, net.size - 1, *range(min(net.size, 64)), net.size])]


__all__ = ["LAGS", "SHAPES", "feedbacks", "formulas", "samples"]
