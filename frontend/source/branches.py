"""Both sides of a branch on a symbolic condition, and the merge of what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .emitter import Operand
from .machine import Contents, Exit, Machine
from .values import (
    Arr,
    DeadPath,
    Guarded,
    Items,
    Mapping,
    Mutable,
    Name,
    Poison,
    Scope,
    Value,
    is_number,
    kind_of,
    new_array,
    next_serial,
)
from .wording import python_type, shown


class Branches(Machine):
    """Runs both sides of a branch, and goes on from all of its exits at once."""

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

    def pick_one(self, bit: Operand, then: Value, other: Value) -> Value:
        """Return one of two values, as a bit decides."""
        return Merge(self, next_serial(), {}, {}).value(bit, then, other)


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


def _guarded(there: Operand, value: Value) -> Value:
    return Guarded(there, value) if isinstance(there, str) or not there else value
