"""The MAX-SAT networks, learned, compiled, at larger sizes, and the solvers compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Layer, write_layers
from benchmarks.tasks import maxsat
from ddc.frontend.learn import Options

from .common import Compiled, Learned, compiled, learned, report, speed, table

VARIABLES, CLAUSES = 5, 50
LARGER = ((5, 50), (10, 100), (20, 200))  # 210,902, 1.44 million, 10.6 million weights
# variables, formulas, draws of each
PLAYED = ((5, 300, 5), (10, 300, 5), (50, 100, 5), (250, 24, 5), (1000, 8, 3))
DENSITIES = (2.0, 4.26, 10.0)  # clauses per variable


def run(folder: Path) -> bool:
    """Print the tables and their goals."""
    results: list[bool] = []
    found: dict[str, Learned] = {}
    for prefer in ("first", "near"):
        options = Options(symbolic=True, subconcepts=4 * CLAUSES, prefer=prefer)
        samples = maxsat.training(VARIABLES, CLAUSES)
        found[prefer] = learned(folder, f"maxsat_{prefer}", samples, options)
        results.append(_learned(prefer, found[prefer]))
        results.append(_compiled(prefer, found[prefer]))
    results.append(_larger(folder))
    _play_networks(found)
    _play()
    return all(results)


def families(layer: Layer) -> Counter[tuple[float, ...]]:
    """Count units by their sorted weights and bias."""
    return Counter(
        (*sorted(unit[:-1][unit[:-1] != 0].tolist()), float(unit[-1]))
        for unit in _units(layer).round(12)
    )


def _units(layer: Layer) -> NDArray[np.float64]:
    return np.vstack([layer[0], layer[1]]).T


def _learned(prefer: str, found: Learned) -> bool:
    net = found.network
    published = maxsat.network(VARIABLES, CLAUSES)
    same = [families(a) == families(b) for a, b in zip(net.layers, published)]
    wanted = prefer == "near" or (net.weights == 210_902 and net.non_zeros == 3_200 and all(same))
    against = f"families as published in layers {[k + 1 for k, ok in enumerate(same) if ok]}"
    return report(
        f"MAX-SAT 5 x 50 learned, partners '{prefer}'",
        net.right == net.samples == 900 and wanted,
        f"{found.seconds:.1f} s; {net.summary()}; {against}",
    )


def _formulas(clauses: int, count: int, variables: int = VARIABLES) -> NDArray[np.uint8]:
    generator = np.random.default_rng(21)
    draws = [maxsat.three_sat, maxsat.random_k]
    return np.stack([draws[k % 2](variables, clauses, generator).T for k in range(count)])


def _compiled(prefer: str, found: Learned) -> bool:
    result = compiled(found.path)
    text = result.text
    close, ratio = float("nan"), 0.0
    if result.program is not None:
        formulas = _formulas(CLAUSES, 300)
        ours = np.array([np.asarray(result.program(f)) for f in formulas])
        theirs = found.network.decide(formulas.reshape(len(formulas), -1))
        close = float(np.abs(ours - theirs).max())
        ratio, said = speed(found.network.layers, result, _formulas(CLAUSES, 50))
        text += f", probabilities within {close:.1e}; {_sizes(result)}; {said}"
    return report(
        f"MAX-SAT 5 x 50 ({prefer}): <= 1 s, <= 8 lines, proved, 1e-12, 3x faster than dense",
        result.proved
        and result.seconds <= 1
        and result.lines <= 8
        and close <= 1e-12
        and ratio >= 3,
        text,
    )


def _sizes(result: Compiled) -> str:
    """Say where the program agrees with the closed form at other sizes, on 3-SAT."""
    assert result.program is not None
    generator = np.random.default_rng(22)
    shown: list[str] = []
    for variables, clauses in ((2, 3), (10, 100), (50, 500)):
        formula = maxsat.three_sat(variables, clauses, generator).T
        wanted = maxsat.distilled(*maxsat.seen(formula))
        try:
            found = float(np.asarray(result.program(formula))[1])
            shown.append(f"{variables} x {clauses} off by {abs(found - wanted):.1e}")
        except (ValueError, IndexError):
            shown.append(f"{variables} x {clauses} refused")
    return "3-SAT at " + ", ".join(shown)


def _larger(folder: Path) -> bool:
    """Compile the published network at three sizes; time should follow the non-zero weights."""
    rows: list[Sequence[object]] = []
    good = True
    for variables, clauses in LARGER:
        layers = maxsat.network(variables, clauses)
        path = folder / f"maxsat_{variables}_{clauses}.pt"
        shape = f"formula: bit[{2 * variables}, {clauses}]"
        write_layers(path, layers, ["sign", "sign", "linear"], shape, "softmax")
        result = compiled(path)
        weights = sum(w.size + b.size for w, b in layers)
        used = sum(np.count_nonzero(w) + np.count_nonzero(b) for w, b in layers)
        ratio, said = 0.0, "-"
        if result.program is not None:
            ratio, said = speed(layers, result, _formulas(clauses, 10, variables))
        rows.append((f"{variables} x {clauses}", weights, used, f"{result.text}, {said}"))
        good &= result.proved and result.seconds <= 3
        if (variables, clauses) == LARGER[-1]:
            good &= ratio >= 100
    table("the published network at three sizes", ("size", "weights", "non-zero", "result"), rows)
    return report(
        "MAX-SAT with 10.6 million weights: at most 3 s from a file, 100x faster than dense",
        good,
        "see the table",
    )


def _play_networks(found: dict[str, Learned]) -> None:
    """Let the networks themselves solve formulas of their own size, next to the policies."""
    rows: list[Sequence[object]] = []
    for family, draw in maxsat.FAMILIES.items():
        for clauses in (10, 20, 30, 40, 50):
            scores: dict[str, list[float]] = {}
            for number in range(100):
                formula = draw(VARIABLES, clauses, np.random.default_rng((31, clauses, number)))
                padded = np.zeros((CLAUSES, 2 * VARIABLES), np.uint8)
                padded[:clauses] = formula
                for name, item in found.items():
                    generator = np.random.default_rng((32, number))
                    answer = _answer(item)
                    score = [maxsat.by_matrix(padded, answer, generator) for _ in range(5)]
                    scores.setdefault(f"network ({name})", []).append(float(np.mean(score)))
                for name, policy in maxsat.POLICIES.items():
                    generator = np.random.default_rng((32, number))
                    score = [maxsat.satisfied(formula, policy, generator) for _ in range(5)]
                    scores.setdefault(name, []).append(float(np.mean(score)))
            rows.append((family, clauses, *(f"{np.mean(list_):.2f}" for list_ in scores.values())))
    head = ("family", "clauses", *(f"network ({name})" for name in found), *maxsat.POLICIES)
    table("mean satisfied clauses, 5 variables, 100 formulas x 5 draws", head, rows)


def _answer(found: Learned) -> Callable[[maxsat.Formula], float]:
    def answer(matrix: maxsat.Formula) -> float:
        return float(found.network.decide(matrix.reshape(1, -1))[0, 1])

    return answer


def _play() -> None:
    """Compare the policies on the same formulas; differences are paired by formula."""
    rows: list[Sequence[object]] = []
    for family, draw in maxsat.FAMILIES.items():
        for variables, count, draws in PLAYED:
            for density in DENSITIES:
                clauses = int(density * variables)
                scores = np.zeros((count, len(maxsat.POLICIES)))
                for number in range(count):
                    formula = draw(variables, clauses, np.random.default_rng((41, clauses, number)))
                    for at, policy in enumerate(maxsat.POLICIES.values()):
                        generator = np.random.default_rng((42, number))
                        score = [maxsat.satisfied(formula, policy, generator) for _ in range(draws)]
                        scores[number, at] = np.mean(score)
                gap = scores[:, 0] - scores[:, 1]
                error = gap.std(ddof=1) / np.sqrt(count)
                shares = 100 * scores.mean(0) / clauses
                rows.append(
                    (family, variables, clauses, count, *(f"{share:.2f}" for share in shares))
                    + (f"{gap.mean():+.2f} +- {error:.2f}",)
                )
    head = ("family", "n", "m", "formulas", *maxsat.POLICIES, "distilled - Johnson, clauses")
    table("percent of clauses satisfied, the same formulas for all", head, rows)
