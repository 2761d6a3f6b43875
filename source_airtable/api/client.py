"""AirtableClient: Airtable's endpoints as methods.

The client sends requests through the CDK's `HttpClient`, which calls `rate_limit.py` before each
request and `error_handler.py` after it. Discovery and streams use the client and never see a
response.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

import requests

from source_airtable.api.connection import (
    API_URL_VARIABLE,
    HEADERS,
    api_url,
    build_http_client,
)
from source_airtable.api.error_body import parse_http_date
from source_airtable.api.error_handler import (
    AirtableBackoffStrategy,
    AirtableErrorHandler,
    place_of,
)
from source_airtable.api.json_body import parse_body
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    ContractError,
    InvalidConfigError,
    OffsetExpiredError,
    is_unprocessable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from requests.auth import AuthBase

    from source_airtable.api.rate_limit import AirtableBudget
    from source_airtable.api.wire_types import (
        BaseDict,
        BaseId,
        CommentDict,
        FieldId,
        RecordDict,
        RecordPage,
        TableDict,
        TableId,
    )

AIRTABLE_MAX_PAGE_SIZE = 100
MOST_EMPTY_PAGES = 1_000
# Airtable refuses URLs of 16,000 characters. This leaves a thousand for a proxy's prefix.
# See https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests
AIRTABLE_MAX_URL_LENGTH = 15_000


LOGGER = logging.getLogger("airbyte.source_airtable")

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which records and fields of a table to list. No field ids means every field."""

    base_id: BaseId
    table_id: TableId
    field_ids: Sequence[FieldId] = ()
    formula: str | None = None
    """A filter in Airtable's formula language. None lists all records."""
    page_size_records: int = AIRTABLE_MAX_PAGE_SIZE
    with_comment_counts: bool = False
    """Whether records that have comments come with `commentCount`."""
    view: str | None = None
    """The id of a view, whose records are listed. None lists those of the table."""

    def parameters(self, offset: str | None) -> dict[str, Any]:
        """Return the query of one page, with `fields` as a list, as a POST needs it."""
        parameters: dict[str, Any] = {
            "pageSize": self.page_size_records,
            "returnFieldsByFieldId": True,
        }
        if self.field_ids:
            parameters["fields"] = list(self.field_ids)
        if self.formula is not None:
            parameters["filterByFormula"] = self.formula
        if self.view is not None:
            parameters["view"] = self.view
        if self.with_comment_counts:
            parameters["recordMetadata"] = ["commentCount"]
        if offset is not None:
            parameters["offset"] = offset
        return parameters


