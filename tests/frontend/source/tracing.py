"""Trace a program, run it in the interpreter, and run the same text in CPython for comparison."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ddc import ir
from ddc.frontend.source import read_program
from ddc.ir.interpreter import run_batch

Rows = Mapping[str, np.ndarray[Any, Any]]


def array(scalar: ir.Scalar, *shape: int) -> ir.Type:
    """Return an array type of a fixed shape, the scalar itself for no shape."""
    return ir.with_dims(scalar, tuple(ir.Affine.of(d) for d in shape))


def bits(*shape: int) -> np.ndarray[Any, Any]:
    """Return all arrays of bits of a shape, along a new first axis."""
    count = int(np.prod(shape))
    rows = np.array(list(itertools.product((0, 1), repeat=count)), dtype=np.int64)
    return rows.reshape(-1, *shape)


def traced(
    text: str,
    params: Mapping[str, ir.Type],
    result: ir.Type | Sequence[ir.Type],
    given: str | None = None,
    limit: int = 1_000_000,
) -> ir.Module:
    """Return the trace of a program."""
    wanted = result if isinstance(result, ir.Type) else tuple(result)
    declared = tuple(ir.Param(name, type_) for name, type_ in params.items())
    module = read_program(text, "rules.py").trace(declared, wanted, limit=limit, given=given)
    assert ir.verify(module) == []
    return module


def answers(module: ir.Module, rows: Rows) -> list[list[Any]]:
    """Return the results for each row, as nested lists."""
    columns = run_batch(module, rows)
    return [[column[k].tolist() for column in columns] for k in range(len(columns[0]))]


def compiled(text: str) -> Callable[..., Any]:
    """Return the public function of a program, run by CPython: for texts of these tests only."""
    names: dict[str, Any] = {}
    exec(compile(text, "rules.py", "exec"), names)
    found: Callable[..., Any] = names[read_program(text, "rules.py").name]
    return found


def plain(value: Any) -> Any:
    """Return nested lists of Python numbers, bools as ints."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return int(value) if isinstance(value, bool) else value


def mismatches(
    text: str,
    params: Mapping[str, ir.Type],
    result: ir.Type | Sequence[ir.Type],
    rows: Rows,
    expected: Callable[..., Any],
    given: str | None = None,
) -> list[tuple[Any, Any, Any]]:
    """Return the rows on which the trace differs from a function, with both answers."""
    several = not isinstance(result, ir.Type)
    found: list[tuple[Any, Any, Any]] = []
    got = answers(traced(text, params, result, given), rows)
    for k, answer in enumerate(got):
        args = [rows[name][k] for name in params]
        wanted = plain(expected(*args))
        mine = plain(answer if several else answer[0])
        if mine != wanted:
            found.append((args, mine, wanted))
    return found
