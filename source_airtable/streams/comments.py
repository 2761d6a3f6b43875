"""The stream `comments`: asked for record by record, and only of records that have some.

The scan of a table tells how many comments each record has. An incremental sync asks only where
that number is another one than in the last sync; what it cannot see is a comment that was edited,
or one that was deleted when another one came.
See https://airtable.com/developers/web/api/list-comments
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from source_airtable.api.client import RecordQuery
from source_airtable.errors import AccessDeniedError, MissingScopeError, OffsetExpiredError
from source_airtable.streams.account_streams import AS_OF_COLUMN
from source_airtable.streams.packed_ids import pack_ids, unpack_ids
from source_airtable.streams.sync_state import to_utc_text
from source_airtable.streams.table_share import TableShare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from airbyte_cdk.sources.types import Record

    from source_airtable.api.client import AirtableClient
    from source_airtable.api.wire_types import CommentDict, FieldId, RecordDict
    from source_airtable.errors import AirtableError
    from source_airtable.schema.table_schema import TableKey, TableSchema
    from source_airtable.streams.account_rows import RowWriter
    from source_airtable.streams.table_share import WholeScan

LOGGER = logging.getLogger("airbyte.source_airtable")

COMMENTS_SCOPE = "data.recordComments:read"
VERSION = 1
TRIES = 3
"""Times that the comments of a record are listed in all, when Airtable forgets the list."""


class CommentAccess:
    """Asks for comments, for all tables, and knows whether the token may read them at all."""

    def __init__(self, client: AirtableClient) -> None:
        self._client = client
        self._refusal: AirtableError | None = None

    def require(self) -> None:
        """Raise what another table, or the scan, has found to stand in the way of all comments."""
        if self._refusal is not None:
            raise self._refusal

    def refuse(self, error: AirtableError) -> None:
        """Take notice that Airtable tells no numbers of comments."""
        is_scope = isinstance(error, MissingScopeError)
        self._refusal = _missing_scope(error) if is_scope else error

    def list_comments(self, key: TableKey, record_id: str) -> list[CommentDict] | None:
        """List a record's comments; None of one that was deleted since the scan.

        Raises MissingScopeError where the token may read the record, but not its comments, and
        AccessDeniedError where it may read the table no more.
        """
        try:
            return self._try_often(key, record_id)
        except AccessDeniedError as denied:
            try:
                self._client.get_record(*key, record_id)
            except AccessDeniedError:
                self._client.get_record_page(RecordQuery(*key, page_size_records=1))
                return None
            self._refusal = _missing_scope(denied)
            raise self._refusal from None

    def _try_often(self, key: TableKey, record_id: str) -> list[CommentDict]:
        """Begin anew where Airtable forgets the list half way, as it does after long waits."""
        for _ in range(TRIES - 1):
            try:
                return self._client.list_comments(*key, record_id)
            except OffsetExpiredError:  # noqa: PERF203 - a list a turn
                continue
        return self._client.list_comments(*key, record_id)


class CommentShare(TableShare):
    """The share of the stream `comments` in the scan of one table."""

    wants_comment_counts: ClassVar[bool] = True
    is_slow: ClassVar[bool] = True

    def __init__(
        self,
        stream_name: str,
        table: TableSchema,
        writer: RowWriter,
        access: CommentAccess,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(stream_name, table)
        self._table = table
        self._writer = writer
        self._access = access
        self._known = parse_counts(saved or {})
        self._counts: dict[str, int] = {}
        """The number of comments of each record that has some."""
        self._as_of: str | None = None

    @property
    def field_ids(self) -> tuple[FieldId, ...]:
        """One field, since no cell is needed and none would mean all."""
        primary = self._table.primary_field_id
        return (primary,) if primary else ()

    def begin(self, now: datetime | None) -> datetime | None:
        """Note the moment; the whole table is needed, since a comment may not count as an edit."""
        self._as_of = None if now is None else to_utc_text(now)
        return None

    def follow(self, table: TableSchema) -> None:
        """Go on with the table's present primary field."""
        self._table = table

    def refuse(self, error: AirtableError) -> None:
        """Fail when the scan is over, for all tables."""
        self._access.refuse(error)

    def rows_of(self, records: Sequence[RecordDict]) -> list[Record]:
        """Note the numbers of comments, and make no record of them."""
        for record in records:
            count = record.get("commentCount")
            if isinstance(count, int) and count > 0:
                self._counts[record["id"]] = count
        return []

    def finish(self, scan: WholeScan) -> Iterator[Record]:  # noqa: ARG002 - the base class's signature
        """Ask for the comments of each record that has others than in the last sync."""
        self._access.require()
        asked = [one for one, count in self._counts.items() if self._known.get(one) != count]
        for record_id in asked:
            comments = self._access.list_comments(self.key, record_id)
            if comments is None:
                del self._counts[record_id]
            for comment in comments or ():
                yield self._writer.to_record(self._to_row(record_id, comment))
        LOGGER.info(
            "Stream %s: table %s has %d records with comments, of which %d were asked for.",
            self.stream_name,
            self._table.table_name,
            len(self._counts),
            len(asked),
        )

    def new_state(self) -> dict[str, Any]:
        """Give the number of comments of each record.

        Shape: `{"version": 1, "commented": {"2": "<ids of the records with two comments>"}}`.
        """
        by_count: dict[int, list[str]] = {}
        for record_id, count in self._counts.items():
            by_count.setdefault(count, []).append(record_id)
        packed = {str(count): pack_ids(by_count[count]) for count in sorted(by_count)}
        return {"version": VERSION, "commented": packed}

    def _to_row(self, record_id: str, comment: CommentDict) -> dict[str, Any]:
        base_id, table_id = self.key
        return {
            **comment,
            "base_id": base_id,
            "table_id": table_id,
            "record_id": record_id,
            "parent_comment_id": comment.get("parentCommentId"),
            "created_time": comment.get("createdTime"),
            "last_updated_time": comment.get("lastUpdatedTime"),
            AS_OF_COLUMN: self._as_of,
        }


def _missing_scope(denied: AirtableError) -> MissingScopeError:
    return MissingScopeError(**{**denied.facts, "scope": COMMENTS_SCOPE})


def parse_counts(saved: Mapping[str, Any]) -> dict[str, int]:
    """Read the numbers of comments that a state holds; none where it is of no use."""
    packed = saved.get("commented")
    if saved.get("version") != VERSION or not isinstance(packed, Mapping):
        return {}
    try:
        return {
            record_id: int(count)
            for count, record_ids in packed.items()
            for record_id in unpack_ids(record_ids)
        }
    except (TypeError, ValueError, AttributeError):
        LOGGER.warning("The saved state of the comments is damaged; all of them are asked for.")
        return {}
