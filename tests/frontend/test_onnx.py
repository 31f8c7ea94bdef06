"""ONNX graphs made by hand: what the records compute, and one line for each that is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddc.frontend import Layer, Network, read
from ddc.ir import DdcError
from tests.frontend import reference

onnx = pytest.importorskip("onnx")
make_node = onnx.helper.make_node
FLOAT = onnx.TensorProto.FLOAT

RNG = np.random.default_rng(5)
SQUARE = np.array([[1, -2], [0.5, 3]], np.float32)
BIAS = np.array([0.25, -1], np.float32)


def graph(
    nodes: list[Any],
    constants: dict[str, np.ndarray],
    shape: tuple[int | str, ...] = ("batch", 2),
    opset: int = 21,
    kind: int = FLOAT,
) -> Any:
    """Return a model whose input is `x` and whose output is that of the last node."""
    value = onnx.helper.make_tensor_value_info
    made = onnx.helper.make_graph(
        nodes,
        "net",
        [value("x", kind, shape)],
        [value(nodes[-1].output[0], FLOAT, ("?",))],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", opset)])


def load(model: Any, tmp_path: Path) -> Network:
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return read(path)


def refuse(model: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        load(model, tmp_path)
    assert "\n" not in str(caught.value)


def chain(*steps: tuple[Any, ...], **attributes: Any) -> list[Any]:
    """Return nodes in a row: each step is an operator and its constants, the last has attributes."""
    nodes, current = [], "x"
    for index, (operator, *constants) in enumerate(steps):
        last = attributes if index == len(steps) - 1 else {}
        nodes.append(make_node(operator, [current, *constants], [f"v{index}"], **last))
        current = f"v{index}"
    return nodes


def kinds(network: Network) -> list[str]:
    return [layer.kind for layer in network.layers]


def only(network: Network) -> Layer:
    (layer,) = network.layers
    return layer


def test_against_onnx_itself(tmp_path: Path) -> None:
    """A net of many operators computes what ONNX's own reference implementation computes."""
    constants = {
        "w": RNG.normal(size=(2, 6)).astype(np.float32),
        "b": RNG.normal(size=6).astype(np.float32),
        "shape": np.array([0, 2, 3]),
        "cw": RNG.normal(size=(4, 2, 2)).astype(np.float32),
        "cb": RNG.normal(size=4).astype(np.float32),
        "s": RNG.normal(size=4).astype(np.float32),
        "o": RNG.normal(size=4).astype(np.float32),
        "m": RNG.normal(size=4).astype(np.float32),
        "v": RNG.uniform(0.5, 2, 4).astype(np.float32),
        "low": np.array(-0.5, np.float32),
        "high": np.array(1.5, np.float32),
        "mw": RNG.normal(size=(16, 3)).astype(np.float32),
        "mb": RNG.normal(size=(1, 3)).astype(np.float32),
        "gw": RNG.normal(size=(3, 3)).astype(np.float32),
    }
    steps: list[tuple[str, ...]] = [
        ("Gemm", "w", "b"),
        ("Tanh",),
        ("Reshape", "shape"),
        ("Conv", "cw", "cb"),
        ("BatchNormalization", "s", "o", "m", "v"),
        ("Clip", "low", "high"),
        ("Dropout",),
        ("Identity",),
        ("LeakyRelu",),
        ("Flatten",),
        ("MatMul", "mw"),
        ("Add", "mb"),
        ("Relu",),
        ("Gemm", "gw"),
        ("Softmax",),
    ]
    nodes = chain(*steps)
    nodes[3].attribute.extend([onnx.helper.make_attribute("pads", [1, 1])])
    model = graph(nodes, constants, (5, 2))
    inputs = RNG.normal(size=(5, 2)).astype(np.float32)
    from onnx.reference import ReferenceEvaluator

    expected: Any
    (expected,) = ReferenceEvaluator(model).run(None, {"x": inputs})
    network = load(model, tmp_path)
    answer = reference.run(network, inputs.astype(np.float64))
    np.testing.assert_allclose(answer, expected, rtol=2e-4, atol=1e-5)
    assert (network.input_name, network.input_shape) == ("x", (2,))


