"""A tombstone for each record that is gone, and never for one that may be there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from source_airtable.changes import deletions
from source_airtable.changes.deletions import DeletionTracker
from source_airtable.changes.record_ids import RecordIdSet
from source_airtable.changes.state import SyncState, parse_state
from source_airtable.changes.webhook_position import WebhookPosition
from source_airtable.config import IncrementalSettings
from unit_tests.state_samples import a_state_sample

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
SETTINGS = IncrementalSettings(detect_deletions=True)


class Listing:
    """A finished scan: what was in the whole table, or what lists of ids show one by one."""

    def __init__(self, *lists: Iterable[str], whole: Iterable[str] | None = None) -> None:
        self.whole_listing = None if whole is None else RecordIdSet(whole)
        self.asked_again: list[bool] = []
        self._lists = [RecordIdSet(ids) for ids in lists]

    def list_ids(self, *, again: bool = False) -> RecordIdSet:
        """Give the next list."""
        self.asked_again.append(again)
        return self._lists.pop(0)


def a_state(*known_ids: str, sweep: datetime | None = NOW - DAY) -> SyncState:
    """A state that knows these records, compared a day ago."""
    return SyncState("last_modified", last_sweep=sweep, known_ids=RecordIdSet(known_ids))


UNTRACKED = SyncState("last_modified")


class Outcome:
    """What a tracker finds out in one sync."""

    def __init__(
        self,
        saved: SyncState | None,
        listing: Listing,
        emitted: Iterable[str] = (),
        settings: IncrementalSettings = SETTINGS,
    ) -> None:
        self.listing = listing
        self.tracker = DeletionTracker("contacts", settings, saved)
        self.tracker.note_emitted(emitted)
        self.unseen = self.tracker.compare(listing, NOW)
        # The scan reads what is unseen, and emits it.
        self.tracker.note_emitted(self.unseen)
        self.gone = self.tracker.take_gone()
        known = self.tracker.known_ids()
        self.known = None if known is None else set(known)


def many(count: int, start: int = 0) -> list[str]:
    """So many ids."""
    return [f"rec{number:014d}" for number in range(start, start + count)]


def test_record_that_is_gone() -> None:
    """A known record that a sweep does not see is gone, and is forgotten."""
    outcome = Outcome(a_state("recA", "recB"), Listing(["recA"]))

    assert (outcome.gone, outcome.unseen, outcome.known) == (["recB"], [], {"recA"})
    assert outcome.tracker.last_sweep == NOW
    assert outcome.listing.asked_again == [False]


def test_deletions_are_given_once() -> None:
    """A second question for what is gone gives nothing."""
    outcome = Outcome(a_state("recA", "recB"), Listing([]))

    assert (outcome.gone, outcome.tracker.take_gone()) == (["recA", "recB"], [])


def test_nothing_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """If a sweep sees every known record, nothing is gone, and the log says nothing of it."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    outcome = Outcome(a_state("recA", "recB"), Listing(["recB", "recA"]))

    assert (outcome.gone, outcome.unseen) == ([], [])
    assert "are deleted" not in caplog.text


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that a sweep is made, and how many records are gone."""
    caplog.set_level("INFO", "airbyte.source_airtable")

    Outcome(a_state("recA", "recB"), Listing(["recC"]))

    assert caplog.messages == [
        "Stream contacts: looking for deleted records.",
        "Stream contacts: 2 records are deleted.",
    ]


def test_whole_scan_is_a_sweep() -> None:
    """A scan of the whole table finds deletions without another list, due or not."""
    saved = a_state("recA", "recB", sweep=NOW)

    outcome = Outcome(saved, Listing(whole=["recA", "recC"]), emitted=["recA", "recC"])

    assert (outcome.gone, outcome.known) == (["recB"], {"recA", "recC"})
    assert (outcome.tracker.last_sweep, outcome.listing.asked_again) == (NOW, [])


@pytest.mark.parametrize(
    ("ago", "is_due"), [(DAY, True), (DAY - timedelta(seconds=1), False), (timedelta(0), False)]
)
def test_when_a_sweep_is_due(ago: timedelta, *, is_due: bool) -> None:
    """A sweep is due when its hours have passed."""
    outcome = Outcome(a_state("recA", sweep=NOW - ago), Listing([]))

    assert (outcome.gone, len(outcome.listing.asked_again)) == (
        (["recA"], 1) if is_due else ([], 0)
    )


def test_sweep_in_every_sync() -> None:
    """With 0 hours, every sync makes a sweep."""
    settings = IncrementalSettings(detect_deletions=True, deletion_sweep_hours=0)

    assert Outcome(a_state("recA", sweep=NOW), Listing([]), settings=settings).gone == ["recA"]


def test_sweep_of_unknown_moment() -> None:
    """If no sweep is known, one is due."""
    assert Outcome(a_state("recA", sweep=None), Listing([])).gone == ["recA"]


def test_records_between_sweeps() -> None:
    """Between sweeps, emitted records become known, and nothing is gone."""
    saved = a_state("recA", sweep=NOW - HOUR)

    outcome = Outcome(saved, Listing(), emitted=["recB"])

    assert (outcome.gone, outcome.known) == ([], {"recA", "recB"})
    assert outcome.tracker.last_sweep == NOW - HOUR


def test_first_tracking_by_a_whole_scan() -> None:
    """The first whole scan only takes down which records there are."""
    outcome = Outcome(None, Listing(whole=["recA", "recB"]), emitted=["recA", "recB"])

    assert (outcome.gone, outcome.unseen, outcome.known) == ([], [], {"recA", "recB"})


def test_first_tracking_by_a_sweep() -> None:
    """Switched on later, the first sweep takes down what is there, and reads none of it."""
    outcome = Outcome(UNTRACKED, Listing(["recA", "recB"]), emitted=["recA"])

    assert (outcome.gone, outcome.unseen, outcome.known) == ([], [], {"recA", "recB"})
    assert outcome.tracker.last_sweep == NOW


@pytest.mark.parametrize("saved", [UNTRACKED, a_state("recA")], ids=["first", "later"])
def test_emitted_and_gone(saved: SyncState) -> None:
    """A record that was emitted, and is gone by the time of the sweep, gets a tombstone."""
    outcome = Outcome(saved, Listing(["recA"]), emitted=["recB"])

    assert (outcome.gone, outcome.known) == (["recB"], {"recA"})


def test_unseen_records() -> None:
    """Records that no sync has seen are given in order, and known from then on."""
    outcome = Outcome(a_state("recA"), Listing(["recA", "recC", "recB"]))

    assert (outcome.unseen, outcome.gone) == (["recB", "recC"], [])
    assert outcome.known == {"recA", "recB", "recC"}


def test_unseen_record_that_goes_meanwhile() -> None:
    """An unseen record that is gone when it is read is not known."""
    tracker = DeletionTracker("contacts", SETTINGS, a_state("recA"))

    unseen = tracker.compare(Listing(["recA", "recB"]), NOW)

    assert (unseen, tracker.take_gone()) == (["recB"], [])
    assert set(tracker.known_ids() or ()) == {"recA"}


def test_emitted_record_is_not_unseen() -> None:
    """The sweep does not read again what the scan has emitted."""
    outcome = Outcome(a_state("recA"), Listing(["recA", "recB"]), emitted=["recB"])

    assert (outcome.unseen, outcome.known) == ([], {"recA", "recB"})


def test_record_that_was_made_anew() -> None:
    """A record that was deleted and restored before the sweep is there."""
    outcome = Outcome(a_state("recA"), Listing(["recA"]), emitted=["recA"])

    assert (outcome.gone, outcome.known) == ([], {"recA"})


def test_deletions_after_an_upgrade() -> None:
    """The ids in a state of version 1 still find what is deleted."""
    sample = a_state_sample("version_1_last_modified")
    known = sample.holds["known_ids"]
    saved = parse_state({**sample.state, "last_sweep": "2026-11-16T10:00:00.000Z"}).state

    outcome = Outcome(saved, Listing(known[5:]))

    assert outcome.gone == known[:5]
    assert outcome.known == set(known[5:])


@pytest.mark.parametrize(
    ("known", "gone", "is_confirmed"),
    [(60, 50, False), (60, 51, True), (300, 60, False), (300, 61, True), (300, 300, True)],
)
def test_when_deletions_are_confirmed(known: int, gone: int, *, is_confirmed: bool) -> None:
    """More than 50 deletions that are more than a fifth of the known records need a second list."""
    left = many(known)[gone:]

    outcome = Outcome(a_state(*many(known)), Listing(left, left))

    assert outcome.listing.asked_again == [False, *([True] if is_confirmed else [])]
    assert (outcome.gone, outcome.known) == (many(gone), set(left))
    assert not outcome.tracker.is_disputed


def test_whole_scan_that_is_confirmed() -> None:
    """A scan of the whole table is confirmed by a list, too."""
    left = many(40, start=60)

    outcome = Outcome(a_state(*many(100)), Listing(left, whole=left))

    assert (outcome.listing.asked_again, outcome.gone) == ([True], many(60))


@pytest.mark.parametrize("is_whole", [True, False])
def test_lists_that_disagree(caplog: pytest.LogCaptureFixture, *, is_whole: bool) -> None:
    """If a missing record is in the second list, nothing is gone and nothing forgotten."""
    saved, left = a_state(*many(100)), many(40, start=60)
    second = [*left, *many(1)]
    listing = Listing(second, whole=left) if is_whole else Listing(left, second)

    outcome = Outcome(saved, listing)

    assert (outcome.gone, outcome.unseen, outcome.known) == ([], [], set(many(100)))
    assert outcome.tracker.is_disputed
    assert outcome.tracker.last_sweep == saved.last_sweep
    assert "60 of 100 known records were missing from one list" in caplog.text


def test_records_of_a_disputed_scan() -> None:
    """What a disputed scan emitted becomes known all the same."""
    outcome = Outcome(a_state(*many(100)), Listing(many(100), whole=["recNew"]), emitted=["recNew"])

    assert outcome.known == {*many(100), "recNew"}


def test_most_records(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As many records as the state may hold are tracked."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)

    outcome = Outcome(None, Listing(whole=["recA", "recB"]))

    assert outcome.known == {"recA", "recB"}
    assert (outcome.tracker.untracked_records, caplog.text) == (None, "")


@pytest.mark.parametrize("is_whole", [True, False])
def test_too_many_records(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_whole: bool
) -> None:
    """A table with more records is not tracked, and a warning gives both numbers."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)
    listing = Listing(whole=["recA", "recB", "recC"]) if is_whole else Listing()

    outcome = Outcome(a_state("recA", "recB", sweep=NOW), listing, emitted=["recC"])

    assert (outcome.known, outcome.tracker.untracked_records) == (None, 3)
    assert (
        "deletions are not detected, because the table has 3 records and the state holds the ids "
        "of at most 2."
    ) in caplog.text


