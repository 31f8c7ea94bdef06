"""Python programs, read back into the IR by tracing: nothing of a program runs."""

from .program import SourceProgram, read_program

__all__ = ["SourceProgram", "read_program"]
