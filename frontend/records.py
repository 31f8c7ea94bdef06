"""Inert records: what a reader hands on, a list of layers with attributes and arrays, no behaviour."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ddc.ir import DdcError

MAX_QUOTED = 120
MAX_SHOWN_TENSORS = 6


@dataclass(frozen=True)
class Layer:
    """One layer: a kind of our own vocabulary, its position in the file, attributes and weights.

    Kinds and what they carry (attributes; tensors), a batch axis always in front:

    * `linear`: -; `weight` (out, in), optional `bias` (out,)
    * `conv1d`, `conv2d`: `stride`, `dilation` (one int per axis), `padding` (one (before, after)
      pair per axis), `padding_mode` (`zeros` or `circular`), `groups`; `weight`
      (out, in / groups, *window), optional `bias` (out,)
    * `batch_norm`: `eps`, `axes` (0: any, 1: `(N, C)` or `(N, C, L)`, 2: `(N, C, H, W)`); `mean`,
      `variance`, optional `weight`, `bias`, each (channels,)
    * `relu`, `tanh`, `sigmoid`, `sign`, `step`, `dropout`, `identity`: nothing
    * `leaky_relu`: `slope`; `hardtanh`: `low`, `high`; `softmax`: `dim` (int or None)
    * `embedding`: -; `weight` (tokens, width)
    * `flatten`: `start`, `end`; `unflatten`: `dim`, `sizes`; `squeeze`, `unsqueeze`: `dim`;
      `reshape`: `shape`, without the batch axis, at most one -1
    * `mlp_cell`: -; `0.weight`, `0.bias`, `1.weight` …, ReLU between, and `h0`: `h' = f([h, x])`
    * `rnn`: `activation` (`tanh` or `relu`); `gru`, `lstm`: -; `weight_ih`, `weight_hh`, optional
      `bias_ih`, `bias_hh`, gates in torch's order, a start of zeros
    * `pad`: `padding`, `padding_mode`; only between readers, which fold it into the `conv` after it
    """

    kind: str
    path: str
    attrs: dict[str, object] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the layer in words: position, kind, shapes of its tensors."""
        shapes = describe_shapes({name: array.shape for name, array in self.tensors.items()})
        return f"layer {quote(self.path)} ({self.kind}{', ' + shapes if shapes else ''})"


@dataclass(frozen=True)
class Network:
    """A network as it was found: layers in order, the file's own signature, hash and source.

    `length` is the number of steps that a recurrent network was trained on, if the file says so.
    """

    layers: list[Layer]
    input: str | None
    output: str | None
    digest: str
    source: str
    input_name: str | None = None
    input_shape: tuple[int | None, ...] | None = None
    length: int | None = None


def quote(text: object) -> str:
    """Return a stranger's string as one printable ASCII literal of bounded length."""
    shown = text if isinstance(text, str) else str(text)
    if len(shown) > MAX_QUOTED:
        shown = shown[: MAX_QUOTED - 3] + "..."
    return ascii(shown)


def describe_shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return `weight [3, 4], bias [3]`, the first few only."""
    parts = [f"{quote(name)[1:-1]} {list(shape)}" for name, shape in shapes.items()]
    more = len(parts) - MAX_SHOWN_TENSORS
    return ", ".join(parts[:MAX_SHOWN_TENSORS]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def about(source: str) -> Iterator[None]:
    """Name the file in every error that reading it raises."""
    try:
        yield
    except DdcError as error:
        raise DdcError(f"{quote(source)}: {error}") from None


def check_finite(network: Network) -> Network:
    """Return the network; raise `DdcError` that names the first weight that is NaN or infinite."""
    for layer in network.layers:
        for name, array in layer.tensors.items():
            if array.dtype.kind not in "iuf":
                raise DdcError(
                    f"{quote(network.source)}: {name} of {layer.describe()} holds "
                    f"{array.dtype.name} values: weights are numbers"
                )
            bad = np.flatnonzero(~np.isfinite(array).reshape(-1))
            if bad.size:
                index = [int(i) for i in np.unravel_index(int(bad[0]), array.shape)]
                value = array[tuple(index)]
                raise DdcError(
                    f"{quote(network.source)}: {name} of {layer.describe()} is {float(value)} "
                    f"at index {index} ({bad.size} such values): weights must be finite"
                )
    return network


def digest_layers(layers: list[Layer]) -> str:
    """Return the SHA-256 of a network that has no file: kinds, attributes and weights in order."""
    state = hashlib.sha256()
    for layer in layers:
        state.update(repr((layer.kind, sorted(layer.attrs.items()))).encode())
        for name, array in sorted(layer.tensors.items()):
            state.update(repr((name, array.dtype.str, array.shape)).encode())
            state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()
