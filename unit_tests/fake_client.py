"""An `AirtableClient` without HTTP: it gives what it was told to give, and counts what is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from source_airtable.errors import AirtableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from source_airtable.api.client import AirtableClient, RecordQuery
    from source_airtable.api.wire_types import (
        BaseDict,
        CommentDict,
        RecordDict,
        RecordPage,
        TableDict,
    )
    from unit_tests.fake_webhooks import FakeWebhooks

_Given = TypeVar("_Given")

Schemas = dict[str, "Sequence[TableDict] | AirtableError"]


class FakeClient:
    """Bases, schemas by base id, and scans by table id; an error in their place is raised."""

    def __init__(
        self,
        bases: Sequence[BaseDict] | AirtableError = (),
        schemas: Mapping[str, Sequence[TableDict] | AirtableError] | None = None,
    ) -> None:
        self.bases = bases
        self.schemas: Schemas = dict(schemas or {})
        self.vanishing: set[str] = set()
        """Bases whose tables are gone after they were listed once."""
        self.record_errors: dict[str, AirtableError] = {}
        """Why the records of a table are refused, by table id."""
        self.scans: list[Sequence[RecordPage | Exception]] = []
        """What each scan in turn gives, of any table."""
        self.records: dict[str, RecordDict | AirtableError] = {}
        """Single records by id."""
        self.comments: dict[str, Sequence[CommentDict] | AirtableError] = {}
        """The comments of records, by record id."""
        self.comment_failures: dict[str, list[AirtableError]] = {}
        """What each list of a record's comments in turn is refused with, before it is given."""
        self.webhooks: dict[str, FakeWebhooks] = {}
        """The webhooks of each base, by base id."""
        self.latest_date: datetime | None = None
        self.budget = SimpleNamespace(calls=0, refusals=0, waited_seconds=0.0)
        self.backoff_strategy = SimpleNamespace(retries=0)
        self.queries: list[RecordQuery] = []
        """What each scan asked for."""
        self.page_queries: list[RecordQuery] = []
        """What single pages were asked for."""
        self.calls: list[str] = []
        """What was asked for, in order, such as `bases`, `schema app…` or `page tbl…`."""

    def as_client(self) -> AirtableClient:
        """Give this fake to code that wants the client."""
        return cast("AirtableClient", self)

    def list_bases(self) -> list[BaseDict]:
        """List the bases."""
        self.calls.append("bases")
        return list(_or_raise(self.bases))

    def get_base_schema(self, base_id: str) -> list[TableDict]:
        """Get the tables of a base."""
        self.calls.append(f"schema {base_id}")
        tables = list(_or_raise(self.schemas[base_id]))
        if base_id in self.vanishing:
            self.schemas[base_id] = []
        return tables

    def get_record_page(self, query: RecordQuery, offset: str | None = None) -> RecordPage:
        """Get the first page of a table, which is empty."""
        self.calls.append(f"records {query.table_id} {query.page_size_records}")
        self.page_queries.append(query)
        if query.table_id in self.record_errors:
            raise self.record_errors[query.table_id]
        return {"records": []}

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give the pages of the next scan."""
        self.queries.append(query)
        for page in self.scans.pop(0):
            self.calls.append(f"page {query.table_id}")
            if isinstance(page, Exception):
                raise page
            yield page

    def get_record(self, base_id: str, table_id: str, record_id: str) -> RecordDict:
        """Get one record."""
        self.calls.append(f"record {record_id}")
        given = self.records[record_id]
        if isinstance(given, AirtableError):
            raise given
        return given

    def list_comments(self, base_id: str, table_id: str, record_id: str) -> list[CommentDict]:
        """List the comments of a record."""
        self.calls.append(f"comments {record_id}")
        if self.comment_failures.get(record_id):
            raise self.comment_failures[record_id].pop(0)
        return list(_or_raise(self.comments[record_id]))

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Get what is at a path of a base's webhooks."""
        _, _, base_id, _, *below = path.split("/")
        return cast("dict[str, Any]", self.webhooks[base_id].get(below, parameters))

    def post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Post to a path of a base's webhooks."""
        _, _, base_id, _, *below = path.split("/")
        return cast("dict[str, Any]", self.webhooks[base_id].post(below, content))


def _or_raise(given: Sequence[_Given] | AirtableError) -> Sequence[_Given]:
    if isinstance(given, AirtableError):
        raise given
    return given
