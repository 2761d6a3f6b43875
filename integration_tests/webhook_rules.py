"""Webhooks in the stateful test: what happens to them, and what a sync by webhook promises.

A webhook is dropped, disabled, in error, expired or too full; rights come and go; other programs
have webhooks of their own, and another connection reads the same base in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from integration_tests.airtable_simulator.admin_client import AdminClient
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.airtable_simulator.tokens import READ_SCOPES
from integration_tests.in_process import DELETED_AT, Destination, key_of
from integration_tests.webhook_caller import DATA_TYPES, a_specification
from source_airtable.api.webhooks import MOST_WEBHOOKS_OF_A_BASE, WebhookEndpoints
from source_airtable.changes.need import RecordIds
from source_airtable.sync.scan import TableScan

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from airbyte_cdk.models import AirbyteStream

    from integration_tests.airtable_simulator import SimulatorThread
    from integration_tests.airtable_simulator.admin_client import Reply
    from integration_tests.in_process import Json, Outcome
    from integration_tests.test_incremental_stateful import (
        Before,
        Circumstances,
        Kept,
        People,
    )

BASE: Final = make_id("app", "stateful")
LOG: Final = make_id("tbl", "stateful", "log")
TASKS: Final = make_id("tbl", "stateful", "tasks")
TALLY: Final[Counter[str]] = Counter()
"""Examples, steps, syncs and what else this run did."""

EDITS: Final = ("last_modified", "webhooks")
"""The methods that find edits."""
SCOPES: Final = (*READ_SCOPES, "webhook:manage")
DAY_SECONDS: Final = 86_400
DAYS: Final = (1, 4, 5.5, 6.4, 6.6, 7.1, 8, 15)
SOURCES: Final = ("client", "publicApi", "automation", "formSubmission", "sync")
# So small that a few payloads and records do what thousands of them do.
PAYLOADS_OF_A_PAGE: Final = 3
UNREAD_PAYLOADS: Final = 15
LIMITS: Final = {
    "source_airtable.api.webhooks.MOST_PAYLOADS_OF_A_PAGE": PAYLOADS_OF_A_PAGE,
    "source_airtable.changes.shared_webhook.MOST_UNREAD_PAYLOADS": UNREAD_PAYLOADS,
    "source_airtable.changes.shared_webhook._MOST_PAGES": 2 * UNREAD_PAYLOADS,
}
DEFAULTS: Final[Json] = {
    "aged_webhook_cursor": "go_on",
    "expired_webhooks_count": True,
    "gone_webhook_status": 404,
    "webhook_error_answer": "payload",
    "webhook_records_per_payload": None,
    "webhook_tables_need_metadata": False,
    "webhooks_are_private": False,
    "webhooks_report_link_renames": False,
}
"""What is not known of Airtable, in one of its readings."""
READINGS: Final = (
    *(("aged_webhook_cursor", "refuse"), ("expired_webhooks_count", False)),
    *(("gone_webhook_status", 403), ("webhook_error_answer", "refusal")),
    *(("webhook_records_per_payload", 1), ("webhook_records_per_payload", 2)),
    *(("webhook_tables_need_metadata", True), ("webhooks_are_private", True)),
    ("webhooks_report_link_renames", True),
    *DEFAULTS.items(),
)
OTHERS: Final[dict[str, Json]] = {
    "fitting": {"specification": a_specification()},
    "notifies": {"specification": a_specification(), "notification_url": "https://example.com/"},
    "of records only": {"specification": a_specification("tableData")},
    "of new records": {"specification": a_specification(*DATA_TYPES, changeTypes=["add"])},
}
"""Webhooks of other programs."""
CALLS: Final = ("list_webhooks", "create_webhook", "list_webhook_payloads", "refresh_webhook")
FAULTS: Final[dict[str, Json]] = {
    "500": {"action": "status", "status": 500, "times": 3},
    "429": {"action": "status", "status": 429, "times": 2},
    "cut": {"action": "cut_body", "times": 2},
    "dead": {"action": "status", "status": 500, "times": None},
    "stray 403": {"action": "status", "status": 403},
    "403": {"action": "status", "status": 403, "times": None},
    "404": {"action": "status", "status": 404, "times": None},
    "422": {"action": "status", "status": 422, "times": None},
    "stray answer": {"action": "malformed"},
    "odd answer": {"action": "malformed", "times": None},
}
TROUBLES: Final = (
    *("drop", "disable", "fail", "lose a payload", "expire", "fill up", "take all places"),
    *("give places", *OTHERS),
)
STORIES: Final = (
    *("gap", "unread gap", "payload lost", "aged", "fallback", "other method", "failed"),
    *("to and fro", "at once", "many", "table away", "table restored", "field to and fro"),
    *("edited amid the list", "edited amid the scan", "shown late", "two connections"),
)
"""What is told of webhooks: each is a method."""
tables = st.sampled_from([LOG, TASKS])
stories = st.lists(
    st.tuples(st.sampled_from(STORIES), st.sampled_from(TROUBLES), tables), min_size=1, max_size=3
)


def draw_stories(chance: Random) -> list[tuple[str, str, str]]:
    """Draw three stories, each with a trouble and a table."""
    return [
        (story, chance.choice(TROUBLES), chance.choice([LOG, TASKS]))
        for story in chance.sample(STORIES, 3)
    ]


faults_at_webhooks = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.sampled_from(CALLS), st.sampled_from(list(FAULTS))),
)
openings = st.fixed_dictionaries(
    {
        "reports_computed": st.booleans(),
        "relies_on_computed": st.booleans(),
        "tracked_records": st.sampled_from([250_000, 2]),
        "records_of_a_call": st.sampled_from([100, 2]),
        # Hypothesis likes what it has drawn before; here each story has the same chance.
        "last_stories": st.integers(0, 2**32).map(lambda seed: draw_stories(Random(seed))),  # noqa: S311 - no secret
    }
)
"""What stays as it is for the whole life of a base and its connections."""


class ActingAdmin(AdminClient):
    """Commands as somebody: what they change has that source in payloads."""

    source = "client"

    def call(self, command: str, /, **arguments: Any) -> Reply:  # noqa: ANN401 - JSON
        """Run a command."""
        return super().call(command, source=self.source, **arguments)


def state_of(saved: Json | None, table: str) -> Json:
    """What a stream's state holds of a table."""
    state: Json = saved or {}
    if "tables" in state:
        state = state["tables"].get(f"{BASE}/{table}") or {}
    return state


