"""One sync of a table after the other by its base's webhook: what is read, emitted and saved."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes import deletions
from source_airtable.changes.need import ChangedSince, RecordIds
from source_airtable.changes.record_ids import pack_ids, unpack_ids
from source_airtable.changes.shared_webhook import SharedWebhook
from source_airtable.changes.webhook_position import find_position
from source_airtable.config import IncrementalSettings
from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    ContractError,
    OffsetExpiredError,
)
from source_airtable.schema.table_filter import TableFilter
from source_airtable.streams.incremental_reader import SECOND_LOOK_SECONDS
from source_airtable.streams.stream import ReadRequest
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    NOTES_FIELD,
    TABLE,
    a_field,
    a_page,
    a_page_of,
    a_record,
    a_table,
    a_table_schema,
    a_table_stream,
    a_text_table,
)
from unit_tests.fake_client import FakeClient
from unit_tests.fake_webhooks import FakeWebhooks, a_listed_webhook, a_payload
from unit_tests.scans import Scanned, a_client
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage
    from source_airtable.schema.table_schema import TableSchema
    from source_airtable.streams.table import TableStream

NINE, TEN, ELEVEN = (datetime(2026, 11, 18, hour, tzinfo=timezone.utc) for hour in (9, 10, 11))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SETTINGS = IncrementalSettings(method="webhooks", detect_deletions=True)
UNTOLD = IncrementalSettings(method="webhooks")
BY_EDITS = IncrementalSettings(detect_deletions=True)
LINK = a_field("multipleRecordLinks", field_id="fldLink0000000001", name="Orders")
TODAY = a_field(
    "formula",
    field_id="fldToday000000001",
    name="Age",
    options={"formula": "TODAY()", "referencedFieldIds": [], "result": {"type": "date"}},
)
SCOPE = AccessDeniedError(status=403)


def text(moment: datetime) -> str:
    """A moment as Airtable writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_webhook(*payloads: dict[str, Any], webhook_id: str = "achA") -> FakeWebhooks:
    """A base with one webhook that has these payloads."""
    webhooks = FakeWebhooks(a_listed_webhook(webhook_id))
    webhooks.add(webhook_id, *payloads)
    return webhooks


def a_stream(
    table: TableSchema | None = None, *columns: str, with_tombstones: bool = True
) -> TableStream:
    """A stream of a table."""
    incremental = {"detect_deletions": with_tombstones}
    return a_table_stream(table, "contacts", *columns, incremental=incremental)


class Synced(Scanned):
    """What one sync by webhook comes to."""

    def __init__(
        self,
        webhooks: FakeWebhooks,
        saved: Mapping[str, Any] | None,
        now: datetime | None,
        *scans: Sequence[RecordPage | Exception],
        settings: IncrementalSettings = SETTINGS,
        stream: TableStream | None = None,
    ) -> None:
        stream = stream or a_stream(with_tombstones=settings.detect_deletions)
        client = a_client(*scans)
        client.latest_date = now
        client.webhooks[BASE] = webhooks
        webhooks_of_bases = {}
        if settings.method == "webhooks":
            webhook = webhooks_of_bases[BASE] = SharedWebhook(client.as_client(), stream.table)
            position = find_position(saved or {})
            if position is not None:
                webhook.note(position)
        request = ReadRequest(settings, saved or {}, webhooks_of_bases)
        super().__init__(client, stream.reader(stream.table, request), table=stream.table)

    @property
    def saved(self) -> Any:  # noqa: ANN401 - JSON
        """The state that the sync leaves; raises the failure that it ended with."""
        self.rows()
        return self.state()

    @property
    def emitted(self) -> list[str]:
        """The ids of the records, without tombstones."""
        return [r["_airtable_id"] for r in self.rows() if not r.get("_ab_cdc_deleted_at")]

    @property
    def deleted(self) -> list[str]:
        """The ids of the tombstones."""
        return [r["_airtable_id"] for r in self.rows() if r.get("_ab_cdc_deleted_at")]

    @property
    def known(self) -> set[str] | None:
        """The records that the next sync knows; None where they are not tracked."""
        packed = self.saved.get("known_ids")
        return None if packed is None else set(unpack_ids(packed))


def a_first_sync(
    webhooks: FakeWebhooks,
    settings: IncrementalSettings = SETTINGS,
    stream: TableStream | None = None,
    records: tuple[str, ...] = ("recA", "recB"),
) -> Any:  # noqa: ANN401 - JSON
    """The state that a first sync at nine leaves."""
    page = a_page(*records)
    return Synced(webhooks, None, NINE, [page], settings=settings, stream=stream).saved


def picked(*record_ids: str) -> list[str | None]:
    """The filter that picks records by their ids."""
    return list(RecordIds(record_ids).formulas)


