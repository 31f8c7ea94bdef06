"""Pairs of programs known to be the same, or known to differ first at a certain input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from ddc.ir import (
    BIT,
    REAL,
    Affine,
    Builder,
    DdcError,
    Evidence,
    Function,
    Int,
    Module,
    OneHot,
    Real,
    Scalar,
    Size,
    Type,
    claim,
)
from ddc.ir.equivalence import Verdict, compare, same_structure
from ddc.ir.equivalence.circuit import Circuit, TooLargeError
from ddc.ir.equivalence.unroll import input_nodes, unroll
from ddc.ir.sizes import instantiate
from tests.ir.equivalence.programs import (
    N,
    adder,
    array,
    finish,
    forgetful_carry,
    majority_carry,
    on_entries,
    rule30,
    rule30_table,
    select_carry,
)
from tests.ir.mutations import count_inputs, first_difference, mutate
from tests.ir.random_programs import Options, random_module


def differs_at(verdict: Verdict, **inputs: Any) -> bool:
    assert verdict.evidence is None and verdict.counterexample is not None
    found = {k: v.tolist() for k, v in verdict.counterexample.inputs.items()}
    return found == inputs


# ---------------------------------------------------------------- equal programs


def test_local_rules_are_compared_cone_by_cone() -> None:
    verdict = compare(rule30(), rule30_table(), {"N": 36})
    assert verdict.evidence == claim("proved", "exhaustive", inputs=8, outputs=36)


def test_one_cone_of_everything() -> None:
    a = on_entries(20, lambda b, x: b.op("xor", *x))
    b = on_entries(20, lambda b, x: b.op("mod", b.op("add", *x), 2))
    assert compare(a, b).evidence == claim("proved", "exhaustive", inputs=1 << 20)


def test_generic_against_fixed() -> None:
    fixed = instantiate(rule30(), {"N": 5})
    assert compare(fixed, rule30_table()).evidence == claim(
        "proved", "exhaustive", inputs=8, outputs=5
    )
    assert compare(rule30(), fixed).evidence == claim("proved", "structural")


def test_structure_does_not_depend_on_names() -> None:
    def program(names: list[str], wish: str) -> Module:
        b = Builder([*names, wish])
        loop = b.loop(wish, 0, N)
        with b.body() as ops:
            value = b.load(names[0], Affine.symbol(loop.symbol), name=wish)
            value = b.op("not", value, name=wish)
        (out,) = b.map([loop], ops, [value], [wish])
        return finish(b, {names[0]: array(BIT, N)}, [out], (Size("N"),))

    assert same_structure(program(["x"], "k"), program(["cells"], "not"))
    assert compare(program(["x"], "k"), program(["y"], "z")).evidence == claim(
        "proved", "structural"
    )
    assert not same_structure(rule30(), rule30_table())


# ---------------------------------------------------------------- smallest counterexamples


def test_first_difference_in_counting_order() -> None:
    """Entry 6 is the neighbourhood 1, 1, 0; on 5 cells in a ring it occurs first in 00011."""
    verdict = compare(rule30(), rule30_table(flipped=6), {"N": 5})
    assert differs_at(verdict, x=[0, 0, 0, 1, 1])
    shown = (
        "for x = [0, 0, 0, 1, 1]: out0 is [1, 0, 1, 1, 0] in one and [1, 0, 1, 1, 1] in the other"
    )
    assert str(verdict.counterexample) == shown


def test_first_difference_of_counts() -> None:
    a = on_entries(24, lambda b, x: b.op("threshold", *x, least=12))
    b = on_entries(24, lambda b, x: b.op("gt", b.op("add", *x), 12))
    assert differs_at(compare(a, b), x=[0] * 12 + [1] * 12)


def test_first_difference_in_the_last_block() -> None:
    a = on_entries(22, lambda b, x: b.op("and", *x))
    b = on_entries(22, lambda b, x: b.op("and", x[0], 0))
    assert differs_at(compare(a, b), x=[1] * 22)


def test_spins_count_from_minus_one() -> None:
    spins = Int.of(-1, 1)
    a = on_entries(3, lambda b, x: b.op("sign", b.op("add", *x)), spins)
    b = on_entries(3, lambda b, x: b.op("mul", *x), spins)
    assert differs_at(compare(a, b), x=[-1, -1, 1])


@pytest.mark.parametrize("scalar", [Int(-2, 3), OneHot(3), Int(0, 9), Int.of(-5, 0, 7)])
def test_mixed_radix(scalar: Scalar) -> None:
    """Two sums that agree except where all entries have their greatest value."""
    top = {OneHot(3): 2, Int(-2, 3): 3, Int(0, 9): 9}.get(scalar, 7)

    def bumped(b: Builder, x: list[str]) -> str:
        hits = [b.op("eq", v, top) for v in x]
        return b.op("add", *x, b.op("and", *hits))

    a = on_entries(4, lambda b, x: b.op("add", *x), scalar)
    assert differs_at(compare(a, on_entries(4, bumped, scalar)), x=[top] * 4)
    again = on_entries(4, lambda b, x: b.op("sub", b.op("add", *x), 0), scalar)
    total = {OneHot(3): 81, Int(-2, 3): 6**4, Int(0, 9): 10**4}.get(scalar, 81)
    assert compare(a, again).evidence == claim("proved", "exhaustive", inputs=total)


def test_ops_without_a_form_in_gates() -> None:
    """A remainder by 3 of a product of wide range is computed on values, not on planes."""

    def remainder(b: Builder, x: list[str], by: int) -> str:
        return b.op("mod", b.op("add", b.op("mul", *x), b.op("mul", 1000, x[0])), by)

    a = on_entries(3, lambda b, x: remainder(b, x, 3), Int(0, 40))
    b = on_entries(3, lambda b, x: b.op("mod", remainder(b, x, 6), 3), Int(0, 40))
    c = on_entries(3, lambda b, x: remainder(b, x, 9), Int(0, 40))
    assert compare(a, b).evidence == claim("proved", "exhaustive", inputs=41**3)
    assert differs_at(compare(a, c), x=[1, 1, 2])  # 1002 is 0 modulo 3, but 3 modulo 9


def test_borders_matter() -> None:
    """Reading 0 outside is not reading the other end; first seen when only the last cell is 1."""
    a, b = rule30(), rule30()
    op = b.entry.body.ops[0]
    assert op.body is not None
    first = op.body.ops[0]
    zero = replace(first, index=(replace(first.index[0], border="else", other=0),))
    body = replace(op.body, ops=(zero, *op.body.ops[1:]))
    changed = replace(b.entry.body, ops=(replace(op, body=body),))
    b = Module((replace(b.entry, body=changed),))
    assert differs_at(compare(a, b, {"N": 7}), x=[0] * 6 + [1])


# ---------------------------------------------------------------- decision diagrams


def test_adders_of_64_inputs() -> None:
    same = compare(adder(32, majority_carry), adder(32, select_carry))
    assert same.evidence == claim("proved", "diagrams", inputs=64, outputs=33)


def test_smallest_difference_of_64_inputs() -> None:
    """A carry that forgets the carry before it fails where 1 + 0 meets a carry. The carry must
    be made at place 30 or before, and the other number then has a 1 at the last place."""
    verdict = compare(adder(32, majority_carry), adder(32, forgetful_carry))
    assert differs_at(verdict, a=[0] * 30 + [1, 0], b=[0] * 30 + [1, 1])


def test_parity_and_majority_of_64() -> None:
    def chain(b: Builder, x: list[str]) -> str:
        value = x[0]
        for y in x[1:]:
            value = b.op("xor", value, y)
        return value

    parity = on_entries(64, lambda b, x: b.op("mod", b.op("add", *x[::-1]), 2))
    proved = claim("proved", "diagrams", inputs=64, outputs=1)
    assert compare(on_entries(64, chain), parity).evidence == proved
    majority = on_entries(64, lambda b, x: b.op("threshold", *x, least=32))
    counted = on_entries(64, lambda b, x: b.op("ge", b.op("add", *x), 32))
    strict = on_entries(64, lambda b, x: b.op("gt", b.op("add", *x), 32))
    assert compare(majority, counted).evidence == proved
    assert differs_at(compare(majority, strict), x=[0] * 32 + [1] * 32)


def test_digits_that_do_not_exist_are_no_counterexample() -> None:
    """A onehot<3> takes two bits in a diagram, of which one pattern is no value."""
    a = on_entries(30, lambda b, x: b.op("le", b.op("max", *x), 2), OneHot(3))
    b = on_entries(30, lambda b, x: b.op("ge", b.op("add", *x), 0), OneHot(3))
    assert compare(a, b).same
    c = on_entries(30, lambda b, x: b.op("lt", b.op("add", *x), 60), OneHot(3))
    assert differs_at(compare(b, c), x=[2] * 30)


# ---------------------------------------------------------------- domains


def with_domain(program: Module, condition: Function) -> Module:
    return Module((replace(program.entry, where=condition.name), condition))


def one_of_each_pair(count: int) -> Function:
    """The domain in which of each two neighbours x[2k], x[2k+1] exactly one is 1."""
    b = Builder(["x"])
    pairs = [b.op("xor", b.load("x", k), b.load("x", k + 1)) for k in range(0, count, 2)]
    value = b.op("and", *pairs)
    return b.function("pairs", [("x", array(BIT, count))], [("ok", BIT)], [value])


def test_only_the_domain_counts() -> None:
    a = on_entries(6, lambda b, x: [b.op("add", *x), b.op("or", x[0], x[1])])
    b = on_entries(6, lambda b, x: [b.op("add", 3, 0), b.op("or", 1, x[0])])
    assert differs_at(compare(a, b), x=[0] * 6)
    inside = with_domain(a, one_of_each_pair(6))
    assert compare(inside, b).evidence == claim("proved", "exhaustive", inputs=64)
    assert compare(b, inside).same


def test_the_smallest_counterexample_lies_in_the_domain() -> None:
    """The rest of the input is filled up with the smallest values that the domain admits."""
    a = on_entries(40, lambda b, x: b.op("and", x[2], x[4]))
    b = on_entries(40, lambda b, x: b.op("and", x[2], x[5]))
    verdict = compare(with_domain(a, one_of_each_pair(40)), b)
    assert differs_at(verdict, x=[0, 1] + [1, 0] + [0, 1] * 18)


def test_a_domain_that_needs_all_inputs() -> None:
    def exactly(count: int) -> Function:
        b = Builder(["x"])
        value = b.op("eq", b.op("add", *[b.load("x", k) for k in range(40)]), count)
        return b.function("some", [("x", array(BIT, 40))], [("ok", BIT)], [value])

    a = on_entries(40, lambda b, x: b.op("or", *x))
    b = on_entries(40, lambda b, x: b.op("const", 1))
    assert compare(with_domain(a, exactly(1)), b).evidence == claim(
        "proved", "diagrams", inputs=40, outputs=1
    )
    c = on_entries(40, lambda b, x: b.op("const", 0))
    assert differs_at(compare(with_domain(a, exactly(3)), c), x=[0] * 37 + [1] * 3)


def test_an_empty_domain() -> None:
    b = Builder(["x"])
    never = b.op("and", b.load("x", 0), b.op("not", b.load("x", 0)))
    empty = b.function("never", [("x", array(BIT, 4))], [("ok", BIT)], [never])
    a = on_entries(4, lambda b, x: b.op("or", *x))
    c = on_entries(4, lambda b, x: b.op("and", *x))
    assert compare(with_domain(a, empty), c).evidence == claim("proved", "exhaustive", inputs=0)


# ---------------------------------------------------------------- reals, sampling, limits


def test_reals_within_a_tolerance() -> None:
    third = Fraction(1, 3)
    a = on_entries(4, lambda b, x: b.op("mul", b.op("add", *x), third))
    b = on_entries(4, lambda b, x: b.op("div", b.op("add", *x), 3))
    c = on_entries(4, lambda b, x: b.op("div", b.op("add", *x), Fraction(300000001, 100000000)))
    assert compare(a, b).evidence == claim("proved", "exhaustive", inputs=16)
    assert differs_at(compare(a, c), x=[0, 0, 0, 1])
    assert compare(a, c, real_tolerance=1e-6).same


def test_last_places_are_no_proof() -> None:
    a = on_entries(3, lambda b, x: b.op("exp", b.op("add", *x)))
    b = on_entries(3, lambda b, x: b.op("mul", *[b.op("exp", v) for v in x]))
    assert compare(a, b).evidence == claim("tested", inputs=8, generator="exhaustive")


def test_real_inputs_are_sampled() -> None:
    b = Builder(["x"])
    a = finish(b, {"x": REAL}, [b.op("max", "x", 0)])
    b = Builder(["x"])
    c = finish(b, {"x": REAL}, [b.op("select", b.op("gt", "x", 0), "x", 0)])
    expected = claim("tested", inputs=5000, generator="mixed", seed=7)
    assert compare(a, c, seed=7, samples=5000).evidence == expected
    b = Builder(["x"])
    d = finish(b, {"x": REAL}, [b.op("abs", "x")])
    found = compare(a, d).counterexample
    assert found is not None and found.inputs["x"] < 0


def product(count: int, code: str) -> Module:
    """Middle bits of products: no small diagram, and too many inputs to enumerate."""

    def body(b: Builder, x: list[str]) -> str:
        half = count // 2
        p, q = (
            [b.op("mul", v, 1 << k) for k, v in enumerate(part)] for part in (x[:half], x[half:])
        )
        total = b.op("mul", b.op("add", *p), b.op("add", *q))
        if code == "swapped":
            total = b.op("mul", b.op("add", *q[::-1]), b.op("add", *p[::-1]))
        return b.op("mod", b.op("floordiv", total, 1 << half), 2)

    return on_entries(count, body)


def test_what_is_too_hard_is_labelled_tested() -> None:
    verdict = compare(product(40, "plain"), product(40, "swapped"), samples=1000, seed=3)
    assert verdict.evidence == claim("tested", inputs=1000, generator="uniform", seed=3)


def test_loops_without_end_are_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """10^9 iterations make no new value after the first, and are counted all the same."""
    monkeypatch.setattr("ddc.ir.equivalence.unroll.LARGEST_RUN", 1000)

    def body(b: Builder, x: list[str]) -> str:
        loop = b.loop("i", 0, 10**9)
        with b.body() as ops:
            value = b.op("and", x[0], x[1])
        return b.reduce("or", [loop], ops, value, "any")

    circuit, program = Circuit(), on_entries(2, body)
    with pytest.raises(TooLargeError):
        unroll(program, program.entry, {}, circuit, input_nodes(circuit, program.entry))


def test_budget_zero_leaves_only_diagrams() -> None:
    verdict = compare(rule30(), rule30_table(), {"N": 5}, budget=1)
    assert verdict.evidence == claim("proved", "diagrams", inputs=3, outputs=5)


@pytest.mark.parametrize(
    ("a", "b", "sizes", "message"),
    [
        (rule30(), rule30_table(), None, "at which size"),
        (rule30(), rule30_table(), {"M": 3}, "at which size"),
        (rule30(), on_entries(3, lambda b, x: x[0]), None, "result"),
        (on_entries(3, lambda b, x: x[0]), on_entries(4, lambda b, x: x[0]), None, "input %x"),
        (on_entries(3, lambda b, x: x[0]), on_entries(3, lambda b, x: x), None, "1 results"),
    ],
)
def test_programs_that_cannot_be_compared(
    a: Module, b: Module, sizes: dict[str, int] | None, message: str
) -> None:
    with pytest.raises(DdcError, match=message):
        compare(a, b, sizes)


# ---------------------------------------------------------------- against trying everything


def evidence_kind(evidence: Evidence | None) -> str:
    return "" if evidence is None else evidence.kind


@pytest.mark.parametrize("budget", [1 << 24, 1])
def test_mutants_of_random_programs(budget: int) -> None:
    """Never proved where brute force finds a difference, and always its smallest one."""
    seen = {True: 0, False: 0}
    for seed in range(250):
        rng = Random(seed)
        module = random_module(rng, Options(arrays=2, scalars=1, extent=2))
        sizes = {"N": rng.randint(2, 3)} if module.entry.sizes else {}
        mutant = mutate(rng, module)
        if mutant is None or count_inputs(module, sizes) > 5000:
            continue
        truth = first_difference(module, mutant, sizes)
        verdict = compare(module, mutant, sizes, budget=budget, samples=64)
        seen[truth is None] += 1
        if truth is None:
            assert verdict.same, f"seed {seed}"
        elif verdict.counterexample is not None:
            found = verdict.counterexample.inputs
            if budget > 1:
                assert all((found[k] == truth[k]).all() for k in truth), f"seed {seed}"
        else:
            assert evidence_kind(verdict.evidence) == "tested" and budget == 1, f"seed {seed}"
    assert min(seen.values()) > 20


def test_inputs_that_do_not_matter_have_values_of_their_types() -> None:
    types: dict[str, Type] = {
        "p": BIT,
        "r": Real(Fraction(1, 2), None),
        "n": Int(5, None),
        "m": Int(None, -3),
    }
    b = Builder(list(types))
    a = finish(b, types, [b.op("const", "p")])
    b = Builder(list(types))
    c = finish(b, types, [b.op("not", "p")])
    assert differs_at(compare(a, c), p=0, r=0.5, n=5, m=-3)
    b = Builder(list(types))
    d = finish(b, types, [b.op("mod", b.op("add", "p", 2), 2)])
    assert compare(a, d).evidence == claim("proved", "exhaustive", inputs=2, outputs=1)
