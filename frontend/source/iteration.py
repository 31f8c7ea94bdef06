"""Iteration over values of any type, and their lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import arrays
from .branches import Branches
from .emitter import Operand
from .values import Arr, Guarded, Items, Mapping, Stream, Value
from .wording import python_type

MOST_ROUNDS = 1 << 16  # of one loop; more are taken for a loop that never ends


class Iteration(Branches):
    """What can be walked, and how far."""

    def check_current(self, value: Value) -> None:
        if isinstance(value, (Items, Mapping)):
            self.current(value)
        elif isinstance(value, Arr):
            self.current(value.buffer)

    def iterate(self, value: Value) -> Iterator[Value]:
        """Return an iterator over the items, some of them guarded."""
        self.check_current(value)
        return self._ending(self._walked(value))

    def _ending(self, items: Iterator[Value]) -> Iterator[Value]:
        """Walk items as long as their number is no absurd one."""
        for number, item in enumerate(items, 1):
            self.check_rounds(number)
            yield item

    def check_rounds(self, count: int) -> None:
        """Raise an error where a loop has gone on for so long that it may never end."""
        if count > MOST_ROUNDS:
            raise self.error(f"a loop has not ended after {MOST_ROUNDS} rounds: does it ever end?")

    def _walked(self, value: Value) -> Iterator[Value]:
        if isinstance(value, Stream):
            return value.source
        if isinstance(value, Items):
            return self._live(value)
        if isinstance(value, (tuple, str, range)):
            return iter(value)
        if isinstance(value, frozenset):
            return iter(sorted(value, key=_key_order))
        if isinstance(value, Mapping):
            return iter(list(value.items))
        if isinstance(value, Arr):
            return arrays.rows(self, value)
        raise self.error(f"iterating over {python_type(value)} is not understood")

    def _live(self, value: Items) -> Iterator[Value]:
        """Walk a list as Python does: what is appended on the way is reached too."""
        place = 0
        while place < len(value.items):
            self.charge(1)
            yield value.items[place]
            place += 1

    def items_of(self, value: Value) -> list[Value]:
        """Return all items, counted before they are stored; some may be guarded."""
        if isinstance(value, (tuple, range, str)):
            self.charge(len(value))
            return list(value)
        found: list[Value] = []
        for item in self.iterate(value):
            self.charge(1)
            found.append(item)
        return found

    def plain_list(self, value: Value) -> list[Value]:
        """Return all items; an error where their number depends on the input."""
        found = self.items_of(value)
        if any(isinstance(v, Guarded) for v in found):
            raise self.error("a list whose length depends on the input is not understood here")
        return found

    def guarded(self, guards: Sequence[Operand], value: Value) -> Value:
        """Return a value that is there only where all guards are 1."""
        there = self.graph.and_(guards)
        if isinstance(value, Guarded):
            there, value = self.graph.and_([there, value.there]), value.value
        return value if there == 1 else Guarded(there, value)

    def length(self, value: Value) -> Value:
        """Return len(value)."""
        self.check_current(value)
        if isinstance(value, Items):
            total = self.graph.add(
                [v.there if isinstance(v, Guarded) else 1 for v in value.items] or [0]
            )
            return self.numbers.value(total, "int")
        if isinstance(value, (tuple, str, range, frozenset)):
            return len(value)
        if isinstance(value, Mapping):
            return len(value.items)
        if isinstance(value, Arr) and value.shape:
            return value.shape[0]
        return self.never(1, f"TypeError: {python_type(value)} has no length")


def _key_order(key: Value) -> tuple[str, Any]:
    return ("number", key) if isinstance(key, (int, float)) else (type(key).__name__, str(key))
