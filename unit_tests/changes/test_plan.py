"""How much an incremental sync reads, and what it says about that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from source_airtable.changes import plan as plan_module
from source_airtable.changes.need import ChangedSince, RecordIds, WholeTable
from source_airtable.changes.parts import TablePart
from source_airtable.changes.payloads import TableChanges
from source_airtable.changes.plan import Plan, TableFacts, WebhookFacts, plan_read
from source_airtable.changes.record_ids import pack_ids
from source_airtable.changes.state import SyncState, parse_state
from source_airtable.changes.webhook_position import WebhookPosition
from source_airtable.config import IncrementalSettings

NOW = datetime(2026, 11, 18, 10, tzinfo=timezone.utc)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
STATE = SyncState(
    "last_modified",
    read_to=NOW - HOUR,
    cursor_floor=NOW - HOUR,
    last_full_scan=NOW - 30 * HOUR,
    fingerprint="1a2b3c4d",
)
SAVED = STATE.to_json()
FACTS = TableFacts("contacts", "1a2b3c4d", None, NOW)
VOLATILE = replace(FACTS, why_volatile="Total (rollup: a linked record may change)")
SETTINGS = IncrementalSettings()
WHOLE = Plan(WholeTable(), NOW)
TICK = timedelta(milliseconds=1)
NO_CURSOR = "the last sync was a full refresh, which leaves no cursor"


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "airbyte.source_airtable")


def plan_from(
    saved: dict[str, Any] | SyncState,
    facts: TableFacts = FACTS,
    settings: IncrementalSettings = SETTINGS,
) -> Plan:
    """The plan of a sync that goes on from a saved state."""
    state = saved.to_json() if isinstance(saved, SyncState) else saved
    return plan_read(parse_state(state), facts, settings)


def since(moment: datetime, method: str = "last_modified") -> Plan:
    """A plan that reads what changed after a moment."""
    return Plan(ChangedSince(method, moment), NOW)


def told(caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """Level and text of the one line of the log."""
    (record,) = caplog.records
    return record.levelname, record.getMessage()


@pytest.mark.parametrize(
    ("saved", "now", "reason"),
    [
        pytest.param({"__ab_no_cursor_state_message": True}, NOW, NO_CURSOR, id="CDK, upstream"),
        pytest.param({"__ab_full_refresh_sync_complete": True}, NOW, NO_CURSOR, id="PyAirbyte"),
        pytest.param(
            {"_airtable_as_of": "2026-11-18"},
            NOW,
            "this connector did not write the saved state",
            id="foreign",
        ),
        pytest.param({**SAVED, "read_to": 7}, NOW, "the saved state is damaged", id="broken"),
        pytest.param(
            {**SAVED, "method": "created_time"},
            NOW,
            "the saved state comes from the method created_time",
            id="other method",
        ),
        pytest.param(
            {**SAVED, "method": "snapshots"},
            None,
            "the saved state comes from the method snapshots",
            id="unknown method",
        ),
        pytest.param(
            replace(STATE, read_to=NOW + timedelta(seconds=61)).to_json(),
            NOW,
            "the saved state is from the future",
            id="future",
        ),
    ],
)
def test_unusable_state(
    caplog: pytest.LogCaptureFixture, saved: dict[str, Any], now: datetime | None, reason: str
) -> None:
    """Where the state cannot be gone on from, everything is read anew, with a warning."""
    plan = plan_from(saved, replace(FACTS, now=now))

    assert plan.need == WholeTable()
    assert told(caplog) == ("WARNING", f"Stream contacts is read in full: {reason}.")


def test_no_state(caplog: pytest.LogCaptureFixture) -> None:
    """The first sync reads everything, which nobody needs to be warned of."""
    assert plan_from({}) == WHOLE
    assert told(caplog) == ("INFO", "Stream contacts is read in full: there is no saved state.")


def test_window(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise what changed since the saved moment is read, and the look-back before it."""
    assert plan_from(SAVED) == since(NOW - 2 * HOUR)
    assert told(caplog) == (
        "INFO",
        "Stream contacts: reading what changed after 2026-11-18T08:00:00.000Z.",
    )


