"""AirtableClient: Airtable's endpoints as methods, over one HTTP client of the CDK.

One step down from here are pacing (`rate_limit.py`) and retries (`error_handler.py`), which the
CDK's `HttpClient` calls for every request; one step up are discovery and streams, which never see a
response.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
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
    AirtableError,
    ContractError,
    InvalidConfigError,
    OffsetExpiredError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
# Airtable refuses URLs of 16,000 characters; a thousand are left for a proxy's prefix.
# See https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests
AIRTABLE_MAX_URL_LENGTH = 15_000


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """What to list of one table; no field ids means every field."""

    base_id: BaseId
    table_id: TableId
    field_ids: Sequence[FieldId] = ()
    formula: str | None = None
    """A filter in Airtable's formula language; None lists all records."""
    page_size_records: int = AIRTABLE_MAX_PAGE_SIZE
    with_comment_counts: bool = False
    """Whether records come with `commentCount`, where they have comments."""

    def parameters(self, offset: str | None) -> dict[str, Any]:
        """Give the query of one page; `fields` is a list, as the POST form wants it."""
        parameters: dict[str, Any] = {
            "pageSize": self.page_size_records,
            "returnFieldsByFieldId": True,
        }
        if self.field_ids:
            parameters["fields"] = list(self.field_ids)
        if self.formula is not None:
            parameters["filterByFormula"] = self.formula
        if self.with_comment_counts:
            parameters["recordMetadata"] = ["commentCount"]
        if offset is not None:
            parameters["offset"] = offset
        return parameters


class AirtableClient:
    """Reads bases, schemas and records of everything that one token may see.

    Raises the errors of `error_handler.ERROR_ROWS`, after the tries that each row allows. May be
    used by many threads at once.
    """

    def __init__(self, authenticator: AuthBase, budget: AirtableBudget) -> None:
        self._api_root = f"{api_url()}/v0"
        self.budget = budget
        self.backoff_strategy = AirtableBackoffStrategy()
        self.latest_date: datetime | None = None
        """Airtable's clock (UTC): the `Date` of the latest answer, None as long as no answer had a
        usable one."""
        self._http = build_http_client(
            AirtableErrorHandler(authenticator), self.backoff_strategy, budget, authenticator
        )

    def list_bases(self) -> list[BaseDict]:
        """List every base that the token may see, in Airtable's order; 1,000 bases a call.

        See https://airtable.com/developers/web/api/list-bases
        """
        bases: list[BaseDict] = []
        offset_guard = OffsetGuard(listed="bases")
        while True:
            parameters = {"offset": offset_guard.offset} if offset_guard.offset else {}
            body = self._get("/meta/bases", parameters)
            bases += cast("list[BaseDict]", _list_in(body, "bases"))
            if not offset_guard.advance(body):
                return bases

    def get_base_schema(self, base_id: BaseId) -> list[TableDict]:
        """Get the tables of one base with their fields, in one call.

        See https://airtable.com/developers/web/api/get-base-schema
        """
        body = self._get(f"/meta/bases/{base_id}/tables", {})
        return cast("list[TableDict]", _list_in(body, "tables", base=base_id))

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """List the records of one table page by page, until a page has no offset.

        A page may be empty. Each page is fetched when it is asked for. Airtable fixes which records
        are listed, and their order, at the first page; the cells are those of the moment at which
        their page is fetched.
        See https://airtable.com/developers/web/api/list-records
        """
        offset_guard = OffsetGuard(listed="records", base=query.base_id, table=query.table_id)
        while True:
            page = self.get_record_page(query, offset_guard.offset)
            more_follow = offset_guard.advance(page)
            yield page
            if not more_follow:
                return

    def get_record_page(self, query: RecordQuery, offset: str | None = None) -> RecordPage:
        """Get the first page of records, or the one that an earlier page's offset names."""
        try:
            body = self._list_records(query, offset)
        except ContractError as refused:
            if (
                offset is not None
                and refused.facts.get("status") == HTTPStatus.UNPROCESSABLE_ENTITY
            ):
                # The first page of the same query was answered, so it is the offset that is
                # refused.
                raise OffsetExpiredError(**refused.facts) from None
            raise
        for record in _list_in(body, "records", base=query.base_id, table=query.table_id):
            if not isinstance(record.get("id"), str) or not isinstance(record.get("fields"), dict):
                raise ContractError(
                    answer="a record without id or fields", base=query.base_id, table=query.table_id
                )
        return cast("RecordPage", body)

    def get_record(self, base_id: BaseId, table_id: TableId, record_id: str) -> RecordDict:
        """Get one record, its cells by field id.

        See https://airtable.com/developers/web/api/get-record
        """
        path = f"/{base_id}/{table_id}/{record_id}"
        record = self._get(path, {"returnFieldsByFieldId": True})
        if not isinstance(record.get("fields"), dict):
            raise ContractError(answer="a record without fields", base=base_id, table=table_id)
        return cast("RecordDict", record)

    def list_comments(
        self, base_id: BaseId, table_id: TableId, record_id: str
    ) -> list[CommentDict]:
        """List the comments of one record, the newest first; one call for each 100 of them.

        See https://airtable.com/developers/web/api/list-comments
        """
        comments: list[CommentDict] = []
        offset_guard = OffsetGuard(listed="comments", base=base_id, table=table_id)
        while True:
            parameters = {"offset": offset_guard.offset} if offset_guard.offset else {}
            body = self._get(f"/{base_id}/{table_id}/{record_id}/comments", parameters)
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
            return self._send("POST", f"{path}/listRecords", json=parameters)
        return self._get(path, parameters)

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._send("GET", path, params=_to_url_parameters(parameters))

    def _send(self, method: str, path: str, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - the CDK's
        try:
            _, response = self._http.send_request(
                method,
                self._api_root + path,
                request_kwargs={},
                headers=HEADERS,
                **content,
            )
        except (requests.RequestException, InvalidConfigError):
            # An address of which no request can be built, or which no request can be sent to; for
            # everything else the error handler answers.
            raise InvalidConfigError(
                setting=API_URL_VARIABLE,
                reason="no request can be sent to this address",
                **place_of(path),
            ) from None
        except AirtableError as error:
            error.add_facts(**place_of(path))
            raise
        answered_at = parse_http_date(response.headers.get("Date", ""))
        self.latest_date = answered_at or self.latest_date
        # The handler lets nothing through that has no JSON object.
        body = cast("dict[str, Any]", parse_body(response))
        body["size_bytes"] = len(response.content)
        body["answered_at"] = answered_at
        return body


class OffsetGuard:
    """Follows the offsets of one list, and refuses to walk in a circle."""

    def __init__(self, **facts: object) -> None:
        self.offset: str | None = None
        self._seen: set[str] = set()
        self._facts = facts

    def advance(self, body: dict[str, Any] | RecordPage) -> bool:
        """Take the next offset from a page, and tell whether there is one: none ends the list."""
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


def _list_in(body: dict[str, Any], key: str, **facts: object) -> list[Any]:
    items = body.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ContractError(answer=f"no list of {key}", **facts)
    return items


def _to_url_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Spell a query as Airtable wants it in a URL: `fields[]`, and booleans in lower case."""
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
