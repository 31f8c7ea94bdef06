"""Run recurrent networks in examples/, once wrong on rare words, against definitions written down here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples" / "recurrent"
LENGTH = 10
SAMPLES = 1 << 15

Ints = NDArray[np.int64]


def total_modulo(by: int) -> Callable[[Ints], Ints]:
    """Return the rest of the sum so far, for letters below a number."""

    def rule(x: Ints) -> Ints:
        rest, found = np.zeros(len(x), dtype=np.int64), []
        for letters in x.T:
            rest = (rest + letters) % by
            found.append(rest)
        return np.stack(found, axis=1)

    return rule


def most_frequent(x: Ints) -> Ints:
    """Return the letter of 0..3 that came most often, the least of equals."""
    best = np.zeros_like(x)
    for end in range(x.shape[1]):
        counts = [(x[:, : end + 1] == letter).sum(axis=1) * 4 - letter for letter in range(4)]
        best[:, end] = np.argmax(counts, axis=0)
    return best


def dithering(x: Ints) -> Ints:
    """Carry over what a level of 15 does not hold."""
    rest, found = np.zeros(len(x), dtype=np.int64), []
    for letters in x.T:
        given = (rest + letters) // 15
        rest = rest + letters - 15 * given
        found.append(given)
    return np.stack(found, axis=1)


TASKS: dict[str, tuple[int, Callable[[Ints], Ints]]] = {
    "Add_Mod_5": (5, total_modulo(5)),
    "Add_Mod_6": (6, total_modulo(6)),
    "Add_Mod_8": (8, total_modulo(8)),
    "Majority_0_3": (4, most_frequent),
    "Dithering": (16, dithering),
}


def outputs(weights: dict[str, Any], x: Ints) -> NDArray[np.float64]:
    """Return what a network of one input and one output says before rounding."""

    def stack(part: str, value: Any) -> Any:
        for number in range(sum(name.endswith("weight") for name in weights if name[0] == part)):
            value = torch.relu(value) if number else value
            weight, bias = (weights[f"{part}.{number}.{kind}"] for kind in ("weight", "bias"))
            value = value @ weight.double().T + bias.double()
        return value

    h = weights["h0"].double().expand(len(x), -1)
    found = []
    for letters in torch.from_numpy(x.T.astype(np.float64)):
        h = stack("f", torch.cat([h, letters[:, None]], dim=1))
        found.append(stack("g", h)[:, 0].numpy())
    return np.stack(found, axis=1)


@pytest.mark.parametrize("name", TASKS)
def test_no_sequence_of_the_trained_length_is_wrong(name: str) -> None:
    letters, rule = TASKS[name]
    weights = torch.load(EXAMPLES / f"{name}.pt", weights_only=True)
    assert weights["length"] == LENGTH
    x = np.random.default_rng(20).integers(0, letters, size=(SAMPLES, LENGTH))
    # One letter again and again, and two in turn, bring errors that add up.
    x[:letters] = np.arange(letters)[:, None]
    first, second = np.indices((letters, letters)).reshape(2, -1, 1)
    x[letters : letters + letters**2] = np.where(np.arange(LENGTH) % 2, second, first)
    assert (np.abs(outputs(weights, x) - rule(x)) < 0.5).all()
