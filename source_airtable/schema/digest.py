"""What a table's columns are made of, short enough for a state; to see when that has changed.

A record's cells can change without the record being touched when a field is edited: its formula,
its type, the name of a choice. Airtable's modified times say nothing of that, so a state remembers
a digest of the columns, and where it differs from the present one the table is read in full.

Shape: `1a2b3c4d:aaaa11bbbb22 5e6f7a8b`, for each column eight hexadecimal digits of what it is made
of and, behind a colon, six of each choice that its cells may name.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from source_airtable.api.wire_types import FieldDict

_COLUMN_DIGITS = 8
_CHOICE_DIGITS = 6
_ANNOTATIONS = ("description", "x-airtable")


def digest_columns(columns: Iterable[tuple[FieldDict, Mapping[str, Any]]]) -> str:
    """Digest fields with the JSON schemas of their columns, in any order of them."""
    return " ".join(sorted(_digest_column(field, json_schema) for field, json_schema in columns))


def has_changed(old: str, new: str) -> bool:
    """Tell whether records may differ from what was read under the old digest.

    They may where a column is new or is made of something else, or a choice was renamed or deleted.
    They do not where a column was deselected, a choice was added, or anything was put in another
    order.
    """
    before, now = _parse(old), _parse(new)
    return any(
        column not in before or not before[column] <= choices for column, choices in now.items()
    )


def _digest_column(field: FieldDict, json_schema: Mapping[str, Any]) -> str:
    options, choices = _split_choices(field.get("options"))
    declared = {name: part for name, part in json_schema.items() if name not in _ANNOTATIONS}
    column = _hash([field["id"], field["type"], options, declared], _COLUMN_DIGITS)
    marks = "".join(sorted(_hash(choice, _CHOICE_DIGITS) for choice in choices))
    return f"{column}:{marks}" if marks else column


def _split_choices(options: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401 - whatever Airtable sends
    """Part a field's options, or those of its result, from the choices among them."""
    if not isinstance(options, Mapping):
        return options, []
    rest, choices = {}, []
    for name, option in options.items():
        if name == "choices" and isinstance(option, list):
            choices += option
        elif isinstance(option, Mapping):
            rest[name], inner = _split_choices(option)
            choices += inner
        else:
            rest[name] = option
    return rest, choices


def _hash(content: Any, digits: int) -> str:  # noqa: ANN401 - any JSON
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return blake2b(text, digest_size=digits // 2).hexdigest()


def _parse(digest: str) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    for part in digest.split():
        column, _, marks = part.partition(":")
        columns[column] = {
            marks[start : start + _CHOICE_DIGITS] for start in range(0, len(marks), _CHOICE_DIGITS)
        }
    return columns