@pytest.mark.parametrize("minutes", [1, 1.5, 5, 1440])
def test_lookback(minutes: float) -> None:
    """The edge of the window is the saved moment less the look-back."""
    settings = IncrementalSettings(lookback_minutes=minutes)

    assert plan_from(SAVED, settings=settings) == since(NOW - HOUR - timedelta(minutes=minutes))


@pytest.mark.parametrize("ahead", [timedelta(0), SECOND, timedelta(minutes=1)])
def test_state_of_a_clock_slightly_ahead(ahead: timedelta) -> None:
    """A state that another of Airtable's servers dated a little later is gone on from."""
    state = replace(STATE, read_to=NOW + ahead)

    assert plan_from(state) == since(NOW + ahead - HOUR)


def test_future_state_without_date() -> None:
    """Where Airtable's clock is not known, nothing says that a state is from the future."""
    state = replace(STATE, read_to=NOW + 100 * HOUR)

    assert plan_from(state, replace(FACTS, now=None)).need == since(NOW + 99 * HOUR).need


def test_oldest_state() -> None:
    """A window that would begin before the first year begins in the year 2000."""
    saved = {**SAVED, "read_to": "0001-01-01T00:00:00.000Z"}

    assert plan_from(saved) == since(datetime(2000, 1, 1, tzinfo=timezone.utc))


def test_latest_cursor() -> None:
    """A cursor at the end of time stays there."""
    saved = {**SAVED, "cursor_floor": "9999-12-31T23:59:59.999Z"}

    latest = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)
    assert plan_from(saved).as_of == latest


@pytest.mark.parametrize(
    ("floor", "now", "expected"),
    [
        (None, NOW, NOW),
        (None, None, None),
        (NOW - HOUR, NOW, NOW),
        (NOW, NOW, NOW + TICK),
        (NOW + HOUR, NOW, NOW + HOUR + TICK),
        (NOW - HOUR, None, NOW - HOUR + TICK),
    ],
)
def test_cursor(floor: datetime | None, now: datetime | None, expected: datetime | None) -> None:
    """The cursor is the present, but above all that any sync emitted."""
    plan = plan_from(replace(STATE, cursor_floor=floor), replace(FACTS, now=now))

    assert plan.as_of == expected


def test_cursor_after_an_unusable_state() -> None:
    """A state that cannot be gone on from still says which cursors were emitted."""
    state = replace(STATE, method="created_time", cursor_floor=NOW + HOUR)

    assert plan_from(state) == Plan(WholeTable(), NOW + HOUR + TICK, is_anew=True)


@pytest.mark.parametrize(
    ("damaged", "level"),
    [
        ({"read_to": "yesterday"}, "WARNING"),
        ({"last_full_scan": []}, "WARNING"),
        ({"method": "created_time"}, "WARNING"),
        ({"method": 7}, "WARNING"),
        ({"read_to": "2036-11-18T10:00:00.000Z"}, "WARNING"),
        ({"read_to": None}, "INFO"),
        ({"recent_ids": "recA"}, "WARNING"),
    ],
    ids=["moment", "list", "other method", "no method", "future", "no moment", "other ids"],
)
def test_damage_that_leaves_the_known_ids(
    caplog: pytest.LogCaptureFixture, damaged: dict[str, Any], level: str
) -> None:
    """A state with a damaged part means a full scan, and the known ids are kept."""
    saved = {**SAVED, "known_ids": pack_ids(["recA", "recB"]), **damaged}
    parsed = parse_state(saved)

    plan = plan_read(parsed, FACTS, SETTINGS)

    assert plan == replace(WHOLE, is_anew=level == "WARNING")
    assert told(caplog)[0] == level
    assert parsed.state is not None
    assert parsed.state.known_ids is not None
    assert set(parsed.state.known_ids) == {"recA", "recB"}


