"""Compare a program with its network, and say what was found as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, Evidence, MismatchError, Module, claim
from ddc.ir.equivalence import Counterexample, Verdict, compare, exhaustive
from ddc.ir.exact import Network, decide, framework_mismatch
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate, solve_sizes
from ddc.ir.types import dims
from ddc.passes import Context, Declined
from ddc.passes.families import NotStructuralError, structure_of, units_found
from ddc.passes.orders import proved_by_orders
from ddc.passes.raising import is_network
from ddc.passes.recurrent.network import is_recurrent
from ddc.passes.tables import NetworkTables, input_names, input_text, network_of, tables_of

from .composed import by_parts, composed
from .sequences import prove_steps, same_over_time

BLOCK = 1 << 16  # rows compared at a time when mismatches are counted
MAX_FLOAT32_ROWS = 1 << 20


class _Oracle:
    """A network's exact decisions: from its tables where it has them, else computed."""

    def __init__(self, network: Network, tables: NetworkTables | None) -> None:
        self.network = network
        self.places: dict[int, tuple[int, int]] = {}
        self.tables = tables
        for number, group in enumerate(tables.groups if tables is not None else ()):
            for row, output in enumerate(group.outputs):
                self.places[output] = (number, row)

    @property
    def outputs(self) -> int:
        """The number of flat outputs."""
        return len(self.network.outputs)

    def cone(self, output: int) -> Sequence[int]:
        """Return the flat inputs that an output may depend on."""
        if self.tables is None:
            return self.network.cone(output)
        return self.tables.groups[self.places[output][0]].table.positions

    def table(self, output: int) -> NDArray[np.uint8] | None:
        """Return the output's bits in counting order over its cone, None for other outputs."""
        if self.tables is None:
            return None
        number, row = self.places[output]
        table = self.tables.groups[number].table
        if table.words is not None:
            octets: NDArray[np.uint8] = table.words[row].view(np.uint8)
            return octets
        values = table.output(row)
        if values.min() < 0 or values.max() > 1:
            return None
        return np.packbits(values.astype(np.uint8), bitorder="little")

    def evaluate(self, rows: NDArray[np.int64], outputs: Sequence[int]) -> NDArray[np.int64]:
        """Return the exact decisions for rows of all flat inputs."""
        return decide(self.network.slice(list(outputs)).over(self.network.inputs), rows)


def prove(
    program: Module, network: Module, context: Context, allow_inexact: bool = False
) -> tuple[Evidence, ...]:
    """Return the evidence that a program equals its network at the trained sizes.

    Raises `MismatchError` with the smallest counterexample, unless inexact programs are allowed:
    then the claim is `inexact`, with the rate of wrong answers.
    """
    if is_recurrent(network):
        return prove_steps(program, network, context, allow_inexact)
    if not is_network(network):
        return (compare_programs(program, network, context.proof_seconds),)
    sizes = trained_sizes(program, network)
    if _has_real_results(network):
        spelled = _structural(program, network, sizes, context)
        if spelled is not None:
            return spelled
        return (_evidence(compare(program, network, sizes), "the network"),)
    exact = network_of(network, context)
    try:
        tables = tables_of(network, context)
    except Declined:
        tables = None
        ordered = proved_by_orders(program, network, sizes, context)
        spelled = (ordered,) if ordered else _structural(program, network, sizes, context)
        if spelled is not None:
            return spelled
    verdict = exhaustive(program, _Oracle(exact, tables), sizes)
    if verdict.counterexample is None or not allow_inexact:
        equal = _evidence(verdict, "the network")
        # Tables over less than the cone: equality with them is worth what they are.
        return (equal if tables is None or tables.local is None else tables.local.evidence(),)
    return (_inexact(program, tables, verdict.counterexample, sizes),)


def _structural(
    program: Module, network: Module, sizes: dict[str, int], context: Context
) -> tuple[Evidence, ...] | None:
    """Return the proof that the program's loops spell the network's units, or stand for them."""
    try:
        structure = structure_of(network, context)
        units = units_found(instantiate(program, sizes), structure)
    except Declined:
        return None
    except NotStructuralError:
        found = composed(program, network, sizes, context)
        return found or by_parts(program, network, sizes, context)
    return (claim("proved", "structural", units=units),)


