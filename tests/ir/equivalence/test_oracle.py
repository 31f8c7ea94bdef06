"""A program against the tables, or only the answers, of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ddc.ir import BIT, Builder, DdcError, Int, Module, Scalar, claim
from ddc.ir.equivalence import exhaustive
from tests.ir.equivalence.programs import array, finish, on_entries, rule30


@dataclass
class Network:
    """Decisions by a function of rows; with tables over the cones, or without."""

    function: Callable[[Any], Any]  # [rows, inputs] -> [rows, outputs]
    inputs: int
    outputs: int
    cones: Sequence[tuple[int, ...]]
    tables: bool = True
    flip: tuple[int, int] | None = None  # output, entry of its table
    packed: list[Any] | None = None

    def cone(self, output: int) -> Sequence[int]:
        return self.cones[output]

    def table(self, output: int) -> Any:
        if self.packed is not None:
            return self.packed[output]
        if not self.tables:
            return None
        cone = self.cones[output]
        counts = np.arange(1 << len(cone))
        rows = np.zeros((len(counts), self.inputs), dtype=np.int64)
        for k, position in enumerate(cone):
            rows[:, position] = counts >> (len(cone) - 1 - k) & 1
        bits = self.function(rows)[:, output].astype(np.uint8)
        if self.flip is not None and self.flip[0] == output:
            bits[self.flip[1]] ^= 1
        return np.packbits(bits, bitorder="little")

    def evaluate(self, rows: Any, outputs: Sequence[int]) -> Any:
        answers = self.function(rows).astype(np.int64)
        if self.flip is not None:
            output, entry = self.flip
            number = np.zeros(len(rows), dtype=np.int64)
            for position in self.cones[output]:
                number = 2 * number + rows[:, position]
            answers[:, output] ^= number == entry
        return answers[:, list(outputs)]


def wolfram30(rows: Any) -> Any:
    return np.roll(rows, 1, 1) ^ (rows | np.roll(rows, -1, 1))


def ring(count: int, **options: Any) -> Network:
    cones = [tuple(sorted({(k - 1) % count, k, (k + 1) % count})) for k in range(count)]
    return Network(wolfram30, count, count, cones, **options)


def everything(count: int, **options: Any) -> Network:
    return Network(wolfram30, count, count, [tuple(range(count))] * count, **options)


@pytest.mark.parametrize("tables", [True, False])
def test_cone_by_cone(tables: bool) -> None:
    verdict = exhaustive(rule30(), ring(36, tables=tables), {"N": 36})
    assert verdict.evidence == claim("proved", "exhaustive", inputs=8, outputs=36)


def test_tables_of_everything() -> None:
    """2^20 inputs, 20 outputs that each see all cells."""
    counts = np.arange(1 << 20)
    x = [(counts >> (19 - k) & 1).astype(np.uint8) for k in range(20)]
    bits = [x[k - 1] ^ (x[k] | x[(k + 1) % 20]) for k in range(20)]
    network = everything(20, packed=[np.packbits(b, bitorder="little") for b in bits])
    start = time.perf_counter()
    verdict = exhaustive(rule30(), network, {"N": 20})
    assert time.perf_counter() - start < 2
    assert verdict.evidence == claim("proved", "exhaustive", inputs=1 << 20)


@pytest.mark.parametrize("entry", [0, 1, 100, 511, 1000, 1023])
@pytest.mark.parametrize("output", [0, 4, 9])
@pytest.mark.parametrize("tables", [True, False])
def test_one_flipped_entry_is_found(entry: int, output: int, tables: bool) -> None:
    network = everything(10, flip=(output, entry), tables=tables)
    found = exhaustive(rule30(), network, {"N": 10}).counterexample
    assert found is not None
    assert found.inputs["x"].tolist() == [entry >> (9 - k) & 1 for k in range(10)]
    assert np.flatnonzero(found.left[0] != found.right[0]).tolist() == [output]


def test_a_flipped_entry_of_a_local_table() -> None:
    """Output 0 of a ring of 6 sees cells 0, 1 and 5; entry 5 of its table is 1, 0, 1."""
    found = exhaustive(rule30(), ring(6, flip=(0, 5)), {"N": 6}).counterexample
    assert found is not None and found.inputs["x"].tolist() == [1, 0, 0, 0, 0, 1]


def test_a_program_that_sees_more_than_the_network() -> None:
    """The network's cone is {1}; the program mentions all of %x, in vain."""
    network = Network(lambda rows: rows[:, 1:2], 3, 1, [(1,)])
    program = on_entries(3, lambda b, x: b.op("threshold", *x, weights=(1, 3, 1), least=3))
    assert exhaustive(program, network).evidence == claim("proved", "exhaustive", inputs=8)
    wrong = on_entries(3, lambda b, x: b.op("threshold", *x, weights=(1, 2, 1), least=2))
    found = exhaustive(wrong, network).counterexample
    assert found is not None and found.inputs["x"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("scalar", [Int(0, 2), Int.of(-1, 1), Int(-5, 4)])
def test_decisions_on_ints(scalar: Scalar) -> None:
    def total(rows: Any) -> Any:
        return rows.sum(axis=1, keepdims=True)

    cone = [(0, 1, 2, 3)]
    program = on_entries(4, lambda b, x: b.op("add", *x), scalar)
    size = dict[Scalar, int]({Int(0, 2): 81, Int.of(-1, 1): 16}).get(scalar, 10**4)
    network = Network(total, 4, 1, cone, tables=False)
    assert exhaustive(program, network).evidence == claim("proved", "exhaustive", inputs=size)
    wrong = Network(lambda rows: np.maximum(total(rows), -3), 4, 1, cone, tables=False)
    least = dict[Scalar, Any]({Int(0, 2): None, Int.of(-1, 1): [-1] * 4}).get(scalar, [-5] * 4)
    found = exhaustive(program, wrong).counterexample
    assert (None if found is None else found.inputs["x"].tolist()) == least


def test_scalars_and_several_parameters() -> None:
    b = Builder(["p", "q"])
    out = b.op("and", "p", b.load("q", 0), b.op("not", b.load("q", 1)))
    program: Module = finish(b, {"p": BIT, "q": array(BIT, 2)}, [out])
    network = Network(lambda r: (r[:, :1] & r[:, 1:2] & (1 - r[:, 2:])), 3, 1, [(0, 1, 2)])
    assert exhaustive(program, network).same
    network.flip = (0, 3)
    found = exhaustive(program, network).counterexample
    assert found is not None
    assert {k: v.tolist() for k, v in found.inputs.items()} == {"p": 0, "q": [1, 1]}


def test_too_many_inputs_are_sampled() -> None:
    """A table is no diagram: beyond the budget the network is asked on random inputs."""
    network = Network(lambda rows: rows.sum(1, keepdims=True) % 2, 40, 1, [tuple(range(40))])
    network.tables = False
    program = on_entries(40, lambda b, x: b.op("xor", *x))
    verdict = exhaustive(program, network, samples=2000, seed=5)
    assert verdict.evidence == claim("tested", inputs=2000, generator="uniform", seed=5)


def test_counts_must_agree() -> None:
    with pytest.raises(DdcError, match="1 outputs, the network 3"):
        exhaustive(on_entries(3, lambda b, x: x[0]), ring(3))
