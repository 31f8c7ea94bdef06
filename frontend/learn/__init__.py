"""Train networks that distil well: data in, a trained network out."""

from .checkpoint import write_layers
from .essence import Essence, Options, learn

__all__ = ["Essence", "Options", "learn", "write_layers"]
