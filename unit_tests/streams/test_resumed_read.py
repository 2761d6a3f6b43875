"""A first read of a table that was broken off: what is saved, and how the next sync goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.changes.need import ChangedSince, WholeTable
from source_airtable.changes.parts import TablePart
from source_airtable.changes.record_ids import pack_ids, unpack_ids
from source_airtable.changes.shared_webhook import SharedWebhook
from source_airtable.config import IncrementalSettings
from source_airtable.errors import AirtableUnavailableError
from source_airtable.records import Page
from source_airtable.streams.stream import ReadRequest
from unit_tests.builders import BASE, TABLE, a_page, a_page_of, a_record, an_account_stream
from unit_tests.fake_client import FakeClient
from unit_tests.fake_webhooks import FakeWebhooks, a_payload
from unit_tests.streams import test_incremental_reader_webhooks as by_webhook
from unit_tests.streams.test_incremental_reader import (
    CREATED,
    HOUR,
    MINUTE,
    NINE,
    SETTINGS,
    TEN,
    TICK,
    TRACKING,
    Synced,
    a_first_sync,
    a_stream,
    a_timed_record,
    since,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from source_airtable.streams.table import TableStream

REST = TablePart("01aA", is_rest=True)
READ = ("01", "aA")


class BrokenOff:
    """A read whose parts `01` and `aA` are read when the process ends."""

    def __init__(
        self,
        settings: IncrementalSettings = SETTINGS,
        *,
        now: datetime | None = NINE,
        saved: Mapping[str, Any] | None = None,
        stream: TableStream | None = None,
        created: str = "2026-11-18T08:30:00.000Z",
    ) -> None:
        stream = stream or a_stream(with_tombstones=settings.detect_deletions)
        self.reader: Any = stream.reader(stream.table, ReadRequest(settings, saved or {}))
        self.need = self.reader.start(now)
        ids = ("rec0", "recA", "recZ")
        self.reader.rows(Page([a_timed_record(one, created) for one in ids]))
        self.reader.note_read_parts(READ)

    @property
    def saved(self) -> Any:  # noqa: ANN401 - JSON
        """The state in the middle of the read."""
        return self.reader.state_after_failure()


def test_state_of_parts() -> None:
    """The state says what is read and when the read began, and has no window yet."""
    saved = BrokenOff().saved

    assert {**saved, "fingerprint": "…"} == {
        "version": 2,
        "method": "last_modified",
        "cursor_floor": text(NINE),
        "fingerprint": "…",
        "read_parts": "01aA",
        "begun_at": text(NINE),
    }
    assert saved["fingerprint"] == a_first_sync()["fingerprint"]


def test_next_sync_goes_on() -> None:
    """The next sync reads the rest with a newer cursor; the beginning becomes the window's edge."""
    synced = Synced(BrokenOff().saved, TEN, [a_page("recB", "recZ")])

    assert synced.formulas == [REST.formula]
    assert synced.cursors == {text(TEN)}
    assert synced.saved == {
        **a_first_sync(NINE),
        "cursor_floor": text(TEN),
    }


def test_cursor_of_a_quick_next_sync() -> None:
    """Rows of the same second carry a newer cursor all the same."""
    assert Synced(BrokenOff().saved, NINE, [a_page("recZ")]).cursors == {text(NINE + TICK)}


def test_sync_after_a_resumed_one() -> None:
    """What was edited since the beginning of the first attempt is read."""
    saved = Synced(BrokenOff().saved, TEN, [a_page("recZ")]).saved

    assert Synced(saved, TEN + HOUR, [a_page()]).formulas == [since(NINE - HOUR)]


def test_second_attempt_that_fails() -> None:
    """A second attempt that fails keeps the parts of the first one, and its beginning."""
    synced = Synced(BrokenOff().saved, TEN, [a_page("recB"), AirtableUnavailableError(status=503)])

    state = synced.state()
    assert (state["read_parts"], state["begun_at"]) == ("01aA", text(NINE))
    assert state["cursor_floor"] == text(TEN)


def test_resumed_sync_without_a_date() -> None:
    """Without a `Date`, the read is completed, because its beginning is known."""
    synced = Synced(BrokenOff().saved, None, [a_page("recZ")])

    assert synced.cursors == {text(NINE + TICK)}
    assert (synced.saved["read_to"], "read_parts" in synced.saved) == (text(NINE), False)


