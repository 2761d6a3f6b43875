"""The stream `comments`: listed record by record, and only for records that have some.

The scan of a table tells how many comments each record has. An incremental sync lists only the
comments of records whose number changed since the last sync. So it does not see a comment that was
edited, nor one that came when another one was deleted: for these, all comments are listed again
every `full_rescan_hours`.
See https://airtable.com/developers/web/api/list-comments
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from source_airtable.api.client import RecordQuery
from source_airtable.api.scopes import COMMENTS_SCOPE, RECORDS_SCOPE, SCHEMA_SCOPE
from source_airtable.changes.moments import is_over, parse_utc_text, to_utc_text
from source_airtable.changes.need import WholeTable
from source_airtable.changes.plan import cursor_above
from source_airtable.changes.record_ids import pack_ids
from source_airtable.changes.state import VERSION, unpacker_of
from source_airtable.errors import AccessDeniedError, MissingScopeError, OffsetExpiredError
from source_airtable.schema.field_types import DATE_TIME, OBJECT, TEXT
from source_airtable.streams.account_stream import (
    ARRAY_OF_OBJECTS,
    AS_OF,
    AS_OF_COLUMN,
    KEY,
    TABLE_ID,
    AccountTablesStream,
    described,
)
from source_airtable.streams.stream import Fields, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import CommentDict
    from source_airtable.changes.need import Need
    from source_airtable.records import Page, Row
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.row_converter import RowConverter
    from source_airtable.streams.stream import ReaderScan, ReadRequest

LOGGER = logging.getLogger("airbyte.source_airtable")

TRIES = 3
"""How often the comments of a record are listed, when Airtable forgets the list."""


class CommentsStream(AccountTablesStream):
    """One row for each comment."""

    stream_name = "comments"
    holds = "a comment on a record"
    key = ("base_id", "table_id", "record_id", "id")
    cursor_field = AS_OF_COLUMN
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **TABLE_ID,
        "record_id": described(KEY, "The record's id."),
        "id": described(KEY, "The comment's id."),
        "author": described(OBJECT, "Who wrote it: id, email, name."),
        "text": described(TEXT, "The text; a mention stands in it as @[its id]."),
        "mentioned": described(OBJECT, "Who is mentioned, by id."),
        "reactions": described(ARRAY_OF_OBJECTS, "The reactions, as Airtable sends them."),
        "parent_comment_id": described(TEXT, "The comment that this one answers."),
        "created_time": described(DATE_TIME, "When it was written, in UTC."),
        "last_updated_time": described(DATE_TIME, "When it was edited last, in UTC."),
        **AS_OF,
    }
    scopes = (SCHEMA_SCOPE, RECORDS_SCOPE, COMMENTS_SCOPE)
    extra_calls = "one for each commented record, and one for each further 100 comments of it"

    def reader(self, table: TableSchema, request: ReadRequest) -> Reader:
        """Build what reads the comments of one table."""
        reader = CommentReader(self.name, table, self.row_converter, self.client)
        if request.incremental is not None:
            saved = self.state_of(table, request.saved_state)
            reader.go_on_from(saved, request.incremental.full_rescan_hours)
        return reader


class CommentReader(Reader):
    """Reads the comments of one table."""

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        converter: RowConverter,
        client: AirtableClient,
    ) -> None:
        super().__init__(stream_name, table)
        self._convert = converter.convert
        self._client = client
        self._saved: Mapping[str, int] = {}
        """The number of comments that the last sync listed, by record."""
        self._known: Mapping[str, int] = {}
        """The same; empty where all comments are listed."""
        self._counts: dict[str, int] = {}
        """The number of comments of each record that has some."""
        self._now: datetime | None = None
        self._cursor_floor: datetime | None = None
        """The highest cursor that any sync emitted, failed ones too."""
        self._as_of: datetime | None = None
        """The cursor of the rows."""
        self._last_full_list: datetime | None = None
        self._has_emitted = False
        self._every = timedelta(0)
        """How often all comments are listed; zero means never."""

    def go_on_from(self, saved: Mapping[str, Any], full_rescan_hours: float) -> None:
        """List only the comments of records whose number of them is not the saved one."""
        self._saved = parse_counts(saved)
        self._every = timedelta(hours=full_rescan_hours)
        # Where one is absent or damaged, all comments are listed once.
        with suppress(ValueError):
            self._cursor_floor = parse_utc_text(saved.get("cursor_floor"))
        with suppress(ValueError):
            self._last_full_list = parse_utc_text(saved.get("last_full_list"))

    @property
    def fields(self) -> Fields:  # type: ignore[override]  # the table's present ones
        """One field, since no cell is needed and none would mean all."""
        primary = self.table.primary_field_id
        return Fields((primary,) if primary else (), comment_count=True)

    def start(self, as_of: datetime | None) -> Need:
        """Read the whole table: a new comment may not count as an edit of its record."""
        self._now = as_of
        self._as_of = cursor_above(self._cursor_floor, as_of)
        self._known = {} if self._is_full_list_due() else self._saved
        return WholeTable()

    def rows(self, page: Page) -> list[Row]:
        """Note the numbers of comments, and emit no row yet."""
        for record in page.records:
            count = record.get("commentCount")
            if isinstance(count, int) and count > 0:
                self._counts[record["id"]] = count
        return []

    def finish(self, scan: ReaderScan) -> Iterator[list[Row]]:
        """List the comments of each record whose number of them changed since the last sync."""
        changed = [one for one, count in self._counts.items() if self._known.get(one) != count]
        for record_id in changed:
            scan.sleep(0)  # raises once the sync is abandoned
            comments = self._list_comments(record_id)
            if comments is None:
                del self._counts[record_id]
                continue
            # Save the listed number: a comment may have been deleted since the count.
            self._counts[record_id] = len(comments)
            self._has_emitted = self._has_emitted or bool(comments)
            yield [self._to_row(record_id, comment) for comment in comments]
        LOGGER.info(
            "Stream %s: table %s has %d records with comments; listed the comments of %d.",
            self.stream_name,
            self.table.table_name,
            len(self._counts),
            len(changed),
        )

    def state(self) -> dict[str, Any]:
        """Give the number of comments of each record.

        Shape: `{"version": 2, "commented": {"2": "<ids of the records with two comments>"},
        "cursor_floor": "2026-11-18T10:00:00.000Z", "last_full_list": "2026-11-18T00:00:00.000Z"}`.
        """
        return self._to_state(self._counts, self._last_full_list if self._known else self._now)

    def state_after_failure(self) -> dict[str, Any] | None:
        """Give the saved state with the cursor of the rows that went out; None without any."""
        if not self._has_emitted:
            return None
        return self._to_state(self._saved, self._last_full_list)

    def _to_state(
        self, counts: Mapping[str, int], last_full_list: datetime | None
    ) -> dict[str, Any]:
        by_count: dict[int, list[str]] = {}
        for record_id, count in counts.items():
            by_count.setdefault(count, []).append(record_id)
        packed = {str(count): pack_ids(by_count[count]) for count in sorted(by_count)}
        moments = {
            "cursor_floor": self._as_of if self._has_emitted else self._cursor_floor,
            "last_full_list": last_full_list,
        }
        state: dict[str, Any] = {"version": VERSION, "commented": packed}
        return state | {name: to_utc_text(moment) for name, moment in moments.items() if moment}

    def _is_full_list_due(self) -> bool:
        if not self._saved:
            return True
        if self._now is None or not self._every:
            return False
        return is_over(self._every, self._last_full_list, self._now)

    def _list_comments(self, record_id: str) -> list[CommentDict] | None:
        """List a record's comments; None if the record was deleted since the scan.

        Raises MissingScopeError where the token may read the record, but not its comments, and
        AccessDeniedError where it cannot read the table any more.
        """
        key = self.table.key
        try:
            return self._list_again(record_id)
        except AccessDeniedError as denied:
            try:
                self._client.get_record(*key, record_id)
            except AccessDeniedError:
                self._client.get_record_page(RecordQuery(*key, page_size_records=1))
                return None
            raise MissingScopeError(**{**denied.facts, "scope": COMMENTS_SCOPE}) from None

    def _list_again(self, record_id: str) -> list[CommentDict]:
        """Begin anew where Airtable forgets the list half way, as it does after long waits."""
        for _ in range(TRIES - 1):
            try:
                return self._client.list_comments(*self.table.key, record_id)
            except OffsetExpiredError:  # noqa: PERF203 - a list a turn
                continue
        return self._client.list_comments(*self.table.key, record_id)

    def _to_row(self, record_id: str, comment: CommentDict) -> Row:
        base_id, table_id = self.table.key
        return self._convert(
            {
                **comment,
                "base_id": base_id,
                "table_id": table_id,
                "record_id": record_id,
                "parent_comment_id": comment.get("parentCommentId"),
                "created_time": comment.get("createdTime"),
                "last_updated_time": comment.get("lastUpdatedTime"),
                AS_OF_COLUMN: None if self._as_of is None else to_utc_text(self._as_of),
            }
        )


def parse_counts(saved: Mapping[str, Any]) -> dict[str, int]:
    """Read the numbers of comments that a state holds; none where it is of no use."""
    unpack = unpacker_of(saved)
    packed = saved.get("commented")
    if unpack is None or not isinstance(packed, Mapping):
        return {}
    try:
        return {
            record_id: int(count)
            for count, record_ids in packed.items()
            for record_id in unpack(record_ids)
        }
    except (TypeError, ValueError, AttributeError):
        LOGGER.warning("The saved state of the comments is damaged; the sync lists all of them.")
        return {}
