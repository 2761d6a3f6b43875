"""The way of the data is the direction of the imports, and no module outgrows a reader."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import source_airtable

PACKAGE = Path(source_airtable.__file__).parent
NAME = "source_airtable"

ORDER = (
    *("config", "api", "schema", "records", "changes", "streams", "check"),
    *("sync", "inputs", "source", "process", "run"),
)
MAY_ONLY_IMPORT = {"check": {"config", "api", "schema", "changes"}, "inputs": set[str]()}
FOR_ALL = {"errors", "version", "api.scopes"}
MOST_LINES = 450

MODULES = {
    ".".join((NAME, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports_of(module: str) -> set[str]:
    """The modules of the package that a module imports, for type checking or for running."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            origin = node.module or ""
            # `from package import module` as well as `from module import name`.
            found |= {
                name if (name := f"{origin}.{alias.name}") in MODULES else origin
                for alias in node.names
            }
    return {name for name in found if name.split(".")[0] == NAME}


def part_of(module: str) -> str:
    """The part of the package that a module belongs to: a module or a folder at its top."""
    name = module.removeprefix(f"{NAME}.")
    return name if name in FOR_ALL else name.split(".")[0]


def allowed_to(part: str) -> set[str]:
    """The parts that a part may import, besides itself."""
    if part in FOR_ALL:
        return {"api.scopes"} if part == "errors" else set()
    before = set(ORDER[: ORDER.index(part)])
    return FOR_ALL | MAY_ONLY_IMPORT.get(part, before)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {NAME}))
def test_module_has_a_place(module: str) -> None:
    """Each module belongs to a part with a place in the order, or serves all."""
    assert part_of(module) in FOR_ALL | set(ORDER)


def test_every_part_exists() -> None:
    """The order names no part that does not exist."""
    assert {part_of(module) for module in MODULES} - {NAME} == FOR_ALL | set(ORDER)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {NAME}))
def test_no_import_of_a_later_part(module: str) -> None:
    """A module imports its own part, the parts before it, and what serves all."""
    part = part_of(module)

    assert {part_of(name) for name in imports_of(module)} - {part} <= allowed_to(part)


def test_no_cycles() -> None:
    """No module needs itself, over however many others."""
    graph = {module: imports_of(module) for module in MODULES}

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_length(module: str) -> None:
    """A module is short enough to be read at a sitting."""
    lines = MODULES[module].read_text("utf-8").splitlines()

    assert len(lines) < MOST_LINES
