"""The simulator's command line. The first line on stdout has its URL."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from aiohttp import web

from .account import DEFAULT_TOKEN
from .certificate import server_context, write_certificate
from .distance import Distance, Relay
from .process import start_server
from .sample_base import sample_account
from .settings import UNLIMITED, Settings
from .simulator import Simulator
from .synthetic import synthetic_account

PARENT_CHECK_SECONDS = 1.0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m integration_tests.airtable_simulator",
        description="A server on 127.0.0.1 that answers and refuses as Airtable's Web API does.",
    )
    add = parser.add_argument
    add("--bases", action="append", default=[], type=Path, help="a JSON file of bases; repeatable")
    add("--sample", action="store_true", help="serve the built-in sample base")
    add("--synthetic", help="bases=10,tables=2,records=1000,fields=20,cell_bytes=24")
    add("--port", type=int, default=0, help="0: any free port")
    add("--latency-ms", type=float, default=0.0)
    add("--jitter-ms", type=float, default=0.0, help="up to this much more latency")
    add("--no-limits", action="store_true", help="no limits per second")
    add("--tls", action="store_true", help="serve HTTPS with a new certificate")
    add("--one-way-ms", type=float, default=0.0, help="the distance, for connections too")
    add("--one-way-jitter-ms", type=float, default=0.0, help="up to this much farther")
    add("--gzip", action="store_true", help="compress answers, as Airtable does")
    add("--serve-attachments", action="store_true", help="serve the files of attachments")
    add("--set", action="append", default=[], metavar="NAME=JSON", help="any other setting")
    add("--stop-after-seconds", type=float, default=900.0)
    add("--keep-running", action="store_true", help="ignore stdin and the parent's end")
    return parser


def to_settings(arguments: argparse.Namespace) -> Settings:
    """The settings of a command line."""
    changes: dict[str, Any] = dict(UNLIMITED) if arguments.no_limits else {}
    changes |= {"latency_ms": arguments.latency_ms, "jitter_ms": arguments.jitter_ms}
    changes |= {"gzip": arguments.gzip, "serves_attachments": arguments.serve_attachments}
    for given in arguments.set:
        name, _, value = given.partition("=")
        changes[name] = json.loads(value)
    return Settings().changed(changes)


def build_simulator(arguments: argparse.Namespace) -> Simulator:
    """The simulator of a command line, with its bases loaded."""
    simulator = Simulator(to_settings(arguments))
    documents = [orjson.loads(path.read_bytes()) for path in arguments.bases]
    if arguments.sample:
        documents.append(sample_account())
    if arguments.synthetic:
        figures = (figure.partition("=") for figure in arguments.synthetic.split(","))
        documents.append(synthetic_account(**{name: int(value) for name, _, value in figures}))
    for document in documents:
        simulator.account.load(document, simulator.clock.now())
    return simulator


async def serve(simulator: Simulator, arguments: argparse.Namespace) -> None:
    """Serve until the time is over, the parent process ends, or stdin is closed."""
    loop = asyncio.get_running_loop()
    is_over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, is_over.set)
    distance = Distance(
        arguments.one_way_ms / 1000, arguments.one_way_jitter_ms / 1000, arguments.tls
    )
    is_near = distance == Distance()
    runner, near_url = await start_server(simulator, arguments.port if is_near else 0)
    closing = contextlib.AsyncExitStack()
    closing.push_async_callback(runner.cleanup)
    said = {"url": near_url, "token": DEFAULT_TOKEN}
    if not is_near:
        said |= await _move_away(runner, arguments, distance, closing)
        said["near_url"] = near_url
    print(json.dumps(said), flush=True)  # noqa: T201 - the first line
    parent = os.getppid()
    # Do not read a terminal: a background process that reads it is stopped.
    if not arguments.keep_running and not sys.stdin.isatty():
        _watch_stdin(loop, is_over)
    watching = (
        None if arguments.keep_running else asyncio.ensure_future(_watch_parent(parent, is_over))
    )
    async with closing:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(is_over.wait(), arguments.stop_after_seconds)
        if watching is not None:
            watching.cancel()


async def _move_away(
    runner: web.AppRunner,
    arguments: argparse.Namespace,
    distance: Distance,
    closing: contextlib.AsyncExitStack,
) -> dict[str, str]:
    """Also serve at a distance. Return what the first line on stdout adds."""
    said: dict[str, str] = {}
    port: int = runner.addresses[0][1]
    if arguments.tls:
        folder = closing.enter_context(TemporaryDirectory())
        certificate = write_certificate(Path(folder))
        # Behind the relay, so that the TLS handshake has the same distance as the requests.
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificate))
        await site.start()
        port = runner.addresses[-1][1]
        said["certificate"] = str(certificate)
    relay = Relay(port, distance)
    closing.push_async_callback(relay.stop)
    far_port = await relay.start(arguments.port)
    scheme = "https" if arguments.tls else "http"
    return {**said, "url": f"{scheme}://127.0.0.1:{far_port}"}


def _watch_stdin(loop: asyncio.AbstractEventLoop, is_over: asyncio.Event) -> None:
    def read_to_end() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(is_over.set)

    threading.Thread(target=read_to_end, daemon=True).start()


async def _watch_parent(parent: int, is_over: asyncio.Event) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - no event signals a parent's end
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    is_over.set()


def main() -> None:
    """Run."""
    arguments = build_parser().parse_args()
    simulator = build_simulator(arguments)
    # Cells never become garbage. Scanning millions of them at each collection halves the speed.
    gc.freeze()
    asyncio.run(serve(simulator, arguments))


if __name__ == "__main__":
    main()
