"""The state of a trace: where it is, what has been assumed on the way, and what branches changed.

Both sides of a branch on a symbolic condition are run, one after the other. A journal keeps what
each object held before, so that a side can be undone; afterwards what both sides left behind is
merged by `select`. A branch, the body of a loop and a function are each left in several ways at
once: every exit keeps its condition and what the objects held then.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ddc.ir import DdcError, MismatchError

from .emitter import Operand
from .graph import Graph
from .numbers import Numbers
from .prove import Verdict, can_hold
from .values import Buffer, DeadPath, Mutable, Scope, Value, next_serial
from .wording import shown

Contents = dict[int, tuple[Mutable, Any]]
PROOF = 500  # steps that a proof counts for, at least
COPIED = 16  # entries that are copied in one step


class LocatedError(DdcError):
    """An error that says where in the source it is."""


class DiffersError(LocatedError, MismatchError):
    """The program raises, or answers what no network answers: it is not equal to one."""


@dataclass
class Journal:
    """What objects older than the journal held when it began."""

    serial: int
    before: Contents = field(default_factory=lambda: {})


@dataclass
class Exit:
    """One way to leave a branch, loop or function: when, with what, and what objects held."""

    guard: Operand
    value: Value
    held: Contents


@dataclass
class Region:
    """A function call, a loop or an iteration: where it began, and how it has been left."""

    base: int
    depth: int
    serial: int
    exits: list[Exit] = field(default_factory=lambda: [])


_WIDER = {
    "ZeroDivisionError": ("ArithmeticError",),
    "OverflowError": ("ArithmeticError",),
    "IndexError": ("LookupError",),
    "KeyError": ("LookupError",),
}


class Machine:
    """Path, journals and budget of a trace."""

    def __init__(self, graph: Graph, filename: str, limit: int) -> None:
        self.graph = graph
        self.filename = filename
        self.limit = limit
        self.steps = 0
        self.path: list[Operand] = []
        self.journals: list[Journal] = []
        self.node: ast.AST | None = None
        self.scope = Scope({}, function=True)
        self.depth = 0
        self.handlers: list[tuple[Region, list[tuple[str, ...]]]] = []
        self.numbers = Numbers(graph, self.never)

    # ------------------------------------------------------------ errors and the budget

    def error(
        self, message: str, node: ast.AST | None = None, kind: type[DdcError] = LocatedError
    ) -> DdcError:
        """Return an error at a place of the source, by default where the trace is."""
        where = node if node is not None else self.node
        line = getattr(where, "lineno", None)
        place = "" if line is None else f":{line}:{getattr(where, 'col_offset', 0) + 1}"
        return kind(f"{shown(self.filename)}{place}: {message}")

    def differs(self, message: str) -> DdcError:
        """Return an error that says that the program is not equal to a network."""
        return self.error(message, kind=DiffersError)

    def located(self, error: DdcError) -> DdcError:
        """Return an error with the place where the trace is, if it has none."""
        return error if isinstance(error, LocatedError) else self.error(str(error))

    def charge(self, count: int) -> None:
        """Count work before it is done."""
        self.steps += count
        if self.steps > self.limit:
            raise self.error(f"the program takes more than {self.limit} steps at these sizes")

    def never(self, condition: Operand, what: str) -> None:
        """Check that a condition under which the program raises holds for no input."""
        if not isinstance(condition, str) and not condition:
            return
        if self._caught(condition, what):
            return
        verdict = self.possible(condition)
        if verdict.possible is False:
            if not isinstance(condition, str):
                raise DeadPath
            return
        if verdict.possible is None:
            raise self.error(f"cannot show that no input raises {what}")
        always = not isinstance(condition, str) and not self.path
        given = f", such as {self._input(verdict.witness or {})}" if verdict.witness else ""
        raise self.differs(
            f"the program raises {what}, for {'every' if always else 'some'} input{given}"
        )

    def possible(self, condition: Operand) -> Verdict:
        """Tell whether a condition can hold here."""
        self.charge(PROOF + len(self.graph.ops) // COPIED)
        return can_hold(self.graph, [*self.path, condition])

    def _caught(self, condition: Operand, what: str) -> bool:
        """Go to the handler that takes an error, where there is one in this function."""
        kind = what.split(":")[0]
        for region, handlers in reversed(self.handlers):
            for place, names in enumerate(handlers):
                if kind not in names and not {"Exception", *_WIDER.get(kind, ())} & {*names}:
                    continue
                self.path.append(condition)
                region.exits.append(
                    Exit(self.guard(region.base), place, self.held_since(region.depth))
                )
                self.path.pop()
                if not isinstance(condition, str):
                    raise DeadPath
                self.path.append(self.graph.not_(condition))
                return True
        return False

    def _input(self, witness: dict[str, Any]) -> str:
        entries: list[tuple[str, tuple[int, ...], Any]] = []
        for name, value in witness.items():
            op = self.graph.ops.get(name)
            place = () if op is None else tuple(i.at.const for i in op.index)
            entries.append((name if op is None else str(op.operands[0]), place, value))
        parts = [f"{base}{list(at) or ''} = {value}" for base, at, value in sorted(entries)[:8]]
        return ", ".join(parts) + (", ..." if len(witness) > 8 else "")

    def mark(self) -> tuple[Scope, int, ast.AST | None]:
        """Return where the trace is, for `reset`."""
        return self.scope, self.depth, self.node

    def reset(self, mark: tuple[Scope, int, ast.AST | None]) -> None:
        """Go back to a place after a path has ended."""
        self.scope, self.depth, self.node = mark

    # ------------------------------------------------------------ conditions

    def decided(self, bit: Operand) -> bool | None:
        """Return a condition's value where constants or the path decide it."""
        if not isinstance(bit, str):
            return bool(bit)
        if not self.path:
            return None
        if bit in self.path:
            return True
        return False if self.graph.known_not(bit) in self.path else None

    def guard(self, base: int) -> Operand:
        """Return the condition of being here, given the first `base` conditions of the path."""
        guard: Operand = 1
        self.charge((len(self.path) - base) // COPIED)
        for bit in self.path[base:]:
            guard = self.graph.and_([guard, bit])
        return guard

    # ------------------------------------------------------------ journals

    def touch(self, target: Mutable) -> None:
        """Note what an object holds before it is changed."""
        self.current(target)
        if target.rivals:
            _outdate(target)
        if self.journals:
            before = self.journals[-1].before
            if id(target) not in before:
                before[id(target)] = (target, target.save())
                if not isinstance(target, Scope):
                    size = target.array.size if isinstance(target, Buffer) else len(target.items)
                    self.charge(size // COPIED)

    def current(self, target: Mutable) -> None:
        """Check that an object may be used: nothing that it may be has changed."""
        if target.stale:
            raise self.error(
                "using a list, dict or array after a change to what it may be, as the input "
                "decides, is not understood; make a copy first"
            )

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """Keep a journal for a while; afterwards what it holds belongs to the one around it."""
        journal = Journal(next_serial())
        self.journals.append(journal)
        try:
            yield journal
        finally:
            self.journals.pop()
            if self.journals:
                outer = self.journals[-1].before
                for key, entry in journal.before.items():
                    outer.setdefault(key, entry)

    def held_since(self, depth: int) -> Contents:
        """Return what the objects that changed since a journal hold now."""
        found: Contents = {}
        for journal in self.journals[depth:]:
            for key, (target, _) in journal.before.items():
                if key not in found:
                    found[key] = (target, target.save())
        return found


def _outdate(target: Mutable) -> None:
    """Mark everything that may be the same as an object that changes."""
    stack = list(target.rivals)
    target.rivals = []
    while stack:
        rival = stack.pop()
        if rival is target or rival.stale:
            continue
        rival.stale = True
        stack += rival.rivals
        rival.rivals = []
