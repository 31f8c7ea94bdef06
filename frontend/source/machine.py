"""The state of a trace: where it is, what has been assumed on the way, and what branches changed.

Both sides of a branch on a symbolic condition are run, one after the other. A journal keeps what
each object held before, so that a side can be undone; afterwards what both sides left behind is
merged by `select`. A branch, the body of a loop and a function are each left in several ways at
once: every exit keeps its condition and what the objects held then.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc.ir import DdcError, quote

from .graph import Graph, Operand
from .numbers import Numbers
from .prove import Verdict, can_hold
from .values import (
    Arr,
    Buffer,
    DeadPath,
    Guarded,
    Items,
    Mapping,
    Mutable,
    Name,
    Poison,
    Scope,
    Sym,
    Value,
    is_number,
    kind_of,
    new_array,
    next_serial,
)

Contents = dict[int, tuple[Mutable, Any]]
LONGEST_MESSAGE = 80
PROOF = 500  # steps that a proof counts for, at least
COPIED = 16  # entries that are copied in one step


class LocatedError(DdcError):
    """An error that says where in the source it is."""


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

    def error(self, message: str, node: ast.AST | None = None) -> DdcError:
        """Return an error at a place of the source, by default where the trace is."""
        where = node if node is not None else self.node
        line = getattr(where, "lineno", None)
        place = "" if line is None else f":{line}:{getattr(where, 'col_offset', 0) + 1}"
        return LocatedError(f"{shown(self.filename)}{place}: {message}")

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
        raise self.error(
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
        parts: list[str] = []
        for name, value in list(witness.items())[:8]:
            op = self.graph.ops.get(name)
            place = "" if op is None else f"[{', '.join(str(i.at) for i in op.index)}]"
            base = name if op is None else str(op.operands[0])
            parts.append(f"{base}{place} = {value}")
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

    def merge(self, exits: Sequence[Exit], before: Contents, serial: int) -> Value:
        """Make every object hold what it holds at the exit taken; return the value there.

        An exit applies where no earlier one does. An object that an exit does not know holds what
        it held `before`. Objects made since `serial` belong to one path only.
        """
        targets = {key: entry[0] for key, entry in before.items()}
        last = exits[-1]
        results = {key: last.held.get(key, before[key])[1] for key in targets}
        value = last.value
        for e in reversed(exits[:-1]):
            held = {**before, **e.held}
            later = {key: (target, results[key]) for key, target in targets.items()}
            merge = Merge(self, serial, held, later)
            for key, target in targets.items():
                known = e.held.get(key, before[key])[1]
                results[key] = merge.contents(e.guard, target, known, results[key])
            value = merge.value(e.guard, e.value, value)
        for key, target in targets.items():
            target.restore(results[key])
        return value

    # ------------------------------------------------------------ branches

    def branch(self, bit: str, sides: Sequence[Callable[[], Value]]) -> Value:
        """Run both sides of a branch and merge them; return the value of the one taken.

        A side that nothing comes out of raises `DeadPath`, and so does the branch where neither
        side goes on.
        """
        serial = next_serial()
        before: Contents = {}
        done: list[tuple[list[Operand], Exit]] = []
        for literal, side in zip((bit, self.graph.not_(bit)), sides):
            found = self._side(literal, side, before, serial)
            if found is not None:
                done.append(found)
        if not done:
            raise DeadPath
        exits = [e for _, e in done]
        exits[-1].guard = 1
        value = self.merge(exits, before, serial)
        if len(done) == 1:
            self.path += done[0][0]
        elif any(len(literals) > 1 for literals, _ in done):
            self.path.append(self.graph.or_([self.graph.and_(literals) for literals, _ in done]))
        return value

    def _side(
        self, literal: Operand, side: Callable[[], Value], before: Contents, serial: int
    ) -> tuple[list[Operand], Exit] | None:
        """Run a side, undo it, and return its conditions and where it ended."""
        base = len(self.path)
        mark = self.mark()
        self.path.append(literal)
        found: tuple[list[Operand], Exit] | None = None
        with self.journal() as journal:
            try:
                value = side()
                held = {k: v for k, v in self.held_since(-1).items() if v[0].serial < serial}
                found = self.path[base:], Exit(literal, value, held)
            except DeadPath:
                pass
            finally:
                del self.path[base:]
                self.reset(mark)
            for key, (target, saved) in journal.before.items():
                if target.serial < serial:
                    target.restore(saved)
                    before.setdefault(key, (target, saved))
        return found


class Merge:
    """Values that one of two paths has, as a condition decides."""

    def __init__(self, machine: Machine, serial: int, first: Contents, last: Contents) -> None:
        self.machine = machine
        self.serial = serial
        self.held = (first, last)
        self.made: dict[tuple[Operand, int, int], Value] = {}
        self.partner: dict[int, tuple[int, Any]] = {}
        self.kept: list[Value] = []

    def contents(self, bit: Operand, target: Mutable, a: Any, b: Any) -> Any:
        """Return what an object holds after a merge."""
        if isinstance(target, Scope):
            return self._scope(bit, a, b)
        if isinstance(target, Items):
            return self._list(bit, a, b)
        if isinstance(target, Mapping):
            if a.keys() != b.keys():
                raise self.machine.error("a dict whose keys depend on the input is not understood")
            return {key: self.value(bit, a[key], b[key]) for key in b}
        return self._entries(bit, a, b)

    def _scope(self, bit: Operand, a: dict[str, Value], b: dict[str, Value]) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        for name in {**a, **b}:
            if name in a and name in b:
                merged[name] = self.value(bit, a[name], b[name])
            else:
                merged[name] = Poison(f"{shown(name)} has a value for some inputs only")
        return merged

    def _list(self, bit: Operand, a: list[Value], b: list[Value]) -> list[Value]:
        short = min(len(a), len(b))
        merged = [self.value(bit, x, y) for x, y in zip(a, b)]
        rest, there = (a, bit) if len(a) > short else (b, self.machine.graph.not_(bit))
        for item in rest[short:]:
            if isinstance(item, (Items, Mapping, Arr)):
                item = Poison("a list that is there for some inputs only is not understood")
            if isinstance(item, Guarded):
                both = self.machine.graph.and_([there, item.there])
                merged.append(Guarded(both, item.value))
            else:
                merged.append(Guarded(there, item))
        return merged

    def _entries(self, bit: Operand, a: Any, b: Any) -> Any:
        merged = np.empty(a.shape, dtype=object)
        flat = merged.reshape(-1)
        self.machine.charge(a.size)
        for k, (x, y) in enumerate(zip(a.ravel().tolist(), b.ravel().tolist())):
            flat[k] = self.value(bit, x, y)
        return merged

    def value(self, bit: Operand, a: Value, b: Value) -> Value:
        """Return `a` where the bit is 1, else `b`."""
        if a is b or not isinstance(bit, str):
            return a if bit or a is b else b
        if is_number(a) and is_number(b):
            return self._number(bit, a, b)
        if type(a) is not type(b):
            return self._unlike(bit, a, b)
        if isinstance(a, (Items, Mapping, Arr)):
            return self._object(bit, a, b)
        if isinstance(a, tuple):
            if len(a) == len(b):
                return tuple(self.value(bit, x, y) for x, y in zip(a, b))
            return Poison("a tuple whose length depends on the input is not understood")
        if isinstance(a, Guarded):
            there = self.machine.graph.select(bit, a.there, b.there)
            return _guarded(there, self.value(bit, a.value, b.value))
        if isinstance(a, (str, Name)):
            return self._name(bit, a, b)
        if isinstance(a, (range, slice, frozenset, Poison)) and a == b:
            return a
        return Poison("a value that depends on the input, and is no number, is not understood")

    def _number(self, bit: Operand, a: Value, b: Value) -> Value:
        if a == b and kind_of(a) == kind_of(b):
            return a
        return self.machine.numbers.select(bit, a, b)

    def _unlike(self, bit: Operand, a: Value, b: Value) -> Value:
        for x in (a, b):
            if isinstance(x, Poison):
                return x
        if isinstance(a, (str, Name)) and isinstance(b, (str, Name)):
            return self._name(bit, a, b)
        if isinstance(a, Guarded) or isinstance(b, Guarded):
            x = a if isinstance(a, Guarded) else Guarded(1, a)
            y = b if isinstance(b, Guarded) else Guarded(1, b)
            return self.value(bit, x, y)
        for x, y in ((a, b), (b, a)):
            if isinstance(x, Arr) and is_number(y) and not x.shape:
                return self._scalar(bit, a, b, x)
        kinds = sorted({python_type(a), python_type(b)})
        return Poison(
            f"a value that is {kinds[0]} or {kinds[-1]}, as the input decides, is not understood"
        )

    def _scalar(self, bit: Operand, a: Value, b: Value, like: Arr) -> Value:
        """Merge a numpy scalar with a Python number."""
        x, y = (v.data.item() if isinstance(v, Arr) else v for v in (a, b))
        merged = np.empty((), dtype=object)
        merged[()] = self._number(bit, x, y)
        found = new_array(merged, like.dtype)
        found.mixed = True
        return found

    def _name(self, bit: Operand, a: str | Name, b: str | Name) -> Value:
        x = Name(0, (a,)) if isinstance(a, str) else a
        y = Name(0, (b,)) if isinstance(b, str) else b
        options = tuple(dict.fromkeys([*x.options, *y.options]))
        graph = self.machine.graph
        places = [graph.table([options.index(o) for o in n.options], n.place) for n in (x, y)]
        place = graph.select(bit, *places)
        return Name(place, options) if isinstance(place, str) else options[int(place)]

    def _object(self, bit: Operand, a: Any, b: Any) -> Value:
        key = (bit, id(a), id(b))
        if key in self.made:
            return self.made[key]
        merged: Any
        if isinstance(a, Items):
            merged = Items([])
            self.made[key] = merged
            merged.items = self._list(bit, self._then(a, a.items), self._else(b, b.items))
        elif isinstance(a, Mapping):
            merged = Mapping({})
            self.made[key] = merged
            held = self._then(a, a.items), self._else(b, b.items)
            merged.items = self.contents(bit, merged, *held)
        elif a.shape != b.shape or a.dtype != b.dtype:
            return Poison("an array whose shape or dtype depends on the input is not understood")
        else:
            entries = self._entries(bit, self._data(0, a), self._data(1, b))
            merged = self.made[key] = new_array(entries, a.dtype)
            merged.mixed = a.mixed or b.mixed
        self._relate(a, b, merged)
        self._relate(b, a, merged)
        self.kept += [a, b]
        return merged

    def _then(self, target: Mutable, now: Any) -> Any:
        return self.held[0].get(id(target), (target, now))[1]

    def _else(self, target: Mutable, now: Any) -> Any:
        return self.held[1].get(id(target), (target, now))[1]

    def _data(self, side: int, a: Arr) -> NDArray[Any]:
        """Return the entries of an array or view as its path left them."""
        held = self.held[side].get(id(a.buffer))
        if held is None:
            return a.data
        now = a.buffer.save()
        a.buffer.restore(held[1])
        found = a.data.copy()
        a.buffer.restore(now)
        return found

    def _relate(self, a: Any, b: Any, merged: Any) -> None:
        """Make rivals of a merged object and one that it may be, if that one has another name.

        One that was made on its path, and stands for nothing but this merge, has none.
        """
        whole, mine = _holder(merged), _holder(a)
        partner, other = self.partner.setdefault(id(mine), (id(_holder(b)), whole))
        if mine.stale:
            whole.stale = True
        if partner == id(_holder(b)) and mine.serial > self.serial and not mine.rivals:
            return
        for one, two in ((whole, mine), (other, mine), (whole, other)):
            if one is not two:
                one.rivals.append(two)
                two.rivals.append(one)


def _holder(value: Any) -> Any:
    return value.buffer if isinstance(value, Arr) else value


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


def _guarded(there: Operand, value: Value) -> Value:
    return Guarded(there, value) if isinstance(there, str) or not there else value


def shown(text: str) -> str:
    """Return a stranger's string for a message: printable, and not long."""
    plain = quote(text)[1:-1]
    return plain if len(plain) <= LONGEST_MESSAGE else plain[:LONGEST_MESSAGE] + "..."


def python_type(value: Value) -> str:
    """Return what Python calls the type of a value."""
    if isinstance(value, Sym):
        return "a number"
    names: dict[type, str] = {
        Items: "a list",
        Mapping: "a dict",
        Arr: "an array",
        type(None): "None",
        str: "a string",
        Name: "a string",
        tuple: "a tuple",
        range: "a range",
        frozenset: "a set",
        Poison: "undefined",
    }
    if isinstance(value, (int, float)):
        return "a number"
    return names.get(type(value), "a function or iterator")


def all_concrete(values: Iterable[Value]) -> bool:
    """Tell whether no number among the values depends on the input."""
    return not any(isinstance(v, (Sym, Name, Guarded, Poison)) for v in values)
