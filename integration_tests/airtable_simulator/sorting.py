"""The order of a listing by ``sort``: several fields, each in either direction.

See: https://airtable.com/developers/web/api/list-records
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import invalid_request, unknown_field_name
from .formula_values import ErrorValue, Moment, to_text
from .formulas import field_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .formula_values import Value
    from .record import Record
    from .table import FieldDict, Table

Key: TypeAlias = tuple[int, float, str]
Order: TypeAlias = tuple[tuple[str, bool], ...]
"""Field ids, each with whether it descends."""

DIRECTIONS: Final = ("asc", "desc")
SORT_KEYS: Final = frozenset({"field", "direction"})
EMPTY: Final = (0, 0.0, "")
"""Empty cells come before all others."""
ERROR_KEY: Final = (3, 0.0, "")


def parse_sort(given: Any, table: Table) -> Order:  # noqa: ANN401 - any JSON
    """Read ``sort``, such as ``[{"field": "Name", "direction": "desc"}]``.

    Raises: ``Refusal`` 422 for an unknown field or direction.
    """
    if not isinstance(given, list):
        raise invalid_request()
    return tuple(_parse_one(one, table) for one in given)


def _parse_one(given: Any, table: Table) -> tuple[str, bool]:  # noqa: ANN401 - any JSON
    if not isinstance(given, dict) or given.keys() - SORT_KEYS:
        raise invalid_request()
    name, direction = given.get("field"), given.get("direction", "asc")
    if not isinstance(name, str) or direction not in DIRECTIONS:
        raise invalid_request()
    field_id = table.field_id(name)
    if field_id is None:
        raise unknown_field_name(name)
    return field_id, direction == "desc"


def sort_records(
    records: list[Record], table: Table, order: Order, tables: Mapping[str, Table]
) -> list[Record]:
    """Sort records. Those with equal cells keep their order."""
    # The sort is stable, so the first field goes last.
    for field_id, descends in reversed(order):
        given = table.field(field_id)
        read, places = field_reader(given, tables), _choice_places(given)
        keys = {record.id: _key(read(record), places) for record in records}
        records = [records[place] for place in _places(records, keys, descends=descends)]
    return records


def _places(records: list[Record], keys: Mapping[str, Key], *, descends: bool) -> list[int]:
    places = range(len(records))
    return sorted(places, key=lambda place: keys[records[place].id], reverse=descends)


def _choice_places(given: FieldDict) -> dict[str, float]:
    choices = (given.get("options") or {}).get("choices") or ()
    return {choice["name"]: float(place) for place, choice in enumerate(choices)}


def _key(value: Value, places: Mapping[str, float]) -> Key:
    if places and isinstance(value, list) and value:
        value = value[0]
    match value:
        case None | "" | []:
            return EMPTY
        case ErrorValue():
            return ERROR_KEY
        case Moment():
            return (1, value.milliseconds, "")
        case bool() | float():
            return (1, -math.inf if math.isnan(value) else float(value), "")
        case str() if value in places:
            return (1, places[value], "")
        case _:
            text = to_text(value)
            return ERROR_KEY if isinstance(text, ErrorValue) else (2, 0.0, text.casefold())
