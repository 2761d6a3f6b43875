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
from datetime import datetime, timezone
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from integration_tests.airtable_simulator import CommandRefusedError, SimulatorThread
from integration_tests.airtable_simulator.clock import parse_time
from integration_tests.airtable_simulator.ids import make_id
from integration_tests.bases import a_base, a_table
from integration_tests.in_process import (
    DELETED_AT,
    Destination,
    InProcess,
    before_each_list_of_comments,
    before_each_page,
    cursor_of,
    key_of,
    nothing_waits,
)
from integration_tests.webhook_rules import (
    BASE,
    EDITS,
    LOG,
    TALLY,
    TASKS,
    ActingAdmin,
    WebhookRules,
    faults_at_webhooks,
    openings,
    state_of,
)
from source_airtable.changes.record_ids import unpack_ids
from unit_tests.conforming import nonconformities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airbyte_cdk.models import AirbyteStream

    from integration_tests.in_process import Json, Outcome

EXAMPLES: Final = int(os.environ.get("INCREMENTAL_EXAMPLES", "40"))
STEPS: Final = int(os.environ.get("INCREMENTAL_STEPS", "16"))
SHRINKS: Final = os.environ.get("INCREMENTAL_SHRINKS", "1") == "1"

STARTED_AT: Final = "2026-11-01T00:00:00.000Z"
OTHER: Final = make_id("app", "stateful", "other")
TABLES: Final = (LOG, TASKS)
HOURS: Final = (0, 1, 24)
PAUSES: Final = (0, 1, 2, 29, 59, 60, 61, 600, 3_599, 3_600, 3_601, 43_200, 86_400, 172_800)
LONGEST_SKEW_SECONDS: Final = 900
TOLERANCE_SECONDS: Final = 300
ABSURD: Final = -1.5
"""Stands for a clock in the year 9999."""
YEAR_9999: Final = 253_402_300_000


selections = st.sets(st.sampled_from(["doubled", "loose", "kind", "_airtable_table_name"]))
"""Columns that are not selected."""


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


@dataclass(frozen=True)
class Filter:
    """A filter of a table, and whether it keeps a record, by its cells and its age in seconds."""

    table: str
    entry: Json
    keeps: Callable[[Json, float], bool]
    is_volatile: bool = False


AGE: Final = 3 * 3_600
AGED: Final = f"DATETIME_DIFF(NOW(),CREATED_TIME(),'seconds')>={AGE}"
VIEW: Final = make_id("viw", "stateful", "aged")
FILTERS: Final[dict[str, Filter]] = {
    "done": Filter(
        LOG,
        {"formula": f"IF({{{_id('Done')}}},ERROR(),1)"},
        lambda cells, _: not cells.get(_id("Done")),
    ),
    "kind": Filter(
        LOG,
        {"formula": f"{{{_id('Kind')}}}!='kind 0'"},
        lambda cells, _: cells.get(_id("Kind")) != "kind 0",
    ),
    "computed": Filter(
        LOG, {"formula": f"{{{_id('Again')}}}>60"}, lambda cells, _: cells[_id("Again")] > 60
    ),
    "aged": Filter(LOG, {"formula": AGED}, lambda _, age: age >= AGE, is_volatile=True),
    "view": Filter(LOG, {"view": VIEW}, lambda _, age: age >= AGE, is_volatile=True),
    "sum": Filter(
        TASKS,
        {"formula": f"{{{_id('Sum')}}}>10"},
        lambda cells, _: cells.get(_id("Sum"), 0) > 10,
        is_volatile=True,
    ),
}


