"""Signatures: names, types and shapes of the inputs, as a user types them for `--input`.

The grammar is the IR's: `cells: bit[20]`, `a: bit[T], b: bit[T]`, `word: onehot<3>[4]`,
`grid: bit[N, N]`, `x: bit[4*M]`. A letter is a size that each network solves for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddc.ir import DdcError, OneHot, Type, dims, element, parse_params, shape_of
from ddc.ir.sizes import type_at

from .records import quote

MAX_SIZE = 1 << 31


@dataclass(frozen=True)
class Signature:
    """Named and typed inputs; `sizes` gives the letters that a network has solved."""

    params: tuple[tuple[str, Type], ...]
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def letters(self) -> tuple[str, ...]:
        """The size letters in order of appearance."""
        found = [s for _, t in self.params for d in dims(t) for s in sorted(d.symbols())]
        return tuple(dict.fromkeys(found))

    def at(self, sizes: Mapping[str, int]) -> tuple[tuple[str, Type], ...]:
        """Return the inputs with numbers for the letters."""
        return tuple((name, type_at(type_, sizes)) for name, type_ in self.params)

    def __str__(self) -> str:
        return ", ".join(f"{name}: {type_}" for name, type_ in self.params)


def parse_signature(text: str, where: str = "--input") -> Signature:
    """Return the signature that a text says; raise `DdcError` with the place otherwise."""
    try:
        params, _ = parse_params(text)
    except DdcError as error:
        raise DdcError(f"{where}: {error}") from None
    signature = Signature(tuple((param.name, param.type) for param in params))
    for name, type_ in signature.params:
        for dim in dims(type_):
            if dim.is_const and not 1 <= dim.const < MAX_SIZE:
                raise DdcError(f"{where}: {name} has the size {quote(str(dim))}, not 1 to 2^31")
    return signature


def width_of(type_: Type) -> int:
    """Return how many numbers the network sees of an input without letters."""
    count = 1
    for size in shape_of(type_):
        count *= size
    scalar = element(type_)
    return count * scalar.size if isinstance(scalar, OneHot) else count
