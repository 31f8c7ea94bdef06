"""The exact tables of a network's outputs on their cones: computed once, used by all.

Tabulation reads the rules off them, and the final proof compares the program with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ddc.ir import DdcError, Module, Param, digest, dims
from ddc.ir.exact import Network, Table, tabulate
from ddc.ir.types import LARGEST_RANGE

from .base import Context, Declined

if TYPE_CHECKING:
    from .local import LocalFacts

# Domains up to this size are enumerated.
MAX_ROWS = 1 << 24


@dataclass(frozen=True, eq=False)
class Group:
    """Outputs (flat positions) that see the same inputs, and their exact table."""

    outputs: tuple[int, ...]
    table: Table


class _TooManyError(Declined):
    """A cone has more cases than are enumerated."""


@dataclass(eq=False)
class NetworkTables:
    """A network, and the exact tables of all its outputs, by group of equal cones."""

    network: Network
    groups: list[Group] = field(default_factory=list[Group])
    # Where tables are over less than the cone: how it was shown that they are the whole output.
    local: LocalFacts | None = None


def network_of(module: Module, context: Context) -> Network:
    """Return the entry of a network-level module ready for exact evaluation."""

    def compute() -> Network:
        try:
            return Network.of(module)
        except DdcError as error:
            raise Declined(str(error)) from None

    found: Network = context.cached("network", key_of(module), compute)
    return found


def key_of(module: Module) -> str:
    """Return a digest of the module: its text with all constants, or their bytes."""
    parts = [repr(function.bare()) for function in module.functions]
    for name, constant in module.constants:
        array = constant.array
        parts.append(f"{name}{array.dtype}{array.shape}{constant.digest}")
    return digest("\n".join(parts))


def tables_of(module: Module, context: Context, max_rows: int = MAX_ROWS) -> NetworkTables:
    """Return the exact tables of every output; `Declined` where a cone is too large."""
    network = network_of(module, context)

    def compute() -> NetworkTables:
        try:
            return NetworkTables(network, list(_groups(module, network, context, max_rows)))
        except _TooManyError:
            from .local import local_tables

            found = local_tables(module, network, context)
            if found is None:
                raise
            return found

    found: NetworkTables = context.cached("tables", key_of(module), compute)
    return found


def _groups(module: Module, network: Network, context: Context, max_rows: int) -> Iterator[Group]:
    if not network.discrete:
        raise Declined(
            "the outputs are real numbers, not decisions: say --output step, sign, round or argmax"
        )
    by_cone: dict[bytes, list[int]] = {}
    cones = network.cones()
    for output, cone in enumerate(cones):
        by_cone.setdefault(cone.tobytes(), []).append(output)
    for outputs in by_cone.values():
        positions: list[int] = cones[outputs[0]].tolist()
        rows = math.prod(len(network.levels[i]) for i in positions)
        widest = max((len(network.levels[i]) for i in positions), default=0)
        if widest > LARGEST_RANGE and rows <= max_rows:
            raise Declined(
                f"an input has {widest} values, more than the {LARGEST_RANGE} that an input of a "
                "table may have: declare a narrower range"
            )
        if rows > max_rows:
            raise _TooManyError(_too_many(module, outputs[0], positions, rows, max_rows))
    done = 0
    known: dict[object, Table] = {}
    keys = network.shift_keys()
    for outputs in by_cone.values():
        # One output alone is often another one at another place: no need to cut it out to see that.
        key = keys[outputs[0]] if keys is not None and len(outputs) == 1 else None
        table = known.get(key) if key is not None else None
        if table is None:
            part = network.slice(outputs)
            table = known.get(part.fingerprint)
            if table is None:
                table = known[part.fingerprint] = tabulate(part)
            if key is not None:
                known[key] = table
        yield Group(tuple(outputs), replace(table, positions=tuple(cones[outputs[0]].tolist())))
        done += len(outputs)
        if context.progress is not None:
            context.progress("tabulating", done / len(cones))


def _too_many(module: Module, output: int, cone: list[int], rows: int, most: int) -> str:
    entry = module.entry
    name = entry_name(entry.results[0], output)
    places = input_names(entry.params)
    shown = ", ".join(places[i] for i in cone[:4]) + (" …" if len(cone) > 4 else "")
    return (
        f"{name} reads {len(cone)} free inputs ({shown}), {_power(rows)} cases, more than the "
        f"{_power(most)} that are enumerated: give the network fewer inputs, connect each output "
        "to fewer of them (a convolution, or weights pruned to 0), or declare narrower ranges"
    )


def _power(rows: int) -> str:
    return f"2^{rows.bit_length() - 1}" if rows & (rows - 1) == 0 else f"{rows:.3g}"


def entry_name(param: Param, flat: int) -> str:
    """Return a scalar of a parameter or result by its indices: `next[3]`."""
    shape = [dim.const for dim in dims(param.type)]
    if not shape:
        return param.name
    place: list[int] = []
    for size in reversed(shape):
        flat, index = divmod(flat, size)
        place.insert(0, index)
    return f"{param.name}[{', '.join(map(str, place))}]"


def input_names(params: tuple[Param, ...]) -> list[str]:
    """Return every flat input by name and indices, in order."""
    return [
        entry_name(param, flat)
        for param in params
        for flat in range(math.prod(dim.const for dim in dims(param.type)))
    ]


def input_text(example: tuple[tuple[int, int], ...], names: list[str]) -> str:
    """Return an input in words: arrays as lists, scalars by name."""
    arrays: dict[str, list[str]] = {}
    for place, value in example:
        arrays.setdefault(names[place].partition("[")[0], []).append(str(value))
    return ", ".join(
        f"{name} = [{', '.join(values)}]" if len(values) > 1 else f"{name} = {values[0]}"
        for name, values in arrays.items()
    )