def test_first_sync() -> None:
    """The first sync reads everything, and saves from where on the webhook is read next time."""
    webhooks = a_webhook(a_payload("recA"))

    synced = Synced(webhooks, None, NINE, [a_page("recA", "recB")])

    assert (synced.emitted, synced.formulas) == (["recA", "recB"], [None])
    assert {**synced.saved, "fingerprint": "…"} == {
        "version": 2,
        "method": "webhooks",
        **dict.fromkeys(("read_to", "cursor_floor", "last_full_scan", "last_sweep"), text(NINE)),
        "fingerprint": "…",
        "known_ids": pack_ids(["recA", "recB"]),
        "webhook": {"id": "achA", "cursor": 2, "read_at": text(NINE)},
        "scanned_records": 2,
    }


def test_webhook_is_read_before_the_records() -> None:
    """What changes while the records are read is named again in the next sync."""
    webhooks = a_webhook()

    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA"))

    assert Synced(webhooks, saved, TEN, [a_page("recA")]).emitted == ["recA"]


def test_next_sync() -> None:
    """The next sync reads what the webhook names, and gives a tombstone for what it says is gone.

    Neither a window nor a sweep is read.
    """
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA", created=["recC"]), a_payload(destroyed=["recB"]))

    synced = Synced(webhooks, saved, TEN + 2 * DAY, [a_page("recA", "recC")])

    assert synced.words == ["contacts:recA", "contacts:recC", "contacts:recB", "contacts."]
    assert (synced.formulas, synced.deleted) == (picked("recA", "recC"), ["recB"])
    assert synced.known == {"recA", "recC"}
    assert synced.saved["webhook"] == {
        "id": "achA",
        "cursor": 3,
        "read_at": text(TEN + 2 * DAY),
    }
    assert (synced.saved["last_full_scan"], synced.saved["scanned_records"]) == (text(NINE), 2)
    assert synced.saved["last_sweep"] == synced.saved["read_to"] == text(TEN + 2 * DAY)


def test_idle_sync() -> None:
    """If nothing happened, no record is asked for, and the state still moves."""
    webhooks = a_webhook()

    synced = Synced(webhooks, a_first_sync(webhooks), TEN)

    assert (synced.rows(), synced.client.calls) == ([], [])
    assert synced.saved["webhook"]["read_at"] == synced.saved["read_to"] == text(TEN)


def test_chain_of_syncs() -> None:
    """Each sync goes on from the one before, so that nothing is read twice."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA"))
    second = Synced(webhooks, saved, TEN, [a_page("recA")])
    webhooks.add("achA", a_payload("recB"))

    third = Synced(webhooks, second.saved, ELEVEN, [a_page("recB")])

    assert (second.emitted, third.emitted) == (["recA"], ["recB"])


def test_state_of_version_2() -> None:
    """The next sync goes on from a state that the method saved in version 2."""
    sample = a_state_sample("version_2_webhooks")
    known = sample.holds["known_ids"]
    webhooks = a_webhook(*[a_payload("recOld")] * 41, webhook_id=sample.holds["webhook"]["id"])
    webhooks.add(sample.holds["webhook"]["id"], a_payload(known[0], destroyed=[known[1]]))

    synced = Synced(
        webhooks, sample.state, ELEVEN, [a_page(known[0])], stream=a_stream(sample.table)
    )

    assert (synced.formulas, synced.emitted) == (picked(known[0]), [known[0]])
    assert (synced.deleted, synced.known) == ([known[1]], set(known) - {known[1]})


def test_change_of_another_table() -> None:
    """What happens to another table is not read here."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recX", table_id="tblOther000000001"))

    assert Synced(webhooks, saved, TEN).rows() == []


@pytest.mark.parametrize(
    ("scans", "emitted", "deleted"),
    [
        ([[a_page("recC")], [a_page("recA")]], ["recC", "recA"], []),
        ([[a_page("recC")], [a_page()]], ["recC"], ["recA"]),
    ],
    ids=["there", "gone"],
)
def test_second_look(scans: list[Any], emitted: list[str], deleted: list[str]) -> None:
    """A changed record that is not there is looked up again, and is deleted if it is missing."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA", created=["recC"]))

    synced = Synced(webhooks, saved, TEN, *scans)

    assert synced.formulas == [*picked("recA", "recC"), *picked("recA")]
    assert synced.queue.sleeps == [SECOND_LOOK_SECONDS]
    assert (synced.emitted, synced.deleted) == (emitted, deleted)
    assert synced.known == {"recA", "recB", "recC"}.difference(deleted)


@pytest.mark.parametrize(
    ("found", "emitted", "deleted"),
    [(["recC"], ["recA", "recB", "recC"], []), ([], ["recA", "recB"], ["recC"])],
    ids=["there", "gone"],
)
def test_second_look_after_a_whole_table(
    found: list[str], emitted: list[str], deleted: list[str]
) -> None:
    """A changed record that a whole scan misses is looked up again, and deleted if it is gone."""
    webhooks = a_webhook()
    saved = {**a_first_sync(webhooks), "fingerprint": "9f9f9f9f"}
    webhooks.add("achA", a_payload(created=["recC"]))

    synced = Synced(webhooks, saved, TEN, [a_page("recA", "recB")], [a_page(*found)])

    assert synced.formulas == [None, *picked("recC")]
    assert synced.queue.sleeps == [SECOND_LOOK_SECONDS]
    assert (synced.emitted, synced.deleted, synced.known) == (emitted, deleted, set(emitted))


def test_no_second_look_without_need() -> None:
    """If every changed record is there, nobody waits."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA"))

    assert Synced(webhooks, saved, TEN, [a_page("recA")]).queue.sleeps == []


