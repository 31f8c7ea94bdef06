"""Fold: what is constant, and what an operand cannot change. Exact: no sum of reals is reordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ddc.ir import (
    OPS,
    Block,
    Builder,
    Function,
    Global,
    Index,
    Module,
    Number,
    Op,
    Operand,
    Real,
    Type,
    attributes,
    dims,
    element,
    int_bounds,
    is_bit,
    levels,
    value_types,
    walk,
)
from ddc.ir.infer import literal_type, operand_type
from ddc.ir.lanes import literal
from ddc.ir.ranges import multiply_ranges
from ddc.ir.scalars import decided, elementwise
from ddc.ir.sizes import narrow_tables, table_cases

from .rewrite import rewrite

# What stands for an op: an operand instead of its result, another op of the same result, or
# nothing (the op stays).
Folded = Operand | Op | None

NEUTRAL: Mapping[str, int] = {"and": 1, "or": 0, "xor": 0, "add": 0, "mul": 1}
ABSORBING: Mapping[str, int] = {"and": 0, "or": 1, "mul": 0}
KEPT = ("exp", "log", "sqrt", "sin", "cos", "pow", "curve")  # `exp 1` reads better than its digits
MOST_ROUNDS = 8


def fold(module: Module) -> Module:
    """Compute constants, drop neutral operands, decide by ranges, flatten nested n-ary ops."""
    functions = tuple(_fold_function(function, module) for function in module.functions)
    folded = replace(module, functions=functions)
    return folded if folded == module else folded.with_entry(functions[0])


def _fold_function(function: Function, module: Module) -> Function:
    for _ in range(MOST_ROUNDS):
        folder = _Folder.of(function, module)
        cases = table_cases(function, module)
        narrowed = narrow_tables(rewrite(function, folder.step), cases, module)
        folded = rewrite(narrowed, _without_literals)
        if folded == function:
            break
        function = folded
    return function


def _without_literals(op: Op, _: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
    """Drop the literal operands of a table, which list one case each."""
    kept = tuple(o for o in op.operands if not isinstance(o, int))
    if op.code != "table" or not kept or len(kept) == len(op.operands):
        return None
    return (replace(op, operands=kept),), op.results


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in walk(block):
        if op.body is not None:
            yield op.body


@dataclass
class _Folder:
    module: Module
    types: Mapping[str, Type]
    uses: Mapping[str, int]
    place: Mapping[str, int]  # which block a value is computed in
    ops: dict[str, Op] = field(default_factory=lambda: {})  # as rewritten so far

    @staticmethod
    def of(function: Function, module: Module) -> _Folder:
        uses: Counter[str] = Counter()
        place: dict[str, int] = {}
        for number, block in enumerate(_blocks(function.body)):
            uses.update(o for o in (*block.yields, *block.nexts) if isinstance(o, str))
            for op in block.ops:
                place.update(dict.fromkeys(op.results, number))
                given = (*op.operands, *(state.init for state in op.states))
                uses.update(o for o in given if isinstance(o, str))
        return _Folder(module, value_types(function, module), uses, place)

    def step(self, op: Op, _: Builder) -> tuple[Sequence[Op], Sequence[Operand]] | None:
        """Fold one op whose operands are folded."""
        if op.body is not None:
            return None
        current, changed = op, False
        while True:
            found = self.folded(current)
            if found is None:
                break
            if not isinstance(found, Op):
                stand_in = self.fitting(current, found)
                if stand_in is None:
                    break
                return (), (stand_in,)
            current, changed = found, True
        self.ops[op.result] = current
        return ((current,), current.results) if changed else None

    def fitting(self, op: Op, operand: Operand) -> Operand | None:
        """Return what can stand for the result: of the same shape, and real where it is real."""
        wanted, given = self.types[op.result], self.type_of(operand)
        real = isinstance(element(wanted), Real)
        if dims(wanted) != dims(given):
            return None
        if real and isinstance(operand, int):
            return Fraction(literal(Fraction(operand))[0]) if abs(operand) < 1 << 1000 else None
        return operand if real == isinstance(element(given), Real) else None

    def folded(self, op: Op) -> Folded:
        """Return the first fold that applies."""
        for rule in (_Folder.constant, _Folder.bounded, *_RULES.get(op.code, ())):
            found = rule(self, op)
            if found is not None and found != op:
                return found
        return None

    # ------------------------------------------------------------ what is known

    def type_of(self, operand: Operand) -> Type:
        return operand_type(operand, self.types, self.module)

    def is_int(self, operand: Operand) -> bool:
        return int_bounds(element(self.type_of(operand))) is not None

    def is_bit(self, operand: Operand) -> bool:
        return is_bit(element(self.type_of(operand)))

    def made_by(self, operand: Operand, code: str) -> Op | None:
        """Return the op that computes an operand, where it has that code."""
        found = self.ops.get(operand) if isinstance(operand, str) else None
        return found if found is not None and found.code == code else None

    # ------------------------------------------------------------ rules for all ops

    def constant(self, op: Op) -> Folded:
        """Compute an elementwise op on literals."""
        spec = OPS[op.code]
        literals = [o for o in op.operands if isinstance(o, (int, Fraction))]
        if not spec.elementwise or len(literals) < len(op.operands) or op.code in KEPT:
            return None
        if spec.family == "network" or op.code == "table":
            return None
        types, result = [literal_type(o) for o in literals], self.types[op.result]
        with np.errstate(all="ignore"):
            values = elementwise(op, types, result, [literal(o) for o in literals])
        return _exact(values.ravel().tolist()[0])

    def bounded(self, op: Op) -> Folded:
        """Decide an op by the ranges of its operands."""
        if not OPS[op.code].elementwise:
            return None
        bounds = int_bounds(element(self.types[op.result]))
        if bounds is not None and bounds[0] is not None and bounds[0] == bounds[1]:
            return bounds[0]
        return decided(op.code, [self.type_of(o) for o in op.operands])

    # ------------------------------------------------------------ logic and arithmetic

    def nary(self, op: Op) -> Folded:
        if len(op.operands) == 1:
            return op.operands[0]
        flat = self.flattened(op)
        if flat is not None:
            return flat
        if not all(self.is_int(o) for o in op.operands):
            return self.real_product(op)
        if op.code in ABSORBING and ABSORBING[op.code] in op.operands:
            return ABSORBING[op.code]
        return self.with_one_literal(op)

    def real_product(self, op: Op) -> Folded:
        """Drop factors 1, which change no real."""
        kept = tuple(o for o in op.operands if o != 1)
        if op.code != "mul" or len(kept) == len(op.operands) or not kept:
            return None
        return replace(op, operands=kept) if not all(map(self.is_int, kept)) else None

    def flattened(self, op: Op) -> Folded:
        """Take in the operands of an operand of the same code that nothing else uses."""
        for place, operand in enumerate(op.operands):
            inner = self.made_by(operand, op.code)
            if inner is None or self.uses[str(operand)] != 1:
                continue
            here = self.place.get(op.result) == self.place.get(str(operand))
            both = (*op.operands, *inner.operands)
            exact = all(self.is_int(o) for o in both)
            first = place == 0 and isinstance(element(self.types[str(operand)]), Real)
            scalar = not any(dims(self.type_of(o)) for o in both)
            if here and scalar and (exact or first):
                rest = op.operands[place + 1 :]
                return replace(op, operands=(*op.operands[:place], *inner.operands, *rest))
        return None

    def with_one_literal(self, op: Op) -> Folded:
        """Gather the literals of an n-ary op on ints into one, and drop it where it is neutral."""
        literals = [o for o in op.operands if isinstance(o, int)]
        others = [o for o in op.operands if not isinstance(o, int)]
        if not literals or not others:
            return None
        gathered = _GATHER[op.code](literals)
        if op.code == "xor" and gathered == 1 and len(others) == 1:
            return replace(op, code="not", operands=(others[0],))
        kept = [] if self.is_neutral(op, gathered, others) else [gathered]
        operands = (*others, *kept)
        if len(operands) == 1:
            return operands[0]
        return replace(op, operands=operands) if len(operands) < len(op.operands) else None

    def is_neutral(self, op: Op, value: int, others: Sequence[Operand]) -> bool:
        if op.code in NEUTRAL:
            return value == NEUTRAL[op.code]
        ranges = [int_bounds(element(self.type_of(o))) or (None, None) for o in others]
        if op.code == "max":
            return any(low is not None and low >= value for low, _ in ranges)
        return any(high is not None and high <= value for _, high in ranges)

    def repeated(self, op: Op) -> Folded:
        """Drop operands that occur twice, and decide those that occur with their complement."""
        distinct = list(dict.fromkeys(op.operands))
        if len(distinct) < len(op.operands) and all(self.is_int(o) for o in op.operands):
            return replace(op, operands=tuple(distinct))
        if op.code in ABSORBING and self.complements(op):
            return ABSORBING[op.code]
        return None

    def complements(self, op: Op) -> bool:
        negated = {inner.operands[0] for o in op.operands if (inner := self.made_by(o, "not"))}
        scalar = not any(dims(self.type_of(o)) for o in op.operands)
        return scalar and any(o in negated for o in op.operands)

    def parity(self, op: Op) -> Folded:
        """Drop operands of xor that occur twice; take complements out."""
        odd = [o for o, count in Counter(op.operands).items() if count % 2]
        if len(odd) < len(op.operands):
            if any(dims(self.type_of(o)) for o in op.operands):
                return None
            return replace(op, operands=tuple(odd)) if odd else 0
        negated = [o for o in op.operands if self.made_by(o, "not") and self.uses[str(o)] == 1]
        here = [o for o in negated if self.place.get(str(o)) == self.place.get(op.result)]
        if len(here) < 2:
            return None
        plain = {o: self.ops[str(o)].operands[0] for o in here[:2]}
        return replace(op, operands=tuple(plain.get(o, o) for o in op.operands))

    def difference(self, op: Op) -> Folded:
        a, b = op.operands
        if b == 0 and not isinstance(b, Fraction):
            return a
        if a == b and self.is_int(a):
            return 0
        if a == 0 and isinstance(a, int) and self.is_int(b):
            return replace(op, code="neg", operands=(b,))
        return None

    def twice(self, op: Op) -> Folded:
        """Undo an op that is its own inverse."""
        inner = self.made_by(op.operands[0], op.code)
        return None if inner is None else inner.operands[0]

    def divided(self, op: Op) -> Folded:
        a, b = op.operands
        return a if b == 1 else None

    def magnitude(self, op: Op) -> Folded:
        low, _ = int_bounds(element(self.type_of(op.operands[0]))) or (None, None)
        return op.operands[0] if low is not None and low >= 0 else None

    def threshold(self, op: Op) -> Folded:
        """Take literals out of a weighted sum, drop weights 0, decide it by its range."""
        weights, least = op.attr("weights"), op.attr("least")
        assert isinstance(least, int)
        factors = [w for w in weights if isinstance(w, int)] if isinstance(weights, tuple) else []
        factors = factors or [1] * len(op.operands)
        pairs = [(o, w) for o, w in zip(op.operands, factors) if w and not isinstance(o, int)]
        fixed = sum(o * w for o, w in zip(op.operands, factors) if isinstance(o, int))
        low = high = 0
        for operand, weight in pairs:
            ends = int_bounds(element(self.type_of(operand))) or (None, None)
            a, b = multiply_ranges((weight, weight), ends)
            if a is None or b is None:
                return None
            low, high = low + a, high + b
        if not pairs or least - fixed <= low or least - fixed > high:
            return int(least - fixed <= low)
        if len(pairs) == len(op.operands):
            return None
        plain = all(weight == 1 and self.is_bit(o) for o, weight in pairs)
        given = attributes(
            least=least - fixed, weights=None if plain else tuple(w for _, w in pairs)
        )
        return replace(op, operands=tuple(o for o, _ in pairs), attrs=given)

    # ------------------------------------------------------------ choice

    def comparison(self, op: Op) -> Folded:
        """Decide x against x; a bit against a literal is the bit or its complement."""
        a, b = op.operands
        if a == b and self.is_int(a):
            return int(op.code in ("eq", "le", "ge"))
        if isinstance(a, int) and not isinstance(b, (int, Fraction)):
            return replace(op, code=_MIRRORED[op.code], operands=(b, a))
        if not isinstance(b, int) or not self.is_bit(a):
            return None
        at_zero, at_one = (_COMPARE[op.code](x, b) for x in (0, 1))
        if at_zero == at_one:
            return int(at_zero)
        return a if at_one else replace(op, code="not", operands=(a,))

    def against_difference(self, op: Op) -> Folded:
        """Compare two ints and not their difference with 0 or 1: `p - m >= 1` is `p > m`."""
        a, b = op.operands
        code = _OF_DIFFERENCE.get((op.code, b)) if isinstance(b, int) else None
        inner = self.made_by(a, "sub")
        if code is None or inner is None or self.uses.get(str(a), 0) != 1 or not self.is_int(a):
            return None
        return replace(op, code=code, operands=inner.operands)

    def of_bits(self, op: Op) -> Folded:
        """Take the least or greatest of bits as `and` or `or`."""
        if not all(self.is_bit(o) for o in op.operands):
            return None
        return replace(op, code="and" if op.code == "min" else "or")

    def select(self, op: Op) -> Folded:
        condition, then, other = op.operands
        if isinstance(condition, int):
            return then if condition else other
        if then == other and type(then) is type(other):
            return then
        inner = self.made_by(condition, "not")
        if inner is not None:
            return replace(op, operands=(inner.operands[0], other, then))
        if isinstance(then, int) and isinstance(other, int) and {then, other} == {0, 1}:
            return condition if then else replace(op, code="not", operands=(condition,))
        return None

    def rounded(self, op: Op) -> Folded:
        return op.operands[0] if self.is_int(op.operands[0]) else None

    def positive(self, op: Op) -> Folded:
        return op.operands[0] if self.is_bit(op.operands[0]) else None

    # ------------------------------------------------------------ data

    def table(self, op: Op) -> Folded:
        """Decide a table of one value; one of a bit is the bit or its complement.

        Operands replaced in this round may have fewer values than the entries list; the entries
        are narrowed at its end.
        """
        entries = op.attr("entries")
        assert isinstance(entries, tuple)
        numbers = [e for e in entries if not isinstance(e, tuple)]
        if all(e == numbers[0] and type(e) is type(numbers[0]) for e in numbers):
            return numbers[0]
        cases = [levels(element(self.type_of(o))) for o in op.operands]
        if cases != [(0, 1)] or numbers not in ([0, 1], [1, 0]):
            return None
        return op.operands[0] if numbers[1] else replace(op, code="not", attrs=())

    def same(self, op: Op) -> Folded:
        operand = op.operands[0]
        return None if isinstance(operand, Global) else operand

    def index(self, op: Op) -> Folded:
        return op.index[0].at.const if op.index[0].at.is_const else None

    def load(self, op: Op) -> Folded:
        """Read a constant array at constant places."""
        base = op.operands[0]
        if not op.index and not isinstance(base, Global):
            return base
        constant = self.module.constant(base.name) if isinstance(base, Global) else None
        if constant is None or not all(i.at.is_const for i in op.index):
            return None
        place: list[int] = []
        for index, extent in zip(op.index, constant.array.shape):
            at = _inside(index, extent)
            if at is None:
                return index.other
            place.append(at)
        value: int | float = constant.array[tuple(place)].item()
        return _exact(value)


def _inside(index: Index, extent: int) -> int | None:
    """Return a constant place within an axis, None where the value outside is read."""
    at = index.at.const
    if index.border == "wrap":
        return at % extent
    if index.border == "clamp":
        return min(max(at, 0), extent - 1)
    return at if 0 <= at < extent or index.border != "else" else None


def _exact(value: float) -> Number | None:
    """Return a number as a literal, None for a NaN, an infinity or a negative zero."""
    if isinstance(value, float):
        plain = np.isfinite(value) and not (value == 0.0 and np.signbit(value))
        return Fraction(value) if plain else None
    return int(value)


def _product(values: Sequence[int]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


_GATHER: Mapping[str, Callable[[Sequence[int]], int]] = {
    "and": min,
    "or": max,
    "xor": lambda values: sum(values) % 2,
    "add": sum,
    "mul": _product,
    "min": min,
    "max": max,
}

_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}

_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}

# What a comparison of a difference with a number says of the two that differ.
_OF_DIFFERENCE: Mapping[tuple[str, int], str] = {
    **{(code, 0): code for code in ("eq", "ne", "lt", "le", "gt", "ge")},
    ("ge", 1): "gt",
    ("lt", 1): "le",
    ("le", -1): "lt",
    ("gt", -1): "ge",
}

_Rule = Callable[[_Folder, Op], Folded]

_RULES: Mapping[str, tuple[_Rule, ...]] = {
    **dict.fromkeys(("and", "or"), (_Folder.nary, _Folder.repeated)),
    **dict.fromkeys(("min", "max"), (_Folder.of_bits, _Folder.nary, _Folder.repeated)),
    **dict.fromkeys(("add", "mul"), (_Folder.nary,)),
    **dict.fromkeys(tuple(_COMPARE), (_Folder.comparison, _Folder.against_difference)),
    **dict.fromkeys(("not", "neg"), (_Folder.twice,)),
    **dict.fromkeys(("div", "floordiv"), (_Folder.divided,)),
    "xor": (_Folder.nary, _Folder.parity),
    "sub": (_Folder.difference,),
    "abs": (_Folder.magnitude,),
    "threshold": (_Folder.threshold,),
    "select": (_Folder.select,),
    "round": (_Folder.rounded,),
    "step": (_Folder.positive,),
    "table": (_Folder.table,),
    "const": (_Folder.same,),
    "index": (_Folder.index,),
    "load": (_Folder.load,),
}
