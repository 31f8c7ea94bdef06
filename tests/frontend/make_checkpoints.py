"""Make the small checkpoints that the readers are tested on: python -m tests.frontend.make_checkpoints

Needs torch, so that the tests need none: what torch answers is kept in expected.npz, as NAME/x (the
inputs) and NAME/y (the outputs, from the stored weights in double precision, in evaluation mode).
"""

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

FOLDER = Path(__file__).with_name("checkpoints")
MARK = "ddc-a-pickle-ran"  # the file that the malicious checkpoints would create


class UserNet(nn.Sequential):  # type: ignore[misc]  # nn is untyped where torch is not installed
    """A class that only this script knows."""


class Payload:
    """Run a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {MARK}",)


def mlp() -> nn.Sequential:
    """Build the architecture of the state dicts, untrained."""
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def nested() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.LeakyReLU(0.1)),
        nn.Dropout(0.5),
        nn.Sequential(
            OrderedDict(
                first=nn.Linear(6, 5),
                clip=nn.Hardtanh(-0.5, 2.0),
                deeper=nn.Sequential(nn.Identity(), nn.Linear(5, 5), nn.Tanh()),
                norm=nn.BatchNorm1d(5, affine=False),
            )
        ),
        nn.Linear(5, 4),
        nn.Sigmoid(),
        nn.Linear(4, 3),
        nn.Softmax(dim=1),
    )


def shared() -> nn.Sequential:
    """Use one layer, and one activation, twice."""
    square, relu = nn.Linear(3, 3), nn.ReLU()
    return nn.Sequential(square, relu, square, relu, nn.Linear(3, 1))


def views() -> nn.Sequential:
    """Keep the weights as views of one storage: offset, transposed, with strides."""
    model, storage = mlp(), torch.randn(40)
    model[0].weight = nn.Parameter(storage[4:16].view(3, 4).T)
    model[2].weight = nn.Parameter(storage[16:32:2].view(2, 4))
    model[2].bias = nn.Parameter(storage[33:39:3])
    return model


def conv1d(padding: int | str, mode: Literal["zeros", "circular"], size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(2, 4, size, padding=padding, padding_mode=mode),
        nn.ReLU(),
        nn.Conv1d(4, 2, 3, dilation=2, groups=2, bias=False),
    )


def conv2d_stride() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 2, (2, 1)),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def conv2d_circular() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, (3, 5), padding=(1, 2), padding_mode="circular"),
        nn.ReLU(),
        nn.Conv2d(2, 1, 1),
    )


def tokens() -> nn.Sequential:
    return nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(12, 2))


def unflatten() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 12), nn.Unflatten(1, (3, 4)), nn.Conv1d(3, 2, 2), nn.Flatten(), nn.ReLU()
    )


# Name: how to build it, the shape of one input, the metadata that it carries.
MODULES: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...], str | None]] = {
    "float32": (mlp, (3,), "x: real[3]"),
    "float64": (lambda: mlp().double(), (3,), None),
    "half": (lambda: mlp().half(), (3,), None),
    "nested": (nested, (4,), None),
    "shared": (shared, (3,), None),
    "views": (views, (3,), None),
    "conv1d_zero": (lambda: conv1d(1, "zeros", 3), (2, 8), None),
    "conv1d_circular": (lambda: conv1d(2, "circular", 5), (2, 8), "x: real[2, 8]"),
    "conv1d_same": (lambda: conv1d("same", "zeros", 4), (2, 8), None),
    "conv2d_stride": (conv2d_stride, (1, 6, 7), None),
    "conv2d_circular": (conv2d_circular, (1, 5, 6), "grid: real[5, 6]"),
    "embedding": (tokens, (4,), "word: int<0..4>[4]"),
    "unflatten": (unflatten, (4,), None),
}


def settle(model: nn.Module) -> None:
    """Give batch norms other statistics than 0 and 1."""
    for name, values in model.named_buffers():
        if name.endswith("running_mean"):
            values.normal_()
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)


def draw(name: str, shape: tuple[int, ...]) -> Tensor:
    """Draw six inputs: tokens, or multiples of 1/8, so that no rounding happens on the way in."""
    if name == "embedding":
        return torch.randint(5, (6, *shape))
    return (torch.randn(6, *shape) * 8).round() / 8


def answers(model: nn.Module, inputs: Tensor) -> NDArray[np.float64]:
    """Run the stored weights in double precision, in evaluation mode."""
    double = deepcopy(model).double().eval()
    with torch.no_grad():
        result: NDArray[np.float64] = double(
            inputs if inputs.dtype == torch.long else inputs.double()
        ).numpy()
    return result


def write_modules() -> dict[str, NDArray[np.generic]]:
    """Write the checkpoints that are to be read, and return what is expected of them."""
    expected: dict[str, NDArray[np.generic]] = {}
    for seed, (name, (build, shape, signature)) in enumerate(MODULES.items()):
        torch.manual_seed(seed)
        model = build()
        settle(model)
        if signature is not None:
            vars(model).update(ddc_input=signature, ddc_output="raw")
        torch.save(model, FOLDER / f"{name}.pt")  # in training mode, as people forget .eval()
        inputs = draw(name, shape)
        expected |= {f"{name}/x": inputs.numpy(), f"{name}/y": answers(model, inputs)}
    return expected


def write_layers() -> dict[str, NDArray[np.generic]]:
    """Write a `ddc.layers/1` dict whose sign units meet ties."""
    weights = [torch.tensor([[1.0, -1, 0], [2, 2, -3], [0, 1, 1]]), torch.tensor([[1.0, -2, 0.5]])]
    biases = [torch.tensor([0.0, -1, -1]), torch.tensor([0.25])]
    names = {"format": "ddc.layers/1", "input": "x: bit[3]", "output": "step"}
    tensors = {f"{n}.weight": weight for n, weight in enumerate(weights)}
    tensors |= {f"{n}.bias": bias for n, bias in enumerate(biases)}
    torch.save(names | tensors | {"activations": ["sign", "linear"]}, FOLDER / "layers.pt")
    inputs = torch.cartesian_prod(*[torch.arange(2.0)] * 3).double()
    hidden = torch.sign(inputs @ weights[0].double().T + biases[0])
    outputs = hidden @ weights[1].double().T + biases[1]
    return {"layers/x": inputs.numpy(), "layers/y": outputs.numpy()}


def write_state_dicts() -> dict[str, NDArray[np.generic]]:
    """Write the weights of one `mlp()` alone, as people do."""
    torch.manual_seed(100)
    model, inputs = mlp(), draw("mlp", (3,))
    weights = model.state_dict()
    optimiser = torch.optim.Adam(model.parameters())
    model(inputs).sum().backward()
    optimiser.step()  # so that its state holds tensors; the weights in the file move with it
    torch.save(weights, FOLDER / "state_dict.pt")
    wrapped = {f"module.{name}": value for name, value in weights.items()}
    training = {"epoch": 3, "state_dict": wrapped, "optimizer": optimiser.state_dict()}
    torch.save(training, FOLDER / "state_dict_training.pt")
    compiled = {f"_orig_mod.{name}": value for name, value in weights.items()}
    torch.save({"model_state_dict": compiled}, FOLDER / "state_dict_compiled.pt")
    metadata = {"input": "x: real[3]", "output": "raw"}
    save_file(weights, FOLDER / "state_dict.safetensors", metadata)
    return {"state_dict/x": inputs.numpy(), "state_dict/y": answers(model, inputs)}


def write_refused() -> None:
    """Write what must be refused, with one line that says why."""
    torch.manual_seed(200)
    bilinear = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Bilinear(4, 4, 2))
    torch.save(bilinear, FOLDER / "bilinear.pt")
    torch.save(nn.Sequential(nn.Linear(3, 4), nn.MultiheadAttention(4, 2)), FOLDER / "attention.pt")
    torch.save(UserNet(*mlp()), FOLDER / "user_class.pt")
    for name, value in (("nan", torch.nan), ("infinite", torch.inf)):
        model = mlp()
        model.state_dict()["2.weight"][1, 3] = value
        torch.save(model, FOLDER / f"{name}.pt")
    write_hooks()
    names = mlp()
    vars(names).update(ddc_input='x"); import os; os.remove("y"): real[3]', ddc_output="raw")
    torch.save(names, FOLDER / "hostile_names.pt")
    torch.save(mlp().state_dict(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    whole = (FOLDER / "float32.pt").read_bytes()
    (FOLDER / "truncated.pt").write_bytes(whole[: len(whole) * 2 // 3])
    attribute = mlp()
    vars(attribute).update(ddc_input=Payload())
    torch.save(Payload(), FOLDER / "malicious.pt")
    torch.save(attribute, FOLDER / "malicious_attribute.pt")
    torch.save(Payload(), FOLDER / "malicious_legacy.pt", _use_new_zipfile_serialization=False)


def write_hooks() -> None:
    """Write modules whose answer is not that of their layers, or need not be."""
    model = mlp()
    model[0].register_forward_hook(print)
    torch.save(model, FOLDER / "hook_function.pt")
    model = mlp()
    model[2].register_forward_pre_hook(nn.Hardtanh())  # nothing in it but modules of torch
    torch.save(model, FOLDER / "hook_module.pt")
    model = mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and in many files
        nn.utils.weight_norm(model[0])
    torch.save(model, FOLDER / "weight_norm.pt")


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel")
    FOLDER.mkdir(exist_ok=True)
    expected = write_modules() | write_layers() | write_state_dicts()
    write_refused()
    np.savez_compressed(FOLDER / "expected.npz", allow_pickle=False, **expected)
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.stat().st_size:6} {path.name}")


if __name__ == "__main__":
    main()
