"""The simulator has no import circle, and its server does not know the handlers."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

from integration_tests import airtable_simulator

FOLDER: Final = Path(airtable_simulator.__file__).parent
NAME: Final = airtable_simulator.__name__
MODULES: Final = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
HANDLERS: Final = sorted(
    name
    for name, path in MODULES.items()
    if any(line.startswith(("ENDPOINTS:", "COMMANDS:")) for line in path.read_text().splitlines())
)
COMPOSITION: Final = "app"


def imports_of(module: str) -> set[str]:
    """The simulator's modules that a module imports, at run time or for type checking."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from . import module` as well as `from .module import name`.
            origin = NAME if node.level else ""
            parts = [part for part in (origin, node.module) if part]
            paths = [".".join((*parts, alias.name)) for alias in node.names]
        else:
            continue
        inside = (path.removeprefix(f"{NAME}.").split(".")[0] for path in paths if NAME in path)
        found |= {name if name in MODULES else "__init__" for name in inside}
    return found


def reachable_from(module: str) -> set[str]:
    """The modules that a module imports, over however many others."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = imports_of(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def test_no_circle() -> None:
    """No module imports itself, directly or over others."""
    graph = {module: imports_of(module) for module in MODULES}

    assert set().union(*graph.values()) <= MODULES.keys()
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_server_knows_no_handler() -> None:
    """The server imports no module that has endpoints or commands."""
    assert {"commands", "reads", "writes", "webhooks", "oauth_endpoint"} < set(HANDLERS)
    assert reachable_from("server") & set(HANDLERS) == set()


@pytest.mark.parametrize("handler", HANDLERS)
def test_handler_knows_no_server(handler: str) -> None:
    """A handler imports neither the server nor another handler; only the composition imports it."""
    importers = {module for module in MODULES if handler in imports_of(module)}

    assert reachable_from(handler) & {"server", COMPOSITION, *HANDLERS} == set()
    assert importers == {COMPOSITION}