def test_table_that_was_not_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A state without a window's edge means a full scan, and says why."""
    assert plan_from(replace(STATE, read_to=None)) == WHOLE
    assert told(caplog)[1].endswith("the last sync did not read the table to its end.")


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_changed_schema(caplog: pytest.LogCaptureFixture, method: Any) -> None:  # noqa: ANN401 - a literal
    """Columns made of something else are read in full, and the state is gone on from."""
    state = replace(STATE, method=method)

    facts = replace(FACTS, fingerprint="9f9f9f9f")

    assert plan_from(state, facts, IncrementalSettings(method=method)) == WHOLE
    assert told(caplog) == (
        "INFO",
        (
            "Stream contacts is read in full: fields were added, selected or changed since the "
            "last sync."
        ),
    )


@pytest.mark.parametrize(
    ("old", "new"), [("1a2b3c4d", "1a2b3c4d ~9a8b7c6d"), ("1a2b3c4d ~9a8b7c6d", "1a2b3c4d")]
)
def test_changed_filter(caplog: pytest.LogCaptureFixture, old: str, new: str) -> None:
    """A table with another filter is read in full, and known records may have left it."""
    plan = plan_from(replace(STATE, fingerprint=old), replace(FACTS, fingerprint=new))

    assert plan == replace(WHOLE, has_other_filter=True)
    assert told(caplog)[1].endswith("the table has another filter than in the last sync.")


def test_volatile_filter(caplog: pytest.LogCaptureFixture) -> None:
    """A table whose filter records can enter unedited is read in full when the time has come."""
    facts = replace(VOLATILE, why_volatile=None, why_filter_volatile="of its view")

    assert plan_from(SAVED, facts) == WHOLE
    assert told(caplog)[1].endswith(
        "24 hours have passed, and records can enter the table's filter without being edited, "
        "because of its view."
    )


def test_deselected_column() -> None:
    """A column less is no reason to read everything."""
    state = replace(STATE, fingerprint="1a2b3c4d 5e6f7a8b")

    assert plan_from(state) == since(NOW - 2 * HOUR)


@pytest.mark.parametrize("hours", [24, 30, 0.5])
def test_full_scan_that_is_due(caplog: pytest.LogCaptureFixture, hours: float) -> None:
    """A table whose cells change by themselves is read in full when the time has come."""
    assert plan_from(SAVED, VOLATILE, IncrementalSettings(full_rescan_hours=hours)) == WHOLE
    assert told(caplog) == (
        "INFO",
        (
            f"Stream contacts is read in full: {hours:g} hours have passed, and cells can change "
            "without their record being edited, as in Total (rollup: a linked record may change)."
        ),
    )


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        pytest.param(
            VOLATILE, IncrementalSettings(full_rescan_hours=30 + 1 / 3600), id="a second too early"
        ),
        pytest.param(VOLATILE, IncrementalSettings(full_rescan_hours=0), id="never"),
        pytest.param(FACTS, SETTINGS, id="nothing volatile"),
        pytest.param(replace(VOLATILE, now=None), SETTINGS, id="clock not known"),
    ],
)
def test_full_scan_that_is_not_due(facts: TableFacts, settings: IncrementalSettings) -> None:
    """Too early, switched off, without need or without a clock, only the window is read."""
    assert plan_from(SAVED, facts, settings).need == since(NOW - 2 * HOUR).need


def test_created_time_of_a_volatile_table() -> None:
    """The method created_time sees no changes, so that it never reads everything for them."""
    state = replace(STATE, method="created_time")

    plan = plan_from(state, VOLATILE, IncrementalSettings(method="created_time"))

    assert plan == since(NOW - 2 * HOUR, "created_time")


def test_first_rescan_of_a_volatile_table() -> None:
    """A volatile table whose last full scan is unknown is read in full."""
    assert plan_from(replace(STATE, last_full_scan=None), VOLATILE) == WHOLE


