"""Whole pages are written byte for byte as the CDK prints one record after the other."""

from __future__ import annotations

import math
from typing import Any

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from hypothesis import example, given
from hypothesis import strategies as st

from source_airtable.sync.record_lines import RecordLines

NOW_MS = 1_795_000_000_123

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(), VALUES, max_size=5), max_size=4)
NAMES = st.text(max_size=20) | st.sampled_from(
    [
        "sales_crm/contacts/tblltp8DGLhqbUmjK",
        'a "quoted" name',
        "{}",
        '{"data":{}}',
        "\\{}\\",
        "\U0001f4e6 B\u00e4ckerei",
        "\n\t\x00\u2028",
    ]
)


def printed(stream_name: str, rows: list[dict[str, Any]]) -> str:
    """What the CDK prints of these rows."""
    messages = [
        AirbyteMessage(
            type=Type.RECORD,
            record=AirbyteRecordMessage(stream=stream_name, data=dict(row), emitted_at=NOW_MS),
        )
        for row in rows
    ]
    return "".join(f"{AirbyteEntrypoint.airbyte_message_to_string(one)}\n" for one in messages)


def written(stream_name: str, *pages: list[dict[str, Any]]) -> str:
    """What is written of pages of rows."""
    out: list[str] = []
    lines = RecordLines(out.append)
    for rows in pages:
        lines.write(stream_name, rows)
    return "".join(out)


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every record be emitted at the same moment."""
    monkeypatch.setattr("source_airtable.sync.record_lines.time.time", lambda: NOW_MS / 1000)


ODD_ROW: dict[str, Any] = {
    "null": None,
    "big": 2**64,
    "bigger": -(10**40),
    "nested": {"null": None, "list": [None, {"a": 2**65}], "empty": {}},
    "text": '\u2028"\\{}\x7f\U0001f4e6',
    "float": 1e300,
    "tiny": 5e-324,
    "minus": -0.0,
}


@given(NAMES, ROWS)
@example("contacts", [ODD_ROW, {}, {"a": None}])
@example("contacts", [])
@example("contacts", [{"a": "\ud83d"}])
def test_lines(stream_name: str, rows: list[dict[str, Any]]) -> None:
    """Whatever a row holds, and whatever its stream is called, its line is the CDK's."""
    assert written(stream_name, rows) == printed(stream_name, rows)


def test_pages_of_one_stream() -> None:
    """The second page of a stream is written like the first one."""
    first, second = [{"id": "recA"}, {"id": "recB"}], [{"id": "recC"}]

    assert written("contacts", first, second) == printed("contacts", [*first, *second])


def test_one_write_a_page() -> None:
    """A page is one write, so that no other line gets into it."""
    out: list[str] = []

    RecordLines(out.append).write("contacts", [{"id": "recA"}, {"id": "recB"}])

    assert [text.count("\n") for text in out] == [2]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none(number: float) -> None:
    """Numbers that JSON does not have are written as the CDK writes them."""
    rows = [{"number": number}]

    assert written("contacts", rows) == printed("contacts", rows)
