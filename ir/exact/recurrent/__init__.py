"""One step of a recurrent network on sets of hidden states, enclosed with outward rounding."""

from .cell import Cell
from .forms import Form
from .words import along

__all__ = ["Cell", "Form", "along"]
