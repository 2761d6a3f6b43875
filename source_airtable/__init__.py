"""Airbyte source for Airtable."""

from __future__ import annotations

from source_airtable.source import SourceAirtable
from source_airtable.version import __version__

__all__ = ["SourceAirtable", "__version__"]
