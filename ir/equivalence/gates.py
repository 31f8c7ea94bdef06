"""Gates: and/xor networks with complemented edges, and arithmetic on bit planes made of them.

A signal is `2 * node + complemented`; node 0 is the constant 0. Ints are planes in two's
complement, least significant first, the last plane being the sign.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

FALSE, TRUE = 0, 1
LARGEST_NETWORK = 4_000_000  # gates

Planes = tuple[int, ...]


class TooManyGatesError(Exception):
    """The network would pass `LARGEST_NETWORK`."""


class Gates:
    """A network of shared gates; variables are numbered from 0.

    Sums are compressed in columns, which takes the fewest gates. `serial` sums add one plane
    after the other instead: each partial sum then has a small decision diagram.
    """

    def __init__(self, serial: bool = False) -> None:
        self.serial = serial
        self.left: list[int] = [0]  # first operand of a gate, variable of a leaf
        self.right: list[int] = [0]
        self.kind: list[str] = ["constant"]  # constant | variable | and | xor
        self._gates: dict[tuple[str, int, int], int] = {}

    def _add(self, kind: str, a: int, b: int) -> int:
        key = (kind, a, b)
        found = self._gates.get(key)
        if found is None:
            if len(self.kind) >= LARGEST_NETWORK:
                raise TooManyGatesError
            found = self._gates[key] = len(self.kind)
            self.kind.append(kind)
            self.left.append(a)
            self.right.append(b)
        return 2 * found

    def variable(self, number: int) -> int:
        """Return the signal of a variable."""
        return self._add("variable", number, 0)

    def both(self, a: int, b: int) -> int:
        """Return a and b."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        return self._add("and", a, b)

    def either(self, a: int, b: int) -> int:
        """Return a or b."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """Return a xor b."""
        flip = (a ^ b) & 1
        a, b = a & ~1, b & ~1
        if a > b:
            a, b = b, a
        if a == b:
            return flip
        if a == FALSE:
            return b ^ flip
        return self._add("xor", a, b) ^ flip

    def choose(self, condition: int, then: int, other: int) -> int:
        """Return `then` where the condition holds, else `other`."""
        if condition in (FALSE, TRUE):
            return then if condition else other
        if then in (FALSE, TRUE):
            return self.either(condition, other) if then else self.both(condition ^ 1, other)
        if other in (FALSE, TRUE):
            return self.either(condition ^ 1, then) if other else self.both(condition, then)
        return self.differ(other, self.both(condition, self.differ(then, other)))

    def all(self, signals: Iterable[int]) -> int:
        """Return whether all signals hold."""
        return self._balanced(signals, TRUE, "both")

    def any(self, signals: Iterable[int]) -> int:
        """Return whether some signal holds."""
        return self.all(s ^ 1 for s in signals) ^ 1

    def parity(self, signals: Iterable[int]) -> int:
        """Return the parity of the signals."""
        return self._balanced(signals, FALSE, "differ")

    def _balanced(self, signals: Iterable[int], neutral: int, method: str) -> int:
        queue = deque(signals)
        join = self.both if method == "both" else self.differ
        while len(queue) > 1:
            queue.append(join(queue.popleft(), queue.popleft()))
        return queue[0] if queue else neutral

    # ------------------------------------------------------------ ints

    def number(self, value: int) -> Planes:
        """Return the planes of a constant."""
        return tuple((value >> k) & 1 for k in range(width_of(value, value)))

    def weighted_sum(
        self, terms: Iterable[tuple[Planes, int]], offset: int, low: int, high: int
    ) -> Planes:
        """Return offset + the sum of planes times factors, whose values lie in low..high.

        A negative weight becomes the complement of its plane and a correction of the offset;
        then all is added up modulo 2^width.
        """
        width = width_of(low, high)
        weighted: list[tuple[int, int]] = []
        for planes, factor in terms:
            for k, plane in enumerate(planes):
                weight = factor << k if k < len(planes) - 1 else -(factor << k)
                if plane in (FALSE, TRUE):
                    offset += weight * plane
                    continue
                if weight < 0:
                    offset += weight
                    plane, weight = plane ^ 1, -weight
                weighted.append((plane, weight % (1 << width)))
        offset %= 1 << width
        return (
            self._serial(weighted, offset, width)
            if self.serial
            else self._compress(weighted, offset, width)
        )

    def _serial(self, weighted: Sequence[tuple[int, int]], offset: int, width: int) -> Planes:
        total = [offset >> place & 1 for place in range(width)]
        for plane, weight in weighted:
            carry = FALSE
            for place in range((weight & -weight).bit_length() - 1 if weight else width, width):
                a, b = total[place], plane if weight >> place & 1 else FALSE
                half = self.differ(a, b)
                total[place] = self.differ(half, carry)
                carry = self.either(self.both(a, b), self.both(half, carry))
        return tuple(total)

    def _compress(self, weighted: Sequence[tuple[int, int]], offset: int, width: int) -> Planes:
        columns: list[deque[int]] = [deque() for _ in range(width)]
        for plane, weight in [*weighted, (TRUE, offset)]:
            for place in range(weight.bit_length()):
                if weight >> place & 1:
                    columns[place].append(plane)
        for place, column in enumerate(columns):
            carries = columns[place + 1] if place + 1 < len(columns) else deque[int]()
            while len(column) > 1:
                a, b = column.popleft(), column.popleft()
                c = column.popleft() if column else FALSE
                half = self.differ(a, b)
                column.append(self.differ(half, c))
                carries.append(self.either(self.both(a, b), self.both(half, c)))
        return tuple(column[0] if column else FALSE for column in columns)

    def product(self, a: Planes, b: Planes, low: int, high: int) -> Planes:
        """Return the product of two ints, whose values lie in low..high."""
        rows: list[tuple[Planes, int]] = []
        for k, plane in enumerate(b):
            row = tuple(self.both(plane, p) for p in a)
            rows.append((row, 1 << k if k < len(b) - 1 else -(1 << k)))
        return self.weighted_sum(rows, 0, low, high)

    def extended(self, planes: Planes, width: int) -> Planes:
        """Return the same values on more planes."""
        return planes + (planes[-1],) * (width - len(planes))

    def narrowed(self, planes: Planes, low: int, high: int) -> Planes:
        """Return the planes that values in low..high need."""
        width = width_of(low, high)
        return self.extended(planes, width)[:width]

    def equal(self, a: Planes, b: Planes) -> int:
        """Return whether two ints are equal."""
        width = max(len(a), len(b))
        pairs = zip(self.extended(a, width), self.extended(b, width))
        return self.all(self.differ(p, q) ^ 1 for p, q in pairs)

    def less(self, a: Planes, b: Planes) -> int:
        """Return whether a < b, by comparing from the least significant plane up."""
        width = max(len(a), len(b))
        result = FALSE
        pairs = list(zip(self.extended(a, width), self.extended(b, width)))
        for p, q in pairs[:-1]:
            result = self.choose(self.differ(p, q), q, result)
        p, q = pairs[-1]  # the signs: a negative int is the smaller one
        return self.choose(self.differ(p, q), p, result)

    def choose_planes(self, condition: int, then: Planes, other: Planes) -> Planes:
        """Return one of two ints."""
        width = max(len(then), len(other))
        pairs = zip(self.extended(then, width), self.extended(other, width))
        return tuple(self.choose(condition, p, q) for p, q in pairs)

    def look_up(self, address: Sequence[int], entries: Mapping[int, int], width: int) -> Planes:
        """Return the entry at an address given by its signals, most significant first.

        An address without an entry may give anything.
        """
        return tuple(
            self._tree(address, {k: v >> place & 1 for k, v in entries.items()})
            for place in range(width)
        )

    def _tree(self, address: Sequence[int], entries: dict[int, int]) -> int:
        """Return a bit of a table as a tree of choices, built from the last signal up."""
        level: dict[int, int] = entries
        for signal in reversed(address):
            above: dict[int, int] = {}
            for key in {k >> 1 for k in level}:
                low, high = level.get(2 * key), level.get(2 * key + 1)
                if low is None or high is None:
                    above[key] = high if low is None and high is not None else low or FALSE
                else:
                    above[key] = self.choose(signal, high, low)
            level = above
        return level.get(0, FALSE)


def width_of(low: int, high: int) -> int:
    """Return how many planes two's complement needs for low..high."""
    return (
        max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
    )
