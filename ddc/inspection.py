"""Looking inside a compilation: dumps, timings and checks between passes, on standard error."""

from __future__ import annotations

from ddc.ir import MismatchError, Module, UsageError, print_module
from ddc.ir.equivalence import compare
from ddc.passes import Instruments
from ddc.passes.pipeline import registry

from .options import Options
from .output import say


class Inspection:
    """Hooks for the pass manager, as the options ask."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.timings: list[tuple[str, float]] = []
        self.last: tuple[str, Module] | None = None
        for name in options.print_ir_after:
            if name != "*" and name not in registry():
                raise UsageError(f"there is no pass {name!r} to print after; see `ddc passes`")

    def instruments(self) -> Instruments:
        """Return the hooks."""
        return Instruments(self._after, self.timings)

    def _after(self, name: str, before: Module, after: Module) -> None:
        options = self.options
        self.last = (name, after)
        changed = before != after
        wanted = options.print_ir_after_all or name in options.print_ir_after
        if wanted or (options.print_ir_after_change and changed):
            self._dump(name, after)
        if options.verify_each and changed:
            self._check(name, before, after)

    def finish(self) -> None:
        """Print what is due after the last pass."""
        if "*" in self.options.print_ir_after and self.last is not None:
            self._dump(*self.last)
        if self.options.time_passes:
            total = sum(seconds for _, seconds in self.timings)
            for name, seconds in self.timings:
                say(f"{seconds:9.4f} s  {name}")
            say(f"{total:9.4f} s  total")

    def _dump(self, name: str, module: Module) -> None:
        say(f"*** IR dump after {name} ***\n{print_module(module, elide=True)}")

    def _check(self, name: str, before: Module, after: Module) -> None:
        verdict = compare(before, after)
        if verdict.counterexample is not None:
            raise MismatchError(f"the pass {name!r} changes the program: {verdict.counterexample}")
