"""Line 1: the standard kinds of essence networks, built by closed descriptions, checked exactly.

Every network is made here from what it is to compute: sizes, constants and the order of the hidden
units come from a seed, and where a kind says so every weight of every layer carries noise. The
function that it is checked against is written on its own and shares nothing with the weights.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Layer, write_layers

from .common import Compiled, compiled, report, table

Rows = Any  # numpy arrays, first axis the batch
SEED = 2026
ROWS = 1000
EXHAUSTIVE = 1 << 12


@dataclass(frozen=True)
class Kind:
    """A network with its signature, its function, and the lines that a person would need."""

    layers: Sequence[Layer]
    inputs: str
    output: str
    shapes: tuple[tuple[int, ...], ...]
    levels: tuple[int, ...]
    expected: Callable[..., Rows]
    hidden: str = "sign"


def run(folder: Path) -> bool:
    """Print the table and its goal."""
    rows: list[Sequence[object]] = []
    exact = 0
    for name, build in KINDS.items():
        kind = build(np.random.default_rng((SEED, *name.encode())))
        found = check(folder, kind)
        exact += found.exact
        rows.append((name, *found.row))
    head = ("kind", "weights", "seconds", "lines", "checked", "evidence")
    table("standard kinds of networks, hidden units in random order", head, rows)
    return report(
        "standard kinds exact and proved", exact == len(KINDS), f"{exact} of {len(KINDS)}"
    )


@dataclass(frozen=True)
class Checked:
    """What compiling one kind gave."""

    exact: bool
    row: tuple[object, ...]


def check(folder: Path, kind: Kind) -> Checked:
    """Compile a network from a file, and compare the program with the function on its inputs."""
    path = folder / "kind.pt"
    names = [kind.hidden] * (len(kind.layers) - 1) + ["linear"]
    write_layers(path, kind.layers, names, kind.inputs, kind.output)
    start = time.process_time()
    result = compiled(path)
    seconds = time.process_time() - start
    weights = sum(w.size + b.size for w, b in kind.layers)
    if result.program is None:
        return Checked(False, (weights, f"{seconds:.2f}", "-", "-", result.reason))
    inputs = rows_of(kind)
    wanted = np.asarray(kind.expected(*inputs)).reshape(len(inputs[0]), -1)
    space: dict[str, Any] = {}
    exec(compile(result.program.python(), "emitted", "exec"), space)
    function = space[result.program.ir.entry.name]
    wrong = 0
    for number, row in enumerate(zip(*inputs)):
        answer = np.ravel(function(*row))
        wrong += not np.array_equal(answer, wanted[number].astype(np.int64))
    shown = f"{len(wanted) - wrong} of {len(wanted)}"
    row = (weights, f"{seconds:.2f}", result.lines, shown, proof_of(result))
    return Checked(not wrong and result.proved, row)


def proof_of(result: Compiled) -> str:
    """Return the first claim, and whether the program takes other sizes."""
    assert result.program is not None
    claims = result.program.evidence
    shown = f"{claims[0].kind} {claims[0].method}".rstrip()
    return shown + (", any size" if any(e.kind == "inferred" for e in claims) else "")


def rows_of(kind: Kind) -> list[Rows]:
    """Return all inputs where they are few, else random ones: sparse, even, dense and constant."""
    count = sum(int(np.prod(shape)) for shape in kind.shapes)
    levels = np.array(kind.levels)
    if len(levels) ** count <= EXHAUSTIVE:
        flat = np.array(list(itertools.product(levels, repeat=count)))
    else:
        generator = np.random.default_rng(SEED)
        share = generator.random((ROWS, 1))
        picked = generator.integers(len(levels), size=(ROWS, count))
        held = generator.integers(len(levels), size=(ROWS, 1))
        flat = levels[np.where(generator.random((ROWS, count)) < share, held, picked)]
    ends = np.cumsum([int(np.prod(shape)) for shape in kind.shapes])[:-1]
    parts = np.split(flat, ends, axis=1)
    return [p.reshape(len(flat), *shape) for p, shape in zip(parts, kind.shapes)]


# ---------------------------------------------------------------- making networks


class Net:
    """Layers of named units; a unit is a dict from the units below (or cells) to weights."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.layers: list[Layer] = []

    def add(self, units: Sequence[tuple[dict[int, float], float]]) -> Net:
        """Add a layer of units, each with weights and a bias."""
        weights = np.zeros((self.width, len(units)))
        for number, (entries, _) in enumerate(units):
            for place, weight in entries.items():
                weights[place, number] += weight
        self.layers.append((weights, np.array([bias for _, bias in units], dtype=np.float64)))
        self.width = len(units)
        return self


