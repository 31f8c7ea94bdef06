"""The exact meaning of networks on discrete inputs: decisions as exact arithmetic makes them."""

from .network import Network, decide, evaluate
from .table import Table, tabulate

__all__ = ["Network", "Table", "decide", "evaluate", "tabulate"]
