"""Checks at the door: what is not a value of a declared type is refused, never answered.

Every input becomes nested lists of ints and floats once; numpy arrays of any dtype turn into
Python numbers there, so that nothing wraps. Three forms, by what is shortest: one sequence is
tested in place; several inputs of few values are read by dictionaries, where a value that is none
and a row that is none raise by themselves; all others are read by helpers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from ddc.ir import (
    Affine,
    Bit,
    Category,
    Function,
    Int,
    Missing,
    Param,
    Real,
    Scalar,
    dims,
    element,
    int_bounds,
)

from .claims import claim, dictionary, membership, shape_text, value_text
from .names import Names
from .shapes import is_plain, solution, solve
from .text import BITOR, affine, float_text, int_text
from .writer import LINE_LENGTH, Writer

WIDE = 84  # characters of what is written in one statement
MOST_NAMED = 4  # entries that a pattern asks for one by one


class Inputs:
    """Writes the checks of one function's parameters in the plain style."""

    def __init__(
        self,
        function: Function,
        names: Names,
        public: str,
        params: Sequence[str],
        sizes: dict[str, str],
        helper: Callable[[str], str],
    ) -> None:
        self.function = function
        self.names = names
        self.public = public
        self.params = params
        self.sizes = sizes
        self.helper = helper
        self.solved = solve(function)

    def write(self, writer: Writer, body: Writer) -> None:
        """Write conversions, sizes and the check of shapes; the body may be told to convert."""
        params = self.function.params
        if not params:
            return
        if len(params) == 1 and len(dims(params[0].type)) == 1:
            if membership(element(params[0].type)) is not None:
                self._short(params[0], self.params[0], writer, body)
                return
        if self._is_together():
            self._together(writer, body)
            return
        for param, name in zip(params, self.params):
            writer.line(f"{name} = {self._checked(param, name)}")
        self._shapes(writer, body.mentioned(self.sizes))

    def refusal(self, indent: int, ending: str = "") -> str:
        """Return the statement that says what all inputs must be, in few words if it is long."""
        texts = [
            ascii(claim(self.public, self.function.params, self.params, self.function.sizes, short))
            for short in (False, True)
        ]
        endings = (ending, ending, "")  # one error rather than two is worth less than a line
        found = [f"raise ValueError({text}){end}" for text, end in zip([*texts, texts[1]], endings)]
        return next((f for f in found if 4 * indent + len(f) <= LINE_LENGTH), found[0])

    def message(self, param: Param, name: str) -> str:
        """Return what is said of a value that the type does not hold, as a literal."""
        return ascii(f"{self.public}: {name} must be {value_text(param)}")

    def _checked(self, param: Param, name: str) -> str:
        """Return a call that checks and converts an input."""
        scalar, rank = element(param.type), len(dims(param.type))
        message = self.message(param, name)
        if not isinstance(scalar, Missing):
            return self._check(scalar, name, message, rank)
        v = self.names.fresh("v")
        inner = self._check(scalar.base, v, message, 0)
        return f"{self.helper('_optional')}({name}, {rank}, lambda {v}: {inner})"

    def _check(self, scalar: Scalar, v: str, message: str, rank: int) -> str:
        ending = f", rank={rank}" if rank else ""
        if isinstance(scalar, Category):
            listed = ", ".join(ascii(n) for n in scalar.names) + ("," * (len(scalar.names) == 1))
            return f"{self.helper('_named')}({v}, ({listed}), {message}{ending})"
        if isinstance(scalar, Bit) or (isinstance(scalar, Int) and scalar.values):
            return f"{self.helper('_chosen')}({v}, {membership(scalar)}, {message}{ending})"
        bounds: Sequence[int | Fraction | None] = int_bounds(scalar) or (None, None)
        if isinstance(scalar, Real):
            bounds = (scalar.low, scalar.high)
        for word, bound in zip(("low", "high"), bounds):
            if bound is not None:
                text = float_text(bound) if isinstance(bound, Fraction) else int_text(bound)
                ending += f", {word}={text}"
        helper = self.helper("_reals" if isinstance(scalar, Real) else "_integers")
        return f"{helper}({v}, {message}{ending})"

    def _short(self, param: Param, name: str, writer: Writer, body: Writer) -> None:
        """Write the check of a lone sequence of small ints in place."""
        scalar, (extent,) = element(param.type), dims(param.type)
        v = self.names.fresh(name[0], "v", "value", "each")
        unfit = self._unfit(f"len({name})", extent)
        tests = [f'not hasattr({name}, "index")', unfit]
        tests.append(f"any({v} not in {membership(scalar)} for {v} in {name})")
        writer.line(f'{name} = {name}.tolist() if hasattr({name}, "tolist") else {name}')
        with writer.indented(f"if {' or '.join(t for t in tests if t)}:"):
            writer.line(self.refusal(2))
        assigned: list[tuple[str, str]] = []
        for size in self.solved:
            local, text = self.sizes[size], self._solution(size, f"len({name})")
            if body.count(local) and not (text == f"len({name})" and body.inline(local, text)):
                assigned.append((local, text))
        if not body.walk(name, f"map(int, {name})"):
            assigned.append((name, f"[int({v}) for {v} in {name}]"))
        self._assigned(assigned, writer)

    def _unfit(self, length: str, extent: Affine) -> str:
        """Return the condition that a lone length is none that the program claims."""
        if extent.is_const:
            return f"{length} != {extent.const}"
        ((symbol, coefficient),) = extent.terms
        assert isinstance(symbol, str)
        minimum = next(s.minimum for s in self.function.sizes if s.name == symbol)
        least = coefficient * minimum + extent.const
        tests = [f"not {length.removeprefix('len(').removesuffix(')')}" if least == 1 else ""]
        if least > 1:
            tests = [f"{length} < {least}"]
        if abs(coefficient) != 1:
            rest = extent.const % abs(coefficient)
            tests.append(f"{length} % {abs(coefficient)}" + (f" != {rest}" if rest else ""))
        return " or ".join(t for t in tests if t)

    def _solution(self, size: str, length: str) -> str:
        _, _, extent = self.solved[size]
        return solution(extent, size, length, lambda s: self.sizes[s])

    # ------------------------------------------------------------ several inputs of few values

    def _is_together(self) -> bool:
        """Tell whether dictionaries can read all inputs, and sets of lengths tell all sizes."""
        least = {size.name: size.minimum for size in self.function.sizes}
        for param in self.function.params:
            if dictionary(element(param.type)) is None:
                return False
            outer = dims(param.type)[:-1]
            if any(not d.at_least(1, least) for d in outer):
                return False
        return all(extent == Affine.symbol(s) for s, (_, _, extent) in self.solved.items())

    def _together(self, writer: Writer, body: Writer) -> None:
        """Write one attempt to read all inputs, and one sentence for whatever is wrong."""
        groups: dict[tuple[str, int], list[str]] = {}
        for param, name in zip(self.function.params, self.params):
            values = str(dictionary(element(param.type)))
            groups.setdefault((values, len(dims(param.type))), []).append(name)
        named: dict[str, str] = {}
        for values, rank in groups:
            if rank and " for " in values and values not in named:
                named[values] = self.names.fresh("number", "value", "known")
                writer.line(f"{named[values]} = {values}")
        with writer.indented("try:"):
            if self._by_columns(writer, body):
                groups.clear()
            for (values, rank), names in groups.items():
                lookup = named.get(values, values)
                if len(names) == 1:
                    writer.line(f"{names[0]} = {self._read(names[0], lookup, rank)}")
                    continue
                each = self.names.fresh("x", "each")
                text = self._read(each, lookup, rank)
                self.names.free(each)
                all_ = ", ".join(names)
                writer.line(f"{all_} = ({text} for {each} in ({all_}))")
            if groups:
                self._lengths(writer, body)
        with writer.indented("except (LookupError, TypeError, ValueError):"):
            writer.line(self.refusal(2, " from None"))

    def _read(self, name: str, lookup: str, rank: int) -> str:
        """Return an expression for nested lists of what is looked up."""
        wishes = ("v", "row", "rows")
        targets = [self.names.fresh(wishes[min(k, 2)]) for k in range(rank)][::-1]
        text = f"{lookup}[{targets[-1] if targets else name}]"
        for target, source in reversed(list(zip(targets, [name, *targets]))):
            text = f"[{text} for {target} in {source}]"
        for target in targets:
            self.names.free(target)
        return text

    def _lengths(self, writer: Writer, body: Writer) -> None:
        """Write that all lengths of one extent are the same, by unpacking the set of them."""
        found: dict[Affine, list[tuple[str, int]]] = {}
        for param, name in zip(self.function.params, self.params):
            for axis, extent in enumerate(dims(param.type)):
                found.setdefault(extent, []).append((name, axis))
        if self._at_least(found, writer, body):
            return
        known = {Affine.symbol(s.name) for s in self.function.sizes}
        others = frozenset[str]().union(*(e.symbols() for e in found if e not in known))
        used = body.mentioned(self.sizes) | others
        assigned: list[tuple[str, str]] = []
        later: list[tuple[str, str]] = []
        outer = {d for p in self.function.params for d in dims(p.type)[:-1]}
        for extent, axes in found.items():
            size = next((s for s in self.function.sizes if Affine.symbol(s.name) == extent), None)
            first = f"len({axes[0][0]}{'[0]' * axes[0][1]})"
            if size is not None and axes[1:] == [] and axes[0][1] == 0 and extent in outer:
                if size.minimum <= 1:  # the lengths of rows, below, ask for a first row
                    local = self.sizes[size.name]
                    here = size.name not in others and body.inline(local, first)
                    if size.name in used and not here:
                        assigned.append((local, first))
                    continue
            lengths = ", ".join(self._lengths_at(name, axis) for name, axis in axes)
            if size is None:
                text = affine(extent, lambda s: self.sizes[s]).text
                rest = f", {first}" if axes[0][1] else ""
                later.append(("(_,)", f"{{{text}, {lengths}{rest}}}"))
                continue
            if size.minimum > 0:
                lengths += f", max({size.minimum}, {first})"
            assigned.append((f"({self.sizes[size.name]},)", f"{{{lengths}}}"))
        self._assigned(assigned, writer)  # sizes first: other lengths are told in them
        self._assigned(later, writer)

    def _lengths_at(self, name: str, axis: int) -> str:
        """Return all lengths along one axis, as items of a set."""
        if axis == 0:
            return f"len({name})"
        if axis == 1:
            return f"*map(len, {name})"
        rows = [self.names.fresh("rows") for _ in range(axis)]
        sources = [name, *rows]
        loops = " ".join(f"for {row} in {source}" for row, source in zip(rows, sources))
        for row in rows:
            self.names.free(row)
        return f"*(len({rows[-1]}) {loops})"

    def _at_least(
        self, found: dict[Affine, list[tuple[str, int]]], writer: Writer, body: Writer
    ) -> bool:
        """Write that a matrix has some rows and columns at least, none of them longer than others."""
        least = self._least_lengths()
        if least is None or max(least) < 2:
            return False
        (name,) = self.params
        sizes = [next(s for s in self.function.sizes if Affine.symbol(s.name) == e) for e in found]
        writer.line(f"{_pattern(['_'] * least[0], least[1])} = zip(*{name}, strict=True)")
        solved = [(self.sizes[s.name], f"len({name}{'[0]' * k})") for k, s in enumerate(sizes)]
        self._assigned([p for p in solved if body.count(p[0]) and not body.inline(*p)], writer)
        return True

    def _least_lengths(self) -> tuple[int, int] | None:
        """Return how many rows and columns a lone matrix of two sizes has at least."""
        shapes = [dims(p.type) for p in self.function.params]
        least = {Affine.symbol(s.name): s.minimum for s in self.function.sizes}
        if len(shapes) != 1 or len(shapes[0]) != 2 or len(set(shapes[0])) != 2:
            return None
        if any(not 0 < least.get(d, 0) <= MOST_NAMED for d in shapes[0]):
            return None
        return least[shapes[0][0]], least[shapes[0][1]]

    def _by_columns(self, writer: Writer, body: Writer) -> bool:
        """Read a matrix column by column where the body walks along its columns alone."""
        least = self._least_lengths()
        name = self.params[0]
        entry = rf"\b{name}\[(\d+)\]\[(\d+)\]"
        walks = body.matches(rf"\bzip\(\*{name}\)")
        entries = body.matches(entry)
        sizes = any(body.count(local) for local in self.sizes.values())
        if least is None or not walks or sizes or len(walks) + len(entries) != body.count(name):
            return False
        columns = self.names.fresh("columns", "lines")
        values = str(dictionary(element(self.function.params[0].type)))
        if " for " in values:
            return False
        first = ["_"] * least[0]
        read = {int(m[1]) for m in entries if m[2] == "0"}
        for row in sorted(read & set(range(least[0]))):
            first[row] = self.names.fresh(*"abcdefgh", "first")
        body.replace(rf"\bzip\(\*{name}\)", lambda _: columns)
        body.replace(
            entry,
            lambda m: (
                first[int(m[1])]
                if m[2] == "0" and int(m[1]) < least[0]
                else f"{columns}[{m[2]}][{m[1]}]"
            ),
        )
        each = f"for column in zip(*{name}, strict=True)"
        writer.line(f"{columns} = [[{values}[v] for v in column] {each}]")
        writer.line(f"{_pattern(first, least[1])} = {columns}")
        return True

    # ------------------------------------------------------------ all others

    def _shapes(self, writer: Writer, used: set[str]) -> None:
        """Write the sizes and one check that every array has the shape that they give."""
        names = dict(zip((p.name for p in self.function.params), self.params))
        tests: list[str] = []
        needed = set(used)
        for param in self.function.params:
            for axis, extent in enumerate(dims(param.type)):
                if not (axis == 0 and self.gives(param, axis)):
                    needed |= extent.symbols()
        for size in self.function.sizes:
            if size.minimum > 0:
                needed.add(size.name)
        solved = [
            (self.sizes[size], self._solution(size, self._length(names[param], axis)))
            for size, (param, axis, _) in self.solved.items()
            if size in needed
        ]
        self._assigned(solved, writer)
        for size in self.function.sizes:
            if size.minimum > 0:
                tests.append(f"{self.sizes[size.name]} < {size.minimum}")
        for param in self.function.params:
            test = self._shape_test(param, names[param.name])
            tests += [test] if test else []
        if tests:
            arrays = [p for p in self.function.params if dims(p.type)]
            shown = [
                f"{names[p.name]} {shape_text(dims(p.type), self.function.sizes)}" for p in arrays
            ]
            with writer.indented(f"if {' or '.join(tests)}:"):
                says = ascii(f"{self.public}: shapes must be {', '.join(shown)}")
                writer.line(f"raise ValueError({says})")

    def _assigned(self, solved: Sequence[tuple[str, str]], writer: Writer) -> None:
        """Write what the sizes are, on one line where that is short."""
        targets, texts = ", ".join(n for n, _ in solved), ", ".join(t for _, t in solved)
        words = set(re.findall(r"\w+", texts.replace(" for ", " ")))
        mixed = "if" in words or any(n in words for n, t in solved if f"({n})" not in texts)
        if len(solved) > 1 and len(targets) + len(texts) < WIDE and not mixed:
            writer.line(f"{targets} = {texts}")
            return
        for name, text in solved:
            writer.line(f"{name} = {text}")

    def _defines(self, param: Param, axis: int) -> bool:
        return any(found[:2] == (param.name, axis) for found in self.solved.values())

    def _length(self, name: str, axis: int) -> str:
        text = f"len({name}{'[0]' * axis})"
        if axis:
            guard = " and ".join(f"{name}{'[0]' * k}" for k in range(axis))
            text = f"len({name}{'[0]' * axis}) if {guard} else 0"
        return text

    def gives(self, param: Param, axis: int) -> bool:
        """Tell whether an axis is what a size is solved from, so that it always fits."""
        return self._defines(param, axis) and is_plain(dims(param.type)[axis])

    def extent(self, at: Affine) -> str:
        """Return an extent for a comparison."""
        return affine(at, lambda s: self.sizes[s]).at(BITOR)

    def _shape_test(self, param: Param, name: str) -> str:
        """Return the condition that nested lists do not have the declared shape."""
        shape, test = dims(param.type), ""
        rows = [name, "row", *(f"row_{axis}" for axis in range(2, len(shape)))]
        for axis in reversed(range(len(shape))):
            known = axis == 0 and self.gives(param, 0)
            here = "" if known else f"len({rows[axis]}) != {self.extent(shape[axis])}"
            inner = f"any({test} for {rows[axis + 1]} in {rows[axis]})" if test else ""
            test = " or ".join(t for t in (here, inner) if t)
        return test


def _pattern(first: Sequence[str], columns: int) -> str:
    """Return a pattern for at least so many columns; the first one's entries have names."""
    return f"({', '.join(first)}, *_), {'_, ' * (columns - 1)}*_"
