"""Idioms: what a person would write, and the same answers as the interpreter gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddc import ir
from ddc.backends.python import emit
from ddc.ir.interpreter import run

from .running import check

# Each program with words of its plain and of its numpy form, and the shapes that it is tried at.
PROGRAMS: dict[str, tuple[str, str, str, list[tuple[int, ...]]]] = {
    "columns": (
        """
func @f<N >= 2, M >= 2>(%a: bit[N, M]) -> (%y: real[2]) {
  %count = reduce add %p in 0..M {
    %n = reduce add %q in 2..N {
      %r = load %a[%q, %p]
      yield %r
    }
    %some = ge %n, 1
    %x = load %a[0, %p]
    %z = load %a[1, %p]
    %d = sub %x, %z
    %one = mul 4.5, %d
    %first = load %a[0, 0]
    %second = load %a[1, 0]
    %not_second = not %second
    %not_first = not %first
    %left = and %x, %not_second
    %right = and %z, %not_first
    %e = sub %left, %right
    %two = mul 20.25, %e
    %chosen = select %some, %one, %two
    yield %chosen
  }
  %minus = neg %count
  %p0 = sigmoid %minus
  %p1 = sigmoid %count
  %y = pack %p0, %p1 to [2]
  return %y
}
""",
        "count += 20.25 * sum((x > c) - (z > b) for x, z, *rest in columns if not any(rest))",
        "a[2:].any(0)",
        [(2, 2), (3, 2), (2, 5), (7, 11)],
    ),
    "rows and columns": (
        """
func @f<N>(%a: bit[N, N]) -> (%y: bit) {
  %rows = map %i in 0..N {
    %s = reduce add %k in 0..N {
      %v = load %a[%i, %k]
      yield %v
    }
    yield %s
  }
  %columns = map %j in 0..N {
    %t = reduce add %l in 0..N {
      %w = load %a[%l, %j]
      yield %w
    }
    yield %t
  }
  %d = map %g in 0..N, %h in 0..N {
    %r = load %rows[%g]
    %c = load %columns[%h]
    %e = sub %c, %r
    %u = sign %e
    yield %u
  }
  %above = map %o in 0..N {
    %m = reduce add %q in 0..N {
      %x = load %d[%q, %o]
      yield %x
    }
    %size = index N
    %n = mul %size, %m
    yield %n
  }
  %best = reduce argmax %b in 0..N {
    %z = load %above[%b]
    yield %z
  }
  %y = ge %best, 1
  return %y
}
""",
        "[sum(row) for row in a]",
        "np.sign(a.sum(0) - a.sum(1)[..., None])",
        [(1, 1), (2, 2), (5, 5), (9, 9)],
    ),
    "kept sum": (
        """
func @f<T>(%a: int<0..4>[T]) -> (%y: int<0..4>[T]) {
  %y, %last = scan %t in 0..T with (%carry: int<0..3> = 1) {
    %v = load %a[%t]
    %w = mul 3, %v
    %total = add %carry, %w
    %next = floordiv %total, 5
    %digit = mod %total, 5
    next %next
    yield %digit
  }
  return %y
}
""",
        "[(total := total // 5 + 3 * v) % 5 for v in map(int, a)]",
        "total := total // 5",
        [(1,), (2,), (9,)],
    ),
    "two running states": (
        """
func @f<T>(%a: int<-3..3>[T]) -> (%y: int[T]) {
  %y, %p, %v = scan %t in 0..T with (%place: int = 0, %speed: int = 0) {
    %x = load %a[%t]
    %faster = add %speed, %x
    %there = add %place, %faster
    next %there, %faster
    yield %there
  }
  return %y
}
""",
        "[place := place + (speed := speed + x) for x in map(int, a)]",
        "place := place + (speed := speed + x)",
        [(1,), (2,), (9,)],
    ),
    "old and new state": (
        """
func @f<T>(%a: bit[T]) -> (%y: int[T]) {
  %y, %p, %v = scan %t in 0..T with (%one: int = 1, %two: int = 2) {
    %x = load %a[%t]
    %n = add %two, %x
    %m = add %one, %x
    %s = add %n, %one
    %r = mul %m, %s
    next %n, %m
    yield %r
  }
  return %y
}
""",
        "",
        "",
        [(1,), (2,), (9,)],
    ),
    "states that need each other": (
        """
