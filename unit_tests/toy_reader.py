"""A reader that needs and does what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_airtable.changes.need import WholeTable
from source_airtable.streams.stream import Fields, Reader
from unit_tests.builders import a_table_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from source_airtable.api.wire_types import FieldId
    from source_airtable.changes.need import Need
    from source_airtable.changes.record_ids import RecordIdSet
    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.stream import ReaderScan


class ToyReader(Reader):
    """Emits each record's id, and one last row."""

    def __init__(  # noqa: PLR0913 - each test says one thing of it
        self,
        name: str,
        need: Need | None = None,
        field_ids: Sequence[FieldId] = (),
        *,
        table: TableSchema | None = None,
        comment_count: bool = False,
        unseen: Sequence[str] = (),
        start_failure: Exception | None = None,
        failing_page: int | None = None,
        finish_failure: Exception | None = None,
        state_failure: Exception | None = None,
    ) -> None:
        super().__init__(name, table or a_table_schema())
        self.fields = Fields(tuple(field_ids), comment_count)
        self.started: list[datetime | None] = []
        self.followed: list[TableSchema] = []
        self.whole_listing: RecordIdSet | None = None
        """What the scan says of the whole table at its end."""
        self._need = need or WholeTable()
        self._unseen = unseen
        self._start_failure = start_failure
        self._pages_left = failing_page
        self._finish_failure = finish_failure
        self._state_failure = state_failure

    def start(self, as_of: datetime | None) -> Need:
        """Note the moment and give the need, or fail."""
        self.started.append(as_of)
        if self._start_failure is not None:
            raise self._start_failure
        return self._need

    def follow(self, table: TableSchema) -> None:
        """Note the table."""
        self.followed.append(table)

    def rows(self, page: Page) -> list[Row]:
        """Make a row of each record, or fail at the page that is to fail."""
        if self._pages_left == 0:
            raise OSError("no space left on device")
        if self._pages_left is not None:
            self._pages_left -= 1
        return [{"id": record["id"]} for record in page.records]

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """Emit what is unseen and a last row, then fail if it is to fail."""
        self.whole_listing = scan.whole_listing
        for page in scan.fetch(self._unseen):
            yield self.rows(page)
        yield [{"id": "last"}]
        if self._finish_failure is not None:
            raise self._finish_failure

    def state(self) -> dict[str, Any]:
        """Give a state of its own, or fail."""
        if self._state_failure is not None:
            raise self._state_failure
        return {"of": self.stream_name}
