"""The plan of the house: imports point inward, never round; READMEs name what is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What the modules of a folder may import of ours.
MAY_IMPORT = {
    "ir": {"ir"},
    "frontend": {"frontend", "ir"},
    "passes": {"passes", "ir"},
    "backends": {"backends", "ir"},
    "runtime": {"runtime", "backends", "ir"},
}
OUTSIDE = ("ddc", "benchmarks", "examples", "tests")


def sources(folder: str) -> list[Path]:
    """Return the Python files of a folder; the links inside `ddc/` lead to the others."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [p for p in paths if folder != "ddc" or p.parent == ROOT / "ddc"]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_name(path: Path) -> str:
    """Return the name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = (*(("ddc",) if parts[0] in MAY_IMPORT else ()), *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, nodes: Iterator[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield what import statements name: a module, and a name of it or nothing."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                kept = parts[: len(parts) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            yield from ((base, alias.name) for alias in node.names)


@cache
def all_imports(path: Path) -> list[tuple[str, str]]:
    """Return what a file imports anywhere."""
    return list(imported(path, ast.walk(parsed(path))))


def run_on_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements that importing a module runs: none of functions or for checkers."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if (
                isinstance(child, ast.stmt)
                and not isinstance(child, ast.FunctionDef)
                and not typing
            ):
                stack.append(child)


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_point_inward(folder: str) -> None:
    wrong: list[str] = []
    for path in sources(folder):
        for module, name in all_imports(path):
            parts = [*module.split("."), name]
            if parts[0] in OUTSIDE and (parts[0] != "ddc" or parts[1] not in MAY_IMPORT[folder]):
                wrong.append(f"{path.relative_to(ROOT)} imports {module} {name}")
    assert wrong == []


@pytest.mark.parametrize("folder", [*sorted(MAY_IMPORT), *OUTSIDE])
def test_the_folders_are_imported_as_parts_of_ddc(folder: str) -> None:
    wrong: list[str] = []
    for path in sources(folder):
        for module, _ in all_imports(path):
            if module.split(".")[0] in MAY_IMPORT:  # from the root: a second copy of the module
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_no_module_needs_itself_to_be_imported() -> None:
    paths = {module_name(p): p for folder in (*MAY_IMPORT, *OUTSIDE) for p in sources(folder)}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        found = imported(path, run_on_import(parsed(path)))
        named = {f"{base}.{name}" if f"{base}.{name}" in paths else base for base, name in found}
        graph[module] = (named & paths.keys()) - {module}
    assert set(TopologicalSorter(graph).static_order()) == paths.keys()


@pytest.mark.parametrize("folder", [*sorted(MAY_IMPORT), *OUTSIDE])
def test_private_names_stay_in_their_package(folder: str) -> None:
    wrong: list[str] = []
    for path in sources(folder):
        package = module_name(path).rpartition(".")[0]
        for module, name in all_imports(path):
            ours = module.split(".")[0] in OUTSIDE and not module.startswith(package)
            if ours and name.startswith("_") and not name.startswith("__"):
                wrong.append(f"{path.relative_to(ROOT)} imports {module} {name}")
    assert wrong == []


def readme_of(folder: Path) -> Path:
    """Return the README that speaks of a folder: its own, or that of the nearest one around it."""
    while not (folder / "README.md").exists():
        folder = folder.parent
    return folder / "README.md"


@pytest.mark.parametrize("folder", [*sorted(MAY_IMPORT), "ddc", "benchmarks"])
def test_every_module_is_named_in_a_readme(folder: str) -> None:
    missing: list[str] = []
    for path in sources(folder):
        text = " ".join(re.findall(r"`([^`\n]*)`", readme_of(path.parent).read_text()))
        if not path.stem.startswith("__") and not re.search(rf"\b{path.stem}\b", text):
            missing.append(str(path.relative_to(ROOT)))
    assert missing == []


def test_readmes_name_no_file_that_is_gone() -> None:
    gone: list[str] = []
    for folder in (*MAY_IMPORT, *OUTSIDE):
        for readme in (ROOT / folder).rglob("README.md"):
            if folder == "ddc" and readme.parent != ROOT / "ddc":
                continue
            for name in re.findall(r"`([\w/]+\.(?:py|lark))`", readme.read_text()):
                there = (ROOT / name).exists() or (readme.parent / name).exists()
                if not there and not any(readme.parent.rglob(name)):
                    gone.append(f"{readme.relative_to(ROOT)}: {name}")
    assert gone == []
