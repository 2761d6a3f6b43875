"""Whatever happens to a base between and during syncs, the destination ends up equal to it.

A hypothesis state machine edits a simulated base, breaks its answers and syncs it in this process.
INCREMENTAL_EXAMPLES and INCREMENTAL_STEPS say how long it looks.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.clock import parse_time
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.in_process import (
    CURSOR,
    DELETED_AT,
    Destination,
    InProcess,
    before_each_page,
    nothing_waits,
)
from unit_tests.conforming import nonconformities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airbyte_cdk.models import AirbyteStream

    from integration_tests.in_process import Json, Outcome

EXAMPLES: Final = int(os.environ.get("INCREMENTAL_EXAMPLES", "40"))
STEPS: Final = int(os.environ.get("INCREMENTAL_STEPS", "16"))
TALLY: Final[Counter[str]] = Counter()
"""Examples, steps and syncs of this run."""

STARTED_AT: Final = "2026-11-01T00:00:00.000Z"
BASE: Final = make_id("app", "stateful")
LOG: Final = make_id("tbl", "stateful", "log")
TASKS: Final = make_id("tbl", "stateful", "tasks")
TABLES: Final = (LOG, TASKS)
HOURS: Final = (0, 1, 24)
PAUSES: Final = (0, 1, 2, 29, 59, 60, 61, 600, 3_599, 3_600, 3_601, 43_200, 86_400, 172_800)
LONGEST_SKEW_SECONDS: Final = 900


def _id(name: str) -> str:
    return make_id("fld", "stateful", name)


def _formula(text: str, *names: str) -> Json:
    ids = [_id(name) for name in names]
    result = {"type": "number", "options": {"precision": 0}}
    return {"isValid": True, "formula": text, "referencedFieldIds": ids, "result": result}


def _choices(names: Mapping[str, str]) -> Json:
    return {"choices": [{"id": key, "name": name} for key, name in names.items()]}


def _through(name: str, result: str) -> Json:
    options = {"recordLinkFieldId": _id("Link"), "fieldIdInLinkedTable": _id(name)}
    return {"isValid": True, **options, "result": {"type": result}}


class People:
    """The people who edit the base: they know what every record should hold."""

    def __init__(self, simulator: SimulatorThread) -> None:
        """Build the base anew, with a few records."""
        self.admin = simulator.admin
        self.simulator = simulator.simulator
        self.deeds = count(1)
        self.deed = 0
        """The number of what was done last."""
        self.records: dict[str, list[str]] = {LOG: [], TASKS: []}
        self.versions: dict[str, dict[str, int]] = {LOG: {}, TASKS: {}}
        self.links: dict[str, list[str]] = {}
        self.trash: dict[str, list[Json]] = {LOG: [], TASKS: []}
        self.unseen: dict[str, dict[str, int]] = {LOG: {}, TASKS: {}}
        """Records whose latest change moved no time, with the deed's number."""
        self.kinds = {make_id("sel", "stateful", number): f"kind {number}" for number in range(2)}
        self.factor = 2
        self.loose_is_text = False
        self.extra: list[Json] = []
        self.admin.load({"bases": [self._base()]})
        for _ in range(3):
            self.create(LOG, 0)
        for pick in range(2):
            self.create(TASKS, pick)

    def create(self, table: str, pick: int, *, is_blank: bool = False) -> None:
        """Create a record, perhaps one whose modified time is blank."""
        self._create(table, {"id": make_id("rec", "stateful", next(self.deeds))}, pick, is_blank)

    def create_blank(self, table: str, pick: int) -> None:
        """Create a record whose modified time is blank."""
        self.create(table, pick, is_blank=True)

    def edit(self, table: str, pick: int) -> None:
        """Change a record's cells, which moves its modified time."""
        record_id = self._pick(table, pick)
        if record_id:
            cells = self._user_cells(table, record_id, pick)
            self.admin.edit_record(BASE, table, record_id, cells)
            self.unseen[table].pop(record_id, None)
            self._follow_links(table)

    def delete(self, table: str, pick: int) -> None:
        """Put a record into the trash."""
        record_id = self._pick(table, pick)
        if not record_id:
            return
        shown = next(one for one in self.admin.dump(BASE, table) if one["id"] == record_id)
        self.admin.delete_record(BASE, table, record_id)
        self.records[table].remove(record_id)
        self.versions[table].pop(record_id)
        self.unseen[table].pop(record_id, None)
        self.trash[table].append({**shown, "links": self.links.pop(record_id, [])})
        self._follow_links(table)

    def restore(self, table: str, pick: int) -> None:
        """Take a record out of the trash; none of its times moves."""
        gone = self._take_from_trash(table, pick)
        if gone is None:
            return
        known = {one["id"] for one in self.simulator.account.base(BASE).table(table).fields}
        cells = {key: cell for key, cell in gone["fields"].items() if key in known}
        times = {key: gone[key] for key in ("id", "createdTime", "lastModifiedTime")}
        self.admin.create_record(BASE, table, cells, **times)
        record_id = gone["id"]
        self.records[table].append(record_id)
        self.versions[table][record_id] = gone["fields"].get(_id(f"Version {table}"), 0)
        if table == TASKS:
            self.links[record_id] = gone["links"]
        self.unseen[table][record_id] = self._note()
        self._recompute(table)
        self._follow_links(table)

    def create_again(self, table: str, pick: int) -> None:
        """Create a record with the id of one that was deleted, as synced tables do."""
        gone = self._take_from_trash(table, pick)
        if gone is not None:
            self._create(table, {"id": gone["id"]}, pick, is_blank=False)

    def add_choice(self) -> None:
        """Add a choice, which changes no cell."""
        self.kinds[make_id("sel", "stateful", "new", next(self.deeds))] = f"new {self._note()}"
        self._change_kinds()

    def rename_choice(self, pick: int) -> None:
        """Rename a choice, which changes cells without an edit."""
        keys = list(self.kinds)
        if keys:
            self.kinds[keys[pick % len(keys)]] = f"renamed {self._note()}"
            self._change_kinds()

    def delete_choice(self, pick: int) -> None:
        """Delete a choice, which empties cells without an edit."""
        keys = list(self.kinds)
        if keys:
            del self.kinds[keys[pick % len(keys)]]
            self._change_kinds()

    def edit_formula(self) -> None:
        """Edit a formula, on which another one depends."""
        self.factor += 1
        options = _formula(f"{{{_id('Version ' + LOG)}}}*{self.factor}", f"Version {LOG}")
        self.admin.change_field(BASE, LOG, _id("Doubled"), options=options)
        self._recompute(LOG)

    def retype(self) -> None:
        """Make a field text where it is a number, and a number where it is text."""
        self.loose_is_text = not self.loose_is_text
        options = None if self.loose_is_text else {"precision": 0}
        new_type = "singleLineText" if self.loose_is_text else "number"
        self.admin.retype_field(BASE, LOG, _id("Loose"), new_type, options)
        self._recompute(LOG)

    def rename_field(self) -> None:
        """Rename a field."""
        self.admin.rename_field(BASE, LOG, _id("Loose"), f"Loose {self._note()}")

    def rename_table(self, table: str) -> None:
        """Rename a table."""
        self.admin.rename_table(BASE, table, f"Table {self._note()}")

    def add_field(self, table: str, *, is_computed: bool) -> None:
        """Add a field; a computed one has cells at once."""
        name = f"Extra {self._note()}"
        version = f"Version {table}"
        options = _formula(f"{{{_id(version)}}}+{self.deed}", version)
        added: Json = {"id": _id(name), "name": name, "table": table, "plus": self.deed}
        given: Json = {"id": _id(name), "name": name, "type": "singleLineText"}
        if is_computed:
            given |= {"type": "formula", "options": options}
        self.admin.add_field(BASE, table, given)
        if is_computed:
            self.extra.append(added)
            self._recompute(table)

    def delete_field(self, pick: int) -> None:
        """Delete a field that was added."""
        if self.extra:
            gone = self.extra.pop(pick % len(self.extra))
            self.admin.delete_field(BASE, gone["table"], gone["id"])

    def _base(self) -> Json:
        log: list[Json] = [
            {"id": _id("Name"), "name": "Name", "type": "singleLineText"},
            self._version(LOG),
            {"id": _id("Loose"), "name": "Loose", "type": "number", "options": {"precision": 0}},
            {
                "id": _id("Kind"),
                "name": "Kind",
                "type": "singleSelect",
                "options": _choices(self.kinds),
            },
            {"id": _id("Done"), "name": "Done", "type": "checkbox"},
            {
                "id": _id("Doubled"),
                "name": "Doubled",
                "type": "formula",
                "options": _formula(f"{{{_id('Version ' + LOG)}}}*2", f"Version {LOG}"),
            },
            {
                "id": _id("Again"),
                "name": "Again",
                "type": "formula",
                "options": _formula(f"{{{_id('Doubled')}}}+1", "Doubled"),
            },
            {
                "id": _id("Changed"),
                "name": "Changed",
                "type": "lastModifiedTime",
                "options": {
                    "isValid": True,
                    "referencedFieldIds": [],
                    "result": {"type": "dateTime"},
                },
            },
        ]
        tasks = [
            {"id": _id("Title"), "name": "Title", "type": "singleLineText"},
            self._version(TASKS),
            {
                "id": _id("Link"),
                "name": "Link",
                "type": "multipleRecordLinks",
                "options": {"linkedTableId": LOG},
            },
            {
                "id": _id("Names"),
                "name": "Names",
                "type": "multipleLookupValues",
                "options": _through("Name", "singleLineText"),
            },
            {
                "id": _id("Sum"),
                "name": "Sum",
                "type": "rollup",
                "options": _through(f"Version {LOG}", "number"),
            },
        ]
        tables = [
            {"id": LOG, "name": "Log", "primaryFieldId": _id("Name"), "fields": log},
            {"id": TASKS, "name": "Tasks", "primaryFieldId": _id("Title"), "fields": tasks},
        ]
        return {"id": BASE, "name": "Stateful", "permissionLevel": "read", "tables": tables}

    def _version(self, table: str) -> Json:
        version: Json = {"id": _id(f"Version {table}"), "name": "Version", "type": "number"}
        return {**version, "options": {"precision": 0}}

    def _note(self) -> int:
        self.deed = next(self.deeds)
        return self.deed

    def _pick(self, table: str, pick: int) -> str | None:
        there = self.records[table]
        return there[pick % len(there)] if there else None

    def _take_from_trash(self, table: str, pick: int) -> Json | None:
        trash = self.trash[table]
        return trash.pop(pick % len(trash)) if trash else None

    def _create(self, table: str, given: Json, pick: int, is_blank: bool) -> None:  # noqa: FBT001
        if is_blank:
            given["lastModifiedTime"] = None
        cells = self._user_cells(table, given["id"], pick)
        self.admin.create_record(BASE, table, cells, **given)
        self.records[table].append(given["id"])
        self._follow_links(table)

    def _user_cells(self, table: str, record_id: str, pick: int) -> Json:
        version = self.versions[table][record_id] = self._note()
        if table == TASKS:
            logs = self.records[LOG]
            self.links[record_id] = [logs[pick % len(logs)]] if logs and pick % 4 else []
            cells: Json = {_id("Title"): f"task {version}", _id("Link"): self.links[record_id]}
        else:
            kinds = list(self.kinds)
            cells = {
                _id("Name"): f"log {version}",
                _id("Loose"): self._loose(version),
                _id("Kind"): self.kinds[kinds[pick % len(kinds)]] if kinds else None,
                _id("Done"): bool(version % 2),
            }
        return {_id(f"Version {table}"): version, **cells, **self._computed(table, record_id)}

    def _loose(self, version: int) -> Any:  # noqa: ANN401 - a cell
        return f"{version} pieces" if self.loose_is_text else version

    def _computed(self, table: str, record_id: str) -> Json:
        version = self.versions[table][record_id]
        if table == LOG:
            doubled = version * self.factor
            cells: Json = {_id("Doubled"): doubled, _id("Again"): doubled + 1}
        else:
            links = self.links[record_id]
            known = [self.versions[LOG][one] for one in links if one in self.versions[LOG]]
            cells = {_id("Names"): [f"log {one}" for one in known], _id("Sum"): sum(known)}
        extra = {one["id"]: version + one["plus"] for one in self.extra if one["table"] == table}
        return {**cells, **extra}

    def _recompute(self, table: str) -> None:
        """Bring computed cells, and those of a retyped field, up to date without an edit."""
        for record_id in self.records[table]:
            cells = self._computed(table, record_id)
            if table == LOG:
                cells[_id("Loose")] = self._loose(self.versions[table][record_id])
            self.admin.edit_record(BASE, table, record_id, cells, is_user_edit=False)

    def _follow_links(self, table: str) -> None:
        """Let what a change of the linked table means for the tasks come about without an edit."""
        if table != LOG:
            return
        there = set(self.records[LOG])
        shown = {one["id"]: one["fields"] for one in self.admin.dump(BASE, TASKS)}
        for record_id in self.records[TASKS]:
            links = self.links[record_id] = [one for one in self.links[record_id] if one in there]
            cells = {_id("Link"): links, **self._computed(TASKS, record_id)}
            if any((shown[record_id].get(key) or 0) != (cell or 0) for key, cell in cells.items()):
                self.admin.edit_record(BASE, TASKS, record_id, cells, is_user_edit=False)
                self.unseen[TASKS][record_id] = self._note()

    def _change_kinds(self) -> None:
        """Give the field its choices, and the cells their names."""
        old = self.simulator.account.base(BASE).table(LOG).field(_id("Kind"))["options"]["choices"]
        new_names = {one["name"]: self.kinds.get(one["id"]) for one in old}
        self.admin.change_field(BASE, LOG, _id("Kind"), options=_choices(self.kinds))
        for shown in self.admin.dump(BASE, LOG):
            name = shown["fields"].get(_id("Kind"))
            if name is not None and new_names[name] != name:
                cells = {_id("Kind"): new_names[name]}
                self.admin.edit_record(BASE, LOG, shown["id"], cells, is_user_edit=False)


