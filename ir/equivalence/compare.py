"""Compare two programs, or a program and a network: as proof where that can be had."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ddc.ir.errors import DdcError
from ddc.ir.evidence import Evidence, claim
from ddc.ir.inputs import dtype_of
from ddc.ir.interpreter import run
from ddc.ir.module import Function, Module
from ddc.ir.sizes import instantiate, solve_sizes
from ddc.ir.types import dims, element, levels, shape_of

from .circuit import Circuit, TooLargeError, UnsupportedError
from .engine import Condition, EmptyDomainError, Problem, Tally, decide
from .sampling import generator_name, sample
from .sides import CircuitSide, InterpretedSide, Oracle, OracleSide, Signature, Values
from .structural import same_structure
from .unroll import input_nodes, unroll
from .verdict import Answers, Counterexample, Verdict, same_numbers

REAL_TOLERANCE = 1e-12  # relative


def compare(
    a: Module,
    b: Module,
    sizes: Mapping[str, int] | None = None,
    *,
    budget: int = 1 << 24,
    seed: int = 0,
    samples: int = 1 << 16,
    real_tolerance: float = REAL_TOLERANCE,
) -> Verdict:
    """Return whether the entries of two modules give the same results on their domain.

    Inputs and results are matched by position. Where one function is generic and the other is
    not, the shapes of the other one give the sizes; where both are, `sizes` does. The domain is
    what both `where` clauses admit. Up to `budget` assignments of the inputs that an output sees
    are enumerated; beyond that decision diagrams are tried, and then `samples` random inputs.
    Raises `DdcError` where the functions differ in their inputs or results.
    """
    if not sizes and same_structure(a, b):
        return Verdict(claim("proved", "structural"))
    sizes_a, sizes_b = _sizes(a.entry, b.entry, sizes), _sizes(b.entry, a.entry, sizes)
    if same_structure(instantiate(a, sizes_a), instantiate(b, sizes_b)):
        return Verdict(claim("proved", "structural"))
    left, right = Signature(a.entry, sizes_a), Signature(b.entry, sizes_b)
    _check_signatures(left, right)
    circuit = Circuit()
    problem = Problem(
        _side(a, left, sizes_a, circuit),
        _side(b, right, sizes_b, circuit),
        outputs=sum(math.prod(shape_of(r.type)) for r in left.results),
        types=left.types,
        circuit=circuit,
        conditions=_domain([(a, left, sizes_a), (b, right, sizes_b)], circuit),
        budget=budget,
        tolerance=real_tolerance,
    )

    def answers(inputs: Mapping[str, Values]) -> tuple[Answers, Answers]:
        theirs = {q.name: inputs[p.name] for p, q in zip(left.params, right.params)}
        return run(a, inputs, sizes=sizes_a), run(b, theirs, sizes=sizes_b)

    return _verdict(problem, left, answers, samples, seed)


def exhaustive(
    program: Module,
    oracle: Oracle,
    sizes: Mapping[str, int] | None = None,
    *,
    budget: int = 1 << 24,
    seed: int = 0,
    samples: int = 1 << 16,
    real_tolerance: float = REAL_TOLERANCE,
) -> Verdict:
    """Return whether a program gives a network's decisions, on the program's domain.

    The flat inputs and outputs of both are matched by position. As `compare` otherwise.
    """
    known = _known(program.entry, sizes)
    signature = Signature(program.entry, known)
    circuit = Circuit()
    side = _side(program, signature, known, circuit)
    network = OracleSide(oracle, signature)
    outputs = sum(math.prod(shape_of(r.type)) for r in signature.results)
    if outputs != oracle.outputs:
        raise DdcError(f"the program has {outputs} outputs, the network {oracle.outputs}")
    problem = Problem(
        side,
        network,
        outputs=outputs,
        types=signature.types,
        circuit=circuit,
        conditions=_domain([(program, signature, known)], circuit),
        budget=budget,
        tolerance=real_tolerance,
    )

    def answers(inputs: Mapping[str, Values]) -> tuple[Answers, Answers]:
        flat = [inputs[p.name].ravel() for p in signature.params]
        row = np.concatenate(flat) if flat else np.zeros(0, dtype=np.int64)
        decided = oracle.evaluate(row.astype(np.int64)[None], range(outputs))[0]
        shapes = [shape_of(r.type) for r in signature.results]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        theirs = [part.reshape(s) for part, s in zip(np.split(decided, ends), shapes)]
        return run(program, inputs, sizes=known), tuple(theirs)

    return _verdict(problem, signature, answers, samples, seed)


# ---------------------------------------------------------------- sizes and signatures


def _sizes(one: Function, other: Function, sizes: Mapping[str, int] | None) -> dict[str, int]:
    """Return the sizes of one function: as given, or from the shapes of a fixed other one."""
    if not one.sizes:
        return {}
    given = {size.name: sizes[size.name] for size in one.sizes if sizes and size.name in sizes}
    if len(given) == len(one.sizes):
        return _known(one, given)
    if other.sizes or len(one.params) != len(other.params):
        missing = next(size.name for size in one.sizes if size.name not in given)
        raise DdcError(f"@{one.name} works for any {missing}: at which size should it be compared?")
    shapes = {p.name: shape_of(q.type) for p, q in zip(one.params, other.params)}
    return solve_sizes(one, shapes, given)


def _known(function: Function, sizes: Mapping[str, int] | None) -> dict[str, int]:
    known: dict[str, int] = {}
    for size in function.sizes:
        if sizes is None or size.name not in sizes:
            raise DdcError(f"@{function.name} needs the size {size.name}")
        known[size.name] = sizes[size.name]
        if known[size.name] < size.minimum:
            raise DdcError(f"@{function.name} works for {size.name} >= {size.minimum}")
    return known


def _check_signatures(left: Signature, right: Signature) -> None:
    if len(left.params) != len(right.params):
        raise DdcError(f"{len(left.params)} inputs against {len(right.params)}")
    if len(left.results) != len(right.results):
        raise DdcError(f"{len(left.results)} results against {len(right.results)}")
    for p, q in zip(left.params, right.params):
        x, y = element(p.type), element(q.type)
        alike = x == y or (levels(x) == levels(y) and levels(x) is not None)
        if dims(p.type) != dims(q.type) or not alike:
            raise DdcError(f"the input %{p.name} is {p.type} against {q.type}")
    for p, q in zip(left.results, right.results):
        if dims(p.type) != dims(q.type):
            raise DdcError(f"the result %{p.name} is {p.type} against {q.type}")


def _side(
    module: Module, signature: Signature, sizes: Mapping[str, int], circuit: Circuit
) -> InterpretedSide | CircuitSide:
    interpreted = InterpretedSide(module, signature, sizes)
    try:
        fixed = replace(module.entry, params=signature.params)
        results = unroll(module, module.entry, sizes, circuit, input_nodes(circuit, fixed))
    except (UnsupportedError, TooLargeError):
        return interpreted
    nodes = [node for result in results for node in result.ravel().tolist()]
    return CircuitSide(circuit, nodes, interpreted)


def _domain(
    programs: Sequence[tuple[Module, Signature, Mapping[str, int]]], circuit: Circuit
) -> list[Condition]:
    """Return what the domains of the programs ask for, split into conditions."""
    found: list[Condition] = []
    for module, _, sizes in programs:
        where = module.entry.where
        function = None if where is None else module.function(where)
        if function is None:
            continue
        own = Module((function,), module.constants)
        signature = Signature(function, sizes)
        side = _side(own, signature, sizes, circuit)
        if isinstance(side, CircuitSide) and not side.on_reals(side.nodes):
            nodes = [k for node in side.nodes for k in _conjuncts(circuit, node)]
            side = CircuitSide(circuit, nodes, side.interpreted)
            count = len(nodes)
        else:
            count = sum(math.prod(shape_of(r.type)) for r in signature.results)
        found += [Condition(side, k) for k in range(count)]
    return found


def _conjuncts(circuit: Circuit, node: int) -> list[int]:
    """Return the operands of nested `and`s."""
    result: list[int] = []
    stack = [node]
    while stack:
        node = stack.pop()
        if circuit.codes[node] == "and":
            stack += circuit.operands[node]
        else:
            result.append(node)
    return result


# ---------------------------------------------------------------- verdicts


def _verdict(
    problem: Problem,
    signature: Signature,
    answers: Callable[[Mapping[str, Values]], tuple[Answers, Answers]],
    samples: int,
    seed: int,
) -> Verdict:
    try:
        tally = decide(problem)
    except EmptyDomainError:
        return Verdict(claim("proved", "exhaustive", inputs=0))
    found: tuple[Any, ...] | None = None
    if tally.found:
        digits = min(tally.found)
        found = tuple(problem.value(k, d) for k, d in enumerate(digits))
    tried = 0
    if tally.open and found is None:
        tried, found = sample(problem, tally.open, samples, seed)
    if found is None:
        return Verdict(_evidence(problem, tally, tried, seed))
    inputs = _inputs(signature, found)
    left, right = answers(inputs)
    agree = all(
        np.all(same_numbers(x, y, problem.tolerance)) for x, y in zip(left, right, strict=True)
    )
    if agree:
        raise RuntimeError(f"the programs agree on what was found as a counterexample: {inputs}")
    names = tuple(r.name for r in signature.results)
    return Verdict(None, Counterexample(inputs, left, right, names))


def _inputs(signature: Signature, found: Sequence[Any]) -> dict[str, Values]:
    """Return the parameters from the values of all flat inputs."""
    result: dict[str, Values] = {}
    position = 0
    for param in signature.params:
        shape = shape_of(param.type)
        count = math.prod(shape)
        flat = np.array(found[position : position + count], dtype=dtype_of(param.type))
        result[param.name] = flat.reshape(shape)
        position += count
    return result


def _evidence(problem: Problem, tally: Tally, tried: int, seed: int) -> Evidence:
    exact = problem.left.exact and problem.right.exact
    if tally.open:
        generator = generator_name(problem.types)
        return claim("tested", inputs=tried, generator=generator, seed=seed)
    if not exact:
        return claim("tested", inputs=tally.largest, generator="exhaustive")
    if tally.diagrams:
        return claim("proved", "diagrams", inputs=tally.widest, outputs=problem.outputs)
    if tally.largest == problem.count(range(len(problem.types))):
        return claim("proved", "exhaustive", inputs=tally.largest)
    return claim("proved", "exhaustive", inputs=tally.largest, outputs=problem.outputs)
