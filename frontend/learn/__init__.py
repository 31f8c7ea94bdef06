"""Train networks that distil well: data in, a trained network out."""

from .checkpoint import write_layers
from .essence import Essence, Options, learn
from .provable import TrainOptions, train
from .recurrent import Recipe, firm
from .sequences import Sequences, learn_sequences

__all__ = [
    "Essence",
    "Options",
    "Recipe",
    "Sequences",
    "TrainOptions",
    "learn",
    "firm",
    "learn_sequences",
    "train",
    "write_layers",
]
