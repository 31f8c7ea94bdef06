"""Fresh proofs of programs that say several layers at once; wrong edits are never proved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import ddc
from benchmarks.distilling.kinds import KINDS
from benchmarks.networks import Layer, write_layers
from benchmarks.tasks import maxsat
from ddc import driver
from ddc.frontend.source import read_program
from ddc.ir import DdcError, MismatchError, Module, Op
from ddc.ir.interpreter import run_batch
from ddc.options import Options
from ddc.passes import Context
from ddc.passes.families import NotPartsError, cases_of_parts, structure_of
from ddc.verification import verify_program


def straight(path: Path) -> tuple[Module, Module]:
    """Return a network, and the program that comes out as it is read back from Python."""
    network = driver.read_network(str(path), Options()).module
    text = ddc.compile(str(path)).python()
    entry = network.entry
    return network, read_program(text, "text").trace(entry.params, entry.results[0].type)


def policy(folder: Path) -> Path:
    path = folder / "policy.pt"
    layers: list[Layer] = maxsat.network(3, 7)
    write_layers(path, layers, ["sign", "sign", "linear"], "formula: bit[6, 7]", "softmax")
    return path


def kind(folder: Path, name: str) -> Path:
    found = KINDS[name](np.random.default_rng(5))
    path = folder / "kind.pt"
    names = [found.hidden] * (len(found.layers) - 1) + ["linear"]
    write_layers(path, found.layers, names, found.inputs, found.output)
    return path


def mutants(program: Module) -> Iterator[Module]:
    """Yield programs with one op changed: another comparison, number, or order of operands."""
    other = {"lt": "le", "le": "lt", "gt": "ge", "ge": "gt", "and": "or", "or": "and"}
    ops = program.entry.body.ops
    for at, op in enumerate(ops):
        changed: list[Op] = []
        if op.code in other:
            changed.append(replace(op, code=other[op.code]))
        if op.code in ("sub", "select"):
            changed.append(replace(op, operands=(*op.operands[:-2], *op.operands[:-3:-1])))
        for place, operand in enumerate(op.operands):
            if isinstance(operand, (int, Fraction)):
                given = (*op.operands[:place], operand + 1, *op.operands[place + 1 :])
                changed.append(replace(op, operands=given))
        for mutant in changed:
            body = replace(program.entry.body, ops=(*ops[:at], mutant, *ops[at + 1 :]))
            yield program.with_entry(replace(program.entry, body=body))


def inputs(network: Module, rows: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    found = {}
    for param in network.entry.params:
        shape = [d.const for d in ddc.ir.dims(param.type)]
        share = generator.random((rows, *([1] * len(shape)))) ** 2
        found[param.name] = (generator.random((rows, *shape)) < share).astype(np.int64)
    return found


NAMES = ("policy", "windows vote, noisy", "equality", "noise on absent weights too")


@pytest.mark.parametrize("name", NAMES)
def test_program_is_proved_and_wrong_ones_are_not(name: str, tmp_path: Path) -> None:
    path = policy(tmp_path) if name == "policy" else kind(tmp_path, name)
    network, program = straight(path)
    structure = structure_of(network, Context())
    parts, cases = cases_of_parts(program, structure)
    assert parts > 1 and cases > parts
    rows = inputs(network, 400)
    (answers,) = run_batch(network, rows)
    wrong = 0
    generator = np.random.default_rng(1)
    every = list(mutants(program))
    for number in generator.permutation(len(every))[:60].tolist():
        (found,) = run_batch(every[number], rows)
        if np.allclose(found.astype(float), answers.astype(float), rtol=0, atol=1e-12):
            continue
        wrong += 1
        with pytest.raises(NotPartsError):
            cases_of_parts(every[number], structure)
    assert wrong > 1


def test_verify_says_proved_or_gives_an_input(tmp_path: Path) -> None:
    path = policy(tmp_path)
    text = ddc.compile(str(path)).python()
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(text)
    (claim,) = verify_program(str(path), str(good), Options())
    assert (claim.kind, claim.method) == ("proved", "composed")
    assert "20.0" in text
    bad.write_text(text.replace("20.0", "19.0"))
    with pytest.raises(MismatchError, match="differs from the network for formula"):
        verify_program(str(path), str(bad), Options())


@pytest.mark.parametrize("name", NAMES)
def test_verify_proves_a_program_with_loops_by_parts(name: str, tmp_path: Path) -> None:
    path = policy(tmp_path) if name == "policy" else kind(tmp_path, name)
    program = ddc.compile(str(path))
    assert any(op.body is not None for op in program.ir.entry.body.ops)
    program.save(tmp_path / "rules.ddc")
    (claim,) = verify_program(str(path), str(tmp_path / "rules.ddc"), Options())
    assert (claim.kind, claim.method) == ("proved", "composed")


def test_networks_of_different_tasks_are_no_sizes(tmp_path: Path) -> None:
    """A window has fewer results than inputs, a suffix as many: one line says so."""
    paths: list[Path] = []
    for name in ("window, noisy", "suffix, noisy"):
        path = kind(tmp_path, name)
        paths.append(path.rename(tmp_path / f"net{len(paths)}.pt"))
    with pytest.raises(DdcError, match="no simple expression of the size|differ"):
        driver.compile_models([str(p) for p in paths], Options())
