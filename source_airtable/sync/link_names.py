"""The names of linked records: one scan of each linked table, shared by all tables of a sync.

The worker that meets the first link to a table reads its names, and asks for the primary field
only. Other workers that need them wait. The scan takes no permit and needs no other worker, so
workers that wait with a page cannot block it.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import Future
from typing import TYPE_CHECKING

import orjson

from source_airtable.api.wire_types import TableId
from source_airtable.changes.need import WholeTable
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    BaseNotFoundError,
    MissingScopeError,
    TableNotFoundError,
)
from source_airtable.schema.filter_refusal import raise_for_problem
from source_airtable.schema.link_names import linked_table_id, to_name
from source_airtable.sync.scan import TableScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import FieldDict, FieldId, RecordDict
    from source_airtable.schema.link_names import NameOf
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.sync.page_queue import PageQueue

LOGGER = logging.getLogger("airbyte.source_airtable")

_UNREADABLE = (AccessDeniedError, BaseNotFoundError, MissingScopeError, TableNotFoundError)

# "rec" and the first two of 14 characters spread ids evenly over 3,844 buckets.
_KEY_CHARACTERS = 5
# JSON text holds neither, so no name is taken for an id.
_SEPARATOR, _END_OF_ID = b"\n", b"\t"


class RecordNames:
    """Names by record id, in about a quarter of the memory of a dictionary.

    Each bucket holds the ends of its ids with their names as JSON text, one after the other.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[str, bytearray] = defaultdict(lambda: bytearray(_SEPARATOR))

    def add(self, record_id: str, name: str) -> None:
        """Add a name. The first one of a record counts."""
        bucket = self._buckets[record_id[:_KEY_CHARACTERS]]
        bucket += record_id[_KEY_CHARACTERS:].encode() + _END_OF_ID
        bucket += orjson.dumps(name) + _SEPARATOR

    def get(self, record_id: str) -> str | None:
        """Give the name of a record, if it is known."""
        bucket = self._buckets.get(record_id[:_KEY_CHARACTERS])
        if bucket is None:
            return None
        wanted = _SEPARATOR + record_id[_KEY_CHARACTERS:].encode() + _END_OF_ID
        start = bucket.find(wanted)
        if start < 0:
            return None
        start += len(wanted)
        name: str = orjson.loads(bucket[start : bucket.index(_SEPARATOR, start)])
        return name


class LinkedNames:
    """Finds the names of linked records. Threads may share it."""

    def __init__(self, client: AirtableClient, queue: PageQueue) -> None:
        self.tables: Mapping[TableKey, TableSchema] = {}
        """All tables that a link may lead to, whether the settings select them or not."""
        self._client = client
        self._queue = queue
        self._lock = threading.Lock()
        self._names: dict[tuple[str, str | None], Future[RecordNames]] = {}

    def find(self, table: TableSchema, field: FieldDict) -> NameOf:
        """Find the names of the records that a field links to; raises what their scan failed with.

        If the linked table cannot be seen, there are no names, and the log warns once.
        """
        key = (table.base_id, linked_table_id(field))
        with self._lock:
            names = self._names.get(key)
            is_first = names is None
            if names is None:
                names = self._names[key] = Future()
        if is_first:
            try:
                names.set_result(self._read(table, field))
            except BaseException as failure:  # noqa: BLE001 - whatever it is, those who wait must learn of it
                names.set_exception(failure)
        return names.result().get

    def _read(self, table: TableSchema, field: FieldDict) -> RecordNames:
        # Links stay inside of their base.
        table_id = linked_table_id(field)
        linked = self.tables.get((table.base_id, TableId(table_id))) if table_id else None
        reason = "the base's schema does not show it"
        if linked is not None:
            try:
                raise_for_problem(linked)
                scan = TableScan(linked, WholeTable(), (), self._client, self._queue)
                return scan.read_primary_cells(_take_names)
            except _UNREADABLE as denied:
                reason = str(denied.message)
            except AirtableError as failure:
                failure.add_facts(read_for="the names of linked records")
                raise
        LOGGER.warning(
            "Table %s of base %s: the names of linked records are null, because their table cannot "
            "be read (field %s links to table %s): %s",
            table.table_name,
            table.base_name,
            field["name"],
            linked.table_name if linked else table_id or "unknown",
            reason,
        )
        return RecordNames()


def _take_names(primary: FieldId | None, records: Iterator[RecordDict]) -> RecordNames:
    names = RecordNames()
    for record in records:
        name = to_name(record["fields"].get(primary)) if primary else None
        if name:
            names.add(record["id"], name)
    return names
