"""The connector signing in with OAuth: tokens renewed, saved before use, and never lost."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_table, record_ids
from integration_tests.connector import (
    Connector,
    a_catalog,
    an_upstream_stream,
    assert_told_to_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import AdminClient
    from integration_tests.connector import Message, Run

COMMANDS: Final = ("check", "discover", "read")
PAST: Final = "2026-01-01T00:00:00+00:00"
HANGING_SECONDS: Final = 10
CLIENT_SECRET: Final = "client-secret-5521"  # noqa: S105 - of no account

_numbers = count(1)


@dataclass
class Scene:
    """A client, a grant of its own bases, and the connector with the grant's tokens."""

    airtable: SimulatorProcess
    bases: tuple[Message, ...]
    client_id: str
    client_secret: str | None
    grant: Message

    @property
    def admin(self) -> AdminClient:
        """Commands to the simulator."""
        return self.airtable.admin

    @property
    def catalog(self) -> Message:
        """All tables of the bases."""
        streams = [
            an_upstream_stream(base, table) for base in self.bases for table in base["tables"]
        ]
        return a_catalog(streams)

    def connector(self, *, is_saved: bool = True, **settings: Any) -> Connector:  # noqa: ANN401 - JSON
        """The connector; with an access token that is valid, or with a refresh token alone."""
        soon = datetime.now(timezone.utc) + timedelta(hours=1)
        credentials = {
            "auth_method": "oauth2.0",
            "client_id": self.client_id,
            "refresh_token": self.grant["refresh_token"],
        }
        if self.client_secret is not None:
            credentials["client_secret"] = self.client_secret
        if is_saved:
            credentials["access_token"] = self.grant["access_token"]
            credentials["token_expiry_date"] = soon.isoformat()
        return Connector(self.airtable.url, {"credentials": credentials, **settings})

    def run(self, command: str, connector: Connector | None = None, **more: Any) -> Run:  # noqa: ANN401 - as of Connector.run
        """Run a command."""
        if command == "read":
            more = {"catalog": self.catalog, **more}
        return (connector or self.connector()).run(command, **more)

    def lost_records(self, run: Run) -> set[str]:
        """The ids of records that did not come exactly once."""
        come = [record["_airtable_id"] for stream in run.records.values() for record in stream]
        there = [
            record_id
            for base in self.bases
            for table in base["tables"]
            for record_id in record_ids(table)
        ]
        return {one for one in {*come, *there} if come.count(one) != there.count(one)}


def a_scene(
    airtable: SimulatorProcess,
    *bases: Message,
    client_secret: str | None = CLIENT_SECRET,
    calls: int | None = None,
) -> Scene:
    """Load bases and grant them to a client; calls: after how many access tokens end."""
    number = next(_numbers)
    client_id = f"client-id-{number:04d}"
    base_ids = airtable.admin.load({"bases": list(bases)})
    airtable.admin.configure(oauth_calls_of_access_token=calls)
    airtable.admin.add_oauth_client(client_id, client_secret)
    grant = airtable.admin.add_oauth_grant(
        client_id, base_ids=base_ids, user_id=f"usrOauth{number:09d}"
    )
    airtable.admin.reset_stats()
    return Scene(airtable, bases, client_id, client_secret, grant)


@pytest.fixture
def scene(airtable: SimulatorProcess) -> Scene:
    """A base of one table."""
    return a_scene(airtable, a_base("Sales CRM", a_table("Contacts")))


@pytest.fixture(autouse=True)
def mended(airtable: SimulatorProcess) -> Iterator[None]:
    """Leave the simulator as it was."""
    yield
    airtable.admin.clear_faults()
    airtable.admin.configure(oauth_calls_of_access_token=None, oauth_expires_in_seconds=3600)


def saved(run: Run) -> list[Message]:
    """The credentials that Airbyte was told to save, in their order."""
    return [said["connectorConfig"]["config"]["credentials"] for said in run.of_type("CONTROL")]


def first_of(run: Run, *message_types: str) -> int:
    """The place of the first message of some types."""
    return next(n for n, said in enumerate(run.messages) if said["type"] in message_types)


