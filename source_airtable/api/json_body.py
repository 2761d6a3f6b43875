"""Parse the JSON of an answer, once per answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    import requests

_PARSED = "_airtable_parsed_body"


def parse_body(response: requests.Response) -> dict[str, Any] | None:
    """Return the JSON object in an answer, or None if it is not a JSON object.

    The result stays on the response. The error handler checks the body before the client uses it,
    and a page is too large to parse twice.
    """
    if _PARSED not in response.__dict__:
        response.__dict__[_PARSED] = _parse_object(response.content)
    return cast("dict[str, Any] | None", response.__dict__[_PARSED])


def _parse_object(content: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = _parse_with_lone_surrogates(content)
    return parsed if isinstance(parsed, dict) else None


def _parse_with_lone_surrogates(content: bytes) -> Any:  # noqa: ANN401 - JSON may be anything
    r"""Parse JSON that contains half an emoji. U+FFFD replaces the half.

    A formula such as `LEFT({Name}, 1)` cuts an emoji in two, and Airtable sends the half as
    `"\ud83d"`. That is valid JSON but not valid text, so no warehouse could store it. The result is
    None for anything else that orjson refuses.
    """
    try:
        parsed = json.loads(content)
        text = json.dumps(parsed, ensure_ascii=False)
        return orjson.loads(
            text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )
    except (ValueError, RecursionError):
        return None