class People:
    """The people who edit the base: they know what every record should hold."""

    def __init__(self, simulator: SimulatorThread) -> None:
        """Build the base anew, with a few records."""
        self.admin = ActingAdmin(simulator.url)
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
        self.sets_filters = False
        """Whether tables have had filters, which records can enter by an edit."""
        self.edits_show = True
        """Whether every sync looks for edits, so that one shows a record that was restored."""
        self.kinds = {make_id("sel", "stateful", number): f"kind {number}" for number in range(2)}
        self.factor = 2
        self.loose_is_text = False
        self.lost = 0
        """How often the field's cells have changed with its type."""
        self.extra: list[Json] = []
        self.dropped: list[Json] = []
        """Fields that were deleted, and can be restored."""
        self.comments: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        """Text and deed of each comment, by record and comment."""
        self.uncommented: dict[str, int] = {}
        """When a comment was last deleted, by record."""
        # So that an account is left while the base is hidden.
        other = a_base("Other", a_table("Empty", records=0), id=OTHER, permissionLevel="create")
        self.admin.load({"bases": [self._base(), other]})
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
            before = self._filters_of(table, record_id)
            cells = self._user_cells(table, record_id, pick)
            self.admin.edit_record(BASE, table, record_id, cells)
            if self.edits_show:
                self.unseen[table].pop(record_id, None)
            elif self.sets_filters and self._filters_of(table, record_id) - before:
                self.unseen[table][record_id] = self._note()
            self._follow_links(table)

    def edit_all(self, table: str) -> None:
        """Change all records of a table by one action."""
        ids = self.records[table]
        cells = {one: self._user_cells(table, one, at) for at, one in enumerate(ids)}
        self.admin.edit_records(BASE, table, cells)
        if self.edits_show:
            self.unseen[table].clear()
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
        if self.comments.pop(record_id, None):
            self.uncommented[record_id] = self._note()
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

    def comment(self, table: str, pick: int) -> None:
        """Comment on a record, which moves none of its times."""
        record_id = self._pick(table, pick)
        if record_id:
            text = f"comment {self._note()}"
            added = self.admin.add_comment(BASE, table, record_id, text)["id"]
            self.comments[record_id][added] = text, self.deed

    def edit_comment(self, table: str, pick: int) -> None:
        """Change the text of a comment."""
        record_id, comment_id = self._pick_comment(table, pick)
        if record_id and comment_id:
            text = f"edited {self._note()}"
            self.admin.edit_comment(BASE, table, record_id, comment_id, text=text)
            self.comments[record_id][comment_id] = text, self.comments[record_id][comment_id][1]

    def delete_comment(self, table: str, pick: int) -> None:
        """Delete a comment."""
        record_id, comment_id = self._pick_comment(table, pick)
        if record_id and comment_id:
            self.admin.delete_comment(BASE, table, record_id, comment_id)
            del self.comments[record_id][comment_id]
            self.uncommented[record_id] = self._note()

    def drop_field(self, table: str, pick: int) -> None:
        """Delete a field that was added."""
        self.delete_field(pick)

    def restore_field(self) -> None:
        """Restore a field with its cells; no record's time moves."""
        if self.dropped:
            back = self.dropped.pop()
            self._note()
            self.admin.add_field(BASE, back["table"], back["given"])
            self.extra.append(back)
            self._recompute(back["table"])

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

    def lose_loose_cells(self) -> None:
        """Have a change of a field's type, to and fro, change its cells without an edit."""
        self.lost += 1
        self._recompute(LOG)
        self.unseen[LOG] |= dict.fromkeys(self.records[LOG], self._note())

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
            self.extra.append({**added, "given": given})
            self._recompute(table)

    def delete_field(self, pick: int) -> None:
        """Delete a field that was added."""
        if self.extra:
            gone = self.extra.pop(pick % len(self.extra))
            self.admin.delete_field(BASE, gone["table"], gone["id"])
            self._note()
            self.dropped.append(gone)

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
            {
                "id": LOG,
                "name": "Log",
                "primaryFieldId": _id("Name"),
                "fields": log,
                "views": [{"id": VIEW, "name": "Aged", "type": "grid", "filter": AGED}],
            },
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

    def _pick_comment(self, table: str, pick: int) -> tuple[str | None, str | None]:
        commented = [one for one in self.records[table] if self.comments.get(one)]
        if not commented:
            return None, None
        record_id = commented[pick % len(commented)]
        return record_id, list(self.comments[record_id])[pick % len(self.comments[record_id])]

    def members(self, table: str, wanted: str | None) -> dict[str, Json]:
        """The records of a table that a filter keeps, as they are now."""
        try:
            shown = {one["id"]: one for one in self.admin.dump(BASE, table)}
        except CommandRefusedError:
            return {}  # the table is away for a while
        if wanted is None:
            return shown
        return {key: one for key, one in shown.items() if self._keeps(wanted, one)}

    def enters_by_time(self, shown: Json) -> bool:
        """Whether a record was younger than the filters' age when somebody edited it last."""
        edited = parse_time(shown["lastModifiedTime"] or shown["createdTime"])
        return edited - parse_time(shown["createdTime"]) < AGE

    def _filters_of(self, table: str, record_id: str) -> set[str]:
        (shown,) = (one for one in self.admin.dump(BASE, table) if one["id"] == record_id)
        return {
            name for name, one in FILTERS.items() if one.table == table and self._keeps(name, shown)
        }

    def _keeps(self, wanted: str, shown: Json) -> bool:
        now = float(self.simulator.clock.now())
        return FILTERS[wanted].keeps(shown["fields"], now - parse_time(shown["createdTime"]))

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
        number = version + self.lost
        return f"{number} pieces" if self.loose_is_text else number

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
            known = shown[record_id]
            new = {key: cell for key, cell in cells.items() if (known.get(key) or 0) != (cell or 0)}
            if new:
                self.admin.edit_record(BASE, TASKS, record_id, new, is_user_edit=False)
                self.unseen[TASKS][record_id] = self._note()

    def _change_kinds(self) -> None:
        """Give the field its choices, and the cells their names."""
        old = self.simulator.account.base(BASE).table(LOG).field(_id("Kind"))["options"]["choices"]
        new_names = {one["name"]: self.kinds.get(one["id"]) for one in old}
        self.admin.change_field(BASE, LOG, _id("Kind"), options=_choices(self.kinds))
        for shown in self.admin.dump(BASE, LOG):
            name = shown["fields"].get(_id("Kind"))
            # A record may come out of the trash with the old name of a choice.
            if name is not None and new_names.get(name) != name:
                cells = {_id("Kind"): new_names.get(name)}
                self.admin.edit_record(BASE, LOG, shown["id"], cells, is_user_edit=False)


@dataclass(frozen=True)
class Circumstances:
    """What one sync meets with."""

    refreshes_catalog: bool = True
    skew_seconds: float = 0
    """How far Airtable's clock is ahead."""
    own_skew_seconds: float = 0
    """How far this machine's clock is ahead."""
    has_date: bool = True
    filter: str = "honoured"
    page_size: int | None = None
    fault: str | None = None
    faulty_table: str = LOG
    faulty_page: int = 1
    reads_parts: bool = False
    """Whether whole tables are read in parts, however small they are."""
    killed_after: int | None = None
    """After how many states the process is killed."""
    commits_failed: bool = False
    """Whether records and states of streams that fail stay in the destination."""
    vanishes: str | None = None
    deeds: tuple[tuple[str, int, str, str, int], ...] = ()
    """While the sync runs: at which page of which table somebody does what, and to which record."""
    deeds_at_list: tuple[tuple[str, str, int], ...] = ()
    """What somebody does before comments are listed for the first time."""
    deeds_at_payloads: tuple[tuple[str, str, int], ...] = ()
    """What somebody does before payloads are listed for the first time."""
    webhook_fault: tuple[str, str] | None = None
    """The call to a webhook that fails, and how."""
    shown_late: bool = False
    """Whether records are looked up before Airtable shows all of them."""