def test_too_many_records_are_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A state in the middle of a read and one at its end make one warning."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)
    tracker = DeletionTracker("contacts", IncrementalSettings(detect_deletions=True), None)
    tracker.note_emitted(["recA", "recB", "recC"])

    in_the_middle = [tracker.known_ids_so_far() for _ in range(2)]
    tracker.compare(Listing(whole=["recA", "recB", "recC"]), NOW)

    assert in_the_middle == [(None, 3), (None, 3)]
    assert (tracker.known_ids(), tracker.untracked_records) == (None, 3)
    assert caplog.text.count("deletions are not detected") == 1


def test_state_in_the_middle_of_a_read() -> None:
    """A state in the middle of a read holds what was emitted, and changes nothing."""
    tracker = DeletionTracker("contacts", SETTINGS, None)
    tracker.note_emitted(["recA"])
    known, untracked = tracker.known_ids_so_far()

    assert (set(known or ()), untracked) == ({"recA"}, None)
    assert tracker.known_ids() is None
    assert tracker.may_know("recOther")


def test_no_sweep_of_an_untracked_table() -> None:
    """A table with too many records is not listed for a sweep, and stays marked."""
    saved = SyncState("last_modified", last_sweep=NOW - 3 * DAY, untracked_records=300_000)

    outcome = Outcome(saved, Listing(), emitted=["recA"])

    assert (outcome.listing.asked_again, outcome.gone, outcome.known) == ([], [], None)
    assert outcome.tracker.untracked_records == 300_000