def test_second_look_without_tombstones() -> None:
    """A new record that Airtable shows late is emitted, whether deletions are told or not."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks, UNTOLD)
    webhooks.add("achA", a_payload(created=["recC", "recD"]))

    synced = Synced(webhooks, saved, TEN, [a_page("recD")], [a_page("recC")], settings=UNTOLD)

    assert synced.ids() == ["recD", "recC"]


def test_created_and_destroyed() -> None:
    """A record that came and went gets a tombstone, which does no harm, and is not read."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload(created=["recC"]), a_payload(destroyed=["recC"]))

    synced = Synced(webhooks, saved, TEN)

    assert (synced.formulas, synced.deleted, synced.known) == ([], ["recC"], {"recA", "recB"})


def test_destroyed_and_restored() -> None:
    """A record that was deleted and restored is read, and gets no tombstone."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload(destroyed=["recA"]), a_payload(created=["recA"]))

    synced = Synced(webhooks, saved, TEN, [a_page("recA")])

    assert (synced.emitted, synced.deleted) == (["recA"], [])
    assert synced.known == {"recA", "recB"}


def test_restored_after_the_webhook_was_read() -> None:
    """A deleted record that a full scan finds was restored meanwhile, and gets no tombstone."""
    webhooks = a_webhook()
    saved = {**a_first_sync(webhooks), "fingerprint": "9f9f9f9f"}
    webhooks.add("achA", a_payload(destroyed=["recA"]))

    synced = Synced(webhooks, saved, TEN, [a_page("recA", "recB")])

    assert (synced.emitted, synced.deleted) == (["recA", "recB"], [])


def test_many_deleted_records() -> None:
    """Records that a webhook says are gone need no second list, however many they are."""
    records = tuple(f"rec{number:014d}" for number in range(100))
    webhooks = a_webhook()
    saved = a_first_sync(webhooks, records=records)
    webhooks.add("achA", a_payload(destroyed=records[1:]))

    synced = Synced(webhooks, saved, TEN)

    assert (synced.deleted, synced.formulas) == (list(records[1:]), [])
    assert synced.known == {records[0]}


MANY = tuple(f"rec{number:014d}" for number in range(300))


@pytest.mark.parametrize("listed", [MANY[51:], MANY], ids=["gone", "there"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_many_missing_records(
    caplog: pytest.LogCaptureFixture, listed: tuple[str, ...], *, is_whole: bool
) -> None:
    """If many records are missing, a list of all ids confirms it, or the next sync reads again."""
    webhooks, missing = a_webhook(), MANY[:51]
    saved = a_first_sync(webhooks, records=MANY)
    webhooks.add("achA", a_payload(*missing))
    before = {**saved, **({"fingerprint": "9f9f9f9f"} if is_whole else {})}
    scan = [a_page(*MANY[51:])] if is_whole else []

    synced = Synced(webhooks, before, TEN, scan, [a_page()], [a_page(*listed)])

    is_gone = listed != MANY
    first = None if is_whole else picked(*missing)[0]
    assert synced.formulas == [first, *picked(*missing), None]
    assert synced.deleted == (list(missing) if is_gone else [])
    assert synced.known == set(listed)
    state = synced.saved
    assert state["webhook"]["cursor"] == (2 if is_gone else 1)
    assert state["read_to"] == state["webhook"]["read_at"] == text(TEN if is_gone else NINE)
    assert state["cursor_floor"] == text(TEN)
    warning = (
        "Stream contacts: 51 records that the webhook names were not found, and some of them are "
        "in the list of all records. No record counts as deleted in this sync, and the next one "
        "reads them again."
    )
    assert (warning in caplog.messages) is not is_gone


def test_some_missing_records() -> None:
    """Fifty missing records are deleted without a list of all ids."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks, records=MANY)
    webhooks.add("achA", a_payload(*MANY[:50]))

    synced = Synced(webhooks, saved, TEN, [], [])

    assert synced.formulas == picked(*MANY[:50]) * 2
    assert synced.deleted == list(MANY[:50])


