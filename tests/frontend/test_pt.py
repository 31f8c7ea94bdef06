"""Checkpoints as torch writes them, read without torch; what torch answered is in expected.npz."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ddc.frontend import read
from ddc.ir import DdcError
from tests.frontend import reference
from tests.frontend.assemble import (
    Call,
    Name,
    Raw,
    linear,
    module,
    parameter,
    program,
    sequential,
    storage,
    tensor,
    write,
)

FOLDER = Path(__file__).with_name("checkpoints")
EXPECTED = np.load(FOLDER / "expected.npz")
FOUR = np.arange(4, dtype="<f4")
READABLE = sorted({key.split("/")[0] for key in EXPECTED} - {"state_dict"})


@pytest.mark.parametrize("name", READABLE)
def test_answers_of_torch(name: str) -> None:
    network = read(FOLDER / f"{name}.pt")
    answer = reference.run(network, EXPECTED[f"{name}/x"])
    np.testing.assert_allclose(answer, EXPECTED[f"{name}/y"], rtol=1e-9, atol=1e-9)


def test_metadata() -> None:
    network = read(FOLDER / "conv2d_circular.pt")
    assert (network.input, network.output) == ("grid: real[5, 6]", "raw")
    assert read(FOLDER / "nested.pt").input is None
    layers = read(FOLDER / "layers.pt")
    assert (layers.input, layers.output) == ("x: bit[3]", "step")


def test_digest_is_the_hash_of_the_file() -> None:
    import hashlib

    path = FOLDER / "float32.pt"
    assert read(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reads_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ddc.frontend import read\n"
        f"assert len(read({str(FOLDER / 'nested.pt')!r}).layers) == 14\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("attention", r"layer '1' \(MultiheadAttention, in_proj_weight \[12, 4\]"),
        ("bilinear", r"layer '2' \(Bilinear, weight \[2, 4, 4\].*supported: Linear"),
        ("user_class", r"UserNet.*torch\.save\(model\.state_dict\(\).*--model FILE\.py:factory"),
        ("hook_function", "refused, nothing was run"),
        ("hook_module", "'_forward_pre_hooks'"),
        ("weight_norm", "WeightNorm.*remove_weight_norm"),
        ("nan", r"weight of layer '2'.*nan at index \[1, 3\]"),
        ("infinite", r"weight of layer '2'.*inf at index \[1, 3\]"),
        ("legacy", "before torch 1.6.*torch.save it again"),
        ("malicious", "posix.system.*nothing was run"),
        ("malicious_attribute", "posix.system.*nothing was run"),
        ("malicious_legacy", "before torch 1.6"),
        ("truncated", "truncated"),
        ("state_dict", r"0\.weight \[4, 3\].*--model"),
        ("state_dict_compiled", r"0\.weight \[4, 3\].*--model"),
        ("state_dict_training", r"0\.weight \[4, 3\].*--model"),
    ],
)
def test_refused(name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DdcError, match=says) as caught:
        read(FOLDER / f"{name}.pt")
    assert "\n" not in str(caught.value) and f"{name}.pt" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def refuse(path: Path, says: str) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_every_truncation(tmp_path: Path) -> None:
    whole = (FOLDER / "float32.pt").read_bytes()
    path = tmp_path / "cut.pt"
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        refuse(path, "truncated|empty|not a checkpoint")


def test_every_flipped_byte(tmp_path: Path) -> None:
    """A checksum guards every weight: damage is refused, or it hit nothing that matters."""
    path = FOLDER / "float32.pt"
    whole, honest = path.read_bytes(), read(path)
    cut = tmp_path / "flipped.pt"
    for place in range(0, len(whole), 7):
        cut.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = read(cut)
        except DdcError:
            continue
        for a, b in zip(honest.layers, found.layers, strict=True):
            assert a.kind == b.kind
            assert all((a.tensors[n] == b.tensors[n]).all() for n in a.tensors)


def test_archives_that_are_no_checkpoints(tmp_path: Path) -> None:
    fine, storages = linear((2, 2)), {"0": FOUR}
    cases = {
        "TorchScript": {"net/constants.pkl": b""},
        "pt2": {"net/archive_format": b"pt2"},
        "big-endian": {"net/byteorder": b"big"},
        "without one data.pkl": {"other/data.pkl": b"N."},
    }
    for says, extra in cases.items():
        refuse(write(tmp_path / "x.pt", fine, storages, extra), says)
    read(write(tmp_path / "x.pt", fine, storages, {"net/byteorder": b"little"}))
    refuse(write(tmp_path / "x.pt", fine, storages, None, zipfile.ZIP_DEFLATED), "compressed")
    (tmp_path / "x.pt").write_bytes(program(fine))
    refuse(tmp_path / "x.pt", "bare pickle")
    (tmp_path / "x.pt").write_text("hello")
    refuse(tmp_path / "x.pt", "not a checkpoint")
    with pytest.warns(UserWarning, match="Duplicate name"):
        write(tmp_path / "x.pt", fine, storages, {"net/data.pkl": b"N."})
    refuse(tmp_path / "x.pt", "two entries of one name")


def test_content_that_is_no_network(tmp_path: Path) -> None:
    weight = tensor(storage("0", 4), 0, (2, 2), (2, 1))
    cases: dict[str, object] = {
        "lone tensor": weight,
        "neither a module nor": 5,
        "no weights": {"epoch": 3},
        "without layers": sequential(),
        "ddc.recurrent/2' is not supported": {"format": "ddc.recurrent/2"},
        "'f.0.weight' … are not between": {"format": "ddc.recurrent/1"},
        "'activations'": {"format": "ddc.layers/1", "0.weight": weight},
        "activation 0 is 'swish'": {"format": "ddc.layers/1", "activations": ["swish"]},
        "'0.weight' is missing": {"format": "ddc.layers/1", "activations": ["relu"]},
        "'1.weight' has no activation": {
            "format": "ddc.layers/1",
            "activations": ["relu"],
            "0.weight": weight,
            "1.weight": weight,
        },
        "'0.bias' is not a vector of 2": {
            "format": "ddc.layers/1",
            "activations": ["relu"],
            "0.weight": weight,
            "0.bias": tensor(storage("0", 4), 0, (4,), (1,)),
        },
    }
    for says, root in cases.items():
        refuse(write(tmp_path / "x.pt", root, {"0": FOUR}), says)
    with pytest.raises(DdcError, match="leave it out"):
        read(write(tmp_path / "x.pt", linear((2, 2)), {"0": FOUR}), model="a:b")


def test_layers_that_are_wrong(tmp_path: Path) -> None:
    square = parameter(tensor(storage("0", 4), 0, (2, 2), (2, 1)))
    row = parameter(tensor(storage("0", 4), 0, (4,), (1,)))
    window = parameter(tensor(storage("0", 4), 0, (1, 1, 2, 2), (4, 4, 2, 1)))
    conv = {
        "_parameters": {"weight": window, "bias": None},
        "stride": (1, 1),
        "padding": (1, 1),
        "dilation": (1, 1),
        "groups": 1,
        "padding_mode": "zeros",
    }
    cases: list[tuple[str, object]] = [
        ("has no weight", module("Linear", _parameters={"weight": None})),
        ("2 axes", module("Linear", _parameters={"weight": row})),
        ("outside its parameters", linear((2, 2), weight=FOUR.tolist())),
        ("does not have 2 numbers", module("Linear", _parameters={"weight": square, "bias": row})),
        ("its class does not have", module("Linear", _parameters={"weight": square, "x": row})),
        ("has no usable _parameters", module("Linear", _parameters=5)),
        ("has no usable _modules", module("Linear", _modules=None)),
        ("parametrizations", linear((2, 2), _modules={"parametrizations": module("ReLU")})),
        ("'forward'", linear((2, 2), forward=module("ReLU"))),
        ("'_backward_hooks'", linear((2, 2), _backward_hooks={1: 2})),
        ("is not a module", sequential(5)),
        ("padding mode 'reflect'", module("Conv2d", "conv", **conv | {"padding_mode": "reflect"})),
        ("0 groups", module("Conv2d", "conv", **conv | {"groups": 0})),
        ("stride", module("Conv2d", "conv", **conv | {"stride": (0, 1)})),
        ("padding", module("Conv2d", "conv", **conv | {"padding": (1,)})),
        ("padding", module("Conv2d", "conv", **conv | {"padding": "odd"})),
        (
            "contradicts",
            module("Conv2d", "conv", **conv, _reversed_padding_repeated_twice=[0, 0, 0, 0]),
        ),
        ("negative_slope", module("LeakyReLU", "activation", negative_slope="0.1")),
        ("empty range", module("Hardtanh", "activation", min_val=1.0, max_val=1.0)),
        ("running statistics", module("BatchNorm1d", "batchnorm", eps=1e-5)),
        (
            "not positive",
            module(
                "BatchNorm1d",
                "batchnorm",
                eps=0.0,
                _buffers={"running_mean": row, "running_var": row},
            ),
        ),
        ("max_norm", module("Embedding", "sparse", _parameters={"weight": square}, max_norm=1.0)),
        ("start_dim", module("Flatten", "flatten", start_dim=None, end_dim=-1)),
        (
            r"'0.1' \(GRUCell, weight_ih_l0 \[2, 2\]\) is not supported",
            sequential(
                sequential(
                    module("ReLU", "activation"),
                    module("GRUCell", "rnn", _parameters={"weight_ih_l0": square}),
                )
            ),
        ),
    ]
    for says, root in cases:
        refuse(write(tmp_path / "x.pt", root, {"0": FOUR}), says)


def test_bfloat16_and_half_widen_exactly(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC049, 0x0001, 0x7F7F], "<u2")
    root = module(
        "Linear",
        _parameters={
            "weight": parameter(tensor(storage("0", 4, "BFloat16Storage"), 0, (1, 4), (4, 1)))
        },
    )
    (layer,) = read(write(tmp_path / "x.pt", root, {"0": bits})).layers
    expected = [[1.0, -(1 + 0x49 / 128) * 2, 2.0**-133, 255 * 2.0**120]]
    assert layer.tensors["weight"].astype(np.float64).tolist() == expected


def test_shared_storage_is_read_once(tmp_path: Path) -> None:
    """A thousand layers on one storage stay views of it."""
    storages = {"0": np.ones(1_000_000, "<f4")}
    many = [linear((1000, 1000)) for _ in range(1000)]
    layers = read(write(tmp_path / "x.pt", sequential(*many), storages)).layers
    assert len(layers) == 1000
    assert len({array.ctypes.data for x in layers for array in x.tensors.values()}) == 1


def test_optional_things_of_other_torch_versions(tmp_path: Path) -> None:
    empty = Call(Name("builtins", "set"), ([],))
    ordered = Raw(
        b"ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00_metadata}sb"
    )  # an empty state dict with its attribute
    root = linear((2, 2), _non_persistent_buffers_set=empty, other=ordered, none=None)
    assert len(read(write(tmp_path / "x.pt", root, {"0": FOUR})).layers) == 1