DEEDS: Final = (
    *("create", "create_blank", "edit", "edit", "delete", "restore", "create_again"),
    *("comment", "comment", "edit_comment", "delete_comment"),
)
DEEDS_AT_FILTER: Final = ("edit", "edit", "edit", "create", "delete", "restore", "comment")
DEEDS_IN_SYNC: Final = (*DEEDS, "drop_field")
FAULTS: Final[dict[str, Json]] = {
    "500": {"action": "status", "status": 500, "times": 3},
    "429": {"action": "status", "status": 429, "times": 2},
    "cut": {"action": "cut_body", "times": 2},
    "dead": {"action": "status", "status": 500, "times": None},
    "stray 403": {"action": "status", "status": 403},
    "stray 404": {"action": "status", "status": 404},
    "stray page": {"action": "malformed"},
}
table_ids = st.sampled_from(TABLES)
picks = st.integers(0, 7)
deeds = st.tuples(table_ids, st.integers(1, 4), st.sampled_from(DEEDS_IN_SYNC), table_ids, picks)
circumstances = st.builds(
    Circumstances,
    refreshes_catalog=st.booleans(),
    skew_seconds=st.sampled_from(
        [
            *(0, 0, 0, 0, 1, -1, 20, -20),
            *(TOLERANCE_SECONDS, -300, 900, -900, 7_200, -7_200, ABSURD),
        ]
    ),
    own_skew_seconds=st.sampled_from([0, 0, 0, 0, -7_200]),
    has_date=st.sampled_from([True, True, True, True, False]),
    filter=st.sampled_from(["honoured", "honoured", "honoured", "ignored", "rejected"]),
    page_size=st.sampled_from([None, 1, 2, 3]),
    fault=st.sampled_from(
        [
            *(None, None, None, "500", "cut", "429", "expired", "dead", "dead", "dead"),
            *("stray 403", "stray 404", "stray page"),
        ]
    ),
    faulty_table=table_ids,
    faulty_page=st.integers(1, 3),
    reads_parts=st.sampled_from([False, False, True]),
    killed_after=st.sampled_from([*([None] * 8), 1, 2, 3, 6]),
    commits_failed=st.sampled_from([True, True, False]),
    vanishes=st.sampled_from([*([None] * 8), "base", "schema", "scan"]),
    deeds=st.lists(deeds, max_size=3).map(tuple),
    deeds_at_list=st.lists(
        st.tuples(st.sampled_from(["comment", "delete_comment"]), table_ids, picks), max_size=2
    ).map(tuple),
    deeds_at_payloads=st.lists(st.tuples(st.sampled_from(DEEDS), table_ids, picks), max_size=2).map(
        tuple
    ),
    webhook_fault=faults_at_webhooks,
    shown_late=st.booleans(),
)


@dataclass
class Before:
    """What was there when a sync began."""

    deed: int
    versions: dict[str, dict[str, int]]
    comments: dict[str, set[str]]
    members: dict[str, dict[str, Json]]
    """The records of each table that its filter keeps."""
    hidden: dict[str, set[str]]
    """By stream, the records of which no time says that they have changed."""
    states: dict[str, Json]
    listed: dict[str, int] = field(default_factory=dict)
    """When comments were asked for in this sync, by record: after which deed."""


@dataclass
class Kept:
    """What a destination has of one stream, by what was written and saved."""

    seen: dict[str, int] = field(default_factory=dict)
    """The last deed before each record was written."""
    tracked: set[str] | None = None
    """The records of which a state says that the destination has them; None before any does."""
    tracked_since: int = 0
    excused: set[str] = field(default_factory=set)
    """Records whose deletion nobody can know of."""


