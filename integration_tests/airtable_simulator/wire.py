"""JSON and empty cells as in Airtable's answers."""

from __future__ import annotations

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:  # noqa: ANN401 - whatever Airtable can send
    """The compact JSON of a value, with lone surrogates and huge integers as Python writes them."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def is_empty(cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether Airtable omits the cell from a record: null, "", [] and false, but never 0."""
    return cell is None or cell is False or cell in ("", [])