def test_metadata_and_shapes(tmp_path: Path) -> None:
    model = graph(chain(("Relu",)), {}, ("batch", 3, "width"))
    onnx.helper.set_model_props(model, {"input": "x: bit[3]", "ddc_output": "step"})
    network = load(model, tmp_path)
    assert (network.input, network.output) == ("x: bit[3]", "step")
    assert network.input_shape == (3, None)


def test_gemm_orientation(tmp_path: Path) -> None:
    for transposed in (0, 1):
        nodes = chain(("Gemm", "w", "b"), transB=transposed)
        layer = only(load(graph(nodes, {"w": SQUARE, "b": BIAS}), tmp_path))
        expected = SQUARE if transposed else SQUARE.T
        assert layer.tensors["weight"].tolist() == expected.tolist()


def test_threshold_and_sign(tmp_path: Path) -> None:
    nodes = [*chain(("MatMul", "w"), ("Sign",)), make_node("Greater", ["v1", "zero"], ["gt"])]
    nodes.append(make_node("Cast", ["gt"], ["y"], to=FLOAT))
    model = graph(nodes, {"w": SQUARE, "zero": np.zeros((), np.float32)})
    assert kinds(load(model, tmp_path)) == ["linear", "sign", "step"]


def test_embedding(tmp_path: Path) -> None:
    nodes = [make_node("Gather", ["w", "x"], ["y"])]
    model = graph(nodes, {"w": SQUARE}, ("batch", 4), kind=onnx.TensorProto.INT64)
    assert kinds(load(model, tmp_path)) == ["embedding"]


def test_constants_from_nodes_and_identities(tmp_path: Path) -> None:
    nodes = [
        make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(SQUARE)),
        make_node("Identity", ["w"], ["w2"]),
        make_node("MatMul", ["x", "w2"], ["y"]),
    ]
    assert only(load(graph(nodes, {}), tmp_path)).tensors["weight"].tolist() == SQUARE.T.tolist()


def test_padding_in_front_of_a_convolution(tmp_path: Path) -> None:
    window = np.ones((1, 1, 3, 3), np.float32)
    constants = {"w": window, "p": np.array([0, 0, 1, 2, 0, 0, 1, 0])}
    shape = ("batch", 1, 5, 5)
    pad = make_node("Pad", ["x", "p"], ["padded"], mode="wrap")
    conv = make_node("Conv", ["padded", "w"], ["y"])
    layer = only(load(graph([pad, conv], constants, shape), tmp_path))
    assert layer.attrs["padding"] == ((1, 1), (2, 0))
    assert layer.attrs["padding_mode"] == "circular"
    pad = make_node("Pad", ["x", "p"], ["padded"])
    conv = make_node("Conv", ["padded", "w"], ["y"], pads=[1, 1, 1, 1])
    layer = only(load(graph([pad, conv], constants, shape), tmp_path))
    assert (layer.attrs["padding"], layer.attrs["padding_mode"]) == (((2, 2), (3, 1)), "zeros")
    wrong = make_node("Pad", ["x", "p"], ["padded"], mode="wrap")
    refuse(graph([wrong, conv], constants, shape), "both pad", tmp_path)
    refuse(
        graph([pad, make_node("Relu", ["padded"], ["y"])], constants, shape),
        "only in front",
        tmp_path,
    )
    edge = make_node("Pad", ["x", "p"], ["padded"], mode="edge")
    refuse(graph([edge, conv], constants, shape), "zeros or mode wrap", tmp_path)


def wrapping(order: tuple[str, ...], **changes: int) -> list[Any]:
    """Return circular padding as it is exported: the last two cells, all, the first one."""
    numbers = {"head": -2, "far": 2**63 - 1, "zero": 0, "one": 1, "axis": 2} | changes
    nodes = [
        make_node("Constant", [], [name], value_ints=[number]) for name, number in numbers.items()
    ]
    nodes.append(make_node("Slice", ["x", "head", "far", "axis"], ["last"]))
    nodes.append(make_node("Slice", ["x", "zero", "one", "axis"], ["first"]))
    nodes.append(make_node("Concat", list(order), ["padded"], axis=2))
    return [*nodes, make_node("Conv", ["padded", "w"], ["y"])]


