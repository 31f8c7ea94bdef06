"""Write LLVM assembly: registers, blocks and loops of one function."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*$")


def quoted(name: str) -> str:
    """Return a name of LLVM assembly, in quotes where it needs them."""
    if _PLAIN.match(name):
        return name
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else f"_{ord(c):x}_" for c in name
    )
    return f'"{plain}"'


def real(value: float) -> str:
    """Return a double literal that has exactly the value."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def data(raw: bytes) -> str:
    """Return bytes as an array literal."""
    return 'c"' + "".join(f"\\{byte:02X}" for byte in raw) + '"'


class Writer:
    """Collects the lines of one function; registers get readable unique names."""

    def __init__(self) -> None:
        self.entry: list[str] = []  # allocas
        self.lines: list[str] = []
        self._counts: dict[str, int] = {"entry": 1}  # the label of the first block
        self.block = "entry"

    def name(self, wish: str) -> str:
        """Return a unique register or label name, without its sigil."""
        count = self._counts.get(wish, 0)
        self._counts[wish] = count + 1
        return quoted(wish if count == 0 else f"{wish}.{count}")

    def line(self, text: str) -> None:
        """Add an instruction without a result."""
        self.lines.append(f"  {text}")

    def let(self, text: str, wish: str = "t") -> str:
        """Add an instruction and return its register."""
        register = f"%{self.name(wish)}"
        self.lines.append(f"  {register} = {text}")
        return register

    def alloca(self, type_: str, wish: str) -> str:
        """Add a variable to the entry block and return its address."""
        register = f"%{self.name(wish)}"
        self.entry.append(f"  {register} = alloca {type_}, align 16")
        return register

    def start(self, label: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{label}:")
        self.block = label

    def goto(self, label: str) -> None:
        """Leave the block for another."""
        self.line(f"br label %{label}")

    def branch(self, condition: str, then: str, other: str) -> None:
        """Leave the block for one of two."""
        self.line(f"br i1 {condition}, label %{then}, label %{other}")

    @contextmanager
    def loop(
        self,
        low: str,
        high: str,
        wish: str = "i",
        step: str | Callable[[str], str] = "1",
        carried: Sequence[tuple[str, str, str]] = (),
    ) -> Iterator[Loop]:
        """Add `for i in low..high` around what is added inside; registers are `i64`.

        `carried` are values from iteration to iteration: type, start and name. The body sets
        `loop.nexts`; their last values are in `loop.finals` afterwards.
        """
        head, body = self.name(f"{wish}.head"), self.name(f"{wish}.body")
        after = self.name(f"{wish}.end")
        before = self.block
        self.goto(head)
        self.start(head)
        var = f"%{self.name(wish)}"
        at = len(self.lines)
        self.lines.append("")  # the phi, when the last block of the body is known
        values = [f"%{self.name(name)}" for _, _, name in carried]
        marks = [len(self.lines) + k for k in range(len(carried))]
        self.lines += [""] * len(carried)
        inside = self.let(f"icmp slt i64 {var}, {high}", "more")
        self.branch(inside, body, after)
        self.start(body)
        found = Loop(var, values)
        yield found
        following = step(var) if callable(step) else self.let(f"add nsw i64 {var}, {step}", "next")
        last = self.block
        self.goto(head)
        self.lines[at] = f"  {var} = phi i64 [ {low}, %{before} ], [ {following}, %{last} ]"
        for mark, value, following_value, (type_, start, _) in zip(
            marks, values, found.nexts, carried, strict=True
        ):
            self.lines[mark] = (
                f"  {value} = phi {type_} [ {start}, %{before} ], [ {following_value}, %{last} ]"
            )
        self.start(after)

    def text(self) -> str:
        """Return the body of the function."""
        return "\n".join(["entry:", *self.entry, *self.lines])


class Loop:
    """A loop that is being written: its variable, and the values that it carries."""

    def __init__(self, var: str, values: list[str]) -> None:
        self.var = var
        self.values = values
        self.nexts: list[str] = []

    @property
    def finals(self) -> list[str]:
        """The carried values after the loop."""
        return self.values


def procedure(name: str, parameters: str, w: Writer) -> str:
    """Return a function without a result whose body is written."""
    return f"define void @{name}({parameters}) #0 {{\n{w.text()}\n}}"


def vector_width(lanes: int) -> str:
    """Return what all functions of a module have in common: vectors of so many bits."""
    return f'attributes #0 = {{ nounwind "prefer-vector-width"="{lanes}" }}'
