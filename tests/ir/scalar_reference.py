"""A second, deliberately naive meaning of programs: one number at a time, Python ints, recursion.

It shares no code with the interpreter beyond the data structures, so that the two can be held
against each other.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

from ddc.ir import Affine, Block, Function, Global, Module, Op, Quotient, levels, value_types
from ddc.ir import element as element_of

Env = dict[str, Any]


def evaluate(module: Module, inputs: dict[str, Any], sizes: dict[str, int]) -> list[Any]:
    """Return the results of the entry function as nested lists and numbers."""
    function = module.entry
    env: Env = {f"@{name}": constant.array.tolist() for name, constant in module.constants}
    env |= {f"size {name}": value for name, value in sizes.items()}
    env |= inputs
    scalar = _Scalar(module, function)
    scalar.run(function.body, env)
    return [scalar.operand(o, env) for o in function.body.yields]


def affine(expression: Affine, env: Env) -> int:
    total = expression.const
    for symbol, coefficient in expression.terms:
        if isinstance(symbol, Quotient):
            inner = affine(symbol.of, env)
            value = inner // symbol.by if symbol.kind == "floordiv" else inner % symbol.by
        else:
            value = env[symbol[1:]] if symbol.startswith("%") else env[f"size {symbol}"]
        total += coefficient * value
    return total


def shape_of(value: Any) -> list[int]:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def entries(value: Any) -> list[Any]:
    return [e for v in value for e in entries(v)] if isinstance(value, list) else [value]


def nested(flat: list[Any], shape: list[int]) -> Any:
    if not shape:
        return flat[0]
    step = math.prod(shape[1:])
    return [nested(flat[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0])]


class _Scalar:
    def __init__(self, module: Module, function: Function) -> None:
        self.types = value_types(function, module)

    def operand(self, operand: Any, env: Env) -> Any:
        if isinstance(operand, Global):
            return env[f"@{operand.name}"]
        if isinstance(operand, str):
            return env[operand]
        return float(operand) if isinstance(operand, Fraction) else operand

    def run(self, block: Block, env: Env) -> None:
        for op in block.ops:
            if op.code == "map":
                self.map(op, env)
            elif op.code == "reduce":
                env[op.result] = self.reduce(op, env)
            elif op.code == "scan":
                self.scan(op, env)
            else:
                env[op.result] = self.simple(op, env)

    def boxes(self, op: Op, env: Env, depth: int = 0) -> Any:
        """Set the loop variables to each place of the box in turn."""
        if depth == len(op.loops):
            yield
            return
        loop = op.loops[depth]
        for value in range(affine(loop.low, env), affine(loop.high, env)):
            env[loop.var] = value
            yield from self.boxes(op, env, depth + 1)

    def map(self, op: Op, env: Env) -> None:
        assert op.body is not None
        columns: list[list[Any]] = [[] for _ in op.results]
        for _ in self.boxes(op, env):
            self.run(op.body, env)
            for column, operand in zip(columns, op.body.yields):
                column.append(self.operand(operand, env))
        shape = [affine(loop.extent, env) for loop in op.loops]
        for name, column in zip(op.results, columns):
            env[name] = nested(column, shape)

    def reduce(self, op: Op, env: Env) -> Any:
        assert op.body is not None
        seen: list[Any] = []
        places: list[int] = []
        for _ in self.boxes(op, env):
            self.run(op.body, env)
            seen.append(self.operand(op.body.yields[0], env))
            places.append(env[op.loops[0].var])
        kind = op.attr("kind")
        if kind in ("add", "count"):
            return sum(seen)
        if kind == "xor":
            return sum(seen) % 2
        if kind == "and":
            return int(all(seen))
        if kind == "or":
            return int(any(seen))
        if kind == "argmax":
            return places[seen.index(max(seen))]
        return min(seen) if kind == "min" else max(seen)

    def scan(self, op: Op, env: Env) -> None:
        assert op.body is not None
        for state in op.states:
            env[state.name] = self.operand(state.init, env)
        columns: list[list[Any]] = [[] for _ in op.body.yields]
        for _ in self.boxes(op, env):
            self.run(op.body, env)
            for column, operand in zip(columns, op.body.yields):
                column.append(self.operand(operand, env))
            nexts = [self.operand(o, env) for o in op.body.nexts]
            env.update({state.name: value for state, value in zip(op.states, nexts)})
        finals = [env[state.name] for state in op.states]
        env.update(dict(zip(op.results, [*columns, *finals])))

    def simple(self, op: Op, env: Env) -> Any:
        if op.code == "index":
            return affine(op.index[0].at, env)
        values = [self.operand(o, env) for o in op.operands]
        if op.code == "load":
            marks = [(affine(i.at, env), i.border, i.other) for i in op.index]
            return self.entry(values[0], marks)
        if op.code == "gather":
            border, other = op.attr("border") or "inside", op.attr("else")
            return self.entry(values[0], [(v, border, other) for v in values[1:]])
        if op.code == "concat":
            return [entry for value in values for entry in value]
        if op.code == "pack":
            return nested(values, [d.const for d in op.shape])
        if op.code == "reshape":
            return nested(entries(values[0]), [d.const for d in op.shape])
        if op.code == "argmax":
            return self.argmax(values[0])
        if op.code == "onehot":
            return self.onehot(op, values[0])
        shapes = [shape_of(v) for v in values if isinstance(v, list)]
        if not shapes:
            return self.elementwise(op, values)
        columns = [entries(v) if isinstance(v, list) else None for v in values]
        count = math.prod(shapes[0])
        flat = [
            self.elementwise(op, [v if c is None else c[k] for v, c in zip(values, columns)])
            for k in range(count)
        ]
        return nested(flat, shapes[0])

    def entry(self, value: Any, marks: list[Any]) -> Any:
        for place, border, other in marks:
            if not isinstance(value, list):
                break
            if border == "else" and not 0 <= place < len(value):
                return float(other) if isinstance(other, Fraction) else other
            if border == "wrap":
                place %= len(value)
            if border == "clamp":
                place = min(max(place, 0), len(value) - 1)
            assert 0 <= place < len(value)
            value = value[place]
        return value

    def argmax(self, value: Any) -> Any:
        if isinstance(value[0], list):
            return [self.argmax(row) for row in value]
        return value.index(max(value))

    def onehot(self, op: Op, value: Any) -> Any:
        if isinstance(value, list):
            return [self.onehot(op, v) for v in value]
        return [int(value == k) for k in range(int(str(op.attr("size"))))]

    def elementwise(self, op: Op, v: list[Any]) -> Any:
        code = op.code
        if code == "table":
            return self.table(op, v)
        if code == "threshold":
            weights = op.attr("weights") or (1,) * len(v)
            assert isinstance(weights, tuple)
            return int(sum(w * x for w, x in zip(weights, v)) >= op.attr("least"))
        if code == "bin":
            cuts = op.attr("at")
            assert isinstance(cuts, tuple)
            return sum(1 for c in cuts if v[0] >= c)
        return _SIMPLE[code](*v)

    def table(self, op: Op, values: list[Any]) -> Any:
        kinds = [
            (o,) if isinstance(o, int) else levels(element_of(self.types[str(o)]))
            for o in op.operands
        ]
        cases = list(itertools.product(*[k or () for k in kinds]))
        found = op.attr("entries")
        assert isinstance(found, tuple)
        entry = found[cases.index(tuple(values))]
        return float(entry) if isinstance(entry, Fraction) else entry


def _fold(function: Any) -> Any:
    def run(*values: Any) -> Any:
        total = values[0]
        for value in values[1:]:
            total = function(total, value)
        return total

    return run


_SIMPLE: dict[str, Any] = {
    "const": lambda a: a,
    "not": lambda a: 1 - a,
    "and": lambda *v: int(all(v)),
    "or": lambda *v: int(any(v)),
    "xor": lambda *v: sum(v) % 2,
    "add": _fold(lambda a, b: a + b),
    "mul": _fold(lambda a, b: a * b),
    "sub": lambda a, b: a - b,
    "neg": lambda a: -a,
    "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "pow": lambda a, b: a**b,
    "abs": abs,
    "min": lambda *v: min(v),
    "max": lambda *v: max(v),
    "eq": lambda a, b: int(a == b),
    "ne": lambda a, b: int(a != b),
    "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b),
    "gt": lambda a, b: int(a > b),
    "ge": lambda a, b: int(a >= b),
    "select": lambda c, a, b: a if c else b,
    "sign": lambda a: (a > 0) - (a < 0),
    "step": lambda a: int(a > 0),
    "round": lambda a: round(a),
}
