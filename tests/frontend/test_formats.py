"""Dispatch by suffix, folders of CSV matrices, safetensors, factories for state dicts."""

import importlib.metadata
import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from ddc.frontend import Network, read
from ddc.ir import DdcError
from tests.frontend import reference

FOLDER = Path(__file__).with_name("checkpoints")
EXPECTED = np.load(FOLDER / "expected.npz")

FACTORY = """
import torch.nn as nn
from neighbour import WIDTH
def small():
    return nn.Sequential(nn.Linear(3, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))
def other():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
def fails():
    raise ValueError("no\\nluck")
def nothing():
    return 5
"""


def refuse(path: Path | str, says: str, model: str | None = None) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        read(path, model=model)
    assert "\n" not in str(caught.value)


def test_no_reader(tmp_path: Path) -> None:
    refuse(tmp_path / "missing.pt", "missing.pt.*no such file")
    refuse("bad\0name.pt", "not a usable path|no such file")
    for name, says in [
        ("a.pt2", "torch.export"),
        ("a.csv", "give the folder"),
        ("a.h5", "ONNX"),
        ("a.xyz", r"'\.xyz'; read are \.pt, \.pth, \.safetensors, \.onnx and folders"),
        ("a", "no reader"),
    ]:
        (tmp_path / name).write_bytes(b"x")
        refuse(tmp_path / name, says)


def test_what_is_no_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    refuse(tmp_path / "pipe.pt", "not a regular file")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    refuse(tmp_path / "zero.pt", "not a regular file")
    (tmp_path / "dead.pt").symlink_to(tmp_path / "nowhere")
    refuse(tmp_path / "dead.pt", "no such file")


def test_upper_case_suffix(tmp_path: Path) -> None:
    (tmp_path / "A.PTH").write_bytes((FOLDER / "float32.pt").read_bytes())
    assert len(read(tmp_path / "A.PTH").layers) == 3


def test_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_plugin.py").write_text(
        "from ddc.frontend import Network\n"
        "def read(path, model, trust):\n"
        "    return Network([], None, None, 'hash', str(path))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entries = [("good", "sample_plugin:read"), ("bad", "sample_plugin:absent"), ("two", "a:b")]
    points = [
        importlib.metadata.EntryPoint(name, value, "ddc.frontends")
        for name, value in [*entries, ("two", "c:d")]
    ]
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group, name: [p for p in points if (p.group, p.name) == (group, name)],
    )
    for name in ("x.good", "x.bad", "x.two"):
        (tmp_path / name).write_bytes(b"")
    assert read(tmp_path / "x.good").digest == "hash"
    refuse(tmp_path / "x.two", "2 installed plugins")
    with pytest.warns(UserWarning, match="failed"):
        refuse(tmp_path / "x.bad", "no reader")


def write_csv(folder: Path, *texts: str, stem: str = "net") -> Path:
    folder.mkdir(exist_ok=True)
    for index, text in enumerate(texts, 1):
        (folder / f"{stem}_{index}.csv").write_text(text)
    return folder


def test_csv_folder(tmp_path: Path) -> None:
    """Two inputs; units x0 - x1 and x0 + x1 - 1; ternary signs; 2 s0 - s1 + 0.5."""
    folder = write_csv(tmp_path / "a", "1,1\n-1,1\n0,-1\n", "2\n-1\n.5\n\n")
    (folder / "notes.txt").write_text("x")
    network = read(folder)
    assert [layer.kind for layer in network.layers] == ["linear", "sign", "linear"]
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    signs = [[0, -1], [-1, 0], [1, 0], [0, 1]]
    expected = [[2 * a - b + 0.5] for a, b in signs]
    assert reference.run(network, inputs).tolist() == expected


