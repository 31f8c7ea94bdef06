"""The exact meaning of networks on discrete inputs: decisions as exact arithmetic makes them."""

from .dependence import Dependence, Majority, dependence, majority, project
from .framework import Mismatch, framework_mismatch
from .local import Local, likely_inputs, prove_local
from .network import Network, decide, evaluate
from .table import Table, tabulate

__all__ = [
    "Dependence",
    "Local",
    "Majority",
    "Mismatch",
    "Network",
    "Table",
    "decide",
    "dependence",
    "evaluate",
    "framework_mismatch",
    "likely_inputs",
    "majority",
    "project",
    "prove_local",
    "tabulate",
]
