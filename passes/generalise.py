"""Turn concrete sizes into symbols.

Every axis of a parameter, every loop over it and every letter of the signature is a node; loads
tie them by `axis = stride * loop + constant`. Each connected class becomes one size symbol, and
everything in it an affine expression of that symbol. A class is *pinned* - it keeps its numbers -
where something names an entry by number, or a constant could follow the size in more than one
way. Put back at the trained sizes, the result is the program that came in: that is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import ClassVar

from ddc.ir import (
    Affine,
    Array,
    Function,
    Index,
    Loop,
    Module,
    Op,
    Param,
    Size,
    Type,
    claim,
    dims,
    element,
    int_bounds,
    operands_of,
    value_types,
    verify,
    walk,
    with_dims,
)
from ddc.ir.module import Block
from ddc.ir.sizes import at_sizes

from .base import Context, Pass

LETTERS = ("N", "M", "K", "L", "P", "Q", "R", "S")

# A node: ("axis", parameter, number), ("loop", variable) or ("letter", name).
Node = tuple[str, ...]

# A count over a whole axis may be compared with these without naming a size.
_SIZE_FREE = {("ge", 1), ("gt", 0), ("eq", 0), ("ne", 0), ("lt", 1), ("le", 0), ("mod", 2)}


@dataclass(frozen=True)
class Generalise(Pass):
    """Replace trained sizes by symbols wherever nothing names a size by number."""

    name: ClassVar[str] = "generalise"

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with its entry generic in every size that is not pinned."""
        entry = module.entry
        if entry.sizes or entry.where is not None:
            return module
        ties = _Ties(entry, context.signature, value_types(entry, module))
        symbols = ties.symbols(context)
        if not symbols.names:
            return module
        generic = _smallest(entry, symbols, module)
        if generic is None:
            context.note("the sizes are kept: the program does not verify for other sizes")
            return module
        return module.with_entry(generic)


@dataclass
class _Symbols:
    """The affine expression of every generalised node, and the trained value of each symbol."""

    names: dict[str, int] = field(default_factory=dict[str, int])
    nodes: dict[Node, Affine] = field(default_factory=dict[Node, Affine])


@dataclass(frozen=True)
class _Edge:
    """`target = factor * source + shift`."""

    target: Node
    factor: Fraction
    shift: Fraction


