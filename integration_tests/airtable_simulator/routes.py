"""Paths of the Web API: which endpoint a request means, and for which base, table and record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

OAUTH_TOKEN: Final = "oauth_token"  # noqa: S105 - the name of an endpoint


@dataclass(frozen=True, slots=True)
class Route:
    """One request's endpoint; ``kind`` is ``unknown`` for a path Airtable does not have."""

    kind: str
    base: str | None = None
    table: str | None = None
    record: str | None = None


def find_route(method: str, raw_path: str) -> Route:  # noqa: PLR0911 - one for each endpoint
    """The endpoint of a still percent-encoded path.

    Shape: ``("GET", "/v0/appX/Week%2FDay")`` -> kind ``list_records``, table ``Week/Day``.
    """
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    match method, parts:
        case "POST", ["oauth2", "v1", "token"]:
            return Route(OAUTH_TOKEN)
        case "GET", ["v0", "meta", "whoami"]:
            return Route("whoami")
        case "GET", ["v0", "meta", "bases"]:
            return Route("list_bases")
        case "GET", ["v0", "meta", "bases", base, "tables"]:
            return Route("base_schema", base)
        case _, ["v0", "meta", *_]:
            return Route("unknown")
        case "GET", ["v0", base, table]:
            return Route("list_records", base, table)
        case "POST", ["v0", base, table, "listRecords"]:
            return Route("list_records", base, table)
        case "GET", ["v0", base, table, record]:
            return Route("get_record", base, table, record)
        case "POST" | "PATCH" | "PUT" | "DELETE", ["v0", base, table] | ["v0", base, table, _]:
            return Route("write", base, table)
        case _:
            return Route("unknown")
