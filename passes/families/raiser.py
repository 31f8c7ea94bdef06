"""The raiser: families found, written as loops, and compared unit by unit with the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ddc.ir import Module
from ddc.passes.base import Context, Declined, Pass
from ddc.passes.tables import key_of

from .discover import Structure, discover
from .emit import emit
from .fuse import fuse, unfused
from .noise import NoisyError
from .structural import NotStructuralError, units_found

_HANGING = "where that is noise, decisions hang on it (--snap TOL takes weights near small integers as those)"


@dataclass(frozen=True)
class Families(Pass):
    """Raise sign and step units as loops over families that share one body, however wide."""

    name: ClassVar[str] = "families"
    fuse: bool = True

    def run(self, module: Module, context: Context) -> Module:
        """Return the module as loops over families; `Declined` for other kinds of units.

        The loops are expanded again and compared with the network's units before anything is
        returned.
        """
        try:
            structure = structure_of(module, context)
        except NoisyError as error:
            context.note(f"{error}: {_HANGING}")
            raise
        found = spelled(module, structure)
        try:
            units_found(found, structure)
        except NotStructuralError as error:
            raise Declined(f"the loops found do not give back the network: {error}") from None
        context.analyses["raised", "families"] = True
        plan = fuse(structure) if self.fuse else None
        if plan is not None:
            context.analyses["fused", key_of(module)] = plan.cases
            found = module.with_entry(emit(structure, plan))
        if structure.simplified:
            context.note(
                f"the weights of {structure.simplified} units are simplified: the noise taken out "
                "changes no decision on the declared ranges"
            )
        if structure.noisy:
            context.note(
                f"the weights of {structure.noisy} units have no short common scale: {_HANGING}"
            )
        return found


def structure_of(module: Module, context: Context) -> Structure:
    """Return a network as families, looked for at most once."""
    found: Structure = context.cached("families", key_of(module), lambda: discover(module))
    return found


def spelled(module: Module, structure: Structure) -> Module:
    """Return the network as loops that spell every unit."""
    return module.with_entry(emit(structure, unfused(structure)))


def cases_fused(module: Module, context: Context) -> int | None:
    """Return in how many cases bodies were compared with the units that they stand for.

    None unless this network was raised in this context, with units put together across layers.
    """
    found: int | None = context.analyses.get(("fused", key_of(module)))
    return found
