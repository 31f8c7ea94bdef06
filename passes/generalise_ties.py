"""Which sizes of a program follow each other, and which are pinned by what names them by number.

Every axis of a parameter, every loop over it and every letter of the signature is a node; loads
tie them by `axis = stride * loop + constant`. Each connected class without a pin gets one symbol.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from ddc.ir import (
    Affine,
    Block,
    Function,
    Index,
    Loop,
    Op,
    Param,
    Type,
    dims,
    element,
    int_bounds,
    operands_of,
    walk,
)

from .base import Context

LETTERS = ("N", "M", "K", "L", "P", "Q", "R", "S")

MIN_SHOWN = 3  # entries of a map that read everything its rule reads: fewer make no rule
MIN_ALONG = 2  # such entries along each axis that windows move along
MOST_OFFSETS = 1 << 12  # of one index that are listed
MIN_BLOCK = 3  # shorter blocks of one axis are taken as windows

# A node: ("axis", parameter, number), ("loop", variable) or ("letter", name).
Node = tuple[str, ...]

# A count over a whole axis may be compared with these without naming a size.
_SIZE_FREE = {("ge", 1), ("gt", 0), ("eq", 0), ("ne", 0), ("lt", 1), ("le", 0), ("mod", 2)}


@dataclass
class Symbols:
    """The affine expression of every generalised node, and the trained value of each symbol."""

    names: dict[str, int] = field(default_factory=dict[str, int])
    nodes: dict[Node, Affine] = field(default_factory=dict[Node, Affine])


@dataclass(frozen=True)
class _Edge:
    """`target = factor * source + shift`."""

    target: Node
    factor: Fraction
    shift: Fraction


class Ties:
    """Sizes that must agree because one array has both, and sizes that a number pins."""

    def __init__(
        self,
        function: Function,
        signature: tuple[Param, ...],
        types: dict[str, Type],
        counted: bool,
    ) -> None:
        self.function = function
        self.types = types
        self.values: dict[Node, int] = {}
        self.edges: dict[Node, list[_Edge]] = {}
        self.pinned: dict[Node, str] = {}
        self.loops: dict[str, Loop] = {}
        self.maps: set[str] = set()
        self._collect_axes(signature)
        self._collect_loops()
        self._collect_made()
        self.tiled = self._tiles()
        self._collect_loads()
        self._collect_shown()
        self._collect_parts()
        if counted:
            self._collect_counts()
        self._tie_results()

    # ------------------------------------------------------------ the graph

    def _tie(self, axis: Node, loop: Node, factor: int) -> None:
        """Record `axis = factor * loop + constant`, the constant taken from the trained sizes."""
        shift = Fraction(self.values[axis] - factor * self.values[loop])
        self.edges.setdefault(loop, []).append(_Edge(axis, Fraction(factor), shift))
        back = Fraction(1, factor)
        self.edges.setdefault(axis, []).append(_Edge(loop, back, -shift * back))

    def _pin(self, node: Node, reason: str) -> None:
        self.pinned.setdefault(node, reason)

    def _collect_axes(self, signature: tuple[Param, ...]) -> None:
        written = {param.name: dims(param.type) for param in signature}
        for param in self.function.params:
            for number, dim in enumerate(dims(param.type)):
                node = ("axis", param.name, str(number))
                self.values[node] = dim.const
                named = written.get(param.name, ())
                if number < len(named) and len(named[number].terms) == 1:
                    ((symbol, factor),) = named[number].terms
                    self._collect_letter(node, str(symbol), factor, named[number].const)

    def _collect_letter(self, node: Node, symbol: str, factor: int, shift: int) -> None:
        letter = ("letter", symbol)
        self.values[letter] = (self.values[node] - shift) // factor
        self._tie(node, letter, factor)

    def _collect_loops(self) -> None:
        for op in walk(self.function.body):
            for loop in op.loops:
                if loop.low.is_const and loop.high.is_const:
                    self.loops[loop.symbol] = loop
                    self.values["loop", loop.symbol] = loop.high.const
                if op.code != "reduce":
                    self.maps.add(loop.symbol)

    def _collect_made(self) -> None:
        """Tie the axes of arrays that loops of the function make to those loops."""
        for op in self.function.body.ops:
            if op.code not in ("map", "scan"):
                continue
            for name in op.results:
                if len(dims(self.types[name])) != len(op.loops):
                    continue
                for number, loop in enumerate(op.loops):
                    node, own = ("axis", name, str(number)), ("loop", loop.symbol)
                    if own in self.values and loop.low == Affine.of(0):
                        self.values[node] = self.values[own]
                        self._tie(node, own, 1)

    def _tiles(self) -> dict[Node, int]:
        """Return the axes that loops read in blocks, each loop over one block, and their number.

        Two words that one input holds one after the other are two blocks.
        """
        found: dict[Node, set[tuple[int, int] | None]] = {}
        for op in walk(self.function.body):
            for number, index in enumerate(op.index if op.code == "load" else ()):
                axis: Node = ("axis", str(op.operands[0]), str(number))
                found.setdefault(axis, set()).add(self._block(index))
        tiled: dict[Node, int] = {}
        for axis, blocks in found.items():
            known = [block for block in blocks if block is not None]
            extents = {extent for extent, _ in known}
            if len(known) < len(blocks) or len(extents) != 1 or axis not in self.values:
                continue
            count, rest = divmod(self.values[axis], extents.pop())
            if count > 1 and not rest and {block for _, block in known} == set(range(count)):
                tiled[axis] = count
        return tiled

    def _block(self, index: Index) -> tuple[int, int] | None:
        """Return the extent of the one loop that an index follows, and which block of it that is."""
        if len(index.at.terms) != 1 or index.border != "inside":
            return None
        ((symbol, factor),) = index.at.terms
        extent = self.values.get(("loop", str(symbol)))
        if extent is None or abs(factor) != 1 or extent < MIN_BLOCK:
            return None
        block, rest = divmod(index.at.const - (extent - 1 if factor < 0 else 0), extent)
        return None if rest else (extent, block)

    def _collect_loads(self) -> None:
        arrays = {param.name for param in self.function.params if dims(param.type)}
        for operand in self.function.body.yields:
            if operand in arrays:
                self._pin_all(str(operand), "it is returned whole")
        for op in walk(self.function.body):
            for operand in operands_of(op):
                if operand in arrays and op.code != "load":
                    self._pin_all(str(operand), f"'{op.code}' takes it whole")
            if op.code == "load":
                self._collect_load(op)
            if op.code == "index":
                self._collect_index(op)

    def _collect_shown(self) -> None:
        """Pin the loops of maps of which too few entries show the whole rule."""
        for op in walk(self.function.body):
            loops = [loop for loop in op.loops if loop.low.is_const and loop.high.is_const]
            if op.code != "map" or op.body is None or len(loops) < len(op.loops):
                continue
            whole, shown = 1, 1
            for loop in loops:
                extent = loop.high.const - loop.low.const
                inside = self._inside(loop, op.body)
                whole, shown = whole * extent, shown * inside
                if self._rings(loop, op.body):
                    self._pin(("loop", loop.symbol), "the window reads the whole ring")
                if inside < min(extent, MIN_ALONG):
                    self._pin(("loop", loop.symbol), f"{inside} of its outputs show the whole rule")
            if shown < MIN_SHOWN:
                reason = f"{shown} of {whole} outputs show the whole rule"
                for loop in loops:
                    self._pin(("loop", loop.symbol), reason)

    def _rings(self, loop: Loop, body: Block) -> bool:
        """Tell whether the reads that follow a loop around an axis are all its entries."""
        places: dict[Node, set[int]] = {}
        wrapped: set[Node] = set()
        for op in walk(body):
            for number, index in enumerate(op.index if op.code == "load" else ()):
                axis: Node = ("axis", str(op.operands[0]), str(number))
                if axis not in self.values:
                    continue
                wrapped |= {axis} if index.border == "wrap" else set()
                known = places.setdefault(axis, set())
                known.update(at % self.values[axis] for at in self._offsets(index, loop))
        return any(len(places[axis]) == self.values[axis] > 1 for axis in wrapped)

    def _offsets(self, index: Index, loop: Loop) -> list[int]:
        """Return how far from a loop's variable an index reads, for all values of inner loops."""
        if index.at.coefficient(loop.symbol) != 1:
            return []
        found = [index.at.const]
        for symbol, factor in index.at.terms:
            if symbol == loop.symbol:
                continue
            inner = self.loops.get(str(symbol))
            if inner is None or len(found) * inner.high.const > MOST_OFFSETS:
                return []
            values = range(inner.low.const, inner.high.const)
            found = [at + factor * value for at in found for value in values]
        return found

    def _inside(self, loop: Loop, body: Block) -> int:
        """Return how many values of a loop have all reads that follow it within the borders."""
        low, high = loop.low.const, loop.high.const
        for op in walk(body):
            for number, index in enumerate(op.index if op.code == "load" else ()):
                axis: Node = ("axis", str(op.operands[0]), str(number))
                factor = index.at.coefficient(loop.symbol)
                if axis not in self.values or len(index.at.terms) != 1 or factor < 1:
                    continue
                if index.border in ("else", "clamp"):
                    low = max(low, -(index.at.const // factor))
                    high = min(high, -((index.at.const - self.values[axis]) // factor))
        return max(high - low, 0)

    def _collect_parts(self) -> None:
        """Pin axes that no loop reads to their end."""
        reach: dict[tuple[Node, str], int] = {}
        for op in walk(self.function.body):
            if op.code != "load":
                continue
            for number, index in enumerate(op.index):
                moving = [str(s) for s, _ in index.at.terms if ("loop", str(s)) in self.values]
                axis: Node = ("axis", str(op.operands[0]), str(number))
                if axis in self.values and index.border == "inside" and len(moving) == 1:
                    (symbol,) = moving
                    factor = index.at.coefficient(symbol)
                    last = max(factor * (self.values["loop", symbol] - 1), 0) + index.at.const
                    reach[axis, symbol] = max(reach.get((axis, symbol), 0), last)
        for (axis, symbol), last in reach.items():
            if last < self.values[axis] - 1 and axis not in self.tiled:
                self._pin(axis, f"the loop {symbol} reads only a part of it")

    def _pin_all(self, array: str, reason: str) -> None:
        for node in self.values:
            if node[:2] == ("axis", array):
                self._pin(node, f"{array}: {reason}")

    def _collect_load(self, op: Op) -> None:
        array = str(op.operands[0])
        for number, index in enumerate(op.index):
            axis: Node = ("axis", array, str(number))
            if axis not in self.values:
                self._pin_moving(index, f"the array {array} is read again")
                continue
            moving = [(s, c) for s, c in index.at.terms if isinstance(s, str)]
            if not moving:
                self._pin(axis, f"{array}[{index.at}] is named by number")
                continue
            outer = [(s, c) for s, c in moving if s in self.maps] or moving
            symbol, factor = outer[0]
            if ("loop", symbol) not in self.values:
                continue  # its bounds follow another loop, and verifying tells for which sizes
            size, reach = self.values[axis], abs(index.at.const)
            if axis in self.tiled:
                self._tie(axis, ("loop", symbol), self.tiled[axis])
                continue
            if len(index.at.terms) == 1 and factor < 0 and index.border == "inside":
                # Counted from the end: the constant follows the size.
                self._tie(axis, ("loop", symbol), -factor)
                continue
            if len(outer) > 1 or factor < 1 or len(moving) < len(index.at.terms):
                self._pin(axis, f"{array}[{index.at}] does not follow one loop")
            elif index.border == "wrap" and 2 * reach >= size:
                self._pin(axis, f"{array}[{index.at}] reads the same entry from both sides")
            elif index.border in ("else", "clamp") and reach >= size - 1:
                self._pin(
                    axis, f"{array}[{index.at}] reaches over the whole axis, as a prefix does"
                )
            elif index.border != "inside" and self.values["loop", symbol] * factor != size:
                self._pin(axis, f"{array}[{index.at}] passes the border at one size only")
            elif symbol in self.maps or index.border == "inside":
                self._tie(axis, ("loop", symbol), factor)

    def _pin_moving(self, index: Index, reason: str) -> None:
        """Pin the loops that an index of an array of unknown length follows."""
        for symbol, _ in index.at.terms:
            if ("loop", str(symbol)) in self.values:
                self._pin(("loop", str(symbol)), reason)

    def _collect_index(self, op: Op) -> None:
        """Pin loops whose variable is used as a number that may hide the size."""
        (index,) = op.index
        for symbol, factor in index.at.terms:
            loop = self.loops.get(str(symbol)) if factor < 0 else None
            if loop is not None and not _from_the_end(index.at, loop):
                self._pin(("loop", loop.symbol), f"the number {index.at} could follow the size")

    def _collect_counts(self) -> None:
        """Pin loops whose count is compared with a number that could follow the size."""
        counts = {
            op.results[0]: op
            for op in walk(self.function.body)
            if op.code == "reduce" and op.attr("kind") in ("add", "count")
        }
        for op in walk(self.function.body):
            for operand in op.operands:
                if operand not in counts:
                    continue
                others = [o for o in op.operands if o != operand]
                numbers = [o for o in others if not isinstance(o, str)]
                free = not numbers or (op.code, numbers[0]) in _SIZE_FREE
                reason = (
                    f"the number {numbers[0]} in '{op.code}' could follow the size"
                    if numbers
                    else ""
                )
                if free and numbers and self._signed(str(operand)):
                    # At the trained size a tie may be impossible; elsewhere it is undecided.
                    free, reason = False, "ties at other sizes are not decided by the network"
                for loop in counts[str(operand)].loops if not free else ():
                    self._pin(("loop", loop.symbol), reason)

    def _signed(self, name: str) -> bool:
        """Tell whether a value may be negative."""
        bounds = int_bounds(element(self.types[name]))
        return bounds is None or bounds[0] is None or bounds[0] < 0

    def _tie_results(self) -> None:
        """Tie the loops of a result that read no axis to the only parameter of that shape."""
        defined = {name: op for op in self.function.body.ops for name in op.results}
        for result, value in zip(self.function.results, self.function.body.yields):
            shape = dims(result.type)
            like = [p for p in self.function.params if shape and dims(p.type) == shape]
            op = defined.get(value) if isinstance(value, str) else None
            if len(like) != 1 or op is None or op.code not in ("map", "scan"):
                continue
            for number, loop in enumerate(op.loops):
                node = ("loop", loop.symbol)
                axis = ("axis", like[0].name, str(number))
                if node in self.values and not self._reads(node) and axis not in self.pinned:
                    self._tie(axis, node, 1)

    def _reads(self, node: Node) -> bool:
        """Tell whether a loop follows an axis of a parameter."""
        given = {param.name for param in self.function.params}
        return any(other[0] == "axis" and other[1] in given for other in self._reachable(node))

    # ------------------------------------------------------------ symbols

    def symbols(self, context: Context) -> Symbols:
        """Give every class without a pin a symbol; say in a note why the others keep a number."""
        found = Symbols()
        free = iter(self._letters())
        seen: set[Node] = set()
        given = {param.name for param in self.function.params}
        for start in self.values:
            if start[0] != "axis" or start[1] not in given or start in seen:
                continue
            relation = self._class(start)
            seen.update(relation or self._reachable(start))
            pins = [self.pinned[node] for node in self._reachable(start) if node in self.pinned]
            moving = any(node[0] == "loop" for node in self._reachable(start))
            if relation is None or pins or not moving:
                size = self.values[start]
                reason = pins[0] if pins else "nothing moves along it"
                context.note(f"axis {start[2]} of {start[1]} keeps its size {size}: {reason}")
                continue
            self._name(relation, found, free)
        return found

    def _letters(self) -> Iterator[str]:
        taken = {node[1] for node in self.values if node[0] == "letter"}
        yield from (letter for letter in LETTERS if letter not in taken)
        yield from (f"N{number}" for number in range(1, len(self.values) + 1))

    def _reachable(self, start: Node) -> list[Node]:
        order, queue = {start: None}, [start]
        while queue:
            for edge in self.edges.get(queue.pop(), ()):
                if edge.target not in order:
                    order[edge.target] = None
                    queue.append(edge.target)
        return list(order)

    def _class(self, start: Node) -> dict[Node, tuple[Fraction, Fraction]] | None:
        """Return every node of a class as `a * start + b`, None where two ways disagree."""
        known = {start: (Fraction(1), Fraction(0))}
        queue = [start]
        while queue:
            node = queue.pop()
            a, b = known[node]
            for edge in self.edges.get(node, ()):
                value = (edge.factor * a, edge.factor * b + edge.shift)
                if edge.target not in known:
                    known[edge.target] = value
                    queue.append(edge.target)
                elif known[edge.target] != value:
                    return None
        return known

    def _name(
        self,
        relation: dict[Node, tuple[Fraction, Fraction]],
        found: Symbols,
        free: Iterator[str],
    ) -> None:
        """Choose the node that all others are whole multiples of, and name it."""
        letters = [node for node in relation if node[0] == "letter"]
        candidates = sorted(relation, key=lambda node: (relation[node][0], node[0] != "letter"))
        base = next((n for n in [*letters, *candidates] if _is_base(relation, n)), None)
        if base is None:
            return
        name = base[1] if base[0] == "letter" else next(free)
        found.names[name] = self.values[base]
        a, b = relation[base]
        for node, (factor, shift) in relation.items():
            slope = factor / a
            offset = shift - slope * b
            found.nodes[node] = Affine.symbol(name, int(slope)) + int(offset)


def _is_base(relation: dict[Node, tuple[Fraction, Fraction]], node: Node) -> bool:
    a, b = relation[node]
    return all(
        math.gcd((f / a).denominator, 1) == (f / a).denominator and (s - f / a * b).denominator == 1
        for f, s in relation.values()
    )


def _from_the_end(at: Affine, loop: Loop) -> bool:
    """Tell whether an expression is `last - loop`: what counts from the end follows the size."""
    return at == Affine.symbol(loop.symbol, -1) + (loop.high.const - 1)


__all__ = ["LETTERS", "Node", "Symbols", "Ties"]
