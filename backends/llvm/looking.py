"""A kernel that looks at its inputs on the way: one pass over memory checks and computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ddc.backends.lowering.nest import Array, Kernel, Store

from .text import real
from .unit import Unit

MOST = 64  # entries that are looked at for each cell of the output


@dataclass(frozen=True)
class Look:
    """What an input is to be: its entries lie in `low..high`, or are among `values`.

    There are `count` entries for each cell of the first output, in its order.
    """

    array: Array
    count: int
    low: int | float
    high: int | float
    values: tuple[int, ...] = ()


class Looking(Unit):
    """Prints a kernel whose function returns 1 for a bad input, plus 2 for an int beyond 64 bits."""

    def __init__(
        self, kernel: Kernel, looks: Sequence[Look], single: bool = False, wide: bool = False
    ) -> None:
        super().__init__(kernel, single, wide)
        self.looks = looks
        self.seen: list[str] = []
        for look in looks:
            type_ = self._flag(look)
            self.seen.append(self.writer.alloca(type_, "seen"))
            self.writer.line(f"store {type_} 0, ptr {self.seen[-1]}")

    def _flag(self, look: Look) -> str:
        """Return the type of what is seen of an input: as wide as its entries."""
        return f"i{8 * self.width(look.array.type)}"

    def store(self, statement: Store) -> None:
        if statement.array is self.kernel.outputs[0].array:
            at = self.value(statement.at)
            for look, seen in zip(self.looks, self.seen):
                self._look(look, seen, at)
        super().store(statement)

    def _look(self, look: Look, seen: str, at: str) -> None:
        w, type_, flag = self.writer, self.types[look.array.type], self._flag(look)
        address = self.addresses[look.array.name]
        for k in range(look.count):
            index = at
            if look.count > 1:
                index = w.let(f"mul nsw i64 {at}, {look.count}")
                index = w.let(f"add nsw i64 {index}, {k}")
            place = w.let(f"getelementptr inbounds {type_}, ptr {address}, i64 {index}", "look")
            width = self.width(look.array.type)
            entry = w.let(f"load {type_}, ptr {place}, align {width}", "entry")
            bad = w.let(f"zext i1 {self._bad(look, entry, type_)} to {flag}", "bad")
            before = w.let(f"load {flag}, ptr {seen}")
            w.line(f"store {flag} {w.let(f'or {flag} {before}, {bad}')}, ptr {seen}")

    def _bad(self, look: Look, entry: str, type_: str) -> str:
        w = self.writer
        if look.values:
            differ = [w.let(f"icmp ne {type_} {entry}, {value}") for value in look.values]
            found = differ[0]
            for other in differ[1:]:
                found = w.let(f"and i1 {found}, {other}")
            return found
        if type_[0] == "i":
            above = w.let(f"sub {type_} {entry}, {look.low}")
            return w.let(f"icmp ugt {type_} {above}, {int(look.high) - int(look.low)}")
        if type_ == "float":
            entry = w.let(f"fpext float {entry} to double")
        below = w.let(f"fcmp ult double {entry}, {real(look.low)}")
        beyond = w.let(f"fcmp ugt double {entry}, {real(look.high)}")
        return w.let(f"or i1 {below}, {beyond}")

    def leave(self) -> str:
        w, found = self.writer, "0"
        for look, seen in zip(self.looks, self.seen):
            flag = self._flag(look)
            any_ = w.let(f"icmp ne {flag} {w.let(f'load {flag}, ptr {seen}')}, 0")
            found = w.let(f"or i32 {found}, {w.let(f'zext i1 {any_} to i32')}")
        if self.kernel.checked:
            left = w.let(f"load i32, ptr {self.flag}")
            found = w.let(f"or i32 {found}, {w.let(f'shl i32 {left}, 1')}")
        w.line(f"ret i32 {found}")
        return "i32"