class AirtableClient:
    """Reads the bases, schemas and records that one token can see.

    Raises the errors of `error_handler.ERROR_ROWS`, after the tries that each row allows. Threads
    may share the client.
    """

    def __init__(self, authenticator: AuthBase, budget: AirtableBudget) -> None:
        self._api_root = f"{api_url()}/v0"
        self.budget = budget
        self.backoff_strategy = AirtableBackoffStrategy()
        self.latest_date: datetime | None = None
        """Airtable's clock in UTC: the `Date` of the latest answer. None before the first one."""
        self._http = build_http_client(
            AirtableErrorHandler(authenticator), self.backoff_strategy, budget, authenticator
        )

    def list_bases(self) -> list[BaseDict]:
        """List every base that the token can see, in Airtable's order. One call lists 1,000 bases.

        See https://airtable.com/developers/web/api/list-bases
        """
        bases: list[BaseDict] = []
        offset_guard = OffsetGuard(listed="bases")
        while True:
            parameters = {"offset": offset_guard.offset} if offset_guard.offset else {}
            body = self.get("/meta/bases", parameters)
            bases += cast("list[BaseDict]", _list_in(body, "bases"))
            if not offset_guard.advance(body):
                return bases

    def get_base_schema(self, base_id: BaseId) -> list[TableDict]:
        """Get the tables of one base with their fields. This costs one call.

        See https://airtable.com/developers/web/api/get-base-schema
        """
        body = self.get(f"/meta/bases/{base_id}/tables", {})
        return cast("list[TableDict]", _list_in(body, "tables", base=base_id))

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """List the records of one table page by page, until a page has no offset.

        A page may be empty. The client fetches a page when the caller asks for it. The first page
        fixes which records the list has, and their order. The cells are as they are when their page
        is fetched.
        See https://airtable.com/developers/web/api/list-records
        """
        offset_guard = OffsetGuard(listed="records", base=query.base_id, table=query.table_id)
        empty_in_a_row = 0
        while True:
            page = ask_again(partial(self.get_record_page, query, offset_guard.offset))
            more_follow = offset_guard.advance(page)
            empty_in_a_row = 0 if page["records"] else empty_in_a_row + 1
            if empty_in_a_row > MOST_EMPTY_PAGES:
                raise ContractError(
                    answer=f"more than {MOST_EMPTY_PAGES} empty pages in a row",
                    base=query.base_id,
                    table=query.table_id,
                )
            # The generator itself must not hold a page while the caller is done with it.
            pages = [page]
            del page
            yield pages.pop()
            if not more_follow:
                return

    def get_record_page(self, query: RecordQuery, offset: str | None = None) -> RecordPage:
        """Get the first page of records, or the page at an offset."""
        try:
            body = self._list_records(query, offset)
        except ContractError as refused:
            if offset is not None and is_unprocessable(refused):
                # Airtable answered the first page of this query, so it refuses the offset.
                raise OffsetExpiredError(**refused.facts) from None
            raise
        for record in _list_in(body, "records", base=query.base_id, table=query.table_id):
            if not isinstance(record.get("id"), str) or not isinstance(record.get("fields"), dict):
                raise ContractError(
                    answer="a record without id or fields", base=query.base_id, table=query.table_id
                )
        return cast("RecordPage", body)

    def get_record(self, base_id: BaseId, table_id: TableId, record_id: str) -> RecordDict:
        """Get one record, with cells by field id.

        See https://airtable.com/developers/web/api/get-record
        """
        path = f"/{base_id}/{table_id}/{record_id}"
        record = self.get(path, {"returnFieldsByFieldId": True})
        if not isinstance(record.get("fields"), dict):
            raise ContractError(answer="a record without fields", base=base_id, table=table_id)
        return cast("RecordDict", record)

    def list_comments(
        self, base_id: BaseId, table_id: TableId, record_id: str
    ) -> list[CommentDict]:
        """List the comments of one record, newest first. One call lists 100 comments.

        See https://airtable.com/developers/web/api/list-comments
        """
        comments: list[CommentDict] = []
        offset_guard = OffsetGuard(listed="comments", base=base_id, table=table_id)
        while True:
            parameters = {"offset": offset_guard.offset} if offset_guard.offset else {}
            body = self.get(f"/{base_id}/{table_id}/{record_id}/comments", parameters)
            listed = _list_in(body, "comments", base=base_id, table=table_id)
            if not all(isinstance(comment.get("id"), str) for comment in listed):
                raise ContractError(answer="a comment without id", base=base_id, table=table_id)
            comments += cast("list[CommentDict]", listed)
            if not offset_guard.advance(body):
                return comments

    def _list_records(self, query: RecordQuery, offset: str | None) -> dict[str, Any]:
        path = f"/{query.base_id}/{query.table_id}"
        parameters = query.parameters(offset)
        if _url_length(self._api_root + path, parameters) > AIRTABLE_MAX_URL_LENGTH:
            return self.post(f"{path}/listRecords", parameters)
        return self.get(path, parameters)

    def get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Get the JSON object at a path of the API."""
        return self._send("GET", path, params=_to_url_parameters(parameters))

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Post a JSON object to a path of the API, and give the one that comes back."""
        return self._send("POST", path, json=content)

    def _send(self, method: str, path: str, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - the CDK's
        try:
            _, response = self._http.send_request(
                method,
                self._api_root + path,
                request_kwargs={},
                headers=HEADERS,
                **content,
            )
        except (requests.RequestException, ValueError, InvalidConfigError):
            # The URL cannot be used. All other failures raise errors of the error handler. Python
            # and urllib3 refuse some hosts of redirects with a ValueError.
            raise InvalidConfigError(
                setting=API_URL_VARIABLE, reason=_why_no_request(self._api_root), **place_of(path)
            ) from None
        except AirtableError as error:
            error.add_facts(**place_of(path))
            raise
        answered_at = parse_http_date(response.headers.get("Date", ""))
        self.latest_date = answered_at or self.latest_date
        # The error handler accepts only answers with a JSON object.
        body = cast("dict[str, Any]", parse_body(response))
        body["size_bytes"] = len(response.content)
        body["answered_at"] = answered_at
        body["answer_seconds"] = response.elapsed.total_seconds()
        return body


def ask_again(ask: Callable[[], _Answer]) -> _Answer:
    """Ask, and ask once more after a refusal or an odd answer, which may not happen again."""
    try:
        return ask()
    except (AccessDeniedError, ContractError) as odd:
        # Airtable means what it says of the query itself.
        if is_unprocessable(odd):
            raise
        LOGGER.info("Airtable: an unexpected answer, asking once more: %s", odd.message)
        return ask()


class OffsetGuard:
    """Follows the offsets of one list. Raises if the list repeats itself."""

    def __init__(self, **facts: object) -> None:
        self.offset: str | None = None
        self._seen: set[str] = set()
        self._facts = facts

    def advance(self, body: dict[str, Any] | RecordPage) -> bool:
        """Take the next offset from a page. Returns whether there is one."""
        offset = body.get("offset")
        if not offset:
            return False
        if not isinstance(offset, str):
            raise ContractError(answer="an offset that is not text", **self._facts)
        if offset in self._seen:
            raise ContractError(answer="the list of pages repeats itself", **self._facts)
        self._seen.add(offset)
        self.offset = offset
        return True


def _why_no_request(api_root: str) -> str:
    """Tell an address of ours that cannot be used from one that it redirects to."""
    try:
        requests.Request("GET", api_root).prepare()
    except (requests.RequestException, ValueError):
        return "no request can be sent to this address"
    return "no request can be sent to this address, or to the one that it redirects to"


def _list_in(body: dict[str, Any], key: str, **facts: object) -> list[Any]:
    items = body.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ContractError(answer=f"no list of {key}", **facts)
    return items


def _to_url_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Spell a query for a URL as Airtable needs it: `fields[]`, and booleans in lower case."""
    spelled: dict[str, Any] = {}
    for name, setting in parameters.items():
        if isinstance(setting, list):
            spelled[f"{name}[]"] = setting
        elif isinstance(setting, bool):
            spelled[name] = str(setting).lower()
        else:
            spelled[name] = setting
    return spelled


def _url_length(url: str, parameters: dict[str, Any]) -> int:
    return len(url) + 1 + len(urlencode(_to_url_parameters(parameters), doseq=True))