@dataclass(frozen=True)
class Circumstances:
    """What one sync meets with."""

    refreshes_catalog: bool = True
    skew_seconds: int = 0
    has_date: bool = True
    filter: str = "honoured"
    page_size: int | None = None
    fault: str | None = None
    faulty_table: str = LOG
    faulty_page: int = 1
    commits_failed: bool = False
    deeds: tuple[tuple[str, int, str, str, int], ...] = ()
    """While the sync runs: at which page of which table somebody does what, and to which record."""


DEEDS: Final = ("create", "create_blank", "edit", "edit", "delete", "restore", "create_again")
table_ids = st.sampled_from(TABLES)
picks = st.integers(0, 7)
deeds = st.tuples(table_ids, st.integers(1, 4), st.sampled_from(DEEDS), table_ids, picks)
circumstances = st.builds(
    Circumstances,
    refreshes_catalog=st.booleans(),
    skew_seconds=st.sampled_from(
        [0, 0, 0, 1, -1, 20, -20, LONGEST_SKEW_SECONDS, -LONGEST_SKEW_SECONDS]
    ),
    has_date=st.sampled_from([True, True, True, True, False]),
    filter=st.sampled_from(["honoured", "honoured", "honoured", "ignored", "rejected"]),
    page_size=st.sampled_from([None, 1, 2, 3]),
    fault=st.sampled_from([None, None, None, "500", "cut", "429", "expired", "dead", "dead"]),
    faulty_table=table_ids,
    faulty_page=st.integers(1, 3),
    commits_failed=st.booleans(),
    deeds=st.lists(deeds, max_size=3).map(tuple),
)