class _Ties:
    def __init__(
        self, function: Function, signature: tuple[Param, ...], types: dict[str, Type]
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
        self._collect_loads()
        self._collect_parts()
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

    def _collect_loads(self) -> None:
        arrays = {param.name for param in self.function.params if dims(param.type)}
        for operand in self.function.body.yields:
            if operand in arrays:
                self._pin_all(str(operand), "it is returned whole")
        for op in walk(self.function.body):
            for operand in operands_of(op):
                if operand in arrays and op.code != "load":
                    self._pin_all(str(operand), f"'{op.code}' takes it whole")
            if op.code == "load" and op.operands[0] in arrays:
                self._collect_load(op)
            if op.code == "index":
                self._collect_index(op)

    def _collect_parts(self) -> None:
        """Pin axes that no loop reads to their end, and loops that make arrays for others to read."""
        made = {name: op for op in self.function.body.ops for name in op.results if op.loops}
        reach: dict[tuple[Node, str], int] = {}
        for op in walk(self.function.body):
            if op.code != "load":
                continue
            for number, index in enumerate(op.index):
                moving = [str(s) for s, _ in index.at.terms if ("loop", str(s)) in self.values]
                maker = made.get(str(op.operands[0]))
                for loop in maker.loops if maker is not None else ():
                    self._pin(("loop", loop.symbol), f"the array {op.operands[0]} is read again")
                axis: Node = ("axis", str(op.operands[0]), str(number))
                if axis in self.values and index.border == "inside" and len(moving) == 1:
                    (symbol,) = moving
                    factor = index.at.coefficient(symbol)
                    last = max(factor * (self.values["loop", symbol] - 1), 0) + index.at.const
                    reach[axis, symbol] = max(reach.get((axis, symbol), 0), last)
        for (axis, symbol), last in reach.items():
            if last < self.values[axis] - 1:
                self._pin(axis, f"the loop {symbol} reads only a part of it")

    def _pin_all(self, array: str, reason: str) -> None:
        for node in self.values:
            if node[:2] == ("axis", array):
                self._pin(node, f"{array}: {reason}")

    def _collect_load(self, op: Op) -> None:
        array = str(op.operands[0])
        for number, index in enumerate(op.index):
            axis: Node = ("axis", array, str(number))
            moving = [(s, c) for s, c in index.at.terms if isinstance(s, str)]
            if not moving:
                self._pin(axis, f"{array}[{index.at}] is named by number")
                continue
            outer = [(s, c) for s, c in moving if s in self.maps] or moving
            symbol, factor = outer[0]
            if ("loop", symbol) not in self.values:
                continue  # its bounds follow another loop, and verifying tells for which sizes
            size, reach = self.values[axis], abs(index.at.const)
            if len(index.at.terms) == 1 and factor == -1 and index.border == "inside":
                # Counted from the end: the constant follows the size.
                self._tie(axis, ("loop", symbol), 1)
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
                if node in self.values and node not in self.edges and axis not in self.pinned:
                    self._tie(axis, node, 1)

    # ------------------------------------------------------------ symbols

    def symbols(self, context: Context) -> _Symbols:
        """Give every class without a pin a symbol; say in a note why the others keep a number."""
        found = _Symbols()
        free = iter(self._letters())
        seen: set[Node] = set()
        for start in self.values:
            if start[0] != "axis" or start in seen:
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
        found: _Symbols,
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


def _smallest(entry: Function, symbols: _Symbols, module: Module) -> Function | None:
    """Return the generic function with the smallest minimum size for which it verifies."""
    for least in range(1, max(symbols.names.values()) + 1):
        sizes = tuple(Size(n, min(least, trained)) for n, trained in symbols.names.items())
        substituted = _substitute(entry, symbols, sizes)
        if not _reach_fits(substituted, least):
            continue
        generic = widen_results(substituted, module)
        if generic is None:
            continue
        # Exact by construction, and checked: at the trained sizes it is what came in.
        if at_sizes(generic, symbols.names).body != entry.body:
            return None
        shown = ", ".join(f"{s.name} >= {s.minimum}" for s in sizes)
        trained = ", ".join(f"{n} = {v}" for n, v in symbols.names.items())
        return replace(
            generic,
            evidence=(*entry.evidence, claim("inferred", sizes=shown, trained=trained)),
        )
    return None


def _reach_fits(function: Function, least: int) -> bool:
    """Tell whether no wrapped load reaches further than the smallest axis is long."""
    return all(
        abs(index.at.const) <= least
        for op in walk(function.body)
        for index in op.index
        if index.border == "wrap"
    )


def _substitute(entry: Function, symbols: _Symbols, sizes: tuple[Size, ...]) -> Function:
    params = tuple(
        replace(p, type=_generic_type(p, symbols)) if isinstance(p.type, Array) else p
        for p in entry.params
    )
    return replace(entry, params=params, body=_generic_block(entry.body, symbols), sizes=sizes)


def _generic_type(param: Param, symbols: _Symbols) -> Array:
    assert isinstance(param.type, Array)
    shape = tuple(
        symbols.nodes.get(("axis", param.name, str(number)), dim)
        for number, dim in enumerate(param.type.dims)
    )
    return Array(param.type.element, shape)


def _generic_block(block: Block, symbols: _Symbols) -> Block:
    return replace(block, ops=tuple(_generic_op(op, symbols) for op in block.ops))


def _from_the_end(at: Affine, loop: Loop) -> bool:
    """Tell whether an expression is `last - loop`: what counts from the end follows the size."""
    return at == Affine.symbol(loop.symbol, -1) + (loop.high.const - 1)


def _generic_op(op: Op, symbols: _Symbols) -> Op:
    if op.code == "load":
        return replace(op, index=_generic_index(op, symbols))
    if op.code == "index":
        return replace(op, index=tuple(_counted(i, symbols) for i in op.index))
    if op.body is None:
        return op
    loops = tuple(
        replace(loop, high=symbols.nodes.get(("loop", loop.symbol), loop.high)) for loop in op.loops
    )
    return replace(op, loops=loops, body=_generic_block(op.body, symbols))


def _counted(index: Index, symbols: _Symbols) -> Index:
    terms = index.at.terms
    if len(terms) != 1 or terms[0][1] != -1:
        return index
    high = symbols.nodes.get(("loop", str(terms[0][0])))
    if high is None or high.evaluate(symbols.names) != index.at.const + 1:
        return index
    return replace(index, at=high - 1 - Affine.symbol(terms[0][0]))


def _generic_index(op: Op, symbols: _Symbols) -> tuple[Index, ...]:
    """Return the index with constants that count from the end as expressions of the size."""
    found: list[Index] = []
    for number, index in enumerate(op.index):
        dim = symbols.nodes.get(("axis", str(op.operands[0]), str(number)))
        backwards = len(index.at.terms) == 1 and index.at.terms[0][1] == -1
        if dim is not None and backwards and index.border == "inside":
            trained = dim.evaluate(symbols.names)
            index = replace(index, at=index.at + dim - trained)
        found.append(index)
    return tuple(found)


def widen_results(function: Function, module: Module) -> Function | None:
    """Return the function with the result types that its body now has, None if it is wrong."""
    probe = replace(function, results=(), body=replace(function.body, yields=()))
    candidate = module.with_entry(probe)
    if verify(candidate):
        return None
    types = value_types(probe, candidate)
    results: list[Param] = []
    for result, value in zip(function.results, function.body.yields):
        if isinstance(value, str):
            given = types[value]
            scalar = element(result.type) if dims(given) else element(given)
            result = replace(result, type=with_dims(scalar, dims(given)))
        results.append(result)
    return replace(function, results=tuple(results))


__all__ = ["Generalise"]
