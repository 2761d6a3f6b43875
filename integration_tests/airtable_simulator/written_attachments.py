"""Attachments that the API writes: those given by URL are fetched, from this machine only.

What cannot be fetched stays an attachment without size and type, as one that Airtable has yet to
fetch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp

from .access import open_table
from .files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .endpoints import Request
    from .simulator import Simulator
    from .table import Table

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
FETCH_SECONDS: Final = 10.0
MOST_BYTES: Final = 50 * 1024 * 1024
"""Of a file that is fetched."""
OK: Final = 200
BINARY: Final = "application/octet-stream"
STORED_AT: Final = "https://v5.airtableusercontent.com/v3/u/1/1/1704276000000"


def add_attachment(simulator: Simulator, name: str, file: File | None) -> dict[str, Any]:
    """A new attachment, for a cell. The simulator serves it."""
    key = simulator.account.make_id("att")
    simulator.files.keep(key, None if file is None else file.content)
    made = {"id": key, "url": f"{STORED_AT}/{key}", "filename": name}
    if file is None:
        return made
    return {**made, "size": len(file.content), "type": file.content_type}


def is_address(url: str) -> bool:
    """Whether a text is the URL of a file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def name_of(url: str) -> str:
    """The name of the file at a URL."""
    return unquote(urlsplit(url).path.rpartition("/")[2]) or "file"


async def fetch_sources(simulator: Simulator, request: Request) -> None:
    """Fetch what a write names by URL into the request's files, each URL once."""
    _, table = open_table(simulator, request)
    urls = dict.fromkeys(url for url in _urls(table, request.body) if _is_near(url))
    if not urls:
        return
    limit = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    async with aiohttp.ClientSession(timeout=limit, trust_env=False) as session:
        for url in urls:
            file = await _fetch(session, url)
            if file is not None:
                request.files[url] = file


def _urls(table: Table, body: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    records = body.get("records", [body]) if isinstance(body, dict) else ()
    for record in records if isinstance(records, list) else ():
        fields = record.get("fields") if isinstance(record, dict) else None
        for name, cell in fields.items() if isinstance(fields, dict) else ():
            field_id = table.field_id(name)
            if field_id is None or table.field(field_id)["type"] != "multipleAttachments":
                continue
            for one in cell if isinstance(cell, list) else ():
                if isinstance(one, dict) and isinstance(one.get("url"), str):
                    yield one["url"]


def _is_near(url: str) -> bool:
    return is_address(url) and urlsplit(url).hostname in LOOPBACK


async def _fetch(session: aiohttp.ClientSession, url: str) -> File | None:
    try:
        # A redirect could lead off this machine.
        async with session.get(url, allow_redirects=False) as answer:
            content = await answer.content.read(MOST_BYTES + 1)
            while len(content) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                content += more
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError):
        return None
    if answer.status != OK or len(content) > MOST_BYTES:
        return None
    return File(content, answer.headers.get("Content-Type", BINARY).partition(";")[0].strip())
