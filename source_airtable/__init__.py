"""Airbyte source for Airtable."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from source_airtable.source import SourceAirtable
    from source_airtable.version import __version__

__all__ = ["SourceAirtable", "__version__"]

_MODULES = {"SourceAirtable": "source_airtable.source", "__version__": "source_airtable.version"}

if not TYPE_CHECKING:  # else every name would be there for type checkers

    def __getattr__(name: str) -> object:
        """Import what is asked for only now: `run.py` has something to do before a long import."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)