def test_sync_after_missing_records() -> None:
    """The sync after one in which many records were missing reads them again."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks, records=MANY)
    webhooks.add("achA", a_payload(*MANY[:51], destroyed=[MANY[60]]))
    disputed = Synced(webhooks, saved, TEN, [], [], [a_page(*MANY)])

    again = Synced(webhooks, disputed.saved, ELEVEN, [a_page(*MANY[:51])])

    assert disputed.deleted == []
    assert (again.emitted, again.deleted) == (list(MANY[:51]), [MANY[60]])
    assert again.saved["webhook"]["cursor"] == 2


@pytest.mark.parametrize("is_tracked", [True, False])
def test_records_outside_the_filter(monkeypatch: pytest.MonkeyPatch, *, is_tracked: bool) -> None:
    """Only known records of a filtered table get tombstones, where the state knows them."""
    if not is_tracked:
        monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    webhooks = a_webhook()
    stream = a_stream(replace(a_table_schema(), filter=TableFilter(formula="TRUE()")))
    saved = a_first_sync(webhooks, stream=stream)
    webhooks.add("achA", a_payload("recA", "recX", destroyed=["recB", "recY"]))

    synced = Synced(webhooks, saved, TEN, [], [], stream=stream)

    assert synced.deleted == ["recA", "recB", *([] if is_tracked else ["recX", "recY"])]
    assert synced.known == (set() if is_tracked else None)


def test_many_records_outside_the_filter() -> None:
    """Records that never were in the filter are not looked for in a list of all ids."""
    webhooks = a_webhook()
    stream = a_stream(replace(a_table_schema(), filter=TableFilter(formula="TRUE()")))
    saved = {**a_first_sync(webhooks, stream=stream), "scanned_records": 1_000}
    webhooks.add("achA", a_payload("recA", *MANY[:51]))

    synced = Synced(webhooks, saved, TEN, [a_page("recA")], [], stream=stream)

    assert (synced.emitted, synced.deleted, len(synced.formulas)) == (["recA"], [], 2)


@pytest.mark.parametrize(
    ("settings", "scans"),
    [
        (UNTOLD, []),
        (IncrementalSettings(), [[a_page()]]),
        (IncrementalSettings(method="created_time"), [[a_page("recA", "recB")]]),
    ],
    ids=["webhooks", "last_modified", "created_time"],
)
def test_large_table_without_tombstones(
    monkeypatch: pytest.MonkeyPatch, settings: IncrementalSettings, scans: list[Any]
) -> None:
    """A sync that tells no deletions keeps up to when they are known, and how many records are."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)

    state = Synced(webhooks, saved, TEN, *scans, settings=settings).saved

    assert (state["untracked_records"], state["last_sweep"]) == (2, text(NINE))
    assert "known_ids" not in state


def test_deletions_of_a_large_table_that_were_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Deletions that were dropped and cannot be found are one warning that names the time."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    webhooks = a_webhook()
    first = a_first_sync(webhooks)
    webhooks.add("achA", a_payload(destroyed=["recA"]))
    untold = Synced(webhooks, first, TEN, settings=UNTOLD)
    webhooks.add("achA", a_payload(destroyed=["recB"]))
    assert "stay in the destination" not in caplog.text

    told = Synced(webhooks, untold.saved, ELEVEN)
    later = Synced(webhooks, told.saved, ELEVEN + HOUR)

    assert (told.deleted, later.rows()) == (["recB"], [])
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert f"that were deleted between {text(NINE)} and {text(ELEVEN)} stay" in warning


