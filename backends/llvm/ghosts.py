"""What lies beyond the cells of a packed grid: ghosts of every border, for one to three axes.

The first axis lies in lanes (see `packed`); a second and a third lie inside a row of vectors. The
cell (r, a, b) is vector `r * stride + a * pitch + b`. Axes are filled from the last to the first,
each with all ghosts of the axes after it, so that beyond several axes the first one decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from .bits import all_ones, vector_type
from .text import Writer

Border = str | int  # `wrap`, `clamp`, or the bit outside


def fill(lanes: int, borders: Sequence[Border], deep: int | None = None) -> str:
    """Return `ghosts(grid, long, rows, columns, stride, ghost, planes, pitch)`.

    `grid` points to the first cell, `long` holds the lanes that have all rows; `columns` are the
    cells of the last axis (1 where there is only one axis), `planes` those of the second of three.
    `deep` is how many rows beyond each end are filled, where it is not `ghost`.
    """
    return _Filler(lanes, borders).text("%ghost" if deep is None else str(deep))


def ends(lanes: int, border: Border, deep: int) -> str:
    """Return `ends(grid, long, rows, columns, stride)`: `deep` rows beyond the ends of segments.

    They are those of a grid of two axes, or of a part of its columns; `grid` is its first cell.
    """
    return _Filler(lanes, (border, "wrap")).ends(deep)


def sides(lanes: int, border: Border) -> str:
    """Return `sides(grid, rows, columns, stride, before, after)`: columns beyond a grid of two axes.

    Of all `columns` of a part of the grid, from `grid` on, the first `before` and the last `after`
    are beyond it.
    """
    return _Filler(lanes, (border, border)).sides()


def driver(axes: int) -> str:
    """Return `run(grid, spare, scratch, long, ..., wide, end, count)`; between are `ghosts`' numbers.

    It fills the ghosts and calls `advance` (see `packed`) `count` times. A row is moved on in place,
    other grids to and fro between `grid` and `spare`, in all tiles `0..end` of `wide` columns.
    """
    w = Writer()
    pointers = ("grid", "spare", "scratch", "long")
    numbers = (
        "rows", "columns", "stride", "ghost", "planes", "pitch", "wide", "end", "count",
    )  # fmt: skip
    for name in (*pointers, *numbers):
        w.name(name)
    carried = [("ptr", "%grid", "from"), ("ptr", "%spare", "to")]
    geometry = ", ".join(f"i64 %{n}" for n in numbers[:6])
    with w.loop("0", "%count", "step", carried=carried) as step:
        source, target = step.values
        w.line(f"call void @ghosts(ptr {source}, ptr %long, {geometry})")
        if axes == 1:
            w.line(f"call void @advance(ptr {source}, ptr {source}, i64 0, i64 %rows)")
            step.nexts = [source, target]
        else:
            w.line(
                f"call void @advance(ptr {source}, ptr {target}, ptr %scratch, ptr %long, i64 %rows,"
                " i64 %wide, i64 %stride, i64 0, i64 %end)"
            )
            step.nexts = [target, source]
    w.line("ret void")
    shown = ", ".join([*(f"ptr %{n}" for n in pointers), *(f"i64 %{n}" for n in numbers)])
    return f"define void @run({shown}) #0 {{\n{w.text()}\n}}\n"


class _Filler:
    """Writes the function for one rule's borders."""

    def __init__(self, lanes: int, borders: Sequence[Border]) -> None:
        self.lanes = lanes
        self.borders = borders
        self.type = vector_type(lanes)
        self.w = Writer()
        for name in ("grid", "long", "rows", "columns", "stride", "ghost", "planes", "pitch"):
            self.w.name(name)

    def ends(self, deep: int) -> str:
        """Return the function that fills rows of a grid of two axes."""
        with self.w.loop("0", str(deep), "g") as g, self.w.loop("0", "%columns", "x") as x:
            self.across(g.var, "0", x.var)
        self.w.line("ret void")
        names = "ptr %grid, ptr %long, i64 %rows, i64 %columns, i64 %stride"
        return f"define internal void @ends({names}) #0 {{\n{self.w.text()}\n}}\n"

    def sides(self) -> str:
        """Return the function that fills columns of a grid of two axes, at either end."""
        w, border = self.w, self.borders[1]
        for name in ("before", "after"):
            w.name(name)
        end = w.let("sub nsw i64 %columns, %after", "end")
        last = w.let(f"sub nsw i64 {end}, 1", "last")
        with w.loop("0", "%rows", "row") as row:
            for low, high, edge in (("0", "%before", "%before"), (end, "%columns", last)):
                if isinstance(border, int):
                    value = self.constant(border)
                else:
                    value = self.load(self.at(row.var, "0", edge))
                with w.loop(low, high, "x") as x:
                    self.store(value, self.at(row.var, "0", x.var))
        w.line("ret void")
        counts = ("rows", "columns", "stride", "before", "after")
        names = ", ".join(["ptr %grid", *(f"i64 %{n}" for n in counts)])
        return f"define internal void @sides({names}) #0 {{\n{w.text()}\n}}\n"

    def text(self, deep: str) -> str:
        """Return the function that fills all ghosts, those of the first axis `deep` rows."""
        w, axes = self.w, len(self.borders)
        before = w.let("sub nsw i64 0, %ghost", "before")
        past = w.let("add nsw i64 %columns, %ghost", "past")
        low, high = ("0", "%columns") if axes == 1 else (before, past)
        under, over = "0", "1"
        if axes > 1:
            planes = "%planes" if axes == 3 else "1"
            with w.loop("0", "%rows", "row") as row, w.loop("0", planes, "plane") as plane:
                line = self.at(row.var, plane.var, "0")
                self.along(line, "%columns", "1", self.borders[-1], "0", "1")
        if axes == 3:
            with w.loop("0", "%rows", "row") as row:
                line = self.at(row.var, "0", "0")
                self.along(line, "%planes", "%pitch", self.borders[1], low, high)
            under, over = before, w.let("add nsw i64 %planes, %ghost", "over")
        with w.loop("0", deep, "g") as g, w.loop(under, over, "plane") as plane:
            with w.loop(low, high, "x") as x:
                self.across(g.var, plane.var, x.var)
        w.line("ret void")
        names = ", ".join(
            [
                "ptr %grid",
                "ptr %long",
                *(f"i64 %{n}" for n in ("rows", "columns", "stride", "ghost", "planes", "pitch")),
            ]
        )
        return f"define void @ghosts({names}) #0 {{\n{w.text()}\n}}\n"

    def at(self, row: str, plane: str, column: str) -> str:
        """Return the index of a vector."""
        w = self.w
        start = w.let(f"mul nsw i64 {row}, %stride")
        if len(self.borders) == 3:
            inner = w.let(f"mul nsw i64 {plane}, %pitch")
            start = w.let(f"add nsw i64 {start}, {inner}")
        return w.let(f"add nsw i64 {start}, {column}", "cell")

    def load(self, index: str) -> str:
        place = self.w.let(f"getelementptr inbounds {self.type}, ptr %grid, i64 {index}")
        return self.w.let(f"load {self.type}, ptr {place}, align {self.lanes // 8}", "v")

    def store(self, value: str, index: str) -> None:
        place = self.w.let(f"getelementptr inbounds {self.type}, ptr %grid, i64 {index}")
        self.w.line(f"store {self.type} {value}, ptr {place}, align {self.lanes // 8}")

    def along(self, line: str, count: str, step: str, border: Border, first: str, end: str) -> None:
        """Fill both ends of an axis inside a row: `count` places, `step` vectors apart.

        Each place is the vectors `first..end`.
        """
        w = self.w
        last = w.let(f"sub nsw i64 {count}, 1")
        with w.loop("0", "%ghost", "k") as k:
            left = w.let(f"sub nsw i64 -1, {k.var}")
            right = w.let(f"add nsw i64 {count}, {k.var}")
            if border == "wrap":
                sources = (w.let(f"add nsw i64 {count}, {left}"), k.var)
            else:
                sources = ("0", last)
            with w.loop(first, end, "x") as x:
                for target, source in zip((left, right), sources):
                    to = w.let(f"add nsw i64 {self.scaled(target, step)}, {x.var}")
                    if isinstance(border, int):
                        value = self.constant(border)
                    else:
                        of = w.let(f"add nsw i64 {self.scaled(source, step)}, {x.var}")
                        value = self.load(w.let(f"add nsw i64 {line}, {of}"))
                    self.store(value, w.let(f"add nsw i64 {line}, {to}"))

    def scaled(self, place: str, step: str) -> str:
        return place if step == "1" else self.w.let(f"mul nsw i64 {place}, {step}")

    def constant(self, bit: int) -> str:
        return all_ones(self.lanes) if bit else "zeroinitializer" if self.lanes > 64 else "0"

    def across(self, g: str, plane: str, x: str) -> None:
        """Fill one vector beyond either end of the segments from the neighbouring lanes."""
        w, border = self.w, self.borders[0]
        mask = w.let(f"load {self.type}, ptr %long, align {self.lanes // 8}", "long")
        last = w.let("sub nsw i64 %rows, 1")
        low = w.let(f"sub nsw i64 {last}, {g}")
        shorter = w.let(f"sub nsw i64 {low}, 1")
        longer = w.let(f"add nsw i64 {g}, 1")
        above = self.choose(
            mask, self.load(self.at(low, plane, x)), self.load(self.at(shorter, plane, x))
        )
        above = self.rotate(above, up=True)
        below = self.choose(
            mask,
            self.rotate(self.load(self.at(g, plane, x)), up=False),
            self.rotate(self.load(self.at(longer, plane, x)), up=False),
        )
        if border == "clamp":
            # The last lane always has all rows.
            above = self.choose(self.lane(0), self.load(self.at("0", plane, x)), above)
            edge = self.load(self.at(last, plane, x))
            below = self.choose(self.lane(self.lanes - 1), edge, below)
        elif isinstance(border, int):
            above = self.choose(self.lane(0), self.constant(border), above)
            below = self.choose(self.lane(self.lanes - 1), self.constant(border), below)
        top = w.let(f"sub nsw i64 -1, {g}")
        bottom = w.let(f"add nsw i64 %rows, {g}")
        self.store(above, self.at(top, plane, x))
        self.store(below, self.at(bottom, plane, x))

    def lane(self, number: int) -> str:
        """Return the vector with a one in one lane only."""
        words = [1 << (number % 64) if k == number // 64 else 0 for k in range(self.lanes // 64)]
        signed = [word - (1 << 64) if word >= 1 << 63 else word for word in words]
        if self.lanes == 64:
            return str(signed[0])
        return "<" + ", ".join(f"i64 {word}" for word in signed) + ">"

    def rotate(self, value: str, up: bool) -> str:
        """Return the vector whose lane l holds what lane l - 1 (up) or l + 1 held."""
        w, t, n = self.w, self.type, self.lanes // 64
        if n == 1:
            word = "llvm.fshl.i64" if up else "llvm.fshr.i64"
            return w.let(f"call i64 @{word}(i64 {value}, i64 {value}, i64 1)", "turned")
        order = [(k - 1) % n for k in range(n)] if up else [(k + 1) % n for k in range(n)]
        mask = ", ".join(f"i32 {k}" for k in order)
        near, far = ("shl", "lshr") if up else ("lshr", "shl")
        carried = w.let(f"{far} {t} {value}, splat (i64 63)")
        carried = w.let(f"shufflevector {t} {carried}, {t} poison, <{n} x i32> <{mask}>", "carried")
        shifted = w.let(f"{near} {t} {value}, splat (i64 1)")
        return w.let(f"or {t} {shifted}, {carried}", "turned")

    def choose(self, mask: str, a: str, b: str) -> str:
        """Return `a` in the lanes of the mask, `b` elsewhere."""
        w, t = self.w, self.type
        mixed = w.let(f"xor {t} {a}, {b}")
        kept = w.let(f"and {t} {mixed}, {mask}")
        return w.let(f"xor {t} {kept}, {b}", "chosen")
