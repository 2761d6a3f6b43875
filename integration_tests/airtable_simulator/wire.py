"""JSON and emptiness as Airtable's answers have them."""

from __future__ import annotations

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:  # noqa: ANN401 - whatever Airtable can send
    """The compact JSON of a value; lone surrogates and huge integers go out as Python has them."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def is_empty(cell: Any) -> bool:  # noqa: ANN401 - a cell is anything
    """Whether Airtable leaves the cell out of a record: null, "", [] and false, but never 0."""
    return cell is None or cell is False or cell in ("", [])
