"""The concept layer: classes from what the subconcept units say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .separate import Floats, Ints, Separator, distinct, equal_sizes, equalised
from .subconcepts import Progress

PENALTY = 1000.0
CLIPPED = 10.0  # greatest log-odds of a soft target
STEP = 0.01  # of the gradient, as a share of the greatest weight
MAX_EPOCHS = 30_000
STAGNATION = 20  # epochs without a better loss
GAIN = 1e-5  # share by which a better loss is better
LOW_LOSS = 1e-4
NOISE = 1e-10  # of the solver of least squares

Pair = tuple[Floats, Floats]  # weights [units, outputs] and bias [outputs]
Loss = Callable[[Floats], tuple[float, Floats]]  # sums -> loss and its gradient


def one_against_all(said: Floats, hot: np.ndarray, symbolic: bool) -> Pair:
    """Return a layer that is positive on an output's own samples and negative on all others.

    `said` [samples, units] is what the subconcept units say, `hot` [samples, outputs] tells which
    outputs a sample belongs to. An output that all or no samples belong to becomes constant.
    """
    separator = Separator()
    weights = np.zeros((said.shape[1], hot.shape[1]))
    bias = np.zeros(hot.shape[1])
    for output in range(hot.shape[1]):
        own, others = said[hot[:, output]], said[~hot[:, output]]
        if not len(own) or not len(others):
            bias[output] = 1.0 if len(own) else -1.0
            continue
        own, others = (np.unique(some, axis=0) for some in (own, others))
        if symbolic:
            plane = separator.fit_integers(own, others, PENALTY)
        else:
            plane = equalised(separator.fit(own, others, PENALTY))
        weights[plane.columns, output] = plane.weights
        bias[output] = plane.bias
    return weights, bias


def any_of_own(said: Floats, hot: np.ndarray, own: np.ndarray, argmax: bool) -> Pair | None:
    """Return a layer that hears for each output its own subconcept units alone, all alike.

    An output is on where one of its own units is; `own` [units, outputs] tells which those are. None
    if that decides some sample otherwise than `hot` says.
    """
    weights = own.astype(np.float64)
    count = weights.sum(0)
    # Units say -1 or 1: all silent sum to -count, one on is 2 more.
    bias = count - count.min() if argmax else count - 1
    sums = said @ weights + bias
    if argmax:
        others = np.where(hot, -np.inf, sums).max(1)
        right = (np.where(hot, sums, -np.inf).max(1) > others).all()
    else:
        right = ((sums > 0) == hot).all()
    return (weights, bias) if right else None


def soft_targets(said: Floats, logits: Floats) -> Pair:
    """Return the layer that gives each sample its logits, by least squares.

    Solved over units that say 0 or 1, and without a bias where that reaches the targets: then a
    sample that no unit knows gets even odds. Method: as the essence networks of MAX-SAT.
    """
    both = distinct(np.hstack([(said + 1) / 2, logits]))
    ones, logits = both[:, : said.shape[1]], both[:, said.shape[1] :]
    weights, bias = np.linalg.lstsq(ones, logits)[0], np.zeros(logits.shape[1])
    if np.abs(ones @ weights - logits).max() > 1e-6:
        padded = np.column_stack([ones, np.ones(len(ones))])
        solved = np.linalg.lstsq(padded, logits)[0]
        weights, bias = solved[:-1], solved[-1]
    noise = NOISE * float(np.abs(weights).max(initial=0.0))
    weights = equal_sizes(np.where(np.abs(weights) < noise, 0.0, weights), NOISE)
    bias = bias + weights.sum(0) / 2
    return weights / 2, np.where(np.abs(bias) < noise, 0.0, bias)


def centred_logits(targets: Floats) -> Floats:
    """Return the numbers whose softmax is each row of probabilities, clipped to finite ones.

    Two probabilities t and 1 - t give plus and minus half the log-odds of t.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(targets)
    floor = np.maximum(logs, -4 * CLIPPED)
    centred: Floats = np.clip(floor - floor.mean(1, keepdims=True), -CLIPPED, CLIPPED)
    return centred


def log_odds(targets: Floats) -> Floats:
    """Return the log-odds of probabilities, clipped to twice the limit of a softmax of two."""
    with np.errstate(divide="ignore"):
        odds: Floats = np.clip(np.log(targets) - np.log1p(-targets), -2 * CLIPPED, 2 * CLIPPED)
    return odds


def polished(
    said: Floats, layer: Pair, targets: np.ndarray, progress: Progress | None = None
) -> Pair:
    """Return the layer after gradient descent on this layer alone.

    `targets`: classes [samples] for a softmax loss, or truth values [samples, outputs] for one
    logistic loss per output. Steps are a share of the greatest weight; stops when the loss stands.
    """
    loss_of = _softmax_loss(targets) if targets.ndim == 1 else _logistic_loss(targets)
    weights, bias = layer[0].copy(), layer[1].copy()
    loss, gradient = loss_of(said @ weights + bias)
    share, stale = STEP, 0
    for epoch in range(MAX_EPOCHS):
        if loss < LOW_LOSS or stale >= STAGNATION:
            break
        if progress is not None:
            progress("polishing the concept layer", epoch / MAX_EPOCHS)
        down, shift = said.T @ gradient, gradient.sum(0)
        steepest = max(float(np.abs(down).max()), float(np.abs(shift).max()))
        if steepest == 0:
            break
        step = share * max(float(np.abs(weights).max()), 1e-3) / steepest
        trial = weights - step * down, bias - step * shift
        better, slope = loss_of(said @ trial[0] + trial[1])
        if better >= loss:
            share, stale = share / 2, stale + 1
            continue
        stale = 0 if better < loss * (1 - GAIN) else stale + 1
        (weights, bias), loss, gradient = trial, better, slope
    return weights, bias


def _softmax_loss(classes: Ints) -> Loss:
    rows = np.arange(len(classes))

    def loss_of(sums: Floats) -> tuple[float, Floats]:
        shifted = sums - sums.max(1, keepdims=True)
        odds = np.exp(shifted)
        odds /= odds.sum(1, keepdims=True)
        loss = -np.log(np.maximum(odds[rows, classes], 1e-300)).mean()
        odds[rows, classes] -= 1
        return float(loss), odds / len(classes)

    return loss_of


def _logistic_loss(hot: np.ndarray) -> Loss:
    turn = np.where(hot, 1.0, -1.0)

    def loss_of(sums: Floats) -> tuple[float, Floats]:
        margin = turn * sums
        loss = np.logaddexp(0.0, -margin).mean()
        return float(loss), -turn * 0.5 * (1 - np.tanh(margin / 2)) / turn.size

    return loss_of