def test_other_columns() -> None:
    """After a change of the columns the parts are read again, and the ids stay."""
    saved = {**BrokenOff(TRACKING).saved, "fingerprint": "9f9f9f9f"}
    pages = [a_page("recA", "recB")]

    synced = Synced(saved, TEN, pages, settings=TRACKING)

    assert synced.formulas == [None]
    assert synced.deleted == ["rec0", "recZ"]
    assert (synced.saved["read_to"], "begun_at" in synced.saved) == (text(TEN), False)


def test_parts_that_are_read_again_without_a_date() -> None:
    """Parts that do not count any more are gone from the state of a sync without a `Date`."""
    saved = {**BrokenOff().saved, "fingerprint": "9f9f9f9f"}

    state = Synced(saved, None, [a_page("recA")]).saved

    assert "read_parts" not in state


@pytest.mark.parametrize("settings", [SETTINGS, CREATED, TRACKING])
def test_what_can_be_resumed(settings: IncrementalSettings) -> None:
    """A first read can be resumed with every method."""
    first = BrokenOff(settings)

    assert first.reader.can_resume
    assert first.need == WholeTable()


def test_what_cannot_be_resumed() -> None:
    """A full refresh, a full rescan and a read without a `Date` begin anew."""
    stream = a_stream()
    full: Any = stream.reader(stream.table, ReadRequest())
    full.start(NINE)
    full.note_read_parts(READ)
    changed = {**a_first_sync(), "fingerprint": "9f9f9f9f"}

    assert not full.can_resume
    assert full.state_after_failure() is None
    for other in (BrokenOff(saved=changed, now=TEN), BrokenOff(now=None)):
        assert not other.reader.can_resume
        assert "read_parts" not in other.saved


def test_parts_taken_back() -> None:
    """Parts that proved wrong are no part of the state."""
    first = BrokenOff()
    first.reader.note_read_parts(())

    assert "read_parts" not in first.saved
    assert first.saved["fingerprint"] == ""


def test_another_method() -> None:
    """A state of another method is given up, and the read that follows can be resumed."""
    saved = {**a_first_sync(), "method": "created_time"}
    first = BrokenOff(saved=saved, now=TEN)

    assert first.reader.can_resume
    assert first.saved["begun_at"] == text(TEN)
    assert "read_to" not in first.saved


# Deletions


def test_ids_of_parts() -> None:
    """The state knows the ids of all rows that went out, those of unfinished parts too."""
    saved = BrokenOff(TRACKING).saved

    assert set(unpack_ids(saved["known_ids"])) == {"rec0", "recA", "recZ"}
    assert saved["last_sweep"] == text(NINE)


def test_resumed_sync_tells_no_deletion() -> None:
    """What is read in two attempts is no listing, so nothing counts as deleted yet."""
    synced = Synced(BrokenOff(TRACKING).saved, TEN, [a_page("recB")], settings=TRACKING)

    assert synced.deleted == []
    assert len(synced.formulas) == 1
    assert synced.known == {"rec0", "recA", "recZ", "recB"}
    assert synced.saved["last_sweep"] == text(NINE)


def test_deleted_between_attempts() -> None:
    """A sweep that is due finds what was deleted meanwhile, and what came unseen."""
    every = IncrementalSettings(detect_deletions=True, deletion_sweep_hours=0)
    listed = [a_page("recA", "recB", "recNew")]

    synced = Synced(
        BrokenOff(every).saved, TEN, [a_page("recB")], listed, [a_page("recNew")], settings=every
    )

    assert synced.deleted == ["rec0", "recZ"]
    assert synced.emitted == ["recB", "recNew"]


def test_ids_from_before_the_first_attempt() -> None:
    """Records that an older state knows are compared when a sweep is due."""
    old = {**a_first_sync(settings=TRACKING), "known_ids": pack_ids(["recOld"])}
    old["method"] = "created_time"
    first = BrokenOff(TRACKING, saved=old, now=NINE + HOUR)

    assert set(unpack_ids(first.saved["known_ids"])) == {"rec0", "recA", "recZ", "recOld"}
    assert first.saved["last_sweep"] == old["last_sweep"]


# created_time


