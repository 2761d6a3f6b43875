"""The parameters of a listing of records, from a GET's query or a POST's JSON body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .endpoints import read_body
from .errors import invalid_request, unknown_field_name
from .settings import AIRTABLE_MAX_PAGE_SIZE
from .sorting import parse_sort

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from aiohttp import web

    from .sorting import Order
    from .table import Table

LIST_PARAMETER: Final = re.compile(r"(fields|recordMetadata)(\[\d*\])?")
SORT_PARAMETER: Final = re.compile(r"sort\[(\d{1,3})\]\[(\w+)\]", re.ASCII)
QUERY_PARAMETERS: Final = ("timeZone", "userLocale")
"""Airtable takes these from the query, even of a POST."""
BODY_PARAMETERS: Final = frozenset(
    {
        "cellFormat",
        "fields",
        "filterByFormula",
        "maxRecords",
        "offset",
        "pageSize",
        "recordMetadata",
        "returnFieldsByFieldId",
        "sort",
        "view",
        *QUERY_PARAMETERS,
    }
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a listing asks for."""

    page_size: int
    max_records: int | None
    offset: str | None
    view: str | None
    field_ids: tuple[str, ...] | None
    by_field_id: bool
    filter_by_formula: str
    has_comment_count: bool
    order: Order
    text_format: tuple[str | None, ...]
    """The format of cells, the time zone and the locale."""

    def bound_to(self, base_id: str, table_id: str) -> Hashable:
        """The parameters that every later request of a scan must repeat."""
        return (
            base_id,
            table_id,
            self.page_size,
            self.max_records,
            self.view,
            self.field_ids,
            self.by_field_id,
            self.filter_by_formula,
            self.has_comment_count,
            self.order,
            self.text_format,
        )


def to_body(query: Mapping[str, str], values: list[tuple[str, str]]) -> dict[str, Any]:
    """A GET's query in the shape of a POST's body; unknown parameters are ignored.

    Shape: ``fields[]=A&fields[]=B&pageSize=2`` -> ``{"fields": ["A", "B"], "pageSize": 2}``.
    """
    body: dict[str, Any] = {"sort": _to_sort(values)}
    for name, value in values:
        listed = LIST_PARAMETER.fullmatch(name)
        if listed:
            body.setdefault(listed[1], []).append(value)
    for name in ("cellFormat", "filterByFormula", "offset", "view", *QUERY_PARAMETERS):
        if name in query:
            body[name] = query[name]
    for name in ("pageSize", "maxRecords"):
        if name in query:
            if not re.fullmatch(r"\d{1,9}", query[name], re.ASCII):
                raise invalid_request()
            body[name] = int(query[name])
    if "returnFieldsByFieldId" in query:
        body["returnFieldsByFieldId"] = _flag(query["returnFieldsByFieldId"])
    return body


def _to_sort(values: list[tuple[str, str]]) -> list[dict[str, str]]:
    """The ``sort`` of a query.

    Shape: ``sort[0][field]=A&sort[1][field]=B`` -> ``[{"field": "A"}, {"field": "B"}]``.
    """
    order: dict[int, dict[str, str]] = {}
    for name, value in values:
        if name.partition("[")[0] != "sort":
            continue
        sorts = SORT_PARAMETER.fullmatch(name)
        if sorts is None:
            raise invalid_request()
        order.setdefault(int(sorts[1]), {})[sorts[2]] = value
    return [order[place] for place in sorted(order)]


async def read_listing(request: web.Request) -> dict[str, Any]:
    """Read a GET's query in the shape of a POST's body."""
    query = request.rel_url.query
    return to_body(query, list(query.items()))


async def read_posted_listing(request: web.Request) -> Any:  # noqa: ANN401 - a body is any JSON
    """Read a POST's body, with the time zone and the locale of its query.

    Raises: ``Refusal`` 422 for a body that has them itself.
    """
    body = await read_body(request)
    if not isinstance(body, dict) or body.keys() & set(QUERY_PARAMETERS):
        raise invalid_request()
    query = request.rel_url.query
    return {**body, **{name: query[name] for name in QUERY_PARAMETERS if name in query}}


def parse_list_query(body: Any, table: Table) -> ListQuery:  # noqa: ANN401 - a body is any JSON
    """Check what a listing asks for.

    Raises: ``Refusal`` 422 for what Airtable does not take.
    """
    if not isinstance(body, dict) or body.keys() - BODY_PARAMETERS:
        raise invalid_request()
    metadata = body.get("recordMetadata", [])
    if metadata not in ([], ["commentCount"]):
        raise invalid_request()
    by_field_id = body.get("returnFieldsByFieldId", False)
    if not isinstance(by_field_id, bool):
        raise invalid_request()
    page_size = _whole_number(body, "pageSize") or AIRTABLE_MAX_PAGE_SIZE
    if page_size > AIRTABLE_MAX_PAGE_SIZE:
        raise invalid_request()
    return ListQuery(
        page_size=page_size,
        max_records=_whole_number(body, "maxRecords"),
        offset=_text(body, "offset") or None,
        view=_text(body, "view"),
        field_ids=_field_ids(body.get("fields"), table),
        by_field_id=by_field_id,
        filter_by_formula=_text(body, "filterByFormula") or "",
        has_comment_count=bool(metadata),
        order=parse_sort(body.get("sort") or [], table),
        text_format=tuple(_text(body, name) for name in ("cellFormat", *QUERY_PARAMETERS)),
    )


def _flag(text: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if text not in flags:
        raise invalid_request()
    return flags[text]


def _whole_number(body: dict[str, Any], name: str) -> int | None:
    number = body.get(name)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise invalid_request()
    return number


def _text(body: dict[str, Any], name: str) -> str | None:
    text = body.get(name)
    if text is not None and not isinstance(text, str):
        raise invalid_request()
    return text


def _field_ids(names: Any, table: Table) -> tuple[str, ...] | None:  # noqa: ANN401 - any JSON
    if names is None or names == []:
        return None
    if not isinstance(names, list):
        raise invalid_request()
    found = []
    for name in names:
        field_id = table.field_id(name) if isinstance(name, str) else None
        if field_id is None:
            raise unknown_field_name(str(name))
        found.append(field_id)
    return tuple(dict.fromkeys(found))
