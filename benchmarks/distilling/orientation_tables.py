"""The orientation network, learned, compiled, and on five families of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.tasks import orientation
from ddc.frontend.learn import Options

from .common import (
    Compiled,
    Learned,
    compiled,
    learned,
    numpy_function,
    report,
    speed,
    table,
)

SIZE, LARGE = 28, 280
PAIRS = {SIZE: 1_000, LARGE: 100}
ASPECTS = (1.0, 2.0, 3.0)


def run(folder: Path) -> bool:
    """Print the table and its goals."""
    options = Options(symbolic=True, subconcepts=0, margin_ratio=float("inf"), output="argmax")
    found = learned(folder, "orientation", orientation.training(SIZE), options)
    net = found.network
    ok = report(
        "orientation 28 x 28 learned from 56 images",
        net.right == net.samples == 56 and net.weights == 659_514,
        f"{found.seconds:.1f} s; {net.summary()}; {_weights(found)}",
    )
    result = compiled(found.path)
    ratio, said = _speed(found, result)
    ok &= report(
        "orientation: at most 1.5 s and 12 lines, proved, 20x faster than dense",
        result.proved and result.seconds <= 1.5 and result.lines <= 12 and ratio >= 20,
        f"{result.text}{said}",
    )
    _families(found, result)
    return ok


def _weights(found: Learned) -> str:
    second, bias = found.network.layers[1]
    sizes = np.unique(np.abs(second)).tolist()
    return f"subconcept weights {sizes}, bias {np.unique(bias).tolist()} (published 1 : -27, -756)"


def _images(size: int) -> np.ndarray:
    parts = [orientation.images(name, size, 10, seed=51)[0] for name in orientation.FAMILIES]
    return np.concatenate(parts)


def _speed(found: Learned, result: Compiled) -> tuple[float, str]:
    if result.program is None:
        return 0.0, ""
    function, images = numpy_function(result), _images(SIZE)
    ours = [int(function(image)) for image in images]
    theirs = [int(found.network.decide(image.reshape(1, -1))[0].argmax()) for image in images]
    same = sum(a == b for a, b in zip(ours, theirs))
    ratio, said = speed(found.network.layers, result, images)
    return ratio, f", the same answer on {same} of {len(images)} images, {said}"


def _families(found: Learned, result: Compiled) -> None:
    rows: list[Sequence[object]] = []
    for size, pairs in PAIRS.items():
        for family in orientation.FAMILIES:
            for aspect in ASPECTS:
                images, labels = orientation.images(family, size, pairs, seed=52, aspect=aspect)
                answers = [orientation.closed_form(image) for image in images]
                decided = np.array([answer for answer, _ in answers])
                ties = np.array([tie for _, tie in answers])
                credit = np.where(ties, 0.5, decided == labels)
                by = "closed form"
                if size == SIZE:
                    rows_of = images.reshape(len(images), -1)
                    network = found.network.decide(rows_of).argmax(1)
                    by = f"network, {int((network == decided).sum())} of {len(images)} as it"
                elif result.program is not None:
                    by = _program(result, images[:10], decided[:10])
                rows.append(
                    (size, family, aspect, len(images), f"{(decided == labels).mean():.3f}")
                    + (f"{credit.mean():.3f}", f"{ties.mean():.3f}", by)
                )
    head = ("size", "family", "aspect", "images", "accuracy", "ties as 1/2", "tie rate", "checked")
    table("orientation, five families; a tie is answered 0, vertical", head, rows)


def _program(result: Compiled, images: np.ndarray, decided: np.ndarray) -> str:
    assert result.program is not None
    try:
        same = sum(int(result.program(image)) == d for image, d in zip(images, decided))
    except ValueError:
        return "closed form; the program refuses this size"
    return f"closed form; program as it on {same} of {len(images)}"