def test_large_table(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Deletions in a table whose ids are too many to be saved are found, without a warning."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload(destroyed=["recB"]))

    synced = Synced(webhooks, saved, TEN)

    assert ("known_ids" in saved, saved["untracked_records"]) == (False, 2)
    assert (synced.deleted, synced.formulas) == (["recB"], [])
    assert (synced.known, synced.saved["untracked_records"]) == (None, 2)
    assert [one for one in caplog.records if one.levelname == "WARNING"] == []


def test_large_table_after_a_gap(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the ids are not saved, a gap is a warning that names the time and what to do."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 1)
    saved = a_first_sync(a_webhook())

    synced = Synced(a_webhook(webhook_id="achB"), saved, TEN, [a_page("recA", "recC")])

    assert (synced.emitted, synced.deleted) == (["recA", "recC"], [])
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert f"that were deleted between {text(NINE)} and {text(TEN)} stay" in warning
    assert "Clear the stream in Airbyte" in warning


def test_large_table_that_never_had_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """With a state of another method, the warning begins where the last sync ended."""
    saved = {**a_first_sync(a_webhook()), "read_to": text(NINE - HOUR)}
    for part in ("webhook", "known_ids"):
        del saved[part]

    Synced(a_webhook(), saved, TEN, [a_page("recA")])

    assert f"that were deleted between {text(NINE - HOUR)} and {text(TEN)} stay" in caplog.text


def test_gap(caplog: pytest.LogCaptureFixture) -> None:
    """After a gap everything is read, and what is missing from the known ids was deleted."""
    saved = a_first_sync(a_webhook())

    synced = Synced(a_webhook(webhook_id="achB"), saved, TEN, [a_page("recA", "recC")])

    assert (synced.emitted, synced.deleted) == (["recA", "recC"], ["recB"])
    assert synced.saved["webhook"]["id"] == "achB"
    assert "stay in the destination" not in caplog.text


def test_sweep_after_a_gap() -> None:
    """After a gap the ids are listed where the full scan was interrupted, due or not."""
    saved = a_first_sync(a_webhook())

    synced = Synced(
        a_webhook(webhook_id="achB"),
        saved,
        TEN,
        [a_page("recA"), OffsetExpiredError()],
        [a_page("recC")],
        [a_page("recC", "recA")],
    )

    assert (synced.deleted, len(synced.formulas)) == (["recB"], 3)


def test_refused_filter() -> None:
    """If Airtable refuses to pick by ids, everything is read, and read again for what is missing.

    A page may miss a new record, however it was asked for.
    """
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", a_payload("recA", "recC", destroyed=["recB"]))

    refused, whole = [ContractError(status=422)], [a_page("recA")]
    synced = Synced(webhooks, saved, TEN, refused, whole, refused, whole)

    assert synced.formulas == [*picked("recA", "recC"), None, *picked("recC"), None]
    assert (synced.emitted, synced.deleted) == (["recA"], ["recB", "recC"])
    assert (synced.queue.sleeps, synced.saved["scanned_records"]) == ([SECOND_LOOK_SECONDS], 1)


def test_deletions_that_were_not_told() -> None:
    """Deletions that were dropped while nobody wanted them are found by a sweep."""
    webhooks = a_webhook()
    first = a_first_sync(webhooks)
    webhooks.add("achA", a_payload(destroyed=["recA"]))
    untold = Synced(webhooks, first, TEN, settings=UNTOLD)
    webhooks.add("achA", a_payload(destroyed=["recB"]))

    told = Synced(webhooks, untold.saved, ELEVEN, [a_page()])
    idle = Synced(webhooks, told.saved, ELEVEN + HOUR)

    assert (untold.rows(), untold.known, untold.formulas) == ([], {"recA", "recB"}, [])
    assert untold.saved["last_sweep"] == text(NINE)
    assert (told.deleted, told.known, told.formulas) == (["recA", "recB"], set(), [None])
    assert told.saved["last_sweep"] == text(ELEVEN)
    assert (idle.rows(), idle.formulas) == ([], [])


def test_deletions_that_are_told_for_the_first_time() -> None:
    """Switched on later, one sweep takes down what is there, and none is made after it."""
    webhooks = a_webhook()
    first = a_first_sync(webhooks, UNTOLD)

    second = Synced(webhooks, first, TEN, [a_page("recA")])
    third = Synced(webhooks, second.saved, TEN + 2 * DAY)

    assert "known_ids" not in first
    assert (second.rows(), second.known, len(second.formulas)) == ([], {"recA"}, 1)
    assert third.formulas == []


def test_disputed_sweep() -> None:
    """A sweep that a second list contradicts deletes nothing, and is made again."""
    records = tuple(f"rec{number:014d}" for number in range(100))
    webhooks = a_webhook()
    first = a_first_sync(webhooks, records=records)
    untold = Synced(webhooks, first, TEN, settings=UNTOLD).saved
    webhooks.add("achA", a_payload(destroyed=[records[9]]))

    told = Synced(webhooks, untold, ELEVEN, [a_page(records[0])], [a_page(*records[:2])])
    again = Synced(webhooks, told.saved, ELEVEN + HOUR, [a_page(*records[:9], *records[10:])])

    assert told.deleted == [records[9]]
    assert told.known == set(records) - {records[9]}
    assert told.saved["last_sweep"] == text(NINE)
    assert (again.deleted, again.saved["last_sweep"]) == ([], text(ELEVEN + HOUR))


def test_sync_without_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """Without a webhook the sync reads what was edited, and keeps the place for a later one."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.answers["list"] = [SCOPE, SCOPE]
    webhooks.add("achA", a_payload("recA", destroyed=["recB"]))

    without = Synced(webhooks, saved, TEN, [a_page("recA")])
    later = Synced(webhooks, without.saved, ELEVEN, [a_page("recA")], [a_page("recA")])

    assert without.formulas == [ChangedSince("last_modified", NINE - HOUR).formula]
    assert (without.saved["method"], without.saved["webhook"]) == (
        "last_modified",
        saved["webhook"],
    )
    assert without.saved["scanned_records"] == 2
    assert "Airtable refuses the list of webhooks" in caplog.text
    assert (later.formulas[:1], later.emitted) == (picked("recA"), ["recA"])
    assert (later.deleted, later.known) == (["recB"], {"recA"})
    assert later.saved["method"] == "webhooks"


def test_sync_by_edits_between() -> None:
    """A sync by another method keeps the place, too, and the size of the table."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    created = IncrementalSettings(method="created_time")

    by_edits = Synced(webhooks, saved, TEN, [a_page()], settings=BY_EDITS).saved
    by_creation = Synced(webhooks, saved, TEN, [a_page()], settings=created).saved

    for state in (by_edits, by_creation):
        assert (state["webhook"], state["scanned_records"]) == (saved["webhook"], 2)


def test_no_date() -> None:
    """Without Airtable's clock no webhook is read, and its place stays."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)

    synced = Synced(webhooks, saved, None, [a_page("recA")])

    assert synced.emitted == ["recA"]
    assert (synced.saved["webhook"], synced.saved["read_to"]) == (saved["webhook"], text(NINE))


def test_clock_of_another_stream() -> None:
    """The window of a later sync begins where the webhook was read, were it before this table."""
    webhooks = a_webhook()
    stream = a_stream()
    client = a_client([a_page("recA")])
    client.latest_date = TEN
    client.webhooks[BASE] = webhooks
    webhook = SharedWebhook(client.as_client(), stream.table)
    webhook.read(NINE)
    request = ReadRequest(SETTINGS, {}, {BASE: webhook})

    saved = Scanned(client, stream.reader(stream.table, request), table=stream.table).state()

    assert (saved["read_to"], saved["webhook"]["read_at"]) == (text(NINE), text(NINE))
    assert (saved["cursor_floor"], saved["last_full_scan"]) == (text(TEN), text(TEN))


def test_webhook_that_does_not_answer() -> None:
    """If Airtable does not answer, the sync of the stream fails, and the state stays."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.answers["list"] = [AirtableUnavailableError(status=503)]

    with pytest.raises(AirtableUnavailableError):
        Synced(webhooks, saved, TEN)


def test_failing_scan() -> None:
    """After a scan that fails, the webhook is read from the same place again."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    records = [f"rec{number:014d}" for number in range(101)]
    webhooks.add("achA", a_payload(*records, destroyed=["recB"]))
    large = {**saved, "scanned_records": 1_000}

    failed = Synced(
        webhooks, large, TEN, [a_page(*records[:100])], [AirtableUnavailableError(status=503)]
    )

    assert failed.errors == {"contacts": "AirtableUnavailableError"}
    state = failed.state()
    assert (state["webhook"], state["read_to"]) == (saved["webhook"], text(NINE))
    again = Synced(webhooks, state, ELEVEN, [a_page(*records[:100])], [a_page(records[100])])
    assert (again.emitted, again.deleted) == (records, ["recB"])


def test_failing_first_sync() -> None:
    """After a first scan that fails, the webhook is read from where it was before the scan."""
    webhooks = a_webhook(a_payload("recA"))

    failed = Synced(webhooks, None, NINE, [a_page("recA"), AirtableUnavailableError(status=503)])
    webhooks.add("achA", a_payload("recC"))
    again = Synced(webhooks, failed.state(), TEN, [a_page("recA", "recB")], [a_page("recC")])

    assert failed.errors == {"contacts": "AirtableUnavailableError"}
    assert failed.state()["webhook"] == {"id": "achA", "cursor": 2, "read_at": text(NINE)}
    assert "read_to" not in failed.state()
    assert again.formulas == [None, *picked("recC")]
    assert (again.emitted, again.deleted) == (["recA", "recB", "recC"], [])
    assert again.saved["webhook"]["cursor"] == 3


NAME, NOTES = a_field(name="Name"), a_field(field_id=NOTES_FIELD, name="Notes")
FORMULA = a_field(
    "formula",
    field_id="fldFormula0000001",
    name="Formula",
    options={"formula": "1", "referencedFieldIds": [NOTES_FIELD], "result": {"type": "number"}},
)


def a_sync_after(changes: dict[str, Any], *columns: str, table: Any = None) -> Synced:  # noqa: ANN401 - a table
    """A sync after fields were changed so, of some columns of a table."""
    webhooks = a_webhook()
    stream = a_stream(table, *columns)
    saved = a_first_sync(webhooks, stream=stream)
    webhooks.add("achA", a_payload("recA", **changes))
    return Synced(webhooks, saved, TEN, [a_page("recA")], stream=stream)


@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        pytest.param({"createdFieldsById": {NAME_FIELD: {}}}, (), id="created"),
        pytest.param({"destroyedFieldIds": [NAME_FIELD]}, (), id="deleted and restored"),
        pytest.param(
            {"changedFieldsById": {NAME_FIELD: {"current": {"type": "date"}}}}, (), id="other type"
        ),
        pytest.param({"changedFieldsById": {NAME_FIELD: {}}}, (), id="unknown change"),
        pytest.param(
            {"destroyedFieldIds": [NOTES_FIELD]}, ("_airtable_id", "formula"), id="of a formula"
        ),
    ],
)
def test_changed_field(
    caplog: pytest.LogCaptureFixture, changes: dict[str, Any], columns: tuple[str, ...]
) -> None:
    """A change of a field that the stream reads, or that a formula uses, means a full scan."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    synced = a_sync_after(changes, *columns, table=a_table(NAME, NOTES, FORMULA))

    assert synced.formulas == [None]
    assert "read in full: fields were changed since the last sync." in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"createdFieldsById": {"fldNew00000000001": {}}},
        {"destroyedFieldIds": ["fldGone0000000001"]},
        {"destroyedFieldIds": [NOTES_FIELD]},
        {"changedFieldsById": {NOTES_FIELD: {"current": {"type": "date"}}}},
        {"changedFieldsById": {NAME_FIELD: {"current": {"type": "singleLineText"}}}},
    ],
    ids=["created", "deleted", "not read", "type of one not read", "name"],
)
def test_change_that_does_not_matter(changes: dict[str, Any]) -> None:
    """A change of a field that is not read, or that leaves the type, is no reason."""
    synced = a_sync_after(changes, "_airtable_id", "name", table=a_table(NAME, NOTES))

    assert synced.formulas == picked("recA")


