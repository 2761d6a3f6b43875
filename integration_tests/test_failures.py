"""What a user sees when something is wrong: the failure's type, and a sentence to act on.

Messages are asserted by their essential words: what is wrong, with which base or table, and which
scope or setting mends it. Each is kept as a property of its test (``--junit-xml``).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.bases import CELL_MARK, a_base, a_field, a_record, a_table, record_ids
from integration_tests.connector import Connector, a_catalog, a_config, a_tenant, an_upstream_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

    Note = Callable[[str, object], None]

COMMANDS: Final = ("check", "discover", "read")
TOKENS_PAGE: Final = "https://airtable.com/create/tokens"
WRONG_TOKEN: Final = ".".join(("patWrongToken0000", "7" * 64))
UNKNOWN_BASE: Final = "appUnknownBase000"


@dataclass
class Scene:
    """A tenant with one healthy base, in which a test breaks something."""

    tenant: Tenant
    base: Message
    note: Note

    @property
    def table(self) -> Message:
        """The base's first table."""
        table: Message = self.base["tables"][0]
        return table

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return self.tenant.stream_name(self.base, self.table)

    @property
    def catalog(self) -> Message:
        """A catalog of all of the base's tables, as discover would make it."""
        streams = []
        for table in self.base["tables"]:
            stream = an_upstream_stream(self.base, table)
            ids = {"base_id": self.base["id"], "table_id": table["id"]}
            json_schema = {**stream["json_schema"], "x-airtable": ids}
            streams.append({**stream, "json_schema": json_schema, "is_resumable": False})
        return a_catalog(streams)

    def run(
        self,
        command: str,
        connector: Connector | None = None,
        **more: Any,  # noqa: ANN401 - as of Connector.run
    ) -> Run:
        """Run a command and note what its user sees."""
        connector = connector or self.tenant.connector
        if command == "read":
            more = {"catalog": self.catalog, **more}
        run = connector.run(command, **more)
        first = first_failure(run)
        if first:
            self.note(f"{command} sees", f"{first['failure_type']}: {first['message']}")
        else:
            self.note(f"{command} sees", (run.warnings or run.logs)[-1])
        return run

    def run_each(
        self,
        *commands: str,
        connector: Connector | None = None,
        **more: Any,  # noqa: ANN401 - as of Connector.run
    ) -> dict[str, Run]:
        """Run some commands at the same time."""
        with ThreadPoolExecutor(len(commands)) as workers:
            running = {name: workers.submit(self.run, name, connector, **more) for name in commands}
        return {name: done.result() for name, done in running.items()}


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """What keeps a property of the test for the JUnit report, in either of its dialects."""

    def keep(name: str, told: object) -> None:
        request.node.user_properties.append((name, told))

    return keep


@pytest.fixture
def scene(airtable: SimulatorProcess, note: Note) -> Iterator[Scene]:
    """A base of one table, healthy until the test breaks it, and mended afterwards."""
    base = a_base("Sales CRM", a_table("Contacts", records=3))
    yield Scene(a_tenant(airtable, base), base, note)
    airtable.admin.clear_faults()
    airtable.admin.configure(monthly_calls=None)
    airtable.admin.forget_limits()


def first_failure(run: Run) -> Message | None:
    """The failure that the platform takes for the run's: its first trace, else check's answer."""
    if run.failures:
        return run.failures[0]
    for status in run.of_type("CONNECTION_STATUS"):
        if status["status"] == "FAILED":
            return {"failure_type": "config_error", "message": status["message"]}
    return None


def wrong_about(run: Run, command: str, failure_type: str, words: tuple[str, ...]) -> list[str]:
    """What is not as it should be about a run that has to fail."""
    first = first_failure(run)
    if first is None:
        return [f"{command} did not fail"]
    told = f"{command} says: {first['message']}"
    wrong = [f"{told} - without: {word}" for word in words if word not in first["message"]]
    if first["failure_type"] != failure_type:
        wrong.append(f"{told} - as {first['failure_type']}")
    if command == "check" and failure_type == "config_error":
        # The protocol's way: the failed status is the answer, so the command went well.
        if (run.exit_code, run.connection_status) != (0, "FAILED"):
            wrong.append(f"check ended with {run.exit_code}, {run.connection_status}")
    elif run.exit_code != 1:
        wrong.append(f"{command} ended with {run.exit_code}")
    return wrong


