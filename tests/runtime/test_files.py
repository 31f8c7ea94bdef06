"""`ddc run` on files: mapped results, shared libraries, Ctrl-C, full disks, damaged caches."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddc import arrays
from ddc.cli import main
from tests.runtime.test_command import MODEL, rule_30

ROOT = Path(__file__).parents[2]

SUM = """\
func @total(%x: int<0..9>[4]) -> (%y: int) {
  %y = reduce add %k in 0..4 {
    %a = load %x[%k]
    yield %a
  }
  return %y
}"""

GROWS = """\
func @grow<N>(%x: int[N]) -> (%y: int[N]) {
  %y = map %i in 0..N {
    %a = load %x[%i]
    %b = mul %a, 3
    yield %b
  }
  return %y
}"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("program") / "rule30.ddc"
    assert main([MODEL, "-o", str(out), "--name", "rule30", "--quiet"]) == 0
    return str(out)


def saved(folder: Path, value: Any, name: str = "x.npy") -> str:
    np.save(folder / name, value)
    return str(folder / name)


def written(folder: Path, text: str) -> str:
    path = folder / "program.ddc"
    path.write_text(text)
    return str(path)


def started(words: list[str], limit: int | None = None) -> subprocess.Popen[str]:
    """Start `ddc run` as a process, with a limit on the size of files."""

    def limited() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "ddc", "run", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
@pytest.mark.parametrize("size", [50, 300_000])
def test_results_are_computed_in_the_file(
    program: str, tmp_path: Path, dtype: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MAPPED", 0)
    row = np.random.default_rng(size).integers(0, 2, size).astype(dtype)
    grid, out = saved(tmp_path, row), str(tmp_path / "o.npy")
    for steps in (1, 2, 70):
        assert main(["run", program, grid, "--steps", str(steps), "-o", out]) == 0
        made = np.load(out)
        assert made.dtype == dtype
        assert np.array_equal(made.astype(int), rule_30(row.astype(int), steps))
    assert main(["run", program, grid, "-o", out]) == 0
    assert np.array_equal(np.load(out), rule_30(row.astype(int), 1))
    bad = saved(tmp_path, np.full(size, 2, np.uint8), "bad.npy")
    before = Path(out).read_bytes()
    assert main(["run", program, bad, "--steps", "3", "-o", out]) == 1
    assert Path(out).read_bytes() == before and len(list(tmp_path.iterdir())) == 3


def test_rows_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAPPED", 0)
    rows = np.random.default_rng(0).integers(0, 10, (70_000, 4))
    out = str(tmp_path / "o.npy")
    assert main(["run", written(tmp_path, SUM), saved(tmp_path, rows), "-o", out]) == 0
    assert np.array_equal(np.load(out), rows.sum(axis=1))


def test_ctrl_c_leaves_nothing(program: str, tmp_path: Path) -> None:
    grid = saved(tmp_path, np.zeros(1 << 20, np.uint8))
    for name in ("o.npy", "o.npz"):
        out = str(tmp_path / name)
        run = started([program, grid, "--steps", "1000000000", "--progress", "-o", out])
        assert run.stderr is not None and "ddc: " in run.stderr.read(12)  # it is at work
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=60)
        assert run.returncode == 130
        assert error.endswith("ddc: interrupted; nothing was written\n")
        assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("steps", [["--steps", "2"], []])
@pytest.mark.parametrize("size", [1 << 14, 80 << 20])
def test_a_full_disk(program: str, tmp_path: Path, size: int, steps: list[str]) -> None:
    grid = saved(tmp_path, np.zeros(size, np.uint8))
    run = started([program, grid, *steps, "-o", str(tmp_path / "o.npy")], limit=1 << 13)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 1 and error.count("\n") == 1
    assert error.startswith("ddc: error: cannot write ") and "o.npy" in error
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_a_device_that_is_full(program: str, tmp_path: Path, capsys: Any) -> None:
    os.symlink("/dev/full", tmp_path / "o.npy")
    grid = saved(tmp_path, np.zeros(100_000, np.uint8))
    assert main(["run", program, grid, "-o", str(tmp_path / "o.npy")]) == 1
    assert "No space left" in capsys.readouterr().err


def test_a_shared_library_is_run_where_it_is_trusted(tmp_path: Path, capsys: Any) -> None:
    library, out = str(tmp_path / "rules.so"), str(tmp_path / "o.npy")
    assert main([MODEL, "-o", library, "--quiet"]) == 0
    row = np.random.default_rng(0).integers(0, 2, 1000, dtype=np.uint8)
    grid = saved(tmp_path, row)
    assert main(["run", library, grid, "-o", out]) == 1
    assert "--trust" in capsys.readouterr().err and not Path(out).exists()
    assert main(["run", library, grid, "-o", out, "--trust"]) == 0
    assert np.array_equal(np.load(out), rule_30(row, 1))
    assert main(["run", library, grid, "-o", out, "--trust", "--steps", "30"]) == 0
    assert np.array_equal(np.load(out), rule_30(row, 30))
    bad = saved(tmp_path, np.full(9, 0.5), "bad.npy")
    assert main(["run", library, bad, "-o", out, "--trust"]) == 1
    assert "must be" in capsys.readouterr().err


