"""Airtable ids: their shapes, and deterministic ones for generated bases."""

from __future__ import annotations

import hashlib
import re
from typing import Final

ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ID_BODY_LENGTH: Final = 14

BASE_ID: Final = re.compile(r"app[A-Za-z0-9]{14}")
RECORD_ID: Final = re.compile(r"rec[A-Za-z0-9]{14}")
VIEW_ID: Final = re.compile(r"viw[A-Za-z0-9]{14}")


def make_id(prefix: str, *parts: object) -> str:
    """The id that always belongs to these parts.

    Shape: ``make_id("rec", "Orders", 7)`` -> ``recAdw9EjV90xbZ4q``-like, 17 characters.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    number = int.from_bytes(digest[:12], "big")
    letters = []
    for _ in range(ID_BODY_LENGTH):
        number, position = divmod(number, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[position])
    return prefix + "".join(letters)
