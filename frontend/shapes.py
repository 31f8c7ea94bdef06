"""Shapes through a network, the batch axis left out: what goes in, and what comes out of each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from ddc.ir import DdcError, OneHot, Type, element, levels, shape_of

from .records import Layer, Network
from .signature import Signature, width_of

Shape = tuple[int, ...]

MAX_NUMBERS = 1 << 31
MAX_GUESSED = 256  # how far the search for one size of a network goes
ELEMENTWISE = [
    "relu",
    "leaky_relu",
    "hardtanh",
    "tanh",
    "sigmoid",
    "sign",
    "step",
    "dropout",
    "identity",
]
MAX_SIDE = 32  # … and for the sides of a rectangle
EXAMPLE = 8  # a grid size for the line to type where the network takes any
USUAL = (*range(EXAMPLE, MAX_GUESSED), *range(1, EXAMPLE))


def shapes(layers: Sequence[Layer], given: Shape) -> list[Shape]:
    """Return the shape after each layer; raise `DdcError` that names the layer that does not fit."""
    found: list[Shape] = []
    current = given
    for layer in layers:
        rule = _RULES.get(layer.kind)
        current = rule(layer, current) if rule is not None else current
        if math.prod(current) > MAX_NUMBERS:
            raise DdcError(f"{layer.describe()} makes {math.prod(current)} numbers, too many")
        found.append(current)
    return found


def _misfit(layer: Layer, shape: Shape, takes: str) -> DdcError:
    return DdcError(f"{layer.describe()} takes {takes}, but gets {_numbers(shape)}")


def _numbers(shape: Shape) -> str:
    return f"{shape[0]} numbers" if len(shape) == 1 else f"an array of shape {list(shape)}"


def _linear(layer: Layer, shape: Shape) -> Shape:
    outputs, inputs = layer.tensors["weight"].shape
    if not shape or shape[-1] != inputs:
        raise _misfit(layer, shape, f"{inputs} numbers")
    return (*shape[:-1], outputs)


def conv_pairs(layer: Layer) -> list[tuple[int, int, int, int, int]]:
    """Return kernel size, stride, dilation, and padding before and after, of each axis."""
    window = layer.tensors["weight"].shape[2:]
    stride, dilation, padding = (_tuple(layer, key) for key in ("stride", "dilation", "padding"))
    zipped = zip(window, stride, dilation, padding, strict=True)
    return [(k, s, d, pair[0], pair[1]) for k, s, d, pair in zipped]


def _tuple(layer: Layer, key: str) -> tuple[Any, ...]:
    value = layer.attrs[key]
    assert isinstance(value, tuple)
    return value


def _int(layer: Layer, key: str) -> int:
    value = layer.attrs[key]
    assert isinstance(value, int)
    return value


def _conv(layer: Layer, shape: Shape) -> Shape:
    weight = layer.tensors["weight"]
    axes, channels = weight.ndim - 2, weight.shape[1] * _int(layer, "groups")
    if len(shape) != axes + 1 or shape[0] != channels:
        raise _misfit(layer, shape, f"{channels} channels of {axes} axes")
    sizes: list[int] = []
    for size, (kernel, stride, dilation, low, high) in zip(
        shape[1:], conv_pairs(layer), strict=True
    ):
        room = size + low + high - dilation * (kernel - 1) - 1
        wraps = layer.attrs["padding_mode"] == "circular"
        if room < 0 or (wraps and max(low, high) > size):
            raise DdcError(f"{layer.describe()} has a window that does not fit into {size} cells")
        sizes.append(room // stride + 1)
    return (weight.shape[0], *sizes)


def _batch_norm(layer: Layer, shape: Shape) -> Shape:
    channels, axes = layer.tensors["mean"].size, _int(layer, "axes")
    ranks = {0: (1, 2, 3), 1: (1, 2), 2: (3,)}[axes]
    if len(shape) not in ranks or shape[0] != channels:
        raise _misfit(layer, shape, f"{channels} channels")
    return shape


def _embedding(layer: Layer, shape: Shape) -> Shape:
    return (*shape, layer.tensors["weight"].shape[1])


def axis_of(layer: Layer, dim: int, rank: int) -> int:
    """Return the axis that a `dim` means when the batch axis, which is 0, is left out."""
    axis = dim - 1 if dim > 0 else dim + rank
    if dim == 0 or not 0 <= axis < rank:
        raise DdcError(f"{layer.describe()} works on axis {dim}: the batch, or none at all")
    return axis


def softmax_axis(layer: Layer, rank: int) -> int:
    """Return the axis that a softmax normalises."""
    dim = layer.attrs["dim"]
    if dim is None:  # torch's old rule, batch axis included
        dim = 0 if rank == 2 else 1
    assert isinstance(dim, int)
    return axis_of(layer, dim, rank)


def _softmax(layer: Layer, shape: Shape) -> Shape:
    softmax_axis(layer, len(shape))
    return shape


def _flatten(layer: Layer, shape: Shape) -> Shape:
    start = axis_of(layer, _int(layer, "start"), len(shape))
    end = axis_of(layer, _int(layer, "end"), len(shape))
    if start > end:
        raise DdcError(f"{layer.describe()} flattens axes in the wrong order")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _filled(layer: Layer, sizes: tuple[int, ...], count: int, shape: Shape) -> Shape:
    known = math.prod(size for size in sizes if size != -1)
    free = sizes.count(-1)
    if free > 1 or known < 1 or (count % known if free else count != known):
        raise _misfit(layer, shape, f"what fits into {list(sizes)}")
    return tuple(count // known if size == -1 else size for size in sizes)


def _unflatten(layer: Layer, shape: Shape) -> Shape:
    axis = axis_of(layer, _int(layer, "dim"), len(shape))
    sizes = _filled(layer, _tuple(layer, "sizes"), shape[axis], shape)
    return (*shape[:axis], *sizes, *shape[axis + 1 :])


def _reshape(layer: Layer, shape: Shape) -> Shape:
    return _filled(layer, _tuple(layer, "shape"), math.prod(shape), shape)


def _unsqueeze(layer: Layer, shape: Shape) -> Shape:
    axis = axis_of(layer, _int(layer, "dim"), len(shape) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _squeeze(layer: Layer, shape: Shape) -> Shape:
    axis = axis_of(layer, _int(layer, "dim"), len(shape))
    return (*shape[:axis], *shape[axis + 1 :]) if shape[axis] == 1 else shape


_RULES: dict[str, Callable[[Layer, Shape], Shape]] = {
    "linear": _linear,
    "conv1d": _conv,
    "conv2d": _conv,
    "batch_norm": _batch_norm,
    "embedding": _embedding,
    "softmax": _softmax,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "reshape": _reshape,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
}


@dataclass(frozen=True)
class Feed:
    """How the named inputs become the network's one array.

    `vector`: all numbers in a row. `channels`: one group of channels after the other, on a common
    grid. `tokens`: ints as they are. `plain`: the one input as it is.
    """

    mode: str
    axes: int = 1


def feed_of(network: Network) -> Feed:
    """Return how a network wants to be fed, by its first layer that has a say."""
    for layer in network.layers:
        if layer.kind in ("conv1d", "conv2d"):
            return Feed("channels", layer.tensors["weight"].ndim - 2)
        if layer.kind == "batch_norm" and layer.attrs["axes"] == 2:
            return Feed("channels", 2)
        if layer.kind == "embedding":
            return Feed("tokens")
        if layer.kind in ("unsqueeze", "squeeze", "softmax"):
            return Feed("plain")
        if layer.kind in ("linear", "flatten", "unflatten", "reshape"):
            break
    return Feed("vector")


def fed_shape(network: Network, feed: Feed, params: Sequence[tuple[str, Type]]) -> Shape:
    """Return the shape of the array that the inputs make; raise `DdcError` where they cannot."""
    if feed.mode == "channels":
        return _channels(feed.axes, params)
    if feed.mode == "tokens":
        _check_tokens(network, params)
    if feed.mode in ("plain", "tokens") and len(params) == 1:
        (_, type_), *_ = params
        scalar = element(type_)
        last = (scalar.size,) if isinstance(scalar, OneHot) else ()
        return shape_of(type_) + last or (1,)
    return (sum(width_of(type_) for _, type_ in params),)


def _channels(axes: int, params: Sequence[tuple[str, Type]]) -> Shape:
    grids: list[Shape] = []
    total = 0
    for name, type_ in params:
        shape, scalar = shape_of(type_), element(type_)
        count = scalar.size if isinstance(scalar, OneHot) else 1
        channels = 0 if isinstance(scalar, OneHot) else 1
        if len(shape) == 1 + channels + axes and shape[0] == 1:
            shape = shape[1:]  # a batch of one, said as the framework sees it
        if len(shape) == axes + 1 and count == 1:
            count, shape = shape[0], shape[1:]
        if len(shape) != axes:
            raise DdcError(
                f"the network takes channels of {axes} axes, which {name}: {type_} does not have"
            )
        total += count
        grids.append(shape)
    if len(set(grids)) > 1:
        raise DdcError("the inputs of a convolution need grids of one shape")
    return (total, *grids[0])


def _check_tokens(network: Network, params: Sequence[tuple[str, Type]]) -> None:
    table = next(layer for layer in network.layers if layer.kind == "embedding")
    rows = table.tensors["weight"].shape[0]
    for name, type_ in params:
        scalar = element(type_)
        values = None if isinstance(scalar, OneHot) else levels(scalar)
        if values is None or values[0] < 0 or values[-1] >= rows:
            raise DdcError(
                f"{table.describe()} takes ints in 0..{rows - 1}, which {name}: {type_} is not"
            )


def fits(network: Network, signature: Signature, sizes: dict[str, int]) -> bool:
    """Tell whether a network takes inputs of these sizes."""
    try:
        params = signature.at(sizes)
        if any(size < 1 for _, type_ in params for size in shape_of(type_)):
            return False
        shapes(network.layers, fed_shape(network, feed_of(network), params))
    except DdcError:
        return False
    return True


def check_together(network: Network) -> None:
    """Raise `DdcError` where a network of vector layers takes no input at all."""
    width = vector_width(network) if feed_of(network).mode == "vector" else None
    if width is None:
        return
    try:
        shapes(network.layers, (width,))
    except DdcError as error:
        raise DdcError(f"the layers do not fit together: {error}") from None


# ---------------------------------------------------------------- the line to type


def takes(network: Network) -> str:
    """Return what a network takes in words, with the lines to type for `--input`."""
    feed = feed_of(network)
    if feed.mode == "tokens":
        table = next(layer for layer in network.layers if layer.kind == "embedding")
        top = table.tensors["weight"].shape[0] - 1
        fitting = _fitting(network, ((n,) for n in USUAL))
        shape = next(iter(fitting), (EXAMPLE,))
        count = f"{shape[0]} tokens" if len(fitting) == 1 else "tokens"
        return f"takes {count} in 0..{top}: say {_say(f'int<0..{top}>', shape)}"
    if feed.mode == "channels":
        return _takes_channels(network, feed.axes)
    known = vector_width(network)
    if known is None:
        return f"takes any array: say {_say('bit', (EXAMPLE,))} or {_say('real', (EXAMPLE,))}"
    return f"takes {known} numbers: say {_say('bit', (known,))} or {_say('real', (known,))}"


def _say(scalar: str, shape: Shape) -> str:
    return f'--input "x: {scalar}[{", ".join(map(str, shape))}]"'


def _takes_channels(network: Network, axes: int) -> str:
    first = next(x for x in network.layers if x.kind in ("conv1d", "conv2d", "batch_norm"))
    if first.kind == "batch_norm":
        channels = first.tensors["mean"].size
    else:
        channels = first.tensors["weight"].shape[1] * _int(first, "groups")
    stated = network.input_shape
    if stated is not None and len(stated) == axes + 1 and None not in stated:
        fitting = [tuple(size for size in stated if size is not None)]
    else:
        fitting = _fitting(network, ((channels, *[n] * axes) for n in USUAL))
        fitting += () if fitting else _fitting(network, _rectangles(channels, axes))
    grid = next(iter(fitting), (channels, *[EXAMPLE] * axes))[1:]
    shape = grid if channels == 1 else (channels, *grid)
    words = f"takes {channels} channel{'' if channels == 1 else 's'} of "
    if len(fitting) == 1:
        words += "x".join(map(str, grid)) + " cells: say "
    else:
        words += f"cells along {axes} ax{'is' if axes == 1 else 'es'}: say with its sizes "
    return f"{words}{_say('bit', shape)} or {_say('real', shape)}"


def _rectangles(channels: int, axes: int) -> Iterator[Shape]:
    return ((channels, *grid) for grid in product(range(1, MAX_SIDE + 1), repeat=axes))


def _fitting(network: Network, candidates: Iterable[Shape]) -> list[Shape]:
    """Return the first shapes that the network takes, up to two."""

    def taken(shape: Shape) -> bool:
        try:
            shapes(network.layers, shape)
        except DdcError:
            return False
        return True

    return list(islice(filter(taken, candidates), 2))


def vector_width(network: Network) -> int | None:
    """Return how many numbers a network takes in a row, None where its layers do not say."""
    for layer in network.layers:
        if layer.kind == "linear":
            return int(layer.tensors["weight"].shape[1])
        if layer.kind == "batch_norm":
            return int(layer.tensors["mean"].size)
        sizes = layer.attrs.get("sizes", layer.attrs.get("shape"))
        if isinstance(sizes, tuple):
            return None if -1 in sizes else math.prod(sizes)
        if layer.kind not in (*ELEMENTWISE, "flatten", "softmax"):
            break
    stated = network.input_shape
    if stated is not None and None not in stated:
        return math.prod(size for size in stated if size is not None)
    return None