def assert_fails(run: Run, command: str, failure_type: str, *words: str) -> None:
    """Assert that the first failure is of a type and says these words, and how the run ended."""
    assert not wrong_about(run, command, failure_type, words)


def assert_each_fails(runs: dict[str, Run], failure_type: str, *words: str) -> None:
    """Assert the same of several commands."""
    wrong = [
        line
        for command, run in runs.items()
        for line in wrong_about(run, command, failure_type, words)
    ]

    assert not wrong


def assert_warns(run: Run, *words: str) -> None:
    """Assert that a command succeeds with a warning that says these words."""
    fitting = [line for line in run.warnings if all(word in line for word in words)]

    assert (run.exit_code, run.failures) == (0, [])
    assert fitting, run.warnings


# Tokens.


def test_wrong_token(scene: Scene) -> None:
    """A token that Airtable does not know is called wrong, with the page that makes a new one."""
    connector = Connector(scene.tenant.simulator.url, a_config(WRONG_TOKEN))
    runs = scene.run_each(*COMMANDS, connector=connector)

    assert_each_fails(runs, "config_error", "does not accept", "token", TOKENS_PAGE)


def test_token_without_schema_scope(scene: Scene) -> None:
    """A token that may not read schemas lacks ``schema.bases:read``, which is named."""
    scene.tenant.admin.set_token_scopes("data.records:read", token=scene.tenant.token)
    runs = scene.run_each(*COMMANDS)

    assert_each_fails(runs, "config_error", "schema.bases:read", TOKENS_PAGE)


def test_token_without_records_scope(scene: Scene) -> None:
    """A token that may not read records lacks ``data.records:read``, which is named."""
    scene.tenant.admin.set_token_scopes("schema.bases:read", token=scene.tenant.token)
    runs = scene.run_each("check", "read")
    words = ("lacks a scope", "scope: data.records:read", TOKENS_PAGE, "Contacts")

    assert_each_fails(runs, "config_error", *words)


@pytest.mark.parametrize(
    "config", [{}, {"credentials": {"auth_method": "api_key"}}], ids=["nothing", "no key"]
)
def test_missing_token(scene: Scene, config: Message) -> None:
    """Settings without a token are refused before Airtable is asked, naming what is missing."""
    runs = scene.run_each(*COMMANDS, connector=Connector(scene.tenant.simulator.url, config))

    assert_each_fails(runs, "config_error", "settings", "credentials")


@pytest.mark.parametrize("token", ["", "   "], ids=["empty", "blank"])
def test_empty_token(scene: Scene, token: str) -> None:
    """An empty token is refused by the name of its setting."""
    connector = Connector(scene.tenant.simulator.url, a_config(token))
    runs = scene.run_each("check", "read", connector=connector)

    assert_each_fails(runs, "config_error", "settings", "api_key")


def test_legacy_token(scene: Scene) -> None:
    """Settings of old with the token at the top are taken, and given back in today's form."""
    # Settings that are given back hold the token by intent, so that no leak is looked for.
    legacy = Connector(
        scene.tenant.simulator.url, {"api_key": scene.tenant.token}, is_watched=False
    )
    run = scene.run("check", legacy)
    given_back = [control["connectorConfig"]["config"] for control in run.of_type("CONTROL")]

    assert run.connection_status == "SUCCEEDED"
    assert given_back == [a_config(scene.tenant.token)]


# Bases and tables.


def test_base_not_shared_fails_check(scene: Scene) -> None:
    """A base in ``base_ids`` that is not shared with the token fails the check by its id."""
    hidden = a_base("Hidden", a_table("Any"))
    scene.tenant.admin.load({"bases": [hidden]})
    run = scene.run("check", scene.tenant.connector_with(base_ids=[hidden["id"]]))

    assert_fails(run, "check", "config_error", hidden["id"], "base_ids", "Share the base")


def test_base_not_shared_fails_discover(scene: Scene) -> None:
    """When no base of ``base_ids`` is shared, discover fails and never gives an empty catalog."""
    hidden = a_base("Hidden", a_table("Any"))
    scene.tenant.admin.load({"bases": [hidden]})
    run = scene.run("discover", scene.tenant.connector_with(base_ids=[hidden["id"]]))

    assert_fails(run, "discover", "config_error", "No base is left", "base_ids")
    assert any(hidden["id"] in line for line in run.warnings)


