"""The host of attachments' files. Their URLs expire on a whole hour, two to three hours later.

See: https://airtable.com/developers/web/api/field-model#multipleattachments
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from .answers import Answer
from .ids import make_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .record import Cells

Attachment = dict[str, Any]

LIFE_SECONDS: Final = 7_200.0
"""The shortest life of a URL."""
HOUR_SECONDS: Final = 3_600
DEFAULT_SIZE: Final = 1_000
"""Bytes of a file whose attachment has no size, as right after an upload."""
THUMBNAIL_SIZE: Final = 200
ADDRESS: Final = re.compile(
    r"/files(?P<signed>/v3/u/\d+/\d+/(?P<expires_ms>\d+))/(?P<signature>\w+)"
    r"/(?P<id>att\w+)/[^/]+(?:/(?P<thumbnail>small|large|full))?",
    re.ASCII,
)


def file_content(attachment_id: str, size: int = DEFAULT_SIZE) -> bytes:
    """The bytes of an attachment's file. They depend only on its id and size."""
    return random.Random(attachment_id).randbytes(size)  # noqa: S311 - repeatable, not secret


@dataclass(frozen=True, slots=True)
class File:
    """A file's bytes and its type."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer: each attachment in it has one URL."""

    origin: str
    """The simulator's own address, such as ``http://127.0.0.1:8123``."""
    now: float
    is_listing: bool
    serves_all: bool = True
    """Whether loaded attachments have URLs of the simulator too, and not only written ones."""
    urls: dict[str, str] = field(default_factory=dict)
    """By attachment id."""


class FileHost:
    """Makes URLs and serves their files."""

    def __init__(self) -> None:
        """Start with no file."""
        self._made = 0
        self._files: dict[str, Attachment] = {}
        """By id: the attachments that have a URL."""
        self._contents: dict[str, bytes | None] = {}
        """By id of written attachments: their bytes. None: they could not be fetched."""
        self._expired: dict[str, bool] = {}
        """By id of attachments with expired URLs: whether get record gives a valid one."""

    @property
    def has_written(self) -> bool:
        """Whether an attachment was written through the API."""
        return bool(self._contents)

    def keep(self, attachment_id: str, content: bytes | None) -> None:
        """Serve a written attachment from now on."""
        self._contents[attachment_id] = content

    def expire(self, attachment_id: str, *, is_renewable: bool) -> None:
        """Make listings show an expired URL, and get record a valid one if it is renewable."""
        self._expired[attachment_id] = is_renewable

    def renew(self, cells: Cells, field_ids: Iterable[str], reading: Reading) -> Cells:
        """A record's cells, with new URLs in these fields."""
        renewed = {key: self._renew_cell(cells[key], reading) for key in field_ids if key in cells}
        return {**cells, **renewed}

    def _renew_cell(self, cell: Any, reading: Reading) -> Any:  # noqa: ANN401 - a cell is anything
        if not isinstance(cell, list):
            return cell
        # A lookup can have nulls and errors among its attachments.
        return [
            self._renew_attachment(one, reading) if isinstance(one, dict) and "url" in one else one
            for one in cell
        ]

    def _renew_attachment(self, given: Attachment, reading: Reading) -> Attachment:
        key = given["id"]
        if not reading.serves_all and key not in self._contents:
            return given
        self._files[key] = given
        url = reading.urls.get(key) or self._make_url(given, reading)
        reading.urls[key] = url
        renewed = {**given, "url": url}
        if "thumbnails" in given:
            renewed["thumbnails"] = {
                name: {**one, "url": f"{url}/{name}"} for name, one in given["thumbnails"].items()
            }
        return renewed

    def _make_url(self, given: Attachment, reading: Reading) -> str:
        """A new URL that expires on a whole hour, in two hours or later.

        Shape: ``http://127.0.0.1:8123/files/v3/u/17/17/1793529000000/QwErTy…/attW8eG2x0ew1Af/a.png``.
        """
        self._made += 1
        expires_at: float = ceil((reading.now + LIFE_SECONDS) / HOUR_SECONDS) * HOUR_SECONDS
        is_renewable = self._expired.get(given["id"])
        if is_renewable is not None and (reading.is_listing or not is_renewable):
            expires_at = reading.now
        signed = f"/v3/u/{self._made}/{self._made}/{int(expires_at * 1000)}"
        signature = make_id("", given["id"], signed)
        # HTTP clients read a name of dots as a folder, and servers refuse control characters.
        plain = re.sub(r"^\.+$|[\x00-\x1f]", "_", given.get("filename") or "file")
        name = quote(plain, safe="")
        return f"{reading.origin}/files{signed}/{signature}/{given['id']}/{name}"

    def answer(self, raw_path: str, now: float, expired_status: int) -> tuple[str, Answer]:
        """The outcome in one word, and the answer."""
        asked = ADDRESS.fullmatch(raw_path)
        known = self._files.get(asked["id"]) if asked else None
        if asked is None or known is None:
            return "unknown", _refuse(404, b"Not found")
        if asked["signature"] != make_id("", asked["id"], asked["signed"]):
            return "unknown", _refuse(403, b"Invalid signature")
        if now * 1000 >= int(asked["expires_ms"]):
            return "expired", _refuse(expired_status, b"This URL has expired")
        if asked["thumbnail"]:
            content = file_content(f"{known['id']}/{asked['thumbnail']}", THUMBNAIL_SIZE)
            return "sent", Answer(body=content, content_type="image/jpeg")
        return "sent", Answer(
            body=self._content(known), content_type=known.get("type", "application/octet-stream")
        )

    def _content(self, known: Attachment) -> bytes:
        written = self._contents.get(known["id"])
        if written is not None:
            return written
        return file_content(known["id"], known.get("size", DEFAULT_SIZE))


def _refuse(status: int, text: bytes) -> Answer:
    return Answer(status=status, body=text, content_type="text/plain")
