"""Programs in the IR that people would know, for goldens and for what must be refused."""

from __future__ import annotations

from benchmarks.programs import RULE30

PROGRAMS: dict[str, str] = {
    "rule30": RULE30,
    "life": """
func @life<N >= 3, M >= 3>(%grid: bit[N, M]) -> (%next: bit[N, M]) proved exhaustive(neighbourhoods = 512) {
  %next = map %i in 0..N, %j in 0..M {
    %cell = load %grid[%i, %j]
    %total = reduce add %di in -1..2, %dj in -1..2 {
      %near = load %grid[%i + %di wrap, %j + %dj wrap]
      yield %near
    }
    %neighbours = sub %total, %cell
    %three = eq %neighbours, 3
    %two = eq %neighbours, 2
    %stays = and %cell, %two
    %alive = or %three, %stays
    yield %alive
  }
  return %next
}
""",
    "adder": """
func @add<T>(%a: bit[T], %b: bit[T]) -> (%sum: bit[T]) {
  %sum, %last = scan %t in 0..T with (%carry: bit = 0) {
    %x = load %a[%t]
    %y = load %b[%t]
    %s = xor %x, %y, %carry
    %c = threshold 2 of %x, %y, %carry
    next %c
    yield %s
  }
  return %sum
}
""",
    "risk": """
func @risk(%age: real, %priors: int<0..99>) -> (%score: real) fitted(r2 = 0.9931) {
  %a = curve %age in log knots [(18, 3.13), (21, 0.5914), (46, -0.7206)]
  %p = curve %priors in log1p knots [(0, -0.8415), (1, -0.4452), (38, 2.146)]
  %s = add %a, %p
  return %s
}
""",
    "majority": """
func @majority(%a: bit, %b: bit, %c: bit) -> (%vote: bit) proved exhaustive(inputs = 8) {
  %vote = threshold 2 of %a, %b, %c
  return %vote
}
""",
    "comparator": """
func @greater<N>(%a: bit[N], %b: bit[N]) -> (%greater: bit) {
  %outs, %is_greater = scan %i in 0..N with (%g: bit = 0) {
    %x = load %a[%i]
    %y = load %b[%i]
    %differ = xor %x, %y
    %next = select %differ, %x, %g
    next %next
    yield %next
  }
  return %is_greater
}
""",
    "tokens": """
func @tokens(%word: onehot<3>[4]) -> (%class: int<0..2>) {
  %scores = map %k in 0..3 {
    %n = reduce count %i in 0..4 {
    %t = load %word[%i]
       %same = eq %t, %k
    yield %same
  }
    yield %n
  }
  %class = argmax %scores
  return %class
}
""",
    "rule110": """
func @rule110<N>(%cells: bit[N]) -> (%next: bit[N]) {
  %next = map %i in 0..N {
    %left = load %cells[%i - 1 wrap]
    %mid = load %cells[%i]
    %right = load %cells[%i + 1 wrap]
    %some = or %mid, %right
    %all = and %left, %mid, %right
    %not_all = not %all
    %out = and %some, %not_all
    yield %out
  }
  return %next
}
""",
    "edges": """
func @edges<N, M>(%grid: bit[N, M]) -> (%edge: bit[N, M]) {
  %edge = map %i in 0..N, %j in 0..M {
    %here = load %grid[%i, %j]
    %up = load %grid[%i - 1 else 0, %j]
    %left = load %grid[%i, %j - 1 else 0]
    %a = xor %here, %up
    %b = xor %here, %left
    %out = or %a, %b
    yield %out
  }
  return %edge
}
""",
    "heat": """
func @heat<N>(%u: real[N]) -> (%next: real[N]) {
  %next = map %i in 0..N {
    %l = load %u[%i - 1 clamp]
    %c = load %u[%i]
    %r = load %u[%i + 1 clamp]
    %c2 = mul 2.0, %c
    %s = add %l, %r
    %lap = sub %s, %c2
    %d = mul 0.25, %lap
    %out = add %c, %d
    yield %out
  }
  return %next
}
""",
    "prefix": """
func @parity<N>(%x: bit[N]) -> (%p: bit[N]) {
  %p = map %i in 0..N {
    %q = reduce xor %k in 0..%i + 1 {
    %v = load %x[%k]
    yield %v
  }
    yield %q
  }
  return %p
}
""",
    "formula": """
func @pendulum(%length: real<0.01..100.0>, %angle: real) -> (%period: real) {
  %ratio = div %length, 9.81
  %root = sqrt %ratio
  %base = mul 6.283185307179586, %root
  %half = mul 0.5, %angle
  %sine = sin %half
  %sq = pow %sine, 2.0
  %quarter = div %sq, 4.0
  %factor = add 1.0, %quarter
  %period = mul %base, %factor
  return %period
}
""",
    "spins": """
func @ising<N>(%s: int{-1, 1}[N]) -> (%e: int, %m: int{-1, 0, 1}) {
  %e = reduce add %i in 0..N {
    %a = load %s[%i]
    %b = load %s[%i + 1 wrap]
    %p = mul %a, %b
    %n = neg %p
    yield %n
  }
  %t = reduce add %j in 0..N {
    %v = load %s[%j]
    yield %v
  }
  %m = sign %t
  return %e, %m
}
""",
    "colour": """
func @price(%colour: category{"red", "green", "blue"}, %age: real?) -> (%price: real) {
  %base = table [1.5, 2.0, 4.25] of %colour
  %drop = curve %age knots [(0.0, 1.0), (10.0, 0.5), (10.0, 0.4), (50.0, 0.1)] missing 0.7
  %price = mul %base, %drop
  return %price
}
""",
    "mlp": """
func @net(%cells: bit[3]) -> (%next: bit[2]) {
  %h = dense %cells, @w0, @b0 from("0")
  %r = relu %h from("1")
  %y = dense %r, @w1, @b1 from("2")
  %next = step %y
  return %next
}
const @w0 = real[2, 3] float32 [[1.0, 2.0, -1.0], [0.5, 0.25, 1.0]]
const @b0 = real[2] float32 [0.5, -1.0]
const @w1 = real[2, 2] float32 [[1.0, -1.0], [0.5, 2.0]]
const @b1 = real[2] float32 [0.0, -0.5]

""",
    "comparator4": """
func @greater4(%a: bit[4], %b: bit[4]) -> (%greater: bit) {
  %x = reduce add %i in 0..4 {
    %v = load %a[%i]
     %p = index 3 - %i
     %w = pow 2, %p
     %t = mul %v, %w
    yield %t
  }
  %y = reduce add %j in 0..4 {
    %v2 = load %b[%j]
     %p2 = index 3 - %j
     %w2 = pow 2, %p2
     %t2 = mul %v2, %w2
    yield %t2
  }
  %g = gt %x, %y
  return %g
}
""",
}
