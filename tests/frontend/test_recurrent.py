"""Recurrent networks: what the IR computes is what torch computes, and bad files are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddc.frontend import lower, read, read_module
from ddc.ir import DdcError, parse, print_module
from ddc.ir.interpreter import run, run_batch

torch = pytest.importorskip("torch")
nn = torch.nn


def numbers(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def mlp(**changes: Any) -> dict[str, Any]:
    """A dict with a state of 2, 2 inputs a step, f of two layers and g of one."""
    weights = {
        "f.0.weight": numbers(5, 4),
        "f.0.bias": numbers(5, seed=1),
        "f.1.weight": numbers(2, 5, seed=2) / 3,
        "f.1.bias": numbers(2, seed=3),
        "g.0.weight": numbers(1, 2, seed=4),
        "g.0.bias": numbers(1, seed=5),
        "h0": numbers(2, seed=6),
    }
    return {"format": "ddc.recurrent/1", **weights, **changes}


def saved(tmp_path: Path, content: Any) -> Any:
    path = tmp_path / "net.pt"
    torch.save(content, path)
    return read(path)


def test_own_format_by_hand(tmp_path: Path) -> None:
    net = mlp(length=6)
    lowered = lower(saved(tmp_path, net), input="a: bit[T], b: bit[T]", output="raw")
    assert lowered.length_from == "the file"
    bits = np.random.default_rng(0).integers(0, 2, size=(6, 2))
    h, wanted = net["h0"].numpy(), []
    w = {key: value.numpy() for key, value in net.items() if hasattr(value, "numpy")}
    for row in bits:
        inner = np.maximum(w["f.0.weight"] @ np.concatenate([h, row]) + w["f.0.bias"], 0)
        h = w["f.1.weight"] @ inner + w["f.1.bias"]
        wanted.append((w["g.0.weight"] @ h + w["g.0.bias"])[0])
    (y,) = run(lowered.module, {"a": bits[:, 0], "b": bits[:, 1]})
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    assert parse(print_module(lowered.module)) == lowered.module


@pytest.mark.parametrize(
    "cell",
    [
        nn.RNN(3, 4, num_layers=2),
        nn.RNN(3, 4, nonlinearity="relu", bias=False),
        nn.GRU(3, 4, num_layers=2, dropout=0.5),
        nn.LSTM(3, 4, batch_first=True),
        nn.LSTM(3, 4, num_layers=2),
    ],
)
def test_torch_cells(cell: Any, tmp_path: Path) -> None:
    cell, head = cell.double().eval(), nn.Linear(4, 2).double()
    found = saved(tmp_path, nn.Sequential(cell, head))
    lowered = lower(found, input="x: real[7, 3]", output="raw")
    x = numbers(7, 3, seed=8)
    with torch.no_grad():
        wanted = head(cell(x)[0]).numpy()
    y0, y1 = run(lowered.module, {"x": x.numpy()})
    np.testing.assert_allclose(np.stack([y0, y1], axis=1), wanted, rtol=1e-11, atol=1e-13)


class Tagger(nn.Module):  # type: ignore[misc, name-defined]
    """A forward of one's own, as people write them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.cell = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 6)

    def forward(self, x: Any) -> Any:
        steps, _ = self.cell(self.embedding(x))
        return self.head(torch.relu(steps))


def test_module_in_memory_with_tokens() -> None:
    module = Tagger().double()
    lowered = lower(read_module(module), input="word: int<0..4>[T]", output="argmax")
    assert lowered.length_from == "default"
    x = np.random.default_rng(3).integers(0, 5, size=(20, 10))
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy().argmax(axis=-1)
    (y,) = run_batch(lowered.module, {"word": x})
    np.testing.assert_array_equal(y, wanted)


def test_state_dict_with_the_users_factory(tmp_path: Path) -> None:
    (tmp_path / "arch.py").write_text(
        "from torch import nn\ndef make():\n"
        "    return nn.Sequential(nn.LSTM(1, 3), nn.Linear(3, 1))\n"
    )
    made = nn.Sequential(nn.LSTM(1, 3), nn.Linear(3, 1)).double()
    torch.save(made.state_dict(), tmp_path / "weights.pt")
    found = read(tmp_path / "weights.pt", model=f"{tmp_path / 'arch.py'}:make")
    lowered = lower(found, input="x: bit[4]", output="raw")
    x = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    with torch.no_grad():
        wanted = made[1](made[0](x[:, None])[0])[:, 0].numpy()
    (y,) = run(lowered.module, {"x": x.numpy().astype(int)})
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_onehot_and_plain_inputs_are_joined_in_order(tmp_path: Path) -> None:
    cell, head = nn.RNN(4, 3).double(), nn.Linear(3, 1).double()
    found = saved(tmp_path, nn.Sequential(cell, head))
    lowered = lower(found, input="w: onehot<3>[2], b: bit[2]", output="raw")
    rows = torch.tensor([[0.0, 0, 1, 1], [1, 0, 0, 0]], dtype=torch.float64)
    with torch.no_grad():
        wanted = head(cell(rows)[0])[:, 0].numpy()
    (y,) = run(lowered.module, {"w": np.array([2, 0]), "b": np.array([1, 0])})
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (
            None,
            'takes 2 numbers at each step: say with their values --input "a: bit[T], b: bit[T]"',
        ),
        ("a: bit[T]", "takes 2 numbers at each step, but gets"),
        ("a: bit, b: bit", "a has no time axis"),
        ("a: bit[T], b: bit[4]", "share one time axis"),
        ("a: bit[T, K]", "only the first axis"),
        ("a: bit[2*T], b: bit[2*T]", "a letter or a number"),
    ],
)
def test_signatures_that_do_not_fit(signature: str | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(DdcError) as error:
        lower(saved(tmp_path, mlp()), input=signature, output="round")
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"h0": numbers(3)}, "with a state of 3"),
        ({"h0": "zeros"}, "'h0' is not a vector"),
        ({"f.1.bias": numbers(3)}, "'f.1.bias' is not a vector of 2"),
        ({"g.0.weight": numbers(1, 3)}, "g takes 3 numbers"),
        ({"f.7.weight": numbers(1, 3)}, "'f.7.weight' has no place"),
        ({"length": -1}, "'length' is not"),
        ({"h0": numbers(2) * float("nan")}, "nan"),
    ],
)
def test_damaged_dicts(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(DdcError) as error:
        saved(tmp_path, mlp(**changes))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_cells_that_are_not_read(tmp_path: Path) -> None:
    for cell, words in [
        (nn.GRU(2, 3, bidirectional=True), "both directions"),
        (nn.LSTM(2, 3, proj_size=2), "proj_size"),
    ]:
        with pytest.raises(DdcError, match=words):
            saved(tmp_path, nn.Sequential(cell, nn.Linear(3, 1)))


def test_a_length_beyond_what_is_compared(tmp_path: Path) -> None:
    for signature, length in (
        ("a: bit[2000], b: bit[2000]", None),
        ("a: bit[T], b: bit[T]", 60000),
    ):
        found = saved(tmp_path, mlp(**({} if length is None else {"length": length})))
        with pytest.raises(DdcError, match="more than 1024, up to which networks are compared"):
            lower(found, input=signature, output="raw")