def shuffled(layers: Sequence[Layer], rng: np.random.Generator) -> list[Layer]:
    """Return the same network with the hidden units of every layer in a random order."""
    layers = list(layers)
    for at in range(len(layers) - 1):
        (weights, bias), (following, last) = layers[at : at + 2]
        order = rng.permutation(bias.size)
        layers[at : at + 2] = (weights[:, order], bias[order]), (following[order], last)
    return layers


def noisy(
    layers: Sequence[Layer], rng: np.random.Generator, size: float = 0.01, everywhere: float = 0.0
) -> list[Layer]:
    """Return the network with scaled units and noise on every weight and bias, on zeros too."""
    found: list[Layer] = []
    for number, (weights, bias) in enumerate(layers):
        last = number == len(layers) - 1
        scale = rng.uniform(0.3, 3, 1 if last else bias.size)
        weights = weights * (1 + size * rng.uniform(-1, 1, weights.shape))
        weights = weights + everywhere * rng.uniform(-1, 1, weights.shape)
        bias = bias * (1 + size * rng.uniform(-1, 1, bias.size))
        found.append((weights * scale, bias * scale))
    return found


def kind(
    layers: Sequence[Layer],
    rng: np.random.Generator,
    shapes: str,
    output: str,
    expected: Callable[..., Rows],
    most: int = 1,
    noise: float = 0.0,
    everywhere: float = 0.0,
    hidden: str = "sign",
) -> Kind:
    """Return a kind, its units shuffled, with inputs `name[4, 5], other[6]` from 0 to `most`."""
    layers = shuffled(layers, rng)
    if noise or everywhere:
        layers = noisy(layers, rng, noise, everywhere)
    scalar = "bit" if most == 1 else f"int<0..{most}>"
    parts = [part.strip() for part in shapes.split(";")]
    extents = tuple(
        tuple(int(n) for n in part[part.index("[") + 1 : -1].split(",")) for part in parts
    )
    inputs = ", ".join(part.replace("[", f": {scalar}[") for part in parts)
    levels = tuple(range(most + 1))
    return Kind(layers, inputs, output, extents, levels, expected, hidden)


def at_least(count: float) -> float:
    """Return the bias of a unit that is on from `count` on."""
    return 0.5 - count


