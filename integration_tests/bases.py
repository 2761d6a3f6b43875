"""Bases for tests, in the simulator's JSON; every text cell holds a mark that must not leak."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from integration_tests.airtable_simulator.ids import make_id

Json = dict[str, Any]

CELL_MARK: Final = "cell-value-7d1f"
"""Part of every text cell: whoever finds it outside a record has found a leak."""
CREATED_TIME: Final = "2026-11-01T08:30:00.000Z"

_numbers = count(1)


def a_field(name: str, field_type: str = "singleLineText", **more: Any) -> Json:  # noqa: ANN401 - JSON
    """A field; more: id, options, description."""
    return {"id": make_id("fld", "e2e", next(_numbers)), "name": name, "type": field_type, **more}


def a_record(**cells: Any) -> Json:  # noqa: ANN401 - JSON
    """A record with cells by field name."""
    record_id = make_id("rec", "e2e", next(_numbers))
    return {"id": record_id, "createdTime": CREATED_TIME, "fields": cells}


def an_attachment(filename: str, size: int, **more: Any) -> Json:  # noqa: ANN401 - JSON
    """An attachment of so many bytes; an image if its name ends in ``png``, with thumbnails."""
    key = make_id("att", "e2e", next(_numbers))
    url = f"https://v5.airtableusercontent.com/v3/u/1/1/1793529000000/{key}/{filename}"
    file = {"id": key, "url": url, "filename": filename, "size": size}
    if not filename.endswith("png"):
        return {**file, "type": "application/pdf", **more}
    sides = {"small": 36, "large": 512, "full": 3_000}
    thumbnails = {
        name: {"url": f"{url}/{name}", "width": side, "height": side}
        for name, side in sides.items()
    }
    image = {"type": "image/png", "width": 640, "height": 480, "thumbnails": thumbnails}
    return {**file, **image, **more}


def a_comment(text: str, **more: Any) -> Json:  # noqa: ANN401 - JSON
    """A comment; more: author, createdTime, lastUpdatedTime, parentCommentId, reactions."""
    comment_id = make_id("com", "e2e", next(_numbers))
    return {"id": comment_id, "createdTime": CREATED_TIME, "text": text, **more}


def a_table(
    name: str,
    *more_fields: Json,
    records: int | list[Json] = 3,
    **more: Any,  # noqa: ANN401 - JSON
) -> Json:
    """A table whose first field is the text ``Name``; records are made up when only counted."""
    if isinstance(records, int):
        records = [a_record(Name=f"{CELL_MARK} {number}") for number in range(records)]
    fields = [a_field("Name"), *more_fields]
    table_id = make_id("tbl", "e2e", next(_numbers))
    table = {"id": table_id, "name": name, "primaryFieldId": fields[0]["id"], "views": []}
    return {**table, "fields": fields, "records": records, **more}


def a_base(name: str, *tables: Json, **more: Any) -> Json:  # noqa: ANN401 - JSON
    """A base with an id of its own; more: id, permissionLevel."""
    base_id = make_id("app", "e2e", next(_numbers))
    base = {"id": base_id, "name": name, "permissionLevel": "read", "tables": list(tables)}
    return {**base, **more}


def record_ids(table: Json) -> list[str]:
    """The ids of a table's records, in their order."""
    return [record["id"] for record in table["records"]]
