"""Native speed against strong baselines: `python -m benchmarks.native [N1 N4 ...]`.

Thread CPU time; both sides run in turns, five rounds or more, and a ratio is the median of the
rounds' own ratios. Every timed kernel is first compared with numpy, with Python or with the
interpreter. The goals are for AVX-512; `avx2` is the same program compiled for 256 bits.
Needs the dependency group `bench` (numba) and torch.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ddc import ir
from ddc.backends.llvm.machine import Cpu, host
from ddc.backends.lowering.machine import machine_of
from ddc.backends.lowering.stencil import stencil_of
from ddc.ir.interpreter import run_batch
from ddc.runtime.cache import ObjectCache
from ddc.runtime.grid import PackedGrid, aligned, kernels_of, layout_of, packed_steps, widest
from ddc.runtime.jit import code_of, compile_module, linked
from ddc.runtime.rows import LogicKernel, SingleKernel
from ddc.runtime.sequence import BatchKernel, SequenceKernel, adder

from .native_baselines import (
    flat,
    numba_batch,
    numba_each,
    numba_final,
    numba_life,
    numba_read,
    numba_rule30,
    reference_life,
    reference_rule30,
    wrap,
)
from .native_c import bit_sliced_rows, byte_stencil, packed_grid, packed_row
from .programs import (
    ACCEPTED,
    BITS,
    LIFE,
    RULE30,
    automaton,
    binary_rules,
    float_rules,
    logic_program,
)
from .timing import AVX2, ROUNDS, Figure, faster, random_bits, seconds

TORUS = LIFE.replace("BORDER", "wrap")


# ---------------------------------------------------------------- grids


def packed(text: str, shape: tuple[int, ...], cpu: Cpu) -> PackedGrid:
    """Return a packed grid of random cells."""
    rule = stencil_of(ir.parse(text))
    assert rule is not None
    layout = layout_of(rule, shape, widest(cpu))
    assert layout is not None
    made = PackedGrid(kernels_of(rule, layout, cpu), shape)
    made.current[:] = np.resize(
        np.random.default_rng(0).integers(0, 256, 1 << 20, dtype=np.uint8), made.current.size
    )
    return made


def check_grid(
    text: str, shape: tuple[int, ...], reference: Callable[[Any], Any], cpu: Cpu
) -> None:
    rule = stencil_of(ir.parse(text))
    assert rule is not None
    cells = random_bits(shape, 3)
    got, expected = packed_steps(rule, cells, 13, cpu=cpu), cells
    for _ in range(13):
        expected = reference(expected)
    assert got is not None and np.array_equal(got, expected)


def n1(cpu: Cpu) -> list[Figure]:
    binding = compile_module(ir.parse(RULE30), cpu)
    small = random_bits(100_003)
    assert np.array_equal(binding([small])[0], reference_rule30(small))
    found: list[Figure] = []
    for where, size, goal, repeat in (("DRAM", 1 << 27, 0.95, 1), ("L2", 1 << 18, 1.0, 400)):
        a, b = random_bits(size), np.zeros(size, np.uint8)  # both sides write the same memory
        arguments = (size, a.ctypes.data, b.ctypes.data)

        def ours(repeat: int = repeat, arguments: Any = arguments) -> None:
            for _ in range(repeat):
                binding.call(*arguments)

        def theirs(repeat: int = repeat, a: Any = a, b: Any = b) -> None:
            for _ in range(repeat):
                numba_rule30(a, b)

        ratio = faster(ours, theirs, rounds=9)
        found.append(Figure("N1", f"byte stencil, {where} / numba", ratio, goal))
    return found


def n2(cpu: Cpu) -> list[Figure]:
    check_grid(RULE30, (100_003,), reference_rule30, cpu)
    size = 1 << 30
    made = packed(RULE30, (size,), cpu)
    source, target = np.ones(size // 8, np.uint8), np.zeros(size // 8, np.uint8)
    ratio = faster(lambda: made.advance(1), lambda: np.copyto(target, source), rounds=7)
    return [Figure("N2", "packed 1-D step, 128 MB / memcpy", ratio, 0.85)]


def n3(cpu: Cpu) -> list[Figure]:
    check_grid(RULE30, (100_003,), reference_rule30, cpu)
    size, steps, sample = 1 << 26, 4000, 20
    cells, spare = random_bits(size), np.zeros(size, np.uint8)
    rule = stencil_of(ir.parse(RULE30))
    assert rule is not None

    def theirs() -> None:
        for _ in range(sample // 2):
            numba_rule30(cells, spare)
            numba_rule30(spare, cells)

    ratio = faster(lambda: packed_steps(rule, cells, steps, cpu=cpu), theirs, steps / sample)
    return [
        Figure("N3", "packed 1-D, 4,000 steps on 2^26, packing counted / numba bytes", ratio, 60)
    ]


def n4(cpu: Cpu) -> list[Figure]:
    check_grid(TORUS, (2100, 300), reference_life, cpu)
    size, steps, sample = 8192, 400, 4
    cells = random_bits((size, size))
    padded = np.pad(cells, 1, mode="wrap")
    spare = padded.copy()
    rule = stencil_of(ir.parse(TORUS))
    assert rule is not None
    numba_life(padded, spare)
    assert np.array_equal(spare[1:-1, 1:-1], reference_life(cells))

    def theirs() -> None:
        a, b = padded, spare
        for _ in range(sample):
            numba_life(a, b)
            wrap(b)
            a, b = b, a

    ratio = faster(lambda: packed_steps(rule, cells, steps, cpu=cpu), theirs, steps / sample)
    return [Figure("N4", "Life 8192^2, 400 steps, packing counted / numba", ratio, 12)]


def n5(cpu: Cpu) -> list[Figure]:
    check_grid(TORUS, (widest(cpu) * 17 + 5, 300), reference_life, cpu)
    size, steps = 32768, 16
    made = packed(TORUS, (size, size), cpu)
    source, target = np.ones(size * size // 8, np.uint8), np.zeros(size * size // 8, np.uint8)
    ratio = faster(lambda: made.advance(steps), lambda: np.copyto(target, source), steps)
    return [Figure("N5", "Life 32768^2, many steps / packed memcpy a step", ratio, 1.0)]


# ---------------------------------------------------------------- sequences


def n6(cpu: Cpu) -> list[Figure]:
    """Four states and four symbols have the goals; other automata are reported beside them."""
    found: list[Figure] = []
    for states, symbols in ((4, 4), (4, 2), (16, 200), (64, 200)):
        known = states == symbols == 4
        name = "automaton" if known else f"automaton of {states} states, {symbols} symbols"
        for each, goal in ((True, 2.0), (False, 3.0)):
            what = "per-step output" if each else "final state only"
            ratio = one_sequence(states, symbols, each, cpu)
            found.append(Figure("N6", f"{name}, {what} / numba", ratio, goal if known else None))
    return found


def one_sequence(states: int, symbols: int, each: bool, cpu: Cpu) -> float:
    """Return how many times faster than numba one sequence runs."""
    size = 10_000_000
    x = np.random.default_rng(0).integers(0, symbols, size, dtype=np.uint8)
    machine = machine_of(ir.parse(automaton(states, symbols, each)))
    assert machine is not None
    kernel = SequenceKernel(machine, cpu)
    numbers = {state[0]: k for k, state in enumerate(machine.states)}
    table, shift = flat(machine.following), np.uint64((states - 1).bit_length())
    accepted = np.uint64(numbers[ACCEPTED])
    y, z = np.empty(size, np.uint8), np.empty(size, np.uint8)
    if each:
        assert kernel.run([x], [y]) == numba_each(table, x, z, shift, accepted)
        assert np.array_equal(y, z)
        return faster(
            lambda: kernel.run([x], [y]), lambda: numba_each(table, x, z, shift, accepted)
        )
    assert kernel.run([x], []) == numba_final(table, x, shift)
    return faster(lambda: kernel.run([x], []), lambda: numba_final(table, x, shift))


def n7(cpu: Cpu) -> list[Figure]:
    machine = machine_of(ir.parse(BITS))
    assert machine is not None
    kernel = BatchKernel(machine, cpu)
    steps, lanes = 2000, kernel.lanes
    vectors = 100_000 // lanes + 1
    sample = random_bits((vectors * lanes, 64))
    planes = np.packbits(
        sample.reshape(vectors, lanes, 64).transpose(0, 2, 1), axis=2, bitorder="little"
    )
    inputs = aligned(vectors * steps * lanes // 8)
    states = aligned(vectors * kernel.planes * lanes // 8)
    inputs[: planes.size] = planes.ravel()
    kernel.run(inputs.ctypes.data, 0, states.ctypes.data, 64, vectors)
    bits = np.unpackbits(
        states.reshape(vectors, kernel.planes, lanes // 8), axis=2, bitorder="little"
    )
    numbers = sum(bits[:, k].astype(int) << k for k in range(kernel.planes)).ravel()  # type: ignore[union-attr]
    plain = flat([[1, 0], [2, 1], [3, 0], [1, 2]])
    y = np.empty(len(sample), np.int64)
    numba_batch(plain, sample, y)
    assert np.array_equal(np.array([s[0] for s in machine.states])[numbers], y)
    inputs[:] = np.resize(inputs[: planes.size], inputs.size)
    ratio = faster(
        lambda: kernel.run(inputs.ctypes.data, 0, states.ctypes.data, steps, vectors),
        lambda: numba_batch(plain, sample, y),
        steps / 64,
    )
    return [Figure("N7", "automaton, 10^5 sequences of bits / numba", ratio, 80)]


def n11(_: Cpu) -> list[Figure]:
    add, words = adder(), 15_625
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 1 << 63, words, dtype=np.uint64) for _ in range(2))
    out = np.empty_like(a)
    x, y = int.from_bytes(a.tobytes(), "little"), int.from_bytes(b.tobytes(), "little")
    arguments = (a.ctypes.data, b.ctypes.data, out.ctypes.data, words)
    add(*arguments)
    assert int.from_bytes(out.tobytes(), "little") == (x + y) % (1 << (64 * words))

    def ours() -> None:
        for _ in range(200):
            add(*arguments)

    def theirs() -> None:
        for _ in range(200):
            x + y

    return [Figure("N11", "recognised adder, 10^6 bits / Python int", faster(ours, theirs), 0.9)]


# ---------------------------------------------------------------- rows


def n8(cpu: Cpu) -> list[Figure]:
    import torch

    module = ir.parse(binary_rules())
    kernel = LogicKernel(module, cpu)
    rows, sample = 4_000_000, 1 << 16
    bits = random_bits((sample, 32))
    (expected,) = run_batch(module, {"x": bits})
    (got,) = kernel.run(kernel.columns(bits), sample)
    assert np.array_equal(np.unpackbits(got, bitorder="little")[:sample], expected)
    columns = kernel.columns(random_bits((rows, 32)))
    out = aligned(columns.shape[1]).reshape(1, -1)
    torch.set_num_threads(1)
    net = torch.nn.Sequential(
        torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(),
        torch.nn.Linear(64, 1),
    )  # fmt: skip
    ratios: list[float] = []
    for batch in (1024, 4096, 16384):
        given = torch.tensor(bits[:batch].astype(np.float32))

        def theirs(given: Any = given, batch: int = batch) -> None:
            with torch.no_grad():
                for _ in range(sample // batch):
                    net(given)

        ratios.append(faster(lambda: kernel.into(columns, out, rows), theirs, rows / sample))
    return [Figure("N8", "binary threshold rules, packed / torch, best batch", min(ratios), 500)]


def n9(cpu: Cpu) -> list[Figure]:
    module = ir.parse(float_rules())
    kernel = SingleKernel(module, cpu)
    rows = 2_000_001
    x = np.random.default_rng(3).normal(size=(rows, 32)).astype(np.float32)
    out = np.empty(rows, np.uint8)
    (expected,) = run_batch(module, {"x": x[-2000:].astype(np.float64)})
    assert np.array_equal(kernel.run(x)[-2000:], expected)
    words = x.view(np.uint64).ravel()
    ratio = faster(lambda: kernel.into(x, out), lambda: numba_read(words), rounds=9)
    return [Figure("N9", "float threshold rules, row-major / read bandwidth", ratio, 0.8)]


def n10(cpu: Cpu) -> list[Figure]:
    knots, heights = np.linspace(-4, 4, 16), np.sin(np.linspace(0, 3, 16))
    pairs = ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in zip(knots, heights))
    body = f"  %y = curve %x knots [{pairs}]\n  return %y"
    kernel = SingleKernel(ir.parse(f"func @f(%x: real) -> (%y: real) {{\n{body}\n}}"), cpu)
    size = 1 << 18
    x = np.random.default_rng(0).uniform(-5, 5, size).astype(np.float32)
    out, wide = np.empty(size, np.float32), x.astype(np.float64)
    error = float(np.abs(kernel.run(x) - np.interp(wide, knots, heights)).max())
    assert error < 2e-6, error

    def ours() -> None:
        for _ in range(20):
            kernel.into(x, out)

    ratio = faster(ours, lambda: np.interp(wide, knots, heights), 20)
    return [Figure("N10", "16-knot curve / np.interp", ratio, 40, f"error {error:.1e}")]


# ---------------------------------------------------------------- compiling


def n12(cpu: Cpu) -> list[Figure]:
    module = ir.parse(logic_program(1000))
    kernel = LogicKernel(module, cpu, cache=False)
    bits = random_bits((4096, 32))
    (got,) = kernel.run(kernel.columns(bits), 4096)
    assert np.array_equal(
        np.unpackbits(got, bitorder="little")[:4096], run_batch(module, {"x": bits})[0]
    )
    cold = statistics.median(
        seconds(lambda: LogicKernel(module, cpu, cache=False)) for _ in range(ROUNDS)
    )
    with tempfile.TemporaryDirectory() as folder:
        store = ObjectCache(Path(folder) / "cache")
        code_of(kernel.text, cpu, 1, False, store)
        kept = statistics.median(
            seconds(lambda: linked(code_of(kernel.text, cpu, 1, False, store), "run"))
            for _ in range(ROUNDS)
        )
    return [
        Figure("N12", "JIT of 1,000 logic ops, cold, seconds", cold, 0.5, least=False),
        Figure("N12", "the same machine code from the cache, ms", 1000 * kept, 5, least=False),
    ]


def n13(cpu: Cpu) -> list[Figure]:
    kernels = {
        "byte stencil": byte_stencil,
        "packed row, several steps": packed_row,
        "packed grid": packed_grid,
        "bit-sliced rows": bit_sliced_rows,
    }
    return [
        Figure("N13", f"emitted C by gcc / emitted LLVM, {name}", measure(cpu), 0.6)
        for name, measure in kernels.items()
    ]


def n14(cpu: Cpu) -> list[Figure]:
    made = packed(TORUS, (8192, 8192), cpu)
    made.advance(4)

    def wall(threads: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            start = time.perf_counter()
            made.advance(40, pool, threads)
            return time.perf_counter() - start

    wall(2)
    ratio = statistics.median(wall(1) / wall(2) for _ in range(ROUNDS))
    return [Figure("N14", "2 threads / 1 thread, Life 8192^2, wall time", ratio, None)]


BENCHES: Sequence[Callable[[Cpu], list[Figure]]] = (
    n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14,
)  # fmt: skip


def main(wanted: Sequence[str]) -> int:
    """Print the figures; return 1 where a goal is missed."""
    cpu = host()
    wide = widest(cpu) == 512
    print(
        f"{cpu.name}, {widest(cpu)}-bit vectors; ratios of CPU time, median of {ROUNDS} rounds or more"
    )
    if not wide:
        print("this machine has no AVX-512: the goals are for machines that do")
    print(f"{'':4} {'what':64} {'ratio':>9} {'goal':>7}  {'verdict':9} {'avx2':>9}")
    missed = False
    for bench in BENCHES:
        name = bench.__name__.upper()
        if wanted and name not in wanted:
            continue
        figures = bench(cpu)
        narrow = bench(AVX2) if wide else [None] * len(figures)
        for figure, other in zip(figures, narrow):
            missed |= figure.verdict == "MISSED"
            ratio = "-" if figure.ratio is None else f"{figure.ratio:.3g}"
            sign = "" if figure.least else "<="
            goal = "-" if figure.goal is None else f"{sign}{figure.goal:g}"
            beside = "-" if other is None or other.ratio is None else f"{other.ratio:.3g}"
            line = f"{name:4} {figure.what:64} {ratio:>9} {goal:>7}  {figure.verdict:9} {beside:>9}"
            print(f"{line}  {figure.note}".rstrip(), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main([word.upper() for word in sys.argv[1:]]))
