"""Checks at the door in the numpy style: arrays are tested whole, and become int64 or float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddc.ir import Affine, Bit, Missing, Param, Scalar, dims, element, int_bounds

from .claims import membership
from .inputs import WIDE, Inputs
from .shapes import solution
from .text import BITOR, affine
from .writer import LINE_LENGTH, Writer

LONGEST_TEST = LINE_LENGTH - len("    if :")
WRONG = "bad"
COMPARED = 9  # values that np.isin compares one by one; among more it takes "1" for 1


class NumpyInputs(Inputs):
    """Writes the checks of one function's parameters in the numpy style."""

    rows = False  # scalars may be columns
    bits = False  # whether the body reads the one array, of bits, as bools

    def write(self, writer: Writer, body: Writer) -> None:
        """Write conversions, sizes and the check of shapes."""
        params = self.function.params
        arrays = bool(params) and all(
            dims(p.type) and membership(element(p.type)) is not None for p in params
        )
        lone = len(params) == 1 and len(dims(params[0].type)) == 1
        plain = all(extent == Affine.symbol(s) for s, (_, _, extent) in self.solved.items())
        if self.bits:
            self._as_bools(writer, body)
            return
        if arrays and (plain or lone):
            self._at_once(writer, body)
            return
        for param, name in zip(params, self.params):
            writer.line(f"{name} = {self._checked(param, name)}")
        if params:
            self._shapes(writer, body.mentioned(self.sizes))

    # ------------------------------------------------------------ arrays of few values

    def _as_bools(self, writer: Writer, body: Writer) -> None:
        """Write one test of an array of bits, by the bools that the body reads."""
        (param,), (name,) = self.function.params, self.params
        given = self.names.fresh("given", "array")
        writer.line(f"{given} = np.asarray({name})")
        writer.line(f"{name} = {given} != 0")
        shape = self._shaped(param, name)
        differs = (f"np.count_nonzero({name} != {given})", f"({name} != {given}).any()")
        texts = [" or ".join([*shape, test]) for test in differs]
        self._refused([*shape, differs[len(texts[0]) > LONGEST_TEST]], writer)
        self._sized(writer, body)

    def _at_once(self, writer: Writer, body: Writer) -> None:
        """Write one test of all arrays: ranks, lengths, then values."""
        self._each(writer, "np.asarray({})")
        tests: list[str] = []
        known: dict[tuple[Affine, ...], str] = {}
        for param, name in zip(self.function.params, self.params):
            shape = dims(param.type)
            tests += [f"{name}.shape != {known[shape]}.shape"] if shape in known else []
            tests += self._shaped(param, name) if shape not in known else []
            known.setdefault(shape, name)
        valued = self._valued()
        whole = f"    if {' or '.join(tests + valued)}:"
        if len(whole) > LINE_LENGTH and len(valued) == 1:
            valid = self.names.fresh("valid", "known")
            writer.line(f"{valid} = {valued[0].removeprefix('not ').removesuffix('.all()')}")
            valued = [f"not {valid}.all()"]
        tests += valued
        self._refused(tests, writer)
        self._each(writer, "{}.astype(np.int64)")
        self._sized(writer, body)

    def _refused(self, tests: Sequence[str], writer: Writer) -> None:
        """Write that an input is refused which meets any condition; many take two lines."""
        first = len(tests)
        while first and len(f"{WRONG} = {' or '.join(tests[:first])}") > LINE_LENGTH - 4:
            first -= 1
        rest = " or ".join([WRONG, *tests[first:]])
        if len(" or ".join(tests)) > LONGEST_TEST and first and len(rest) <= LONGEST_TEST:
            wrong = self.names.fresh(WRONG, "unfit")
            writer.line(f"{wrong} = {' or '.join(tests[:first])}")
            tests = [wrong, *tests[first:]]
        with writer.indented(f"if {' or '.join(tests)}:"):
            writer.line(self.refusal(2))

    def _each(self, writer: Writer, form: str) -> None:
        """Write the same conversion of every array."""
        texts = [form.format(name) for name in self.params]
        both = f"{', '.join(self.params)} = {', '.join(texts)}"
        if len(both) < WIDE:
            writer.line(both)
            return
        for name, text in zip(self.params, texts):
            writer.line(f"{name} = {text}")

    def _source(self, size: str) -> str:
        """Return the size as an expression of the shape that tells it."""
        name, axis, extent = self.solved[size]
        param = next(n for p, n in zip(self.function.params, self.params) if p.name == name)
        length = f"len({param})" if axis == 0 else f"{param}.shape[{axis}]"
        return solution(extent, size, length, self._source)

    def _shaped(self, param: Param, name: str) -> list[str]:
        """Return the conditions under which an array has another shape than it must have."""
        shape = dims(param.type)
        if all(d.is_const for d in shape):
            lengths = ", ".join(f"{d.const}" for d in shape)
            return [f"{name}.shape != ({lengths}{',' * (len(shape) == 1)})"]
        tests = [f"{name}.ndim != {len(shape)}"]
        if len(shape) > 1 and len(set(shape)) == 1 and self._defines(param, 0):
            low = next(s.minimum for s in self.function.sizes if Affine.symbol(s.name) == shape[0])
            small = [f"len({name}) < {low}" if low > 1 else f"not {name}.size"] if low else []
            return [*tests, f"len({{*{name}.shape}}) > 1", *small]
        if len(shape) == 1 and self._defines(param, 0):
            return [*tests, self._unfit(f"{name}.size", shape[0])]
        least: list[int | None] = []
        for axis, extent in enumerate(shape):
            length = f"{name}.shape[{axis}]"
            if self._defines(param, axis):
                size = next(s for s in self.function.sizes if Affine.symbol(s.name) == extent)
                least.append(size.minimum)
                continue
            least.append(None)
            tests.append(f"{length} != {affine(extent, self._source).at(BITOR)}")
        if set(least) == {1}:
            return [*tests, f"not {name}.size"]
        if len(set(least)) == 1 and least[0]:
            return [*tests, f"min({name}.shape) < {least[0]}"]
        return tests + [f"{name}.shape[{k}] < {m}" for k, m in enumerate(least) if m]

    def _valued(self) -> list[str]:
        """Return the conditions under which entries are no values of their types."""
        groups: dict[tuple[Scalar, tuple[Affine, ...]], list[str]] = {}
        for param, name in zip(self.function.params, self.params):
            groups.setdefault((element(param.type), dims(param.type)), []).append(name)
        tests: list[str] = []
        for (scalar, _), names in groups.items():
            values = str(membership(scalar))
            if isinstance(scalar, Bit) and len(names) == 1:
                tests.append(f"not (({names[0]} == 0) | ({names[0]} == 1)).all()")
                continue
            low, high = int_bounds(scalar) or (0, 0)
            if values.startswith("range") and (high or 0) - (low or 0) >= COMPARED:
                many = f"np.result_type({', '.join(names)})"
                dtype = many if len(names) > 1 else f"{names[0]}.dtype"
                tests.append(f'{dtype}.kind not in "biufO"')
            shown = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
            tests.append(f"not np.isin({shown}, {values}).all()")
        return tests

    def _sized(self, writer: Writer, body: Writer) -> None:
        used = [s for s in self.solved if body.count(self.sizes[s])]
        for param, name in zip(self.function.params, self.params):
            shape = dims(param.type)
            locals_ = [self.sizes[s] for s in used if Affine.symbol(s) in shape]
            whole = len(shape) > 1 and len(used) == len(shape) == len(set(shape))
            if (
                whole
                and len(locals_) == len(shape)
                and all(self._defines(param, k) for k in range(len(shape)))
            ):
                names = [self.sizes[str(d)] for d in shape]
                if body.count(names[0]) > 1 or body.count(names[1]) > 1:
                    writer.line(f"{', '.join(names)} = {name}.shape")
                    return
        sized = [(self.sizes[s], self._source(s)) for s in used]
        self._assigned([(n, t) for n, t in sized if not body.inline(n, t)], writer)

    # ------------------------------------------------------------ all others

    def _check(self, scalar: Any, v: str, message: str, rank: int | None) -> str:
        text = super()._check(scalar, v, message, rank or 0)
        if rank is None or (self.rows and rank == 0):
            head, _, tail = text.partition(message)
            return f"{head}{message}, rank=None{tail}"
        return text

    def _checked(self, param: Param, name: str) -> str:
        scalar, rank = element(param.type), len(dims(param.type))
        message = self.message(param, name)
        if not isinstance(scalar, Missing):
            return self._check(scalar, name, message, rank)
        v = self.names.fresh("v")
        inner = self._check(scalar.base, v, message, None)
        shown = None if self.rows and not rank else rank
        return f"{self.helper('_optional')}({name}, {shown}, lambda {v}: {inner}, {message})"

    def _length(self, name: str, axis: int) -> str:
        return f"{name}.shape[{axis}]"

    def _assigned(self, solved: Sequence[tuple[str, str]], writer: Writer) -> None:
        for param, name in zip(self.function.params, self.params):
            shape = [f"{name}.shape[{axis}]" for axis in range(len(dims(param.type)))]
            if len(solved) > 1 and [text for _, text in solved] == shape:
                writer.line(f"{', '.join(n for n, _ in solved)} = {name}.shape")
                return
        super()._assigned(solved, writer)

    def _shape_test(self, param: Param, name: str) -> str:
        shape = dims(param.type)
        if shape and not any(self.gives(param, axis) for axis in range(len(shape))):
            extents = ", ".join(self.extent(d) for d in shape)
            return f"{name}.shape != ({extents}{',' if len(shape) == 1 else ''})"
        return " or ".join(
            f"{name}.shape[{axis}] != {self.extent(extent)}"
            for axis, extent in enumerate(shape)
            if not self.gives(param, axis)
        )
