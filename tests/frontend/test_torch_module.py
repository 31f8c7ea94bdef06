"""Modules in memory, with forwards of their own: what the records compute is what torch computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ddc.frontend.torch_module import read_module
from ddc.ir import DdcError
from tests.frontend import reference

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional


def net(forward: Callable[..., Any], **parts: Any) -> Any:
    """Return a module of an own class with these parts and this forward."""

    class Net(nn.Module):  # type: ignore[misc,name-defined]  # torch is not always there
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    Net.forward = forward
    return Net()


def agree(model: Any, shape: tuple[int, ...]) -> list[str]:
    model = model.double()
    inputs = torch.randn(5, *shape, dtype=torch.float64)
    network = read_module(model)
    with torch.no_grad():
        expected = model.eval()(inputs).double().numpy()
    np.testing.assert_allclose(reference.run(network, inputs.numpy()), expected, rtol=1e-9)
    return [layer.kind for layer in network.layers]


def refuse(model: Any, says: str) -> None:
    with pytest.raises(DdcError, match=says) as caught:
        read_module(model)
    assert "\n" not in str(caught.value)


def test_sequential_of_a_subclass() -> None:
    class Block(nn.Sequential):  # type: ignore[misc,name-defined]  # torch is not always there
        pass

    model = nn.Sequential(Block(nn.Linear(3, 4), nn.ReLU()), nn.Dropout(), nn.Linear(4, 2))
    assert agree(model.train(), (3,)) == ["linear", "relu", "dropout", "linear"]
    assert [child.path for child in read_module(model).layers][:2] == ["0.0", "0.1"]


def test_functions() -> None:
    def forward(self: Any, x: Any) -> Any:
        x = F.leaky_relu(self.a(x), 0.2)
        x = torch.tanh(self.b(x)).view(x.size(0), -1)
        x = F.dropout(x, 0.5, self.training).reshape(x.shape[0], 1, 4)
        x = self.c(F.pad(x, (2, 1), mode="circular"))
        x = F.hardtanh(x).flatten(1).unsqueeze(1).squeeze(1)
        x = torch.sigmoid(F.linear(x, self.w, self.v))
        return (torch.softmax(x.clamp(0.1, 0.9), dim=-1) - 0.2 > 0) if self.cut else x.relu()

    model = net(
        forward,
        a=nn.Linear(3, 5),
        b=nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)),
        c=nn.Conv1d(1, 2, 4),
        w=nn.Parameter(torch.randn(2, 8)),
        v=nn.Parameter(torch.randn(2)),
        cut=False,
    )
    kinds = agree(model, (3,))
    assert "pad" not in kinds and kinds.count("conv1d") == 1


def test_step() -> None:
    model = net(lambda self, x: (self.a(x) > 0).float(), a=nn.Linear(3, 2))
    assert agree(model, (3,)) == ["linear", "step"]


def test_training_mode_is_left_as_it_was() -> None:
    model = net(lambda self, x: self.b(self.a(x)), a=nn.Linear(3, 2), b=nn.Dropout())
    model.train()
    model.a.eval()
    read_module(model)
    assert (model.training, model.a.training, model.b.training) == (True, False, True)


def test_later_training_does_not_change_what_was_read() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    (layer,) = read_module(model).layers
    before = layer.tensors["weight"].copy()
    with torch.no_grad():
        model[0].weight += 1
    assert (layer.tensors["weight"] == before).all()


def test_half_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        model = nn.Linear(1, 1).to(dtype)
        (layer,) = read_module(model).layers
        assert layer.tensors["weight"].item() == model.weight.item()


def test_digest_follows_the_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    first = read_module(model).digest
    assert read_module(model).digest == first
    with torch.no_grad():
        model[0].weight[0, 0] += 1
    assert read_module(model).digest != first


def test_metadata() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    model.ddc_input, model.ddc_output = "x: bit[2]", 5
    network = read_module(model)
    assert (network.input, network.output) == ("x: bit[2]", None)


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        (lambda self, x: self.a(x) + x, "calls 'add', which is not supported"),
        (lambda self, x: self.a(self.a(x) * 2), "'mul'"),
        (lambda self, x: (torch.relu(x), self.a(x))[1], "straight chain"),
        (lambda self, x: x if x.sum() > 0 else self.a(x), "torch.fx cannot follow"),
        (lambda self, x, y: self.a(x), "second input, 'y'"),
        (lambda self, x: torch.relu(x) > 0.5, "unknown way"),
        (lambda self, x: x.view(-1, x.size(1)), "straight chain|across the batch|calls"),
        (lambda self, x: x.view(2, -1), "across the batch"),
        (lambda self, x: (self.a(x), x), "straight chain"),
        (lambda self, x: x, "no layers"),
        (lambda self, x: F.pad(x, (1, 1)), "only in front of a convolution"),
        (lambda self, x: F.linear(x, x), "joins two values|unknown way"),
        (lambda self, x: self.g(x), "'g' .*GELU.* is not supported|GELU"),
        (lambda self, x: F.softmax(x), "unknown way"),
    ],
)
def test_forwards_that_are_refused(forward: Callable[..., Any], says: str) -> None:
    refuse(net(forward, a=nn.Linear(3, 3), g=nn.GELU()), says)


def test_hooks_are_refused_wherever_they_are() -> None:
    def plain(self: Any, x: Any) -> Any:
        return self.b(self.a(x))

    for place in ("", "a", "b.0"):
        model = net(plain, a=nn.Linear(3, 3), b=nn.Sequential(nn.ReLU()))
        model.get_submodule(place).register_forward_hook(lambda *args: None)
        refuse(model, "_forward_hooks")
    model = net(plain, a=nn.Linear(3, 3), b=nn.ReLU())
    model.forward = lambda x: x
    refuse(model, "'forward'")
    refuse(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))), "Parametrized")


def test_weights_that_are_not_finite() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        model[0].bias[1] = torch.nan
    refuse(model, r"bias of layer '0'.*nan at index \[1\]")


def test_layers_without_numbers_yet() -> None:
    with pytest.raises(DdcError, match="a tensor cannot be read"):
        read_module(nn.Sequential(nn.LazyLinear(3)))
