"""The lowering that C and LLVM share: from a module to typed loops over arrays."""

from ddc.ir import Module

from .lower import lower as lower_all
from .nest import Kernel
from .prune import prune


def lower(module: Module, roomy: bool = False) -> Kernel:
    """Return the entry function of a module that verifies in the loop IR, without dead code.

    `roomy` is for C: ints get room for inputs beyond their declared ranges. Raises `DdcError`
    for a program that has no native form.
    """
    return prune(lower_all(module, roomy))


__all__ = ["Kernel", "lower"]
