"""Deep distilling compiler: trained networks in, readable programs out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .program import Program, compile, load

__version__ = "0.1.0"
__all__ = ["Program", "__version__", "compile", "load"]

# Where symlinks are not checked out (Windows, sdist), find ddc.ir in ../ir.
if not Path(__path__[0], "ir").is_dir():
    __path__.append(str(Path(__path__[0]).parent))


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that `import ddc` stays light."""
    if name in ("Program", "compile", "load"):
        from . import program

        return getattr(program, name)
    raise AttributeError(f"module 'ddc' has no attribute {name!r}")