POSITION = WebhookPosition("achA", 9, NOW)
WEBHOOKS = IncrementalSettings(method="webhooks")
BY_WEBHOOK = replace(STATE, method="webhooks", webhook=POSITION, scanned_records=1_000)


def with_webhook(
    changes: TableChanges | None = None,
    facts: TableFacts = FACTS,
    **others: Any,  # noqa: ANN401 - facts of any type
) -> TableFacts:
    """A table whose webhook says this."""
    return replace(facts, webhook=WebhookFacts(POSITION, changes or TableChanges(), **others))


def named(count: int) -> tuple[str, ...]:
    """So many ids."""
    return tuple(f"rec{number}" for number in range(count))


def test_records_that_a_webhook_names(caplog: pytest.LogCaptureFixture) -> None:
    """What a webhook names is read by its ids; deleted records are not looked up."""
    facts = with_webhook(TableChanges(("recA", "recB"), destroyed=("recC",)))

    assert plan_from(BY_WEBHOOK, facts, WEBHOOKS) == Plan(RecordIds(("recA", "recB")), NOW)
    assert told(caplog) == ("INFO", "Stream contacts: the webhook names 2 changed records.")


def test_idle_webhook() -> None:
    """If a webhook names nothing, nothing is read."""
    assert plan_from(BY_WEBHOOK, with_webhook(), WEBHOOKS).need == RecordIds(())


def test_no_webhook() -> None:
    """Without a webhook the sync reads what was edited, and keeps to its window."""
    settings = IncrementalSettings(method="last_modified")

    assert plan_from(BY_WEBHOOK, FACTS, settings) == since(NOW - 2 * HOUR)


@pytest.mark.parametrize("method", ["last_modified", "webhooks"])
def test_methods_that_read_edits(method: str) -> None:
    """A state of one method that reads all edits is gone on from by the other."""
    assert plan_from(replace(BY_WEBHOOK, method=method), with_webhook(), WEBHOOKS).need == (
        RecordIds(())
    )


@pytest.mark.parametrize(
    ("before", "after"), [("created_time", "webhooks"), ("webhooks", "created_time")]
)
def test_method_that_reads_no_edits(
    caplog: pytest.LogCaptureFixture,
    before: str,
    after: Any,  # noqa: ANN401 - a literal
) -> None:
    """The method created_time has not seen edits, so a change from or to it reads everything."""
    state = replace(BY_WEBHOOK, method=before)

    plan = plan_from(state, with_webhook(), IncrementalSettings(method=after))

    assert plan == replace(WHOLE, is_anew=True)
    assert told(caplog)[1].endswith(f"the saved state comes from the method {before}.")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(
            with_webhook(why_unknown="no webhook was read for it before"),
            "no webhook was read for it before",
            id="changes unknown",
        ),
        pytest.param(
            with_webhook(facts=replace(FACTS, fingerprint="9f9f9f9f")),
            "fields were added, selected or changed since the last sync",
            id="other columns",
        ),
        pytest.param(
            with_webhook(TableChanges(("recA",), was_replaced=True)),
            "the table was created, deleted or restored since the last sync",
            id="other table",
        ),
        pytest.param(
            with_webhook(has_changed_columns=True),
            "fields were changed since the last sync",
            id="changed fields",
        ),
    ],
)
def test_full_scan_in_spite_of_a_webhook(
    caplog: pytest.LogCaptureFixture, facts: TableFacts, reason: str
) -> None:
    """Where the ids are not all that changed, everything is read, and the log says why."""
    assert plan_from(BY_WEBHOOK, facts, WEBHOOKS) == WHOLE
    assert told(caplog) == ("INFO", f"Stream contacts is read in full: {reason}.")


def test_reason_that_comes_first(caplog: pytest.LogCaptureFixture) -> None:
    """A table that was not read to its end is read in full, whatever the webhook says."""
    facts = with_webhook(why_unknown="no webhook was read for it before")

    assert plan_from(replace(BY_WEBHOOK, read_to=None), facts, WEBHOOKS) == WHOLE
    assert told(caplog)[1].endswith("the last sync did not read the table to its end.")