@dataclass
class Before:
    """What was there when a sync began."""

    deed: int
    versions: dict[str, dict[str, int]]
    hidden: dict[str, set[str]]
    """Records of which no time says that they are there."""
    states: dict[str, Json]
    moment: float


@dataclass
class Tracked:
    """Records of which a state said that the destination has them."""

    by_stream: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def follow(self, name: str, outcome: Outcome, state: Json, saved: Json | None) -> None:
        """Take in a stream's complete sync."""
        ids = {one["_airtable_id"] for one in outcome.records[name] if not one.get(DELETED_AT)}
        gone = {one["_airtable_id"] for one in outcome.records[name] if one.get(DELETED_AT)}
        anew = any(name in said and "the saved state" in said for said in outcome.warnings)
        if anew or "known_ids" not in state or saved is None:
            self.by_stream[name].clear()
        if "known_ids" in state and state != saved:
            self.by_stream[name] |= ids
        self.by_stream[name] -= gone


class Syncing(RuleBasedStateMachine):
    """People at a base, Airtable's moods, and syncs."""

    def __init__(self, simulator: SimulatorThread) -> None:
        """Begin with a small base and an empty destination."""
        super().__init__()
        TALLY["examples"] += 1
        self.simulator = simulator
        self.admin = simulator.admin
        self._clear()
        self.admin.set_clock(STARTED_AT)
        self.people = People(simulator)
        self.destination = Destination()
        self.tracked = Tracked()
        self.streams: list[AirbyteStream] = []
        self.is_sound = True
        """Whether no check has failed, so that the end is worth looking at."""

    @initialize(
        method=st.sampled_from(["last_modified", "last_modified", "created_time"]),
        lookback_minutes=st.sampled_from([1, 2, 60]),
        full_rescan_hours=st.sampled_from(HOURS),
        detect_deletions=st.booleans(),
        deletion_sweep_hours=st.sampled_from(HOURS),
        deselects=st.booleans(),
        blank_modified_time=st.sampled_from(["blank", "error"]),
        blank_comparison=st.sampled_from(["false", "error"]),
    )
    def begin(
        self,
        *,
        deselects: bool,
        blank_modified_time: str,
        blank_comparison: str,
        **incremental: Any,  # noqa: ANN401 - settings
    ) -> None:
        """Draw the settings, and what Airtable makes of blank times."""
        self.options = incremental
        self.is_tracking = bool(incremental["detect_deletions"])
        self.sees_edits = incremental["method"] == "last_modified"
        self.deselects = deselects
        self.connector = InProcess(
            {
                "credentials": {"auth_method": "api_key", "api_key": self.simulator.token},
                "num_workers": 2,
                "incremental": incremental,
            }
        )
        self.admin.configure(
            blank_modified_time=blank_modified_time, blank_comparison=blank_comparison
        )
        self.refresh_catalog()

    # What people do between syncs.

    @rule(deed=st.sampled_from(DEEDS), table=table_ids, pick=picks)
    def do(self, deed: str, table: str, pick: int) -> None:
        """Create, edit, delete or restore a record."""
        TALLY["steps"] += 1
        getattr(self.people, deed)(table, pick)

    @rule(
        change=st.sampled_from(
            [
                *("add_choice", "rename_choice", "delete_choice", "edit_formula", "retype"),
                *("rename_field", "rename_table", "add_field", "delete_field"),
            ]
        ),
        table=table_ids,
        pick=picks,
    )
    def change_schema(self, change: str, table: str, pick: int) -> None:
        """Change a field, a choice or a table's name."""
        TALLY["steps"] += 1
        if change in ("rename_choice", "delete_choice", "delete_field"):
            getattr(self.people, change)(pick)
        elif change == "rename_table":
            self.people.rename_table(table)
        elif change == "add_field":
            self.people.add_field(table, is_computed=bool(pick % 3))
        else:
            getattr(self.people, change)()

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        TALLY["steps"] += 1
        self.admin.advance_clock(seconds)

    # Syncs.

    @rule(met=circumstances)
    def sync(self, met: Circumstances) -> None:
        """Sync, whatever the circumstances."""
        TALLY["steps"] += 1
        self.run_sync(met)

    @rule(deed=st.sampled_from(DEEDS), table=table_ids, pick=picks, seconds=st.integers(0, 2))
    def sync_twice(self, deed: str, table: str, pick: int, seconds: int) -> None:
        """Sync, edit in the boundary second, and sync again a moment later."""
        TALLY["steps"] += 1
        self.run_sync(Circumstances())
        getattr(self.people, deed)(table, pick)
        self.admin.advance_clock(seconds)
        self.run_sync(Circumstances())

    @rule()
    def sync_at_rest(self) -> None:
        """Sync when nothing has changed since before the look-back: one call for each table."""
        TALLY["steps"] += 1
        past = self.options["lookback_minutes"] * 60 + LONGEST_SKEW_SECONDS + 1
        self.admin.advance_clock(past)
        self.run_sync(Circumstances())
        self.admin.advance_clock(past)
        self.is_sound = False
        due = {name for name, state in self.destination.states.items() if self._is_due(state)}
        self.admin.reset_stats()
        self.run_sync(Circumstances())
        calls = self.admin.stats(last=0)["by_table"]
        self.is_sound = False
        quiet = {self._table_of(one) for one in self.streams if one.name not in due}

        assert dict.fromkeys(quiet, 1) == {table: calls.get(f"{BASE}/{table}") for table in quiet}
        self.is_sound = True

    @rule(story=st.sampled_from(["restored", "short-lived", "looked up"]), table=table_ids)
    def tell(self, story: str, table: str) -> None:
        """Delete and restore, create and delete, edit what others look up: with syncs between."""
        TALLY["steps"] += 1
        if story == "restored":
            self.people.delete(table, -1)
            self.check_settled()
            self.people.restore(table, -1)
        elif story == "looked up":
            self.people.create(TASKS, 1)
            self.check_settled()
            self.people.edit(LOG, 1)
        else:
            self.people.create(table, 0)
            self.run_sync(Circumstances())
            self.admin.advance_clock(1)
            self.run_sync(Circumstances())
            self.people.delete(table, -1)
        self.check_settled()

    @rule()
    def settle(self) -> None:
        """Sync in peace when everything is due: the destination equals the base."""
        TALLY["steps"] += 1
        self.check_settled()

    def teardown(self) -> None:
        """Settle at the end."""
        if self.is_sound and hasattr(self, "connector"):
            self.check_settled()

    def run_sync(self, met: Circumstances) -> None:
        """Sync, take in what came, and check what every sync promises."""
        TALLY["syncs"] += 1
        if met.refreshes_catalog:
            self.refresh_catalog()
        self.is_sound = False
        self._arrange(met)
        people = self.people
        before = Before(
            people.deed,
            {table: dict(people.versions[table]) for table in TABLES},
            {table: set(people.unseen[table]) for table in TABLES},
            dict(self.destination.states),
            self.simulator.simulator.clock.now(),
        )
        with before_each_page(self._interfere(met)):
            outcome = self.connector.read(self.streams, self.destination.states)
        self._clear()
        self._check_failures(met, outcome)
        for stream in self.streams:
            self._check_records(stream, outcome, before.states.get(stream.name))
            if stream.name in outcome.states:
                self._commit(stream, outcome, before)
                self._check_complete(stream, outcome, before)
            elif met.commits_failed:
                for data in outcome.records[stream.name]:
                    self.destination.write(stream.name, data)
        self.is_sound = True

    def refresh_catalog(self) -> None:
        """Discover; streams that are gone are dropped with their tables and states."""
        self.streams = self.connector.discover()
        for stream in self.streams:
            properties = dict(stream.json_schema["properties"])
            if self.deselects:
                properties.pop("doubled", None)
            stream.json_schema = {**stream.json_schema, "properties": properties}
        self.destination.forget_all_but({stream.name for stream in self.streams})

    def check_settled(self) -> None:
        """Let everything be due, sync in peace, and compare the destination with the base."""
        hours = max(self.options["full_rescan_hours"], self.options["deletion_sweep_hours"], 1)
        self.admin.advance_clock(hours * 3600 + self.options["lookback_minutes"] * 60 + 3600)
        self.run_sync(Circumstances())
        self.is_sound = False
        for stream in self.streams:
            self._check_equal(stream)
        self.is_sound = True

    def _arrange(self, met: Circumstances) -> None:
        plan = partial(self.admin.plan_fault, "list_records")
        where: Json = {"table": met.faulty_table, "page": met.faulty_page}
        if met.fault == "500":
            plan("status", status=500, times=3, **where)
        elif met.fault == "429":
            plan("status", status=429, times=2, **where)
        elif met.fault == "cut":
            plan("cut_body", times=2, **where)
        elif met.fault == "expired":
            plan("expire_iterator", table=met.faulty_table, page=max(2, met.faulty_page))
        elif met.fault == "dead":
            plan("status", status=500, times=None, **where)
        most = self.options["lookback_minutes"] * 60 // 2
        if met.page_size:
            plan("short_page", count=met.page_size, times=None)
        self.admin.configure(
            date_header="present" if met.has_date else "absent",
            date_skew_seconds=float(max(-most, min(met.skew_seconds, most))),
            filter_is_honoured=met.filter != "ignored",
            filter_is_rejected=met.filter == "rejected",
        )

    def _clear(self) -> None:
        self.admin.clear_faults()
        self.admin.configure(
            date_header="present",
            date_skew_seconds=0.0,
            filter_is_honoured=True,
            filter_is_rejected=False,
        )

    def _interfere(self, met: Circumstances) -> Any:  # noqa: ANN401 - a hook
        lock = threading.Lock()
        pages: Counter[str] = Counter()

        def hook(table: str) -> None:
            with lock:
                pages[table] += 1
                for of_table, page, deed, target, pick in met.deeds:
                    if (of_table, page) == (table, pages[table]):
                        getattr(self.people, deed)(target, pick)

        return hook

    def _check_failures(self, met: Circumstances, outcome: Outcome) -> None:
        failed = {one.name for one in self.streams} - outcome.states.keys()
        may_fail = {
            one.name
            for one in self.streams
            if met.fault == "dead" and self._table_of(one) == met.faulty_table
        }

        assert failed <= may_fail, outcome.failure
        assert bool(failed) == (outcome.failure is not None)

    def _check_records(self, stream: AirbyteStream, outcome: Outcome, saved: Json | None) -> None:
        """Each record once, valid, and of one moment that is not before the saved one."""
        records = outcome.records[stream.name]
        alive = [one for one in records if one.get(DELETED_AT) is None]
        moments = {one[CURSOR] for one in records}
        saved_moment = (saved or {}).get("as_of")
        ids = Counter(one["_airtable_id"] for one in alive)
        TALLY["records"] += len(records)

        assert max(ids.values(), default=1) == 1, "a record came twice"
        assert len(moments) <= 1, moments
        assert not [m for one in records for m in nonconformities(one, stream.json_schema)]
        if saved_moment is not None:
            assert all(moment >= saved_moment for moment in moments)
            state = outcome.states.get(stream.name)
            assert state is None or state["as_of"] >= saved_moment

    def _commit(self, stream: AirbyteStream, outcome: Outcome, before: Before) -> None:
        name, unseen = stream.name, self.people.unseen[self._table_of(stream)]
        for data in outcome.records[name]:
            record_id = data["_airtable_id"]
            if not self.destination.write(name, data):
                # A failed sync on a faster clock has left a later cursor; the next one heals it.
                unseen[record_id] = self.people.deed
            elif unseen.get(record_id, before.deed + 1) <= before.deed:
                del unseen[record_id]
        saved = before.states.get(name)
        self.tracked.follow(name, outcome, outcome.states[name], saved)
        self.destination.states[name] = outcome.states[name]

    def _check_complete(self, stream: AirbyteStream, outcome: Outcome, before: Before) -> None:
        """What was created or edited before a complete sync is there, at least as new."""
        table = self._table_of(stream)
        rows = self.destination.tables[stream.name]
        for record_id, version in before.versions[table].items():
            if record_id not in self.people.versions[table]:
                continue
            if record_id in before.hidden[table] or record_id in self.people.unseen[table]:
                continue
            row = rows.get(record_id)
            assert row is not None, f"{record_id} is missing after a complete sync"
            if self.sees_edits:
                assert row["version"] >= version, f"{record_id} is stale after a complete sync"

    def _check_equal(self, stream: AirbyteStream) -> None:
        table = self._table_of(stream)
        rows = self.destination.tables[stream.name]
        base = {one["id"]: one for one in self.admin.dump(BASE, table)}
        is_rescanned = table == TASKS and self.options["full_rescan_hours"] and self.sees_edits
        unseen = set() if is_rescanned else set(self.people.unseen[table])
        types = {one["id"]: one["type"] for one in self._table(table).fields}
        for record_id, shown in base.items():
            if record_id not in unseen or self.is_tracking:
                assert record_id in rows, f"{record_id} is missing at the end"
            if record_id in unseen or not self.sees_edits:
                continue
            expected = self._expected_row(stream, shown, types)
            assert expected == {key: rows[record_id].get(key) for key in expected}
        ghosts = rows.keys() - base.keys()
        if self.is_tracking:
            assert not ghosts & self.tracked.by_stream[stream.name], "deleted, and still there"

    def _expected_row(self, stream: AirbyteStream, shown: Json, types: dict[str, str]) -> Json:
        row: Json = {
            "_airtable_id": shown["id"],
            "_airtable_created_time": shown["createdTime"],
            "_airtable_errors": None,
        }
        for column, declared in stream.json_schema["properties"].items():
            field_id = (declared.get("x-airtable") or {}).get("field_id")
            if field_id is not None:
                absent = False if types[field_id] == "checkbox" else None
                row[column] = shown["fields"].get(field_id, absent)
        return row

    def _is_due(self, state: Json) -> bool:
        """Whether a re-scan or a sweep may be due, by the state and the simulator's clock."""
        now = self.simulator.simulator.clock.now()
        with_dates = {
            "last_full_scan": self.options["full_rescan_hours"],
            "last_sweep": self.options["deletion_sweep_hours"] if self.is_tracking else None,
        }
        for key, hours in with_dates.items():
            if hours is None or (key == "last_full_scan" and not hours):
                continue
            if key not in state:
                return True
            since = now - parse_time(state[key])
            if since >= hours * 3600 - 2 * LONGEST_SKEW_SECONDS:
                return True
        return "as_of" not in state

    def _table(self, table: str) -> Any:  # noqa: ANN401 - the simulator's
        return self.simulator.simulator.account.base(BASE).table(table)

    def _table_of(self, stream: AirbyteStream) -> str:
        table: str = stream.json_schema["x-airtable"]["table_id"]
        return table


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A simulator of its own, whose clock the machine moves."""
    with SimulatorThread(has_limits=False) as running:
        yield running


def test_destination_equals_base(simulator: SimulatorThread) -> None:
    """Random edits, schema changes, failures and syncs leave the destination equal to the base."""
    TALLY.clear()
    found = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize="INCREMENTAL_EXAMPLES" not in os.environ,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with nothing_waits(simulator.url):
        run_state_machine_as_test(
            partial(Syncing, simulator),  # type: ignore[arg-type]  # any factory will do
            settings=found,
        )
    print(json.dumps(TALLY))  # noqa: T201 - the figures of the run
