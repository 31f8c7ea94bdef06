"""Kernels that move numbers between arrays and stored entries, checked on the way, as LLVM assembly.

Vectors are explicit; `<1 x T>` does the rest of an array.
"""

from __future__ import annotations

from .text import Writer, procedure, vector_width

VECTOR = 64  # numbers at a time
LINE = 64  # bytes of a cache line

# types of numbers in arrays: LLVM's type, and whether ints have a sign
NUMBERS = {
    "b1": ("i8", False), "u1": ("i8", False), "u2": ("i16", False), "u4": ("i32", False),
    "u8": ("i64", False), "i1": ("i8", True), "i2": ("i16", True), "i4": ("i32", True),
    "i8": ("i64", True), "f4": ("float", True), "f8": ("double", True),
}  # fmt: skip


def moves(given: str, stored: str) -> str:
    """Return `take(source, target, count, low, high)` and `give(source, target, count)`.

    `take` goes from numbers of `given` to `stored` (both keys of `NUMBERS`) and returns 0 where all are
    whole, as far as ints are stored, and lie in `low..high`: ints of the given type, or the bits of
    doubles. Numbers of one type are only looked at. `give` goes from `stored` to `given`, past the
    caches: a fence has to follow before another thread reads them.
    """
    parts = [_take(given, stored), _give(given, stored)]
    for count in (VECTOR, 1):
        vector = f"<{count} x double>"
        parts.append(f"declare {vector} @llvm.rint.v{count}f64({vector})")
    parts += [
        vector_width(512),
        "!0 = !{i32 1}",
    ]
    return "\n".join([*parts, ""])


def same_bytes(given: str, stored: str) -> bool:
    """Tell whether good numbers of one type have the same bytes in the other."""
    return NUMBERS[given][0] == NUMBERS[stored][0]


def _take(given: str, stored: str) -> str:
    w = Writer()
    for name in ("source", "target", "count", "low", "high"):
        w.name(name)
    type_ = NUMBERS[given][0]
    bounds: list[str] = []
    for name in ("%low", "%high"):
        if type_[0] != "i":
            bounds.append(w.let(f"bitcast i64 {name} to double"))
        else:
            bounds.append(name if type_ == "i64" else w.let(f"trunc i64 {name} to {type_}"))
    whole = w.let(f"and i64 %count, {-VECTOR}")
    bad = "false"
    for start, stop, size in (("0", whole, VECTOR), (whole, "%count", 1)):
        bits = f"<{size} x i1>"
        limits = [_splat(w, b, type_ if type_[0] == "i" else "double", size) for b in bounds]
        with w.loop(start, stop, "k", str(size), [(bits, "zeroinitializer", "bad")]) as k:
            place = w.let(f"getelementptr inbounds {type_}, ptr %source, i64 {k.var}")
            numbers = w.let(f"load <{size} x {type_}>, ptr {place}, align 1", "numbers")
            other = _outside(w, numbers, given, stored, limits, size)
            k.nexts = [w.let(f"or {bits} {k.values[0]}, {other}")]
            if not same_bytes(given, stored):
                made = _converted(w, numbers, given, stored, size)
                target = NUMBERS[stored][0]
                place = w.let(f"getelementptr inbounds {target}, ptr %target, i64 {k.var}")
                w.line(f"store <{size} x {target}> {made}, ptr {place}, align 1")
        found = w.let(f"bitcast {bits} {k.finals[0]} to i{size}")
        found = w.let(f"icmp ne i{size} {found}, 0")
        bad = w.let(f"or i1 {bad}, {found}")
    w.line(f"ret i32 {w.let(f'zext i1 {bad} to i32')}")
    names = "ptr %source, ptr noalias %target, i64 %count, i64 %low, i64 %high"
    return f"define i32 @take({names}) #0 {{\n{w.text()}\n}}\n"


def _splat(w: Writer, value: str, type_: str, size: int) -> str:
    vector = f"<{size} x {type_}>"
    one = w.let(f"insertelement {vector} poison, {type_} {value}, i64 0")
    return w.let(
        f"shufflevector {vector} {one}, {vector} poison, <{size} x i32> zeroinitializer", "limit"
    )