def cells(shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the flat numbers of the cells of an array."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def weighted(places: Any, weight: float = 1.0) -> dict[int, float]:
    """Return the same weight on places."""
    return {int(p): weight for p in np.asarray(places).ravel()}


def both(*parts: dict[int, float]) -> dict[int, float]:
    """Return the sum of weights."""
    total: dict[int, float] = {}
    for part in parts:
        for place, weight in part.items():
            total[place] = total.get(place, 0.0) + weight
    return total


# ---------------------------------------------------------------- gates and automata


def gates(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(5, 8))
    every = weighted(range(n))
    units = [(every, at_least(k)) for k in (1, (n + 1) // 2, n)]
    minus = weighted(range(n), -1.0)
    units += [(minus, 0.5), (minus, n - 0.5)]  # none of them, not all

    def expected(x: Rows) -> Rows:
        s = x.sum(1)
        return np.stack([s >= 1, s >= (n + 1) // 2, s == n, s == 0, s < n], 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def parity(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(6, 9))
    net = Net(n).add([(weighted(range(n)), at_least(k)) for k in range(1, n + 1)])
    signs = {k: 1.0 if k % 2 == 0 else -1.0 for k in range(n)}
    net.add([(signs, float(n % 2 == 0) * 1.0 - float(n % 2))])
    if n % 2:
        net.layers[-1] = (net.layers[-1][0], np.array([0.0]))
    else:
        net.layers[-1] = (net.layers[-1][0], np.array([-1.0]))
    return kind(net.layers, rng, f"x[{n}]", "step", lambda x: x.sum(1) % 2)


def mixed(rng: np.random.Generator) -> Kind:
    weights = rng.permutation([5, 3, 2, 1, -1, -2, -4, 6, -3])
    units = [(dict(enumerate(weights.astype(float))), -b) for b in (0.5, 2.5, -1.5)]
    layers = Net(9).add(units).layers

    def expected(x: Rows) -> Rows:
        return np.stack([x @ weights > b for b in (0.5, 2.5, -1.5)], 1)

    return kind(layers, rng, "x[9]", "step", expected, noise=0.004)


def decoder(rng: np.random.Generator) -> Kind:
    bits = 3
    units = []
    for number in range(1 << bits):
        signs = [1.0 if number >> (bits - 1 - k) & 1 else -1.0 for k in range(bits)]
        units.append((dict(enumerate(signs)), 0.5 - sum(s > 0 for s in signs)))
    layers = Net(bits).add(units).layers

    def expected(x: Rows) -> Rows:
        return (x @ [4, 2, 1])[:, None] == np.arange(8)

    return kind(layers, rng, "x[3]", "step", expected, noise=0.05)


def ring(n: int, function: Callable[[tuple[int, ...]], int], reach: int) -> Net:
    """Return an automaton: one unit for each neighbourhood of 1, then any of them."""
    cases = [c for c in itertools.product((0, 1), repeat=2 * reach + 1) if function(c)]
    first = []
    for cell in range(n):
        for case in cases:
            entries = {
                (cell + d) % n: 1.0 if bit else -1.0
                for d, bit in zip(range(-reach, reach + 1), case)
            }
            first.append((entries, 0.5 - sum(case)))
    k = len(cases)
    second = [(weighted(range(k * c, k * c + k)), k - 1.0) for c in range(n)]
    return Net(n).add(first).add(second)


def automaton(rng: np.random.Generator) -> Kind:
    n, rule = int(rng.integers(30, 45)), int(rng.choice([30, 54, 106, 110, 150, 184]))
    net = ring(n, lambda c: rule >> (4 * c[0] + 2 * c[1] + c[2]) & 1, 1)

    def expected(x: Rows) -> Rows:
        return rule >> (4 * np.roll(x, 1, 1) + 2 * x + np.roll(x, -1, 1)) & 1

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def wide_automaton(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(26, 33))
    born = set(rng.choice(6, size=3, replace=False).tolist())
    net = ring(n, lambda c: int(sum(c) in born), 2)

    def expected(x: Rows) -> Rows:
        s = sum(np.roll(x, d, 1) for d in range(-2, 3))
        return np.isin(s, list(born))

    return kind(net.layers, rng, f"x[{n}]", "step", expected)


def life(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(9, 12))
    grid = cells((n, m))
    first, second = [], []
    for i, j in np.ndindex(n, m):
        block = [grid[(i + a) % n, (j + b) % m] for a in (-1, 0, 1) for b in (-1, 0, 1)]
        entries = both(weighted(block, 2.0), {int(grid[i, j]): -1.0})
        first += [(entries, -4.5), ({p: -w for p, w in entries.items()}, 7.5)]
        k = 2 * (i * m + j)
        second.append(({k: 1.0, k + 1: 1.0}, -1.0))

    def expected(x: Rows) -> Rows:
        s = sum(np.roll(x, (a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1)) - x
        return (s == 3) | ((s == 2) & (x == 1))

    layers = Net(n * m).add(first).add(second).layers
    return kind(layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)


# ---------------------------------------------------------------- comparisons


def tournament(n: int, every: bool = False) -> Net:
    """Return the signs of all differences of entries, and for each entry the sum of its wins."""
    pairs = [(i, j) for i in range(n) for j in range(n) if i < j or (every and i != j)]
    net = Net(n).add([({i: 1.0, j: -1.0}, 0.0) for i, j in pairs])
    wins: list[dict[int, float]] = [{} for _ in range(n)]
    for k, (i, j) in enumerate(pairs):
        wins[i][k] = 1.0
        if not every:
            wins[j][k] = -1.0
    return net.add([(entries, 0.0) for entries in wins])


def argmax(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(5, 8))
    layers = tournament(n).layers
    return kind(layers, rng, f"x[{n}]", "argmax", lambda x: x.argmax(1), most=20)


def argmin_wide(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(15, 22))
    first, (weights, bias) = tournament(n, True).layers
    layers = [first, (-weights, bias)]
    return kind(layers, rng, f"x[{n}]", "argmax", lambda x: x.argmin(1), most=99)


def median(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(7, 12))

    def expected(x: Rows) -> Rows:
        return np.sign(np.sign(x[:, :, None] - x[:, None, :]).sum(2))

    return kind(tournament(n).layers, rng, f"x[{n}]", "sign", expected, most=9)


def sorted_bits(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(30, 40))
    units = [(weighted(range(n)), at_least(k + 1)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return -np.sort(-x, 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected)


def comparison(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(10, 15))
    powers = 2.0 ** np.arange(n - 1, -1, -1)
    units = [(dict(enumerate([*powers, *-powers])), 0.0)]
    whole = powers.astype(np.int64)
    layers = Net(2 * n).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{n}]", "sign", lambda a, b: np.sign(a @ whole - b @ whole))


def equality(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(13, 20))
    net = Net(2 * n)
    net.add([({k: 1.0, n + k: -1.0}, 0.0) for k in range(n)])  # 0 where equal
    # Twice each difference, by its two signs.
    both_ways = [({k: s}, -0.5) for k in range(n) for s in (1.0, -1.0)]
    net.add(both_ways)  # 1 where that side is greater, else -1
    net.add([(weighted(range(2 * n), -1.0), 0.5 - 2 * n + 0.5)])
    return kind(net.layers, rng, f"a[{n}]; b[{n}]", "step", lambda a, b: (a == b).all(1))


def majority_vote(rng: np.random.Generator) -> Kind:
    """Blocks vote for their class; the last layer has noise and its argmax no ties."""
    blocks, width, classes = 9, 5, 3
    net = Net(blocks * width)
    net.add([(weighted(range(width * b, width * b + width)), -2.5) for b in range(blocks)])
    thresholds = [(weighted(range(blocks)), t) for t in (-2.0, 4.0)]
    net.add(thresholds)  # sum > 2, sum > -4
    net.add([({0: -1.0, 1: -1.0}, 0.0), ({0: -1.0, 1: 1.0}, 0.5), ({0: 1.0, 1: 1.0}, 0.25)])
    assert classes == 3

    def expected(x: Rows) -> Rows:
        s = np.where(x.reshape(len(x), blocks, width).sum(2) > 2, 1, -1).sum(1)
        high, low = np.where(s > 2, 1, -1), np.where(s > -4, 1, -1)
        return np.stack([-high - low, low - high + 0.5, high + low + 0.25], 1).argmax(1)

    return kind(net.layers, rng, f"x[{blocks * width}]", "argmax", expected, noise=0.01)


# ---------------------------------------------------------------- windows, strides, blocks


def window(rng: np.random.Generator) -> Kind:
    n, width = int(rng.integers(35, 50)), int(rng.choice([5, 7]))
    count = n - width + 1
    units = [(weighted(range(k, k + width)), at_least(width // 2 + 1)) for k in range(count)]

    def expected(x: Rows) -> Rows:
        total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), 1)
        return 2 * (total[:, width:] - total[:, :-width]) > width

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def bordered(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(8, 11)), int(rng.integers(8, 11))
    grid = cells((n, m))
    units = []
    for i, j in np.ndindex(n, m):
        around = grid[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        units.append((weighted(around), at_least(4)))

    def expected(x: Rows) -> Rows:
        wide = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        total = sum(wide[:, a : a + n, b : b + m] for a in range(3) for b in range(3))
        return total >= 4

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)


def edges(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(8, 12))
    grid = cells((n, m))
    units = [
        ({int(grid[i, j]): 1.0, int(grid[i, j + 1]): -1.0}, 0.0) for i, j in np.ndindex(n, m - 1)
    ]
    return kind(
        Net(n * m).add(units).layers,
        rng,
        f"x[{n}, {m}]",
        "sign",
        lambda x: np.sign(x[:, :, :-1] - x[:, :, 1:]),
        most=5,
    )


def stride(rng: np.random.Generator) -> Kind:
    width, step, count = 4, 3, int(rng.integers(9, 14))
    n = step * (count - 1) + width
    units = [
        (dict(zip(range(step * k, step * k + width), (2.0, 1.0, 1.0, 2.0))), -2.5)
        for k in range(count)
    ]

    def expected(x: Rows) -> Rows:
        taps = np.array([2, 1, 1, 2])
        return np.stack([x[:, step * k : step * k + width] @ taps >= 3 for k in range(count)], 1)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def ring_stride(rng: np.random.Generator) -> Kind:
    count = int(rng.integers(14, 20))
    n = 2 * count
    units = [({(2 * k + d) % n: 1.0 for d in (-1, 0, 1, 2, 3)}, -2.5) for k in range(count)]

    def expected(x: Rows) -> Rows:
        total: Rows = np.sum([np.roll(x, -d, 1) for d in (-1, 0, 1, 2, 3)], axis=0)
        return total[:, ::2] > 2

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected)


def pooled(rng: np.random.Generator) -> Kind:
    rows, columns, a, b = 3, int(rng.integers(3, 5)), 3, 4
    grid = cells((rows * a, columns * b))
    units = [
        (weighted(grid[a * i : a * i + a, b * j : b * j + b]), at_least(a * b // 2 + 1))
        for i, j in np.ndindex(rows, columns)
    ]

    def expected(x: Rows) -> Rows:
        return x.reshape(len(x), rows, a, columns, b).sum((2, 4)) * 2 > a * b

    shape = f"x[{rows * a}, {columns * b}]"
    return kind(Net(grid.size).add(units).layers, rng, shape, "step", expected, noise=0.01)


def blocks(rng: np.random.Generator) -> Kind:
    """Each cell is compared with the others of its block: an index rounded down."""
    width, count = 5, int(rng.integers(6, 9))
    n = width * count
    units = []
    for cell in range(n):
        start = cell // width * width
        units.append((both(weighted(range(start, start + width), -1.0), {cell: 4.0}), 0.5))

    def expected(x: Rows) -> Rows:
        parts = x.reshape(len(x), count, width)
        return (4 * parts - parts.sum(2, keepdims=True) >= 0).reshape(len(x), n)

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def comb(rng: np.random.Generator) -> Kind:
    """Cells of equal remainder: counts over strides."""
    step, count = int(rng.integers(4, 7)), 6
    n = step * count
    units = [(weighted(range(k, n, step)), at_least(4)) for k in range(step)]

    def expected(x: Rows) -> Rows:
        return x.reshape(len(x), count, step).sum(1) >= 4

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.02)


def outer(rng: np.random.Generator) -> Kind:
    """All pairs of an entry of one vector and one of another, in one row: quotient, remainder."""
    n, m = int(rng.integers(4, 7)), int(rng.integers(20, 25))
    units = [({k // m: 1.0, n + k % m: 1.0}, -1.5) for k in range(n * m)]

    def expected(a: Rows, b: Rows) -> Rows:
        return (a[:, :, None] & b[:, None, :]).reshape(len(a), -1)

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "step", expected, noise=0.05)


# ---------------------------------------------------------------- prefixes, triangles, coefficients


def prefix(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(27, 36))
    units = [(weighted(range(k + 1), 2.0), -(k + 1.0)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return np.sign(2 * np.cumsum(x, 1) - np.arange(1, n + 1))

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "sign", expected)


def suffix(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(26, 33))
    units = [(weighted(range(k, n)), 0.5 - (n - k)) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return np.flip(np.minimum.accumulate(np.flip(x, 1), 1), 1)

    layers = Net(n).add(units).layers
    return kind(layers, rng, f"x[{n}]", "step", expected, noise=0.005)


def triangle(rng: np.random.Generator) -> Kind:
    """One output for each pair i < j, in the order of the pairs."""
    n = int(rng.integers(6, 9))
    pairs = list(itertools.combinations(range(n), 2))
    units = [({i: 1.0, j: -1.0}, 0.0) for i, j in pairs]
    first, second = (list(k) for k in zip(*pairs))

    def expected(x: Rows) -> Rows:
        return np.sign(x[:, first] - x[:, second])

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "sign", expected, most=9)


def lower_triangle(rng: np.random.Generator) -> Kind:
    """One output for each pair j <= i of a vector of bits: are both on?"""
    n = int(rng.integers(25, 29))
    pairs = [(i, j) for i in range(n) for j in range(i + 1)]
    units = [({i: 1.0, j: 1.0} if i != j else {i: 2.0}, -1.5) for i, j in pairs]
    first, second = (list(k) for k in zip(*pairs))

    def expected(x: Rows) -> Rows:
        return x[:, first] & x[:, second]

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.05)


def half_square(rng: np.random.Generator) -> Kind:
    """Compare the cells above the diagonal of a square with those below."""
    n = int(rng.integers(6, 9))
    grid = cells((n, n))
    up, down = np.triu_indices(n, 1), np.tril_indices(n, -1)
    units = [(both(weighted(grid[up]), weighted(grid[down], -1.0)), 0.0)]

    def expected(x: Rows) -> Rows:
        return np.sign(np.triu(x, 1).sum((1, 2)) - np.tril(x, -1).sum((1, 2)))

    return kind(Net(n * n).add(units).layers, rng, f"x[{n}, {n}]", "sign", expected)


def growing(rng: np.random.Generator) -> Kind:
    """Weights that grow along the vector: is the mean place of the 1s right of the middle?"""
    n = 2 * int(rng.integers(14, 18)) + 1
    units = [({k: float(k - n // 2) for k in range(n)}, 0.0)]
    places = np.arange(n) - n // 2
    layers = Net(n).add(units).layers
    return kind(layers, rng, f"x[{n}]", "sign", lambda x: np.sign(x @ places))


def shares(rng: np.random.Generator) -> Kind:
    """A weight that grows with the unit: which multiple of one count is below the other?"""
    n, m, count = int(rng.integers(12, 15)), int(rng.integers(13, 18)), 6
    units = [
        (both(weighted(range(n), float(k + 1)), weighted(range(n, n + m), -1.0)), 0.0)
        for k in range(count)
    ]

    def expected(a: Rows, b: Rows) -> Rows:
        return np.sign(np.outer(a.sum(1), np.arange(1, count + 1)) - b.sum(1)[:, None])

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "sign", expected)


def binary_prefix(rng: np.random.Generator) -> Kind:
    """Compare every leading part of two binary numbers: powers of two on a prefix."""
    n = int(rng.integers(13, 17))
    units = []
    for k in range(n):
        entries = {i: 2.0 ** (k - i) for i in range(k + 1)}
        units.append((both(entries, {n + i: -w for i, w in entries.items()}), 0.0))

    def expected(a: Rows, b: Rows) -> Rows:
        differing = a != b
        first = np.where(differing, np.arange(n), n)
        seen = np.minimum.accumulate(first, 1)
        sign = np.take_along_axis(np.pad(a - b, ((0, 0), (0, 1))), np.minimum(seen, n), 1)
        return sign

    layers = Net(2 * n).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{n}]", "sign", expected)


def powers(rng: np.random.Generator) -> Kind:
    """A weight that doubles from unit to unit: one number against another shifted."""
    n, m, count = int(rng.integers(25, 30)), 12, 5
    units = [
        (both(weighted(range(n), -1.0), weighted(range(n, n + m), 2.0**k)), 0.0)
        for k in range(count)
    ]

    def expected(a: Rows, b: Rows) -> Rows:
        return np.sign((b.sum(1)[:, None] << np.arange(count)) - a.sum(1)[:, None])

    layers = Net(n + m).add(units).layers
    return kind(layers, rng, f"a[{n}]; b[{m}]", "sign", expected)


def checkers(rng: np.random.Generator) -> Kind:
    """Signs that alternate in both directions: the white cells against the black ones, by row."""
    n, m = int(rng.integers(5, 8)), int(rng.integers(7, 10))
    grid = cells((n, m))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(m))
    rows = [(dict(zip(grid[i].tolist(), signs[i].tolist())), 0.0) for i in range(n)]
    whole = signs.astype(np.int64)
    layers = Net(n * m).add(rows).layers
    return kind(layers, rng, f"x[{n}, {m}]", "sign", lambda x: np.sign((x * whole).sum(2)))


# ---------------------------------------------------------------- rows, columns, other shapes


def crossing(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(6, 9)), int(rng.integers(6, 9))
    grid = cells((n, m))
    units = [
        (
            both(weighted(grid[i]), weighted(grid[:, j]), {int(grid[i, j]): -1.0}),
            -0.5 - (n + m) // 3,
        )
        for i, j in np.ndindex(n, m)
    ]

    def expected(x: Rows) -> Rows:
        return x.sum(2)[:, :, None] + x.sum(1)[:, None, :] - x > (n + m) // 3

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.005)


def row_column(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(5, 8)), int(rng.integers(8, 11))
    grid = cells((n, m))
    units = [
        (both(weighted(grid[i]), weighted(grid[:, j], -1.0)), 0.0) for i, j in np.ndindex(n, m)
    ]

    def expected(x: Rows) -> Rows:
        return np.sign(x.sum(2)[:, :, None] - x.sum(1)[:, None, :])

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "sign", expected)


def others(rng: np.random.Generator) -> Kind:
    """Each row against the mean of the other rows."""
    n, m = int(rng.integers(5, 8)), int(rng.integers(5, 8))
    grid = cells((n, m))
    units = [(both(weighted(grid, -1.0), weighted(grid[i], float(n))), 0.0) for i in range(n)]

    def expected(x: Rows) -> Rows:
        rows = x.sum(2)
        return np.sign((n - 1) * rows - (rows.sum(1, keepdims=True) - rows))

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "sign", expected)


def hole(rng: np.random.Generator) -> Kind:
    """All entries but the own one: is anything else on?"""
    n = int(rng.integers(26, 34))
    units = [({p: 1.0 for p in range(n) if p != k}, -0.5) for k in range(n)]

    def expected(x: Rows) -> Rows:
        return x.sum(1, keepdims=True) - x > 0

    return kind(Net(n).add(units).layers, rng, f"x[{n}]", "step", expected, noise=0.01)


def frame(rng: np.random.Generator) -> Kind:
    """The border of a picture against its inside."""
    n, m = int(rng.integers(6, 9)), int(rng.integers(7, 10))
    grid = cells((n, m))
    entries = both(weighted(grid), weighted(grid[1:-1, 1:-1], -2.0))

    def expected(x: Rows) -> Rows:
        inside = x[:, 1:-1, 1:-1].sum((1, 2))
        return np.sign(x.sum((1, 2)) - 2 * inside)

    return kind(Net(n * m).add([(entries, 0.0)]).layers, rng, f"x[{n}, {m}]", "sign", expected)


def antidiagonals(rng: np.random.Generator) -> Kind:
    n, m = int(rng.integers(5, 7)), int(rng.integers(6, 8))
    grid = cells((n, m))
    units = []
    for k in range(n + m - 1):
        line = [grid[i, k - i] for i in range(n) if 0 <= k - i < m]
        units.append((weighted(line), at_least(2)))

    def expected(x: Rows) -> Rows:
        flipped = x[:, :, ::-1]
        sums = [np.trace(flipped, m - 1 - k, 1, 2) for k in range(n + m - 1)]
        return np.stack(sums, 1) >= 2

    return kind(Net(n * m).add(units).layers, rng, f"x[{n}, {m}]", "step", expected, noise=0.01)


def diagonals(rng: np.random.Generator) -> Kind:
    n = int(rng.integers(6, 9))
    grid = cells((n, n))
    entries = both(weighted(np.diagonal(grid)), weighted(np.diagonal(grid[:, ::-1]), -1.0))

    def expected(x: Rows) -> Rows:
        return np.sign(np.trace(x, 0, 1, 2) - np.trace(x[:, ::-1], 0, 1, 2))

    return kind(Net(n * n).add([(entries, 0.0)]).layers, rng, f"x[{n}, {n}]", "sign", expected)


def cube_planes(rng: np.random.Generator) -> Kind:
    a, b, c = (int(rng.integers(3, 5)), int(rng.integers(4, 6)), int(rng.integers(3, 5)))
    grid = cells((a, b, c))
    units = [(weighted(grid[:, j]), -(a * c // 2) - 0.5) for j in range(b)]

    def expected(x: Rows) -> Rows:
        return x.sum((1, 3)) > a * c // 2

    return kind(
        Net(grid.size).add(units).layers, rng, f"x[{a}, {b}, {c}]", "step", expected, noise=0.01
    )


def cube_windows(rng: np.random.Generator) -> Kind:
    a, b, c = (int(rng.integers(3, 5)), int(rng.integers(4, 6)), int(rng.integers(4, 6)))
    grid = cells((a, b, c))
    units = [
        (weighted(grid[i : i + 2, j : j + 2, k : k + 2]), at_least(5))
        for i, j, k in np.ndindex(a - 1, b - 1, c - 1)
    ]

    def expected(x: Rows) -> Rows:
        total = sum(
            x[:, i : i + a - 1, j : j + b - 1, k : k + c - 1] for i, j, k in np.ndindex(2, 2, 2)
        )
        return total >= 5

    shape = f"x[{a}, {b}, {c}]"
    return kind(Net(grid.size).add(units).layers, rng, shape, "step", expected, noise=0.01)


# ---------------------------------------------------------------- several layers


def windows_vote(rng: np.random.Generator) -> Kind:
    """Majorities of windows on a ring, then whether most of them hold: noise in every layer."""
    n = 2 * int(rng.integers(13, 18)) + 1
    net = Net(n).add([({(k + d) % n: 1.0 for d in (-1, 0, 1)}, -1.5) for k in range(n)])
    net.add([(weighted(range(n)), 0.0)])

    def expected(x: Rows) -> Rows:
        held = x + np.roll(x, 1, 1) + np.roll(x, -1, 1) >= 2
        return held.sum(1) * 2 > n

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.004)


def columns_decide(rng: np.random.Generator) -> Kind:
    """Which of the columns is full most often: steps, then a linear layer with noise, argmax."""
    n, m = int(rng.integers(6, 9)), 5
    grid = cells((n, m))
    net = Net(n * m).add([(weighted(grid[:, j]), at_least(t)) for j in range(m) for t in (2, 4)])
    # Later columns need more: no ties that the noise could break.
    net.add([({2 * j: 2.0, 2 * j + 1: 2.0}, -0.25 * j) for j in range(m)])

    def expected(x: Rows) -> Rows:
        s = x.sum(1)
        return (2 * ((s >= 2).astype(int) + (s >= 4)) - 0.25 * np.arange(m)).argmax(1)

    return kind(net.layers, rng, f"x[{n}, {m}]", "argmax", expected, noise=0.005, hidden="step")


def half(rng: np.random.Generator) -> Kind:
    """A last layer that gives nearly 0 or 1: any row whose entries are all on."""
    n, m = int(rng.integers(4, 7)), int(rng.integers(6, 9))
    grid = cells((n, m))
    net = Net(n * m).add([(weighted(grid[i]), at_least(m)) for i in range(n)])
    net.add([(weighted(range(n)), at_least(1))])
    net.add([({0: 0.9}, 0.05)])
    found = kind(
        net.layers,
        rng,
        f"x[{n}, {m}]",
        "half",
        lambda x: x.all(2).any(1),
        hidden="step",
    )
    layers = [*noisy(found.layers[:-1], rng, 0.01)]
    weights, bias = found.layers[-1]
    layers.append((weights * (1 + 0.01 * rng.uniform(-1, 1)), bias * 1.01))
    return replace(found, layers=layers)


def deep(rng: np.random.Generator) -> Kind:
    """Four layers: windows, windows of them, blocks of those, all blocks."""
    n = 4 * int(rng.integers(7, 10)) + 4
    net = Net(n).add([(weighted(range(k, k + 3)), -1.5) for k in range(n - 2)])
    net.add([(weighted(range(k, k + 3)), 0.0) for k in range(n - 4)])
    count = (n - 4) // 4
    net.add([(weighted(range(4 * k, 4 * k + 4)), -1.0) for k in range(count)])
    net.add([(weighted(range(count)), 1.0 - count)])

    def expected(x: Rows) -> Rows:
        for _ in range(2):
            x = (x[:, :-2] + x[:, 1:-1] + x[:, 2:] >= 2).astype(int)
        return (x.reshape(len(x), count, 4).sum(2) >= 3).all(1)

    return kind(net.layers, rng, f"x[{n}]", "step", expected, noise=0.004)


def dense_noise(rng: np.random.Generator) -> Kind:
    """Small weights everywhere, as training leaves them: rows on, and a column on."""
    n, m = int(rng.integers(5, 7)), int(rng.integers(5, 7))
    grid = cells((n, m))
    units = [(weighted(grid[i]), at_least(m - 1)) for i in range(n)]
    net = Net(n * m).add(units)
    net.add([(weighted(range(n)), n - 1.0)])

    def expected(x: Rows) -> Rows:
        return (x.sum(2) >= m - 1).any(1)

    shape = f"x[{n}, {m}]"
    return kind(net.layers, rng, shape, "step", expected, noise=0.01, everywhere=0.002)


KINDS: dict[str, Callable[[np.random.Generator], Kind]] = {
    "gates, noisy": gates,
    "parity": parity,
    "mixed weights, noisy": mixed,
    "decoder, noisy": decoder,
    "automaton, noisy": automaton,
    "automaton of five cells": wide_automaton,
    "Life, noisy": life,
    "argmax": argmax,
    "argmin, all pairs": argmin_wide,
    "above or below the median": median,
    "sorted bits": sorted_bits,
    "binary comparison": comparison,
    "equality": equality,
    "vote, noisy argmax": majority_vote,
    "window, noisy": window,
    "window over borders, noisy": bordered,
    "edges of numbers": edges,
    "stride, noisy": stride,
    "stride on a ring": ring_stride,
    "2-D blocks, noisy": pooled,
    "own block, noisy": blocks,
    "remainders, noisy": comb,
    "outer product, noisy": outer,
    "prefix with ties": prefix,
    "suffix, noisy": suffix,
    "triangle of pairs": triangle,
    "triangle with diagonal, noisy": lower_triangle,
    "upper against lower triangle": half_square,
    "affine weights": growing,
    "weights affine in the unit": shares,
    "leading parts compared": binary_prefix,
    "weights doubling with the unit": powers,
    "alternating signs": checkers,
    "row and column, noisy": crossing,
    "row against column, ties": row_column,
    "row against the others": others,
    "all but one, noisy": hole,
    "border against inside": frame,
    "antidiagonals, noisy": antidiagonals,
    "diagonals": diagonals,
    "3-D planes, noisy": cube_planes,
    "3-D windows, noisy": cube_windows,
    "windows vote, noisy": windows_vote,
    "columns decide, noisy argmax": columns_decide,
    "half, noisy": half,
    "four layers, noisy": deep,
    "noise on absent weights too": dense_noise,
}