def test_a_library_runs_batches_of_rows(tmp_path: Path) -> None:
    library, out = str(tmp_path / "total.so"), str(tmp_path / "o.npy")
    assert main([written(tmp_path, SUM), "-o", library, "--quiet"]) == 0
    rows = np.random.default_rng(0).integers(0, 10, (50, 4))
    assert main(["run", library, saved(tmp_path, rows), "-o", out, "--trust"]) == 0
    assert np.array_equal(np.load(out), rows.sum(axis=1))


def test_libraries_that_cannot_be_run(tmp_path: Path, capsys: Any) -> None:
    grid, out = saved(tmp_path, np.zeros(9, np.uint8)), str(tmp_path / "o.npy")
    library = tmp_path / "rules.so"
    assert main([MODEL, "-o", str(library), "--quiet"]) == 0
    good = library.read_bytes()
    changed = {
        "does not say what it takes": b"no library at all",
        "another version": good.replace(b"ddc-program-1\nmodel\n", b"ddc-program-1\nother\n"),
        "cannot load": good[good.index(b"ddc-program-1") :],
    }
    for message, content in changed.items():
        library.write_bytes(content)
        assert main(["run", str(library), grid, "-o", out, "--trust"]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert main(["run", str(tmp_path / "none.so"), grid, "-o", out, "--trust"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["def f(x):\n    return 1 / 0\n", "import sys; sys.exit(5)", "?"])
def test_a_python_file_that_fails(tmp_path: Path, text: str, capsys: Any) -> None:
    (tmp_path / "f.py").write_text(text)
    grid, out = saved(tmp_path, np.zeros(9, np.uint8)), str(tmp_path / "o.npy")
    assert main(["run", str(tmp_path / "f.py"), grid, "-o", out, "--trust"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "failed: " in error and not Path(out).exists()


@pytest.mark.parametrize(
    "value",
    [[[0, 1, 2, 10]], [[0, 1, 2, -1]], [[0, 1, 2, np.nan]], [[0, 1, 2, 0.5]], [0, 1], ["a"]],
)
def test_rows_outside_the_declared_type(tmp_path: Path, value: Any, capsys: Any) -> None:
    out = str(tmp_path / "o.npy")
    words = [written(tmp_path, SUM), saved(tmp_path, np.array(value)), "-o", out]
    assert main(["run", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ddc: error: ") and error.count("\n") == 1 and not Path(out).exists()


@pytest.mark.parametrize("count", ["-1", "x"])
def test_a_bad_number_of_steps_is_usage(program: str, tmp_path: Path, count: str) -> None:
    words = [program, saved(tmp_path, np.zeros(9, np.uint8)), "-o", str(tmp_path / "o.npy")]
    try:
        status = main(["run", *words, "--steps", count])
    except SystemExit as error:
        status = int(str(error.code))
    assert status == 2


@pytest.mark.parametrize("steps", [[], ["--steps", "40"]])
def test_threads_change_nothing(program: str, tmp_path: Path, steps: list[str]) -> None:
    row = np.random.default_rng(5).integers(0, 2, 300_001, dtype=np.uint8)
    grid, out = saved(tmp_path, row), str(tmp_path / "o.npy")
    assert main(["run", program, grid, *steps, "--threads", "3", "-o", out]) == 0
    assert np.array_equal(np.load(out), rule_30(row, 40 if steps else 1))
    assert main(["run", program, grid, *steps, "--threads", "0", "-o", out]) == 2


def test_states_that_a_dtype_does_not_hold(tmp_path: Path, capsys: Any) -> None:
    words = [written(tmp_path, GROWS), saved(tmp_path, np.ones(3, np.uint8))]
    out = str(tmp_path / "o.npy")
    assert main(["run", *words, "--steps", "5", "-o", out]) == 0
    assert np.load(out).tolist() == [243] * 3
    for steps in ("6", "60"):  # beyond a byte, and beyond 64 bits
        assert main(["run", *words, "--steps", steps, "-o", out]) == 1
        assert "does not fit into uint8" in capsys.readouterr().err


def test_a_damaged_cache_and_processes_side_by_side(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("DDC_CACHE", str(cache))
    row = np.random.default_rng(3).integers(0, 2, 5000, dtype=np.uint8)
    grid = saved(tmp_path, row)
    for damage in (b"", b"ddc-object-1\n" + bytes(500)):
        for entry in cache.glob("*.o"):
            entry.write_bytes(damage)
        names = [tmp_path / f"o{k}.npy" for k in range(2)]
        runs = [started([program, grid, "--steps", "40", "-o", str(name)]) for name in names]
        for name, run in zip(names, runs):
            _, error = run.communicate(timeout=60)
            assert run.returncode == 0, error
            assert np.array_equal(np.load(name), rule_30(row, 40))
    assert not list(cache.glob(".new-*")) and list(cache.glob("*.o"))
