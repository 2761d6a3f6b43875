"""The samples in `samples/errors`: an answer without data, and the expected outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import requests

from source_airtable.api.client import RecordQuery
from unit_tests.builders import API, BASE, NAME_FIELD, TABLE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests_mock

    from source_airtable.api.client import AirtableClient

SAMPLES = Path(__file__).parent / "samples" / "errors"


@dataclass(frozen=True)
class ErrorSample:
    """One file."""

    name: str
    content: dict[str, Any]

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401 - whatever the file holds
        """Return an entry of the file's `expected`."""
        try:
            return self.content["expected"][key]
        except KeyError:
            raise AttributeError(key) from None

    @property
    def url(self) -> str:
        """The call that Airtable answered."""
        paths = {
            "records": f"/{BASE}/{TABLE}",
            "schema": f"/meta/bases/{BASE}/tables",
            "bases": "/meta/bases",
        }
        return API + paths[self.content["about"]]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that a message about it must name."""
        ids: dict[str, tuple[str, ...]] = {
            "records": (BASE, TABLE),
            "schema": (BASE,),
            "bases": (),
        }
        return ids[self.content["about"]]

    @property
    def answer(self) -> dict[str, Any]:
        """The answer as requests_mock takes it."""
        if "exception" in self.content:
            return {"text": self._fail}
        headers = self.content["headers"]
        if "body" in self.content:
            return {
                "status_code": self.content["status"],
                "headers": headers,
                "json": self.content["body"],
            }
        text = self.content["text"].encode(self.content.get("encoding", "utf-8"))
        return {"status_code": self.content["status"], "headers": headers, "content": text}

    @property
    def private_texts(self) -> list[str]:
        """The texts of the body except its error type."""
        body = self.content.get("body")
        return [text for text in (self.content.get("text"), *_sentences(body)) if text]

    def ask(self, client: AirtableClient) -> object:
        """Make the call that gets this answer."""
        if self.content["about"] == "bases":
            return client.list_bases()
        if self.content["about"] == "schema":
            return client.get_base_schema(BASE)
        return client.get_record_page(RecordQuery(BASE, TABLE, (NAME_FIELD,)))

    def _fail(self, request: requests.PreparedRequest, context: object) -> str:
        """Fail as requests does: the exception knows the request, and its text quotes it."""
        failure = getattr(requests.exceptions, self.content["exception"])
        message = f"HTTPSConnectionPool: Max retries exceeded with url: {request.url} {TOKEN}"
        raise failure(message, request=request)


ANSWER: dict[str, list[object]] = {"bases": [], "tables": [], "records": []}
"""A usable answer to any of the three calls."""


def load_samples() -> list[ErrorSample]:
    """Read all samples, by name."""
    return [
        ErrorSample(path.stem, json.loads(path.read_text("utf-8")))
        for path in sorted(SAMPLES.glob("*.json"))
    ]


def answer_with(
    airtable: requests_mock.Mocker, sample: ErrorSample, *, times: int | None = None
) -> None:
    """Let Airtable answer with a sample, always or so many times before it succeeds."""
    answers = [sample.answer] if times is None else [sample.answer] * times + [{"json": ANSWER}]
    airtable.get(sample.url, cast("Any", answers))


def _sentences(body: object) -> Iterator[str]:
    if isinstance(body, dict):
        for key, inner in body.items():
            if key not in {"type", "error"} or not isinstance(inner, str):
                yield from _sentences(inner)
    elif isinstance(body, list):
        for inner in body:
            yield from _sentences(inner)
    elif isinstance(body, str):
        yield body
