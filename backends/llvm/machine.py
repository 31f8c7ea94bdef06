"""Targets, optimisation and code generation, through llvmlite."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ddc.ir import DdcError


@dataclass(frozen=True)
class Cpu:
    """A processor and its features, as LLVM names them."""

    name: str
    features: str = ""

    @property
    def key(self) -> str:
        """A text that tells processors apart."""
        return f"{self.name} {self.features}"

    def has(self, feature: str) -> bool:
        """Tell whether a feature is surely there, by the list of features or by the name."""
        if f"+{feature}" in self.features.split(","):
            return True
        level = LEVEL_OF.get(feature, 5)
        return level <= LEVELS.get(self.name, 0) and f"-{feature}" not in self.features.split(",")


# The levels of the x86-64 ABI; processors that LLVM names by themselves count as the lowest.
LEVELS = {"x86-64": 1, "x86-64-v2": 2, "x86-64-v3": 3, "x86-64-v4": 4}
LEVEL_OF = {"sse2": 1, "ssse3": 2, "avx2": 3, "bmi2": 3, "avx512f": 4, "avx512bw": 4, "avx512vl": 4}


GENERIC = Cpu("x86-64")

# the blocks that LLVM's vectoriser makes
VECTOR_LOOP = re.compile(r"^vector\.body\d*:", re.MULTILINE)

# LLVM ends the process over a name that it does not know, so only these are let through.
PROCESSORS = (
    *("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "nehalem", "sandybridge", "ivybridge"),
    *("haswell", "broadwell", "skylake", "skylake-avx512", "cascadelake", "icelake-client"),
    *("icelake-server", "tigerlake", "sapphirerapids", "alderlake", "graniterapids"),
    *("znver1", "znver2", "znver3", "znver4"),
)


def binding() -> Any:
    """Return llvmlite's binding, ready to generate code for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def host() -> Cpu:
    """Return the processor that this runs on."""
    llvm = binding()
    return Cpu(llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


def cpu_of(name: str | None) -> Cpu:
    """Return a processor by LLVM's name, `generic` or `native`; None is the host."""
    if name in (None, "native", "host"):
        return host()
    if name == "generic":
        return Cpu("generic")
    if name not in PROCESSORS:
        known = ", ".join(["native", "generic", *PROCESSORS])
        raise DdcError(f"there is no target processor {name!r}; there are {known}")
    return Cpu(str(name))


def target_machine(cpu: Cpu, level: int = 3) -> Any:
    """Return a target machine for position-independent code."""
    llvm = binding()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=cpu.name, features=cpu.features, opt=level, reloc="pic", codemodel="default"
    )


def parsed(text: str) -> Any:
    """Return a verified module of assembly that we wrote."""
    llvm = binding()
    module = llvm.parse_assembly(text)
    module.verify()
    return module


def pipelines(level: int, vectorise: bool) -> tuple[tuple[int, ...], ...]:
    """Return the pass pipelines that code can go through: levels, one after the other.

    Level 2 makes recurrences of loads that neighbouring iterations share. A lone loop that becomes
    vectors in spite of that loads less; elsewhere loops have to become vectors at level 1, before.
    """
    if vectorise and level > 1:
        return (1, level), (level,)
    return ((level,) if level > 0 else (),)


@lru_cache(maxsize=1)
def _source() -> str:
    """Return a digest of this file, which says how passes and targets are set up."""
    try:
        return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    except OSError:  # inside an archive
        return ""


def pipeline(level: int, vectorise: bool) -> str:
    """Return a text that changes whenever the same assembly could become other machine code.

    The processor and LLVM's version are not in it.
    """
    return f"level {level}, passes {pipelines(level, vectorise)}, vectors {vectorise}, {_source()}"


def optimised(text: str, cpu: Cpu, level: int = 3, vectorise: bool = True) -> tuple[Any, Any]:
    """Return the module after the passes of a level, and its target machine.

    Code that has explicit vectors needs no vectoriser.
    """
    machine = target_machine(cpu, level)
    tried = [_passed(text, machine, stages, vectorise) for stages in pipelines(level, vectorise)]
    if len(tried) == 1:
        return tried[0], machine
    # Loops inside of others come in several versions, and recurrences leave much of their short
    # rows to scalar remainders.
    first, shared = (len(VECTOR_LOOP.findall(str(module))) for module in tried)
    return tried[int(first == shared)], machine


def _passed(text: str, machine: Any, stages: Sequence[int], vectorise: bool) -> Any:
    """Return the module after the passes of the levels."""
    llvm = binding()
    module = parsed(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    for stage in stages:
        options = llvm.create_pipeline_tuning_options(speed_level=stage)
        options.loop_vectorization = vectorise
        options.slp_vectorization = vectorise
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return module


def tidied(text: str) -> str:
    """Return assembly with variables in registers, as a person would write it."""
    llvm = binding()
    machine = target_machine(Cpu("generic"), 1)
    module = parsed(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    manager = llvm.create_new_module_pass_manager()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(0))
    manager.run(module, builder)
    return str(module)


def object_code(text: str, cpu: Cpu, level: int = 3, vectorise: bool = True) -> bytes:
    """Return an object file."""
    module, machine = optimised(text, cpu, level, vectorise)
    code: bytes = machine.emit_object(module)
    return code


def assembly(text: str, cpu: Cpu, level: int = 3) -> str:
    """Return assembly of the processor."""
    module, machine = optimised(text, cpu, level)
    found: str = machine.emit_assembly(module)
    return found


def shared_library(code: bytes) -> bytes:
    """Return an object file linked into a shared library by the system's C compiler.

    Raises `DdcError` where there is none, or where it fails.
    """
    chosen = os.environ.get("CC") or next(
        (c for c in ("cc", "gcc", "clang") if shutil.which(c)), None
    )
    if chosen is None or shutil.which(chosen) is None:
        raise DdcError("a .so is linked by the C compiler, but there is none: install gcc or clang")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "program.o", Path(folder) / "program.so"
        source.write_bytes(code)
        command = [chosen, "-shared", "-o", str(out), str(source), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DdcError(f"the C compiler {chosen!r} did not run: {error}") from None
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DdcError(f"the C compiler {chosen!r} could not link: {reason[:200]}")
        return out.read_bytes()
