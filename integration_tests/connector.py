"""The connector's console script as a process of its own: what it is given, and what it says.

Every run is bounded in time, and refused when a secret appears in its output, or a cell outside a
record message.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.account import READ_SCOPES
from integration_tests.bases import CELL_MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from integration_tests.airtable_simulator import AdminClient, SimulatorProcess

Message = dict[str, Any]

REPOSITORY: Final = Path(__file__).resolve().parent.parent
CONSOLE_SCRIPT: Final = (str(Path(sys.executable).with_name("source-airtable")),)
SIGNAL_AT_IMPORT: Final = REPOSITORY / "integration_tests" / "signal_at_import.py"
FAST_CLOCK: Final = (sys.executable, "-m", "integration_tests.fast_clock")
LONGEST_RUN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02
SHORTEST_SECRET: Final = 6
"""Characters; shorter ones are no secrets and occur by chance."""

_users = count(1)


@dataclass(frozen=True)
class Run:
    """One run of a command, from its start to its end."""

    exit_code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[Message]:
        """All messages; a line that is none is an error."""
        # Not splitlines(), which takes more characters for the end of a line than JSON does.
        return [json.loads(line) for line in self.stdout.split("\n") if line]

    def of_type(self, message_type: str) -> list[Any]:
        """The contents of the messages of a type, such as ``LOG``."""
        keys = {"CONNECTION_STATUS": "connectionStatus"}
        key = keys.get(message_type, message_type.lower())
        return [said[key] for said in self.messages if said["type"] == message_type]

    @cached_property
    def records(self) -> dict[str, list[Message]]:
        """The data of record messages by stream, in their order."""
        by_stream: dict[str, list[Message]] = {}
        for record in self.of_type("RECORD"):
            by_stream.setdefault(record["stream"], []).append(record["data"])
        return by_stream

    def record_ids(self, stream: str) -> list[str]:
        """The ids of a stream's records, in their order."""
        return [record["_airtable_id"] for record in self.records.get(stream, ())]

    @property
    def states(self) -> list[Message]:
        """The states, as ``--state`` takes them."""
        return self.of_type("STATE")

    @property
    def state_streams(self) -> list[str]:
        """The streams that states were written of, in their order."""
        return [state["stream"]["stream_descriptor"]["name"] for state in self.states]

    @property
    def logs(self) -> list[str]:
        """What was logged, as ``INFO: sentence``."""
        return [f"{log['level']}: {log['message']}" for log in self.of_type("LOG")]

    @property
    def warnings(self) -> list[str]:
        """What was logged as a warning."""
        return [line for line in self.logs if line.startswith("WARN")]

    @property
    def failures(self) -> list[Message]:
        """Failures in their order: ``message``, ``failure_type`` and, where known, ``stream``."""
        errors = [trace["error"] for trace in self.of_type("TRACE") if trace["type"] == "ERROR"]
        return [
            {
                "message": error["message"],
                "failure_type": error["failure_type"],
                "stream": (error.get("stream_descriptor") or {}).get("name"),
            }
            for error in errors
        ]

    def failure_of(self, stream: str) -> Message:
        """The first failure of a stream."""
        return next(failure for failure in self.failures if failure["stream"] == stream)

    @cached_property
    def statuses(self) -> dict[str, list[str]]:
        """The statuses of each stream, in their order."""
        by_stream: dict[str, list[str]] = {}
        for trace in self.of_type("TRACE"):
            if trace["type"] == "STREAM_STATUS":
                status = trace["stream_status"]
                name = status["stream_descriptor"]["name"]
                by_stream.setdefault(name, []).append(status["status"])
        return by_stream

    @property
    def last_statuses(self) -> dict[str, str]:
        """How each stream ended."""
        return {name: statuses[-1] for name, statuses in self.statuses.items()}

    @property
    def all_streams(self) -> list[Message]:
        """The streams of the discovered catalog, those of the whole account among them."""
        catalogs = self.of_type("CATALOG")
        assert len(catalogs) == 1, self.failures or self.stderr
        streams: list[Message] = catalogs[0]["streams"]
        return streams

    @property
    def streams(self) -> list[Message]:
        """The streams of tables in the discovered catalog: only these have a table's ids."""
        return [one for one in self.all_streams if "x-airtable" in one["json_schema"]]

    @property
    def connection_status(self) -> str:
        """What ``check`` says: ``SUCCEEDED`` or ``FAILED``."""
        (status,) = self.of_type("CONNECTION_STATUS")
        said: str = status["status"]
        return said

    @property
    def end_line(self) -> str:
        """The last line that the connector logs about a sync."""
        return next(line for line in reversed(self.logs) if "calls for" in line)


