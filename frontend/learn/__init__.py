"""Train networks that distil well: data in, a trained network out."""

from .checkpoint import write_layers
from .essence import Essence, Options, learn
from .provable import TrainOptions, train

__all__ = ["Essence", "Options", "TrainOptions", "learn", "train", "write_layers"]