def test_table_that_shrank() -> None:
    """A whole scan of a table that is small enough again tracks it."""
    saved = SyncState("last_modified", last_sweep=NOW - DAY, untracked_records=300_000)

    outcome = Outcome(saved, Listing(whole=["recA"]), emitted=["recA"])

    assert (outcome.known, outcome.tracker.untracked_records) == ({"recA"}, None)


def test_sweep_that_is_asked_for() -> None:
    """A sweep that is not due is made where known records may have left the filter."""
    tracker = DeletionTracker("contacts", SETTINGS, a_state("recA", "recB", sweep=NOW))

    assert tracker.compare(Listing(["recB"]), NOW, is_due=True) == []
    assert tracker.take_gone() == ["recA"]


WEBHOOKS = IncrementalSettings(method="webhooks", detect_deletions=True)


def a_read_state(*known_ids: str, sweep: datetime | None = NOW) -> SyncState:
    """A state of a sync that read the webhook now, with deletions known up to some moment."""
    return SyncState(
        "webhooks",
        NOW,
        last_sweep=sweep,
        known_ids=RecordIdSet(known_ids),
        webhook=WebhookPosition("achA", 4, NOW),
    )


def test_records_that_a_webhook_names() -> None:
    """What a webhook says is gone is gone, known or not, and no list is made for it."""
    tracker = DeletionTracker("contacts", WEBHOOKS, a_read_state("recA", "recB"))
    listing = Listing()
    tracker.note_destroyed({"recB", "recNew"})

    assert tracker.compare(listing, NOW + 9 * DAY) == []
    assert (tracker.take_gone(), tracker.take_gone()) == (["recB", "recNew"], [])
    assert set(tracker.known_ids() or ()) == {"recA"}
    assert listing.asked_again == []