@pytest.mark.parametrize(
    ("count", "records", "is_whole"),
    [
        (0, 0, False),
        (1, 0, False),
        (100, 1, False),
        (101, 100, True),
        (101, 101, False),
        (900, 1_000, False),
        (1_000, 1_000, False),
        (1_001, 1_000, True),
        (5_000, None, False),
    ],
)
def test_calls_that_are_counted(count: int, records: int | None, *, is_whole: bool) -> None:
    """More ids than a full scan takes calls are not looked up."""
    state = replace(BY_WEBHOOK, scanned_records=records)

    plan = plan_from(state, with_webhook(TableChanges(named(count))), WEBHOOKS)

    assert plan.need == (WholeTable() if is_whole else RecordIds(named(count)))


def test_too_many_records(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More ids than the bound are not looked up, however large the table is."""
    monkeypatch.setattr(plan_module, "MOST_NAMED_RECORDS", 1_200)
    state = replace(BY_WEBHOOK, scanned_records=100_000)
    most, more = (with_webhook(TableChanges(named(count))) for count in (1_200, 1_201))

    assert plan_from(state, most, WEBHOOKS).need == RecordIds(named(1_200))
    caplog.clear()
    assert plan_from(state, more, WEBHOOKS) == WHOLE
    assert told(caplog)[1].endswith(
        "the webhook names 1,201 changed records, and the whole table costs less."
    )


def test_volatile_table_with_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """A table whose cells change by themselves is read in full from time to time here, too."""
    facts = with_webhook(facts=VOLATILE)
    never = WEBHOOKS.model_copy(update={"full_rescan_hours": 0})

    assert plan_from(BY_WEBHOOK, facts, WEBHOOKS) == WHOLE
    assert told(caplog)[1].startswith("Stream contacts is read in full: 24 hours have passed")
    assert plan_from(BY_WEBHOOK, facts, never).need == RecordIds(())


BROKEN_OFF = replace(
    STATE, read_to=None, last_full_scan=None, read_parts=("01", "aA"), begun_at=NOW - HOUR
)
REST = TablePart("01aA", is_rest=True)


def test_first_read_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A first read that was broken off goes on with the parts that are missing."""
    assert plan_from(BROKEN_OFF) == Plan(REST, NOW, begun_at=NOW - HOUR)
    assert told(caplog) == (
        "INFO",
        "Stream contacts: going on with the parts of the table that the last sync did not read.",
    )


def test_first_read_goes_on_without_a_date() -> None:
    """It does so where Airtable sends no `Date`, too."""
    plan = plan_from(BROKEN_OFF, replace(FACTS, now=None))

    assert (plan.need, plan.begun_at) == (REST, NOW - HOUR)


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        (BROKEN_OFF, replace(FACTS, fingerprint="1a2b3c4d 5e6f7a8b")),
        (replace(BROKEN_OFF, fingerprint=""), FACTS),
        (replace(BROKEN_OFF, begun_at=None), FACTS),
        (replace(BROKEN_OFF, read_parts=()), FACTS),
        (replace(BROKEN_OFF, begun_at=NOW + 61 * SECOND), FACTS),
        (replace(BROKEN_OFF, method="created_time"), FACTS),
    ],
    ids=["other columns", "mixed columns", "no beginning", "no parts", "future", "other method"],
)
def test_first_read_begins_anew(state: SyncState, facts: TableFacts) -> None:
    """Parts that do not fit the rest any more are read again."""
    assert plan_from(state, facts).need == WholeTable()


def test_parts_of_a_damaged_state() -> None:
    """Nothing of a damaged state's parts counts."""
    saved = {**BROKEN_OFF.to_json(), "cursor_floor": "?"}

    assert plan_from(saved).need == WholeTable()


def test_window_is_before_parts() -> None:
    """Where a table was read to its end, parts mean nothing."""
    assert plan_from(replace(BROKEN_OFF, read_to=NOW - HOUR)) == since(NOW - 2 * HOUR)
