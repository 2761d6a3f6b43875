"""The endpoints that read records and comments.

See: https://airtable.com/developers/web/api/list-records
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from . import errors, formulas
from .access import open_record, open_table
from .comments import newest_first
from .endpoints import Endpoint
from .ids import VIEW_ID
from .iterators import build_page
from .listing import parse_list_query, read_listing, read_posted_listing
from .rendering import begin_reading, cell_texts, renderer
from .settings import AIRTABLE_MAX_PAGE_SIZE
from .sorting import sort_records
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base
    from .endpoints import Request
    from .listing import ListQuery
    from .record import Record
    from .simulator import Simulator
    from .table import Table

MOST_COMMENTS: Final = AIRTABLE_MAX_PAGE_SIZE
"""A page; https://airtable.com/developers/web/api/list-comments"""
TABLE_PATH: Final = "/v0/{base}/{table}"


def list_records(simulator: Simulator, request: Request) -> bytes:
    """List a page of records."""
    base, table = open_table(simulator, request)
    query = parse_list_query(request.body, table)
    texts = cell_texts(request.body, base.tables)
    ids = _member_ids(simulator, base, table, query) if query.offset is None else []
    bound_to = query.bound_to(base.id, table.id)
    place = simulator.find_place(query.offset, bound_to, ids, request.fault)
    records = table.records
    projection = table.projection(
        query.field_ids,
        by_field_id=query.by_field_id,
        has_comment_count=query.has_comment_count,
    )
    reading = begin_reading(simulator, request, is_listing=True)
    render = renderer(simulator.files, reading, table, projection, texts)

    def show(record_id: str) -> bytes | None:
        record = records.get(record_id)
        return None if record is None else render(record)

    return build_page("records", place, query.page_size, show, request.fault)


def get_record(simulator: Simulator, request: Request) -> bytes:
    """Show one record."""
    base, table = open_table(simulator, request)
    record = open_record(table, request.names["record"])
    by_field_id = request.body.get("returnFieldsByFieldId") in ("true", "1")
    projection = table.projection(None, by_field_id=by_field_id, has_comment_count=False)
    texts = cell_texts(request.body, base.tables)
    reading = begin_reading(simulator, request)
    return renderer(simulator.files, reading, table, projection, texts)(record)


def _member_ids(simulator: Simulator, base: Base, table: Table, query: ListQuery) -> list[str]:
    keeps = formulas.compile_filter(
        query.filter_by_formula, table, simulator.settings, simulator.clock.now(), base.tables
    )
    records: list[Record] = list(table.records.values())
    if query.view is not None:
        view = table.view(query.view)
        if view is None:
            is_id = VIEW_ID.fullmatch(query.view) is not None
            raise errors.view_not_found(query.view, is_id=is_id)
        if "recordIds" in view:
            records = [table.records[i] for i in view["recordIds"] if i in table.records]
        shows = formulas.compile_view(
            view.get("filter", ""), table, simulator.settings, simulator.clock.now()
        )
        records = [one for one in records if shows is None or shows(one)]
    if keeps is not None:
        records = list(filter(keeps, records))
    if query.order:
        records = sort_records(records, table, query.order, base.tables)
    return [record.id for record in records[: query.max_records]]


def list_comments(simulator: Simulator, request: Request) -> bytes:
    """List a page of a record's comments."""
    base, table = open_table(simulator, request)
    record = open_record(table, request.names["record"])
    query = request.body
    size = query.get("pageSize", str(MOST_COMMENTS))
    if not re.fullmatch(r"\d{1,9}", size, re.ASCII) or not 1 <= int(size) <= MOST_COMMENTS:
        raise errors.invalid_request()
    bound_to = ("comments", base.id, table.id, record.id, size)
    offset = query.get("offset") or None
    ids = [one["id"] for one in newest_first(record.comments)] if offset is None else []
    place = simulator.find_place(offset, bound_to, ids, request.fault)
    known = {one["id"]: one for one in record.comments}

    def show(comment_id: str) -> bytes | None:
        comment = known.get(comment_id)
        return None if comment is None else to_json(comment)

    ends_with_null = simulator.settings.last_comments_offset == "null"
    return build_page(
        "comments", place, int(size), show, request.fault, ends_with_null=ends_with_null
    )


CountedRead = partial(Endpoint, scopes=("data.records:read",), is_counted=True)
ENDPOINTS: Final = (
    CountedRead("list_records", "GET", TABLE_PATH, list_records, read=read_listing),
    CountedRead(
        "list_records", "POST", f"{TABLE_PATH}/listRecords", list_records, read=read_posted_listing
    ),
    CountedRead("get_record", "GET", f"{TABLE_PATH}/{{record}}", get_record),
    CountedRead(
        "list_comments",
        "GET",
        f"{TABLE_PATH}/{{record}}/comments",
        list_comments,
        scopes=("data.recordComments:read",),
    ),
)