@dataclass
class Connection:
    """A connection that does not sync at the moment."""

    destination: Destination
    kept: dict[str, Kept]
    listed: dict[str, int]


class WebhookRules(RuleBasedStateMachine):
    """What happens to the webhooks of the base that a state machine syncs."""

    simulator: SimulatorThread
    admin: AdminClient
    lock: threading.Lock
    people: People
    options: Json
    destination: Destination
    kept: dict[str, Kept]
    listed: dict[str, int]
    streams: list[AirbyteStream]
    run_sync: Callable[[Circumstances], None]
    check_settled: Callable[[], None]
    refresh_catalog: Callable[[], None]
    set_up_anew: Callable[[str], None]
    new_circumstances: type[Circumstances]
    new_kept: type[Kept]
    filters: dict[str, str | None]
    filtered_once: set[str]
    _rows: Callable[[str, str], dict[str, Json] | None]
    _steady: Callable[[Before], set[str]]
    _hidden: Callable[[str], set[str]]
    _tables_of: Callable[[AirbyteStream], tuple[str, ...]]
    _expected_row: Callable[[AirbyteStream, str, Json], Json]

    def begin_webhooks(self, opening: Json) -> None:
        """Give the rights to the webhooks of a base without any, and lower what counts as many."""
        self.admin.set_token_scopes(*SCOPES, token=self.simulator.token)
        self.admin.set_permission_level(BASE, "create")
        self.has_rights = True
        self.reports_computed = opening["reports_computed"]
        self.admin.configure(**DEFAULTS, webhooks_report_computed=self.reports_computed)
        self.options["webhooks_report_computed_cells"] = (
            self.reports_computed and opening["relies_on_computed"]
        )
        self.limits = pytest.MonkeyPatch()
        chosen = {
            "source_airtable.changes.deletions.MOST_TRACKED_RECORDS": opening["tracked_records"],
            "source_airtable.changes.need.RECORD_IDS_PER_CALL": opening["records_of_a_call"],
            "source_airtable.changes.plan.RECORD_IDS_PER_CALL": opening["records_of_a_call"],
        }
        for place, limit in {**LIMITS, **chosen}.items():
            self.limits.setattr(place, limit)
        self.last_stories: list[tuple[str, str, str]] = opening["last_stories"]
        self.other = self._new_connection()

    def end_webhooks(self) -> None:
        """Leave the limits as they were."""
        if hasattr(self, "limits"):
            self.limits.undo()

    @property
    def is_by_webhook(self) -> bool:
        """Whether the connection is set up to read webhooks."""
        return bool(self.options["method"] == "webhooks")

    # What happens to webhooks.

    @precondition(lambda self: self.is_by_webhook)
    @rule(trouble=st.sampled_from(TROUBLES))
    def trouble(self, trouble: str) -> None:
        """Break webhooks, fill them up, or have other programs make some."""
        TALLY["steps"] += 1
        self._trouble(trouble)

    @precondition(lambda self: self.is_by_webhook)
    @rule(
        has_scope=st.sampled_from([True, True, False]),
        level=st.sampled_from(["create", "create", "edit", "read"]),
    )
    def set_rights(self, *, has_scope: bool, level: str) -> None:
        """Take the scope or the creator role away, or give it back."""
        TALLY["steps"] += 1
        scopes = SCOPES if has_scope else READ_SCOPES
        self.admin.set_token_scopes(*scopes, token=self.simulator.token)
        self.admin.set_permission_level(BASE, level)
        self.has_rights = has_scope and level == "create"

    @precondition(lambda self: self.is_by_webhook)
    @rule(reading=st.sampled_from(READINGS))
    def read_differently(self, reading: tuple[str, Any]) -> None:
        """Let Airtable be of the other kind in something that is not known of it."""
        TALLY["steps"] += 1
        name, value = reading
        self.admin.configure(**{name: value})

    @precondition(lambda self: self.is_by_webhook)
    @rule(days=st.sampled_from(DAYS))
    def wait_for_days(self, days: float) -> None:
        """Let payloads age."""
        TALLY["steps"] += 1
        self.admin.advance_clock(days * DAY_SECONDS)

    @rule(source=st.sampled_from(SOURCES))
    def act_as(self, source: str) -> None:
        """Have what follows be done by a person, a program, a form or a sync."""
        TALLY["steps"] += 1
        self.people.admin.source = source

    @rule()
    def change_connection(self) -> None:
        """Go on with another connection that reads the same base."""
        TALLY["steps"] += 1
        now = Connection(self.destination, self.kept, self.listed)
        self.destination, self.kept = self.other.destination, self.other.kept
        self.listed, self.other = self.other.listed, now
        self.refresh_catalog()

    @precondition(lambda self: self.is_by_webhook)
    @rule(told=stories)
    def tell_of_webhooks(self, told: list[tuple[str, str, str]]) -> None:
        """Lose a webhook between an edit and a sync, do without one, use it too late."""
        TALLY["steps"] += 1
        self._tell(told)

    def tell_in_the_end(self) -> None:
        """Tell some stories of a webhook that can be read."""
        if self.is_by_webhook:
            self.set_rights(has_scope=True, level="create")
            self._trouble("give places")
            self._tell(self.last_stories)

    def _tell(self, told: list[tuple[str, str, str]]) -> None:
        for story, trouble, table in told:
            TALLY["stories of webhooks"] += 1
            getattr(self, f"_tell_{story.replace(' ', '_')}")(trouble, table)
        self.check_settled()

    def _tell_gap(self, trouble: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self._trouble(trouble)
        self.people.edit(table, 1)
        self._sync()

    def _tell_unread_gap(self, trouble: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.edit(table, 1)
        self.admin.advance_clock(4 * DAY_SECONDS)
        self.change_connection()
        self._sync()
        self.change_connection()
        self.admin.advance_clock(4 * DAY_SECONDS)
        self._trouble(trouble)
        self._sync()

    def _tell_payload_lost(self, _: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.edit(table, 0)
        self.people.create(table, 0)
        for webhook in self.simulator.simulator.account.base(BASE).webhooks.values():
            webhook.first_number += len(webhook.payloads[:-1])
            del webhook.payloads[:-1]
        self._sync()

    def _tell_field_to_and_fro(self, _: str, __: str) -> None:
        self._sync()
        self.people.retype()
        self.people.retype()
        self.people.lose_loose_cells()
        self._sync()
        if self.calls_at_rest == 1:
            lost = self._hidden("records") & set(self.people.members(LOG, self.filters[LOG]))
            assert not lost, f"{lost} were not read again after their field has changed"

    def _tell_fallback(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        self.people.delete(table, 1)
        self.set_rights(has_scope=False, level="create")
        self._sync()
        self.people.edit(table, 2)
        self.people.delete(table, 0)
        self.set_rights(has_scope=True, level="create")
        self._sync()

    def _tell_aged(self, _: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.edit(table, 0)
        self.admin.advance_clock(6.4 * DAY_SECONDS)
        self.change_connection()
        self._sync()
        self.admin.advance_clock(DAY_SECONDS)
        self.change_connection()
        self._sync()

    def _tell_to_and_fro(self, _: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.restore(table, -1)
        self.people.create(table, 0)
        self.people.delete(table, -1)
        self._sync()
        self.people.delete(table, 0)
        self._sync()
        self.people.restore(table, -1)
        self._sync()

    def _tell_other_method(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        self.people.delete(table, 1)
        self.set_up_anew("webhooks")
        self._sync()
        self.people.delete(table, 0)
        self.set_up_anew("webhooks")
        self.people.edit(table, 0)
        self._sync()

    def _tell_table_away(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        away = self.new_circumstances(refreshes_catalog=False, vanishes="table", faulty_table=table)
        self.run_sync(away)
        self.people.delete(table, 0)
        self._sync()

    def _tell_table_restored(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        self.admin.delete_table(BASE, table)
        self.admin.restore_table(BASE, table)
        self.people.delete(table, 0)
        self._sync()

    def _tell_shown_late(self, _: str, table: str) -> None:
        self._sync()
        self.people.create(table, 0)
        self.people.edit(table, 0)
        self.run_sync(self.new_circumstances(shown_late=True))

    def _tell_at_once(self, _: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.edit(table, 0)
        self._sync()

    def _tell_many(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit_all(table)
        self.people.delete(table, 0)
        self._sync()

    def _tell_failed(self, _: str, table: str) -> None:
        self._sync()
        self.people.delete(table, 0)
        self.people.edit(table, 0)
        dead = self.new_circumstances(
            fault="dead", faulty_table=table, commits_failed=True, page_size=1, faulty_page=2
        )
        self.run_sync(dead)
        self.people.edit(table, 1)
        self._sync()

    def _tell_two_connections(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        self.change_connection()
        self._sync()
        self.people.delete(table, 0)
        self._sync()
        self.change_connection()
        self._sync()

    def _tell_edited_amid_the_list(self, _: str, table: str) -> None:
        self._sync()
        self.people.edit(table, 0)
        deeds = (("edit", table, 0), ("delete", table, 1), ("create", table, 0))
        self.run_sync(self.new_circumstances(deeds_at_payloads=deeds))
        self._sync()

    def _tell_edited_amid_the_scan(self, _: str, table: str) -> None:
        for _pick in range(3):
            self.people.create(table, 1)
        self._sync()
        self.people.edit_all(table)
        # One of them was read on the first page.
        deeds = tuple((table, 4, "edit", table, pick) for pick in range(3))
        self.run_sync(self.new_circumstances(page_size=1, deeds=deeds))
        self._sync()

    def _sync(self) -> None:
        self.run_sync(self.new_circumstances())

    def _trouble(self, trouble: str) -> None:
        admin = self.admin
        there = len(admin.webhooks(BASE))
        if trouble == "drop" or (trouble == "give places" and there >= MOST_WEBHOOKS_OF_A_BASE):
            admin.drop_webhooks(BASE)
        elif trouble == "disable":
            admin.disable_webhooks(BASE)
        elif trouble == "fail":
            admin.fail_webhooks(BASE)
        elif trouble == "lose a payload":
            admin.fail_webhooks(BASE, code="INTERNAL_ERROR")
        elif trouble == "expire":
            admin.expire_webhooks(BASE)
        elif trouble == "fill up":
            admin.add_payloads(BASE, UNREAD_PAYLOADS + 1)
        elif trouble == "take all places":
            admin.drop_webhooks(BASE)
            admin.fill_webhooks(BASE)
        elif trouble in OTHERS and there < MOST_WEBHOOKS_OF_A_BASE:
            admin.add_webhook(BASE, **OTHERS[trouble])

    @contextmanager
    def interfere_with_webhook(self, met: Circumstances) -> Iterator[None]:
        """Have people do something before payloads are listed, and Airtable show records late."""
        waiting = list(met.deeds_at_payloads)

        def interfere() -> None:
            with self.lock:
                while waiting:
                    deed, table, pick = waiting.pop()
                    getattr(self.people, deed)(table, pick)

        with (
            before_the_list_of_payloads(interfere),
            records_shown_late(are_late=met.shown_late),
        ):
            yield

    # What a sync by webhook promises.

    def plan_webhook_fault(self, met: Circumstances) -> None:
        """Break a call to a webhook of the base."""
        if met.webhook_fault is not None:
            call, fault = met.webhook_fault
            self.admin.plan_fault(call, base=BASE, **FAULTS[fault])

    def may_fail_by_webhook(self, met: Circumstances) -> set[str]:
        """The streams that may fail because a call to a webhook does."""
        if met.webhook_fault is None or not self.is_by_webhook:
            return set()
        call, fault = met.webhook_fault
        # One request makes a webhook. Whether one that failed did so, only a list can tell.
        is_lasting = fault == "dead" and call != "refresh_webhook"
        if not is_lasting and call != "create_webhook":
            return set()
        return {one.name for one in self.streams if one.name != "comments"}

    @property
    def calls_at_rest(self) -> int:
        """The lists of records of a table at rest: one counts comments, one may look for edits."""
        states = [
            state_of(self.destination.states.get(stream.name), table)
            for stream in self.streams
            if stream.name != "comments"
            for table in self._tables_of(stream)
        ]
        return 1 if all(one.get("method") == "webhooks" for one in states) else 2

    def check_that_webhook_is_read(self, count_before: int) -> None:
        """Where nothing is in the way, all streams are read by webhook."""
        if not self.is_by_webhook or not self.has_rights:
            return
        if count_before < MOST_WEBHOOKS_OF_A_BASE:
            assert self.calls_at_rest == 1, "no webhook is read, though one could be"

    def check_webhook_sync(
        self, met: Circumstances, stream: AirbyteStream, outcome: Outcome, before: Before
    ) -> None:
        """After a complete sync by webhook, all is as it was when the sync began, or newer."""
        name = stream.name
        is_complete, tables = name in outcome.complete, self._tables_of(stream)
        is_kept = name in outcome.states and (is_complete or met.commits_failed)
        if name == "comments" or not is_kept:
            return
        self.kept[name].excused -= _emitted(stream, outcome)
        for table in tables:
            state = state_of(outcome.states[name], table)
            saved = state_of(before.states.get(name), table)
            if state.get("method") == "webhooks" and state.get("webhook") != saved.get("webhook"):
                self._excuse_after_gap(stream, table, outcome, saved)
                if is_complete and met.vanishes is None:
                    TALLY["reads by webhook"] += 1
                    is_whole = state.get("last_full_scan") != saved.get("last_full_scan")
                    TALLY["reads in full by webhook"] += is_whole
                    self._check_rows(stream, table, outcome, before)
                    if met.refreshes_catalog and self.people.deed == before.deed:
                        TALLY["comparisons after a sync"] += 1
                        self._check_cells(stream, table, self._steady(before))
            elif is_complete and state.get("method") != "webhooks":
                TALLY["fallbacks"] += self.is_by_webhook
                self._excuse_without_webhook(stream, table, state)
            if state.get("method") != "webhooks" and self.options["method"] in EDITS:
                assert state.get("webhook") == saved.get("webhook"), "the position is lost"

    def _check_rows(
        self, stream: AirbyteStream, table: str, outcome: Outcome, before: Before
    ) -> None:
        """No record is missing, and none is left that was deleted in a time that is covered."""
        rows = self._rows(stream.name, table)
        assert rows is not None
        there = set(self.people.records[table])
        missing = (before.versions[table].keys() & there & self._steady(before)) - rows.keys()
        if self.filters[table] is not None:
            # What enters a filter without an edit waits for a full rescan.
            missing -= self._hidden(stream.name)
        assert not missing, f"{missing} are missing after a sync by webhook"
        # Where no ids are kept, what a filter has left out is unknown from then on.
        if self._tells(stream) and table not in self.filtered_once:
            left = rows.keys() - there - before.versions[table].keys()
            left -= self.kept[stream.name].excused | _emitted(stream, outcome)
            assert not left, f"{left} were deleted before a sync by webhook, and are still there"

    def _excuse_after_gap(
        self, stream: AirbyteStream, table: str, outcome: Outcome, saved: Json
    ) -> None:
        """Excuse the deletions of which the log says that nobody knows."""
        name = stream.name
        is_told_of = any(
            line.startswith(f"Stream {name}") and "stay in the destination" in line
            for line in outcome.warnings
        )
        if is_told_of or not self._tells(stream) or "read_to" not in saved:
            excused = self._untracked(name, table) - self.kept[name].excused
            TALLY["deletions that nobody knows"] += len(excused)
            self.kept[name].excused |= excused

    def _excuse_without_webhook(self, stream: AirbyteStream, table: str, state: Json) -> None:
        """Excuse what no ids and no webhook will tell of, after a sync that reads no webhook."""
        name = stream.name
        waits_for_webhook = "webhook" in state and "untracked_records" in state
        if not (self._tells(stream) and waits_for_webhook):
            self.kept[name].excused |= self._untracked(name, table)

    def _untracked(self, name: str, table: str) -> set[str]:
        """The rows whose records are gone, and that no state knows."""
        rows = self._rows(name, table) or {}
        return rows.keys() - set(self.people.records[table]) - (self.kept[name].tracked or set())

    def _tells(self, stream: AirbyteStream) -> bool:
        """Whether the stream tells deletions."""
        tells: bool = self.options["detect_deletions"]
        return tells and DELETED_AT in stream.json_schema["properties"]

    def _check_cells(self, stream: AirbyteStream, table: str, steady: set[str]) -> None:
        """Each row is what the record is; computed cells only where webhooks report them."""
        rows = self._rows(stream.name, table)
        assert rows is not None
        stale = set() if self.reports_computed else self._hidden(stream.name)
        for shown in self.admin.dump(BASE, table):
            if shown["id"] in steady - stale:
                expected = self._expected_row(stream, table, shown)
                row = rows[shown["id"]]
                assert expected == {key: row.get(key) for key in expected}

    def _new_connection(self) -> Connection:
        return Connection(Destination(), defaultdict(self.new_kept), {})


def _emitted(stream: AirbyteStream, outcome: Outcome) -> set[str]:
    """The records that a stream has emitted."""
    name = stream.name
    return {key_of(name, row)[-1] for row in outcome.records[name] if not row.get(DELETED_AT)}


@contextmanager
def before_the_list_of_payloads(hook: Callable[[], None]) -> Iterator[None]:
    """Call something before payloads are asked for, between the lists of webhooks and of these."""
    real = WebhookEndpoints.list_payloads

    def list_payloads(webhooks: Any, webhook_id: str, cursor: int) -> Any:  # noqa: ANN401 - as the real one
        hook()
        return real(webhooks, webhook_id, cursor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WebhookEndpoints, "list_payloads", list_payloads)
        yield


@contextmanager
def records_shown_late(*, are_late: bool) -> Iterator[None]:
    """Leave a record out when records are looked up by id for the first time, as Airtable may."""
    real = TableScan._iter_pages  # noqa: SLF001 - there is no other place

    def iter_pages(scan: Any, query: Any) -> Any:  # noqa: ANN401 - as the real one
        for page in real(scan, query):
            if are_late and isinstance(scan.need, RecordIds):
                page["records"] = page["records"][:-1]
            yield page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableScan, "_iter_pages", iter_pages)
        yield
