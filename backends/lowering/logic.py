"""Recognise programs of fixed shape from bits to bits, and write them down as networks of gates."""

from __future__ import annotations

from collections.abc import Sequence

from ddc.ir import Module, element, is_bit
from ddc.ir.equivalence.circuit import Circuit, TooLargeError, UnsupportedError
from ddc.ir.equivalence.gates import Gates, TooManyGatesError
from ddc.ir.equivalence.lower import Lowering, NotLoweredError
from ddc.ir.equivalence.unroll import input_nodes, unroll


def logic_of(module: Module) -> tuple[Gates, list[int]] | None:
    """Return the gates of a program and its outputs' signals, None for other programs.

    Variable k is the k-th bit of the inputs, in order and row-major; outputs likewise.
    """
    entry = module.entry
    kinds = [element(p.type) for p in (*entry.params, *entry.results)]
    if entry.sizes or not all(is_bit(kind) for kind in kinds):
        return None
    gates, circuit = Gates(), Circuit()
    try:
        results = unroll(module, entry, {}, circuit, input_nodes(circuit, entry))
        lowering = Lowering(circuit, gates, lambda k: (gates.variable(k),))
        planes = lowering.planes([n for r in results for n in r.ravel().tolist()])
    except (UnsupportedError, TooLargeError, NotLoweredError, TooManyGatesError):
        return None
    return gates, [p[0] for p in planes]


def cone(gates: Gates, outputs: Sequence[int]) -> list[int]:
    """Return the nodes that outputs depend on, operands first."""
    wanted: set[int] = set()
    stack = [signal >> 1 for signal in outputs]
    while stack:
        node = stack.pop()
        if node in wanted:
            continue
        wanted.add(node)
        if gates.kind[node] in ("and", "xor"):
            stack += [gates.left[node] >> 1, gates.right[node] >> 1]
    return sorted(wanted)
