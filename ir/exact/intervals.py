"""Enclosures of tanh in whole multiples of 2^-p, for any p: growing precision without rounding.

exp(-2x) is brought near 1 by halving the argument, summed as an alternating series and squared
back (Brent and Zimmermann, Modern Computer Arithmetic, section 4.3); every rounding is counted.
"""

from __future__ import annotations

HALVED = 8  # the series is summed below 2^-HALVED


def tanh_enclosure(low: int, high: int, precision: int) -> tuple[int, int]:
    """Return ints around 2^p tanh(x) for all x from low / 2^p to high / 2^p."""
    return _tanh(low, precision)[0], _tanh(high, precision)[1]


def _tanh(x: int, precision: int) -> tuple[int, int]:
    if x < 0:
        low, high = _tanh(-x, precision)
        return -high, -low
    one = 1 << precision
    if x >> precision >= precision:
        return one - 1, one  # 1 - tanh(x) < 2 exp(-2 x)
    y, error, wide = _falling(2 * x, precision)
    unit = 1 << wide
    above, below = y + error, max(y - error, 0)
    low = ((unit - above) << precision) // (unit + above)
    high = -((-(unit - below) << precision) // (unit + below))
    return max(low, 0), min(high, one)


def _falling(x: int, precision: int) -> tuple[int, int, int]:
    """Return y, e and w such that |exp(-x / 2^precision) - y / 2^w| <= e / 2^w, for x >= 0."""
    halvings = max(0, x.bit_length() - precision) + HALVED
    wide = precision + halvings + 16
    # r < 2^-HALVED, rounded down by less than one unit
    r = (x << (wide - precision)) >> halvings
    term = total = 1 << wide
    count = 0
    while term:
        count += 1
        term = (term * r >> wide) // count
        total += -term if count % 2 else term
    # Every term is less than 2 units too small, the rest of the series less than 1 unit.
    error = 2 * count + 2
    for _ in range(halvings):
        total = total * total >> wide
        error = 2 * error + 2  # y <= 1 and error^2 < 2^wide
    return total, error, wide
