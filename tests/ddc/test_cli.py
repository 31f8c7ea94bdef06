"""The command line as a user types it: what comes out, and every bad input in one clear line."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks.spine import code_size
from ddc import cli
from ddc import compile as compile_network
from ddc.frontend.records import Layer, Network, check_finite
from ddc.ir import DdcError
from tests.ddc.networks import layers_file, rare_network, ring_network

ROOT = Path(__file__).parents[2]
RULE30 = str(ROOT / "examples/rule30/model.pt")
LIFE = str(ROOT / "examples/life/model.pt")
CHECKPOINTS = ROOT / "tests/frontend/checkpoints"


def ddc(*words: str, code: int = 0) -> None:
    assert cli.main(words) == code


def run_module(text: str, name: str) -> object:
    space: dict[str, object] = {}
    exec(compile(text, name, "exec"), space)
    return space[name]


def test_rule_30_compiles_to_a_proved_module_of_few_lines(tmp_path: Path) -> None:
    out = tmp_path / "rule30.py"
    ddc(RULE30, "-o", str(out), "--name", "rule30", "--quiet")
    text = out.read_text()
    assert "proved exhaustive" in text and "1048576" in text
    assert code_size(text)[0] <= 8
    function = run_module(text, "rule30")
    cells = np.random.default_rng(5).integers(0, 2, 1_000_000)
    expected = np.roll(cells, 1) ^ (cells | np.roll(cells, -1))
    assert function(cells) == expected.tolist()  # type: ignore[operator]


@pytest.mark.parametrize("style", ["plain", "numpy"])
def test_life_is_exact_for_100_steps_on_another_grid(tmp_path: Path, style: str) -> None:
    out = tmp_path / "life.py"
    ddc(LIFE, "-o", str(out), "--style", style, "--quiet")
    text = out.read_text()
    life = run_module(text, "model")
    shape = (64, 40) if style == "plain" else (512, 300)
    grid = np.random.default_rng(6).integers(0, 2, shape)
    ours = grid
    for _ in range(10 if style == "plain" else 100):
        ours = np.asarray(life(ours))  # type: ignore[operator]
        around = sum(
            np.roll(grid, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j
        )
        grid = ((around == 3) | ((grid == 1) & (around == 2))).astype(int)
    assert (ours == grid).all()


def test_standard_output_holds_the_program_alone(capsys: pytest.CaptureFixture[str]) -> None:
    ddc(RULE30)
    captured = capsys.readouterr()
    compile(captured.out, "out", "exec")
    assert captured.err == ""


def test_ir_round_trip_and_network_level_ir(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ddc(RULE30, "-o", str(tmp_path / "rule.ddc"), "--quiet")
    ddc(str(tmp_path / "rule.ddc"), "--quiet")
    assert "def model(cells)" in capsys.readouterr().out
    ddc(RULE30, "--emit", "ir", "-o", str(tmp_path / "net.ddc"))
    assert "dense" in (tmp_path / "net.ddc").read_text()
    ddc(str(tmp_path / "net.ddc"), "-o", str(tmp_path / "again.py"), "--quiet")
    assert "proved exhaustive" in (tmp_path / "again.py").read_text()


def test_forged_evidence_is_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "func @f<N>(%x: bit[N]) -> (%y: bit[N]) proved exhaustive(inputs = 1024) {\n"
        "  %y = map %i in 0..N {\n    %a = load %x[%i]\n    %b = not %a\n    yield %b\n  }\n"
        "  return %y\n}\n"
    )
    source = tmp_path / "forged.ddc"
    source.write_text(text)
    ddc(str(source), "-o", str(tmp_path / "out.py"))
    assert "proved" not in (tmp_path / "out.py").read_text()
    assert "claims, and nothing here checked: proved exhaustive" in capsys.readouterr().err
    ddc(str(source), "--require", "proved", code=3)


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, ddc, ddc.cli\n"
        "try:\n    ddc.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'mpmath', 'black', 'llvmlite', 'onnx', 'numpy', 'lark'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def test_terminals_that_know_ascii_alone() -> None:
    for words in (["--help"], ["learn", "mlp", "--help"], ["passes"], [RULE30]):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        run = subprocess.run(
            [sys.executable, "-m", "ddc", *words], capture_output=True, env=environment
        )
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", ["run", "verify", "learn", "passes", "bisect"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"ddc {command}" in capsys.readouterr().out


def test_metadata_line_can_be_read_by_machines(capsys: pytest.CaptureFixture[str]) -> None:
    ddc(RULE30, "--quiet")
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.strip().startswith("ddc: ")]
    found = json.loads(line.strip().removeprefix("ddc: "))
    assert found["input"] == "cells: bit[20]" and found["output"] == "step"
    assert found["model"].startswith("sha256:")


# ---------------------------------------------------------------- bad input


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    """Run a command that must fail with one line and write nothing; return the line."""
    status = cli.main(words)
    captured = capsys.readouterr()
    assert status == code, captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "Traceback" not in captured.err
    assert captured.err.startswith("ddc: error: ")
    return captured.err


FILES = {
    "truncated.pt": "truncated",
    "malicious.pt": "posix.system",
    "malicious_attribute.pt": "posix.system",
    "malicious_legacy.pt": "before torch 1.6",
    "hook_function.pt": "refused, nothing was run",
    "hook_module.pt": "_forward_pre_hooks",
    "bilinear.pt": "Bilinear",
    "attention.pt": "MultiheadAttention",
    "nan.pt": "is nan at index",
    "infinite.pt": "is inf at index",
    "hostile_names.pt": "bad signature",
    "user_class.pt": "--model",
    "state_dict.pt": "--model",
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, str(CHECKPOINTS / name), "-o", "out.py")
    assert FILES[name] in line
    assert os.listdir(tmp_path) == []  # neither an output nor what a hostile file would make


def test_missing_and_foreign_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(capsys, str(tmp_path / "none.pt"))
    junk = tmp_path / "junk.pt"
    junk.write_bytes(b"hello")
    assert "not a checkpoint" in refused(capsys, str(junk))
    assert "no reader" in refused(capsys, str(_written(tmp_path / "x.xyz", "")))


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_signatures_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, RULE30, "--input", "cells: bit[21]")
    assert 'takes 20 numbers: say --input "x: bit[20]" or --input "x: real[20]"' in line
    for text in ('x"); import os: bit[20]', "x: bit[0]", "x: bits[20]", "x: bit[20", ""):
        refused(capsys, RULE30, "--input", text)
    bare = layers_file(tmp_path / "bare.pt", ring_network(30, 6), None, None)
    assert 'say --input "x: bit[6]"' in refused(capsys, bare)
    assert "--output" in refused(capsys, bare, "--input", "x: bit[6]")


def test_a_network_that_is_wrong_on_rare_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    model = rare_network(tmp_path / "rare.pt", 110, pattern, output=3)
    line = refused(capsys, model, "-o", str(tmp_path / "rare.py"))
    assert "y[3] is" in line and "1 of 4096 inputs" in line and str(pattern) in line
    assert not (tmp_path / "rare.py").exists()
    ddc(model, "-o", str(tmp_path / "rare.py"), "--allow-inexact", "--quiet")
    text = (tmp_path / "rare.py").read_text()
    assert "INEXACT" in text and "proved" not in text
    assert "--require" in refused(
        capsys, model, "--allow-inexact", "--require", "proved", "--quiet", code=3
    )


def test_more_inputs_than_can_be_enumerated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    wide = [(rng.normal(size=(8, 40)), np.zeros(8)), (rng.normal(size=(40, 8)), np.zeros(40))]
    model = layers_file(tmp_path / "wide.pt", wide, "cells: bit[40]", "step")
    line = refused(capsys, model)
    assert "reads 40 free inputs" in line and "2^40" in line


def test_checkpoints_that_contradict_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = [(np.ones((3, 2)), np.zeros(3)), (np.ones((1, 4)), np.zeros(1))]
    line = refused(capsys, layers_file(tmp_path / "apart.pt", apart, "x: bit[2]", "step"))
    assert "layers do not fit together: layer '1'" in line and "--input" not in line
    empty = [(np.ones((0, 2)), np.zeros(0))]
    line = refused(capsys, layers_file(tmp_path / "empty.pt", empty, "x: bit[2]", "step"))
    assert "'0.weight' of shape [0, 2]" in line
    layer = Layer("linear", "0", {}, {"weight": np.array([[True, False]])})
    with pytest.raises(DdcError, match="weight of layer '0' .* holds bool values"):
        check_finite(Network([layer], None, None, "", "bool.pt"))
    assert "without a name" in refused(capsys, "")


def test_sums_beyond_every_float(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    huge = [(np.array([[1e308, 1e308, -1e308]]), np.array([-1.5e308]))]
    program = compile_network(layers_file(tmp_path / "huge.pt", huge, "x: bit[3]", "step"))
    assert [program(list(x)) for x in product((0, 1), repeat=3)] == [0, 0, 0, 0, 0, 0, 1, 0]
    assert not recwarn.list


def test_more_values_than_can_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tent = [(np.array([[1.0], [-1.0]]), np.array([-9.0, 7.0])), (np.ones((1, 2)), np.zeros(1))]
    model = layers_file(tmp_path / "tent.pt", tent, "x: int<0..999999999>", "step")
    assert "1e+09 cases, more than the 2^24" in refused(capsys, model)
    line = refused(capsys, model, "--input", "x: int<0..999999>")
    assert "1000000 values, more than the 65536" in line


def test_no_memory_is_no_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ddc.passes.minimise.Minimise.run", exhausted)
    assert refused(capsys, RULE30, "-o", "x.py") == "ddc: error: out of memory\n"
    assert os.listdir(tmp_path) == []


def test_ir_errors_have_carets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = _written(
        tmp_path / "bad.ddc",
        "func @f(%x: bit) -> (%y: bit) {\n  %y = and %x, %z\n  %w = nothing %x\n  return %y\n}\n",
    )
    assert cli.main([str(bad)]) == 1
    text = capsys.readouterr().err
    assert f"{bad}:2:" in text and "%z is not defined" in text and "^" in text
    assert f"{bad}:3:" in text
    syntax = _written(tmp_path / "syntax.ddc", "func @f(%x bit) {\n")
    assert cli.main([str(syntax)]) == 1
    assert f"{syntax}:1:" in capsys.readouterr().err


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no folder" in refused(capsys, RULE30, "-o", str(tmp_path / "no/x.py"))
    (tmp_path / "taken.py").mkdir()
    assert "it is a folder" in refused(capsys, RULE30, "-o", str(tmp_path / "taken.py"))
    assert "too long" in refused(capsys, RULE30, "-o", str(tmp_path / ("x" * 300 + ".py")))


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    out = tmp_path / "x.py"
    out.write_text("old")
    out.chmod(0o640)
    ddc(RULE30, "-o", str(out), "--quiet")
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["x.py"]


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("old")
    (tmp_path / "link.py").symlink_to("real.py")
    ddc(RULE30, "-o", str(tmp_path / "link.py"), "--quiet")
    assert (tmp_path / "link.py").is_symlink()
    assert "def model" in (tmp_path / "real.py").read_text()


def test_pipes_are_no_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.ddc", "x.py"):
        os.mkfifo(tmp_path / name)
    assert "not a regular file" in refused(capsys, str(tmp_path / "x.ddc"))
    assert "not a regular file" in refused(capsys, "verify", RULE30, str(tmp_path / "x.py"))


def test_an_unknown_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.s"
    line = refused(capsys, LIFE, "-o", str(out), "--target-cpu", "nosuch")
    assert "no target processor 'nosuch'" in line and not out.exists()


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no pass 'nonsense'" in refused(capsys, RULE30, "-p", "nonsense", code=2)
    assert "one MODEL" in refused(capsys, RULE30, RULE30, "--emit", "ir", code=2)
    for number in ("-1", "x", "10000", ""):
        pipeline = f"tabulate{{max-inputs={number}}}"
        assert "from 0 to 9999" in refused(capsys, RULE30, "-p", pipeline, code=2)
    assert "has no option 'x'" in refused(capsys, RULE30, "-p", "roll{x=1}", code=2)
    for name in ("import", "len", "a b", "_x", "x" * 41):
        assert "cannot be" in refused(capsys, RULE30, "--name", name, code=2)
    assert "to C itself" in refused(capsys, RULE30, "--name", "double", "-o", "x.c", code=2)
    assert "suffix" in refused(capsys, RULE30, "-o", "x.rs", code=2)
    with pytest.raises(SystemExit) as stop:
        cli.main([RULE30, "--output", "bogus"])
    assert stop.value.code == 2


def test_looking_inside(capsys: pytest.CaptureFixture[str]) -> None:
    ddc(LIFE, "--print-ir-after", "roll", "--time-passes", "--verify-each", "--quiet")
    text = capsys.readouterr().err
    assert text.count("*** IR dump after roll ***") == 1
    assert "total" in text
    ddc(LIFE, "--print-ir-after-all", "-p", "raise,roll", "--quiet")
    assert capsys.readouterr().err.count("*** IR dump after") == 2


def test_passes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    ddc("passes")
    text = capsys.readouterr().out
    assert "tabulate" in text and "max-vars=20" in text
    ddc("passes", "--markdown")
    assert "| `roll` |" in capsys.readouterr().out
