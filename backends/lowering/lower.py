"""From a module that verifies to the loop IR that C and LLVM print."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ddc.ir import (
    OPS,
    Block,
    DdcError,
    Module,
    Op,
    Param,
    dims,
    element,
    print_type,
)

from . import ranges
from .loops import Loops
from .nest import (
    Array,
    Expr,
    Kernel,
    Parameter,
    Store,
    Var,
    entry_dtype,
    limits,
)
from .values import (
    Buffer,
    Scalar,
    index,
)
from .windows import prepare


def lower(module: Module, roomy: bool = False) -> Kernel:
    """Return the entry function of a module that verifies in the loop IR.

    `roomy` is for C: ints get room for inputs beyond their declared ranges. Raises `DdcError`
    for a program that has no native form, such as one with a literal beyond 64 bits.
    """
    return _Lowering(module, prepare(module), roomy).kernel()


class _Lowering(Loops):
    """Lowers a whole function."""

    def kernel(self) -> Kernel:
        function = self.function
        inputs = tuple(self.input(p) for p in function.params)
        outputs = tuple(self.output(r) for r in function.results)
        self.aim(outputs)
        self.block(function.body)
        returned: Expr | None = None
        lone = len(function.results) == 1 and not dims(function.results[0].type)
        for operand, param in zip(function.body.yields, outputs):
            value = self.read(operand)
            if isinstance(value, Scalar):
                expr = self.stored(value, param.type)
                if lone:
                    returned = expr
                else:
                    assert param.array is not None
                    self.emit(Store(param.array, index(0), expr))
            elif value.array is not param.array:
                assert param.array is not None
                self.copy(value, param.array, index(0))
        return Kernel(
            function.name,
            tuple(s.name for s in function.sizes),
            inputs,
            outputs,
            tuple(self.levels[0].body),
            returned,
            (*self.used_constants.values(), *self.constants),
            tuple(self.locals),
            # The widest entries first, so that all are aligned.
            tuple(sorted(self.workspace, key=lambda part: -entry_dtype(part[0].type).itemsize)),
            self.scalars.checked,
        )

    def input(self, param: Param) -> Parameter:
        scalar, shape = element(param.type), dims(param.type)
        type_ = ranges.storage(scalar)
        range_ = ranges.declared(scalar) if type_ != "f64" else None
        reach = None if range_ is None else limits(type_)
        text = print_type(param.type)
        if not shape:
            self.values[param.name] = Scalar(Var(param.name, type_), range_, reach)
            return Parameter(param.name, text, type_, None)
        array = Array(param.name, type_, "input")
        self.values[param.name] = Buffer(array, shape, range_, reach)
        return Parameter(param.name, text, type_, array, tuple(map(str, shape)))

    def output(self, result: Param) -> Parameter:
        scalar, shape = element(result.type), dims(result.type)
        type_ = ranges.storage(scalar)
        # A value of the same name may live beside the result: the array has a name of its own.
        array = Array(f"{result.name} out", type_, "output")
        return Parameter(result.name, print_type(result.type), type_, array, tuple(map(str, shape)))

    def aim(self, outputs: Sequence[Parameter]) -> None:
        """Let ops of the outermost block write their results where they are wanted."""
        made = {name: op for op in self.function.body.ops for name in op.results}
        for operand, param in zip(self.function.body.yields, outputs):
            if not isinstance(operand, str) or operand not in made or operand in self.targets:
                continue
            op, wanted = made[operand], param.array
            if op.code not in ("map", "scan", "concat", "pack") or wanted is None:
                continue
            if op.code == "scan" and op.results.index(operand) >= len(op.results) - len(op.states):
                continue
            own = element(self.types[operand])
            if dims(self.types[operand]) and (ranges.storage(own) == "f64") == (
                param.type == "f64"
            ):
                self.targets[operand] = wanted

    def block(self, block: Block) -> None:
        for op in block.ops:
            rule = _RULES.get(op.code)
            if rule is not None:
                rule(self, op)
            elif op.code in OPS and OPS[op.code].elementwise:
                self.define(op.result, self.compute(op))
            else:
                raise DdcError(f"there is no native form of the op {op.code!r}")


_RULES: dict[str, Callable[[_Lowering, Op], None]] = {
    "const": _Lowering.const,
    "index": _Lowering.index,
    "reshape": _Lowering.reshape,
    "pack": _Lowering.pack,
    "concat": _Lowering.concat,
    "load": _Lowering.load,
    "gather": _Lowering.gather,
    "map": _Lowering.map,
    "reduce": _Lowering.reduce,
    "scan": _Lowering.scan,
}
