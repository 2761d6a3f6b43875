"""Answers, and how they are sent, whole or broken."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

from .wire import to_json

if TYPE_CHECKING:
    from .errors import Refusal

JSON: Final = "application/json; charset=utf-8"
SMALLEST_COMPRESSED: Final = 1024
"""Bytes. Compression makes smaller bodies larger."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A planned fault in the way an answer is sent."""

    delay_seconds: float = 0.0
    """Before anything is sent."""
    held_until: asyncio.Event | None = None
    """Before anything is sent."""
    stall_seconds: float = 0.0
    """After half of the body."""
    is_reset: bool = False
    is_cut: bool = False
    """The connection ends after half of the body."""


@dataclass(slots=True)
class Answer:
    """An answer before it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    damage: Damage | None = None


def to_answer(refusal: Refusal) -> Answer:
    """The answer to a refused request."""
    return Answer(status=refusal.status, body=to_json(refusal.body))


async def send(answer: Answer, request: web.Request, *, gzip: bool) -> web.StreamResponse:
    """Send an answer."""
    damage = answer.damage
    headers = {"Content-Type": answer.content_type, "Server": "Tengine", **answer.headers}
    if damage is None:
        response = web.Response(status=answer.status, body=answer.body, headers=headers)
        is_json = answer.content_type == JSON
        is_worth_it = gzip and is_json and len(answer.body) > SMALLEST_COMPRESSED
        if is_worth_it and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response
    if damage.delay_seconds:
        await asyncio.sleep(damage.delay_seconds)
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    if damage.held_until is not None:
        await damage.held_until.wait()
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    if damage.is_reset:
        _reset(request)
        return web.Response(status=answer.status)
    return await _send_in_halves(answer, damage, request, headers)


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    # A linger of zero seconds makes the kernel send RST instead of an orderly end.
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _send_in_halves(
    answer: Answer, damage: Damage, request: web.Request, headers: dict[str, str]
) -> web.StreamResponse:
    half = len(answer.body) // 2
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[:half])
    if damage.is_cut:
        if request.transport is not None:
            request.transport.close()
        return response
    await asyncio.sleep(damage.stall_seconds)
    await response.write(answer.body[half:])
    await response.write_eof()
    return response
