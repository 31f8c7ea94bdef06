"""Networks with too many inputs to enumerate whose outputs each depend on a few of them.

Which few is guessed from random rows and proved by linear bounds (ddc.ir.exact.prove_local). An
output that is not local is refuted by a row that a search along gradients finds; what bounds leave
open is tested on random rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ddc.ir import DdcError, Evidence, Module, claim
from ddc.ir.exact import Local, Network, Table, decide, likely_inputs, prove_local
from ddc.ir.exact.local import PROBES

from . import logic
from .base import Context
from .tables import Group, NetworkTables, entry_name, input_names, input_text

MOST_INPUTS = 10  # that one output may depend on
TESTED = 1 << 14  # random rows for outputs that are left open
SEED = 0
MOST_WORK = 1 << 34  # multiplications to guess the inputs
SHOWN = 3  # outputs named in a report


@dataclass(frozen=True)
class LocalFacts:
    """What was shown of outputs that are read as functions of a few inputs."""

    outputs: int
    boxes: int
    open: int
    refuted: int
    example: str = ""

    def evidence(self) -> Evidence:
        """Return the claim that this makes for a program that equals the tables."""
        if self.refuted:
            return claim("inexact", outputs=self.refuted, counterexample=self.example)
        if self.open:
            proved = self.outputs - self.open
            return claim("tested", outputs=self.open, inputs=TESTED, seed=SEED, bounds=proved)
        return claim("proved", "bounds", outputs=self.outputs, boxes=self.boxes)


class NotLocalError(DdcError):
    """A network that follows short rules of a few inputs except on rows that were found."""


def local_tables(module: Module, network: Network, context: Context) -> NetworkTables | None:
    """Return tables over the few inputs that each output depends on, None where bounds do not apply.

    Raises `NotLocalError` with rows for outputs that are refuted, unless inexact programs are
    allowed.
    """
    try:
        few = likely_inputs(network, SEED) if _plain(network) else []
        if not few or max(map(len, few)) > MOST_INPUTS:
            return None
        found = prove_local(network, few)
    except DdcError:
        return None
    still = [local for local in found if local.status == "open"]
    wrong = _refuted(network, found, still)
    examples = [_example(module, network, local, row) for local, row in wrong[:SHOWN]]
    if wrong:
        text = (
            f"{len(wrong)} of {len(found)} outputs follow a rule of a few inputs except on inputs "
            f"that were found: {'; '.join(examples)}"
        )
        if not context.allow_inexact:
            raise NotLocalError(
                f"{text}; train the network to be provable (ddc learn mlp), or say "
                "--allow-inexact for the rules"
            )
        context.note(text)
    boxes = sum(local.boxes for local in found)
    left = len(still) - sum(local.status == "open" for local, _ in wrong)
    facts = LocalFacts(len(found), boxes, left, len(wrong), examples[0] if examples else "")
    return NetworkTables(network, [_group(network, local) for local in found], facts)


def _plain(network: Network) -> bool:
    """Tell at no cost whether linear bounds may apply, and looking at random rows is cheap."""
    layers = network.chain.layers
    kinds = {a.kind for layer in layers[:-1] for _, _, a in layer.runs}
    work = len(network.levels) * PROBES * sum(len(layer.rows.weights) for layer in layers)
    smooth = bool(kinds & {"ramp", "tanh"}) and kinds <= {"identity", "ramp", "tanh"}
    return smooth and not network.chain.argmax and work <= MOST_WORK


def _refuted(
    network: Network, found: Sequence[Local], still: Sequence[Local]
) -> list[tuple[Local, np.ndarray]]:
    """Return outputs with a row on which the network does not follow the table."""
    wrong = [(local, local.example) for local in found if local.example is not None]
    if not still:
        return wrong
    generator = np.random.default_rng(SEED)
    columns = [generator.choice(np.asarray(few), TESTED) for few in network.levels]
    rows = np.stack(columns, 1).astype(np.int64)
    decided = decide(network.slice([local.output for local in still]).over(network.inputs), rows)
    for column, local in enumerate(still):
        differs = np.flatnonzero(decided[:, column] != local.table[_cases(network, local, rows)])
        if differs.size:
            wrong.append((local, rows[differs[0]]))
    return wrong


def _cases(network: Network, local: Local, rows: np.ndarray) -> np.ndarray:
    """Return the number of each row's case in an output's table."""
    case = np.zeros(len(rows), dtype=np.int64)
    for i in local.inputs:
        few = np.asarray(network.levels[i])
        case = case * len(few) + np.searchsorted(few, rows[:, i])
    return case


def _group(network: Network, local: Local) -> Group:
    levels = tuple(tuple(network.levels[i]) for i in local.inputs)
    positions = tuple(network.inputs[i] for i in local.inputs)
    return Group((local.output,), table_of(positions, levels, local.table))


def table_of(
    positions: tuple[int, ...], levels: tuple[Sequence[int], ...], values: np.ndarray
) -> Table:
    """Return a table of one output from its decisions in counting order."""
    binary = all(tuple(few) == (0, 1) for few in levels) and set(values.tolist()) <= {0, 1}
    if not binary:
        return Table(positions, levels, len(values), None, values[None])
    padded = np.zeros(-(-len(values) // 64) * 64, dtype=np.uint8)
    padded[: len(values)] = values
    words = np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)
    return Table(positions, levels, len(values), words[None], None)


def _example(module: Module, network: Network, local: Local, row: np.ndarray) -> str:
    """Return the rule of an output, and a row on which the network says otherwise."""
    entry = module.entry
    names = input_names(entry.params)
    levels = tuple(tuple(network.levels[i]) for i in local.inputs)
    values = local.table.astype(np.int64).reshape([len(few) for few in levels])
    rule = logic.minimise(logic.Table(levels, values, None))
    shown = logic.text(rule, lambda i: names[network.inputs[local.inputs[i]]])
    answer = int(decide(network, row[None])[0, local.output])
    place = input_text(tuple(zip(network.inputs, row.tolist())), names)
    name = entry_name(entry.results[0], local.output)
    return f"{name} is {shown}, but {answer} at {place}"
