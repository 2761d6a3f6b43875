"""Puts the simulator together: the state, the server, its endpoints and its commands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from . import (
    attachments,
    comment_writes,
    csv_sync,
    metadata,
    oauth_endpoint,
    reads,
    schema_writes,
    webhooks,
    writes,
)
from .commands import run_command
from .server import Server

if TYPE_CHECKING:
    from .simulator import Simulator

MODULES: Final = (
    metadata,
    schema_writes,
    webhooks,
    attachments,
    comment_writes,
    csv_sync,
    reads,
    writes,
    oauth_endpoint,
)


def build_app(simulator: Simulator) -> web.Application:
    """The aiohttp application that serves a simulator."""
    server = Server(simulator, [endpoint for module in MODULES for endpoint in module.ENDPOINTS])
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/_simulator/{command:.*}", partial(run_command, simulator))
    app.router.add_route("*", "/{path:.*}", server.answer)
    app.on_response_prepare.append(server.set_date)
    return app
