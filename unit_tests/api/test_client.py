"""Airtable's endpoints: requests and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from source_airtable import __version__
from source_airtable.api.auth import build_authenticator
from source_airtable.api.client import (
    AIRTABLE_MAX_URL_LENGTH,
    MOST_EMPTY_PAGES,
    AirtableClient,
    RecordQuery,
    ask_again,
)
from source_airtable.api.connection import API_URL_VARIABLE
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.api.wire_types import FieldId
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    InvalidConfigError,
)
from unit_tests.builders import API, BASE, NAME_FIELD, NOTES_FIELD, TABLE, TOKEN, a_page, a_record
from unit_tests.tcp_server import TcpServer, read_head

if TYPE_CHECKING:
    import socket

    import requests_mock

    from source_airtable.config import Config
    from unit_tests.fake_clock import FakeClock

RECORDS = f"{API}/{BASE}/{TABLE}"
TEN_OCLOCK = "Wed, 18 Nov 2026 10:00:00 GMT"


def a_query(*field_ids: FieldId) -> RecordQuery:
    """A query of one table."""
    return RecordQuery(BASE, TABLE, field_ids)


def a_long_query(url_length: int) -> RecordQuery:
    """A query whose URL has exactly so many characters."""
    shortest = len(f"{RECORDS}?pageSize=100&returnFieldsByFieldId=true&fields%5B%5D=")
    return a_query(FieldId("f" * (url_length - shortest)))


def pages_of(client: AirtableClient, query: RecordQuery | None = None) -> list[Any]:
    """All pages of a table."""
    return list(client.iter_record_pages(query or a_query()))


def test_parameters(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The client asks for 100 records, with cells by field id, and names each field."""
    airtable.get(RECORDS, json=a_page())

    pages_of(client, a_query(NAME_FIELD, NOTES_FIELD))

    assert airtable.request_history[0].qs == {
        "pageSize": ["100"],
        "returnFieldsByFieldId": ["true"],
        "fields[]": [NAME_FIELD, NOTES_FIELD],
    }


