"""Deep distilling compiler: trained networks in, readable programs out."""

from pathlib import Path

__version__ = "0.1.0"

# Where symlinks are not checked out (Windows, sdist), find ddc.ir in ../ir.
if not Path(__path__[0], "ir").is_dir():
    __path__.append(str(Path(__path__[0]).parent))
