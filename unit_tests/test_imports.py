"""The way of the data is the direction of the imports, and no module outgrows a reader."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import source_airtable

PACKAGE = Path(source_airtable.__file__).parent
NAME = "source_airtable"

# An earlier step never imports a later one; steps of one row do not import each other.
STEPS = (
    {"config"},
    {"api"},
    {"schema"},
    {"records"},
    {"streams"},
    {"check", "sync"},
    {"source", "ending"},
    {"command"},
    {"run"},
    {NAME},
)
FOR_ALL = {"errors", "version", "api.scopes"}
MOST_LINES = 300

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


def step_of(module: str) -> str:
    """The part of the package that a module belongs to: a module or a folder on its top."""
    name = module.removeprefix(f"{NAME}.")
    return name if name in FOR_ALL else name.split(".")[0]


def rank_of(step: str) -> int:
    """The place of a step on the data's way; the package itself stands behind its end."""
    return next(rank for rank, steps in enumerate(STEPS) if step in steps)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_is_on_the_way(module: str) -> None:
    """Each module belongs to a step of the data's way, or is there for all."""
    assert step_of(module) in set().union(FOR_ALL, *STEPS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_of_a_later_step(module: str) -> None:
    """A module imports its own step, earlier ones, and what is there for all."""
    step = step_of(module)
    imported = {step_of(name) for name in imports_of(module)} - {step} - FOR_ALL

    assert step not in FOR_ALL or not imported
    assert [name for name in imported if rank_of(name) >= rank_of(step)] == []


def test_no_cycles() -> None:
    """No module needs itself, over however many others."""
    graph = {module: imports_of(module) for module in MODULES}

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_length(module: str) -> None:
    """A module is short enough to be read at a sitting."""
    lines = MODULES[module].read_text("utf-8").splitlines()

    assert len(lines) < MOST_LINES