def test_base_not_shared_fails_read(scene: Scene) -> None:
    """A stream whose base is no longer shared ends INCOMPLETE, and the base is named."""
    scene.tenant.admin.call("change_base", base=scene.base["id"], is_shared=False)
    run = scene.run("read")

    assert_fails(run, "read", "config_error", scene.base["id"], "Share the base")
    assert run.last_statuses == {scene.stream: "INCOMPLETE"}


def test_unknown_base(scene: Scene) -> None:
    """An unknown entry of ``base_ids`` fails the check; other commands warn of it and go on."""
    base_ids = [scene.base["id"], UNKNOWN_BASE]
    runs = scene.run_each(*COMMANDS, connector=scene.tenant.connector_with(base_ids=base_ids))

    assert_fails(runs["check"], "check", "config_error", UNKNOWN_BASE, "base_ids")
    assert_warns(runs["discover"], UNKNOWN_BASE, "base_ids")
    assert_warns(runs["read"], UNKNOWN_BASE, "base_ids")


def test_unknown_table(scene: Scene) -> None:
    """An unknown entry of ``table_ids`` fails the check; discover warns of it and goes on."""
    connector = scene.tenant.connector_with(table_ids=[scene.table["id"], "Kontakte"])
    runs = scene.run_each("check", "discover", connector=connector)

    assert_fails(runs["check"], "check", "config_error", "Kontakte", "table_ids")
    assert_warns(runs["discover"], "Kontakte", "table_ids")


def test_unknown_table_warns_read(scene: Scene) -> None:
    """An unknown entry of ``table_ids`` does not keep read from the others, but is warned of."""
    table_ids = [scene.table["id"], "Kontakte"]
    run = scene.run("read", scene.tenant.connector_with(table_ids=table_ids))

    assert run.last_statuses == {scene.stream: "COMPLETE"}
    assert_warns(run, "Kontakte", "table_ids")


def test_only_unknown_tables(scene: Scene) -> None:
    """When ``table_ids`` selects nothing at all, discover fails by the setting's name."""
    run = scene.run("discover", scene.tenant.connector_with(table_ids=["Kontakte"]))

    assert_fails(run, "discover", "config_error", "No base is left", "table_ids")


def test_no_base_visible(scene: Scene) -> None:
    """A valid token that sees no base is told where bases are added to it."""
    token = scene.tenant.admin.add_token(base_ids=[])
    connector = Connector(scene.tenant.simulator.url, a_config(token))
    runs = scene.run_each("check", "discover", connector=connector)

    assert_each_fails(runs, "config_error", "no base is shared", TOKENS_PAGE, "Access")


def test_no_role_on_the_only_base(scene: Scene) -> None:
    """A base that the user sees only through an interface cannot be read, and is not forgotten."""
    scene.tenant.admin.call("change_base", base=scene.base["id"], permissionLevel="none")
    runs = scene.run_each(*COMMANDS)
    warned = [line for line in runs["discover"].warnings if scene.base["id"] in line]

    assert_each_fails(runs, "config_error", TOKENS_PAGE)
    assert_each_fails({name: runs[name] for name in ("check", "read")}, "config_error", "role")
    assert any("role" in line for line in warned)


def test_no_role_on_one_base(scene: Scene, airtable: SimulatorProcess) -> None:
    """A base without a role is skipped with a warning that names it, beside one that is read."""
    shown = a_base("Shown only", a_table("Any"), permissionLevel="none")
    runs = scene.run_each(
        "check", "discover", connector=a_tenant(airtable, scene.base, shown).connector
    )

    assert_warns(runs["check"], "Shown only", shown["id"], "role")
    assert_warns(runs["discover"], "Shown only", shown["id"], "role")


def test_no_role_on_a_listed_base(scene: Scene) -> None:
    """A base without a role fails the check where ``base_ids`` lists it."""
    scene.tenant.admin.call("change_base", base=scene.base["id"], permissionLevel="none")
    connector = scene.tenant.connector_with(base_ids=[scene.base["id"]])
    run = scene.run("check", connector)

    assert_fails(run, "check", "config_error", scene.base["id"], "role")


