"""Rewrites of the IR into forms for which Python has an idiom; each keeps the meaning.

* A count of bits that is at least 1 is `any`; the greater of two is a comparison.
* `a and not b`, added up, is `a > b`.
* A scan whose state is a function of the last sum (`carry = total // 3`) keeps the sum instead, where
  only then one expression says it all: `[(total := total // 3 + a + b) % 3 for a, b in zip(a, b)]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from ddc.ir import (
    Block,
    Builder,
    Function,
    Module,
    Op,
    Operand,
    Param,
    Type,
    attributes,
    dims,
    element,
    int_bounds,
    int_type,
    operands_of,
    value_types,
    verify,
    walk,
)
from ddc.ir.interpreter import run

MOST_OPS = 6  # ops between the sum that a scan keeps and its state


def idiomatic(function: Function, module: Module, plain: bool) -> Function:
    """Return the function with what Python says shorter in other words."""
    rewriter = _Rewriter(function, module, plain)
    changed = replace(function, body=rewriter.block(function.body))
    if rewriter.retimed and verify(replace(module, functions=(changed, *module.functions[1:]))):
        rewriter = _Rewriter(function, module, plain, keep_states=True)
        changed = replace(function, body=rewriter.block(function.body))
    return changed


class _Rewriter:
    def __init__(
        self, function: Function, module: Module, plain: bool, keep_states: bool = False
    ) -> None:
        self.types: Mapping[str, Type] = value_types(function, module)
        ops = list(walk(function.body))
        self.ops = {name: op for op in ops for name in op.results}
        used = [o for op in ops for o in operands_of(op)] + list(function.body.yields)
        used += [s[1:] for op in ops for i in op.index for s in i.at.symbols() if s[0] == "%"]
        for op in ops:
            used += [s[1:] for v in op.loops for s in (v.low.symbols() | v.high.symbols())]
        self.count = Counter(o for o in used if isinstance(o, str))
        names = {p.name for p in (*function.params, *function.results)} | set(self.ops)
        names |= {v.var for op in ops for v in op.loops} | {s.name for op in ops for s in op.states}
        self.build = Builder(names)
        self.plain, self.keep_states = plain, keep_states
        counted = [o for op in ops if op.code in ("add", "sub") for o in op.operands]
        self.counted = {o for o in counted if isinstance(o, str) and self.count[o] == 1}
        self.retimed = False

    def block(self, block: Block) -> Block:
        ops: list[Op] = []
        for op in block.ops:
            if op.body is not None:
                op = replace(op, body=self.block(op.body))
            ops.append(self.some(op, ops) if op.code in _COUNTS else self.op(op))
        return replace(block, ops=tuple(_absorbed(ops)))

    def op(self, op: Op) -> Op:
        if op.code == "reduce" and op.attr("kind") == "argmax":
            return self.greater(op)
        if op.code == "and" and self.plain:
            return self.more(op)
        if op.code == "scan" and not self.keep_states:
            return self.state(op)
        return op

    def more(self, op: Op) -> Op:
        """Return `a and not b` where it is added up as whether a is more than b."""
        pair = [self.ops.get(o) if isinstance(o, str) else None for o in op.operands]
        for k, negation in enumerate(pair[:2]):
            if len(pair) == 2 and negation is not None and negation.code == "not":
                other = op.operands[1 - k]
                one = self.count[str(op.operands[k])] == 1
                bits = isinstance(other, str) and not dims(self.types[other])
                if one and bits and op.result in self.counted:
                    return replace(op, code="gt", operands=(other, negation.operands[0]))
        return op

    def some(self, op: Op, before: Sequence[Op]) -> Op:
        """Return a comparison of a count of bits with 0 as whether any is set."""
        count, bound = op.operands if isinstance(op.operands[0], str) else op.operands[::-1]
        code = op.code if isinstance(op.operands[0], str) else _TURNED[op.code]
        source = next((o for o in before if o.results == (count,)), None)
        negated = _COUNTS[code].get(bound) if isinstance(bound, int) else None
        if source is None or negated is None or self.count[str(count)] != 1:
            return op
        if source.code != "reduce" or source.attr("kind") not in ("add", "count"):
            return op
        assert source.body is not None
        (value,) = source.body.yields
        if not isinstance(value, str) or int_bounds(element(self.types[value])) != (0, 1):
            return op
        # The reduction is rewritten where it stands, which `_absorbed` does on seeing this pair.
        code = "not" if negated else "const"
        return replace(op, code=code, operands=(count,), attrs=attributes(any="count"))

    def greater(self, op: Op) -> Op:
        """Return the place of the greater of two packed ints as a comparison."""
        assert op.body is not None
        (loop,) = op.loops
        inner = op.body.ops
        if len(inner) != 1 or inner[0].code != "load" or op.body.yields != inner[0].results:
            return op
        array = inner[0].operands[0]
        pack = self.ops.get(array) if isinstance(array, str) else None
        if pack is None or pack.code != "pack" or len(pack.operands) != 2:
            return op
        whole = loop.low.is_const and loop.low.const == 0 and loop.high.is_const
        ints = all(
            isinstance(o, int)
            or (isinstance(o, str) and int_bounds(element(self.types[o])) is not None)
            for o in pack.operands
        )
        at = inner[0].index[0].at
        if not whole or loop.high.const != 2 or not ints or str(at) != loop.symbol:
            return op
        first, second = pack.operands
        return Op("gt", op.results, (second, first), origin=op.origin)

    # ------------------------------------------------------------ states

    def state(self, op: Op) -> Op:
        """Return a scan that keeps the last sum instead of a function of it."""
        body = op.body
        assert body is not None
        if len(op.states) != 1 or any(self.count[r] for r in op.results[len(body.yields) :]):
            return op
        if any(inner.body is not None for inner in body.ops) or not body.ops:
            return op
        state, (following,) = op.states[0], body.nexts
        if dims(state.type) or not isinstance(state.init, int):
            return op
        if set(self.behind(body, {str(following)})) & set(body.yields) | {following} & set(
            body.yields
        ):
            return op  # a running value as it is
        moved = self.behind(body, {state.name})
        for name in moved:
            after = self.behind(body, {name})
            if name == following or following not in after:
                continue
            skipped = set(self.behind(body, {state.name}, without=name))
            if {following, *body.yields} & skipped:
                continue
            steps = [o for o in body.ops if o.result in after and self.leads(body, o, following)]
            pure = {name, *(o.result for o in steps)}
            if len(steps) > MOST_OPS or any(set(_names(o)) - pure or o.index for o in steps):
                continue
            start = self.start(name, steps, str(following), state.init)
            bounds = int_bounds(element(self.types[name]))
            if start is None or bounds is None:
                continue
            return self.kept(op, name, steps, start, bounds)
        return op

    def behind(self, body: Block, names: set[str], without: str = "") -> list[str]:
        """Return the values of a body that depend on some names, not by way of another."""
        found = set(names)
        result: list[str] = []
        for op in body.ops:
            if op.result != without and found & set(_names(op)):
                found.add(op.result)
                result.append(op.result)
        return result

    def leads(self, body: Block, op: Op, value: Operand) -> bool:
        """Tell whether a value depends on what an op defines, or is it."""
        return op.result == value or value in self.behind(body, {op.result})

    def start(self, name: str, steps: Sequence[Op], value: str, wanted: int) -> int | None:
        """Return a small number of which the steps make the wanted one."""
        bounds = int_bounds(element(self.types[name]))
        if bounds is None:
            return None
        param = Param(name, int_type(-64, 64))
        result = Param("result", int_type(None, None))
        function = Function("start", (param,), (result,), Block(tuple(steps), (value,)))
        module = Module((function,))
        if verify(module):
            return None
        numbers: list[int] = [0, wanted, *range(1, 17), *range(-1, -17, -1)]
        for number in numbers:
            if abs(number) <= 64 and int(run(module, {name: number})[0]) == wanted:
                return int(number)
        return None

    def kept(
        self,
        op: Op,
        name: str,
        steps: Sequence[Op],
        start: int,
        bounds: tuple[int | None, int | None],
    ) -> Op:
        """Return the scan with another state: the value `name`."""
        body = cast(Block, op.body)
        state, (following,) = op.states[0], body.nexts
        low, high = bounds
        kind = int_type(
            None if low is None else min(low, start), None if high is None else max(high, start)
        )
        fresh = {name: self.build.fresh(name)}  # the state takes the name
        before = {name: name, **{o.result: self.build.fresh(o.result) for o in steps}}
        first = [_renamed(o, before) for o in steps]
        rest = [_renamed(o, {**fresh, state.name: before[str(following)]}) for o in body.ops]
        rest = [replace(o, results=tuple(fresh.get(r, r) for r in o.results)) for o in rest]
        yields = tuple(fresh.get(y, y) if isinstance(y, str) else y for y in body.yields)
        block = replace(body, ops=(*first, *rest), yields=yields, nexts=(fresh[name],))
        self.retimed = True
        kept = replace(state, name=name, type=kind, init=start)
        return replace(op, states=(kept,), body=block)


_COUNTS: dict[str, dict[int, bool]] = {  # comparisons of a count: with what, and whether negated
    "ge": {1: False},
    "gt": {0: False},
    "ne": {0: False},
    "eq": {0: True},
    "lt": {1: True},
    "le": {0: True},
}
_TURNED = {"ge": "le", "gt": "lt", "ne": "ne", "eq": "eq", "lt": "gt", "le": "ge"}


def _names(op: Op) -> Iterable[str]:
    return [o for o in operands_of(op) if isinstance(o, str)]


def _renamed(op: Op, names: Mapping[str, str]) -> Op:
    operands = tuple(names.get(o, o) if isinstance(o, str) else o for o in op.operands)
    results = tuple(names.get(r, r) for r in op.results)
    return replace(op, operands=operands, results=results)


def _absorbed(ops: Sequence[Op]) -> list[Op]:
    """Make the reductions that only a test for any reads such tests themselves."""
    tests = {o.operands[0]: o for o in ops if o.attr("any") == "count"}
    found: list[Op] = []
    for op in ops:
        test = tests.get(op.result) if op.code == "reduce" else None
        if test is not None:
            test_kind = attributes(**{**dict(op.attrs), "kind": "or"})
            found.append(replace(op, attrs=test_kind))
        elif op.attr("any") == "count":
            found.append(replace(op, attrs=()))
        else:
            found.append(op)
    return found