def test_every_field(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A query without fields names none, which Airtable takes as all fields."""
    airtable.get(RECORDS, json=a_page())

    pages_of(client)

    assert "fields[]" not in airtable.request_history[0].qs


def test_page_size(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A smaller page can be asked for."""
    airtable.get(RECORDS, json=a_page())

    client.get_record_page(RecordQuery(BASE, TABLE, page_size_records=1))

    assert airtable.request_history[0].qs["pageSize"] == ["1"]


def test_offset_is_echoed(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The request for the next page adds only the offset, as Airtable sent it."""
    offset = "itr4DNjsWm4nRTmTN/recZfpJp2CzBe4nA3"
    airtable.get(RECORDS, [{"json": a_page(offset=offset)}, {"json": a_page()}])

    pages_of(client, a_query(NAME_FIELD))

    first, second = (request.qs for request in airtable.request_history)
    assert second == {**first, "offset": [offset]}


def test_every_page_is_given(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """All pages are given in Airtable's order, an empty one in the middle included."""
    pages = [a_page("recA", offset="itrA/recA"), a_page(offset="itrA/recB"), a_page("recC")]
    airtable.get(RECORDS, [{"json": page} for page in pages])

    noted = ("size_bytes", "answered_at", "answer_seconds")
    given = [{name: page[name] for name in page if name not in noted} for page in pages_of(client)]

    assert given == pages


def test_filter(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A formula is sent as it is, with every page."""
    airtable.get(RECORDS, [{"json": a_page("recA", offset="itrA/recA")}, {"json": a_page()}])
    formula = "OR(RECORD_ID()='recA+B',{a&b}=\"é\")"

    list(client.iter_record_pages(replace(a_query(), formula=formula)))

    sent = [parse_qs(urlsplit(request.url).query) for request in airtable.request_history]
    assert [query["filterByFormula"] for query in sent] == [[formula]] * 2


def test_pages_are_fetched_when_asked_for(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """No page is fetched ahead of the reader."""
    airtable.get(RECORDS, json=a_page("recA", offset="itrA/recA"))

    next(client.iter_record_pages(a_query()))

    assert airtable.call_count == 1


@pytest.mark.parametrize("last", [{}, {"offset": ""}, {"offset": None}])
def test_end_of_pages(
    client: AirtableClient, airtable: requests_mock.Mocker, last: dict[str, Any]
) -> None:
    """A page without an offset is the last one."""
    airtable.get(RECORDS, json={"records": [], **last})

    assert len(pages_of(client)) == 1


@pytest.mark.parametrize(
    "offsets", [["itrA", "itrA"], ["itrA", "itrB", "itrA"], ["A", "B", "C", "D", "B"]]
)
def test_circle_of_offsets(
    client: AirtableClient, airtable: requests_mock.Mocker, offsets: list[str]
) -> None:
    """An offset that repeats, at once or later, fails the scan, which would never end."""
    airtable.get(RECORDS, [{"json": a_page(offset=offset)} for offset in offsets])

    with pytest.raises(ContractError) as caught:
        pages_of(client)

    assert (caught.value.facts["base"], caught.value.facts["table"]) == (BASE, TABLE)


@pytest.mark.parametrize("offset", [7, ["itrA"], {"id": "itrA"}, True])
def test_offset_that_is_no_text(
    client: AirtableClient, airtable: requests_mock.Mocker, offset: object
) -> None:
    """An offset that is not text does not count as the end."""
    airtable.get(RECORDS, json={"records": [], "offset": offset})

    with pytest.raises(ContractError):
        pages_of(client)


def test_bases_are_paged(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The list of bases is read to its end."""
    airtable.get(
        f"{API}/meta/bases",
        [
            {"json": {"bases": [{"id": "appA"}], "offset": "itrA"}},
            {"json": {"bases": [{"id": "B"}]}},
        ],
    )

    bases = client.list_bases()

    assert bases == [{"id": "appA"}, {"id": "B"}]
    assert [request.qs for request in airtable.request_history] == [{}, {"offset": ["itrA"]}]


def test_circle_of_bases(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A list of bases that repeats itself is also refused."""
    airtable.get(f"{API}/meta/bases", json={"bases": [], "offset": "itrA"})

    with pytest.raises(ContractError):
        client.list_bases()


def test_base_schema(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The tables of a base are one call."""
    airtable.get(f"{API}/meta/bases/{BASE}/tables", json={"tables": [{"id": TABLE}]})

    assert client.get_base_schema(BASE) == [{"id": TABLE}]


@pytest.mark.parametrize(
    ("url_length", "method"), [(14_900, "GET"), (15_000, "GET"), (15_001, "POST")]
)
def test_long_query(
    client: AirtableClient, airtable: requests_mock.Mocker, url_length: int, method: str
) -> None:
    """The client uses POST only if the URL would be too long for Airtable."""
    airtable.get(RECORDS, json=a_page())
    airtable.post(f"{RECORDS}/listRecords", json=a_page())

    pages_of(client, a_long_query(url_length))

    assert airtable.request_history[0].method == method


def test_longest_url(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """The length is that of the URL which is sent, to the character."""
    airtable.get(RECORDS, json=a_page())

    pages_of(client, a_long_query(15_000))

    assert len(airtable.request_history[0].url) == AIRTABLE_MAX_URL_LENGTH == 15_000


def test_offset_makes_the_url_longer(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """The client also uses POST if only the offset makes the URL too long."""
    airtable.get(RECORDS, json=a_page(offset="itrA/recA"))
    airtable.post(f"{RECORDS}/listRecords", json=a_page())

    pages_of(client, a_long_query(15_000))

    assert [request.method for request in airtable.request_history] == ["GET", "POST"]


def test_body_of_a_long_query(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A POST has everything in its body, including the offset of the next page."""
    query = a_long_query(15_001)
    airtable.post(
        f"{RECORDS}/listRecords", [{"json": a_page(offset="itrA/recA")}, {"json": a_page()}]
    )

    pages_of(client, query)

    first = {"pageSize": 100, "returnFieldsByFieldId": True, "fields": list(query.field_ids)}
    assert [request.json() for request in airtable.request_history] == [
        first,
        {**first, "offset": "itrA/recA"},
    ]
    assert [request.query for request in airtable.request_history] == ["", ""]


def test_timeouts(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """No request waits for ever, to be connected or to be answered."""
    airtable.get(f"{API}/meta/bases", json={"bases": []})

    client.list_bases()

    timeouts: object = airtable.request_history[0].timeout
    assert timeouts == (15.0, 90.0)


def test_headers(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """A request carries the connector's name and the token."""
    airtable.get(f"{API}/meta/bases", json={"bases": []})

    client.list_bases()

    headers = airtable.request_history[0].headers
    assert headers["User-Agent"] == f"source-airtable/{__version__}"
    assert headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/proxy", "http://127.0.0.1:8080/proxy/"])
def test_moved_api(
    config: Config,
    clock: FakeClock,
    airtable: requests_mock.Mocker,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    """AIRTABLE_API_URL moves every call to another address."""
    monkeypatch.setenv(API_URL_VARIABLE, url)
    airtable.get("http://127.0.0.1:8080/proxy/v0/meta/bases", json={"bases": []})

    bases = AirtableClient(build_authenticator(config, {}), AirtableBudget()).list_bases()

    assert bases == []


@pytest.mark.parametrize("url", ["api.airtable.com", "ftp://example.com", "file:///etc"])
def test_refused_api_address(config: Config, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """AIRTABLE_API_URL must be an HTTP address."""
    monkeypatch.setenv(API_URL_VARIABLE, url)

    with pytest.raises(InvalidConfigError, match="AIRTABLE_API_URL"):
        AirtableClient(build_authenticator(config, {}), AirtableBudget())


@pytest.mark.parametrize("empty", [MOST_EMPTY_PAGES, MOST_EMPTY_PAGES + 1])
def test_empty_pages_without_end(
    client: AirtableClient, airtable: requests_mock.Mocker, empty: int
) -> None:
    """A list goes on over many empty pages in a row, and ends with an error over too many."""
    pages = [a_page(offset=f"itrA/{number}") for number in range(empty)]
    airtable.get(RECORDS, [{"json": page} for page in (*pages, a_page("recA"))])

    if empty == MOST_EMPTY_PAGES:
        assert len(pages_of(client)) == empty + 1
    else:
        with pytest.raises(ContractError, match="empty pages in a row"):
            pages_of(client)


def test_odd_page_is_asked_for_once_more(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """One refusal in the middle of a list decides nothing."""
    odd: dict[str, Any] = {"status_code": 403, "json": {"error": "NOT_FOUND"}}
    airtable.get(RECORDS, [{"json": a_page("recA", offset="itrA/recA")}, odd, {"json": a_page()}])

    assert len(pages_of(client)) == 2


def test_refused_query_is_not_asked_again(
    client: AirtableClient, airtable: requests_mock.Mocker
) -> None:
    """A refusal of the query itself is final: asking again would change nothing."""
    airtable.get(RECORDS, status_code=422, json={"error": {"type": "INVALID_FILTER_BY_FORMULA"}})

    with pytest.raises(ContractError):
        pages_of(client)
    assert airtable.call_count == 1


class Asked:
    """A question that is answered with what is given, one after the other."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def __call__(self) -> object:
        """Give or raise the next answer."""
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "odd",
    [AccessDeniedError(status=403), AccessDeniedError(status=404), ContractError(status=418)],
)
def test_stray_refusal_is_asked_once_more(odd: Exception) -> None:
    """One refusal or odd answer decides nothing; a second one does."""
    assert ask_again(Asked(odd, "answer")) == "answer"

    with pytest.raises(type(odd)) as caught:
        ask_again(Asked(ContractError(), odd, "answer"))
    assert caught.value is odd


@pytest.mark.parametrize(
    "final", [ContractError(status=422), AirtableUnavailableError(status=503), ValueError("bug")]
)
def test_final_answer_is_not_asked_again(final: Exception) -> None:
    """A refusal of the query itself, and a failure that has had its tries, are final."""
    asked = Asked(final, "answer")

    with pytest.raises(type(final)):
        ask_again(asked)
    assert asked.answers == ["answer"]


def test_answer_is_asked_for_once() -> None:
    """An answer is taken at once."""
    asked = Asked("answer", "another")

    assert (ask_again(asked), asked.answers) == ("answer", ["another"])


def test_get_and_post(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Any path of the API can be read, and posted to, with a JSON object as the answer."""
    airtable.get(f"{API}/some/path", json={"given": 1})
    airtable.post(f"{API}/some/path", json={"given": 2})

    assert client.get("/some/path", {"fields": ["fldA", "fldB"], "is": True})["given"] == 1
    assert client.post("/some/path", {"content": [None]})["given"] == 2
    read, posted = airtable.request_history
    assert (read.qs, read.body) == ({"fields[]": ["fldA", "fldB"], "is": ["true"]}, None)
    assert (posted.qs, posted.json()) == ({}, {"content": [None]})


@pytest.mark.parametrize("location", [b"http://[/", b"ftp://files.example/", b"http://a..b/"])
def test_redirect_to_a_malformed_address(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, location: bytes
) -> None:
    """The error says that the address, or the one that it redirects to, cannot be used."""

    def redirect(connection: socket.socket) -> None:
        while read_head(connection):
            moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
            connection.sendall(moved + location + b"\r\n\r\n")

    with TcpServer(redirect) as server:
        monkeypatch.setenv(API_URL_VARIABLE, f"http://127.0.0.1:{server.port}")
        budget = AirtableBudget(clock=clock, sleep=clock.sleep)
        client = AirtableClient(build_authenticator(config, {}), budget)
        with pytest.raises(InvalidConfigError, match="or to the one that it redirects to"):
            client.list_bases()


def test_date_is_noted(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Airtable's clock is known from the Date of any answer."""
    airtable.get(f"{API}/meta/bases", json={"bases": []}, headers={"Date": TEN_OCLOCK})

    client.list_bases()

    assert client.latest_date == datetime(2026, 11, 18, 10, tzinfo=timezone.utc)


def test_date_of_each_page(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Each page carries its own Date; one without a usable Date carries none."""
    airtable.get(
        RECORDS,
        [
            {"json": a_page("recA", offset="itrA/recA"), "headers": {"Date": TEN_OCLOCK}},
            {"json": a_page("recB", offset="itrA/recB"), "headers": {"Date": "yesterday"}},
            {"json": a_page("recC"), "headers": {"Date": "Wed, 18 Nov 2026 10:00:07 GMT"}},
        ],
    )

    moments = [page["answered_at"] for page in pages_of(client)]

    ten = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
    assert moments == [ten, None, ten + timedelta(seconds=7)]


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": ""}])
def test_no_usable_date(
    client: AirtableClient, airtable: requests_mock.Mocker, headers: dict[str, str]
) -> None:
    """An answer without a usable Date keeps the date of an earlier one."""
    airtable.get(
        f"{API}/meta/bases",
        [
            {"json": {"bases": []}, "headers": {"Date": TEN_OCLOCK}},
            {"json": {"bases": []}, "headers": headers},
        ],
    )

    client.list_bases()
    client.list_bases()

    assert client.latest_date == datetime(2026, 11, 18, 10, tzinfo=timezone.utc)


def test_no_date_yet(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Without any usable Date, Airtable's clock is unknown."""
    airtable.get(f"{API}/meta/bases", json={"bases": []})

    client.list_bases()

    assert client.latest_date is None


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"records": None},
        {"records": {}},
        {"records": "recA"},
        {"records": ["recA"]},
        {"records": [None]},
        {"records": [{"fields": {}}]},
        {"records": [{"id": 7, "fields": {}}]},
        {"records": [{"id": "recA"}]},
        {"records": [{"id": "recA", "fields": None}]},
        {"records": [{"id": "recA", "fields": []}]},
    ],
)
def test_malformed_page(
    client: AirtableClient, airtable: requests_mock.Mocker, page: dict[str, Any]
) -> None:
    """A page that is not as Airtable documents it fails the scan, instead of losing records."""
    airtable.get(RECORDS, json=page)

    with pytest.raises(ContractError) as caught:
        pages_of(client)

    assert (caught.value.facts["base"], caught.value.facts["table"]) == (BASE, TABLE)


@pytest.mark.parametrize("path", ["/meta/bases", f"/meta/bases/{BASE}/tables"])
def test_malformed_list(client: AirtableClient, airtable: requests_mock.Mocker, path: str) -> None:
    """An answer without its list is an error, not an empty list."""
    airtable.get(API + path, json={})

    with pytest.raises(ContractError):
        client.list_bases() if path == "/meta/bases" else client.get_base_schema(BASE)


def test_half_an_emoji(client: AirtableClient, airtable: requests_mock.Mocker) -> None:
    """Half an emoji in a cell becomes a replacement character, and the page is intact."""
    records = [a_record({"fldA": "\ud83d"}, "recA"), a_record({"fldA": "😀"}, "recB")]
    airtable.get(RECORDS, text=json.dumps({"records": records}))

    page = client.get_record_page(a_query())

    assert [record["fields"]["fldA"] for record in page["records"]] == ["\ufffd", "😀"]


def test_page_is_parsed_once(
    client: AirtableClient, airtable: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is parsed once, although error handler and client both need it."""
    parsed: list[bytes] = []
    loads = orjson.loads

    def counting_loads(content: bytes) -> object:
        parsed.append(content)
        return loads(content)

    monkeypatch.setattr(orjson, "loads", counting_loads)
    airtable.get(RECORDS, json=a_page("recA"))

    client.get_record_page(a_query())

    assert len(parsed) == 1