class Syncing(WebhookRules):
    """People at a base, Airtable's moods, and syncs."""

    new_circumstances = Circumstances
    new_kept = Kept

    def __init__(self, simulator: SimulatorThread, own_clock: OwnClock, parts: Parts) -> None:
        """Begin with a small base and an empty destination."""
        super().__init__()
        TALLY["examples"] += 1
        self.simulator = simulator
        self.admin = simulator.admin
        self.own_clock = own_clock
        self.parts = parts
        self.lock = threading.Lock()
        """Held by whoever does something while a sync runs."""
        self._clear()
        self.admin.set_clock(STARTED_AT)
        self.people = People(simulator)
        self.destination = Destination()
        self.kept: dict[str, Kept] = defaultdict(Kept)
        self.listed: dict[str, int] = {}
        """When the comments of a record were last listed and saved: after which deed."""
        self.streams: list[AirbyteStream] = []
        self.deselected: set[str] = set()
        self.filters: dict[str, str | None] = dict.fromkeys(TABLES)
        self.filtered_once: set[str] = set()
        """The tables that had a filter at any time."""
        self.is_sound = True
        """Whether no check has failed, so that the end is worth looking at."""

    @initialize(
        method=st.sampled_from(
            [*(["webhooks"] * 5), "last_modified", "last_modified", "created_time"]
        ),
        lookback_minutes=st.sampled_from([1, 2, 60]),
        full_rescan_hours=st.sampled_from(HOURS),
        detect_deletions=st.booleans(),
        deletion_sweep_hours=st.sampled_from(HOURS),
        deselected=selections,
        stream_names=st.sampled_from(["names", "ids"]),
        on_missing_table=st.sampled_from(["fail", "skip"]),
        readings=st.fixed_dictionaries(
            {
                "blank_modified_time": st.sampled_from(["blank", "error"]),
                "blank_comparison": st.sampled_from(["false", "error"]),
                "find_ignores_case": st.booleans(),
            }
        ),
        opening=openings,
    )
    def begin(
        self,
        *,
        opening: Json,
        deselected: set[str],
        stream_names: str,
        on_missing_table: str,
        readings: Json,
        **incremental: Any,  # noqa: ANN401 - settings
    ) -> None:
        """Draw the settings, and what Airtable makes of blank times and of cases."""
        self.options = incremental
        self.method_of_edits = incremental["method"] if incremental["method"] in EDITS else EDITS[0]
        self.people.edits_show = incremental["method"] in EDITS
        self.begin_webhooks(opening)
        self.deselected = deselected
        self.connector = InProcess(
            {
                "credentials": {"auth_method": "api_key", "api_key": self.simulator.token},
                "num_workers": 2,
                "stream_names": stream_names,
                "on_missing_table": on_missing_table,
                "incremental": incremental,
            }
        )
        self.admin.configure(**readings)
        self.refresh_catalog()

    # What people do between syncs.

    @rule(deed=st.sampled_from(DEEDS), table=table_ids, pick=picks)
    def do(self, deed: str, table: str, pick: int) -> None:
        """Create, edit, delete, restore or comment on a record."""
        TALLY["steps"] += 1
        getattr(self.people, deed)(table, pick)

    @rule(
        change=st.sampled_from(
            [
                *("add_choice", "rename_choice", "delete_choice", "edit_formula", "retype"),
                *("rename_field", "rename_table", "add_field", "delete_field", "restore_field"),
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

    @rule(toggle=st.sampled_from(["method", "webhooks", "detect_deletions"]))
    def set_up_anew(self, toggle: str) -> None:
        """Change how changes are found, or whether deletions are."""
        TALLY["steps"] += 1
        is_edited = self.options["method"] in EDITS
        if toggle == "method":
            self.people.edits_show = False
            self.options["method"] = "created_time" if is_edited else self.method_of_edits
        elif toggle == "webhooks":
            self.method_of_edits = EDITS[1 - EDITS.index(self.method_of_edits)]
            if is_edited:
                self.options["method"] = self.method_of_edits
        else:
            self.options["detect_deletions"] = not self.options["detect_deletions"]

    @rule(deselected=selections)
    def select(self, deselected: set[str]) -> None:
        """Select other columns, from the next refresh of the catalog on."""
        TALLY["steps"] += 1
        self.deselected = deselected

    @rule(wanted=st.sampled_from([*FILTERS, *TABLES]))
    def filter_table(self, wanted: str) -> None:
        """Give a table another filter, or take its filter away."""
        TALLY["steps"] += 1
        self.people.sets_filters = True
        self.filters |= {FILTERS[wanted].table: wanted} if wanted in FILTERS else {wanted: None}
        self.filtered_once |= {table for table, name in self.filters.items() if name}
        self.connector.config["table_filters"] = [
            {"table": table, **FILTERS[name].entry} for table, name in self.filters.items() if name
        ]

    @rule(
        first=st.sampled_from([*FILTERS, *TABLES]),
        wanted=st.sampled_from(["done", "done", *FILTERS]),
        edits_all=st.booleans(),
        deeds=st.lists(st.tuples(st.sampled_from(DEEDS_AT_FILTER), picks), min_size=1, max_size=4),
        change=st.sampled_from([None, "rename_choice", "edit_formula"]),
    )
    def tell_of_a_filter(
        self,
        *,
        first: str,
        wanted: str,
        edits_all: bool,
        deeds: list[tuple[str, int]],
        change: str | None,
    ) -> None:
        """Filter a table anew, and have records enter and leave."""
        table = FILTERS[wanted].table
        self.filter_table(first)
        self.run_sync(Circumstances())
        self.filter_table(wanted)
        self.check_settled()
        edits = [("edit", pick) for pick in range(len(self.people.records[table]) * edits_all)]
        for deed, pick in (*edits, *deeds):
            self.do(deed, table, pick)
        if change:
            self.change_schema(change, LOG, 0)
        self.admin.advance_clock(1)
        self.run_sync(Circumstances())
        self.check_settled()

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

    @rule(met=circumstances, deed=st.sampled_from(DEEDS), table=table_ids, pick=picks)
    def sync_amid_trouble(self, met: Circumstances, deed: str, table: str, pick: int) -> None:
        """Sync amid trouble, edit soon after, and sync in peace later."""
        TALLY["steps"] += 1
        self.run_sync(met)
        self.admin.advance_clock(1)
        getattr(self.people, deed)(table, pick)
        self.admin.advance_clock(LONGEST_SKEW_SECONDS)
        self.run_sync(Circumstances())

    @rule()
    def sync_at_rest(self) -> None:
        """Sync when nothing has changed since before the look-back: one call for each need."""
        TALLY["steps"] += 1
        past = self.options["lookback_minutes"] * 60 + LONGEST_SKEW_SECONDS + 1
        self.admin.advance_clock(past)
        self.run_sync(Circumstances())
        self.admin.advance_clock(past)
        self.is_sound = False
        due = {table for table in TABLES if any(map(self._is_due, self._states_of(table)))}
        self.admin.reset_stats()
        self.run_sync(Circumstances())
        listings = self.admin.stats(last=1_000)["last_calls"]
        calls = Counter(one["table"] for one in listings if one["kind"] == "list_records")
        self.is_sound = False
        quiet = set(TABLES) - due

        # What changed, where no webhook tells it, and the number of comments.
        expected = dict.fromkeys(quiet, self.calls_at_rest)
        assert expected == {table: calls[table] for table in quiet}
        self.is_sound = True

    @rule(
        story=st.sampled_from(
            ["restored", "short-lived", "looked up", "restored field", "told late"]
        ),
        table=table_ids,
    )
    def tell(self, story: str, table: str) -> None:
        """Delete and restore, create and delete, edit what others look up: with syncs between."""
        TALLY["steps"] += 1
        people = self.people
        if story == "restored":
            people.delete(table, -1)
            self.check_settled()
            people.restore(table, -1)
        elif story == "looked up":
            people.create(TASKS, 1)
            self.check_settled()
            people.edit(LOG, 1)
        elif story == "restored field":
            people.add_field(table, is_computed=True)
            deed = (table, 2, "drop_field", table, -1)
            self.run_sync(Circumstances(page_size=1, deeds=(deed,)))
            people.restore_field()
        elif story == "told late":
            self.run_sync(Circumstances())
            people.delete(table, 0)
            self.set_up_anew("method")
            self.run_sync(Circumstances())
            self.set_up_anew("method")
        else:
            people.create(table, 0)
            self.run_sync(Circumstances())
            self.admin.advance_clock(1)
            self.run_sync(Circumstances())
            people.delete(table, -1)
        self.check_settled()

    @rule(
        story=st.sampled_from(
            ["hidden", "talked over", "other columns", "failed half way", "killed first sync"]
        ),
        table=table_ids,
    )
    def tell_of_trouble(self, story: str, table: str) -> None:
        """Hide the base, delete a comment before its list, fail with rows written."""
        TALLY["steps"] += 1
        people = self.people
        if story == "hidden":
            self.run_sync(Circumstances())
            people.delete(table, 0)
            self.run_sync(Circumstances(refreshes_catalog=False, vanishes="base"))
        elif story == "talked over":
            people.comment(table, 0)
            people.comment(table, 0)
            self.run_sync(Circumstances(deeds_at_list=(("delete_comment", table, 0),)))
            people.comment(table, 0)
            self.run_sync(Circumstances())
        elif story == "other columns":
            for pick in range(3):
                people.create(LOG, pick)
            self.deselected = {"loose"}
            self.run_sync(Circumstances())
            self.deselected = {"doubled"}
            dead = Circumstances(fault="dead", faulty_page=3, page_size=1, commits_failed=True)
            self.run_sync(dead)
            people.delete(LOG, 0)
            self.deselected = {"loose"}
        elif story == "killed first sync":
            self.destination = Destination()
            self.kept.clear()
            self.listed.clear()
            self._kill_first_sync(table)
        elif story == "failed half way":
            past = self.options["lookback_minutes"] * 60 + LONGEST_SKEW_SECONDS
            self.run_sync(Circumstances())
            self.admin.advance_clock(past)
            for pick in range(3):
                people.create(LOG, pick)
            self.admin.advance_clock(past)
            dead = Circumstances(fault="dead", faulty_page=2, page_size=1, commits_failed=True)
            self.run_sync(dead)
            people.delete(LOG, -3)
        self.check_settled()

    def _kill_first_sync(self, table: str) -> None:
        """Kill a first sync when half of it is saved, change its records, and go on with it.

        In one of the tables, the sync that goes on has a column more.
        """
        people = self.people
        past = self.options["lookback_minutes"] * 60 + LONGEST_SKEW_SECONDS + 1
        for pick in range(4):
            people.create(table, pick)
        # What is lost now must not come back with the look-back.
        self.admin.advance_clock(past)
        self.deselected = {"doubled"} if table == LOG else set()
        self.run_sync(Circumstances(reads_parts=True, killed_after=6))
        self.admin.advance_clock(past)
        people.delete(table, 0)
        for pick in range(0, len(people.records[table]), 2):
            people.edit(table, pick)
        self.deselected = set()
        self.admin.advance_clock(past)
        self.run_sync(Circumstances())

    @rule()
    def settle(self) -> None:
        """Sync in peace when everything is due: the destination equals the base."""
        TALLY["steps"] += 1
        self.check_settled()

    def teardown(self) -> None:
        """Settle at the end."""
        try:
            if self.is_sound and hasattr(self, "connector"):
                self.check_settled()
                self.tell_in_the_end()
                self.change_connection()
                self.check_settled()
        finally:
            self.end_webhooks()

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
            {record_id: set(known) for record_id, known in people.comments.items()},
            {table: people.members(table, self.filters[table]) for table in TABLES},
            {stream.name: self._hidden(stream.name) for stream in self.streams},
            dict(self.destination.states),
        )

        def note_list(record_id: str) -> None:
            with self.lock:
                if not before.listed:
                    for deed, table, pick in met.deeds_at_list:
                        getattr(people, deed)(table, pick)
                before.listed[record_id] = people.deed

        with (
            before_each_page(self._interfere(met)),
            before_each_list_of_comments(note_list),
            self.interfere_with_webhook(met),
        ):
            outcome = self.connector.read(
                self.streams, self.destination.states, killed_after=met.killed_after
            )
        self._clear()
        TALLY["killed"] += outcome.is_killed
        if not outcome.is_killed:
            self._check_failures(met, outcome)
        for stream in self.streams:
            self._check_records(stream, outcome, before.states.get(stream.name))
            self._check_filters(stream, outcome, before)
            self._take_in(stream, outcome, before, met)
            if not outcome.is_killed:
                self.check_webhook_sync(met, stream, outcome, before)
        self.is_sound = True

    def _take_in(
        self, stream: AirbyteStream, outcome: Outcome, before: Before, met: Circumstances
    ) -> None:
        """Bring what came of a stream to the destination, and check what is promised of it."""
        name = stream.name
        if name in outcome.complete:
            self._commit(stream, outcome, before)
            if name == "comments":
                self.listed |= before.listed
            if met.vanishes is None:
                check = self._check_comments if name == "comments" else self._check_complete
                check(name, before)
        elif met.commits_failed or outcome.is_killed:
            TALLY["failed streams"] += 1
            self._leave_out_unsaved(stream, outcome)
            self._commit(stream, outcome, before)

    def _leave_out_unsaved(self, stream: AirbyteStream, outcome: Outcome) -> None:
        """Leave out what a killed sync wrote of tables that no state of it knows.

        After any kill, such rows may come again with an earlier cursor, if Airtable's clock goes
        back.
        """
        if not outcome.is_killed:
            return
        name, cursor = stream.name, cursor_of(stream.name)
        saved = outcome.states.get(name)
        outcome.records[name] = [
            one
            for one in outcome.records[name][: outcome.before_state.get(name, 0)]
            if (one[cursor] or "")
            <= state_of(saved, self._table_in(stream, one)).get("cursor_floor", "")
        ]

    def refresh_catalog(self) -> None:
        """Discover; streams that are gone are dropped with their tables and states."""
        self.streams = [
            stream
            for stream in self.connector.discover()
            if stream.json_schema.get("x-airtable", {}).get("base_id") != OTHER
        ]
        for stream in self.streams:
            given = stream.json_schema["properties"]
            properties = {name: one for name, one in given.items() if name not in self.deselected}
            stream.json_schema = {**stream.json_schema, "properties": properties}
        names = {stream.name for stream in self.streams}
        self.destination.forget_all_but(names)
        for name in self.kept.keys() - names:
            del self.kept[name]

    def check_settled(self) -> None:
        """Let everything be due, sync in peace, and compare the destination with the base."""
        hours = max(self.options["full_rescan_hours"], self.options["deletion_sweep_hours"], 1)
        self.admin.advance_clock(hours * 3600 + self.options["lookback_minutes"] * 60 + 3 * 3600)
        webhooks = len(self.admin.webhooks(BASE))
        is_resumed = any(
            "read_parts" in state for table in TABLES for state in self._states_of(table)
        )
        self.run_sync(Circumstances())
        if is_resumed:
            # The first one completes what was broken off, as of its beginning.
            self.run_sync(Circumstances())
        self.is_sound = False
        self.check_that_webhook_is_read(webhooks)
        for stream in self.streams:
            if stream.name == "comments":
                self._check_all_comments()
                continue
            for table in self._tables_of(stream):
                self._check_equal(stream, table)
        self.is_sound = True

    def _arrange(self, met: Circumstances) -> None:
        where: Json = {"table": met.faulty_table, "page": met.faulty_page}
        plan = partial(self.admin.plan_fault, "list_records")
        if met.fault == "expired":
            plan("expire_iterator", table=met.faulty_table, page=max(2, met.faulty_page))
        elif met.fault is not None:
            plan(**FAULTS[met.fault], **where)
        if met.vanishes == "base":
            self.admin.unshare_base(BASE)
        elif met.vanishes == "schema":
            self.admin.plan_fault("base_schema", "status", status=403, times=None)
        elif met.vanishes == "table":
            self.admin.delete_table(BASE, met.faulty_table)
        elif met.vanishes == "scan":
            plan("status", status=403, times=None, **where)
            self.admin.plan_fault("base_schema", "status", status=403, nth=2, times=None)
        self.plan_webhook_fault(met)
        if met.page_size:
            plan("short_page", count=met.page_size, times=None)
        self.own_clock.ahead_seconds = met.own_skew_seconds
        # Where the user has a filter, only the connector's own may be refused.
        has_own_alone = not any(self.filters.values())
        is_rejected = met.filter == "rejected"
        self.parts.are_read = met.reads_parts
        self.admin.configure(
            date_header="present" if met.has_date else "absent",
            date_skew_seconds=self._skew(met),
            filter_is_honoured=met.filter != "ignored" or not has_own_alone,
            filter_is_rejected=is_rejected and has_own_alone,
            refused_function="DATETIME_PARSE" if is_rejected and not has_own_alone else "",
        )

    def _skew(self, met: Circumstances) -> float:
        if met.skew_seconds == ABSURD:
            return YEAR_9999 - float(self.simulator.simulator.clock.now())
        if 0 < met.skew_seconds <= TOLERANCE_SECONDS:
            # What the tolerance lets pass, the look-back has to make up for.
            return min(met.skew_seconds, float(self.options["lookback_minutes"]) * 30)
        return met.skew_seconds

    def _clear(self) -> None:
        self.parts.are_read = False
        self.admin.clear_faults()
        self.own_clock.ahead_seconds = 0
        if BASE in self.simulator.simulator.account.bases:
            self.admin.share_base(BASE)
            for table in list(self.simulator.simulator.account.base(BASE).trash):
                self.admin.restore_table(BASE, table)
        self.admin.configure(
            date_header="present",
            date_skew_seconds=0.0,
            filter_is_honoured=True,
            filter_is_rejected=False,
            refused_function="",
        )

    def _interfere(self, met: Circumstances) -> Any:  # noqa: ANN401 - a hook
        pages: Counter[str] = Counter()

        def hook(table: str) -> None:
            with self.lock:
                pages[table] += 1
                for of_table, page, deed, target, pick in met.deeds:
                    if (of_table, page) == (table, pages[table]):
                        getattr(self.people, deed)(target, pick)

        return hook

    def _check_failures(self, met: Circumstances, outcome: Outcome) -> None:
        failed = {one.name for one in self.streams} - outcome.complete
        if met.vanishes is not None:
            return
        may_fail = {
            one.name
            for one in self.streams
            if met.fault == "dead" and met.faulty_table in self._tables_of(one)
        } | self.may_fail_by_webhook(met)

        assert failed <= may_fail, outcome.failure
        assert bool(failed) == (outcome.failure is not None)

    def _check_records(self, stream: AirbyteStream, outcome: Outcome, saved: Json | None) -> None:
        """Each record once, valid, and of one moment that is after all that were emitted before."""
        name, cursor = stream.name, cursor_of(stream.name)
        records = outcome.records[name]
        alive = [one for one in records if one.get(DELETED_AT) is None]
        ids = Counter(key_of(name, one) for one in alive)
        TALLY["records"] += len(records)
        TALLY["tombstones of records that left"] += sum(
            one["id"] in self.people.versions[table]
            for one in records
            for table in TABLES
            if name == "records" and one.get(DELETED_AT)
        )

        assert max(ids.values(), default=1) == 1, "a record came twice"
        assert not [m for one in records for m in nonconformities(one, stream.json_schema)]
        for table in self._tables_of(stream):
            of_table = [one for one in records if self._table_in(stream, one) == table]
            moments = {one[cursor] for one in of_table}
            floor = state_of(saved, table).get("cursor_floor")

            assert len(moments) <= 1, moments
            assert floor is None or all(moment > floor for moment in moments)

    def _check_filters(self, stream: AirbyteStream, outcome: Outcome, before: Before) -> None:
        """Each record is in its table's filter, unless it was edited during the sync."""
        for table in set(self._tables_of(stream)) if stream.name != "comments" else ():
            versions = self.people.versions[table]
            present = self.people.members(table, self.filters[table])
            members = before.members[table].keys() | present.keys()
            for one in outcome.records[stream.name]:
                record_id = key_of(stream.name, one)[-1]
                if self._table_in(stream, one) == table and one.get(DELETED_AT) is None:
                    is_edited = versions.get(record_id) != before.versions[table].get(record_id)
                    assert record_id in members or is_edited, "a record outside of the filter"

    def _commit(self, stream: AirbyteStream, outcome: Outcome, before: Before) -> None:
        name = stream.name
        kept = self.kept[name]
        for data in outcome.records[name]:
            assert self.destination.write(name, data), "the destination has a later cursor"
            if data.get(DELETED_AT) is None:
                kept.seen[key_of(name, data)[-1]] = before.deed
        if name in outcome.states:
            self.destination.states[name] = outcome.states[name]
        self._track(stream, outcome)

    def _track(self, stream: AirbyteStream, outcome: Outcome) -> None:
        """Take in which records the destination has, once a state says that they are tracked."""
        name = stream.name
        kept = self.kept[name]
        tells = self.options["detect_deletions"] and DELETED_AT in stream.json_schema["properties"]
        states = self._states_in(stream)
        is_saved = name in outcome.complete or any("read_parts" in state for state in states)
        is_first = kept.tracked is None and is_saved and name != "comments"
        if is_first and tells and any(map(_has_ids, states)):
            kept.tracked, kept.tracked_since = set(), self.people.deed
        if kept.tracked is None:
            return
        for data in outcome.records[name]:
            if data.get(DELETED_AT):
                kept.tracked.discard(key_of(name, data)[-1])
            elif name in outcome.complete or not outcome.is_killed:
                kept.tracked.add(key_of(name, data)[-1])
        if outcome.is_killed:
            # What came behind a table's last state may be in the destination, and nobody knows it.
            kept.tracked |= {
                one for state in states if _has_ids(state) for one in unpack_ids(state["known_ids"])
            }
        for table in self._tables_of(stream):
            if not _has_ids(state_of(self.destination.states.get(name), table)):
                # The table has too many records.
                kept.tracked -= (self._rows(name, table) or {}).keys()

    def _check_complete(self, name: str, before: Before) -> None:
        """What was created or edited before a complete sync is there, at least as new.

        Where the sync went on with an earlier one, only the next sync sees what was edited between.
        """
        resumed = {at for at in TABLES if "read_parts" in state_of(before.states.get(name), at)}
        TALLY["resumed"] += len(resumed)
        known = [
            (at, *one) for at in TABLES if at not in resumed for one in before.versions[at].items()
        ]
        steady = self._steady(before)
        for table, record_id, version in known:
            rows = self._rows(name, table)
            if rows is None or record_id not in self.people.versions[table]:
                continue
            is_new = self.people.unseen[table].get(record_id, -1) > before.deed
            if is_new or record_id in before.hidden[name] or record_id not in steady:
                continue
            row = rows.get(record_id)
            assert row is not None, f"{record_id} is missing after a complete sync"
            if self.options["method"] in EDITS:
                found = row["fields"].get("Version", 0) if name == "records" else row["version"]
                assert found >= version, f"{record_id} is stale after a complete sync"

    def _steady(self, before: Before) -> set[str]:
        """The records that a sync has to see: those that stayed in their table's filter."""
        people, steady = self.people, set[str]()
        for table, wanted in self.filters.items():
            members = people.members(table, wanted)
            for record_id, shown in members.items():
                if wanted is None or (
                    record_id in before.members[table]
                    and people.versions[table][record_id] == before.versions[table].get(record_id)
                    and not (FILTERS[wanted].is_volatile and people.enters_by_time(shown))
                ):
                    steady.add(record_id)
        return steady

    def _check_equal(self, stream: AirbyteStream, table: str) -> None:
        name, sees_edits = stream.name, self.options["method"] in EDITS
        rows = self._rows(name, table)
        assert rows is not None
        kept = self.kept[name]
        wanted = self.filters[table]
        base = self.people.members(table, wanted)
        is_volatile = table == TASKS or (wanted is not None and FILTERS[wanted].is_volatile)
        is_rescanned = is_volatile and self.options["full_rescan_hours"] and sees_edits
        unseen = set() if is_rescanned else self._hidden(name)
        is_tracked = _has_ids(state_of(self.destination.states.get(name), table))
        tells = self.options["detect_deletions"] and kept.tracked is not None and is_tracked
        if wanted and self.is_by_webhook:
            tells = False  # no sweep finds what enters a filter without an edit
        for record_id, shown in base.items():
            if wanted and is_volatile and not is_rescanned and self.people.enters_by_time(shown):
                continue
            since = self.people.unseen[table].get(record_id, -1)
            if record_id not in unseen or (tells and since > kept.tracked_since):
                assert record_id in rows, f"{record_id} is missing at the end"
            if record_id in unseen or not sees_edits:
                continue
            expected = self._expected_row(stream, table, shown)
            assert expected == {key: rows[record_id].get(key) for key in expected}
        if tells and kept.tracked is not None:
            assert not (rows.keys() - base.keys()) & kept.tracked, "deleted, and still there"

    def _check_comments(self, name: str, before: Before) -> None:
        """What was written before a complete sync is there, unless the number cannot show it."""
        people, rows = self.people, self.destination.tables[name]
        steady = self._steady(before)
        there = {key[-1] for key in rows}
        for record_id, known in before.comments.items():
            is_hidden = people.uncommented.get(record_id, -1) > self.listed.get(record_id, -1)
            if record_id in steady and (record_id in before.listed or not is_hidden):
                missing = known & people.comments[record_id].keys() - there
                assert not missing, f"comments {missing} are missing after a complete sync"

    def _check_all_comments(self) -> None:
        """Where all comments are listed again and again, each is there as it reads now."""
        if not self.options["full_rescan_hours"]:
            return
        rows = {key[-1]: row["text"] for key, row in self.destination.tables["comments"].items()}
        members = {one for at in TABLES for one in self.people.members(at, self.filters[at])}
        for record_id, comments in self.people.comments.items():
            if record_id not in members:
                continue
            written = {comment_id: text for comment_id, (text, _) in comments.items()}
            assert written == {comment_id: rows.get(comment_id) for comment_id in written}

    def _expected_row(self, stream: AirbyteStream, table: str, shown: Json) -> Json:
        fields = self._table(table).fields
        cells = {
            one["id"]: shown["fields"].get(one["id"], False if one["type"] == "checkbox" else None)
            for one in fields
        }
        properties = stream.json_schema["properties"]
        if stream.name == "records":
            full = {key: cell for key, cell in cells.items() if cell is not None}
            names = {one["id"]: one["name"] for one in fields}
            return {
                "created_time": shown["createdTime"],
                "fields": {names[key]: cell for key, cell in full.items()},
                "fields_by_id": full,
            }
        row: Json = {
            "_airtable_created_time": shown["createdTime"],
            "_airtable_table_name": self._table(table).name,
            "_airtable_errors": None,
        }
        row = {name: expected for name, expected in row.items() if name in properties}
        for column, declared in properties.items():
            field_id = (declared.get("x-airtable") or {}).get("field_id")
            if field_id is not None:
                row[column] = cells[field_id]
        return row

    def _hidden(self, name: str) -> set[str]:
        """The records whose latest change moved no time, and came after the stream's last row."""
        seen = self.kept[name].seen
        return {
            record_id
            for table in TABLES
            for record_id, deed in self.people.unseen[table].items()
            if deed > seen.get(record_id, -1)
        }

    def _rows(self, name: str, table: str) -> dict[str, Json] | None:
        """The rows of a table in a stream, by record; None where the stream has no such table."""
        stream = next(one for one in self.streams if one.name == name)
        if table not in self._tables_of(stream):
            return None
        rows = self.destination.tables[name].values()
        of_table = [row for row in rows if self._table_in(stream, row) == table]
        return {key_of(name, row)[-1]: row for row in of_table}

    def _states_of(self, table: str) -> list[Json]:
        """The states that the streams of records have of a table."""
        return [
            state_of(self.destination.states.get(stream.name), table)
            for stream in self.streams
            if stream.name != "comments" and table in self._tables_of(stream)
        ]

    def _states_in(self, stream: AirbyteStream) -> list[Json]:
        """The states that a stream has of its tables."""
        saved = self.destination.states.get(stream.name)
        return [state_of(saved, table) for table in self._tables_of(stream)]

    def _is_due(self, state: Json) -> bool:
        """Whether a re-scan or a sweep may be due, by the state and the simulator's clock."""
        now = self.simulator.simulator.clock.now()
        is_swept = self.options["detect_deletions"]
        with_dates = {
            "last_full_scan": self.options["full_rescan_hours"] or None,
            "last_sweep": self.options["deletion_sweep_hours"] if is_swept else None,
        }
        for key, hours in with_dates.items():
            if hours is None:
                continue
            if key not in state:
                return True
            since = now - parse_time(state[key])
            if since >= hours * 3600 - 2 * LONGEST_SKEW_SECONDS:
                return True
        return "read_to" not in state

    def _table(self, table: str) -> Any:  # noqa: ANN401 - the simulator's
        return self.simulator.simulator.account.base(BASE).table(table)

    def _tables_of(self, stream: AirbyteStream) -> tuple[str, ...]:
        ids = stream.json_schema.get("x-airtable")
        return TABLES if ids is None else (ids["table_id"],)

    def _table_in(self, stream: AirbyteStream, data: Json) -> str:
        """The table that a row is of."""
        tables = self._tables_of(stream)
        return tables[0] if len(tables) == 1 else key_of(stream.name, data)[1]


def _has_ids(state: Json) -> bool:
    return "known_ids" in state


class Parts:
    """Whether scans go over to parts: with small tables and quick answers, they never would."""

    are_read = False

    def put_in(self, patch: pytest.MonkeyPatch) -> None:
        """Decide it here, and make parts that a few records fill."""
        module = "source_airtable.sync.parts"
        patch.setattr(f"{module}.PART_RECORDS", 1)
        patch.setattr(f"{module}.RESUMED_PART_RECORDS", 1)
        patch.setattr(
            f"{module}.TurnToParts.is_due", lambda turn, _: self.are_read and turn.is_allowed
        )
        patch.setattr(f"{module}.Trial.is_decided", lambda *_: True)


class OwnClock:
    """This machine's clock: the simulator's, unless it is told to be wrong."""

    def __init__(self, simulator: SimulatorThread) -> None:
        """Begin right."""
        self._simulator = simulator
        self.ahead_seconds = 0.0

    def now(self, zone: timezone) -> datetime:
        """The moment."""
        seconds = self._simulator.simulator.clock.now() + self.ahead_seconds
        return datetime.fromtimestamp(seconds, zone)


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
        phases=tuple(Phase) if SHRINKS else (Phase.generate,),
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    own_clock, parts = OwnClock(simulator), Parts()
    with nothing_waits(simulator.url) as patch:
        patch.setattr("source_airtable.changes.clock.datetime", own_clock)
        parts.put_in(patch)
        try:
            run_state_machine_as_test(
                partial(Syncing, simulator, own_clock, parts),  # type: ignore[arg-type]  # any factory will do
                settings=found,
            )
        finally:
            print(json.dumps(TALLY))  # noqa: T201 - the figures of the run
