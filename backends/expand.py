"""Write ops on whole arrays and network layers as loops over scalars.

What is left for the emitters: scalar ops, load, gather, concat, pack, reshape, index, and the
structured ops. The expansion of each layer is its definition, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

from ddc.ir import (
    OPS,
    Affine,
    Block,
    Builder,
    DdcError,
    Function,
    Index,
    Loop,
    Module,
    Op,
    Operand,
    Type,
    attributes,
    constant_type,
    dims,
    walk,
)
from ddc.ir import Global as GlobalName

KEPT = frozenset({"const", "load", "gather", "index", "concat", "pack", "reshape"})
LOOPS = ("i", "j", "k", "l", "m")


def expand(function: Function, module: Module, types: Mapping[str, Type]) -> Function:
    """Return the function with every op on arrays written as loops; result names are kept."""
    taken = {p.name for p in (*function.params, *function.results)} | {
        name
        for op in walk(function.body)
        for name in (*op.results, *(v.var for v in op.loops), *(s.name for s in op.states))
    }
    expander = _Expander(Builder(taken), module, types)
    return replace(function, body=expander.block(function.body))


class _Expander:
    def __init__(self, builder: Builder, module: Module, types: Mapping[str, Type]) -> None:
        self.build = builder
        self.types = types
        self.constants = {name: constant_type(constant) for name, constant in module.constants}

    def block(self, block: Block) -> Block:
        with self.build.body() as ops:
            for op in block.ops:
                self.op(op)
        return replace(block, ops=tuple(ops))

    def op(self, op: Op) -> None:
        if op.body is not None:
            self.emit(replace(op, body=self.block(op.body)))
        elif op.code in _LAYERS:
            _LAYERS[op.code](self, op)
        elif op.code not in KEPT and op.code in OPS and dims(self.types[op.result]):
            self.elementwise(op)
        elif op.code in KEPT or (op.code in OPS and OPS[op.code].elementwise):
            self.emit(op)
        else:
            raise DdcError(f"no backend knows the op {op.code!r}")

    def emit(self, op: Op) -> None:
        self.build.append(op)

    def shape(self, operand: Operand) -> tuple[Affine, ...]:
        if isinstance(operand, GlobalName):
            return dims(self.constants[operand.name])
        return dims(self.types[operand]) if isinstance(operand, str) else ()

    def loops(self, shape: Sequence[Affine]) -> list[Loop]:
        wishes = [LOOPS[k] if k < len(LOOPS) else f"i{k}" for k in range(len(shape))]
        return [self.build.loop(wish, 0, extent) for wish, extent in zip(wishes, shape)]

    def entry(self, array: Operand, at: Sequence[Affine | Index]) -> Operand:
        return self.build.load(array, *at, name="x") if self.shape(array) else array

    def map(self, op: Op, shape: Sequence[Affine], body: Callable[[list[Affine]], Operand]) -> None:
        """Add `op.result = map` over a box; a scalar where the shape is empty."""
        self.mapped(op.result, shape, body)

    def mapped(
        self, name: str, shape: Sequence[Affine], body: Callable[[list[Affine]], Operand]
    ) -> None:
        loops = self.loops(shape)
        if not loops:
            self.emit(Op("const", (name,), (body([]),)))
            return
        with self.build.body() as ops:
            value = body([Affine.symbol(v.symbol) for v in loops])
        self.emit(Op("map", (name,), loops=tuple(loops), body=Block(tuple(ops), (value,))))

    def reduce(
        self,
        kind: str,
        extents: Sequence[Affine],
        body: Callable[[list[Affine]], Operand],
        name: str,
    ) -> str:
        loops = self.loops(extents)
        with self.build.body() as ops:
            value = body([Affine.symbol(v.symbol) for v in loops])
        return self.build.reduce(kind, loops, ops, value, name)

    def elementwise(self, op: Op) -> None:
        def body(at: list[Affine]) -> Operand:
            entries = tuple(self.entry(operand, at) for operand in op.operands)
            name = self.build.fresh("y")
            self.emit(Op(op.code, (name,), entries, op.attrs, shape=op.shape))
            return name

        self.map(op, dims(self.types[op.result]), body)

    # ------------------------------------------------------------ decisions and data

    def argmax(self, op: Op) -> None:
        (array,) = op.operands
        outer = list(self.shape(array))
        axis = op.attr("axis")
        place = axis if isinstance(axis, int) else len(outer) - 1
        last = outer.pop(place)

        def body(at: list[Affine]) -> Operand:
            return self.reduce(
                "argmax",
                [last],
                lambda k: self.entry(array, [*at[:place], *k, *at[place:]]),
                "best",
            )

        if outer:
            self.map(op, outer, body)
            return
        (loop,) = self.loops([last])
        with self.build.body() as ops:
            value = self.entry(array, [Affine.symbol(loop.symbol)])
        block = Block(tuple(ops), (value,))
        kind = attributes(kind="argmax")
        self.emit(Op("reduce", (op.result,), attrs=kind, loops=(loop,), body=block))

    def onehot(self, op: Op) -> None:
        (value,) = op.operands
        size = cast(int, op.attr("size"))

        def body(at: list[Affine]) -> Operand:
            place = self.build.op("index", index=[Index(at[-1])], name="place")
            return self.build.op("eq", self.entry(value, at[:-1]), place)

        self.map(op, (*self.shape(value), Affine.of(size)), body)

    # ------------------------------------------------------------ network layers

    def dense(self, op: Op) -> None:
        x, weight, *bias = op.operands
        outputs, inputs = self.shape(weight)

        def body(at: list[Affine]) -> Operand:
            def term(k: list[Affine]) -> Operand:
                w, v = self.entry(weight, [at[-1], *k]), self.entry(x, [*at[:-1], *k])
                return self.build.op("mul", w, v, name="term")

            total: Operand = self.reduce("add", [inputs], term, "total")
            return self.plus_bias(total, bias, at[-1:])

        self.map(op, (*self.shape(x)[:-1], outputs), body)

    def plus_bias(self, total: Operand, bias: Sequence[Operand], at: Sequence[Affine]) -> Operand:
        """Add a bias; without one, 0.0 keeps the sum of whole numbers a real."""
        other = self.entry(bias[0], at) if bias else Fraction(0)
        return self.build.op("add", total, other, name="y")

    def conv(self, op: Op) -> None:
        x, weight, *bias = op.operands
        outputs, channels, *taps = self.shape(weight)
        axes = range(len(taps))
        stride, dilation = _ints(op, "stride", len(taps), 1), _ints(op, "dilation", len(taps), 1)
        padding = _ints(op, "padding", 2 * len(taps), 0)
        groups = op.attr("groups") or 1
        assert isinstance(groups, int)
        border = "wrap" if op.attr("mode") == "circular" else "else"
        per_group = outputs.const // groups

        def body(at: list[Affine]) -> Operand:
            group = at[0].floordiv(per_group) if groups > 1 else Affine.of(0)

            def term(k: list[Affine]) -> Operand:
                places: list[Affine | Index] = [group * channels.const + k[0]]
                for a in axes:
                    place = at[a + 1] * stride[a] + k[a + 1] * dilation[a] - padding[2 * a]
                    padded = any(padding[2 * a : 2 * a + 2])
                    other = 0 if border == "else" else None
                    places.append(Index(place, border, other) if padded else place)
                w, v = self.entry(weight, [at[0], *k]), self.entry(x, places)
                return self.build.op("mul", w, v, name="term")

            total = self.reduce("add", [channels, *taps], term, "total")
            return self.plus_bias(total, bias, at[:1])

        self.map(op, dims(self.types[op.result]), body)

    def scale(self, op: Op) -> None:
        x, factor, shift = op.operands
        axis = cast(int, op.attr("axis") or 0)

        def body(at: list[Affine]) -> Operand:
            product = self.build.op(
                "mul", self.entry(x, at), self.entry(factor, [at[axis]]), name="product"
            )
            return self.build.op("add", product, self.entry(shift, [at[axis]]), name="y")

        self.map(op, self.shape(x), body)

    def embedding(self, op: Op) -> None:
        tokens, table = op.operands
        shape = (*self.shape(tokens), self.shape(table)[1])

        def body(at: list[Affine]) -> Operand:
            column = self.build.op("index", index=[Index(at[-1])], name="column")
            return self.build.op("gather", table, self.entry(tokens, at[:-1]), column, name="y")

        self.map(op, shape, body)

    def softmax(self, op: Op) -> None:
        (x,) = op.operands
        shape, axis = self.shape(x), cast(int, op.attr("axis") or 0)
        outer = [*shape[:axis], *shape[axis + 1 :]]

        def along(kind: str, array: Operand, name: str) -> str:
            def body(at: list[Affine]) -> Operand:
                def entry(k: list[Affine]) -> Operand:
                    return self.entry(array, [*at[:axis], *k, *at[axis:]])

                return self.reduce(kind, [shape[axis]], entry, "total")

            result = self.build.fresh(name)
            self.types = {**self.types}
            self.mapped(result, outer, body)
            return result

        def without(at: list[Affine]) -> list[Affine]:
            return [*at[:axis], *at[axis + 1 :]]

        def read(array: str, at: Sequence[Affine]) -> Operand:
            return self.build.load(array, *at, name="x") if at else array

        greatest = along("max", x, "greatest")
        exponentials = self.build.fresh("exponentials")

        def exponential(at: list[Affine]) -> Operand:
            gap = self.build.op("sub", self.entry(x, at), read(greatest, without(at)), name="gap")
            return self.build.op("exp", gap)

        self.mapped(exponentials, shape, exponential)
        self.types = {**self.types, exponentials: self.types[op.result]}
        total = along("add", exponentials, "total")

        def share(at: list[Affine]) -> Operand:
            return self.build.op(
                "div", read(exponentials, at), read(total, without(at)), name="share"
            )

        self.map(op, shape, share)


def _ints(op: Op, name: str, count: int, default: int) -> tuple[int, ...]:
    value = op.attr(name)
    return cast("tuple[int, ...]", value) if isinstance(value, tuple) else (default,) * count


_LAYERS: dict[str, Callable[[_Expander, Op], None]] = {
    "argmax": _Expander.argmax,
    "onehot": _Expander.onehot,
    "dense": _Expander.dense,
    "conv": _Expander.conv,
    "scale": _Expander.scale,
    "embedding": _Expander.embedding,
    "softmax": _Expander.softmax,
}
