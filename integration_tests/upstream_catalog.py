"""Catalogs as Airbyte's own Airtable connector (4.6) discovers them, of any base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from integration_tests.connector import an_upstream_stream, clean

if TYPE_CHECKING:
    from integration_tests.connector import Message

TEXT: Final = {"type": ["null", "string"]}
NUMBER: Final = {"type": ["null", "number"]}
ARRAY: Final = {"type": ["null", "array"]}
TEXTS: Final = {"type": ["null", "array"], "items": TEXT}

NUMBER_RESULTS: Final = frozenset({"number", "percent", "currency", "duration"})
PLAIN: Final[dict[str, Message]] = {
    **dict.fromkeys((*NUMBER_RESULTS, "rating", "count", "autoNumber"), NUMBER),
    **dict.fromkeys(("multipleRecordLinks", "multipleSelects", "multipleCollaborators"), TEXTS),
    "checkbox": {"type": ["null", "boolean"]},
    "date": {**TEXT, "format": "date"},
    "dateTime": {**TEXT, "format": "date-time"},
}


def upstream_schema(field: Message) -> Message:
    """The JSON schema that the other connector declares for a field; text where it has no rule."""
    result = (field.get("options") or {}).get("result")
    if field["type"] in {"rollup", "lookup", "multipleLookupValues"}:
        return {"type": ["null", "array"], "items": upstream_schema(result)} if result else ARRAY
    if field["type"] in {"createdTime", "lastModifiedTime"} and result:
        return upstream_schema(result)
    if field["type"] == "formula":
        return NUMBER if (result or {}).get("type") in NUMBER_RESULTS else TEXT
    return PLAIN.get(field["type"], TEXT)


def upstream_stream(base: Message, table: Message) -> Message:
    """The stream of a table; of fields with equal names, the first one gives the type."""
    types: dict[str, Any] = {}
    for field in table["fields"]:
        types.setdefault(clean(field["name"]), upstream_schema(field))
    return {**an_upstream_stream(base, table, types), "is_resumable": False}


def upstream_catalog(*bases: Message) -> Message:
    """The configured catalog of all tables: no key, no cursor, full refresh alone."""
    return {
        "streams": [
            {
                "stream": upstream_stream(base, table),
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
            }
            for base in bases
            for table in base["tables"]
        ]
    }


def upstream_state(catalog: Message) -> list[Message]:
    """The state that the other connector leaves: the same placeholder for each stream."""
    return [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": configured["stream"]["name"]},
                "stream_state": {"__ab_no_cursor_state_message": True},
            },
        }
        for configured in catalog["streams"]
    ]
