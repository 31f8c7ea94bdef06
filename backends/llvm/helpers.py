"""Functions that emitted modules bring along, each only where it is used."""

from __future__ import annotations

from collections.abc import Iterable

from ddc.backends.needs import closure

_FLOOR = """\
define internal i64 @ddc.floordiv(i64 %a, i64 %b) alwaysinline nounwind {
  %none = icmp eq i64 %b, 0
  %minus = icmp eq i64 %b, -1
  %special = or i1 %none, %minus
  %by = select i1 %special, i64 1, i64 %b
  %q = sdiv i64 %a, %by
  %p = mul i64 %q, %by
  %r = sub i64 %a, %p
  %uneven = icmp ne i64 %r, 0
  %x = xor i64 %r, %by
  %differ = icmp slt i64 %x, 0
  %down = and i1 %uneven, %differ
  %one = zext i1 %down to i64
  %floor = sub i64 %q, %one
  %negated = sub i64 0, %a
  %s = select i1 %minus, i64 %negated, i64 %floor
  %t = select i1 %none, i64 0, i64 %s
  ret i64 %t
}
"""

_MOD = """\
define internal i64 @ddc.floormod(i64 %a, i64 %b) alwaysinline nounwind {
  %none = icmp eq i64 %b, 0
  %minus = icmp eq i64 %b, -1
  %special = or i1 %none, %minus
  %by = select i1 %special, i64 1, i64 %b
  %r = srem i64 %a, %by
  %uneven = icmp ne i64 %r, 0
  %x = xor i64 %r, %by
  %differ = icmp slt i64 %x, 0
  %up = and i1 %uneven, %differ
  %more = select i1 %up, i64 %by, i64 0
  %s = add i64 %r, %more
  %t = select i1 %special, i64 0, i64 %s
  ret i64 %t
}
"""

_POWER = """\
define internal i64 @ddc.power(i64 %base, i64 %exponent) nounwind {
entry:
  br label %head
head:
  %result = phi i64 [ 1, %entry ], [ %result.next, %body ]
  %square = phi i64 [ %base, %entry ], [ %square.next, %body ]
  %left = phi i64 [ %exponent, %entry ], [ %left.next, %body ]
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %body, label %end
body:
  %low = trunc i64 %left to i1
  %times = mul i64 %result, %square
  %result.next = select i1 %low, i64 %times, i64 %result
  %square.next = mul i64 %square, %square
  %left.next = lshr i64 %left, 1
  br label %head
end:
  ret i64 %result
}
"""


def _checked(code: str, intrinsic: str) -> str:
    return f"""\
declare {{ i64, i1 }} @llvm.{intrinsic}.with.overflow.i64(i64, i64)

define internal i64 @ddc.{code}(i64 %a, i64 %b, ptr %flag) alwaysinline nounwind {{
  %pair = call {{ i64, i1 }} @llvm.{intrinsic}.with.overflow.i64(i64 %a, i64 %b)
  %value = extractvalue {{ i64, i1 }} %pair, 0
  %beyond = extractvalue {{ i64, i1 }} %pair, 1
  %wide = zext i1 %beyond to i32
  %before = load i32, ptr %flag
  %after = or i32 %before, %wide
  store i32 %after, ptr %flag
  ret i64 %value
}}
"""


_POWER_CHECKED = """\
define internal i64 @ddc.power_checked(i64 %base, i64 %exponent, ptr %flag) nounwind {
entry:
  br label %head
head:
  %result = phi i64 [ 1, %entry ], [ %result.next, %step ]
  %square = phi i64 [ %base, %entry ], [ %square.next, %step ]
  %left = phi i64 [ %exponent, %entry ], [ %left.next, %step ]
  %low = trunc i64 %left to i1
  br i1 %low, label %odd, label %even
odd:
  %times = call i64 @ddc.mul_checked(i64 %result, i64 %square, ptr %flag)
  br label %even
even:
  %result.next = phi i64 [ %result, %head ], [ %times, %odd ]
  %left.next = lshr i64 %left, 1
  %more = icmp ne i64 %left.next, 0
  %negative = icmp slt i64 %left, 0
  %over = load i32, ptr %flag
  %bad = icmp ne i32 %over, 0
  %stop = or i1 %bad, %negative
  %not = xor i1 %stop, true
  %go = and i1 %more, %not
  br i1 %go, label %step, label %end
step:
  %square.next = call i64 @ddc.mul_checked(i64 %square, i64 %square, ptr %flag)
  br label %head
end:
  ret i64 %result.next
}
"""

_FLOOR_CHECKED = """\
define internal i64 @ddc.floordiv_checked(i64 %a, i64 %b, ptr %flag) alwaysinline nounwind {
  %least = icmp eq i64 %a, -9223372036854775808
  %minus = icmp eq i64 %b, -1
  %beyond = and i1 %least, %minus
  %wide = zext i1 %beyond to i32
  %before = load i32, ptr %flag
  %after = or i32 %before, %wide
  store i32 %after, ptr %flag
  %q = call i64 @ddc.floordiv(i64 %a, i64 %b)
  ret i64 %q
}
"""

_TO_INT = """\
define internal i64 @ddc.to_int_checked(double %x, ptr %flag) alwaysinline nounwind {
  %above = fcmp oge double %x, 0xC3E0000000000000
  %below = fcmp olt double %x, 0x43E0000000000000
  %fits = and i1 %above, %below
  %not = xor i1 %fits, true
  %wide = zext i1 %not to i32
  %before = load i32, ptr %flag
  %after = or i32 %before, %wide
  store i32 %after, ptr %flag
  %safe = select i1 %fits, double %x, double 0.0
  %value = fptosi double %safe to i64
  ret i64 %value
}
"""


def _at_most(name: str, type_: str, compare: str) -> str:
    return f"""\
define internal i64 @ddc.{name}(ptr %cuts, i64 %count, {type_} %x) nounwind memory(read) {{
entry:
  br label %head
head:
  %low = phi i64 [ 0, %entry ], [ %low.next, %body ]
  %high = phi i64 [ %count, %entry ], [ %high.next, %body ]
  %more = icmp ult i64 %low, %high
  br i1 %more, label %body, label %end
body:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %place = getelementptr inbounds {type_}, ptr %cuts, i64 %middle
  %cut = load {type_}, ptr %place
  %reached = {compare} {type_} %cut, %x
  %above = add i64 %middle, 1
  %low.next = select i1 %reached, i64 %above, i64 %low
  %high.next = select i1 %reached, i64 %high, i64 %middle
  br label %head
end:
  ret i64 %low
}}
"""


# name -> (functions it needs, text)
HELPERS: dict[str, tuple[tuple[str, ...], str]] = {
    "floordiv": ((), _FLOOR),
    "floormod": ((), _MOD),
    "power": ((), _POWER),
    "add_checked": ((), _checked("add_checked", "sadd")),
    "sub_checked": ((), _checked("sub_checked", "ssub")),
    "mul_checked": ((), _checked("mul_checked", "smul")),
    "power_checked": (("mul_checked",), _POWER_CHECKED),
    "floordiv_checked": (("floordiv",), _FLOOR_CHECKED),
    "to_int_checked": ((), _TO_INT),
    "at_most": ((), _at_most("at_most", "double", "fcmp ole")),
    "int_at_most": ((), _at_most("int_at_most", "i64", "icmp sle")),
}


def texts(wanted: Iterable[str]) -> list[str]:
    """Return the functions that are wanted and those that they need, in order."""
    needs = {name: needed for name, (needed, _) in HELPERS.items()}
    return [HELPERS[name][1] for name in closure(wanted, needs)]
