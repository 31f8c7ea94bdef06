"""Compare a program with its network, and say what was found as evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ddc.ir import Evidence, EvidenceError, Module, dims
from ddc.ir.equivalence import Verdict, exhaustive
from ddc.ir.exact import Network
from ddc.ir.sizes import solve_sizes