class LiveRun:
    """A run that is still going on, its messages read as they come."""

    def __init__(self, process: subprocess.Popen[str], stderr: Path) -> None:
        """Follow a process, whose stderr goes to a file."""
        self.process = process
        self._stderr = stderr
        self._lines: list[str] = []

    def next_of_type(self, message_type: str) -> Message:
        """The next message of a type."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            said: Message = json.loads(line)
            if said["type"] == message_type:
                return said
        raise AssertionError(f"the connector ended without a {message_type}")

    @property
    def record_ids_so_far(self) -> list[str]:
        """The ids of the table's records among the messages that were read."""
        said: list[Message] = [json.loads(line) for line in self._lines]
        return [one["record"]["data"]["_airtable_id"] for one in said if one["type"] == "RECORD"]

    @property
    def is_going_on(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def go_on_until(self, has_come: Callable[[], object]) -> None:
        """Let it run until something is true, or it ends."""
        while self.is_going_on and not has_come():
            # Not a loop without a pause: it would take the core that the connector needs.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(LOOK_SECONDS)

    def close_stdout(self) -> None:
        """Go away, as ``head`` does."""
        assert self.process.stdout is not None
        self.process.stdout.close()

    def whole(self) -> Run:
        """All messages, those that were read before included, when the run has ended."""
        assert self.process.stdout is not None
        said = "".join(self._lines) + self.process.stdout.read()
        exit_code = self.process.wait(LONGEST_RUN_SECONDS)
        return Run(exit_code, said, self._stderr.read_text("utf-8"))


def assert_told_to_end(run: Run, exit_code: int = -signal.SIGTERM) -> None:
    """The run ended as a signal asks: with whole messages, one of which says so, and no failure."""
    assert run.exit_code == exit_code, run.stderr
    assert run.stdout.endswith("\n")
    assert len(run.messages) == run.stdout.count("\n")
    assert any("Told to end" in line for line in run.logs)
    assert run.failures == []
    assert run.stderr == ""


@dataclass(frozen=True)
class Connector:
    """The connector with settings and an address of Airtable's API."""

    api_url: str
    config: Any
    secrets: tuple[str, ...] = ()
    """What must not be said, besides the credentials of the settings."""
    is_watched: bool = True
    """Whether secrets and cells are looked for in what it says."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of the tests' own process."""

    def run(
        self,
        command: str,
        *,
        catalog: Message | None = None,
        state: Sequence[Message] | None = None,
        on_fast_clock: bool = False,
        has_debug: bool = False,
    ) -> Run:
        """Run a command to its end."""
        with tempfile.TemporaryDirectory() as folder:
            files = self._write_files(Path(folder), command, catalog, state)
            arguments = [command, *files, *(["--debug"] if has_debug else [])]
            run = self._run_process(arguments, on_fast_clock=on_fast_clock)
        if self.is_watched:
            self.assert_nothing_leaks(run)
        return run

    @contextmanager
    def started(
        self,
        command: str,
        *,
        catalog: Message | None = None,
        state: Sequence[Message] | None = None,
        on_fast_clock: bool = False,
    ) -> Iterator[LiveRun]:
        """A command that goes on running in the block; it is ended, if need be, after a minute."""
        with tempfile.TemporaryDirectory() as folder:
            files = self._write_files(Path(folder), command, catalog, state)
            # A job in the background ignores interrupts, and so would what it starts.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            stderr = Path(folder, "stderr")
            with stderr.open("w") as errors:
                process = subprocess.Popen(  # noqa: S603 - our own script
                    [*(FAST_CLOCK if on_fast_clock else CONSOLE_SCRIPT), command, *files],
                    cwd=REPOSITORY,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    encoding="utf-8",
                )
            bound = threading.Timer(LONGEST_RUN_SECONDS, process.kill)
            bound.start()
            try:
                yield LiveRun(process, stderr)
            finally:
                bound.cancel()
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()

    def discover(self) -> list[Message]:
        """The streams of tables that ``discover`` finds, in their order."""
        return self.run("discover").streams

    def discover_all(self) -> list[Message]:
        """All streams that ``discover`` finds, those of the whole account at the end."""
        return self.run("discover", on_fast_clock=True).all_streams

    def read(self, catalog: Message, **more: Any) -> Run:  # noqa: ANN401 - as of run
        """Read a configured catalog to its end."""
        return self.run("read", catalog=catalog, **more)

    def assert_nothing_leaks(self, run: Run) -> None:
        """Refuse a secret anywhere in the output, and a cell outside a record message.

        Settings that Airbyte is told to save hold secrets by intent; anywhere else these are
        secrets, too.
        """
        lines = (run.stdout + run.stderr).split("\n")
        said = "\n".join(line for line in lines if not line.startswith('{"type":"CONTROL"'))
        saved = [control["connectorConfig"]["config"] for control in run.of_type("CONTROL")]
        secrets = self._all_secrets().union(*map(_secrets_in, saved))
        leaked = [secret for secret in secrets if secret in said]
        beside_records = [
            line for line in said.split("\n") if not line.startswith('{"type":"RECORD"')
        ]
        with_cells = [line for line in beside_records if CELL_MARK in line]

        assert not leaked, "a secret is in the output"
        assert not with_cells, with_cells

    def _run_process(self, arguments: Sequence[str], *, on_fast_clock: bool) -> Run:
        if not self.environment:
            from integration_tests.forked_connector import shared_forks  # noqa: PLC0415 - it needs this module

            # A start costs more than a second; variables may be read by it alone.
            return shared_forks(is_fast=on_fast_clock).run(arguments, self._environment())
        ended = subprocess.run(  # noqa: S603 - our own script
            [*(FAST_CLOCK if on_fast_clock else CONSOLE_SCRIPT), *arguments],
            cwd=REPOSITORY,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST_RUN_SECONDS,
            check=False,
        )
        return Run(ended.returncode, ended.stdout, ended.stderr)

    def _all_secrets(self) -> set[str]:
        return _secrets_in(self.config) | _secrets_among(self.secrets)

    def _environment(self) -> dict[str, str]:
        unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "DEPLOYMENT_MODE"}
        kept = {name: text for name, text in os.environ.items() if name not in unwanted}
        own = {"AIRTABLE_API_URL": self.api_url, "NO_PROXY": "127.0.0.1"}
        return {**kept, **own, **self.environment}

    def _write_files(
        self,
        folder: Path,
        command: str,
        catalog: Message | None,
        state: Sequence[Message] | None,
    ) -> list[str]:
        contents = {
            "config": None if command == "spec" else self.config,
            "catalog": catalog,
            "state": state,
        }
        arguments = []
        for name, content in contents.items():
            if content is not None:
                path = folder / f"{name}.json"
                path.write_text(json.dumps(content), "utf-8")
                arguments += [f"--{name}", str(path)]
        return arguments