def failure_of(run: Run) -> Message:
    """The failure that the platform shows."""
    return run.failures[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_tokens_are_saved_before_use(scene: Scene, command: str) -> None:
    """Each command gives the new tokens to Airbyte before anything that it got with them."""
    connector = scene.connector(is_saved=False)
    run = scene.run(command, connector)
    today = scene.admin.show_oauth_grant(scene.grant["grant"])
    (credentials,) = saved(run)
    ends_at = datetime.fromisoformat(credentials.pop("token_expiry_date"))

    assert run.exit_code == 0
    assert credentials == {
        **connector.config["credentials"],
        "access_token": today["access_token"],
        "refresh_token": today["refresh_token"],
    }
    assert 0 < (ends_at - datetime.now(timezone.utc)).total_seconds() <= 3600
    assert first_of(run, "CONTROL") < first_of(run, "RECORD", "CATALOG", "CONNECTION_STATUS")


@pytest.mark.parametrize("command", COMMANDS)
def test_tokens_are_out_before_use(command: str) -> None:
    """The new tokens have left the process while the first call made with them has no answer."""
    # A simulator of its own, since the call goes on hanging in it.
    with SimulatorProcess("--no-limits") as airtable:
        scene = a_scene(airtable, a_base("Sales CRM", a_table("Contacts")))
        scene.admin.plan_fault("list_bases", "delay", seconds=HANGING_SECONDS, times=None)
        catalog = scene.catalog if command == "read" else None
        with scene.connector(is_saved=False).started(command, catalog=catalog) as live:
            said = live.next_of_type("CONTROL")
            live.go_on_until(lambda: answers_of(scene, "list_bases"))
            answers = answers_of(scene, "list_bases")
        today = scene.admin.show_oauth_grant(scene.grant["grant"])
    credentials = said["control"]["connectorConfig"]["config"]["credentials"]

    assert answers == [None]
    assert credentials["refresh_token"] == today["refresh_token"]


def answers_of(scene: Scene, kind: str) -> list[int | None]:
    """The statuses of the calls of a kind; none yet for one that hangs."""
    calls = scene.admin.stats()["last_calls"]
    return [call.get("status") for call in calls if call["kind"] == kind]


def test_other_settings_are_saved_too(scene: Scene) -> None:
    """What Airbyte saves is the whole of the settings, unknown ones included."""
    run = scene.run("check", scene.connector(is_saved=False, num_workers=2, of_another=7))
    (control,) = run.of_type("CONTROL")
    config = control["connectorConfig"]["config"]

    assert (config["num_workers"], config["of_another"]) == (2, 7)


@pytest.mark.parametrize("command", COMMANDS)
def test_saved_token_is_used(scene: Scene, command: str) -> None:
    """A saved access token that is valid is used, and nothing renewed."""
    run = scene.run(command)

    assert (run.exit_code, saved(run)) == (0, [])
    assert scene.admin.stats()["renewals"] == {}


def test_commands_after_each_other(scene: Scene) -> None:
    """What one command saved is what the next one begins with."""
    connector = scene.connector(is_saved=False)
    (credentials,) = saved(scene.run("check", connector))
    next_connector = Connector(connector.api_url, {"credentials": credentials})
    runs = [scene.run(command, next_connector) for command in ("discover", "read")]

    assert [run.exit_code for run in runs] == [0, 0]
    assert scene.admin.stats()["renewals"] == {"granted": 1}


def test_commands_at_once(scene: Scene) -> None:
    """Check, discover and read at the same time share a valid saved token."""
    with ThreadPoolExecutor() as workers:
        runs = list(workers.map(scene.run, COMMANDS))

    assert [run.exit_code for run in runs] == [0, 0, 0]
    assert scene.admin.stats()["renewals"] == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_renewing(scene: Scene, number: signal.Signals) -> None:
    """A command that is told to end while its tokens are renewed has the new ones saved first."""
    connector = scene.connector(is_saved=False)
    # Half of what the connector waits for a renewal: the signal comes before its end for sure.
    scene.admin.plan_fault("oauth_token", "delay", seconds=3)
    with connector.started("check") as live:
        live.go_on_until(lambda: scene.admin.stats()["renewals"])
        live.process.send_signal(number)
        run = live.whole()
    connector.assert_nothing_leaks(run)
    (credentials,) = saved(run)
    next_run = Connector(connector.api_url, {"credentials": credentials}).run("check")

    assert_told_to_end(run, -number)
    assert next_run.connection_status == "SUCCEEDED"
    assert scene.admin.stats()["renewals"] == {"granted": 1}


def test_told_to_end_while_a_renewal_hangs(scene: Scene) -> None:
    """A renewal that goes on and on is not waited for longer than Docker would."""
    scene.admin.plan_fault("oauth_token", "delay", seconds=60)
    with scene.connector(is_saved=False).started("check") as live:
        live.go_on_until(lambda: scene.admin.stats()["renewals"])
        live.process.send_signal(signal.SIGTERM)

        assert live.process.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("written", ["", "soon", "3600", PAST])
def test_expiry_that_is_past_or_unknown(scene: Scene, written: str) -> None:
    """A saved token of which the end is past, or cannot be read, is renewed first."""
    connector = scene.connector()
    connector.config["credentials"]["token_expiry_date"] = written
    run = scene.run("check", connector)

    assert (run.connection_status, len(saved(run))) == ("SUCCEEDED", 1)
    assert scene.admin.stats()["refused"] == {}


def test_public_client(airtable: SimulatorProcess) -> None:
    """A client without a secret signs in."""
    scene = a_scene(airtable, a_base("Open", a_table("Any")), client_secret=None)
    run = scene.run("read", scene.connector(is_saved=False))

    assert (run.exit_code, len(saved(run)), scene.lost_records(run)) == (0, 1, set())


def test_empty_secret_is_a_public_client(airtable: SimulatorProcess) -> None:
    """A secret that the form left empty is none, and is not sent."""
    scene = a_scene(airtable, a_base("Open", a_table("Any")), client_secret=None)
    connector = scene.connector(is_saved=False)
    connector.config["credentials"]["client_secret"] = ""

    assert scene.run("check", connector).connection_status == "SUCCEEDED"


def test_token_that_just_expired(scene: Scene) -> None:
    """A 401 of a token that was thought valid renews once, and the sync goes on."""
    scene.admin.expire_access_token(scene.grant["grant"])
    run = scene.run("read")

    assert (run.exit_code, len(saved(run)), scene.lost_records(run)) == (0, 1, set())
    assert first_of(run, "CONTROL") < first_of(run, "RECORD")
    assert scene.admin.stats()["renewals"] == {"granted": 1}


def test_three_expiries_with_eight_workers(airtable: SimulatorProcess) -> None:
    """Three expiries in one sync: one renewal each, saved each time, and every record once."""
    bases = [a_base(f"B{n}", a_table("T", records=120)) for n in range(24)]
    # One call for bases, 24 for schemas, and 24 tables of two pages: 73, in four lives of a token.
    scene = a_scene(airtable, *bases, calls=20)
    # Longer than eight calls take to set out.
    scene.admin.plan_fault("list_records", "delay", seconds=0.4, times=None)
    scene.admin.plan_fault("base_schema", "delay", seconds=0.1, times=None)
    # On the fast clock, or others might use up the new token while one waits to try again.
    run = scene.run("read", scene.connector(num_workers=8), on_fast_clock=True)
    stats = scene.admin.stats()
    used = [scene.grant["refresh_token"], *(one["refresh_token"] for one in saved(run))]

    assert (run.exit_code, run.failures, scene.lost_records(run)) == (0, [], set())
    assert stats["renewals"] == {"granted": 3}
    assert (len(saved(run)), len(set(used))) == (3, 4)
    # The simulator may meet a worker's next call before it is done with the last one.
    assert stats["most_in_flight"] >= 8
    assert set(run.last_statuses.values()) == {"COMPLETE"}


def test_short_lives(airtable: SimulatorProcess) -> None:
    """Tokens that end again and again cost no record either."""
    bases = [a_base(f"B{n}", *(a_table(f"T{m}", records=210) for m in range(2))) for n in range(8)]
    # One call for bases, 8 for schemas, and 16 tables of three pages: 57.
    scene = a_scene(airtable, *bases, calls=10)
    # On the fast clock and with slow answers, or others might use up the new token while one waits
    # to try again.
    for kind in ("base_schema", "list_records"):
        scene.admin.plan_fault(kind, "delay", seconds=0.1, times=None)
    run = scene.run("read", scene.connector(is_saved=False, num_workers=4), on_fast_clock=True)

    assert (run.exit_code, run.failures, scene.lost_records(run)) == (0, [], set())
    assert scene.admin.stats()["renewals"] == {"granted": 6}
    assert len(saved(run)) == 6


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("is_saved", [True, False], ids=["with access token", "without"])
def test_revoked_grant(scene: Scene, command: str, *, is_saved: bool) -> None:
    """A revoked grant asks to re-authenticate, after one try."""
    scene.admin.revoke_oauth_grant(scene.grant["grant"])
    run = scene.run(command, scene.connector(is_saved=is_saved))

    assert failure_of(run)["failure_type"] == "config_error"
    for word in ("Re-authenticate", "OAuth", "error type: invalid_grant"):
        assert word in failure_of(run)["message"]
    assert scene.admin.stats()["renewals"] == {"invalid_grant": 1}


def test_grant_revoked_in_mid_sync(airtable: SimulatorProcess) -> None:
    """A grant that ends in mid-sync fails each stream with the reason, after one try in all."""
    bases = [a_base(f"B{n}", *(a_table(f"T{m}", records=120) for m in range(3))) for n in range(3)]
    scene = a_scene(airtable, *bases, calls=8)
    scene.admin.plan_fault(
        "oauth_token", "status", status=400, body={"error": "invalid_grant"}, times=None
    )
    run = scene.run("read", scene.connector(num_workers=8))
    reasons = {failure["message"].split(" (")[0] for failure in run.failures if failure["stream"]}

    assert (run.exit_code, len(reasons)) == (1, 1)
    assert "Re-authenticate" in reasons.pop()
    assert scene.admin.stats()["by_kind"]["oauth_token"] == 1


def test_wrong_client_secret(scene: Scene) -> None:
    """A client that Airtable does not know is told apart by its error type."""
    scene.client_secret = "wrong-secret-5521"  # noqa: S105 - of no account
    run = scene.run("check", scene.connector(is_saved=False))

    assert failure_of(run)["failure_type"] == "config_error"
    assert "error type: invalid_client" in failure_of(run)["message"]
    assert "client_secret" in failure_of(run)["message"]


def test_401_that_no_renewal_cures(scene: Scene) -> None:
    """When a fresh token is refused as well, that is for a person to mend."""
    scene.admin.plan_fault("list_bases", "status", status=401, times=None)
    run = scene.run("check")

    assert failure_of(run)["failure_type"] == "config_error"
    assert "Re-authenticate" in failure_of(run)["message"]
    assert scene.admin.stats()["renewals"] == {"granted": 1}


def test_failing_token_endpoint(scene: Scene) -> None:
    """A token endpoint that fails for a moment is asked again."""
    scene.admin.plan_fault("oauth_token", "status", status=503, times=2)
    run = scene.run("read", scene.connector(is_saved=False), on_fast_clock=True)

    assert (run.exit_code, scene.lost_records(run)) == (0, set())


def test_token_endpoint_that_is_down(scene: Scene) -> None:
    """A token endpoint that goes on failing is Airtable's failure, not the user's."""
    scene.admin.plan_fault("oauth_token", "html", status=502, times=None)
    run = scene.run("read", scene.connector(is_saved=False), on_fast_clock=True)

    assert failure_of(run)["failure_type"] == "transient_error"
    assert "renewal of the access token" in failure_of(run)["message"]
    assert not any("http" in line for line in run.logs if "status.airtable.com" not in line)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_secret_in_debug_logs(scene: Scene, command: str) -> None:
    """Even with --debug no token, old or new, is in the output beside what Airbyte is to save."""
    scene.admin.expire_access_token(scene.grant["grant"])
    run = scene.run(command, has_debug=True)

    assert len(saved(run)) == 1


@pytest.mark.parametrize("missing", ["client_id", "refresh_token"])
@pytest.mark.parametrize("command", COMMANDS)
def test_missing_setting(scene: Scene, command: str, missing: str) -> None:
    """A setting that is missing is named, and the others are not quoted."""
    connector = scene.connector()
    del connector.config["credentials"][missing]
    run = scene.run(command, connector)
    told = json.dumps([*run.failures, *run.of_type("CONNECTION_STATUS")])

    assert f"credentials.{missing}" in told
    assert "Please" not in told