# The month's calls.


def test_monthly_quota(scene: Scene) -> None:
    """Used up calls of the month fail at once, as the user's to mend, without another try."""
    scene.tenant.admin.configure(monthly_calls=0)
    scene.tenant.admin.reset_stats()
    runs = scene.run_each("check", "read")
    words = ("used up", "this month", "plan", scene.base["id"])

    assert_each_fails(runs, "config_error", *words)
    assert scene.tenant.admin.stats()["refused"] == {"quota": 2}


# The address and the settings file.


def test_address_that_is_none(scene: Scene) -> None:
    """An ``AIRTABLE_API_URL`` that is no address is refused by its name."""
    connector = replace(scene.tenant.connector, api_url="airtable.example")
    runs = scene.run_each(*COMMANDS, connector=connector)

    assert_each_fails(runs, "config_error", "AIRTABLE_API_URL", "https://")


def test_address_where_nobody_listens(scene: Scene) -> None:
    """An address at which nobody answers is something that may pass, after several tries."""
    # Port 9 is Discard's, which needs a privilege that no test has given away.
    connector = replace(scene.tenant.connector, api_url="http://127.0.0.1:9")
    runs = scene.run_each(*COMMANDS, connector=connector, on_fast_clock=True)
    words = ("could not be reached", "network", "ConnectionError")

    assert_each_fails(runs, "transient_error", *words)


def test_address_of_something_else(scene: Scene) -> None:
    """A server that knows nothing of Airtable's paths does not look like a token without scope."""
    api_url = f"{scene.tenant.simulator.url}/elsewhere"
    run = scene.run("check", replace(scene.tenant.connector, api_url=api_url))

    assert_fails(run, "check", "config_error", "404")
    assert "lacks a scope" not in run.failures[0]["message"]


def test_config_is_not_an_object(scene: Scene) -> None:
    """A settings file that holds no object is refused with a sentence that says so."""
    runs = scene.run_each(*COMMANDS, connector=Connector(scene.tenant.simulator.url, ["pat"]))
    told = {name: run.failures[0]["message"] for name, run in runs.items()}

    assert all("object" in message for message in told.values()), told


# What breaks on the way: each case breaks one table, for ever or once, of one account.


@dataclass(frozen=True)
class Breakdown:
    """A fault of the simulator, and what its user reads when it does not go away."""

    action: str
    details: Message
    words: tuple[str, ...]
    failure_type: str = "transient_error"
    page: int = 2


BREAKDOWNS: Final = {
    "html": Breakdown("html", {"status": 502}, ("several tries", "status: 502")),
    "html with status 200": Breakdown("html", {"status": 200}, ("not JSON", "status: 200")),
    "cut connection": Breakdown("cut_body", {}, ("could not be reached", "failure: ")),
    "reset connection": Breakdown("reset", {}, ("could not be reached", "ConnectionError")),
    "status 500": Breakdown("status", {"status": 500}, ("several tries", "status: 500")),
    "status 503": Breakdown("status", {"status": 503}, ("several tries", "status: 503")),
    "truncated JSON": Breakdown("truncated_json", {}, ("not JSON",)),
    "text that is no UTF-8": Breakdown("invalid_utf8", {}, ("not JSON",)),
    "empty body": Breakdown("empty_body", {}, ("not JSON",)),
    "page without records": Breakdown(
        "malformed", {"body": {"offset": "itr1/rec1"}}, ("no list of records",), "system_error"
    ),
    "record without id": Breakdown(
        "malformed",
        {"body": {"records": [{"fields": {"Name": CELL_MARK}}]}},
        ("record without id",),
        "system_error",
    ),
    "unknown refusal": Breakdown(
        "status",
        {"status": 422, "body": {"error": {"type": "NEW_TYPE", "message": CELL_MARK}}},
        ("status: 422", "NEW_TYPE"),
        "system_error",
        page=1,  # on a later one, it is the offset that is refused
    ),
    "too many requests": Breakdown(
        "status", {"status": 429}, ("too many", "requests_per_second_per_base")
    ),
}
RECOVERABLE: Final = tuple(
    name for name, case in BREAKDOWNS.items() if case.failure_type == "transient_error"
)
"""What one more try mends; the rest is no accident of the way."""