def note_float32(network: Module, context: Context) -> None:
    """Note where the framework's own float32 answer differs from the exact one.

    Only float32 networks whose outputs all see the same inputs are looked at, on all inputs up to
    2^20, else on some drawn at random.
    """
    if is_recurrent(network):
        return
    floats = {c.array.dtype for _, c in network.constants if c.array.dtype.kind == "f"}
    try:
        tables = tables_of(network, context)
    except Declined:
        return
    groups = tables.groups if tables.local is None else []
    if floats != {np.dtype(np.float32)} or len(groups) != 1:
        return
    table = groups[0].table
    found = framework_mismatch(network, table, MAX_FLOAT32_ROWS)
    if found.first is None:
        return
    values = table.inputs_of(np.array([found.first]))[0].tolist()
    names = input_names(network.entry.params)
    shown = input_text(tuple(zip(table.positions, values)), names)
    drawn = f" drawn at random from {table.rows}" if found.looked < table.rows else ""
    context.note(
        f"in float32, as frameworks compute, the network answers {found.rows} of {found.looked} "
        f"inputs{drawn} otherwise than its weights say exactly; the first is {shown}"
    )


def compare_programs(program: Module, other: Module, seconds: float = 3.0) -> Evidence:
    """Return the evidence that two programs are equal; raises `MismatchError` if they differ.

    Programs that go through time are compared for every length, where that takes few `seconds`.
    """
    stepwise = same_over_time(program, other, seconds)
    if stepwise is not None:
        return stepwise
    sizes = trained_sizes(program, other) if program.entry.sizes and not other.entry.sizes else None
    return _evidence(compare(program, other, sizes), "the text that came in")


def trained_sizes(program: Module, network: Module) -> dict[str, int]:
    """Return the sizes of a program at which it has the network's shapes."""
    shapes = {
        mine.name: [dim.const for dim in dims(theirs.type)]
        for mine, theirs in zip(program.entry.params, network.entry.params)
    }
    if len(program.entry.params) != len(network.entry.params):
        raise DdcError(
            f"the program takes {len(program.entry.params)} inputs, "
            f"the network {len(network.entry.params)}"
        )
    return solve_sizes(program.entry, shapes)


def _has_real_results(network: Module) -> bool:
    from ddc.ir import Real, element

    return any(isinstance(element(result.type), Real) for result in network.entry.results)


def _evidence(verdict: Verdict, other: str) -> Evidence:
    if verdict.counterexample is not None:
        answers = verdict.counterexample.text("the program", other)
        raise MismatchError(f"the program differs from {other} {answers}")
    assert verdict.evidence is not None
    return verdict.evidence


def _inexact(
    program: Module,
    tables: NetworkTables | None,
    example: Counterexample,
    sizes: dict[str, int],
) -> Evidence:
    shown = example.text("the program", "the network")
    if tables is None:
        return claim("inexact", counterexample=shown)
    fixed = instantiate(program, sizes)
    wrong = total = 0
    for group in tables.groups:
        table = group.table
        for start in range(0, table.rows, BLOCK):
            rows = np.arange(start, min(start + BLOCK, table.rows))
            answers = _answers(fixed, tables.network, table.positions, table.inputs_of(rows))
            for row, output in enumerate(group.outputs):
                wrong += int(np.count_nonzero(answers[:, output] != table.output(row)[rows]))
            total += len(rows) * len(group.outputs)
    rate = Fraction(wrong, total)
    return claim("inexact", rate=rate, wrong=wrong, answers=total, counterexample=shown)


def _answers(
    program: Module, network: Network, positions: Sequence[int], values: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the program's answers [rows, outputs] with the inputs outside a cone at their least."""
    full = np.tile([few[0] for few in network.levels], (len(values), 1))
    full[:, list(positions)] = values
    arrays: dict[str, NDArray[np.int64]] = {}
    start = 0
    for param in program.entry.params:
        shape = [dim.const for dim in dims(param.type)]
        width = int(np.prod(shape, dtype=np.int64))
        arrays[param.name] = full[:, start : start + width].reshape(len(values), *shape)
        start += width
    results = run_batch(program, arrays)
    return np.concatenate([r.reshape(len(values), -1) for r in results], axis=1)
