"""Run emitted C in a process of its own, under the address and undefined-behaviour sanitizers.

Arrays lie in heap blocks of exactly their size, so that a read or write beyond them ends the process.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddc import ir
from ddc.backends.c import emit
from ddc.backends.c.expressions import STORED
from ddc.backends.c.names import identifier
from ddc.backends.lowering import lower
from ddc.backends.lowering.nest import Kernel, Parameter, entry_dtype
from ddc.ir.inputs import array_of

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"]
FLAGS += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

HEAD = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *block(const void *from, size_t bytes)
{
    void *made = malloc(bytes);
    if (from != NULL && bytes > 0) {
        memcpy(made, from, bytes);
    }
    return made;
}

static void show(const void *from, size_t bytes)
{
    const unsigned char *at = from;
    for (size_t k = 0; k < bytes; k++) {
        printf("%02x", at[k]);
    }
    printf("\\n");
}
"""


@dataclass(frozen=True)
class Run:
    """A module and an input of it; sizes by name."""

    module: ir.Module
    inputs: Mapping[str, Any]
    sizes: Mapping[str, int]


def results(runs: Sequence[Run], folder: Path, compiler: str) -> list[list[NDArray[Any]] | None]:
    """Return what each run gives, None where an int leaves 64 bits.

    Fails where a compiler warns, or where a sanitizer finds something.
    """
    files: list[str] = []
    calls: list[str] = []
    for k, run in enumerate(runs):
        module = ir.Module(
            (_named(run.module.entry, f"program{k}"), *run.module.functions[1:]),
            run.module.constants,
        )
        source = emit(module)
        (folder / f"program{k}.c").write_text(source.source)
        (folder / f"program{k}.h").write_text(source.header)
        files.append(f"program{k}.c")
        calls += _call(lower(module, roomy=True), k, run)
    heads = [f'#include "program{k}.h"' for k in range(len(runs))]
    main = [*heads, HEAD, "int main(void)", "{", "    (void)block;", *calls, "    return 0;", "}"]
    (folder / "main.c").write_text("\n".join(main) + "\n")
    command = [compiler, *FLAGS, "main.c", *files, "-o", "main", "-lm"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([str(folder / "main")], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    lines = iter(done.stdout.split("\n"))
    return [_read(lower(run.module, roomy=True), run, lines) for run in runs]


def _named(entry: ir.Function, name: str) -> ir.Function:
    from dataclasses import replace

    return replace(entry, name=name)


def _call(kernel: Kernel, k: int, run: Run) -> list[str]:
    """Return the statements that call program k and print its results."""
    name = identifier(kernel.name)
    lines: list[str] = ["    {"]
    args = [str(run.sizes[size]) for size in kernel.sizes]
    for at, parameter in enumerate(kernel.inputs):
        entries = _entries(run, parameter)
        if parameter.array is None:
            lines.append(f"        static const unsigned char raw{at}[] = {{{_bytes(entries)}}};")
            lines.append(f"        {STORED[parameter.type]} in{at};")
            lines.append(f"        memcpy(&in{at}, raw{at}, sizeof in{at});")
        else:
            data = f"static const unsigned char raw{at}[] = {{{_bytes(entries) or 0}}};"
            lines.append(f"        {data}")
            lines.append(f"        void *in{at} = block(raw{at}, {entries.nbytes});")
        args.append(f"in{at}")
    if kernel.workspace:
        lines.append(
            f"        void *space = malloc({name}_workspace({', '.join(args[: len(kernel.sizes)])}));"
        )
        args.append("space")
    lone = kernel.returned is not None and not kernel.checked
    lengths = [_bytes_of(run, p, r) for p, r in zip(kernel.outputs, run.module.entry.results)]
    if not lone:
        for at, length in enumerate(lengths):
            lines.append(f"        void *out{at} = block(NULL, {length});")
            args.append(f"out{at}")
    call = f"{name}{'_checked' if kernel.checked else ''}({', '.join(args)})"
    if lone:
        lines.append(f"        const {STORED[kernel.outputs[0].type]} out0 = {call};")
        lines.append(f'        puts("0");\n        show(&out0, {lengths[0]});')
    else:
        lines.append(
            f'        puts({call} ? "1" : "0");'
            if kernel.checked
            else f'        {call};\n        puts("0");'
        )
        lines += [f"        show(out{at}, {length});" for at, length in enumerate(lengths)]
    return [*lines, "    }"]


def _entries(run: Run, parameter: Parameter) -> NDArray[Any]:
    given = np.asarray(run.inputs[parameter.name])
    param = next(p for p in run.module.entry.params if p.name == parameter.name)
    exact = array_of(param, given[None]).reshape(given.shape)
    return np.ascontiguousarray(exact).astype(entry_dtype(parameter.type))


def _bytes(entries: NDArray[Any]) -> str:
    return ", ".join(str(b) for b in entries.tobytes())


def _shape(type_: ir.Type, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(int(d.evaluate(sizes)) for d in ir.dims(type_))


def _bytes_of(run: Run, parameter: Parameter, result: ir.Param) -> int:
    count = int(np.prod(_shape(result.type, run.sizes), dtype=np.int64))
    return count * entry_dtype(parameter.type).itemsize


def _read(kernel: Kernel, run: Run, lines: Any) -> list[NDArray[Any]] | None:
    beyond = next(lines) == "1"
    found: list[NDArray[Any]] = []
    for parameter, result in zip(kernel.outputs, run.module.entry.results):
        raw = bytes.fromhex(next(lines))
        array = np.frombuffer(raw, entry_dtype(parameter.type))
        found.append(array.reshape(_shape(result.type, run.sizes)))
    return None if beyond else found
