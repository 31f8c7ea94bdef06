"""Units put together across layers, and sizes: against closed forms, ties and other sizes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ddc import proof
from ddc.ir import DdcError, Module, Op, walk
from ddc.ir.interpreter import run_batch
from ddc.ir.sizes import instantiate
from ddc.passes import DEFAULT, Context, run
from ddc.passes.families import NotStructuralError, spelled, structure_of, units_found
from tests.passes.family_nets import Layers, maxsat, module, orientation, shuffled, zeros

Rows = Any


def compiled(network: Module) -> tuple[Module, Context]:
    context = Context(signature=network.entry.params)
    return run(network, DEFAULT.replace("raise", "families"), context), context


def formulas(literals: int, clauses: int, rows: int, seed: int) -> Rows:
    generator = np.random.default_rng(seed)
    share = generator.random((rows, 1, 1)) ** 2
    return (generator.random((rows, literals, clauses)) < share).astype(np.int64)


def shares(x: Rows, edited: bool) -> Rows:
    """The MAX-SAT policy from the description of its units, clause by clause, in plain words."""
    first, second, others = x[:, 0], x[:, 1], x[:, 2:].sum(1)
    lone_first = (first == 1) & (second[:, :1] == 0) if not edited else first == 1
    lone_second = (second == 1) & (first[:, :1] == 0) if not edited else second == 1
    lone = lone_first.astype(int) - lone_second.astype(int)
    total = np.where(others > 0, 1.14878 * (first - second), 5.0 * lone).sum(1)
    true = 1 / (1 + np.exp(-2 * total))
    return np.stack([true, 1 - true], 1)


@pytest.mark.parametrize("edited", [True, False])
def test_maxsat_is_its_closed_form_at_every_size(edited: bool) -> None:
    network = maxsat(10, 50, 3, edited)
    program, context = compiled(network)
    claims = proof.prove(program, network, context)
    assert [(c.kind, c.method) for c in claims] == [("proved", "composed"), ("tested", "")]
    assert claims[0].detail("units") == 502
    assert {s.name for s in program.entry.sizes} == {"N", "M"}
    assert sum(1 for _ in walk(program.entry.body)) <= (16 if edited else 28)
    for literals, clauses in ((10, 50), (4, 3), (30, 7)):
        x = formulas(literals, clauses, 60, literals)
        fixed = instantiate(program, {"N": literals, "M": clauses})
        (found,) = run_batch(fixed, {"I": x})
        np.testing.assert_allclose(found, shares(x, edited), rtol=1e-12, atol=1e-12)


def label(x: Rows) -> Rows:
    """The orientation rule for any n, with its ties."""
    n = x.shape[1]
    d = np.sign(x.sum(1)[:, :, None] - x.sum(2)[:, None, :])
    u = d.sum((1, 2))[:, None]
    vertical = np.sign(n * d.sum(2) - (n - 1) * u - n * (n - 1)).sum(1)
    horizontal = np.sign((n - 1) * u - n * d.sum(1) - n * (n - 1)).sum(1)
    return (vertical < horizontal).astype(np.int64)


def test_orientation_follows_its_size() -> None:
    network = orientation(12, 5)
    program, context = compiled(network)
    claims = proof.prove(program, network, context)
    assert [(c.kind, c.method) for c in claims] == [("proved", "structural")]
    assert claims[0].detail("units") == 12 * 12 + 24 + 2
    for n in (12, 5, 31):
        x = formulas(n, n, 80, n)
        x[0] = x[1] = 0
        x[1, :, n // 2] = 1
        (found,) = run_batch(instantiate(program, {"N": n}), {"M": x})
        np.testing.assert_array_equal(found, label(x))


def test_a_number_that_may_be_a_size_keeps_it() -> None:
    """At least 11 of 12: `N - 1`; at least 5: no expression of 12, so the size stays."""
    for least, sizes in ((11, 1), (5, 0)):
        weights = np.ones((12, 1))
        layers: Layers = [(weights, np.array([0.5 - least]))]
        network = module(layers, "x: int<0..99>[12]", "step", "bit")
        program, context = compiled(network)
        assert len(program.entry.sizes) == sizes
        assert bool(context.notes) == (sizes == 0)


def test_noise_that_decides_a_tie_is_kept() -> None:
    """`1.01 a - b`: both 5 is above 0, so weights 1 and -1 would be another function."""
    layers: Layers = [(np.array([[1.01], [-1.0]]), zeros(1))]
    network = module(layers, "x: int<0..99>[2]", "sign", "int<-1..1>")
    program = run(network, "families", Context())
    x = np.array([[5, 5], [0, 0], [99, 98], [98, 99], [98, 98]])
    (found,) = run_batch(program, {"x": x})
    exact = [Fraction(1.01) * a - b for a, b in x.tolist()]
    np.testing.assert_array_equal(found, [(v > 0) - (v < 0) for v in exact])


def test_noise_without_ties_is_taken_out_and_said() -> None:
    generator = np.random.default_rng(0)
    weights = 0.3 * (1 + 0.01 * generator.standard_normal((7, 1)))
    network = module([(weights, np.array([-1.05]))], "x: bit[7]", "step", "bit")
    context = Context()
    program = run(network, "families", context)
    assert any("simplified" in note for note in context.notes)
    x = np.array(np.meshgrid(*[[0, 1]] * 7)).reshape(7, -1).T
    (found,) = run_batch(program, {"x": x})
    np.testing.assert_array_equal(found, x.sum(1) > 3)


def mutants(program: Module) -> list[Module]:
    """Return the program with one number changed in every way that keeps it a program."""
    found: list[Module] = []

    def changed(ops: tuple[Op, ...]) -> list[tuple[Op, ...]]:
        results: list[tuple[Op, ...]] = []
        for k, op in enumerate(ops):
            for n, operand in enumerate(op.operands):
                if isinstance(operand, int):
                    other = (*op.operands[:n], operand + 1, *op.operands[n + 1 :])
                    results.append((*ops[:k], replace(op, operands=other), *ops[k + 1 :]))
            if op.code == "sub":
                turned = replace(op, operands=(op.operands[1], op.operands[0]))
                results.append((*ops[:k], turned, *ops[k + 1 :]))
            if op.body is not None:
                for inner in changed(op.body.ops):
                    body = replace(op.body, ops=inner)
                    results.append((*ops[:k], replace(op, body=body), *ops[k + 1 :]))
        return results

    entry = program.entry
    for ops in changed(entry.body.ops):
        found.append(program.with_entry(replace(entry, body=replace(entry.body, ops=ops))))
    return found


def test_a_changed_number_is_no_proof() -> None:
    network = orientation(6, 1)
    structure = structure_of(network, Context())
    program = spelled(network, structure)
    assert units_found(program, structure) == 6 * 6 + 12 + 2
    wrong = mutants(program)
    assert len(wrong) > 6
    for mutant in wrong:
        with pytest.raises(NotStructuralError):
            units_found(mutant, structure)


def test_other_units_are_declined() -> None:
    network = module(
        [(np.ones((3, 2)), zeros(2)), (np.ones((2, 1)), zeros(1))],
        "x: bit[3]",
        "step",
        "bit",
        hidden="relu",
    )
    with pytest.raises(DdcError, match="neither a sign nor a step"):
        run(network, "families", Context())


def test_shuffled_units_give_the_same_program() -> None:
    def build(seed: int | None) -> Module:
        return maxsat(6, 8, seed)

    programs = [compiled(build(seed))[0] for seed in (None, 1, 2)]
    assert programs[0] == programs[1] == programs[2]
    assert shuffled([(zeros(1, 2), zeros(2)), (zeros(2, 1), zeros(1))], 0)


def test_without_the_pass_for_sizes_nothing_is_claimed_of_them() -> None:
    """Arrays that loops make follow sizes that `generalise` does not look at: it keeps them."""
    for network in (orientation(6), maxsat(6, 7)):
        context = Context(signature=network.entry.params)
        steps = DEFAULT.replace("raise", "families{fuse=false}").replace("sizes,", "")
        program = run(network, steps, context)
        assert not program.entry.sizes
        assert context.notes


@pytest.mark.parametrize("whole", [True, False])
def test_wide_networks_without_shape_are_declined_at_once(whole: bool) -> None:
    generator = np.random.default_rng(0)
    layers: Layers = []
    for inputs, units in ((784, 128), (128, 10)):
        weights = generator.standard_normal((inputs, units))
        layers.append((np.rint(weights * 2) if whole else weights, zeros(units)))
    network = module(layers, "x: bit[28, 28]", "argmax", "int<0..9>")
    with pytest.raises(DdcError, match="share no shape" if whole else "no short common scale"):
        run(network, "families", Context())