def test_field_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """If a selected column has lost its field, its cells become null in a full scan."""
    caplog.set_level("INFO", "airbyte.source_airtable")
    webhooks = a_webhook()
    whole = a_stream(a_table(NAME, NOTES))
    saved = a_first_sync(webhooks, stream=whole)
    less = a_stream(a_table(NAME))
    less._json_schema = whole.get_json_schema()  # noqa: SLF001 - a catalog older than the table
    webhooks.add("achA", a_payload(destroyedFieldIds=[NOTES_FIELD]))

    synced = Synced(webhooks, saved, TEN, [a_page("recA", "recB")], stream=less)
    idle = Synced(webhooks, synced.saved, ELEVEN, stream=less)

    assert [row["notes"] for row in synced.rows()] == [None, None]
    assert "fields were changed since the last sync" in caplog.text
    assert idle.rows() == []


@pytest.mark.parametrize(
    "payload",
    [{"createdTablesById": {TABLE: {}}}, {"destroyedTableIds": [TABLE]}],
    ids=["created", "deleted"],
)
def test_table_that_was_restored(payload: dict[str, Any]) -> None:
    """A table that was deleted and restored is read in full."""
    webhooks = a_webhook()
    saved = a_first_sync(webhooks)
    webhooks.add("achA", payload)

    synced = Synced(webhooks, saved, TEN, [a_page("recA")])

    assert (synced.formulas, synced.emitted, synced.deleted) == ([None], ["recA"], ["recB"])


