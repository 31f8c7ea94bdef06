"""What an emitted module gathers besides its function."""

from __future__ import annotations

from .names import Names


class Module:
    """Helpers, constants and imports of an emitted module."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.helpers: set[str] = set()
        self.imports: set[str] = set()
        self.constants: dict[str, str] = {}

    def helper(self, name: str) -> str:
        """Return a helper's name, adding it to the module."""
        self.helpers.add(name)
        return name

    def constant(self, wish: str, text: str) -> str:
        """Return the name of a module constant with that text."""
        for name, known in self.constants.items():
            if known == text:
                return name
        name = self.names.private(wish)
        self.constants[name] = text
        return name

    def math(self, name: str) -> str:
        """Return `math.name`, importing it."""
        self.imports.add("math")
        return f"math.{name}"
