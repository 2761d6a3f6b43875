"""From the bytes of an answer to JSON."""

from __future__ import annotations

import json

import orjson
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.api.json_body import parse_body


def an_answer(content: bytes) -> requests.Response:
    """An answer with a body."""
    response = requests.Response()
    response.status_code = 200
    response._content = content  # noqa: SLF001 - requests has no other way in
    return response


def test_object() -> None:
    """A JSON object is given as it is."""
    assert parse_body(an_answer(b'{"records": []}')) == {"records": []}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b'{"records": [',
        b"[]",
        b"null",
        b'"NOT_FOUND"',
        b'{"cell": NaN}',
        b'{"cell": -Infinity}',
        b'{"cell": "M\xfcller"}',
        b'{"cell": "\\ud83d"} {}',
        b'["\\ud83d"]',
        b"[" * 100_000,
    ],
)
def test_anything_else(content: bytes) -> None:
    """What is not a JSON object by the letter of its standard is none."""
    assert parse_body(an_answer(content)) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (r"\ud83d", "\ufffd"),
        (r"a\ude00b", "a\ufffdb"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
    ],
)
def test_half_an_emoji(sent: str, expected: str) -> None:
    """Half an emoji, which is JSON but no text, becomes the replacement character."""
    content = b'{"cell": "' + sent.encode() + b'"}'

    assert parse_body(an_answer(content)) == {"cell": expected}


def test_cells_beside_half_an_emoji() -> None:
    """All other values of such an answer stay as they are, escapes and whole emojis included."""
    cells = {"a": [1, -0.5, 1e22, True, None], "b": '😀 " \\ \n\u2028 é', "c": {"ключ": []}}
    content = json.dumps({**cells, "half": "\ud83d"}).encode()

    assert parse_body(an_answer(content)) == {**cells, "half": "\ufffd"}


def test_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is parsed once, however often it is asked for."""
    parsed: list[bytes] = []
    loads = orjson.loads

    def counting_loads(content: bytes) -> object:
        parsed.append(content)
        return loads(content)

    monkeypatch.setattr(orjson, "loads", counting_loads)
    response = an_answer(b"{}")

    parse_body(response)
    parse_body(response)

    assert len(parsed) == 1


def test_no_object_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is no JSON object is not parsed a second time either."""
    response = an_answer(b"<html>")
    parse_body(response)
    monkeypatch.delattr(orjson, "loads")

    assert parse_body(response) is None


@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    """Whatever arrives, parsing never fails, and gives an object that can be stored, or nothing."""
    parsed = parse_body(an_answer(content))

    assert parsed is None or orjson.loads(orjson.dumps(parsed)) == parsed


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_any_text(cells: dict[str, str]) -> None:
    """Whatever Airtable escapes, halves of emojis included, becomes text that can be stored."""
    parsed = parse_body(an_answer(json.dumps(cells).encode()))

    assert parsed is not None
    assert orjson.loads(orjson.dumps(parsed)) == parsed