func @f<T>(%a: int<-3..3>[T]) -> (%y: int[T], %z: int[T]) {
  %y, %z, %p, %q, %r = scan %t in 0..T with (%u: int = 1, %v: int = 2, %w: int = 0) {
    %x = load %a[%t]
    %s = add %v, %x
    %n = sub %s, %u
    %m = sub %u, %v
    %o = add %w, %n
    %e = mul %m, %o
    next %n, %m, %o
    yield %o, %e
  }
  return %y, %z
}
""",
        "u, v = v + x - u, u - v",
        "u, v = v + x - u, u - v",
        [(1,), (2,), (9,)],
    ),
    "skipped states": (
        """
func @f<T>(%a: bit[T]) -> (%y: int[T]) {
  %y, %p = scan %t in 0..T with (%s: int = 0) {
    %x = load %a[%t]
    %n = add %s, 1
    %r = select %x, %n, 7
    next %n
    yield %r
  }
  return %y
}
""",
        "y.append(",
        "y.append(",
        [(1,), (2,), (9,)],
    ),
    "window": (
        """
func @f<T>(%a: bit[T]) -> (%y: bit[T]) {
  %y = map %t in 0..T {
    %p = load %a[%t - 1 else 1]
    %q = load %a[%t - 2 else 1]
    %x = load %a[%t]
    %u = xor %x, %p
    %w = xor %p, %q
    %r = and %u, %w
    yield %r
  }
  return %y
}
""",
        "a = [1, 1, *map(int, a)]",
        "",
        [(1,), (2,), (3,), (9,)],
    ),
    "product of rows": (
        """
func @f<N, M>(%a: bit[N, M], %b: bit[M, N]) -> (%y: int[N, N]) {
  %y = map %i in 0..N, %j in 0..N {
    %s = reduce add %k in 0..M {
      %u = load %a[%i, %k]
      %v = load %b[%k, %j]
      %w = mul %u, %v
      yield %w
    }
    yield %s
  }
  return %y
}
""",
        "zip(*b)",
        "",
        [(1, 1), (2, 3), (4, 2)],
    ),
}


def drawn(module: ir.Module, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Any]:
    """Return random inputs of a shape: of the second parameter, the shape turned round."""
    found: dict[str, Any] = {}
    for k, param in enumerate(module.entry.params):
        low, high = ir.int_bounds(ir.element(param.type)) or (0, 1)
        assert low is not None and high is not None
        found[param.name] = rng.integers(low, high + 1, shape[::-1] if k else shape)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_says(name: str) -> None:
    text, plain, vector, _ = PROGRAMS[name]
    module = ir.check(ir.parse(text))
    assert plain in emit(module)
    assert vector in emit(module, style="numpy")


@pytest.mark.parametrize("style", ["plain", "numpy"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_means(name: str, style: str) -> None:
    text, _, _, shapes = PROGRAMS[name]
    module = ir.check(ir.parse(text))
    rng = np.random.default_rng(5)
    for shape in shapes:
        for _ in range(10):
            check(module, drawn(module, shape, rng), style)


@pytest.mark.parametrize("style", ["plain", "numpy"])
def test_sigmoids_keep_their_digits(style: str) -> None:
    text = """
func @f(%x: real) -> (%y: real[2]) {
  %z = mul %x, 1.0
  %m = neg %z
  %p = sigmoid %m
  %q = sigmoid %z
  %y = pack %p, %q to [2]
  return %y
}
"""
    module = ir.check(ir.parse(text))
    space: dict[str, Any] = {}
    exec(emit(module, style=style), space)
    for x in (0.0, 1e-9, 0.5, 36.0, 40.0, 500.0, 700.0, 1e6):
        for sign in (1, -1):
            found = np.ravel(space["f"](sign * x))
            small = np.exp(-x) / (1 + np.exp(-x))
            wanted = [small, 1 / (1 + np.exp(-x))][::sign]
            assert np.allclose(found, wanted, rtol=1e-13, atol=0)
            assert np.allclose(found, run(module, {"x": sign * x})[0], rtol=1e-12, atol=0)
