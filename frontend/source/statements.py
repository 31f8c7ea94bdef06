"""Statements, loops and calls of the program's own functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from . import arrays
from .emitter import Operand
from .expressions import Expressions
from .graph import Graph
from .imports import import_from, import_modules
from .machine import Contents, Exit, Region
from .syntax import SIGNS, declarations, has_continue
from .values import (
    Arr,
    DeadPath,
    ErrorType,
    Function,
    Guarded,
    Inert,
    Items,
    Mapping,
    Scope,
    Value,
    next_serial,
)
from .wording import describe, shown

MOST_CALLS = 40  # calls inside calls


class Statements(Expressions):
    """Runs statements; a block tells whether control falls through its end."""

    def __init__(self, graph: Graph, filename: str, limit: int) -> None:
        super().__init__(graph, filename, limit)
        self.frames: list[Region] = []
        self.loops: list[tuple[Region, Region]] = []  # break leaves the first, continue the second

    def block(self, nodes: Sequence[ast.stmt]) -> bool:
        """Run statements in order."""
        return all(self.run(node) for node in nodes)

    def run(self, node: ast.stmt) -> bool:
        """Run one statement."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise self.unsupported(node)
        self.node = node
        self.charge(1)
        with self.deeper(node):
            return rule(self, node) is not False

    # ------------------------------------------------------------ simple statements

    def expression(self, node: Any) -> None:
        if not isinstance(node.value, ast.Constant):
            self.evaluate(node.value)

    def nothing(self, node: Any) -> None:
        """Do nothing: `pass`, and declarations that scopes know already."""

    def assignment(self, node: Any) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.bind(target, value)

    def annotated(self, node: Any) -> None:
        if node.value is not None:
            self.bind(node.target, self.evaluate(node.value))

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign to a name, an entry, or a tuple of such."""
        if isinstance(target, ast.Name):
            self.assign(target.id, value)
        elif isinstance(target, ast.Subscript):
            container = self.evaluate(target.value)
            place = self.evaluate(target.slice)
            self.node = target
            self.store(container, place, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, item in list(self.unpacked(target, value)):
                self.bind(part, item)
        else:
            raise self.error(f"{describe(target)} as a target is not understood", target)

    def augmented(self, node: Any) -> None:
        sign, target = SIGNS[type(node.op)], node.target
        if isinstance(target, ast.Name):
            old = self.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            new = self._in_place(sign, old, self.evaluate(node.value), node)
            self.assign(target.id, new)
            return
        if not isinstance(target, ast.Subscript):
            raise self.error(f"{describe(target)} as a target is not understood", target)
        container, place = self.evaluate(target.value), self.evaluate(target.slice)
        old = self.item(container, place)
        new = self._in_place(sign, old, self.evaluate(node.value), node)
        self.node = node
        self.store(container, place, new)

    def _in_place(self, sign: str, old: Value, value: Value, node: ast.AST) -> Value:
        self.node = node
        if isinstance(old, Items) and sign == "+":
            more = self.items_of(value)
            self.touch(old)
            old.items += more
            return old
        if isinstance(old, Items) and sign == "*":
            raise self.error("'*=' of a list is not understood", node)
        if isinstance(old, Arr) and old.shape:
            return arrays.update(self, sign, old, value)
        return self.binary(sign, old, value)

    def check(self, node: Any) -> None:
        bit = self.graph.not_(self.truth(self.evaluate(node.test)))
        self.node = node
        self.never(bit, f"AssertionError ('{ast.unparse(node.test)[:60]}' does not hold)")
        if isinstance(bit, str):
            self.path.append(self.graph.not_(bit))

    def raising(self, node: Any) -> bool:
        """Check that no input leads to a raise; its message is not evaluated."""
        what = "an exception"
        if isinstance(node.exc, ast.Call):
            what = ast.unparse(node.exc.func)
        elif node.exc is not None:
            what = ast.unparse(node.exc)
        self.never(1, shown(what[:60]))
        return False

    def define(self, node: Any) -> None:
        for decorator in node.decorator_list:
            self._quiet(decorator, "a decorator")
        self.assign(node.name, self.make_function(node.name, node))

    def _quiet(self, node: ast.expr, what: str) -> None:
        """Accept np.errstate, which changes no value; nothing else."""
        value = self.evaluate(node)
        if not isinstance(value, Inert) or value.name != "np.errstate":
            raise self.error(f"{what} other than np.errstate is not understood", node)

    def within(self, node: Any) -> bool:
        for item in node.items:
            self._quiet(item.context_expr, "'with'")
        return self.block(node.body)

    # ------------------------------------------------------------ branches

    def conditional(self, node: Any) -> bool:
        bit = self.truth(self.evaluate(node.test))
        known = self.decided(bit)
        if known is not None:
            return self.block(node.body if known else node.orelse)
        assert isinstance(bit, str)
        return self._sides(bit, node.body, node.orelse)

    def _sides(self, bit: str, then: Sequence[ast.stmt], other: Sequence[ast.stmt]) -> bool:
        def side(nodes: Sequence[ast.stmt]) -> Callable[[], Value]:
            def run() -> Value:
                if not self.block(nodes):
                    raise DeadPath

            return run

        try:
            self.branch(bit, [side(then), side(other)])
        except DeadPath:
            return False
        return True

    # ------------------------------------------------------------ regions

    def leave(self, region: Region, value: Value) -> bool:
        """Note that control leaves a region here."""
        guard = self.guard(region.base)
        for handled, _ in self.handlers:
            guard = self.graph.and_([guard, *(self.graph.not_(e.guard) for e in handled.exits)])
        held = self.held_since(region.depth)
        region.exits.append(Exit(guard, value, held))
        return False

    def close(self, region: Region, before: Contents) -> Value:
        """Go on after a region from all of its exits at once."""
        del self.path[region.base :]
        if not region.exits:
            raise DeadPath
        return self.merge(region.exits, before, region.serial)

    def region(self) -> Region:
        """Return a region that begins here, with its journal on top."""
        return Region(len(self.path), len(self.journals) - 1, next_serial())

    # ------------------------------------------------------------ loops

    def for_loop(self, node: Any) -> bool:
        source = self.iterate(self.evaluate(node.iter))

        def next_item() -> bool:
            item = next(source, source)
            if item is source:
                return False
            if isinstance(item, Guarded):
                raise self.error("a loop over a list whose length depends on the input", node)
            self.bind(node.target, item)
            return True

        return self._loop_over(node, next_item)

    def while_loop(self, node: Any) -> bool:
        rounds = 0

        def next_round() -> bool:
            nonlocal rounds
            rounds += 1
            self.check_rounds(rounds)
            bit = self.truth(self.evaluate(node.test))
            known = self.decided(bit)
            if known is not None:
                return known
            assert isinstance(bit, str)
            if rounds > 2 and self.possible(bit).possible is False:
                return False
            outer, _ = self.loops[-1]
            self.path.append(self.graph.not_(bit))
            self.leave(outer, True)
            self.path[-1] = bit
            return True

        return self._loop_over(node, next_round)

    def _loop_over(self, node: Any, advance: Callable[[], bool]) -> bool:
        """Run a loop; `break` and a symbolic end of `while` leave it early.

        The value of an exit tells whether the `else` clause is next.
        """
        ways, mark = self._ways_out(), self.mark()
        with self.journal() as journal:
            outer = self.region()
            body = Region(0, 0, 0)
            self.loops.append((outer, body))
            try:
                live = True
                while live and advance():
                    self.charge(1)
                    self.node = node
                    live = self._iteration(node, outer)
            except DeadPath:
                live = False
                self.reset(mark)
            finally:
                self.loops.pop()
            if not outer.exits:
                if not live:
                    return False
                return self.block(node.orelse) if node.orelse else True
            if node.orelse:
                self._else_clause(node, outer, live)
            elif live:
                self.leave(outer, None)
            extra = self._left_otherwise(outer) if self._ways_out() != ways else []
            try:
                self.close(outer, journal.before)
            except DeadPath:
                return False
            self.path += extra
        return True

    def _ways_out(self) -> int:
        """Count how often the function around has been left."""
        return len(self.frames[-1].exits) if self.frames else 0

    def _left_otherwise(self, region: Region) -> list[Operand]:
        """Return what is assumed after a region: that it was left by one of its exits."""
        way = self.graph.or_([e.guard for e in region.exits])
        return [way] if isinstance(way, str) else []

    def _else_clause(self, node: Any, outer: Region, live: bool) -> None:
        symbolic_end = any(e.value is True for e in outer.exits)
        if symbolic_end:
            raise self.error("'else' of a 'while' that the input decides is not understood", node)
        if live and self.block(node.orelse):
            self.leave(outer, None)

    def _iteration(self, node: Any, outer: Region) -> bool:
        """Run the body once; tell whether the loop goes on."""
        if not has_continue(node):
            return self.block(node.body)
        ways, mark = self._ways_out() + len(outer.exits), self.mark()
        with self.journal() as journal:
            inner = self.region()
            self.loops[-1] = (outer, inner)
            try:
                live = self.block(node.body)
            except DeadPath:
                live = False
                self.reset(mark)
            if not inner.exits:
                return live
            if live:
                self.leave(inner, None)
            same = self._ways_out() + len(outer.exits) == ways
            extra = [] if same else self._left_otherwise(inner)
            self.close(inner, journal.before)
            self.path += extra
        return True

    def break_loop(self, node: Any) -> bool:
        return self.leave(self.loops[-1][0], None)

    def continue_loop(self, node: Any) -> bool:
        return self.leave(self.loops[-1][1], None)

    # ------------------------------------------------------------ exceptions

    def attempt(self, node: Any) -> bool:
        """Run `try`: where the body may raise what a handler names, the handler goes on."""
        if node.finalbody or node.orelse:
            raise self.error("'else' and 'finally' of 'try' are not understood", node)
        names = [self._handled(h) for h in node.handlers]
        mark = self.mark()
        with self.journal() as journal:
            region = self.region()
            self.handlers.append((region, names))
            try:
                live = self.block(node.body)
            except DeadPath:
                live = False
                self.reset(mark)
            finally:
                self.handlers.pop()
            raised, region.exits = region.exits, []
            after = self.held_since(region.depth)
            for e in raised:
                del self.path[region.base :]
                self.path.append(e.guard)
                for key, (target, saved) in journal.before.items():
                    target.restore(e.held.get(key, (target, saved))[1])
                try:
                    if self.block(node.handlers[e.value].body):
                        self.leave(region, None)
                except DeadPath:
                    self.reset(mark)
            if not raised:
                for key, (target, _) in journal.before.items():
                    target.restore(after[key][1])
                return live
            if live:
                # Last, so that it stands for all inputs for which nothing was raised.
                region.exits.append(Exit(1, None, after))
            try:
                extra = self._left_otherwise(region)
                self.close(region, journal.before)
            except DeadPath:
                return False
            self.path += extra
        return True

    def _handled(self, handler: Any) -> tuple[str, ...]:
        """Return the names of the exceptions that a handler takes."""
        if handler.type is None:
            return ("Exception",)
        value = self.evaluate(handler.type)
        kinds = value if isinstance(value, tuple) else (value,)
        if handler.name is not None or not all(isinstance(k, ErrorType) for k in kinds):
            raise self.error("this 'except' is not understood", handler)
        return tuple(k.name for k in kinds)

    # ------------------------------------------------------------ functions

    def returning(self, node: Any) -> bool:
        value = None if node.value is None else self.evaluate(node.value)
        return self.leave(self.frames[-1], value)

    def call_function(
        self, function: Function, args: list[Value], named: dict[str, Value]
    ) -> Value:
        """Return the result of a function of the program."""
        if len(self.frames) >= MOST_CALLS:
            raise self.error(f"more than {MOST_CALLS} calls inside calls are not understood")
        node = function.node
        scope = Scope(self._arguments(function, args, named), function.scope, function=True)
        scope.own, scope.elsewhere = self._declared(function)
        outer, caller, loops, depth = self.scope, self.node, self.loops, self.depth
        with self.journal() as journal, self.deeper(node):
            frame = self.region()
            self.scope, self.loops = scope, []
            self.frames.append(frame)
            try:
                if isinstance(node, ast.Lambda):
                    self.leave(frame, self.evaluate(node.body))
                elif self.block(node.body):
                    self.leave(frame, None)
            except DeadPath:
                if not frame.exits:
                    raise
            finally:
                self.frames.pop()
                self.scope, self.node, self.loops = outer, caller, loops
                self.depth = depth + 1
                if not scope.captured:
                    journal.before.pop(id(scope), None)
            return self.close(frame, journal.before)

    def _declared(self, function: Function) -> tuple[frozenset[str], dict[str, Scope]]:
        """Return the local names of a function, and the homes of its global and nonlocal ones."""
        own, above, outside = declarations(function.node)
        homes: dict[str, Scope] = {}
        for name in above:
            home: Scope | None = function.scope
            while home is not None and not (home.function and name in home.own):
                home = home.parent
            if home is None:
                raise self.error(f"nonlocal {shown(name)} is not understood", function.node)
            homes[name] = home
        top = function.scope
        while top.parent is not None:
            top = top.parent
        homes.update(dict.fromkeys(outside, top))
        return own, homes

    def _arguments(
        self, function: Function, args: list[Value], named: dict[str, Value]
    ) -> dict[str, Value]:
        spec = function.node.args
        places = [a.arg for a in (*spec.posonlyargs, *spec.args)]
        bound = dict(zip(places, args))
        rest = args[len(places) :]
        if spec.vararg is not None:
            bound[spec.vararg.arg] = tuple(rest)
        elif rest:
            self.never(1, f"TypeError: too many arguments of {shown(function.name)}")
        known = {*places[len(spec.posonlyargs) :], *(a.arg for a in spec.kwonlyargs)}
        extra: dict[Value, Value] = {}
        for name, value in named.items():
            if name in known and name not in bound:
                bound[name] = value
            elif name not in known and spec.kwarg is not None:
                extra[name] = value
            else:
                self.never(1, f"TypeError: the argument {shown(name)} of {shown(function.name)}")
        if spec.kwarg is not None:
            bound[spec.kwarg.arg] = Mapping(extra)
        for name in (*places, *(a.arg for a in spec.kwonlyargs)):
            if name not in bound and name in function.defaults:
                bound[name] = function.defaults[name]
            if name not in bound:
                self.never(1, f"TypeError: {shown(function.name)} needs {shown(name)}")
        return bound


_RULES: dict[type[ast.AST], Callable[[Statements, Any], bool | None]] = {
    ast.Expr: Statements.expression,
    ast.Pass: Statements.nothing,
    ast.Global: Statements.nothing,
    ast.Nonlocal: Statements.nothing,
    ast.Assign: Statements.assignment,
    ast.AnnAssign: Statements.annotated,
    ast.AugAssign: Statements.augmented,
    ast.Assert: Statements.check,
    ast.Raise: Statements.raising,
    ast.FunctionDef: Statements.define,
    ast.If: Statements.conditional,
    ast.With: Statements.within,
    ast.Try: Statements.attempt,
    ast.For: Statements.for_loop,
    ast.While: Statements.while_loop,
    ast.Break: Statements.break_loop,
    ast.Continue: Statements.continue_loop,
    ast.Return: Statements.returning,
    ast.Import: import_modules,
    ast.ImportFrom: import_from,
}
