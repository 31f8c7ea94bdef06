"""Records to IR: the interpreter gives what torch gave, and each open question is one line."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddc import ir
from ddc.frontend import Layer, Network, Samples, lower, read
from ddc.ir import DdcError
from ddc.ir.interpreter import run, run_batch
from tests.frontend import reference

FOLDER = Path(__file__).with_name("checkpoints")
EXPECTED = np.load(FOLDER / "expected.npz")
SIGNATURES = {
    "float32": "x: real[3]",
    "float64": "x: real[3]",
    "half": "x: real[3]",
    "views": "x: real[3]",
    "shared": "x: real[3]",
    "nested": "x: real[4]",
    "unflatten": "x: real[4]",
    "conv1d_zero": "x: real[2, 8]",
    "conv1d_circular": "x: real[2, 8]",
    "conv1d_same": "x: real[2, 8]",
    "conv2d_stride": "x: real[6, 7]",
    "conv2d_circular": "x: real[5, 6]",
    "embedding": "x: int<0..4>[4]",
}
RNG = np.random.default_rng(11)


def network(*layers: Layer, **more: str) -> Network:
    return Network(list(layers), more.get("input"), more.get("output"), "hash", "net.pt")


def linear(outputs: int, inputs: int) -> Layer:
    tensors = {"weight": RNG.normal(size=(outputs, inputs)), "bias": RNG.normal(size=outputs)}
    return Layer("linear", "0", {}, tensors)


def conv(outputs: int, inputs: int, *window: int, mode: str = "zeros", pad: int = 1) -> Layer:
    axes = len(window)
    attrs: dict[str, object] = {
        "stride": (1,) * axes,
        "dilation": (1,) * axes,
        "padding": ((pad, pad),) * axes,
        "padding_mode": mode,
        "groups": 1,
    }
    return Layer(
        f"conv{axes}d", "0", attrs, {"weight": RNG.normal(size=(outputs, inputs, *window))}
    )


def result_type(net: Network, signature: str, decision: str) -> str:
    lowered = lower(net, input=signature, output=decision)
    (result,) = lowered.module.entry.results
    return str(result.type)


def refuse(net: Network, says: str, **options: str) -> None:
    with pytest.raises(DdcError) as caught:
        lower(net, **options)  # type: ignore[arg-type]
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_answers_of_torch(name: str) -> None:
    inputs, expected = EXPECTED[f"{name}/x"], EXPECTED[f"{name}/y"]
    lowered = lower(read(FOLDER / f"{name}.pt"), input=SIGNATURES[name], output="raw")
    if SIGNATURES[name].count(",") == 1 and name.startswith("conv2d"):
        inputs = inputs[:, 0]  # the channel axis of size one is left out
    (answer,) = run_batch(lowered.module, {"x": inputs})
    np.testing.assert_allclose(answer, expected.reshape(answer.shape), rtol=1e-9, atol=1e-12)


def test_layers_with_metadata() -> None:
    lowered = lower(read(FOLDER / "layers.pt"), name="my net; import os")
    assert (lowered.decision, lowered.decision_from) == ("step", "the file's own decision")
    assert str(lowered.signature) == "x: bit[3]"
    assert lowered.module.entry.name == "my_net_import_os"
    (answer,) = run_batch(lowered.module, {"x": EXPECTED["layers/x"].astype(int)})
    assert answer.tolist() == (EXPECTED["layers/y"][:, 0] > 0).astype(int).tolist()


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_text_reads_back(name: str) -> None:
    lowered = lower(read(FOLDER / f"{name}.pt"), input=SIGNATURES[name], output="raw")
    assert ir.parse(ir.print_module(lowered.module)) == lowered.module


def test_hostile_metadata() -> None:
    net = read(FOLDER / "hostile_names.pt")
    refuse(net, "the file's own signature")
    assert lower(net, input="x: real[3]").decision == "raw"
    path = 'x"); import os; os.remove("y")\n' + "z" * 1000
    module = lower(network(Layer("relu", path)), input="x: real[3]").module
    (op,) = module.entry.body.ops
    assert op.origin is not None and op.origin.layer.startswith("x_import_os_os.remove_y_z")
    assert len(op.origin.layer) <= 60
    assert ir.parse(ir.print_module(module)) == module


# ---------------------------------------------------------------- decisions


NUMBERS = np.array([-1.5, -0.5, 0.0, 0.5, 0.75, 1.5, 2.5])
DECIDED: dict[str, list[float]] = {
    "raw": NUMBERS.tolist(),
    "sign": [-1, -1, 0, 1, 1, 1, 1],
    "step": [0, 0, 0, 1, 1, 1, 1],
    "half": [0, 0, 0, 0, 1, 1, 1],
    "round": [-2, 0, 0, 0, 1, 2, 2],
}


@pytest.mark.parametrize("decision", sorted(DECIDED))
def test_decisions(decision: str) -> None:
    lowered = lower(network(Layer("identity", "0")), input="x: real[7]", output=decision)
    (answer,) = run(lowered.module, {"x": NUMBERS})
    assert answer.tolist() == DECIDED[decision]


def test_argmax_takes_the_first_and_softmax_sums_to_one() -> None:
    net = network(Layer("identity", "0"))
    (answer,) = run(lower(net, input="x: real[4]", output="argmax").module, {"x": [1, 3, 3, 0]})
    assert answer.tolist() == 1
    (shares,) = run(
        lower(net, input="x: real[2]", output="softmax").module, {"x": [0, math.log(3)]}
    )
    np.testing.assert_allclose(shares, [0.25, 0.75])


def test_default_decisions() -> None:
    base = linear(3, 4)
    assert lower(network(base, Layer("sigmoid", "1")), input="x: bit[4]").decision == "half"
    final = network(base, Layer("softmax", "1", {"dim": -1}), Layer("dropout", "2"))
    assert lower(final, input="x: bit[4]").decision == "argmax"
    assert lower(network(base), input="x: real[4]").decision == "raw"
    assert lower(network(base), input="a: bit[3], b: real<0..1>").decision == "raw"
    assert lower(network(base, output="step"), input="x: real[4]").decision == "step"
    assert lower(network(base, output="step"), input="x: bit[4]", output="sign").decision == "sign"
    choices = "say --output with one of raw, sign, step, half, round, argmax, softmax"
    refuse(network(base), choices, input="x: bit[4]")
    refuse(network(base), "'maybe' is none of raw", input="x: bit[4]", output="maybe")
    refuse(network(base, output="x\ny"), r"'x\ny' is none of raw", input="x: bit[4]")


# ---------------------------------------------------------------- shapes of results


def test_shapes_of_results() -> None:
    assert result_type(network(linear(1, 4)), "x: bit[4]", "step") == "bit"
    assert result_type(network(linear(1, 4)), "x: bit[4]", "raw") == "real"
    assert result_type(network(linear(5, 4)), "x: bit[4]", "sign") == "int<-1..1>[5]"
    assert result_type(network(linear(5, 4)), "x: bit[4]", "argmax") == "int<0..4>"
    assert result_type(network(linear(6, 6)), "x: bit[2, 3]", "step") == "bit[2, 3]"
    assert result_type(network(linear(6, 6)), "x: bit[6]", "step") == "bit[6]"
    assert result_type(network(linear(5, 6)), "x: bit[2, 3]", "step") == "bit[5]"
    assert result_type(network(linear(4, 8)), "a: bit[2, 2], b: bit[2, 2]", "step") == "bit[2, 2]"
    assert result_type(network(linear(4, 8)), "a: bit[4], b: bit[2, 2]", "step") == "bit[4]"
    plane = network(conv(1, 1, 3, 3))
    assert result_type(plane, "x: bit[5, 6]", "step") == "bit[5, 6]"
    assert result_type(plane, "x: bit[1, 5, 6]", "step") == "bit[1, 5, 6]"
    assert result_type(network(conv(1, 1, 3, 3, pad=0)), "x: bit[5, 6]", "step") == "bit[3, 4]"
    assert result_type(network(conv(2, 1, 3, 3)), "x: bit[5, 6]", "step") == "bit[2, 5, 6]"
    assert result_type(network(conv(3, 1, 3, 3)), "x: bit[5, 6]", "argmax") == "int<0..2>[5, 6]"
    assert result_type(network(conv(1, 2, 3)), "a: bit[7], b: bit[7]", "step") == "bit[7]"
    assert result_type(network(Layer("sign", "0")), "x: int<-3..3>[2]", "raw") == "int<-1..1>[2]"


# ---------------------------------------------------------------- how inputs are fed


@pytest.mark.parametrize("signature", ["g: bit[5, 6]", "g: bit[1, 5, 6]", "g: bit[1, 1, 5, 6]"])
def test_batch_and_channel_axes_of_one_may_be_said(signature: str) -> None:
    net = network(conv(1, 1, 3, 3))
    grids = RNG.integers(0, 2, (4, 5, 6))
    plain = lower(net, input="g: bit[5, 6]", output="raw").module
    module = lower(net, input=signature, output="raw").module
    (entry,) = module.entry.params
    shape = [dim.const for dim in ir.dims(entry.type)]
    assert [dim.const for dim in ir.dims(module.entry.results[0].type)] == shape
    (wanted,), (found,) = (
        run_batch(m, {"g": grids.reshape(4, *s)}) for m, s in ((plain, (5, 6)), (module, shape))
    )
    assert np.array_equal(wanted.ravel(), found.ravel())


def test_a_batch_of_several_is_no_input() -> None:
    for signature in ("g: bit[2, 1, 5, 6]", "g: bit[1, 1, 1, 5, 6]", "g: onehot<2>[2, 5, 6]"):
        with pytest.raises(DdcError, match="does not fit"):
            lower(network(conv(1, 1, 3, 3)), input=signature, output="raw")
    lowered = lower(network(conv(1, 2, 3, 3)), input="g: onehot<2>[1, 5, 6]", output="raw")
    assert lowered.module.entry.results


def test_a_softmax_is_not_applied_twice() -> None:
    net = network(linear(3, 3), Layer("softmax", "1", {"dim": 1}, {}))
    with pytest.raises(DdcError, match="softmax of its own: say --output raw .* or argmax"):
        lower(net, input="x: real[3]", output="softmax")


def test_sizes_that_would_take_too_long() -> None:
    letters = ", ".join(f"x{k}: bit[N{k}]" for k in range(2000))
    with pytest.raises(DdcError, match="2000 letters are too many sizes: write numbers"):
        lower(network(linear(1, 2000)), input=letters, output="raw")


def test_several_inputs_in_order() -> None:
    net = network(linear(2, 9))
    module = lower(net, input="a: bit[2], k: onehot<3>, s: int{-1, 1}[2, 2]", output="raw").module
    a, k, s = np.array([1, 0]), np.array(2), np.array([[1, -1], [-1, -1]])
    row = np.array([[1, 0, 0, 0, 1, 1, -1, -1, -1]])
    (answer,) = run(module, {"a": a, "k": k, "s": s})
    np.testing.assert_allclose(answer, reference.run(net, row)[0], rtol=1e-12)


def test_scalars_are_packed() -> None:
    net = network(linear(1, 3))
    module = lower(net, input="age: real, priors: int<0..99>, sex: bit").module
    (answer,) = run(module, {"age": 31.5, "priors": 4, "sex": 1})
    np.testing.assert_allclose(answer, reference.run(net, np.array([[31.5, 4, 1]]))[0, 0])
    assert answer.shape == ()


def test_one_hot_rows() -> None:
    net = network(linear(2, 12))
    module = lower(net, input="word: onehot<3>[4]", output="raw").module
    (answer,) = run(module, {"word": [2, 0, 1, 1]})
    row = np.eye(3)[[2, 0, 1, 1]].reshape(1, 12)
    np.testing.assert_allclose(answer, reference.run(net, row)[0], rtol=1e-12)


def test_one_hot_grid_becomes_channels() -> None:
    net = network(conv(3, 4, 3, 3, mode="circular"))
    signature = "wall: bit[4, 5], kind: onehot<3>[4, 5]"
    module = lower(net, input=signature, output="argmax").module
    wall, kind = RNG.integers(0, 2, (4, 5)), RNG.integers(0, 3, (4, 5))
    planes = np.stack([wall, kind == 0, kind == 1, kind == 2])[None].astype(float)
    (answer,) = run(module, {"wall": wall, "kind": kind})
    assert answer.tolist() == reference.run(net, planes)[0].argmax(0).tolist()


def test_tokens_of_several_inputs() -> None:
    table = Layer("embedding", "0", {}, {"weight": RNG.normal(size=(6, 2))})
    net = network(table, Layer("flatten", "1", {"start": 1, "end": -1}), linear(1, 8))
    module = lower(net, input="a: int<0..5>[3], b: bit", output="raw").module
    (answer,) = run(module, {"a": [5, 0, 2], "b": 1})
    np.testing.assert_allclose(answer, reference.run(net, np.array([[5, 0, 2, 1]]))[0, 0])
    refuse(net, "takes ints in 0..5, which a: int<0..6>[4] is not", input="a: int<0..6>[4]")
    refuse(net, 'takes 4 tokens in 0..5: say --input "x: int<0..5>[4]"')


def test_plain_squeezes() -> None:
    net = network(
        Layer("unsqueeze", "0", {"dim": 1}), conv(1, 1, 3), Layer("squeeze", "1", {"dim": 1})
    )
    module = lower(net, input="x: real[5]").module
    x = RNG.normal(size=5)
    (answer,) = run(module, {"x": x})
    np.testing.assert_allclose(answer, reference.run(net, x[None])[0], rtol=1e-12)


# ---------------------------------------------------------------- signatures


def test_letters() -> None:
    cases: list[tuple[Network, str, dict[str, int]]] = [
        (network(linear(1, 20)), "x: bit[N]", {"N": 20}),
        (network(linear(1, 36)), "x: bit[N, N]", {"N": 6}),
        (network(linear(1, 20)), "x: bit[4*M]", {"M": 5}),
        (network(linear(1, 8)), "a: bit[T], b: bit[T]", {"T": 4}),
        (network(linear(1, 21)), "x: bit[2*N + 1, 3]", {"N": 3}),
        (network(linear(1, 10)), "x: bit[N - 2]", {"N": 12}),
        (network(linear(1, 12)), "x: onehot<3>[T]", {"T": 4}),
        (network(linear(1, 7)), "x: bit[N], y: bit[M], z: bit[5]", {"N": 1, "M": 1}),
        (
            network(
                conv(1, 1, 3, 3), Layer("flatten", "1", {"start": 1, "end": -1}), linear(1, 36)
            ),
            "x: bit[N, N]",
            {"N": 6},
        ),
        (network(linear(1, 100_000)), "x: bit[N]", {"N": 100_000}),
    ]
    for net, text, sizes in cases:
        lowered = lower(net, input=text, output="raw")
        assert dict(lowered.signature.sizes) == sizes
        assert str(lowered.signature) == text


def test_letters_that_are_open() -> None:
    refuse(network(linear(1, 36)), "fits for N = 1, M = 36, or N = 2, M = 18", input="x: bit[N, M]")
    refuse(network(linear(1, 20)), "fits for no size N", input="x: bit[N, N]")
    refuse(
        network(linear(1, 20)), 'takes 20 numbers: say --input "x: bit[20]"', input="x: bit[3*N]"
    )
    refuse(network(conv(1, 1, 3, 3)), "write the trained sizes as numbers", input="x: bit[N, N]")


def test_the_line_to_type() -> None:
    dense = network(linear(1, 20))
    line = 'takes 20 numbers: say --input "x: bit[20]" or --input "x: real[20]"'
    refuse(dense, line)
    refuse(dense, line, input="x: bit[19]")
    refuse(
        dense,
        "'x: bit[19]' does not fit: layer '0' (linear, weight [1, 20], bias [1]) takes 20 numbers, but gets 19 numbers",
        input="x: bit[19]",
    )
    refuse(network(conv(1, 1, 3, 3)), '--input "x: bit[8, 8]"')
    refuse(network(conv(1, 2, 3)), '--input "x: bit[2, 8]"')
    flat = Layer("flatten", "1", {"start": 1, "end": -1})
    refuse(network(conv(1, 1, 3, 3), flat, linear(1, 36)), '6x6 cells: say --input "x: bit[6, 6]"')
    refuse(network(conv(1, 1, 3, 3), flat, linear(1, 35)), "takes 1 channel of cells along 2 axes")
    folded = Layer("unflatten", "0", {"dim": 1, "sizes": (2, 5)})
    refuse(network(folded, conv(1, 2, 3)), 'takes 10 numbers: say --input "x: bit[10]"')


def test_every_line_to_type_works() -> None:
    import re

    flat = Layer("flatten", "1", {"start": 1, "end": -1})
    nets = [
        network(linear(2, 20)),
        network(conv(1, 1, 3, 3)),
        network(conv(1, 2, 3), flat, linear(2, 9)),
        network(conv(1, 1, 3, 3, pad=0), flat, linear(2, 35)),
        network(Layer("relu", "0")),
        *(read(FOLDER / f"{name}.pt") for name in SIGNATURES),
    ]
    for net in nets:
        bare = Network(net.layers, None, None, net.digest, net.source)
        with pytest.raises(DdcError) as caught:
            lower(bare)
        lines = re.findall(r'--input "([^"]*)"', str(caught.value))
        assert lines
        for line in lines:
            lower(bare, input=line, output="raw")


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("", "bad signature"),
        ("x", "bad signature"),
        ("x: bit[20", "bad signature"),
        ("x: bits[20]", "bad signature"),
        ("x: bit[0], y: bit[20]", "x has the size '0', not 1"),
        ("x: bit[N*N]", "bad signature"),
        ("x: bit[10], x: bit[10]", "named twice"),
        ('x: category{"a", "b"}[20]', "is for tables"),
        ("x: real?[20]", "is for tables"),
        ("x: bit[99999999999999999999]", "size"),
        ("x: bit[20]\n; import os", "bad signature"),
        ("x: " * 100_000, "bad signature"),
    ],
)
def test_signatures_that_are_wrong(signature: str, says: str) -> None:
    refuse(network(linear(1, 20)), says, input=signature)


def test_layers_that_do_not_fit() -> None:
    refuse(
        network(linear(3, 4), linear(3, 4)),
        "takes 4 numbers, but gets 3 numbers",
        input="x: bit[4]",
    )
    wide = conv(1, 1, 3, 3, mode="circular", pad=4)
    refuse(network(wide), "does not fit into 3 cells", input="x: bit[3, 3]")
    refuse(network(conv(1, 1, 5, pad=0)), "does not fit into 3 cells", input="x: bit[3]")
    refuse(network(conv(1, 1, 3, 3)), "which x: bit[9] does not have", input="x: bit[9]")
    refuse(network(conv(1, 2, 3)), "grids of one shape", input="a: bit[3], b: bit[4]")
    batch = Layer("softmax", "1", {"dim": 0})
    refuse(network(linear(3, 4), batch), "works on axis 0", input="x: bit[4]", output="raw")
    flatten = Layer("flatten", "1", {"start": 0, "end": -1})
    refuse(network(linear(3, 4), flatten), "works on axis 0", input="x: bit[4]", output="raw")
    table = Layer("embedding", "1", {}, {"weight": np.ones((2, 2))})
    refuse(network(linear(3, 4), table), "must be the first layer", input="x: bit[4]", output="raw")
    norm = {"mean": np.zeros(4), "variance": np.full(4, 1e-320), "weight": np.full(4, 1e300)}
    huge = Layer("batch_norm", "1", {"eps": 0.0, "axes": 1}, norm)
    refuse(network(huge), "beyond what a number can hold", input="x: real[4]")


# ---------------------------------------------------------------- samples


def test_signature_from_samples() -> None:
    samples = Samples({"x": np.array([[0, 1, 1, 0]])})
    lowered = lower(network(linear(1, 4)), output="step", samples=samples)
    assert str(lowered.signature) == "x: bit[4]"
    assert lowered.signature_from == "the signature inferred from --data"
    net = network(linear(1, 4), input="x: real[4]")
    assert str(lower(net, samples=samples).signature) == "x: real[4]"


# ---------------------------------------------------------------- random networks


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, tuple[int, ...]]:
    """Draw a chain of layers that fits together, and the shape of its input."""
    channels, height, width = (
        draw(st.integers(1, 2)),
        draw(st.integers(3, 5)),
        draw(st.integers(3, 5)),
    )
    layers: list[Layer] = []
    given: tuple[int, ...] = (channels, height, width)
    for _ in range(draw(st.integers(0, 2))):
        outputs = draw(st.integers(1, 3))
        mode = draw(st.sampled_from(["zeros", "circular"]))
        layers.append(conv(outputs, channels, draw(st.sampled_from([1, 3])), 3, mode=mode))
        height = height + 2 - layers[-1].tensors["weight"].shape[2] + 1
        channels = outputs
        layers.append(draw(activations()))
    if not layers:
        given = (channels * height * width,)
    layers.append(Layer("flatten", "f", {"start": 1, "end": -1}))
    size = channels * height * width
    for _ in range(draw(st.integers(1, 2))):
        outputs = draw(st.integers(1, 4))
        layers += [linear(outputs, size), draw(activations())]
        size = outputs
    return network(*layers), given


def activations() -> st.SearchStrategy[Layer]:
    plain = [Layer(kind, "a") for kind in ("relu", "tanh", "sigmoid", "sign", "step", "identity")]
    more = [
        Layer("leaky_relu", "a", {"slope": 0.1}),
        Layer("hardtanh", "a", {"low": -0.5, "high": 1.5}),
        Layer("softmax", "a", {"dim": 1}),
    ]
    return st.sampled_from(plain + more)


@given(networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_random_networks(made: tuple[Network, tuple[int, ...]], seed: int) -> None:
    net, shape = made
    text = ", ".join(map(str, shape))
    module = lower(net, input=f"x: real[{text}]", output="raw").module
    inputs = np.random.default_rng(seed).normal(size=(3, *shape))
    (answer,) = run_batch(module, {"x": inputs})
    expected = reference.run(net, inputs)
    np.testing.assert_allclose(answer.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)
    assert ir.parse(ir.print_module(module)) == module