@pytest.mark.parametrize(
    ("field", "reports", "is_whole"),
    [(LINK, False, True), (LINK, True, False), (TODAY, False, True), (TODAY, True, True)],
    ids=["link", "link that is reported", "clock", "clock all the same"],
)
def test_volatile_table(field: dict[str, Any], *, reports: bool, is_whole: bool) -> None:
    """Volatile tables are read in full when that is due, or only those that the time changes."""
    settings = SETTINGS.model_copy(update={"webhooks_report_computed_cells": reports})
    webhooks, stream = a_webhook(), a_stream(a_table(NAME, field))
    saved = a_first_sync(webhooks, settings, stream)
    scans = [[a_page("recA", "recB")]] if is_whole else []

    early = Synced(webhooks, saved, NINE + 23 * HOUR, settings=settings, stream=stream)
    due = Synced(webhooks, early.saved, NINE + DAY, *scans, settings=settings, stream=stream)

    assert early.formulas == []
    assert due.formulas == ([None] if is_whole else [])


def test_setting_without_a_webhook() -> None:
    """Without a webhook nothing reports computed cells, whatever the setting says."""
    settings = SETTINGS.model_copy(update={"webhooks_report_computed_cells": True})
    webhooks, stream = a_webhook(), a_stream(a_table(NAME, LINK))
    saved = a_first_sync(webhooks, settings, stream)
    webhooks.answers["list"] = [SCOPE, SCOPE]

    due = Synced(webhooks, saved, NINE + DAY, [a_page()], settings=settings, stream=stream)

    assert due.formulas == [None]


