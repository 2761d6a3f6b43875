"""What ``discover`` finds, the tables' streams and the account's apart, and catalogs of them."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from integration_tests.connector import a_catalog
from unit_tests.conforming import nonconformities

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from integration_tests.connector import Connector, Message, Run

METADATA: Final = ("bases", "tables", "fields", "views")
FROM_SCANS: Final = ("records", "links", "attachments")
ACCOUNT: Final = (*METADATA, *FROM_SCANS, "comments")
"""The names of the streams of the whole account that are always offered."""
OFFERED_BY_SETTING: Final = ("attachment_files",)
ALL_KEYS: Final = {
    "bases": ("id",),
    "tables": ("base_id", "id"),
    "fields": ("base_id", "table_id", "id"),
    "views": ("base_id", "table_id", "id"),
    "records": ("_base_id", "_table_id", "id"),
    "links": ("base_id", "table_id", "record_id", "field_id", "position"),
    "attachments": ("base_id", "table_id", "record_id", "field_id", "id"),
    "comments": ("base_id", "table_id", "record_id", "id"),
    "attachment_files": ("base_id", "table_id", "record_id", "field_id", "id"),
}

Place = tuple[str, str]
"""A base's and a table's id."""


class Discovered:
    """The streams of one ``discover``."""

    def __init__(self, connector: Connector) -> None:
        """Run it."""
        self.streams = connector.discover_all()

    @cached_property
    def account(self) -> dict[str, Message]:
        """The streams of the whole account, by name."""
        names = (*ACCOUNT, *OFFERED_BY_SETTING)
        return {one["name"]: one for one in self.streams if one["name"] in names}

    @cached_property
    def tables(self) -> list[Message]:
        """The streams of tables, in their order."""
        return [one for one in self.streams if one["name"] not in self.account]

    @cached_property
    def by_place(self) -> dict[Place, Message]:
        """The streams of tables, by base and table id."""
        ids = [one["json_schema"]["x-airtable"] for one in self.tables]
        by_ids = zip(ids, self.tables, strict=True)
        return {(given["base_id"], given["table_id"]): one for given, one in by_ids}

    def of(self, *names: str) -> list[Message]:
        """Some streams of the account, by name."""
        return [self.account[name] for name in names]


def a_file_catalog(stream: Message) -> Message:
    """A configured catalog of a stream with its files."""
    catalog = a_catalog([stream])
    catalog["streams"][0]["include_files"] = True
    return catalog


def both(*catalogs: Message) -> Message:
    """One configured catalog of several."""
    return {"streams": [one for catalog in catalogs for one in catalog["streams"]]}


def keys_of(rows: Iterable[Message], stream: str) -> list[tuple[Any, ...]]:
    """The primary keys of rows, in their order."""
    return [tuple(row.get(column) for column in ALL_KEYS[stream]) for row in rows]


def assert_sound(run: Run, streams: Sequence[Message]) -> None:
    """Every row fits its stream's JSON schema, and no key comes twice in a stream."""
    for stream in streams:
        rows = run.records.get(stream["name"], [])
        wrong = [told for row in rows for told in nonconformities(row, stream["json_schema"])]
        assert wrong == [], stream["name"]
        (*columns,) = (path[0] for path in stream["source_defined_primary_key"])
        keys = Counter(tuple(row.get(column) for column in columns) for row in rows)
        assert [key for key, times in keys.items() if times > 1] == [], stream["name"]


def assert_statuses(run: Run, streams: Sequence[Message], *, empty: Collection[str] = ()) -> None:
    """Each stream tells each status once, in order and around its rows, if it has any."""
    for stream in streams:
        name = stream["name"]
        running = [] if name in empty else ["RUNNING"]
        assert run.statuses[name] == ["STARTED", *running, "COMPLETE"], name
        assert (name in run.records) is (name not in empty), name
    assert run.statuses.keys() == {stream["name"] for stream in streams}
    assert _rows_outside(run) == []


def _rows_outside(run: Run) -> list[str]:
    """The streams of rows that came before their stream ran, or after it had ended."""
    running: set[str] = set()
    outside = []
    for message in run.messages:
        status = message.get("trace", {}).get("stream_status")
        if status is not None:
            change = running.add if status["status"] == "RUNNING" else running.discard
            change(status["stream_descriptor"]["name"])
        elif message["type"] == "RECORD" and message["record"]["stream"] not in running:
            outside.append(message["record"]["stream"])
    return outside


def places_of(bases: Iterable[Message]) -> dict[Place, Message]:
    """All tables of bases, by base and table id."""
    return {(base["id"], table["id"]): table for base in bases for table in base["tables"]}


def fields_asked(calls: Iterable[Message]) -> dict[str, set[str]]:
    """The fields that the listings of each table asked for, by table id; none means all of them."""
    asked: dict[str, set[str]] = {}
    for call in calls:
        if call["kind"] == "list_records":
            asked.setdefault(call["table"], set()).update(call["fields"])
    return asked
