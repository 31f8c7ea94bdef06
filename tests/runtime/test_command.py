"""The command line over native targets: files of every kind, whole or not at all, and `ddc run`."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddc.cli import main

MODEL = str(Path(__file__).parents[2] / "examples" / "rule30" / "model.pt")


def rule_30(row: Any, count: int) -> Any:
    for _ in range(count):
        row = np.roll(row, 1) ^ (row | np.roll(row, -1))
    return row


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("program") / "rule30.ddc"
    assert main([MODEL, "-o", str(out), "--name", "rule30", "--quiet"]) == 0
    return str(out)


def test_llvm_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--backend", "llvm", MODEL, "--quiet"]) == 0
    assert "define void @model(i64 %size.N," in capsys.readouterr().out


def test_c_is_two_files_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([MODEL, "-o", str(tmp_path / "rules.c"), "--quiet"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rules.c", "rules.h"]
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "rules.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    blocked = tmp_path / "blocked"
    (blocked / "rules.h").mkdir(parents=True)  # the header cannot be written
    assert main([MODEL, "-o", str(blocked / "rules.c"), "--quiet"]) == 1
    assert [p.name for p in blocked.iterdir()] == ["rules.h"]
    assert "folder" in capsys.readouterr().err


def test_a_shared_library_runs(tmp_path: Path) -> None:
    out = tmp_path / "rules.so"
    assert main([MODEL, "-o", str(out), "--quiet"]) == 0
    row = np.random.default_rng(0).integers(0, 2, 1000, dtype=np.uint8)
    made = np.empty_like(row)
    call = ctypes.CDLL(str(out)).model
    call(ctypes.c_size_t(1000), ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(made.ctypes.data))
    assert np.array_equal(made, rule_30(row, 1))


@pytest.mark.parametrize("backend", [None, "llvm", "python"])
def test_run_steps_a_file(program: str, tmp_path: Path, backend: str | None) -> None:
    row = np.random.default_rng(1).integers(0, 2, 40_000, dtype=np.uint8)
    np.save(tmp_path / "grid.npy", row)
    words = [
        "run",
        program,
        str(tmp_path / "grid.npy"),
        "--steps",
        "20",
        "-o",
        str(tmp_path / "o.npy"),
    ]
    assert main(words + (["--backend", backend] if backend else [])) == 0
    out = np.load(tmp_path / "o.npy")
    assert out.dtype == np.uint8 and np.array_equal(out, rule_30(row, 20))


@pytest.mark.parametrize(
    "bad", [np.full(50_000, 3, np.uint8), np.zeros((3, 3), np.uint8), np.array([0.5, 1.0])]
)
def test_bad_input_is_one_line_and_writes_nothing(
    program: str, tmp_path: Path, bad: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "grid.npy", bad)
    out = tmp_path / "o.npy"
    assert main(["run", program, str(tmp_path / "grid.npy"), "--steps", "2", "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not out.exists() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "bad", [np.array([0, 2]), np.array([0.5]), np.array(["0", "1"]), np.zeros(0), np.array(1)]
)
@pytest.mark.parametrize("words", [[], ["--backend", "python"]])
def test_what_a_program_refuses_is_bad_input(
    program: str, tmp_path: Path, bad: Any, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", bad)
    out = str(tmp_path / "o.npy")
    assert main(["run", program, str(tmp_path / "x.npy"), "-o", out, *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ddc: error: ") and error.count("\n") == 1 and "must be" in error
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_an_interrupted_run_leaves_nothing(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddc.runtime import binding

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    np.save(tmp_path / "grid.npy", np.zeros(40_000, np.uint8))
    monkeypatch.setattr(binding.Binding, "advance", interrupted)
    words = [
        "run",
        program,
        str(tmp_path / "grid.npy"),
        "--steps",
        "9",
        "-o",
        str(tmp_path / "o.npy"),
    ]
    assert main(words) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["grid.npy"]
