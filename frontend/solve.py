"""Size letters of a signature, solved from a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product

from ddc.ir import DdcError, dims

from .records import Network, quote
from .shapes import MAX_GUESSED, feed_of, fits, takes, vector_width
from .signature import Signature, width_of

MAX_STEPS = 50_000  # sizes that are tried, each input counted
MAX_LETTERS = 6


def solve(network: Network, signature: Signature, where: str) -> Signature:
    """Return the signature with its letters solved from the network.

    Raises `DdcError` with the line to type where no size fits, or more than one.
    """
    letters = signature.letters
    if not letters:
        return signature
    if len(letters) > MAX_LETTERS:
        raise DdcError(f"{where}: {len(letters)} letters are too many sizes: write numbers")
    names = " and ".join(letters)
    right = (sizes for sizes in _candidates(network, signature) if fits(network, signature, sizes))
    found = list(islice(right, 2))
    if len(found) == 1:
        return Signature(signature.params, found[0])
    said = f"{where} {quote(str(signature))}"
    if not found:
        raise DdcError(f"{said} fits for no size {names}: the network {takes(network)}")
    shown = ", or ".join(", ".join(f"{k} = {v}" for k, v in sizes.items()) for sizes in found)
    raise DdcError(f"{said} fits for {shown}: write the trained sizes as numbers")


def _candidates(network: Network, signature: Signature) -> Iterator[dict[str, int]]:
    """Yield sizes in increasing order: those of the right total width, or all small ones."""
    width = vector_width(network) if feed_of(network).mode == "vector" else None
    *outer, last = signature.letters
    cut = sum(max(0, -d.const) for _, t in signature.params for d in dims(t))
    limit = MAX_GUESSED if width is None else width + min(cut, MAX_GUESSED)
    steps = 0
    for values in product(range(1, limit + 1), repeat=len(outer)):
        sizes = dict(zip(outer, values, strict=True))
        for value in _last_values(signature, sizes, last, width, limit):
            steps += len(signature.params)
            if steps > MAX_STEPS:
                raise DdcError(f"too many sizes to try for {', '.join(signature.letters)}")
            yield {**sizes, last: value}


def _last_values(
    signature: Signature, sizes: dict[str, int], letter: str, width: int | None, limit: int
) -> Sequence[int]:
    """Return where the last letter can lie: a width that grows with it is met by bisection."""
    terms = [term for _, t in signature.params for d in dims(t) for term in d.terms]
    grows = all(isinstance(symbol, str) and factor > 0 for symbol, factor in terms)
    if width is None or not grows:
        return range(1, limit + 1)
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        total = sum(width_of(t) for _, t in signature.at({**sizes, letter: middle}))
        low, high = (middle + 1, high) if total < width else (low, middle)
    return (low,)
