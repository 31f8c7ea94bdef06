"""Checks at the door: what is not a value of a declared type is refused, never answered.

Every input becomes nested lists of ints and floats once; numpy arrays of any dtype turn into
Python numbers there, so that nothing wraps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from ddc.ir import (
    Affine,
    Bit,
    Category,
    DdcError,
    Function,
    Int,
    Missing,
    Param,
    Quotient,
    Real,
    Scalar,
    dims,
    element,
    int_bounds,
)

from .names import Names
from .text import BITOR, affine, float_text, int_text
from .writer import Writer

SHORT_RANGE = 256  # `v in range(n)` of a float walks the range


def describe(scalar: Scalar) -> str:
    """Return what values of a type are, in words."""
    if isinstance(scalar, Missing):
        return f"{describe(scalar.base)}, or missing"
    if isinstance(scalar, Bit):
        return "0 or 1"
    if isinstance(scalar, Category):
        return "one of " + ", ".join(ascii(n) for n in scalar.names)
    if isinstance(scalar, Int) and scalar.values:
        return "one of " + ", ".join(map(str, scalar.values))
    if isinstance(scalar, Real):
        low, high, noun = scalar.low, scalar.high, "a number"
        ends = [None if b is None else float_text(b).removesuffix(".0") for b in (low, high)]
    else:
        bounds = int_bounds(scalar) or (None, None)
        ends, noun = [None if b is None else str(b) for b in bounds], "an integer"
    if ends[0] is not None and ends[1] is not None:
        return f"{noun} in {ends[0]}..{ends[1]}"
    if ends[0] is not None:
        return f"{noun} from {ends[0]} up"
    return noun if ends[1] is None else f"{noun} up to {ends[1]}"


def membership(scalar: Scalar) -> str | None:
    """Return a collection that holds exactly the values of a small discrete type."""
    if isinstance(scalar, Bit):
        return "(0, 1)"
    if isinstance(scalar, Int) and scalar.values:
        return f"({', '.join(map(str, scalar.values))}{',' if len(scalar.values) == 1 else ''})"
    bounds = int_bounds(scalar)
    if bounds is None or bounds[0] is None or bounds[1] is None or isinstance(scalar, Category):
        return None
    if bounds[1] - bounds[0] >= SHORT_RANGE:
        return None
    if bounds[1] - bounds[0] < 3:
        values = range(bounds[0], bounds[1] + 1)
        return f"({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"
    start = f"{bounds[0]}, " if bounds[0] else ""
    return f"range({start}{bounds[1] + 1})"


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

    def write(self, writer: Writer, used: set[str]) -> None:
        """Write conversions, sizes and the check of shapes."""
        pairs = list(zip(self.function.params, self.params))
        arrays = [p for p, _ in pairs if dims(p.type)]
        short = len(arrays) == 1 and len(dims(arrays[0].type)) == 1
        short = short and membership(element(arrays[0].type)) is not None
        for param, name in pairs:
            if short and dims(param.type):
                self._short(param, name, writer, used)
            else:
                writer.line(f"{name} = {self._checked(param, name)}")
        if not short:
            self._shapes(writer, used)

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

    def _short(self, param: Param, name: str, writer: Writer, used: set[str]) -> None:
        """Write the check of a lone sequence of small ints in place."""
        scalar, (extent,) = element(param.type), dims(param.type)
        v = self.names.fresh(name[0], "v", "value", "each")
        unfit = self._unfit(f"len({name})", extent, f"len({name})")
        values = membership(scalar)
        tests = [f'not hasattr({name}, "__len__")', unfit]
        tests.append(f"any({v} not in {values} for {v} in {name})")
        condition_text = " or ".join(t for t in tests if t)
        message = self.message(param, name)
        writer.line(f'{name} = {name}.tolist() if hasattr({name}, "tolist") else {name}')
        with writer.indented(f"if {condition_text}:"):
            writer.line(f"raise ValueError({message})")
        writer.line(f"{name} = [int({v}) for {v} in {name}]")
        for size in self.solved:
            if size in used:
                writer.line(f"{self.sizes[size]} = {self._solution(size, f'len({name})')}")

    def _unfit(self, length: str, extent: Affine, whole: str) -> str:
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
            shown = [
                f"{names[p.name]} {shape_text(p)}" for p in self.function.params if dims(p.type)
            ]
            claim = f"{self.public}: shapes must be {', '.join(shown)}"
            limits = [f"{s.name} >= {s.minimum}" for s in self.function.sizes if s.minimum > 0]
            message = ascii(claim + (f" with {', '.join(limits)}" if limits else ""))
            with writer.indented(f"if {' or '.join(tests)}:"):
                writer.line(f"raise ValueError({message})")

    def _assigned(self, solved: Sequence[tuple[str, str]], writer: Writer) -> None:
        """Write what the sizes are, on one line where that is short."""
        together = ", ".join(text for _, text in solved)
        words = set(re.findall(r"\w+", together))
        apart = "if" in words or any(name in words for name, _ in solved)
        if len(solved) > 1 and len(together) < 60 and not apart:
            writer.line(f"{', '.join(name for name, _ in solved)} = {together}")
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
        return self._defines(param, axis) and _is_plain(dims(param.type)[axis])

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


def _is_plain(extent: Affine) -> bool:
    """Tell whether every length is such an extent for some size: N + c."""
    return len(extent.terms) == 1 and abs(extent.terms[0][1]) == 1


def shape_text(param: Param) -> str:
    """Return the shape of a parameter in brackets."""
    return f"[{', '.join(map(str, dims(param.type)))}]"


def value_text(param: Param) -> str:
    """Return what a parameter holds, in words."""
    words, shape = describe(element(param.type)), dims(param.type)
    if not shape:
        return words
    noun = "a sequence" if len(shape) == 1 else "an array"
    return f"{noun} {shape_text(param)}, each {words}"


def solution(extent: Affine, size: str, length: str, name: Callable[[str], str]) -> str:
    """Return the size for which an extent has the given length."""
    coefficient = extent.coefficient(size)
    rest = extent - Affine.symbol(size, coefficient)
    text = length
    if " if " in length and extent != Affine.symbol(size):
        text = length = f"({length})"
    if rest != Affine.of(0):
        gap = affine(rest, name)
        text = f"{length} - ({gap.text})" if gap.prec < 13 else f"{length} - {gap.text}"
    if coefficient == -1:
        return f"-({text})"
    if coefficient != 1:
        return f"({text}) // {coefficient}" if text != length else f"{text} // {coefficient}"
    return text


def solve(function: Function) -> dict[str, tuple[str, int, Affine]]:
    """Return for each size the parameter and axis that give it, in an order that works.

    Raises `DdcError` where the shapes do not tell a size.
    """
    found: dict[str, tuple[str, int, Affine]] = {}
    axes = [(p.name, k, d) for p in function.params for k, d in enumerate(dims(p.type))]
    axes.sort(key=lambda a: not _is_plain(a[2]))
    open_ = {s.name for s in function.sizes}
    while open_:
        step = next(
            (_solvable(a[2], open_, found, a) for a in axes if _one_open(a[2], open_)), None
        )
        if step is None:
            missing = min(open_)
            raise DdcError(f"@{function.name}: no input's shape tells the size {missing}")
        size, axis = step
        found[size] = axis
        open_.discard(size)
    return found


def _one_open(extent: Affine, open_: set[str]) -> bool:
    unknown = extent.symbols() & open_
    plain = {s for s, _ in extent.terms if not isinstance(s, Quotient)}
    return (
        len(unknown) == 1
        and unknown <= plain
        and not any(isinstance(s, Quotient) and s.of.symbols() & open_ for s, _ in extent.terms)
    )


def _solvable(
    extent: Affine, open_: set[str], found: object, axis: tuple[str, int, Affine]
) -> tuple[str, tuple[str, int, Affine]]:
    (size,) = extent.symbols() & open_
    return size, axis
