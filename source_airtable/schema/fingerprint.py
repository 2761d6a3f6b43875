"""A fingerprint of a table's columns, which shows when a field was edited.

An edit of a field can change cells of records that nobody touched: a new formula, a new type, a new
name for a choice. Airtable's modified times do not move then. So the saved state holds a
fingerprint of the columns. If it has changed, the next sync reads the table in full.

Shape: `1a2b3c4d:aaaa11bbbb22 5e6f7a8b = =0f1e2d3c`. A column has eight hexadecimal digits for its
definition. After a colon, it has six digits for each choice that its cells can name. Behind an
equals sign stand eight digits for each value that is in every row, such as the table's name. Behind
a tilde stand eight digits for the table's filter, if it has one: `~9a8b7c6d`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from source_airtable.schema.formula_fields import find_fields
from source_airtable.schema.json_schema import ANNOTATION
from source_airtable.schema.table_filter import NO_FILTER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from source_airtable.api.wire_types import FieldDict
    from source_airtable.schema.table_schema import TableSchema

_COLUMN_DIGITS = 8
_CHOICE_DIGITS = 6
_ANNOTATIONS = ("description", ANNOTATION)
# A fingerprint of an older version has none, and says nothing of the values in every row.
_CONSTANT = "="
_FILTER = "~"


def fingerprint_columns(
    table: TableSchema,
    columns: Iterable[tuple[str, str, Mapping[str, Any]]],
    constants: Mapping[str, Any] | None = None,
) -> str:
    """Digest columns, each given as name, field id and JSON schema. Their order does not matter.

    `constants` are the values that every row has, by column.
    """
    fields: dict[str, FieldDict] = {field["id"]: field for field in table.fields}
    parts = sorted(
        _fingerprint_column(name, json_schema, find_sources([field_id], fields))
        for name, field_id, json_schema in columns
    )
    if constants is not None:
        parts.append(_CONSTANT)
        parts += sorted(
            f"{_CONSTANT}{_hash([name, value], _COLUMN_DIGITS)}"
            for name, value in constants.items()
        )
    return " ".join(parts + _fingerprint_filter(table, fields))


def has_filter_changed(old: str, new: str) -> bool:
    """Return whether a sync with the old fingerprint read the table with another filter."""
    before, now = ({one for one in _parse(text) if one[0] == _FILTER} for text in (old, new))
    return before != now


def has_changed(old: str, new: str) -> bool:
    """Return whether records may differ from what a sync with the old fingerprint read.

    They may if a column is new, if its definition changed, if a choice was renamed or deleted, if a
    value that is in every row changed, or if the old fingerprint is empty: a failed sync drops it.
    They do not if a column was deselected, if a choice was added, or if only the order changed.
    """
    before, now = _parse(old), _parse(new)
    if not before:
        return bool(now)
    return any(
        column not in before or not before[column] <= choices
        for column, choices in now.items()
        if _CONSTANT in before or not column.startswith(_CONSTANT)
    )


def find_sources(field_ids: Iterable[str], fields: Mapping[str, FieldDict]) -> list[FieldDict]:
    """Return fields and every field that they are computed from, over any number of formulas."""
    found: dict[str, FieldDict] = {}
    waiting = list(field_ids)
    while waiting:
        field = fields.get(waiting.pop())
        if field is not None and field["id"] not in found:
            found[field["id"]] = field
            referenced = (field.get("options") or {}).get("referencedFieldIds")
            waiting += referenced or []
    return [found[one] for one in sorted(found)]


def _fingerprint_filter(table: TableSchema, fields: Mapping[str, FieldDict]) -> list[str]:
    """Digest a filter, and like columns the fields that it reads.

    A new name for a choice can bring records into the filter that nobody touched.
    """
    wanted = table.filter
    if wanted == NO_FILTER:
        return []
    read = find_fields(wanted.formula or "", table).field_ids
    of_fields = (_fingerprint_column(_FILTER, {}, find_sources([one], fields)) for one in read)
    return [
        f"{_FILTER}{_hash([wanted.view_id, wanted.formula], _COLUMN_DIGITS)}",
        *sorted(of_fields),
    ]


def _fingerprint_column(
    name: str, json_schema: Mapping[str, Any], sources: Iterable[FieldDict]
) -> str:
    declared = {key: part for key, part in json_schema.items() if key not in _ANNOTATIONS}
    content: list[Any] = [name, declared]
    choices: list[Any] = []
    for field in sources:
        options, of_field = _split_choices(field.get("options"))
        content.append([field["id"], field["type"], options])
        choices += of_field
    column = _hash(content, _COLUMN_DIGITS)
    choice_digits = "".join(sorted(_hash(choice, _CHOICE_DIGITS) for choice in choices))
    return f"{column}:{choice_digits}" if choice_digits else column


def _split_choices(options: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401 - whatever Airtable sends
    """Split a field's options into those without choices, and the choices."""
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


def _parse(fingerprint: str) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    for part in fingerprint.split():
        column, _, digits = part.partition(":")
        columns[column] = {
            digits[start : start + _CHOICE_DIGITS]
            for start in range(0, len(digits), _CHOICE_DIGITS)
        }
    return columns
