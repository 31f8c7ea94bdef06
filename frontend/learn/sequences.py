"""Samples of sequences into a trained recurrent network, in its own format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ddc.frontend.samples import Samples, infer
from ddc.frontend.signature import parse_signature
from ddc.ir import DdcError

from .checkpoint import write_dict
from .recurrent import Recipe, Recurrent, train

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """A trained network with its signature, and how many sequences it gets right."""

    network: Recurrent
    input: str

    @property
    def right(self) -> int:
        """The sequences that are right at every step."""
        return self.network.right

    @property
    def samples(self) -> int:
        """The sequences looked at."""
        return self.network.checked

    def summary(self) -> str:
        """Return the result in words."""
        return self.network.summary()

    def write(self, file: BinaryIO) -> None:
        """Write a `ddc.recurrent/1` dict."""
        content: dict[str, object] = {"format": "ddc.recurrent/1", "length": self.network.length}
        content |= {"input": self.input, "output": "round", **self.network.tensors()}
        write_dict(file, content)


Progress = Callable[[str, float], None]


def learn_sequences(
    samples: Samples, recipe: Recipe, input: str | None, progress: Progress | None = None
) -> Sequences:
    """Return a network for samples: each input [rows, steps] or [rows, steps, n], y likewise.

    Sequences are all of one length, and integers; raises `DdcError` otherwise.
    """
    if samples.y is None:
        raise DdcError("sequences need labels: an array y with one integer for each step")
    x = np.concatenate([_steps(name, array) for name, array in samples.arrays.items()], axis=2)
    y = _steps("y", np.asarray(samples.y))
    if y.shape[:2] != x.shape[:2]:
        raise DdcError(f"y has {list(y.shape[:2])} rows and steps, the inputs {list(x.shape[:2])}")
    said = str(parse_signature(input)) if input is not None else str(infer(samples))

    def source(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        rows = rng.integers(0, len(x), size=count)
        return x[rows, :length], y[rows, :length]

    trained = train(source, x.shape[1], recipe, progress)
    return Sequences(trained, said)


def _steps(name: str, array: np.ndarray) -> Ints:
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or array.shape[1] < 2:
        raise DdcError(
            f"{name} has shape {list(array.shape)}: sequences of one length are [rows, steps] or "
            "[rows, steps, n], of at least two steps"
        )
    whole = np.rint(np.nan_to_num(array.astype(np.float64)))
    if not (whole == array).all():
        raise DdcError(f"{name} has values that are no integers")
    found: Ints = whole.astype(np.int64)
    return found if found.ndim == 3 else found[:, :, None]
