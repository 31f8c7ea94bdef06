"""Native speed against strong baselines: `python -m benchmarks.native [N1 N4 ...]`.

Thread CPU time; both sides run in turns, five rounds or more, and a ratio is the median of the
rounds' own ratios. Every timed kernel is first compared with numpy, with Python or with the
interpreter. The goals are for AVX-512; `avx2` is the same program compiled for 256 bits.
Needs the dependency group `bench` (numba) and torch.
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddc import ir
from ddc.backends import c
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
    AUTOMATON,
    BITS,
    LIFE,
    RULE30,
    binary_rules,
    flat,
    float_rules,
    logic_program,
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

ROUNDS = 5
AVX2 = Cpu("x86-64-v3")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    what: str
    ratio: float | None
    goal: float | None
    note: str = ""
    least: bool = True  # the ratio is to be at least the goal (False: at most)

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "not built"
        if self.goal is None:
            return "reported"
        met = self.ratio >= self.goal if self.least else self.ratio <= self.goal
        return "met" if met else "MISSED"


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this thread for some work."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def faster(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    scale: float = 1.0,
    rounds: int = ROUNDS,
) -> float:
    """Return how many times faster ours is, in turns; `scale` is our work over theirs."""
    ours(), theirs()
    ratios: list[float] = []
    for _ in range(rounds):
        mine = seconds(ours)
        ratios.append(scale * seconds(theirs) / mine)
    return statistics.median(ratios)


def random_bits(shape: int | tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)


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
    check_grid(LIFE, (2100, 300), reference_life, cpu)
    size, steps, sample = 8192, 400, 4
    cells = random_bits((size, size))
    padded = np.pad(cells, 1, mode="wrap")
    spare = padded.copy()
    rule = stencil_of(ir.parse(LIFE))
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
    check_grid(LIFE, (widest(cpu) * 17 + 5, 300), reference_life, cpu)
    size, steps = 32768, 16
    made = packed(LIFE, (size, size), cpu)
    source, target = np.ones(size * size // 8, np.uint8), np.zeros(size * size // 8, np.uint8)
    ratio = faster(lambda: made.advance(steps), lambda: np.copyto(target, source), steps)
    return [Figure("N5", "Life 32768^2, many steps / packed memcpy a step", ratio, 1.0)]


# ---------------------------------------------------------------- sequences


def sequence_kernel(results: str, names: str, cpu: Cpu) -> SequenceKernel:
    text = AUTOMATON.replace("RESULT", results).replace("NAMES", names)
    machine = machine_of(ir.parse(text))
    assert machine is not None
    return SequenceKernel(machine, cpu)


def n6(cpu: Cpu) -> list[Figure]:
    size = 20_000_000
    x = np.random.default_rng(0).integers(0, 4, size, dtype=np.uint8)
    each = sequence_kernel("%y: bit[T]", "%y", cpu)
    final = sequence_kernel("%last: int<0..3>", "%last", cpu)
    values = [state[0] for state in final.machine.states]
    plain = flat([[1, 0, 2, 3], [2, 1, 3, 0], [3, 0, 1, 2], [0, 2, 3, 1]])
    y, z = np.empty(size, np.uint8), np.empty(size, np.uint8)
    assert values[final.run([x], [])] == numba_final(plain, x)
    assert values[each.run([x], [y])] == numba_each(plain, x, z) and np.array_equal(y, z)
    a = faster(lambda: each.run([x], [y]), lambda: numba_each(plain, x, z))
    b = faster(lambda: final.run([x], []), lambda: numba_final(plain, x))
    return [
        Figure("N6", "automaton, per-step output / numba table", a, 2),
        Figure("N6", "automaton, final state only / numba table", b, 3),
    ]


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
    module = ir.parse(RULE30)
    binding = compile_module(module, cpu)
    size = 1 << 18
    a, b, d = random_bits(size), np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        source = c.emit(module)
        (Path(folder) / "rule30.c").write_text(source.source)
        (Path(folder) / "rule30.h").write_text(source.header)
        wide = "-march=x86-64-v3" if cpu is AVX2 else "-march=native"
        flags = ["-std=c11", "-O3", wide, "-mprefer-vector-width=512", "-shared", "-fPIC"]
        if cpu is AVX2:
            flags.remove("-mprefer-vector-width=512")
        subprocess.run(["gcc", *flags, "rule30.c", "-o", "rule30.so"], cwd=folder, check=True)
        compiled = ctypes.CDLL(f"{folder}/rule30.so").rule30
    compiled.argtypes = [ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    compiled(size, a.ctypes.data, b.ctypes.data)
    binding.call(size, a.ctypes.data, d.ctypes.data)
    assert np.array_equal(b, d) and np.array_equal(b, reference_rule30(a))

    def many(call: Any, out: Any) -> Callable[[], None]:
        def work() -> None:
            for _ in range(400):
                call(size, a.ctypes.data, out.ctypes.data)

        return work

    ratio = faster(many(compiled, b), many(binding.call, d), rounds=9)
    return [Figure("N13", "emitted C by gcc / emitted LLVM, byte stencil in L2", ratio, 0.6)]


def n14(cpu: Cpu) -> list[Figure]:
    made = packed(LIFE, (8192, 8192), cpu)
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