def test_csv_order_is_numeric(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "a", *[f"{n}\n0\n" for n in range(1, 12)])
    weights = [x.tensors["weight"].item() for x in read(folder).layers if x.kind == "linear"]
    assert weights == list(range(1, 12))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "no NAME_1.csv"),
        (["1,2\n1\n"], "line 2 has 1 numbers, line 1 has 2"),
        (["1,2\n1,x\n"], "net_1.csv.*line 2: 'x' is not a number"),
        (["1,2\n"], "at least one row"),
        ([""], "at least one row"),
        (["1\nnan\n"], r"bias of layer '1'.*nan at index \[0\]"),
        (["1\n0\n", "inf\n0\n"], r"weight of layer '2'.*inf at index \[0, 0\]"),
        (["\udcff"], "not a text file"),
    ],
)
def test_csv_that_is_wrong(texts: list[str], says: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for index, text in enumerate(texts, 1):
        (folder / f"net_{index}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    refuse(folder, says)


def test_csv_folder_with_gaps_or_two_networks(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "a", "1\n0\n", "1\n0\n", "1\n0\n")
    (folder / "net_2.csv").unlink()
    refuse(folder, "no 'net_2.csv'")
    write_csv(folder, "1\n0\n", "1\n0\n")
    write_csv(folder, "1\n0\n", stem="other")
    refuse(folder, "several networks: 'net', 'other'")


def safetensors_bytes(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_safetensors_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    whole = (FOLDER / "state_dict.safetensors").read_bytes()
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases = [
        (b"", "damaged"),
        (b"hello", "damaged"),
        (whole[:-1], "damaged"),
        (whole[:100], "damaged"),
        (b"\xff" * 8 + b"{}", "damaged"),
        (safetensors_bytes({"a": entry | {"shape": [3]}}, bytes(8)), "damaged"),
        (safetensors_bytes({"a": entry | {"data_offsets": [0, 80]}}, bytes(8)), "damaged"),
        (safetensors_bytes({"a": entry | {"shape": [2**60, 2**60]}}, bytes(8)), "damaged"),
        (safetensors_bytes({"a\n": entry | {"dtype": "F8_E5M2"}}, bytes(2)), "damaged|dtype"),
        (b"[" * 100_000, "damaged"),
        (struct.pack("<Q", 100_000) + b"[" * 100_000, "damaged"),
    ]
    for data, says in cases:
        path.write_bytes(data)
        refuse(path, says)


def test_factories(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "nets.py"
    file.write_text(FACTORY)
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    before = list(sys.path)
    names = ["state_dict.pt", "state_dict_training.pt", "state_dict_compiled.pt"]
    for name in [*names, "state_dict.safetensors"]:
        network = read(FOLDER / name, model=f"{file}:small")
        answer = reference.run(network, EXPECTED["state_dict/x"])
        np.testing.assert_allclose(answer, EXPECTED["state_dict/y"], rtol=1e-12)
        assert network.input == ("x: real[3]" if name.endswith(".safetensors") else None)
    assert sys.path == before
    path = FOLDER / "state_dict.pt"
    refuse(path, "does not fit these weights.*size mismatch", f"{file}:other")
    refuse(path, "ValueError: no luck", f"{file}:fails")
    refuse(path, "returned 'int', no Module", f"{file}:nothing")
    refuse(path, "absent", f"{file}:absent")
    refuse(path, "ModuleNotFoundError", "no.such.package:net")
    quits = tmp_path / "quits.py"
    quits.write_text("import sys\ndef make():\n    sys.exit(0)\n")
    refuse(path, "left with sys.exit", f"{quits}:make")
    refuse(path, "neither package:factory nor FILE.py:factory", "nonsense")
    refuse(path, "failed", f"{tmp_path / 'absent.py'}:net")


def test_weights_keep_their_precision(tmp_path: Path) -> None:
    """A float64 state dict is not rounded by a float32 factory."""
    torch = pytest.importorskip("torch")
    file = tmp_path / "nets.py"
    file.write_text("import torch.nn as nn\ndef net():\n    return nn.Linear(1, 1, bias=False)\n")
    third = torch.full((1, 1), 1 / 3, dtype=torch.float64)
    torch.save({"weight": third}, tmp_path / "x.pt")
    (layer,) = read(tmp_path / "x.pt", model=f"{file}:net").layers
    assert layer.tensors["weight"].item() == 1 / 3


def test_trust_is_needed_to_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "trusted_nets.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = torch.nn.Linear(2, 2)\n"
        "    def forward(self, x):\n"
        "        return torch.relu(self.a(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trusted_nets = pytest.importorskip("trusted_nets")
    path = tmp_path / "net.pt"
    torch.save(trusted_nets.Net(), path)
    refuse(path, "trusted_nets.Net.*--trust")
    network: Network = read(path, trust=True)
    assert [layer.kind for layer in network.layers] == ["linear", "relu"]