def test_circular_padding_as_exported(tmp_path: Path) -> None:
    constants = {"w": np.ones((1, 1, 3), np.float32)}
    shape = ("batch", 1, 5)
    fine = ("last", "x", "first")
    layer = only(load(graph(wrapping(fine), constants, shape), tmp_path))
    assert (layer.attrs["padding"], layer.attrs["padding_mode"]) == (((2, 1),), "circular")
    layer = only(load(graph(wrapping(("x", "first")), constants, shape), tmp_path))
    assert layer.attrs["padding"] == ((0, 1),)
    for wrong in [
        wrapping(("first", "x", "last")),
        wrapping(("last", "first", "x")),
        wrapping(("x", "x")),
        wrapping(fine, axis=1),
        wrapping(fine, zero=1, one=2),
        wrapping(fine, far=4),
        wrapping(fine, head=2),
        wrapping(fine, one=-1),
    ]:
        refuse(graph(wrong, constants, shape), "circular padding", tmp_path)


@pytest.mark.parametrize(
    ("nodes", "constants", "says"),
    [
        (chain(("Relu",), ("Gelu",)), {}, r"'v1' \(Gelu\) is not supported; supported: Add"),
        (chain(("Gemm", "w"), alpha=2.0), {"w": SQUARE}, "scales"),
        (chain(("Gemm", "w"), transA=1), {"w": SQUARE}, "scales or transposes"),
        ([make_node("MatMul", ["w", "x"], ["y"])], {"w": SQUARE}, "weights on the left"),
        ([make_node("MatMul", ["x", "x"], ["y"])], {}, "straight chain"),
        (
            [make_node("Relu", ["x"], ["a"]), make_node("Add", ["a", "x"], ["y"])],
            {},
            "straight chain",
        ),
        (chain(("Relu",), ("Add", "b")), {"b": BIAS}, "right after MatMul"),
        (chain(("Gemm", "w", "b"), ("Add", "b")), {"w": SQUARE, "b": BIAS}, "right after MatMul"),
        (chain(("MatMul", "w"), ("Add", "m")), {"w": SQUARE, "m": SQUARE}, "shape"),
        (chain(("Flatten",), axis=0), {}, "axis 1"),
        (chain(("Reshape", "s")), {"s": np.array([2, -1])}, "batch axis"),
        (chain(("Reshape", "s")), {"s": np.array([-1, -1])}, "batch axis"),
        (chain(("Greater", "o")), {"o": np.array(0.5, np.float32)}, "x > 0"),
        (chain(("Cast",), to=onnx.TensorProto.FLOAT16), {}, "only to float"),
        (chain(("Relu",), ("Cast",), to=onnx.TensorProto.INT64), {}, "only to float"),
        (
            chain(("Conv", "w"), strides=[2], auto_pad="SAME_UPPER"),
            {"w": np.ones((1, 1, 3), np.float32)},
            "auto_pad",
        ),
        (chain(("Conv", "w")), {"w": np.ones((1, 1, 3, 3, 3), np.float32)}, "one or two axes"),
        (chain(("Squeeze", "a")), {"a": np.array([0])}, "batch axis"),
        ([make_node("Identity", ["x"], ["y"], domain="my.ops")], {}, "not supported|checker"),
        (
            chain(("Clip", "h", "l")),
            {"h": np.array(1.0, np.float32), "l": np.array(0.0, np.float32)},
            "empty range",
        ),
        (chain(("Clip", "l")), {"l": np.array(0.0, np.float32)}, "no finite number as max"),
        (chain(("MatMul", "w")), {"w": SQUARE * np.float32("inf")}, "weight of layer 'v0'.*inf"),
        (chain(("MatMul", "w")), {"w": np.ones((0, 2), np.float32)}, "right shape|empty"),
    ],
)
def test_graphs_that_are_refused(
    nodes: list[Any], constants: dict[str, np.ndarray], says: str, tmp_path: Path
) -> None:
    refuse(graph(nodes, constants), says, tmp_path)


