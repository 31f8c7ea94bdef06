"""Check the trained networks in examples/ with torch itself against rules written down here."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
AUTOMATA = sorted((EXAMPLES / "automata").glob("rule_*.pt"))


def load(name: str, signature: str, decision: str) -> Any:
    """Load a network, and check that its file says how to read it."""
    model = torch.load(EXAMPLES / name, weights_only=False)
    assert (model.ddc_input, model.ddc_output) == (signature, decision)
    return model


def run(model: Any, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    with torch.no_grad():
        outputs: NDArray[np.float32] = model(torch.tensor(inputs, dtype=torch.float32)).numpy()
    return outputs


def rows(cells: int) -> NDArray[np.uint8]:
    return (np.arange(1 << cells)[:, None] >> np.arange(cells) & 1).astype(np.uint8)


def elementary(rule: int, cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    outcome = np.array([rule >> hood & 1 for hood in range(8)], dtype=np.uint8)
    padded = np.pad(cells, ((0, 0), (1, 1)), mode="wrap")
    return np.take(outcome, 4 * padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:])


def test_rule_30_is_right_on_every_row() -> None:
    model = load("rule30/model.pt", "cells: bit[20]", "step")
    assert np.array_equal(run(model, rows(20)) > 0, elementary(30, rows(20)))


def test_rule_30_on_24_cells_is_right_on_a_sample() -> None:
    model = load("rule30/model_24.pt", "cells: bit[24]", "step")
    sample = np.random.default_rng(0).integers(0, 2, (100_000, 24), dtype=np.uint8)
    assert np.array_equal(run(model, sample) > 0, elementary(30, sample))


def test_thirty_two_automata_with_the_well_known_ones() -> None:
    rules = {int(path.stem.removeprefix("rule_")) for path in AUTOMATA}
    assert len(rules) == 32 and rules >= {30, 54, 90, 110, 150, 184}


@pytest.mark.parametrize("path", AUTOMATA, ids=lambda path: path.stem)
def test_automaton_is_right_on_every_row(path: Path) -> None:
    model = load(f"automata/{path.name}", "cells: bit[8]", "step")
    rule = int(path.stem.removeprefix("rule_"))
    assert np.array_equal(run(model, rows(8)) > 0, elementary(rule, rows(8)))


def test_life_is_right_on_every_neighbourhood() -> None:
    model = load("life/model.pt", "grid: bit[6, 6]", "step")
    tori = rows(9).reshape(512, 3, 3)  # on a torus of 3 x 3 every cell sees all nine
    alive, total = tori.astype(bool), tori.sum((1, 2), keepdims=True)
    assert np.array_equal(run(model, tori[:, None])[:, 0] > 0, (total == 3) | alive & (total == 4))


def test_life_moves_a_glider_over_the_edge() -> None:
    model = load("life/model.pt", "grid: bit[6, 6]", "step")
    start = np.zeros((6, 6), dtype=bool)
    start[[0, 1, 2, 2, 2], [1, 2, 0, 1, 2]] = True
    grid = start
    for _ in range(12):  # four steps move it by one cell down and right
        grid = run(model, grid[None, None])[0, 0] > 0
    assert np.array_equal(grid, np.roll(start, (3, 3), (0, 1)))


def test_comparator_is_right_on_every_pair() -> None:
    model = load("comparator/model.pt", "a: bit[4], b: bit[4]", "step")
    pairs = [(a, b) for a in range(16) for b in range(16)]
    inputs = np.array([[int(digit) for digit in f"{a:04b}{b:04b}"] for a, b in pairs])
    assert (run(model, inputs)[:, 0] > 0).tolist() == [a > b for a, b in pairs]


def test_tokens_is_right_on_every_word() -> None:
    model = load("tokens/model.pt", "word: onehot<3>[4]", "argmax")
    words = list(product(range(3), repeat=4))
    inputs = np.array([[token == kind for token in word for kind in range(3)] for word in words])
    commonest = [max(range(3), key=word.count) for word in words]  # the first of equals
    assert run(model, inputs).argmax(1).tolist() == commonest
