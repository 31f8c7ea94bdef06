"""Random network layers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from .base import Drawing
from .values import (
    Interval,
    Value,
    is_number,
)


class Layers(Drawing):
    """Adds layers with small dyadic weights, so that sums are exact."""

    def layer(self) -> None:
        kinds = [self._dense, self._conv, self._scale, self._embedding, self._activation]
        self.pick([*kinds, self._activation])()

    def _dense(self) -> None:
        x = (
            self.choose(
                lambda v: bool(v.dims)
                and v.dims[-1].is_const
                and 0 < v.dims[-1].const < 20
                and is_number(v)
            )
            or self.constant()
        )
        outputs = self.number(1, 3)
        args = [x, self.constant((outputs, x.dims[-1].const), real=True)]
        args += [self.constant((outputs,), real=True)] if self.chance(2) else []
        bound = (max(abs(x.low), abs(x.high)) * x.dims[-1].const + 1) * 2
        self._linear("dense", args, bound)

    def _linear(self, code: str, args: list[Value], bound: Any, **attrs: Any) -> None:
        """Add a layer of sums of products, where its sums are exact."""
        grain = args[0].grain
        if grain is not None and bound < 1 << 20 and grain <= 16:
            self.emit(code, args, (-bound, bound, grain + 4), **attrs)

    def _conv(self) -> None:
        x = self.choose(
            lambda v: len(v.dims) in (2, 3)
            and is_number(v)
            and all(d.is_const and d.const > 0 for d in v.dims)
        ) or self.constant((2, 4), real=False)
        channels, *extents = (d.const for d in x.dims)
        groups = channels if self.chance(3) else 1
        taps = [self.number(1, min(3, n)) for n in extents]
        outputs = groups * self.number(1, 2)
        kernel = (outputs, channels // groups, *taps)
        args = [x, self.constant(kernel, real=True)]
        args += [self.constant((outputs,), real=True)] if self.chance(2) else []
        bound = (max(abs(x.low), abs(x.high)) * math.prod(kernel[1:]) + 1) * 2
        self._linear(
            "conv",
            args,
            bound,
            stride=tuple(self.number(1, 2) for _ in extents) if self.chance(2) else None,
            padding=tuple(self.number(0, 1) for _ in 2 * extents) if self.chance(2) else None,
            dilation=(1,) * len(extents) if self.chance(6) else None,
            groups=groups if groups > 1 else None,
            mode=self.pick([None, "zero", "circular"]),
        )

    def _scale(self) -> None:
        x = (
            self.choose(lambda v: bool(v.dims) and all(d.is_const for d in v.dims) and is_number(v))
            or self.constant()
        )
        axis = self.number(0, len(x.dims) - 1)
        count = x.dims[axis].const
        args = [x, self.constant((count,), real=True), self.constant((count,), real=True)]
        bound = max(abs(x.low), abs(x.high)) * 2 + 2
        self._linear("scale", args, bound, axis=axis if axis or self.chance(2) else None)

    def _embedding(self) -> None:
        x = self.operand_where(
            self.shape(), lambda v: 0 < v.cases <= 8 and v.low >= 0, self.literal(2)
        )
        table = self.constant((int(x.high) + 1, self.number(1, 3)), real=True)
        self.emit("embedding", [x, table], (-2, 2, 4))

    def _activation(self) -> None:
        code = self.pick(["relu", "leaky_relu", "hardtanh", "tanh", "sigmoid", "softmax"])
        x = self.number_operand(self.shape())
        if abs(x.low) > 1000 or abs(x.high) > 1000:
            return
        grain = x.grain
        smooth: Interval = (-1 if code == "tanh" else 0, 1, None)
        if code == "softmax":
            shaped = (
                self.choose(
                    lambda v: bool(v.dims)
                    and is_number(v)
                    and abs(v.low) + abs(v.high) < 1000
                    and all(d.at_least(1, self.smallest) for d in v.dims)
                )
                or self.constant()
            )
            self.emit(code, [shaped], smooth, axis=self.number(0, len(shaped.dims) - 1))
        elif code == "relu":
            self.emit(code, [x], (max(0, x.low), max(0, x.high), grain))
        elif code == "leaky_relu":
            finer = None if grain is None or grain > 16 else grain + 2
            low = min(x.low, Fraction(x.low) / 4)
            self.emit(code, [x], (low, max(0, x.high), finer), slope=Fraction(1, 4))
        elif code == "hardtanh":
            finer = None if grain is None else max(grain, 2)
            self.emit(code, [x], (-1, 1, finer), low=-1, high=Fraction(3, 4))
        else:
            self.emit(code, [x], smooth)
