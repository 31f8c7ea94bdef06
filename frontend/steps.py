"""What recurrent networks take: one input a step, all inputs over one time axis, and its length."""

from __future__ import annotations

from ddc.ir import DdcError, dims

from .records import Network, quote
from .recurrent import CELL_KINDS, input_width
from .signature import Signature

DEFAULT_LENGTH = 10
MAX_LENGTH = 1024  # equality is owed up to the trained length, at a cost that grows with it


def is_recurrent(network: Network) -> bool:
    """Tell whether a network has a state that goes from step to step."""
    return any(layer.kind in CELL_KINDS for layer in network.layers)


def takes_steps(network: Network) -> str:
    """Return what a recurrent network takes in words, with the lines to type for `--input`."""
    first = network.layers[0]
    if first.kind == "embedding":
        top = first.tensors["weight"].shape[0] - 1
        return f'takes a token in 0..{top} at each step: say --input "x: int<0..{top}>[T]"'
    width = _width(network)
    if width == 1:
        return (
            'takes one number at each step: say with its values --input "x: bit[T]" '
            'or --input "x: int<0..9>[T]"'
        )
    names = ", ".join(f"{name}: bit[T]" for name in "abcdefgh"[:width])
    several = f'--input "{names}" or ' if width <= 8 else ""
    return (
        f"takes {width} numbers at each step: say with their values {several}"
        f'--input "x: onehot<{width}>[T]" or --input "x: real[T, {width}]"'
    )


def _width(network: Network) -> int:
    for layer in network.layers:
        if layer.kind in CELL_KINDS:
            return input_width(layer)
        if layer.kind == "linear":
            return int(layer.tensors["weight"].shape[1])
    raise DdcError("a network without a cell")


def solve_steps(network: Network, signature: Signature, where: str) -> Signature:
    """Return the signature with its time size solved: the file's length, else a default.

    The first axis of every input is time; a number there is the trained length.
    """
    said = f"{where} {quote(str(signature))}"
    letters: set[str] = set()
    numbers: set[int] = set()
    for name, type_ in signature.params:
        shape = dims(type_)
        if not shape:
            raise DdcError(f"{said}: {name} has no time axis: write {name}: {type_}[T]")
        time, rest = shape[0], shape[1:]
        if any(not dim.is_const for dim in rest):
            raise DdcError(f"{said}: only the first axis of {name}, time, may be a letter")
        if time.is_const:
            numbers.add(time.const)
        elif time.const or len(time.terms) != 1 or time.terms[0][1] != 1:
            raise DdcError(f"{said}: the time of {name} is a letter or a number, not {time}")
        else:
            letters |= time.symbols()
    if len(numbers) + len(letters) != 1:
        raise DdcError(f"{said}: all inputs share one time axis")
    length = next(iter(numbers), network.length or DEFAULT_LENGTH)
    if not 1 <= length <= MAX_LENGTH:
        first = signature.params[0][0]
        raise DdcError(
            f"{said}: sequences of {length} steps are more than {MAX_LENGTH}, up to which networks "
            f"are compared: say a shorter length, such as {first}: ...[100]"
        )
    return Signature(signature.params, dict.fromkeys(letters, length))


def length_source(network: Network, signature: Signature) -> str:
    """Return who said the trained length, for the evidence."""
    if not signature.letters:
        return "the signature"
    return "the file" if network.length is not None else "default"