def test_record_that_is_gone_twice() -> None:
    """A record that both a webhook and a list show to be gone is given once."""
    tracker = DeletionTracker("contacts", WEBHOOKS, a_read_state("recA", "recB", "recC"))
    tracker.note_destroyed(["recC"])
    tracker.compare(Listing(whole=["recA"]), NOW)

    assert tracker.take_gone() == ["recB", "recC"]


@pytest.mark.parametrize(("destroyed", "is_confirmed"), [(100, False), (49, True), (50, False)])
def test_deletions_of_a_webhook_need_no_confirmation(destroyed: int, *, is_confirmed: bool) -> None:
    """Only records that no webhook says are gone count for a second list."""
    tracker = DeletionTracker("contacts", WEBHOOKS, a_read_state(*many(100)))
    tracker.note_destroyed(many(destroyed))
    listing = Listing([], whole=[])

    tracker.compare(listing, NOW)

    assert listing.asked_again == ([True] if is_confirmed else [])
    assert tracker.take_gone() == many(100)


def test_disputed_list_beside_a_webhook() -> None:
    """Where lists disagree, what a webhook says is gone still is."""
    tracker = DeletionTracker("contacts", WEBHOOKS, a_read_state(*many(100)))
    tracker.note_destroyed(many(1))

    tracker.compare(Listing(many(99, start=1), whole=[]), NOW)
    tracker.note_known_to(NOW + HOUR)

    assert (tracker.take_gone(), tracker.is_disputed) == (many(1), True)
    assert (set(tracker.known_ids() or ()), tracker.last_sweep) == (set(many(99, start=1)), NOW)


@pytest.mark.parametrize(
    ("saved", "has_missed_some", "is_due"),
    [
        pytest.param(a_read_state("recA"), False, False, id="all were told"),
        pytest.param(a_read_state("recA", sweep=NOW + HOUR), False, False, id="later sweep"),
        pytest.param(a_read_state("recA", sweep=NOW - HOUR), False, True, id="some not told"),
        pytest.param(a_read_state("recA"), True, True, id="gap"),
        pytest.param(a_read_state("recA", sweep=None), False, True, id="no sweep yet"),
        pytest.param(SyncState("webhooks", last_sweep=NOW), False, True, id="no webhook"),
        pytest.param(None, False, True, id="no state"),
        pytest.param(
            SyncState("webhooks", NOW, untracked_records=300_000), True, False, id="too many"
        ),
    ],
)
def test_when_a_webhook_calls_for_a_sweep(
    saved: SyncState | None, *, has_missed_some: bool, is_due: bool
) -> None:
    """A webhook makes sweeps needless, but for those that make up for what it did not say."""
    tracker = DeletionTracker("contacts", WEBHOOKS, saved)
    tracker.has_missed_some = has_missed_some
    listing = Listing(["recA"])

    tracker.compare(listing, NOW + 9 * DAY)

    assert len(listing.asked_again) == is_due


@pytest.mark.parametrize(
    ("sweep", "moment", "expected"),
    [(NOW, NOW + HOUR, NOW + HOUR), (NOW, NOW - HOUR, NOW), (None, NOW, None)],
)
def test_how_far_deletions_are_known(
    sweep: datetime | None, moment: datetime, expected: datetime | None
) -> None:
    """A webhook moves on up to when deletions are known, once they are known at all."""
    tracker = DeletionTracker("contacts", WEBHOOKS, a_read_state("recA", sweep=sweep))

    tracker.note_known_to(moment)

    assert tracker.last_sweep == expected


def test_too_many_records_with_a_webhook(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a webhook, a table whose ids are too many is no reason for a warning."""
    monkeypatch.setattr(deletions, "MOST_TRACKED_RECORDS", 2)

    outcome = Outcome(None, Listing(whole=many(3)), settings=WEBHOOKS)

    assert (outcome.known, outcome.tracker.untracked_records) == (None, 3)
    assert "deletions are not detected" not in caplog.text
