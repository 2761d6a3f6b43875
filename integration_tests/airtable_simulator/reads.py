"""The endpoints that read records and comments.

See: https://airtable.com/developers/web/api/list-records
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from . import errors, formulas
from .comments import newest_first
from .files import Reading
from .ids import RECORD_ID, VIEW_ID
from .listing import parse_list_query
from .pages import build_page
from .settings import AIRTABLE_MAX_PAGE_SIZE
from .wire import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Base
    from .listing import ListQuery
    from .record import Projection, Record
    from .routes import Route
    from .server import Simulator
    from .table import Table

Json = Any
MOST_COMMENTS: Final = AIRTABLE_MAX_PAGE_SIZE
"""A page; https://airtable.com/developers/web/api/list-comments"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and the fault that was planned for it."""

    route: Route
    body: Json
    action: dict[str, Any]
    origin: str
    """Where the simulator was called, such as ``http://127.0.0.1:8123``."""


def perform_read(simulator: Simulator, base: Base, asked: Asked) -> bytes:
    """The body of the answer to one request for records or comments.

    Raises: ``Refusal`` for what Airtable refuses.
    """
    route = asked.route
    table = base.find_table(route.table or "")
    if table is None:
        raise errors.permission_or_model()
    if route.kind == "list_records":
        return _list_records(simulator, base, table, asked)
    if not RECORD_ID.fullmatch(route.record or ""):
        raise errors.not_found()
    record = table.records.get(route.record or "")
    if record is None:
        raise errors.permission_or_model()
    if route.kind == "list_comments":
        return _list_comments(simulator, (base.id, table.id), record, asked)
    by_field_id = asked.body.get("returnFieldsByFieldId") in ("true", "1")
    projection = table.projection(None, by_field_id=by_field_id, has_comment_count=False)
    reading = Reading(asked.origin, simulator.clock.now(), is_listing=False)
    return _renderer(simulator, table, projection, reading)(record)


def _renderer(
    simulator: Simulator, table: Table, projection: Projection, reading: Reading
) -> Callable[[Record], bytes]:
    """What makes a record's JSON; addresses of attachments are never the same twice."""
    renewed = [key for key in table.attachment_field_ids if key in projection.keys]
    if not simulator.settings.serves_attachments or not renewed:
        return lambda record: record.to_json(projection)

    def render(record: Record) -> bytes:
        if record.cells.keys().isdisjoint(renewed):
            return record.to_json(projection)
        return record.render(projection, simulator.files.renew(record.cells, renewed, reading))

    return render


def _list_records(simulator: Simulator, base: Base, table: Table, asked: Asked) -> bytes:
    query = parse_list_query(asked.body, table)
    ids = _member_ids(simulator, table, query) if query.offset is None else []
    place = simulator.to_place(query.offset, query.bound_to(base.id, table.id), ids, asked.action)
    records = table.records
    projection = table.projection(
        query.field_ids,
        by_field_id=query.by_field_id,
        has_comment_count=query.has_comment_count,
    )
    reading = Reading(asked.origin, simulator.clock.now(), is_listing=True)
    render = _renderer(simulator, table, projection, reading)

    def show(record_id: str) -> bytes | None:
        record = records.get(record_id)
        return None if record is None else render(record)

    return build_page("records", place, query.page_size, show, asked.action)


def _member_ids(simulator: Simulator, table: Table, query: ListQuery) -> list[str]:
    keeps = formulas.compile_filter(
        query.filter_by_formula, table, simulator.settings, simulator.clock.now()
    )
    records: list[Record] = list(table.records.values())
    if query.view is not None:
        view = table.view(query.view)
        if view is None:
            is_id = VIEW_ID.fullmatch(query.view) is not None
            raise errors.view_not_found(query.view, is_id=is_id)
        if "recordIds" in view:
            records = [table.records[i] for i in view["recordIds"] if i in table.records]
    if keeps is not None:
        records = list(filter(keeps, records))
    return [record.id for record in records[: query.max_records]]


def _list_comments(
    simulator: Simulator, place_ids: tuple[str, str], record: Record, asked: Asked
) -> bytes:
    query = asked.body
    size = query.get("pageSize", str(MOST_COMMENTS))
    if not re.fullmatch(r"\d{1,9}", size, re.ASCII) or not 1 <= int(size) <= MOST_COMMENTS:
        raise errors.invalid_request()
    bound_to = ("comments", *place_ids, record.id, size)
    offset = query.get("offset")
    ids = [one["id"] for one in newest_first(record.comments)] if offset is None else []
    place = simulator.to_place(offset, bound_to, ids, asked.action)
    known = {one["id"]: one for one in record.comments}

    def show(comment_id: str) -> bytes | None:
        comment = known.get(comment_id)
        return None if comment is None else to_json(comment)

    ends_with_null = simulator.settings.last_comments_offset == "null"
    return build_page(
        "comments", place, int(size), show, asked.action, ends_with_null=ends_with_null
    )