def _secrets_in(config: Any) -> set[str]:  # noqa: ANN401 - whatever a test gives as settings
    """The secrets that settings hold."""
    if not isinstance(config, dict):
        return set()
    credentials = config.get("credentials")
    given = dict(credentials) if isinstance(credentials, dict) else {}
    for name in ("auth_method", "token_expiry_date"):
        given.pop(name, None)
    given["legacy"] = config.get("api_key")
    return _secrets_among(text for text in given.values() if isinstance(text, str))


def _secrets_among(texts: Iterable[str]) -> set[str]:
    # A personal access token is an id and its secret; the latter alone is one as well.
    secrets = {part for text in texts for part in (text, text.partition(".")[2])}
    return {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}


@dataclass(frozen=True)
class Tenant:
    """Some bases of the simulator, and a token of their owner that sees only these."""

    simulator: SimulatorProcess
    bases: tuple[Message, ...]
    token: str
    settings: Message = field(default_factory=dict)

    @property
    def connector(self) -> Connector:
        """The connector with this token, and the settings of this tenant."""
        return self.connector_with()

    def connector_with(self, **settings: Any) -> Connector:  # noqa: ANN401 - settings are JSON
        """The connector with this token and other settings."""
        config = {**a_config(self.token), **self.settings, **settings}
        return Connector(self.simulator.url, config)

    @property
    def admin(self) -> AdminClient:
        """Commands to the simulator."""
        return self.simulator.admin

    def stream_name(self, base: Message, table: Message) -> str:
        """The stream of a table, by the rule for plain names."""
        return "/".join(
            (clean(base["name"]), clean(table["name"]), table["id"]),
        )