class LiveTable(FakeClient):
    """A table that people change, with a webhook that names what they do."""

    def __init__(self) -> None:
        super().__init__(schemas={BASE: [a_text_table()]})
        self.now = NINE
        self.there: dict[str, tuple[str, datetime]] = {}
        """The text of each record that is there, and when somebody wrote it."""
        self.gone: dict[str, tuple[str, datetime]] = {}
        self.edits = 0
        self.replace_webhook("achA")

    def change(self, kind: str, record_id: str) -> None:
        """Change a record, if that can be done to it."""
        self.now += timedelta(minutes=1)
        if kind == "write":
            is_new = record_id not in self.there
            if is_new and record_id in self.gone:
                return
            self.edits += 1
            self.there[record_id] = f"text {self.edits}", self.now
            self._tell(a_payload(created=[record_id]) if is_new else a_payload(record_id))
        elif kind == "delete" and record_id in self.there:
            self.gone[record_id] = self.there.pop(record_id)
            self._tell(a_payload(destroyed=[record_id]))
        elif kind == "restore" and record_id in self.gone:
            # A restored record keeps the time of its last edit.
            self.there[record_id] = self.gone.pop(record_id)
            self._tell(a_payload(created=[record_id]))

    def replace_webhook(self, webhook_id: str) -> None:
        """Let there be another webhook, which knows of nothing and never ends."""
        self.hooks = FakeWebhooks(a_listed_webhook(webhook_id, expirationTime=None))
        self.webhooks[BASE] = self.hooks

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give the records that a query picks."""
        formula = query.formula or ""
        since = re.search(r"DATETIME_PARSE\('([^']+)'\)", formula)
        picked_ids = set(re.findall(r"RECORD_ID\(\)='(\w+)'", formula))
        records = [
            a_record({NAME_FIELD: cell}, one)
            for one, (cell, edited) in sorted(self.there.items())
            if not formula or one in picked_ids or (since and text(edited) > since[1])
        ]
        yield a_page_of(*records)

    def _tell(self, payload: dict[str, Any]) -> None:
        self.hooks.add(self.hooks.listed[0]["id"], payload)


CHANGES = st.tuples(
    st.sampled_from(["write", "write", "delete", "restore"]), st.sampled_from(["recA", "recB"])
)
STEPS = st.lists(
    st.tuples(
        st.lists(CHANGES, max_size=4),
        st.sampled_from(["told", "told", "untold", "refused", "lost", "by edits"]),
        st.integers(0, 30),
    ),
    min_size=2,
    max_size=7,
)


@given(STEPS)
def test_any_chain_of_syncs(steps: list[Any]) -> None:
    """Whatever happens between syncs, one that tells deletions leaves the table's own records.

    Deletions are told from the first sync on, so that the state knows which records there are.
    """
    table, saved = LiveTable(), None
    destination: dict[str, Any] = {}
    stream = a_stream()
    for changes, kind, hours in [([], "told", 0), *steps, ([], "told", 1)]:
        for change in changes:
            table.change(*change)
        table.now += timedelta(hours=hours, minutes=1)
        table.latest_date = table.now
        if kind == "lost":
            table.replace_webhook(f"ach{table.now:%d%H%M}")
        table.hooks.answers["list"] = [SCOPE, SCOPE] if kind == "refused" else []
        settings = {"untold": UNTOLD, "by edits": BY_EDITS}.get(kind, SETTINGS)
        webhook = SharedWebhook(table.as_client(), stream.table)
        position = find_position(saved or {})
        if position is not None:
            webhook.note(position)
        asked = {BASE: webhook} if settings.method == "webhooks" else {}
        shown = stream if settings.detect_deletions else a_stream(with_tombstones=False)
        reader = shown.reader(shown.table, ReadRequest(settings, saved or {}, asked))
        synced = Scanned(table, reader, table=shown.table)
        for row in synced.rows():
            known = destination.get(row["_airtable_id"])
            assert known is None or row["_airtable_as_of"] >= known["_airtable_as_of"]
            destination[row["_airtable_id"]] = row
        saved = synced.state()
        live = {
            one: row["name"]
            for one, row in destination.items()
            if not row.get("_ab_cdc_deleted_at")
        }
        expected = {one: cell for one, (cell, _) in table.there.items()}
        if kind in ("told", "lost"):
            assert live == expected
