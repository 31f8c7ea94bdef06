"""Expressions: what each node of Python's syntax evaluates to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ddc.ir import DdcError

from . import arrays
from .array_library import GRIDS
from .emitter import Operand
from .scopes import Scopes
from .syntax import SIGNS
from .values import (
    Arr,
    Builtin,
    DeadPath,
    DType,
    Function,
    Guarded,
    Items,
    Mapping,
    Partial,
    Poison,
    Scope,
    Stream,
    Value,
    is_number,
    next_serial,
)
from .wording import describe, python_type, shown

DEEPEST = 200  # nested expressions, statements and calls, together


class Expressions(Scopes):
    """Evaluates expressions in a scope; functions of the program are called by `Statements`."""

    @contextmanager
    def deeper(self, node: ast.AST) -> Iterator[None]:
        """Count nesting, so that a program nested too deeply is an error."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"nesting beyond {DEEPEST} levels is not understood", node)
        try:
            yield
        finally:
            self.depth -= 1

    def evaluate(self, node: ast.expr) -> Value:
        """Return the value of an expression."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise self.error(f"{describe(node)} is not understood", node)
        self.steps += 1
        if self.steps > self.limit:
            self.charge(0)
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"nesting beyond {DEEPEST} levels is not understood", node)
        outer, self.node = self.node, node
        value = rule(self, node)
        self.node = outer
        self.depth -= 1
        if isinstance(value, Poison):
            raise self.error(value.why, node)
        if isinstance(value, (Items, Mapping)):
            self.current(value)
        elif isinstance(value, Arr):
            self.current(value.buffer)
        return value

    # ------------------------------------------------------------ names

    def name_node(self, node: Any) -> Value:
        return self.read(node.id, node)

    def constant_node(self, node: Any) -> Value:
        value = node.value
        if isinstance(value, (bool, int, float, str)) or value is None or value is Ellipsis:
            return value
        raise self.error(f"a literal of type {type(value).__name__} is not understood", node)

    # ------------------------------------------------------------ displays

    def tuple_node(self, node: Any) -> Value:
        return tuple(self._elements(node.elts))

    def list_node(self, node: Any) -> Value:
        return Items(self._elements(node.elts))

    def set_node(self, node: Any) -> Value:
        return frozenset(self.key(v) for v in self._elements(node.elts))

    def _elements(self, nodes: Sequence[ast.expr]) -> list[Value]:
        found: list[Value] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self.plain_list(self.evaluate(node.value))
            else:
                found.append(self.evaluate(node))
        return found

    def dict_node(self, node: Any) -> Value:
        found: dict[Value, Value] = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                more = self.evaluate(value)
                if not isinstance(more, Mapping):
                    raise self.error("'**' of what is no dict is not understood", value)
                found.update(more.items)
            else:
                found[self.key(self.evaluate(key))] = self.evaluate(value)
        return Mapping(found)

    # ------------------------------------------------------------ operators

    def binary_node(self, node: Any) -> Value:
        """Evaluate a chain of left operands without recursion: sums may have many terms."""
        chain: list[Any] = []
        while isinstance(node, ast.BinOp):
            chain.append(node)
            node = node.left
        value = self.evaluate(node)
        for step in reversed(chain):
            other = self.evaluate(step.right)
            self.node = step
            self.charge(1)
            value = self.binary(SIGNS[type(step.op)], value, other)
        return value

    def binary(self, sign: str, a: Value, b: Value) -> Value:
        """Return `a sign b`."""
        try:
            if is_number(a) and is_number(b):
                return self.numbers.binary(sign, a, b)
            if isinstance(a, Arr) or isinstance(b, Arr):
                return arrays.binary(self, sign, a, b)
        except DdcError as error:
            raise self.located(error) from None
        return self.join_containers(sign, a, b)

    def unary(self, node: Any) -> Value:
        value = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not):
            return self.numbers.value(self.graph.not_(self.truth(value)), "bool")
        sign = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(node.op)]
        if isinstance(value, Arr):
            return arrays.unary(self, sign, value)
        if not is_number(value):
            raise self.error(f"'{sign}' of {python_type(value)} is not understood", node)
        rule = {"-": self.numbers.negate, "+": self.numbers.plus, "~": self.numbers.invert}[sign]
        try:
            return rule(value)
        except DdcError as error:
            raise self.located(error) from None

    def bool_op(self, node: Any) -> Value:
        """`and` and `or`: operands after an undecided one are evaluated as if it had let them."""
        goes_on = isinstance(node.op, ast.And)
        undecided: list[tuple[Operand, Value]] = []
        base, depth = len(self.path), self.depth
        value: Value = goes_on
        with self.unchanging("the operand of 'and' or 'or'", undecided):
            for k, part in enumerate(node.values):
                try:
                    value = self.evaluate(part)
                    if k == len(node.values) - 1:
                        break
                    bit = self.truth(value)
                except DeadPath:
                    if not undecided:
                        raise
                    self.depth, self.node = depth, node
                    value = undecided.pop()[1]
                    break
                known = self.decided(bit)
                if known is not None:
                    if known != goes_on:
                        break
                    continue
                undecided.append((bit, self._constant_side(value, not goes_on)))
                self.path.append(bit if goes_on else self.graph.not_(bit))
            del self.path[base:]
        for bit, stop in reversed(undecided):
            condition = bit if goes_on else self.graph.not_(bit)
            value = self.pick_one(condition, value, stop)
        return value

    def _constant_side(self, value: Value, truth: bool) -> Value:
        """Return a value that is known to be true or false as a constant, where that says all."""
        if is_number(value) and (not truth or self.graph.is_bit(self.numbers.operand(value))):
            if value.kind in ("bool", "int"):
                return truth if value.kind == "bool" else int(truth)
        return value

    @contextmanager
    def unchanging(self, where: str, undecided: Sequence[object]) -> Iterator[None]:
        """Run what may not change anything once something is undecided."""
        serial = next_serial()
        with self.journal() as journal:
            yield
            changed = [t for t, _ in journal.before.values() if t.serial < serial]
            if undecided and changed:
                raise self.error(f"an assignment or change in {where} is not understood")

    def if_exp(self, node: Any) -> Value:
        bit = self.truth(self.evaluate(node.test))
        known = self.decided(bit)
        if known is not None:
            return self.evaluate(node.body if known else node.orelse)
        assert isinstance(bit, str)
        base = len(self.path)
        try:
            return self.branch(
                bit, [lambda: self.evaluate(node.body), lambda: self.evaluate(node.orelse)]
            )
        finally:
            del self.path[base:]

    def comparison(self, node: Any) -> Value:
        left = self.evaluate(node.left)
        found: list[Value] = []
        base = len(self.path)
        with self.unchanging("a chained comparison", found):
            for op, right_node in zip(node.ops, node.comparators):
                right = self.evaluate(right_node)
                self.node = right_node
                value = self.compare(SIGNS[type(op)], left, right)
                left = right
                if len(node.ops) == 1:
                    return value
                bit = self.truth(value)
                known = self.decided(bit)
                if known is False:
                    found.append(False)
                    break
                if known is None:
                    found.append(value)
                    self.path.append(bit)
            del self.path[base:]
        return self.numbers.value(self.graph.and_([self.truth(v) for v in found]), "bool")

    # ------------------------------------------------------------ subscripts, attributes, calls

    def subscript(self, node: Any) -> Value:
        value = self.evaluate(node.value)
        place = self.evaluate(node.slice)
        self.node = node
        if isinstance(value, Builtin) and value.name in GRIDS:
            return GRIDS[value.name](self, place)
        return self.item(value, place)

    def slice_node(self, node: Any) -> Value:
        parts = [
            None if p is None else self.evaluate(p) for p in (node.lower, node.upper, node.step)
        ]
        return slice(*(p if p is None or is_number(p) else self.whole(p, "a slice") for p in parts))

    def attribute(self, node: Any) -> Value:
        from .attributes import attribute

        return attribute(self, self.evaluate(node.value), node.attr)

    def call_node(self, node: Any) -> Value:
        function = self.evaluate(node.func)
        args = self._elements(node.args)
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                named[keyword.arg] = value
                continue
            if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value.items):
                raise self.error("'**' of what is no dict is not understood", node)
            named.update(value.items)
        self.node = node
        return self.call(function, args, named)

    def call(self, function: Value, args: Sequence[Value], named: dict[str, Value]) -> Value:
        """Return the result of a call."""
        if isinstance(function, Function):
            return self.call_function(function, list(args), named)
        self.charge(1)
        try:
            if isinstance(function, Builtin) and function.call is not None:
                return function.call(self, *args, **named)
            if isinstance(function, Partial):
                return function.call(*args, **named)
            if isinstance(function, DType):
                return arrays.conversion(function.dtype)(self, *args, **named)
            raise self.error(f"calling {python_type(function)} is not understood")
        except DdcError as error:
            raise self.located(error) from None
        except TypeError as error:
            if "argument" not in str(error):
                raise
            what = shown(getattr(function, "name", "this call"))
            raise self.error(f"{what} with these arguments is not understood") from None

    def call_function(
        self, function: Function, args: list[Value], named: dict[str, Value]
    ) -> Value:
        """Return the result of a function of the program."""
        raise NotImplementedError

    def lambda_node(self, node: Any) -> Value:
        return self.make_function("lambda", node)

    def make_function(self, name: str, node: ast.FunctionDef | ast.Lambda) -> Function:
        """Return a function; its default values are evaluated now."""
        spec = node.args
        defaults: dict[str, Value] = {}
        places = [*spec.posonlyargs, *spec.args]
        for arg, value in zip(reversed(places), reversed(spec.defaults)):
            defaults[arg.arg] = self.evaluate(value)
        for arg, given in zip(spec.kwonlyargs, spec.kw_defaults):
            if given is not None:
                defaults[arg.arg] = self.evaluate(given)
        scope: Scope | None = self.scope
        while scope is not None:
            scope.captured = True
            scope = scope.parent
        return Function(name, node, self.scope, defaults)

    def walrus(self, node: Any) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target.id, value)
        return value

    # ------------------------------------------------------------ comprehensions

    def list_comp(self, node: Any) -> Value:
        return Items(list(self._generate(node, lambda: self.evaluate(node.elt))))

    def set_comp(self, node: Any) -> Value:
        found = list(self._generate(node, lambda: self.evaluate(node.elt)))
        return frozenset(self.key(v) for v in found)

    def dict_comp(self, node: Any) -> Value:
        def pair() -> Value:
            return self.key(self.evaluate(node.key)), self.evaluate(node.value)

        found = list(self._generate(node, pair))
        if any(isinstance(v, Guarded) for v in found):
            raise self.error("a dict whose keys depend on the input is not understood", node)
        return Mapping(dict(found))

    def generator(self, node: Any) -> Value:
        return Stream(self._generate(node, lambda: self.evaluate(node.elt)))

    def _generate(self, node: Any, element: Callable[[], Value]) -> Iterator[Value]:
        """Yield the elements; those behind an undecided filter are guarded by it."""
        first = self.iterate(self.evaluate(node.generators[0].iter))
        own = frozenset(
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        )
        scope = Scope({}, self.scope, own)
        # Filters that are undecided change nothing: what they guard is evaluated as if they held.
        return self._loop(node.generators, 0, first, scope, element, [])

    def _loop(
        self,
        generators: Sequence[ast.comprehension],
        place: int,
        source: Iterator[Value],
        scope: Scope,
        element: Callable[[], Value],
        guards: list[Operand],
    ) -> Iterator[Value]:
        generator = generators[place]
        for item in source:
            self.charge(1)
            if isinstance(item, Guarded):
                there, item = [item.there], item.value
            else:
                there = []
            outer, depth, node = self.scope, self.depth, self.node
            base = len(self.path)
            self.scope, self.depth = scope, depth + 1
            self.path += [g for g in [*guards, *there] if isinstance(g, str)]
            try:
                scope.items.update(self.targets(generator.target, item))
                more = self._filters(generator.ifs)
                if more is None:
                    continue
                held = [*guards, *there, *more]
                if place + 1 < len(generators):
                    inner = self.iterate(self.evaluate(generators[place + 1].iter))
                    found = self._loop(generators, place + 1, inner, scope, element, held)
                    results = list(found)
                else:
                    value = element()
                    results = [self.guarded(held, value)]
            except DeadPath:
                if not there and not guards:
                    raise
                continue
            finally:
                self.scope, self.depth, self.node = outer, depth, node
                del self.path[base:]
            yield from results

    def _filters(self, tests: Sequence[ast.expr]) -> list[Operand] | None:
        """Return the undecided filters, assumed from here on; None where one is false."""
        undecided: list[Operand] = []
        with self.unchanging("the filter of a comprehension", undecided):
            for test in tests:
                bit = self.truth(self.evaluate(test))
                known = self.decided(bit)
                if known is False:
                    return None
                if known is None:
                    undecided.append(bit)
                    self.path.append(bit)
        return undecided

    def unsupported(self, node: ast.AST) -> DdcError:
        """Return the error for a node that is not understood."""
        return self.error(f"{describe(node)} is not understood", node)


_RULES: dict[type[ast.AST], Callable[[Expressions, Any], Value]] = {
    ast.Name: Expressions.name_node,
    ast.Constant: Expressions.constant_node,
    ast.Tuple: Expressions.tuple_node,
    ast.List: Expressions.list_node,
    ast.Set: Expressions.set_node,
    ast.Dict: Expressions.dict_node,
    ast.BinOp: Expressions.binary_node,
    ast.UnaryOp: Expressions.unary,
    ast.BoolOp: Expressions.bool_op,
    ast.IfExp: Expressions.if_exp,
    ast.Compare: Expressions.comparison,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice_node,
    ast.Attribute: Expressions.attribute,
    ast.Call: Expressions.call_node,
    ast.Lambda: Expressions.lambda_node,
    ast.NamedExpr: Expressions.walrus,
    ast.ListComp: Expressions.list_comp,
    ast.SetComp: Expressions.set_comp,
    ast.DictComp: Expressions.dict_comp,
    ast.GeneratorExp: Expressions.generator,
}