def a_tenant(
    simulator: SimulatorProcess,
    *bases: Message,
    scopes: Collection[str] = READ_SCOPES,
    **settings: Any,  # noqa: ANN401 - settings are JSON
) -> Tenant:
    """Load bases into the simulator, with a token and a user of their own."""
    base_ids = simulator.admin.load({"bases": list(bases)})
    token = simulator.admin.add_token(
        scopes=list(scopes), base_ids=base_ids, user_id=f"usrEndToEnd{next(_users):06d}"
    )
    return Tenant(simulator, bases, token, settings)


def a_config(token: str) -> Message:
    """The settings of a source that signs in with a personal access token."""
    return {"credentials": {"auth_method": "api_key", "api_key": token}}


def clean(name: str) -> str:
    """A name as the contract spells it: space to underscore, lower case, stripped."""
    return name.replace(" ", "_").lower().strip()


def a_catalog(streams: Sequence[Message], *, sync_mode: str = "full_refresh") -> Message:
    """A configured catalog of streams; incremental is what PyAirbyte sends for each of them."""
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": sync_mode,
                "destination_sync_mode": "overwrite",
                "primary_key": stream.get("source_defined_primary_key"),
                "cursor_field": stream.get("default_cursor_field"),
            }
            for stream in streams
        ]
    }


def without_columns(stream: Message, *names: str) -> Message:
    """The stream with some columns deselected."""
    json_schema = stream["json_schema"]
    kept = {key: given for key, given in json_schema["properties"].items() if key not in names}
    return {**stream, "json_schema": {**json_schema, "properties": kept}}


def an_upstream_stream(
    base: Message, table: Message, types: Mapping[str, Message] | None = None
) -> Message:
    """A stream as Airbyte's own connector discovers it: no ids, every column text unless typed."""
    text = {"type": ["null", "string"]}
    columns = {clean(given["name"]): text for given in table["fields"]}
    system = dict.fromkeys(("_airtable_id", "_airtable_created_time", "_airtable_table_name"), text)
    return {
        "name": f"{clean(base['name'])}/{clean(table['name'])}/{table['id']}",
        "json_schema": {
            "$schema": "https://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": True,
            "properties": {**system, **columns, **(types or {})},
        },
        "supported_sync_modes": ["full_refresh"],
        "is_resumable": True,
    }


def a_stream_with_ids(base: Message, table: Message) -> Message:
    """A stream by which a table is found without listing bases; every column is text."""
    stream = an_upstream_stream(base, table)
    ids = {"base_id": base["id"], "table_id": table["id"]}
    json_schema = {**stream["json_schema"], "x-airtable": ids}
    return {**stream, "json_schema": json_schema, "is_resumable": False}