@dataclass(frozen=True)
class Broken:
    """A read of many bases, each with a table of another breakdown."""

    tenant: Tenant
    bases: dict[str, Message]
    run: Run

    def stream(self, case: str) -> str:
        """The stream of a case."""
        base = self.bases[case]
        return self.tenant.stream_name(base, base["tables"][0])


def a_broken_read(
    simulator: SimulatorProcess, cases: tuple[str, ...], *, times: int | None
) -> Broken:
    """Read a base for each case, whose table breaks that many times (None: for ever)."""
    bases = {case: a_base(f"Case {case}", a_table("Broken", records=250)) for case in cases}
    whole = a_base("Whole", a_table("Kept"))
    tenant = a_tenant(simulator, *bases.values(), whole)
    catalog = a_catalog(tenant.connector.discover())
    for case, base in bases.items():
        # A 429 shuts its base for 30 s of the connector's clock, which is 0.3 s of ours.
        penalty: Message = {"penalty_seconds": 0.25} if case == "too many requests" else {}
        simulator.admin.plan_fault(
            "list_records",
            BREAKDOWNS[case].action,
            base=base["id"],
            page=BREAKDOWNS[case].page,
            times=times,
            **BREAKDOWNS[case].details,
            **penalty,
        )
    run = tenant.connector.read(catalog, on_fast_clock=True)
    simulator.admin.clear_faults()
    return Broken(tenant, {**bases, "whole": whole}, run)


@pytest.fixture(scope="module")
def lasting(airtable: SimulatorProcess) -> Broken:
    """A read in which each case's page breaks for ever."""
    return a_broken_read(airtable, tuple(BREAKDOWNS), times=None)


@pytest.fixture(scope="module")
def passing(airtable: SimulatorProcess) -> Broken:
    """A read in which each case's page breaks once."""
    return a_broken_read(airtable, RECOVERABLE, times=1)


@pytest.mark.parametrize("case", BREAKDOWNS)
def test_lasting_breakdown(lasting: Broken, case: str, note: Note) -> None:
    """What goes on failing ends its stream, by the base and the table and what was wrong."""
    name = lasting.stream(case)
    failure = lasting.run.failure_of(name)
    table = lasting.bases[case]["tables"][0]
    note("read sees", f"{failure['failure_type']}: {failure['message']}")
    wanted = (*BREAKDOWNS[case].words, lasting.bases[case]["id"], table["id"], "Broken")

    assert failure["failure_type"] == BREAKDOWNS[case].failure_type
    assert [word for word in wanted if word not in failure["message"]] == [], failure["message"]
    assert lasting.run.last_statuses[name] == "INCOMPLETE"
    assert name not in lasting.run.state_streams


def test_others_complete_beside_breakdowns(lasting: Broken) -> None:
    """A base that is well is read to its end beside those that fail, and the exit code tells."""
    name = lasting.stream("whole")

    assert lasting.run.record_ids(name) == record_ids(lasting.bases["whole"]["tables"][0])
    assert lasting.run.last_statuses[name] == "COMPLETE"
    assert lasting.run.exit_code == 1


def test_lasting_breakdowns_come_first(lasting: Broken) -> None:
    """The first failure that the platform sees is not one for the user to mend."""
    assert lasting.run.failures[0]["failure_type"] in ("transient_error", "system_error")


@pytest.mark.parametrize("case", RECOVERABLE)
def test_passing_breakdown(passing: Broken, case: str) -> None:
    """What fails once is tried again, and every record arrives once, in order."""
    name = passing.stream(case)

    assert passing.run.record_ids(name) == record_ids(passing.bases[case]["tables"][0])
    assert passing.run.last_statuses[name] == "COMPLETE"


def test_passing_breakdowns_leave_no_failure(passing: Broken) -> None:
    """A sync that recovered from everything succeeds."""
    assert (passing.run.exit_code, passing.run.failures) == (0, [])


def test_retries_are_logged(passing: Broken) -> None:
    """Each further try is told in the log with its base, and no warning is made of it."""
    base_id = passing.bases["status 503"]["id"]
    told = [line for line in passing.run.logs if base_id in line and "try 2 of" in line]

    assert len(told) == 1
    assert told[0].startswith("INFO")