def test_training_mode_is_refused(tmp_path: Path) -> None:
    ones = {name: np.ones(2, np.float32) for name in "abcd"}
    nodes = chain(("BatchNormalization", *"abcd"), training_mode=1)
    nodes[0].output.extend(["mean", "variance"])
    refuse(graph(nodes, ones), "training mode", tmp_path)
    nodes = [make_node("Dropout", ["x", "", "t"], ["y"])]
    refuse(graph(nodes, {"t": np.array(True)}), "training mode", tmp_path)


def test_inputs_and_outputs(tmp_path: Path) -> None:
    model = graph(chain(("Relu",)), {})
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", FLOAT, (1,)))
    refuse(model, "2 inputs", tmp_path)
    model = graph(chain(("Relu",), ("Tanh",)), {})
    model.graph.output.append(onnx.helper.make_tensor_value_info("v0", FLOAT, ("?",)))
    refuse(model, "2 outputs", tmp_path)
    model = graph(chain(("Relu",), ("Tanh",)), {})
    model.graph.output[0].name = "v0"
    refuse(model, "not the end of the chain", tmp_path)
    refuse(graph(chain(("Relu",)), {}, (2,)), "a batch axis must come first", tmp_path)
    refuse(graph(chain(("Relu",)), {}, opset=6), "opset 6 is older", tmp_path)


def test_old_softmax(tmp_path: Path) -> None:
    network = load(graph(chain(("Gemm", "w"), ("Softmax",)), {"w": SQUARE}, opset=11), tmp_path)
    assert network.layers[1].attrs == {"dim": 1}
    refuse(graph(chain(("Softmax",)), {}, (2, 3, 4), opset=11), "opset before 13", tmp_path)


def external(location: str, tmp_path: Path, offset: str = "0", length: str = "16") -> Any:
    model = graph(chain(("MatMul", "w")), {"w": SQUARE})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset, "length": length}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model


def test_weights_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "net.data").write_bytes(b"xxxx" + SQUARE.tobytes())
    network = load(external("net.data", folder, "4"), folder)
    assert only(network).tensors["weight"].tolist() == SQUARE.T.tolist()
    first = network.digest
    (folder / "net.data").write_bytes(b"xxxx" + (2 * SQUARE).tobytes())
    assert read(folder / "net.onnx").digest != first


def test_weights_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(SQUARE.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "short").write_bytes(b"x" * 15)
    for location in ["../secret", str(tmp_path / "secret"), "link", "", "absent", ".", "a\0b"]:
        refuse(external(location, folder), "no regular file in the model's folder", folder)
    refuse(external("short", folder), "outside its file", folder)
    refuse(external("short", folder, "-4"), "outside its file", folder)
    refuse(external("short", folder, "0", "x"), "at no place", folder)
    refuse(external("short", folder, "0", "12"), "broken|checker", folder)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    whole = graph(chain(("Gemm", "w", "b")), {"w": SQUARE, "b": BIAS}).SerializeToString()
    for data in [b"", b"hello", bytes(100), *(whole[:n] for n in range(1, len(whole), 11))]:
        path.write_bytes(data)
        with pytest.raises(DdcError) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_absurd_shapes(tmp_path: Path) -> None:
    model = graph(chain(("MatMul", "w")), {"w": SQUARE})
    tensor = model.graph.initializer[0]
    for dims in ([2**40, 2**40], [2**28], [-1, 2], [3, 3]):
        del tensor.dims[:]
        tensor.dims.extend(dims)
        refuse(model, "absurd|broken|checker", tmp_path)


def test_model_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(graph(chain(("Relu",)), {}).SerializeToString())
    with pytest.raises(DdcError, match="leave it out"):
        read(path, model="a:b")
