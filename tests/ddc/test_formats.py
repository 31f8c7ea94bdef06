"""Every format of the contract, from a file to a proved program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ddc
from benchmarks.networks import essence_automaton, write_csv
from ddc import cli
from ddc.ir import DdcError
from tests.ddc.networks import layers_file, ring_network

ROOT = Path(__file__).parents[2]


def follows(program: ddc.Program, rule: int) -> bool:
    cells = np.random.default_rng(rule).integers(0, 2, 200)
    index = 4 * np.roll(cells, 1) + 2 * cells + np.roll(cells, -1)
    return bool(np.array_equal(program(cells), rule >> index & 1))


def proved(program: ddc.Program) -> bool:
    return program.evidence[0].kind == "proved"


def test_layers_checkpoint(tmp_path: Path) -> None:
    model = layers_file(tmp_path / "net.pt", ring_network(110, 8), "cells: bit[8]", "step")
    program = ddc.compile(model)
    assert proved(program) and follows(program, 110)


def test_folder_of_layer_matrices(tmp_path: Path) -> None:
    write_csv(tmp_path / "net", "layer", essence_automaton(30, seed=1))
    program = ddc.compile(str(tmp_path / "net"), input="cells: bit[8]", output="step")
    assert proved(program) and follows(program, 30)


FACTORY = """\
import torch
def make():
    net = torch.nn.Sequential(torch.nn.Linear(6, 48), torch.nn.ReLU(), torch.nn.Linear(48, 6))
    return net
"""


def test_state_dict_and_safetensors_with_a_factory(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    (first, bias), (last, offset) = ring_network(255, 6)
    arrays = {"0.weight": first, "0.bias": bias, "2.weight": last, "2.bias": offset}
    state = {name: torch.tensor(array, dtype=torch.float32) for name, array in arrays.items()}
    (tmp_path / "net.py").write_text(FACTORY)
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "net.pt")
    save_file(
        state, tmp_path / "net.safetensors", {"ddc_input": "cells: bit[6]", "ddc_output": "step"}
    )
    factory = f"{tmp_path / 'net.py'}:make"
    for name in ("net.pt", "net.safetensors"):
        options = (
            {} if name.endswith("safetensors") else {"input": "cells: bit[6]", "output": "step"}
        )
        program = ddc.compile(str(tmp_path / name), model=factory, **options)
        assert proved(program) and follows(program, 255)


def test_module_in_memory_with_its_own_forward() -> None:
    torch = pytest.importorskip("torch")

    class Majority(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.score = torch.nn.Linear(5, 1)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.relu(self.score(x))

    net = Majority()
    with torch.no_grad():
        net.score.weight.fill_(1.0)
        net.score.bias.fill_(-2.5)
    program = ddc.compile(net, input="votes: bit[5]", output="step")
    assert proved(program)
    assert [int(program([1] * k + [0] * (5 - k))) for k in range(6)] == [0, 0, 0, 1, 1, 1]


def test_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    (first, bias), (last, offset) = ring_network(90, 6)
    tensors = {"w0": first, "b0": bias, "w1": last, "b1": offset}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["cells", "w0", "b0"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w1", "b1"], ["y"], transB=1),
        ],
        "net",
        [helper.make_tensor_value_info("cells", TensorProto.FLOAT, [None, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 6])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    program = ddc.compile(str(path), input="cells: bit[6]", output="step")
    assert proved(program) and follows(program, 90)


def test_letters_and_ties_of_sizes(tmp_path: Path) -> None:
    identity = [(np.hstack([np.eye(4), np.eye(4)]), np.full(4, -1.5))]
    model = layers_file(tmp_path / "net.pt", identity, "a: bit[T], b: bit[T]", "step")
    program = ddc.compile(model)
    assert [size.name for size in program.ir.entry.sizes] == ["T"]
    assert list(program([1, 0, 1], [1, 1, 0])) == [1, 0, 0]
    with pytest.raises(ValueError):
        program([1, 0], [1])


def test_real_networks_are_written_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = layers_file(tmp_path / "net.pt", ring_network(90, 4), "x: real[4]", "raw")
    assert cli.main([model]) == 1
    assert "no raiser takes this network" in capsys.readouterr().err
    assert cli.main([model, "-o", str(tmp_path / "net.ddc")]) == 0
    assert "dense" in (tmp_path / "net.ddc").read_text()
    data = np.array([0.0, 1.0, 0.0, 0.0])
    np.save(tmp_path / "x.npy", data)
    words = [
        "run",
        str(tmp_path / "net.ddc"),
        str(tmp_path / "x.npy"),
        "-o",
        str(tmp_path / "y.npy"),
    ]
    assert cli.main(words) == 0
    assert np.allclose(np.load(tmp_path / "y.npy"), [0.5, -0.5, 0.5, -0.5])


def votes(folder: Path, size: int, least: float) -> str:
    """Write a network that says whether more than `least` of `size` bits are 1."""
    layer = (np.ones((1, size)), np.array([-least]))
    return layers_file(folder / f"votes{size}.pt", [layer], f"votes: bit[{size}]", "step")


def test_constants_follow_the_size_of_several_networks(tmp_path: Path) -> None:
    majority = ddc.compile(*(votes(tmp_path, n, n / 2) for n in (5, 6, 9)))
    assert [claim.kind for claim in majority.evidence] == ["proved"] * 3 + ["inferred"]
    for size in range(1, 12):
        for ones in range(size + 1):
            assert int(majority([1] * ones + [0] * (size - ones))) == int(ones > size / 2)
    all_but_one = ddc.compile(*(votes(tmp_path, n, n - 1.5) for n in (4, 7)))
    assert int(all_but_one([1] * 8 + [0])) == 1 and int(all_but_one([1] * 7 + [0, 0])) == 0


def test_what_two_sizes_leave_open_is_said(tmp_path: Path) -> None:
    program = ddc.compile(*(votes(tmp_path, n, n / 2) for n in (5, 9)))
    assert any("one more size would tell" in note for note in program.notes)


def test_networks_of_different_tasks_are_no_sizes(tmp_path: Path) -> None:
    odd = votes(tmp_path, 5, 2.5)
    with pytest.raises(DdcError, match="different inputs"):
        ddc.compile(odd, str(ROOT / "examples/comparator/model.pt"))
    with pytest.raises(DdcError, match="the same sizes"):
        ddc.compile(odd, odd)
    with pytest.raises(DdcError, match="no simple expression"):
        ddc.compile(*(votes(tmp_path, n, least) for n, least in ((6, 1.5), (7, 4.5), (8, 2.5))))
