"""What an endpoint declares, and how a request finds its endpoint."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from . import errors
from .account import PersonalAccessToken
from .answers import Answer
from .simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiohttp import web

    from .files import File

Json = Any
RESERVED: Final = ("bases", "meta")
"""Parts of paths that are never a base's id."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to an endpoint, after its token is checked and its body is read."""

    endpoint: Endpoint
    names: Mapping[str, str]
    """The parts of the path, by their names in the endpoint's path."""
    token: PersonalAccessToken
    body: Json
    fault: dict[str, Any]
    """The fault planned for this request, or an empty dictionary."""
    origin: str
    """The simulator's own address, such as ``http://127.0.0.1:8123``."""
    raw_path: str
    authorization: str
    files: dict[str, File] = field(default_factory=dict)
    """By URL: the files that the request's body names, where they could be fetched."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request before anything of it is checked."""

    endpoint: Endpoint
    names: Mapping[str, str]
    at: float
    authorization: str
    url_length: int
    """Characters of the path and the query."""


async def read_body(request: web.Request) -> Json:
    """Read the JSON body of a write, or the query of any other request.

    Raises: ``Refusal`` 400 for a body that is not JSON.
    """
    if request.method not in ("POST", "PATCH", "PUT"):
        return dict(request.rel_url.query)
    try:
        return json.loads(await request.read() or b"{}")
    except ValueError:
        raise errors.Refusal(400, errors.to_error("INVALID_REQUEST_BODY")) from None


Respond: TypeAlias = Callable[[Simulator, Request], bytes | Answer]
Admit: TypeAlias = Callable[[Simulator, Arrival], PersonalAccessToken | Answer]
Prepare: TypeAlias = Callable[[Simulator, Request], Awaitable[None]]
ReadBody: TypeAlias = "Callable[[web.Request], Awaitable[Json]]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: which requests it takes, what they need, and the function that responds.

    Shape of a path: ``/v0/{base}/{table}``. A last part ``*`` stands for any number of parts.
    """

    kind: str
    """The name in statistics and in planned faults. Several endpoints may share one."""
    method: str
    path: str
    respond: Respond
    """Returns JSON or a whole answer. Raises ``Refusal`` for what Airtable refuses."""
    scopes: tuple[str, ...] = ()
    levels: tuple[str, ...] | None = None
    """The permission levels that suffice. None: every level but ``none``."""
    is_counted: bool = False
    """Whether the monthly quota counts the call."""
    source: str = "publicApi"
    """Who changes the base, as webhooks show it."""
    read: ReadBody = read_body
    prepare: Prepare | None = None
    """Awaited before the response, for what takes time. Raises ``Refusal`` as ``respond``."""
    admit: Admit | None = None
    """Replaces the check of token and limits. For what is not part of the Web API."""


def _refuse(_: Simulator, __: Request) -> bytes:
    raise errors.not_found()


UNKNOWN: Final = Endpoint("unknown", "", "", _refuse)


class Endpoints:
    """All registered endpoints. The first one that fits a request takes it."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Register endpoints."""
        self._by_method: dict[str, list[tuple[list[str], Endpoint]]] = defaultdict(list)
        for endpoint in endpoints:
            self._by_method[endpoint.method].append((_to_parts(endpoint.path), endpoint))

    def find(self, method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]]:
        """Find the endpoint of a percent-encoded path, and the names in the path.

        Shape: ``("GET", "/v0/appX/Week%2FDay")`` -> ``list_records`` and ``{"base": "appX",
        "table": "Week/Day"}``.
        """
        parts = [unquote(part) for part in _to_parts(raw_path)]
        for pattern, endpoint in self._by_method.get(method, ()):
            names = _match(pattern, parts)
            if names is not None:
                return endpoint, names
        return UNKNOWN, {}


def _to_parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _match(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if pattern[-1] == "*":
        pattern = pattern[:-1]
        parts = parts[: len(pattern)]
    if len(pattern) != len(parts):
        return None
    names = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if not wanted.startswith("{"):
            if wanted != part:
                return None
        elif wanted == "{base}" and part in RESERVED:
            return None
        else:
            names[wanted[1:-1]] = part
    return names
