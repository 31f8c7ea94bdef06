"""Static functions that emitted C files bring along, each only where it is used."""

from __future__ import annotations

from collections.abc import Iterable

from ddc.backends.needs import closure

# name -> (functions it needs, text)
HELPERS: dict[str, tuple[tuple[str, ...], str]] = {
    "floor_div": (
        (),
        """\
/* a / b rounded towards minus infinity; 0 for b = 0, which the program excludes. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    if (b == 0) {
        return 0;
    }
    if (b == -1) {
        return (int64_t)(0 - (uint64_t)a);
    }
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
""",
    ),
    "floor_mod": (
        (),
        """\
/* The remainder of a / b rounded towards minus infinity: it has the sign of b. */
static inline int64_t floor_mod(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) {
        return 0;
    }
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
""",
    ),
    "int_power": (
        (),
        """\
/* base to the power of exponent >= 0. */
static inline int64_t int_power(int64_t base, int64_t exponent)
{
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2 == 1) {
            result *= square;
        }
        square *= square;
    }
    return (int64_t)result;
}
""",
    ),
    "checked_add": (
        (),
        """\
/* a + b; sets *overflow where that is beyond 64 bits. */
static inline int64_t checked_add(int64_t a, int64_t b, int *overflow)
{
    if ((b > 0 && a > INT64_MAX - b) || (b < 0 && a < INT64_MIN - b)) {
        *overflow = 1;
        return 0;
    }
    return a + b;
}
""",
    ),
    "checked_sub": (
        (),
        """\
/* a - b; sets *overflow where that is beyond 64 bits. */
static inline int64_t checked_sub(int64_t a, int64_t b, int *overflow)
{
    if ((b < 0 && a > INT64_MAX + b) || (b > 0 && a < INT64_MIN + b)) {
        *overflow = 1;
        return 0;
    }
    return a - b;
}
""",
    ),
    "checked_mul": (
        (),
        """\
/* a * b; sets *overflow where that is beyond 64 bits. */
static inline int64_t checked_mul(int64_t a, int64_t b, int *overflow)
{
    if (a == 0 || b == 0) {
        return 0;
    }
    if (a == -1 || b == -1) {
        const int64_t other = a == -1 ? b : a;
        if (other == INT64_MIN) {
            *overflow = 1;
            return 0;
        }
        return -other;
    }
    const int64_t limit = (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    const int beyond = b > 0 ? (a > 0 ? a > limit / b : a < limit / b)
                             : (a > 0 ? b < limit / a : b < limit / a);
    if (beyond) {
        *overflow = 1;
        return 0;
    }
    return a * b;
}
""",
    ),
    "checked_power": (
        ("checked_mul",),
        """\
/* base to the power of exponent >= 0; sets *overflow where that is beyond 64 bits. */
static inline int64_t checked_power(int64_t base, int64_t exponent, int *overflow)
{
    int64_t result = 1, square = base;
    for (;;) {
        if (exponent % 2 == 1) {
            result = checked_mul(result, square, overflow);
        }
        exponent /= 2;
        if (exponent <= 0) {
            return result;
        }
        square = checked_mul(square, square, overflow);
        if (*overflow) {
            return 0;
        }
    }
}
""",
    ),
    "checked_floor_div": (
        ("floor_div",),
        """\
/* a / b rounded down; sets *overflow where that is beyond 64 bits. */
static inline int64_t checked_floor_div(int64_t a, int64_t b, int *overflow)
{
    if (a == INT64_MIN && b == -1) {
        *overflow = 1;
        return 0;
    }
    return floor_div(a, b);
}
""",
    ),
    "checked_int": (
        (),
        """\
/* x as an int; sets *overflow for a NaN and beyond 64 bits. */
static inline int64_t checked_int(double x, int *overflow)
{
    if (!(x >= -9223372036854775808.0 && x < 9223372036854775808.0)) {
        *overflow = 1;
        return 0;
    }
    return (int64_t)x;
}
""",
    ),
    "real_min": (
        (),
        """\
/* The smaller of two numbers, a NaN if one is. */
static inline double real_min(double a, double b)
{
    return a < b || isnan(a) ? a : b;
}
""",
    ),
    "real_max": (
        (),
        """\
/* The greater of two numbers, a NaN if one is. */
static inline double real_max(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}
""",
    ),
    "at_most": (
        (),
        """\
/* How many of the increasing cuts are at most x. */
static inline int64_t at_most(const double *cuts, int64_t count, double x)
{
    int64_t found = 0;
    for (int64_t k = 0; k < count; k++) {
        found += cuts[k] <= x;
    }
    return found;
}
""",
    ),
    "int_at_most": (
        (),
        """\
/* How many of the increasing cuts are at most x. */
static inline int64_t int_at_most(const int64_t *cuts, int64_t count, int64_t x)
{
    int64_t found = 0;
    for (int64_t k = 0; k < count; k++) {
        found += cuts[k] <= x;
    }
    return found;
}
""",
    ),
    "piecewise": (
        ("at_most",),
        """\
/* The line of the piece that raw lies in: knots are counted up to and at it. */
static inline double piecewise(const double *place, const double *height, const double *slope,
                               const double *foot, int64_t count, double raw, double x)
{
    const int64_t k = at_most(place, count, raw);
    return slope[k] == 0.0 ? height[k] : height[k] + slope[k] * (x - foot[k]);
}
""",
    ),
}

CALLS = {
    "floordiv": "floor_div",
    "floormod": "floor_mod",
    "power": "int_power",
    "add_checked": "checked_add",
    "sub_checked": "checked_sub",
    "mul_checked": "checked_mul",
    "power_checked": "checked_power",
    "floordiv_checked": "checked_floor_div",
    "to_int_checked": "checked_int",
}


def texts(wanted: Iterable[str]) -> list[str]:
    """Return the functions that are wanted and those that they need, in order."""
    needs = {name: needed for name, (needed, _) in HELPERS.items()}
    return [HELPERS[name][1] for name in closure(wanted, needs)]
