"""The processors that tests generate code for: every level of vectors that this machine runs."""

from __future__ import annotations

from ddc.backends.llvm.machine import Cpu, host

_HOST = host()
_LEVELS = {
    "sse2": ("x86-64", "sse2"),
    "avx2": ("x86-64-v3", "avx2"),
    "avx512": ("x86-64-v4", "avx512bw"),
}

# name -> processor; a level that the machine lacks is left out, for its code cannot run here
CPUS = {name: Cpu(cpu) for name, (cpu, needed) in _LEVELS.items() if _HOST.has(needed)}
CPUS["host"] = _HOST