def test_records_of_the_lookback_in_parts() -> None:
    """The records that the look-back would bring again are known over both attempts."""
    first = BrokenOff(CREATED, created=text(NINE - 30 * MINUTE))
    pages = [a_page_of(a_timed_record("recB", text(NINE + 30 * MINUTE)))]

    saved = Synced(first.saved, TEN, pages, settings=CREATED).saved

    assert set(unpack_ids(saved["recent_ids"])) == {"rec0", "recA", "recZ", "recB"}
    again = [a_timed_record(one, text(NINE)) for one in ("recA", "recNew")]
    next_sync = Synced(saved, TEN + HOUR, [a_page_of(*again)], settings=CREATED)
    assert next_sync.formulas == [ChangedSince("created_time", NINE - HOUR).formula]
    assert next_sync.emitted == ["recNew"]


# webhooks


def broken_off_by_webhook(webhooks: FakeWebhooks) -> Any:  # noqa: ANN401 - JSON
    """The state of a read at nine whose parts `01` and `aA` are read when the process ends."""
    stream = a_stream(with_tombstones=True)
    client = FakeClient()
    client.webhooks[BASE] = webhooks
    webhook = SharedWebhook(client.as_client(), stream.table)
    request = ReadRequest(by_webhook.SETTINGS, {}, {BASE: webhook})
    reader: Any = stream.reader(stream.table, request)
    reader.start(NINE)
    reader.rows(Page([a_record(record_id=one) for one in ("rec0", "recA", "recZ")]))
    reader.note_read_parts(READ)
    return reader.state_after_failure()


def test_webhook_of_a_resumed_read() -> None:
    """What changed since the first attempt began is read after the parts, in the sync after."""
    webhooks = by_webhook.a_webhook(a_payload("recOld"))
    saved = broken_off_by_webhook(webhooks)
    webhooks.add("achA", a_payload("recA", destroyed=["rec0"]))

    second = by_webhook.Synced(webhooks, saved, TEN, [a_page("recB", "recZ")])
    third = by_webhook.Synced(webhooks, second.saved, TEN + HOUR, [a_page("recA")])

    assert saved["webhook"] == {"id": "achA", "cursor": 2, "read_at": text(NINE)}
    assert (second.formulas, second.deleted) == ([REST.formula], [])
    assert (second.saved["webhook"], second.saved["read_to"]) == (saved["webhook"], text(NINE))
    assert "read_parts" not in second.saved
    assert third.formulas == by_webhook.picked("recA")
    assert (third.emitted, third.deleted) == (["recA"], ["rec0"])
    assert third.saved["webhook"]["cursor"] == 3


def test_resumed_read_without_a_webhook() -> None:
    """Without a webhook the read goes on all the same, and keeps the place."""
    webhooks = by_webhook.a_webhook()
    saved = broken_off_by_webhook(webhooks)
    webhooks.answers["list"] = [by_webhook.SCOPE] * 2

    synced = by_webhook.Synced(webhooks, saved, TEN, [a_page("recB", "recZ")])

    assert synced.formulas == [REST.formula]
    assert (synced.saved["webhook"], synced.saved["read_to"]) == (saved["webhook"], text(NINE))


def test_parts_and_another_webhook() -> None:
    """If nobody knows what changed in the parts since, the table is read anew, by a new place."""
    saved = broken_off_by_webhook(by_webhook.a_webhook())

    synced = by_webhook.Synced(
        by_webhook.a_webhook(webhook_id="achB"), saved, TEN, [a_page("recA", "recB")]
    )

    assert (synced.formulas, synced.emitted) == ([None], ["recA", "recB"])
    assert synced.deleted == ["rec0", "recZ"]
    assert (synced.saved["webhook"]["id"], synced.saved["read_to"]) == ("achB", text(TEN))
    assert "read_parts" not in synced.saved


# Streams over many tables


def test_state_of_a_stream_over_many_tables() -> None:
    """The stream `records` goes on in each table by itself."""
    stream = an_account_stream("records")
    table = a_stream().table
    reader: Any = stream.reader(table, ReadRequest(SETTINGS, {}))
    reader.start(NINE)
    reader.rows(Page([a_record()]))
    reader.note_read_parts(READ)
    saved = stream.combine({table.key: reader.state_after_failure()}, ReadRequest(SETTINGS, {}))

    again = stream.reader(table, ReadRequest(SETTINGS, saved or {}))

    assert table.key[1] == TABLE
    assert again.start(TEN) == REST
