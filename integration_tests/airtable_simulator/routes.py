"""Paths of the Web API: which endpoint a request means, and for which base, table and record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

OAUTH_TOKEN: Final = "oauth_token"  # noqa: S105 - the name of an endpoint
GET_FILE: Final = "get_file"
WRITE_KINDS: Final = {
    "POST": "create_records",
    "PATCH": "update_records",
    "PUT": "replace_records",
    "DELETE": "delete_records",
}
WEBHOOK_KINDS: Final = {
    ("GET", 0): "list_webhooks",
    ("POST", 0): "create_webhook",
    ("DELETE", 1): "delete_webhook",
}
"""By method, and how many webhooks are named."""


@dataclass(frozen=True, slots=True)
class Route:
    """One request's endpoint; ``kind`` is ``unknown`` for a path Airtable does not have."""

    kind: str
    base: str | None = None
    table: str | None = None
    record: str | None = None
    """Also a field's id where a field is meant, an attachment's, a sync's, and a webhook's."""
    field: str | None = None
    """Where a record is named as well."""


def find_route(method: str, raw_path: str) -> Route:
    """The endpoint of a still percent-encoded path.

    Shape: ``("GET", "/v0/appX/Week%2FDay")`` -> kind ``list_records``, table ``Week/Day``.
    """
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if (method, parts) == ("POST", ["oauth2", "v1", "token"]):
        return Route(OAUTH_TOKEN)
    if method == "GET" and parts[:3] == ["files", "v3", "u"]:
        # /files/v3/u/1/1/1793529000000/<signature>/att…/<name>
        return Route(GET_FILE, record=parts[7] if len(parts) > 7 else None)
    if parts[:2] == ["v0", "meta"]:
        return _find_meta_route(method, parts[2:])
    if parts[:2] == ["v0", "bases"] and parts[3:4] == ["webhooks"]:
        kind = WEBHOOK_KINDS.get((method, len(parts[4:])))
        return Route(kind, parts[2], record="".join(parts[4:])) if kind else Route("unknown")
    return _find_record_route(method, parts[1:]) if parts[0] == "v0" else Route("unknown")


def _find_meta_route(method: str, parts: list[str]) -> Route:  # noqa: PLR0911 - one for each endpoint
    match method, parts:
        case "GET", ["whoami"]:
            return Route("whoami")
        case "GET", ["bases"]:
            return Route("list_bases")
        case "POST", ["bases"]:
            return Route("create_base")
        case "GET", ["bases", base, "tables"]:
            return Route("base_schema", base)
        case "POST", ["bases", base, "tables"]:
            return Route("create_table", base)
        case "PATCH", ["bases", base, "tables", table]:
            return Route("update_table", base, table)
        case "POST", ["bases", base, "tables", table, "fields"]:
            return Route("create_field", base, table)
        case "PATCH", ["bases", base, "tables", table, "fields", field]:
            return Route("update_field", base, table, field)
        case _:
            return Route("unknown")


def _find_record_route(method: str, parts: list[str]) -> Route:  # noqa: PLR0911 - one for each endpoint
    match method, parts:
        case "POST", [base, record, field, "uploadAttachment"]:
            return Route("upload_attachment", base, record=record, field=field)
        case "GET", [base, table]:
            return Route("list_records", base, table)
        case "POST", [base, table, "listRecords"]:
            return Route("list_records", base, table)
        case "GET", [base, table, record]:
            return Route("get_record", base, table, record)
        case "POST", [base, table, "sync", sync_id]:
            return Route("sync_csv", base, table, sync_id)
        case "GET", [base, table, record, "comments"]:
            return Route("list_comments", base, table, record)
        case "POST", [base, table, record, "comments"]:
            return Route("create_comment", base, table, record)
        case "POST" | "PATCH" | "PUT" | "DELETE", [base, table]:
            return Route(WRITE_KINDS[method], base, table)
        case "PATCH" | "PUT" | "DELETE", [base, table, record]:
            return Route(WRITE_KINDS[method], base, table, record)
        case _:
            return Route("unknown")
