"""The standard kinds of essence networks, built by closed descriptions, checked exactly.

Every network is made here from what it is to compute: sizes, constants and the order of the hidden
units come from a seed, and where a kind says so every weight of every layer carries noise. The
function that it is checked against is written on its own and shares nothing with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.distilling.common import report, table

from .checking import SEED, check
from .coefficients import (
    binary_prefix,
    checkers,
    growing,
    half_square,
    lower_triangle,
    powers,
    prefix,
    shares,
    suffix,
    triangle,
)
from .comparisons import (
    argmax,
    argmin_wide,
    comparison,
    equality,
    majority_vote,
    median,
    sorted_bits,
)
from .deep import columns_decide, deep, dense_noise, half, windows_vote
from .logic import automaton, decoder, gates, life, mixed, parity, wide_automaton
from .making import Kind
from .shapes import (
    antidiagonals,
    crossing,
    cube_planes,
    cube_windows,
    diagonals,
    frame,
    hole,
    others,
    row_column,
)
from .windows import blocks, bordered, comb, edges, outer, pooled, ring_stride, stride, window

KINDS: dict[str, Callable[[np.random.Generator], Kind]] = {
    "gates, noisy": gates,
    "parity": parity,
    "mixed weights, noisy": mixed,
    "decoder, noisy": decoder,
    "automaton, noisy": automaton,
    "automaton of five cells": wide_automaton,
    "Life, noisy": life,
    "argmax": argmax,
    "argmin, all pairs": argmin_wide,
    "above or below the median": median,
    "sorted bits": sorted_bits,
    "binary comparison": comparison,
    "equality": equality,
    "vote, noisy argmax": majority_vote,
    "window, noisy": window,
    "window over borders, noisy": bordered,
    "edges of numbers": edges,
    "stride, noisy": stride,
    "stride on a ring": ring_stride,
    "2-D blocks, noisy": pooled,
    "own block, noisy": blocks,
    "remainders, noisy": comb,
    "outer product, noisy": outer,
    "prefix with ties": prefix,
    "suffix, noisy": suffix,
    "triangle of pairs": triangle,
    "triangle with diagonal, noisy": lower_triangle,
    "upper against lower triangle": half_square,
    "affine weights": growing,
    "weights affine in the unit": shares,
    "leading parts compared": binary_prefix,
    "weights doubling with the unit": powers,
    "alternating signs": checkers,
    "row and column, noisy": crossing,
    "row against column, ties": row_column,
    "row against the others": others,
    "all but one, noisy": hole,
    "border against inside": frame,
    "antidiagonals, noisy": antidiagonals,
    "diagonals": diagonals,
    "3-D planes, noisy": cube_planes,
    "3-D windows, noisy": cube_windows,
    "windows vote, noisy": windows_vote,
    "columns decide, noisy argmax": columns_decide,
    "half, noisy": half,
    "four layers, noisy": deep,
    "noise on absent weights too": dense_noise,
}


def run(folder: Path) -> bool:
    """Print the table and its goal."""
    rows: list[Sequence[object]] = []
    exact = 0
    for name, build in KINDS.items():
        kind = build(np.random.default_rng((SEED, *name.encode())))
        found = check(folder, kind)
        exact += found.exact
        rows.append((name, *found.row))
    head = ("kind", "weights", "seconds", "lines", "checked", "evidence")
    table("standard kinds of networks, hidden units in random order", head, rows)
    return report(
        "standard kinds exact and proved", exact == len(KINDS), f"{exact} of {len(KINDS)}"
    )
