"""Is a shape horizontal or vertical? Full lines to learn from, five families of shapes to test on.

The training set is the published one (Blazek, Venkatesh and Lin, Nat Comput Sci 4:110-118, 2024).
The published test images were not available; the families here are drawn by the rules below at any
size, so accuracies are not comparable digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddc.frontend import Samples

Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]  # x and y, from the shape's corner

VERTICAL, HORIZONTAL = 0, 1


def training(size: int) -> Samples:
    """Return 2 x `size` images: image 2k has column k on (label 0), image 2k + 1 row k (label 1)."""
    lines = np.eye(size, dtype=np.int64)
    rows = np.repeat(lines[:, :, None], size, axis=2)
    images = np.stack([rows.transpose(0, 2, 1), rows], 1).reshape(-1, size, size)
    return Samples({"image": images}, np.tile([VERTICAL, HORIZONTAL], size))


def diagonal(width: int, height: int) -> Pixels:
    """Draw a line from corner to corner of a box."""
    x = np.arange(width)
    # Half way between two rows goes to the even one, as round() does.
    return x, np.rint(x * (height - 1) / max(1, width - 1)).astype(np.int64)


def dotted(width: int, height: int) -> Pixels:
    """Draw a straight line of dots, every second or third pixel: the height is the distance."""
    x = np.arange(0, width, height)
    return x, np.zeros_like(x)


def dotted_diagonal(width: int, height: int) -> Pixels:
    """Draw every second pixel of a diagonal."""
    x, y = diagonal(width, height)
    return x[::2], y[::2]


def zigzag(width: int, height: int) -> Pixels:
    """Draw a line that goes up and down in a box of height 2 or more."""
    x = np.arange(width)
    period = 2 * (height - 1)
    t = x % period
    return x, np.where(t < height, t, period - t)


def outline(width: int, height: int) -> Pixels:
    """Draw the border of a box of height 2 or more."""
    y, x = np.indices((height, width)).reshape(2, -1)
    border = (x == 0) | (x == width - 1) | (y == 0) | (y == height - 1)
    return x[border], y[border]


@dataclass(frozen=True)
class Family:
    """Shapes in boxes: how they are drawn, and the heights that a box may have."""

    draw: Callable[[int, int], Pixels]
    least_height: int = 1
    most_height: int = 1 << 31


FAMILIES = {
    "diagonal": Family(diagonal),
    "dotted": Family(dotted, 2, 3),
    "dotted diagonal": Family(dotted_diagonal),
    "outline": Family(outline, 2),
    "zigzag": Family(zigzag, 2),
}


def images(
    family: str, size: int, pairs: int, seed: int, aspect: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return `2 * pairs` images [size, size] and labels: horizontal shapes, each with its transpose.

    Boxes (width, height, place) are drawn uniformly from all that fit and are wider than high, by
    at least the factor `aspect`.
    """
    rule = FAMILIES[family]
    generator = np.random.default_rng(seed)
    boxes = [
        (width, height)
        for width in range(2, size + 1)
        for height in range(rule.least_height, min(rule.most_height, size) + 1)
        if width >= max(aspect * height, height + 1)
    ]
    places = np.array([(size - width + 1) * (size - height + 1) for width, height in boxes])
    chosen = generator.choice(len(boxes), size=pairs, p=places / places.sum())
    found = np.zeros((pairs, 2, size, size), dtype=np.uint8)
    for number, box in enumerate(chosen.tolist()):
        width, height = boxes[box]
        x, y = rule.draw(width, height)
        x = x + generator.integers(size - width + 1)
        y = y + generator.integers(size - height + 1)
        found[number, 0, y, x] = 1
        found[number, 1] = found[number, 0].T
    return found.reshape(-1, size, size), np.tile([HORIZONTAL, VERTICAL], pairs)


def closed_form(image: NDArray[np.uint8]) -> tuple[int, bool]:
    """Return what the published network decides, and whether it is a tie (decided as vertical)."""
    size = len(image)
    counts = image.astype(np.int64)
    signs = np.sign(counts.sum(0)[:, None] - counts.sum(1)[None, :])
    total = signs.sum()
    columns = np.sign(size * signs.sum(1) - (size - 1) * total - size * (size - 1)).sum()
    rows = np.sign((size - 1) * total - size * signs.sum(0) - size * (size - 1)).sum()
    return int(columns < rows), bool(columns == rows)