def test_wait_after_too_many_requests(airtable: SimulatorProcess, note: Note) -> None:
    """After a 429 in mid-sync the base is left alone for 30 seconds, and nothing is lost."""
    base = a_base("Crowded", a_table("Many", records=250))
    tenant = a_tenant(airtable, base)
    catalog = a_catalog(tenant.connector.discover())
    airtable.admin.plan_fault(
        "list_records", "status", base=base["id"], page=2, status=429, penalty_seconds=0.295
    )
    airtable.admin.reset_stats()
    run = tenant.connector.read(catalog, on_fast_clock=True)
    note("read sees", run.end_line)
    name = tenant.stream_name(base, base["tables"][0])

    assert run.record_ids(name) == record_ids(base["tables"][0])
    # The simulator is shut for 29.5 s of the connector's clock: one call sooner is a second 429.
    assert airtable.admin.stats()["served_429"] == 1
    assert "refused 1 requests (429)" in run.end_line


@pytest.mark.parametrize("case", ["html", "cut connection", "status 500", "truncated JSON"])
def test_lasting_breakdown_of_schemas(scene: Scene, case: str) -> None:
    """A base schema that cannot be had fails check and discover as something that may pass."""
    broken = BREAKDOWNS[case]
    scene.tenant.admin.plan_fault(
        "base_schema", broken.action, base=scene.base["id"], times=None, **broken.details
    )
    runs = scene.run_each("check", "discover", on_fast_clock=True)

    assert_each_fails(runs, "transient_error", scene.base["id"], "Sales CRM")


@pytest.mark.parametrize("kind", ["list_bases", "base_schema"])
def test_malformed_metadata(scene: Scene, kind: str) -> None:
    """A list of bases or a schema without its list is told as an answer that is not documented."""
    scene.tenant.admin.plan_fault(kind, "malformed", times=None, body={"odd": CELL_MARK})
    run = scene.run("discover")

    assert_fails(run, "discover", "system_error", "documentation")


def test_passing_breakdown_of_discover(scene: Scene) -> None:
    """Discover recovers from one failure of each call it makes."""
    scene.tenant.admin.plan_fault("list_bases", "html", status=503)
    scene.tenant.admin.plan_fault("base_schema", "cut_body", base=scene.base["id"])
    run = scene.run("discover", on_fast_clock=True)

    assert (run.exit_code, run.failures) == (0, [])
    assert [stream["name"] for stream in run.streams] == [scene.stream]


# With --debug, which logs more: Connector.run refuses secrets and cells in it.


def test_debug_says_no_secret(scene: Scene) -> None:
    """The log of ``--debug`` holds neither the token nor a cell when all goes well."""
    runs = scene.run_each(*COMMANDS, has_debug=True)

    assert {run.exit_code for run in runs.values()} == {0}


def test_debug_says_no_wrong_token(scene: Scene) -> None:
    """The log of ``--debug`` does not hold a token that Airtable refuses."""
    connector = Connector(scene.tenant.simulator.url, a_config(WRONG_TOKEN))
    runs = scene.run_each(*COMMANDS, connector=connector, has_debug=True)

    assert_each_fails(runs, "config_error", "does not accept")


@pytest.mark.parametrize("case", ["truncated JSON", "cut connection", "unknown refusal"])
def test_debug_says_no_cell(scene: Scene, case: str) -> None:
    """The log of ``--debug`` does not quote answers that could not be used."""
    broken = BREAKDOWNS[case]
    scene.tenant.admin.plan_fault(
        "list_records", broken.action, base=scene.base["id"], times=None, **broken.details
    )
    run = scene.run("read", on_fast_clock=True, has_debug=True)

    assert_fails(run, "read", broken.failure_type, scene.base["id"])


def test_error_cells_stay_in_records(airtable: SimulatorProcess) -> None:
    """Cells that do not fit their columns are counted in the log, never quoted."""
    table = a_table("Odd", a_field("Sum", "number"), records=[a_record(Sum=f"{CELL_MARK} text")])
    tenant = a_tenant(airtable, a_base("Odd cells", table))
    run = tenant.connector.read(a_catalog(tenant.connector.discover()), has_debug=True)

    assert any("1 cells did not fit" in line for line in run.logs)
