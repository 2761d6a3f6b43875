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

from source_airtable.schema.json_schema import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.table_schema import TableSchema

_COLUMN_DIGITS = 8
_CHOICE_DIGITS = 6
_ANNOTATIONS = ("description", ANNOTATION)


def digest_columns(
    table: TableSchema, columns: Iterable[tuple[str, str, Mapping[str, Any]]]
) -> str:
    """Digest columns, each given by its name, its field id and its JSON schema, in any order."""
    fields: dict[str, FieldDict] = {field["id"]: field for field in table.fields}
    return " ".join(
        sorted(
            _digest_column(name, json_schema, _made_of(field_id, fields))
            for name, field_id, json_schema in columns
        )
    )


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


def _made_of(field_id: str, fields: Mapping[str, FieldDict]) -> list[FieldDict]:
    """Give a field and all that it is computed from, through any number of formulas."""
    found: dict[str, FieldDict] = {}
    waiting = [field_id]
    while waiting:
        field = fields.get(waiting.pop())
        if field is not None and field["id"] not in found:
            found[field["id"]] = field
            referenced = (field.get("options") or {}).get("referencedFieldIds")
            waiting += referenced or []
    return [found[one] for one in sorted(found)]


def _digest_column(name: str, json_schema: Mapping[str, Any], made_of: Iterable[FieldDict]) -> str:
    declared = {key: part for key, part in json_schema.items() if key not in _ANNOTATIONS}
    content: list[Any] = [name, declared]
    choices: list[Any] = []
    for field in made_of:
        options, of_field = _split_choices(field.get("options"))
        content.append([field["id"], field["type"], options])
        choices += of_field
    column = _hash(content, _COLUMN_DIGITS)
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