def _outside(w: Writer, numbers: str, given: str, stored: str, limits: list[str], size: int) -> str:
    """Return which numbers are not in their range, or not whole where ints are stored."""
    type_, signed = NUMBERS[given]
    vector, bits = f"<{size} x {type_}>", f"<{size} x i1>"
    if type_[0] == "i":
        tests = ("slt", "sgt") if signed else ("ult", "ugt")
        low, high = (
            w.let(f"icmp {test} {vector} {numbers}, {limit}") for test, limit in zip(tests, limits)
        )
        return w.let(f"or {bits} {low}, {high}")
    wide = f"<{size} x double>"
    if type_ == "float":
        numbers = w.let(f"fpext {vector} {numbers} to {wide}")
    low, high = (
        w.let(f"fcmp {test} {wide} {numbers}, {limit}")
        for test, limit in zip(("ult", "ugt"), limits)
    )
    found = w.let(f"or {bits} {low}, {high}")
    if NUMBERS[stored][0][0] == "i":
        near = w.let(f"call {wide} @llvm.rint.v{size}f64({wide} {numbers})")
        uneven = w.let(f"fcmp une {wide} {near}, {numbers}")
        found = w.let(f"or {bits} {found}, {uneven}")
    return found


def _converted(w: Writer, numbers: str, source: str, target: str, size: int) -> str:
    """Return numbers in another type, which holds them (reals are rounded)."""
    (type_, signed), (made, whole_sign) = NUMBERS[source], NUMBERS[target]
    if type_ == made:
        return numbers
    width = {"float": 32, "double": 64}
    if type_[0] == "i" and made[0] == "i":
        longer = int(made[1:]) > int(type_[1:])
        code = ("sext" if signed else "zext") if longer else "trunc"
    elif type_[0] == "i":
        code = "sitofp" if signed else "uitofp"
    elif made[0] == "i":
        code = "fptosi" if whole_sign else "fptoui"
    else:
        code = "fpext" if width[made] > width[type_] else "fptrunc"
    return w.let(f"{code} <{size} x {type_}> {numbers} to <{size} x {made}>", "made")


def _give(given: str, stored: str) -> str:
    w = Writer()
    for name in ("source", "target", "count"):
        w.name(name)
    type_, made = NUMBERS[stored][0], NUMBERS[given][0]
    width = {"float": 4, "double": 8}.get(made) or int(made[1:]) // 8
    # Numbers before the first that begins a cache line.
    address = w.let("ptrtoint ptr %target to i64")
    away = w.let(f"sub i64 0, {address}")
    away = w.let(f"and i64 {away}, {LINE - 1}")
    away = w.let(f"udiv i64 {away}, {width}")
    few = w.let(f"icmp slt i64 %count, {away}")
    head = w.let(f"select i1 {few}, i64 %count, i64 {away}", "head")
    rest = w.let(f"sub i64 %count, {head}")
    rest = w.let(f"and i64 {rest}, {-VECTOR}")
    tail = w.let(f"add i64 {head}, {rest}", "tail")
    for start, stop, size in (("0", head, 1), (head, tail, VECTOR), (tail, "%count", 1)):
        with w.loop(start, stop, "k", str(size)) as k:
            place = w.let(f"getelementptr inbounds {type_}, ptr %source, i64 {k.var}")
            numbers = w.let(f"load <{size} x {type_}>, ptr {place}, align 1", "numbers")
            value = _converted(w, numbers, stored, given, size)
            place = w.let(f"getelementptr inbounds {made}, ptr %target, i64 {k.var}")
            how = f"align {LINE}, !nontemporal !0" if size > 1 else "align 1"
            w.line(f"store <{size} x {made}> {value}, ptr {place}, {how}")
    w.line("ret void")
    names = "ptr noalias %source, ptr noalias %target, i64 %count"
    return procedure("give", names, w) + "\n"
