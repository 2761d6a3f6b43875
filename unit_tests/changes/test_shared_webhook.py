"""The webhook of a base: one is shared, or else made, and all streams learn the same of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Lock, Semaphore
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.changes import shared_webhook
from source_airtable.changes.payloads import PayloadLog, TableChanges
from source_airtable.changes.shared_webhook import (
    NO_PLACE,
    NO_ROLE,
    REFRESH_BEFORE_END,
    RETENTION,
    SharedWebhook,
    WebhookReports,
)
from source_airtable.changes.webhook_position import WebhookPosition
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    ContractError,
    RateLimitedError,
)
from unit_tests.builders import BASE, TABLE, a_table_schema
from unit_tests.fake_client import FakeClient
from unit_tests.fake_webhooks import MADE, NOW, WEEK, FakeWebhooks, a_listed_webhook, a_payload
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
DISABLED = a_listed_webhook(isHookEnabled=False)
UNAVAILABLE = AirtableUnavailableError(status=503)
GONE = AccessDeniedError(status=404)
REFUSED = AccessDeniedError(status=403)
ODD = ContractError(answer="odd")
AGED = ContractError(status=422, error_type="INVALID_CURSOR")
FAILED = {"error": True, "code": "INVALID_HOOK"}
INVALID = {"error": True, "code": "INVALID_FILTERS"}
PASSING = {"error": True, "code": "INTERNAL_ERROR"}
MISSING = "no webhook was read for this stream before"
REPLACED = "the webhook of its last sync is gone, or reports nothing more"
INCOMPLETE = "Airtable does not give the payloads since the last sync"
DROPPED = "Airtable does not have all payloads any more"
UNLISTED = (
    "Airtable refuses the list of webhooks, for which the token needs the scope webhook:manage"
)


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "airbyte.source_airtable")


def a_position(cursor: int = 1, webhook_id: str = "achA", **others: Any) -> WebhookPosition:  # noqa: ANN401 - a moment
    """Where a stream goes on, an hour after it read the webhook."""
    return WebhookPosition(webhook_id, cursor, others.get("read_at", NOW - HOUR))


def a_shared_webhook(webhooks: FakeWebhooks, *positions: WebhookPosition) -> SharedWebhook:
    """The webhook of a base, for streams that go on from these positions."""
    client = FakeClient()
    client.webhooks[BASE] = webhooks
    webhook = SharedWebhook(client.as_client(), a_table_schema())
    for position in positions:
        webhook.note(position)
    return webhook


def read(webhooks: FakeWebhooks, *positions: WebhookPosition) -> WebhookReports:
    """What is read of the webhook that is there."""
    outcome = a_shared_webhook(webhooks, *positions).read(NOW)
    assert outcome is not None
    return outcome


def several(count: int) -> list[dict[str, Any]]:
    """Payloads that each name one record: `rec1`, `rec2` and so on."""
    return [a_payload(f"rec{number}") for number in range(1, count + 1)]


def with_payloads(count: int, **others: Any) -> FakeWebhooks:  # noqa: ANN401 - JSON
    """A webhook that fits, with payloads."""
    webhooks = FakeWebhooks(a_listed_webhook(**others))
    webhooks.add("achA", *several(count))
    return webhooks


def a_read_webhook(cursor: int = 9, complete_from: int = 5) -> WebhookReports:
    """A webhook that was read."""
    position = a_position(cursor, read_at=NOW)
    return WebhookReports(position, cursor - 1, complete_from, DROPPED, PayloadLog())


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        pytest.param(None, MISSING, id="no position"),
        pytest.param(a_position(7, "achB"), REPLACED, id="another webhook"),
        pytest.param(
            a_position(7, read_at=NOW - RETENTION),
            "its webhook was last read more than six days ago",
            id="too old",
        ),
        pytest.param(a_position(7, read_at=NOW - RETENTION + SECOND), None, id="old"),
        pytest.param(a_position(4), DROPPED, id="payloads are missing"),
        pytest.param(a_position(5), None, id="no payload is missing"),
        pytest.param(a_position(9), None, id="no payload came"),
        pytest.param(a_position(10), "its webhook counts payloads anew", id="counted anew"),
    ],
)
def test_why_unknown(saved: WebhookPosition | None, reason: str | None) -> None:
    """The changes since a position are known, or one reason says why they are not."""
    assert a_read_webhook().why_unknown(saved) == reason


def test_shared_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """A webhook that fits is read from the position on, and none is made."""
    webhooks = with_payloads(5)

    outcome = read(webhooks, a_position(4))

    assert webhooks.calls == ["list", "payloads achA 4"]
    assert outcome.position == a_position(6, read_at=NOW)
    assert outcome.why_unknown(a_position(4)) is None
    assert outcome.changes_of(TABLE, a_position(4)) == TableChanges(("rec4", "rec5"))
    assert caplog.messages == ["Base Sales CRM: read 2 reports of the webhook achA."]


def test_idle_webhook() -> None:
    """An idle base costs two calls, and its position stays."""
    webhooks = with_payloads(5)

    outcome = read(webhooks, a_position(6))

    assert (webhooks.calls, outcome.position.cursor) == (["list", "payloads achA 6"], 6)
    assert outcome.changes_of(TABLE, a_position(6)) == TableChanges()


def test_webhook_that_somebody_else_made() -> None:
    """A webhook that no stream has read is read for its last payload, and nothing is known."""
    webhooks = with_payloads(5)

    outcome = read(webhooks)

    assert webhooks.calls == ["list", "payloads achA 5"]
    assert (outcome.position.cursor, outcome.why_unknown(None)) == (6, MISSING)


def test_webhook_without_payloads() -> None:
    """A webhook to which nothing happened is read from 1 on."""
    webhooks = with_payloads(0)

    assert read(webhooks).position.cursor == 1
    assert webhooks.calls == ["list", "payloads achA 1"]


def test_several_streams() -> None:
    """The webhook is read from the oldest position on, and each stream learns what is its own."""
    webhooks, early, late = with_payloads(120), a_position(8), a_position(119)

    outcome = read(webhooks, late, early)

    assert webhooks.calls == ["list", "payloads achA 8", "payloads achA 58", "payloads achA 108"]
    assert outcome.changes_of(TABLE, late) == TableChanges(("rec119", "rec120"))
    assert len(outcome.changes_of(TABLE, early).changed) == 113
    assert [outcome.why_unknown(one) for one in (early, late)] == [None, None]


def test_positions_that_are_of_no_use() -> None:
    """A position that is too old, or of another webhook, does not make the list longer."""
    webhooks = with_payloads(120)

    outcome = read(
        webhooks, a_position(2, read_at=NOW - RETENTION), a_position(3, "achB"), a_position(119)
    )

    assert webhooks.calls == ["list", "payloads achA 119"]
    assert outcome.why_unknown(a_position(119)) is None


def test_too_many_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A position with too many payloads behind it is given up; another one is read on from."""
    monkeypatch.setattr(shared_webhook, "MOST_UNREAD_PAYLOADS", 3)
    webhooks, far, near = with_payloads(5), a_position(2), a_position(3)

    outcome = read(webhooks, far, near)

    assert webhooks.calls == ["list", "payloads achA 3"]
    assert outcome.why_unknown(far) == "more than 3 payloads are unread"
    assert outcome.why_unknown(near) is None


def test_cursor_that_went_back() -> None:
    """A webhook that counts anew is read from its own number on."""
    webhooks, saved = with_payloads(2), a_position(9)

    outcome = read(webhooks, saved)

    assert webhooks.calls == ["list", "payloads achA 3"]
    assert outcome.why_unknown(saved) == "its webhook counts payloads anew"


def test_payloads_that_were_dropped() -> None:
    """Where Airtable has dropped payloads, only positions behind them are gone on from."""
    webhooks = with_payloads(9)
    webhooks.kept_from["achA"] = 6

    outcome = read(webhooks, a_position(2), a_position(6))

    assert outcome.why_unknown(a_position(2)) == outcome.why_unknown(a_position(5)) == DROPPED
    assert outcome.why_unknown(a_position(6)) is None
    assert outcome.changes_of(TABLE, a_position(8)) == TableChanges(("rec8", "rec9"))


@given(st.integers(1, 130), st.integers(1, 130), st.lists(st.integers(1, 131), max_size=3))
def test_any_gap(count: int, kept_from: int, cursors: list[int]) -> None:
    """Every position is either known with each of its payloads, or not known."""
    webhooks = with_payloads(count)
    webhooks.kept_from["achA"] = min(kept_from, count + 1)
    positions = [a_position(min(cursor, count + 1)) for cursor in cursors]

    outcome = read(webhooks, *positions)

    assert outcome.position.cursor == count + 1
    for position in positions:
        wanted = {f"rec{number}" for number in range(position.cursor, count + 1)}
        is_known = outcome.why_unknown(position) is None
        assert is_known == (position.cursor >= webhooks.kept_from["achA"])
        assert not is_known or set(outcome.changes_of(TABLE, position).changed) == wanted


def test_payloads_that_came_meanwhile() -> None:
    """Payloads that came after the webhooks were listed are read, too."""
    webhooks = with_payloads(5)
    webhooks.listed[0]["cursorForNextPayload"] = 4

    assert read(webhooks, a_position(4)).position.cursor == 6


def test_more_payloads_than_numbers() -> None:
    """Where a page holds more payloads than its numbers allow, none is lost."""
    webhooks = with_payloads(5)
    webhooks.answers["payloads"] = [{"payloads": several(3), "cursor": 6}]

    changes = read(webhooks, a_position(5)).changes_of(TABLE, a_position(5))

    assert changes == TableChanges(("rec1", "rec2", "rec3"))


def test_refused_cursor(caplog: pytest.LogCaptureFixture) -> None:
    """If Airtable refuses the cursor, the webhook is read from its present number on."""
    webhooks = with_payloads(5)
    webhooks.answers["payloads"] = [AGED]

    outcome = read(webhooks, a_position(4))

    assert webhooks.calls == ["list", "payloads achA 4", "payloads achA 6"]
    assert outcome.why_unknown(a_position(4)) == INCOMPLETE
    assert outcome.why_unknown(a_position(6)) is None
    assert (
        f"Base Sales CRM: Airtable does not give the payloads of the webhook achA ({AGED!r})."
        in caplog.messages
    )


@pytest.mark.parametrize(
    "page", [{"payloads": [a_payload(destroyedRecordIds="recA")], "cursor": 6}, {"cursor": 6}]
)
def test_odd_payloads(page: dict[str, Any]) -> None:
    """Payloads that nobody understands make the changes unknown, and nothing else."""
    webhooks = with_payloads(5)
    webhooks.answers["payloads"] = [page, {"payloads": 7}] if len(page) == 1 else [page]

    outcome = read(webhooks, a_position(4))

    assert outcome.why_unknown(a_position(4)) == INCOMPLETE
    assert outcome.position.cursor == 6


def at(seconds: int, *changed: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A payload of so many seconds before the read."""
    timestamp = (NOW - seconds * SECOND).isoformat()
    return {**a_payload(*changed), "timestamp": timestamp, **others}


@pytest.mark.parametrize(
    ("ages", "cursor"),
    [
        ([3_600, 60], 3),
        ([3_600, 59], 2),
        ([3_600, 59, 3_600, 1], 2),
        ([-1], 1),
        ([], 1),
    ],
    ids=["a minute old", "younger", "first of several", "after the read", "none"],
)
def test_recent_payloads(ages: list[int], cursor: int) -> None:
    """Payloads of the last minute are read again next time, from the first one on."""
    webhooks = with_payloads(0)
    webhooks.add("achA", *(at(age, f"rec{number}") for number, age in enumerate(ages, 1)))

    outcome = read(webhooks, a_position(1))

    assert (outcome.position.cursor, outcome.last_number) == (cursor, len(ages))
    assert len(outcome.changes_of(TABLE, a_position(1)).changed) == len(ages)


@pytest.mark.parametrize("timestamp", [None, 7, "yesterday"])
def test_payloads_without_a_time(timestamp: object) -> None:
    """A payload without a usable time is not read again."""
    webhooks = with_payloads(0)
    webhooks.add("achA", at(0, "rec1", timestamp=timestamp))

    outcome = read(webhooks, a_position(1))

    assert (outcome.position.cursor, outcome.last_number) == (2, 1)


def test_next_read_of_recent_payloads() -> None:
    """A sync that goes on before a recent payload learns of it, and knows everything since."""
    webhooks = with_payloads(0)
    webhooks.add("achA", at(3_600, "rec1"), at(5, "rec2"))
    position = read(webhooks, a_position(1)).position
    webhooks.add("achA", a_payload("rec3"))

    outcome = read(webhooks, position)

    assert outcome.why_unknown(position) is None
    assert outcome.changes_of(TABLE, position) == TableChanges(("rec2", "rec3"))


def test_position_behind_recent_payloads() -> None:
    """A position behind payloads that are read again is known, too; one further on is not."""
    webhooks = with_payloads(0)
    webhooks.add("achA", at(5, "rec1"), at(5, "rec2"))

    outcome = read(webhooks, a_position(1))

    assert outcome.position.cursor == 1
    assert outcome.why_unknown(a_position(3)) is None
    assert outcome.why_unknown(a_position(4)) == "its webhook counts payloads anew"


def test_error_that_passes() -> None:
    """An internal error among payloads is a gap: only positions behind it are known."""
    webhooks = with_payloads(2)
    webhooks.add("achA", PASSING, a_payload("rec4"))

    outcome = read(webhooks, a_position(1), a_position(4))

    assert outcome.why_unknown(a_position(1)) == "the webhook has reported an error"
    assert outcome.why_unknown(a_position(3)) == "the webhook has reported an error"
    assert outcome.why_unknown(a_position(4)) is None
    assert outcome.changes_of(TABLE, a_position(4)) == TableChanges(("rec4",))
    assert (outcome.position.cursor, outcome.last_number) == (5, 4)


def test_error_that_passes_on_the_next_page() -> None:
    """An error that ends a page is a gap where payloads follow on the next one."""
    webhooks = with_payloads(49)
    webhooks.add("achA", PASSING, a_payload("rec51"))

    outcome = read(webhooks, a_position(1))

    assert webhooks.calls == ["list", "payloads achA 1", "payloads achA 51"]
    assert outcome.why_unknown(a_position(50)) == "the webhook has reported an error"
    assert outcome.why_unknown(a_position(51)) is None


@pytest.mark.parametrize(
    "payloads",
    [
        [PASSING],
        [a_payload("rec1"), PASSING],
        [INVALID, a_payload("rec2")],
        [a_payload("rec1"), INVALID],
        [FAILED, a_payload("rec2")],
        [{"error": True}, a_payload("rec2")],
    ],
    ids=[
        "internal error alone",
        "internal error as the last",
        "invalid filters first",
        "invalid filters as the last",
        "invalid hook",
        "no code",
    ],
)
def test_error_that_stays(caplog: pytest.LogCaptureFixture, payloads: list[Any]) -> None:
    """An error that is the last payload, or one that no payload can follow, fails the webhook."""
    webhooks = with_payloads(0)
    webhooks.add("achA", *payloads)

    outcome = read(webhooks, a_position(1))

    assert (outcome.position.webhook_id, outcome.why_unknown(a_position(1))) == (MADE, REPLACED)
    assert "the webhook achA cannot be read any more (WebhookFailedError(" in caplog.text


def test_endless_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of payloads without end is given up."""
    monkeypatch.setattr(shared_webhook, "_MOST_PAGES", 3)
    webhooks = with_payloads(5)
    webhooks.answers["payloads"] = [{"payloads": [], "cursor": 4, "mightHaveMore": True}] * 3

    outcome = read(webhooks, a_position(4))

    assert webhooks.calls == ["list", *["payloads achA 4"] * 3, "payloads achA 6"]
    assert outcome.why_unknown(a_position(4)) == INCOMPLETE


@pytest.mark.parametrize("stray", [REFUSED, GONE, ODD])
@pytest.mark.parametrize("kind", ["list", "payloads"])
def test_stray_refusal(kind: str, stray: AirtableError) -> None:
    """One refusal or odd answer is asked again, and decides nothing."""
    webhooks = with_payloads(5)
    webhooks.answers[kind] = [stray]

    assert read(webhooks, a_position(4)).why_unknown(a_position(4)) is None
    assert len(webhooks.calls) == 3


def test_webhook_that_most_streams_have_read() -> None:
    """Of several webhooks the one comes first that most streams have read."""
    webhooks = FakeWebhooks(*(a_listed_webhook(f"ach{letter}") for letter in "ABC"))
    for letter in "ABC":
        webhooks.add(f"ach{letter}", *several(5))
    positions = [a_position(4, f"ach{letter}") for letter in "ACCB"]

    outcome = read(webhooks, *positions)

    assert webhooks.calls == ["list", "payloads achC 4"]
    assert [outcome.why_unknown(one) for one in positions] == [REPLACED, None, None, REPLACED]


def test_webhook_that_is_listed_first() -> None:
    """Of webhooks that nobody has read, the first one is taken."""
    webhooks = FakeWebhooks(a_listed_webhook("achB"), a_listed_webhook("achA"))

    assert read(webhooks).position.webhook_id == "achB"


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ([GONE, GONE], repr(GONE)),
        ([REFUSED, REFUSED], repr(REFUSED)),
        ([ODD] * 4, repr(ODD)),
        ([AGED, AGED], repr(AGED)),
        ([{"payloads": [FAILED], "cursor": 6}], "WebhookFailedError('INVALID_HOOK')"),
    ],
    ids=["gone", "gone with 403", "odd", "refused", "failed"],
)
def test_webhook_that_cannot_be_read(
    caplog: pytest.LogCaptureFixture, answers: list[Any], failure: str
) -> None:
    """A webhook that fails is left alone, with a warning, and the next one is read."""
    webhooks = with_payloads(5)
    webhooks.listed.append(a_listed_webhook("achB"))
    webhooks.answers["payloads"] = answers
    # Only a webhook that Airtable refuses is looked for in a second list, and it is not there.
    webhooks.answers["list"] = [None, {"webhooks": [a_listed_webhook("achB")]}]

    outcome = read(webhooks, a_position(4))

    assert (outcome.position.webhook_id, outcome.why_unknown(a_position(4))) == ("achB", REPLACED)
    begin = f"Base Sales CRM: the webhook achA cannot be read any more ({failure}). "
    assert any(one.startswith(begin) for one in caplog.messages)
    assert not any(call.startswith("create") for call in webhooks.calls)


@pytest.mark.parametrize("refused", [REFUSED, GONE])
def test_payloads_that_are_refused(
    caplog: pytest.LogCaptureFixture, refused: AirtableError
) -> None:
    """If a webhook is listed but its payloads are refused, no other one is read or made."""
    webhooks = with_payloads(5)
    webhooks.listed.append(a_listed_webhook("achB"))
    webhooks.answers["payloads"] = [refused, refused]

    status = refused.facts["status"]
    assert missing(webhooks, caplog) == f"Airtable does not give its payloads (status {status})"
    assert webhooks.calls == ["list", "payloads achA 4", "payloads achA 4", "list"]


def test_new_webhook_in_a_failed_ones_place() -> None:
    """Where no webhook works, a new one is made."""
    webhooks = with_payloads(0)
    webhooks.add("achA", FAILED)

    outcome = read(webhooks)

    assert webhooks.calls == ["list", "payloads achA 1", "create"]
    assert outcome.position.webhook_id == MADE


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [DISABLED],
        [a_listed_webhook(notificationUrl="https://example.com")],
        [a_listed_webhook(expirationTime=NOW.isoformat())],
        [a_listed_webhook(expirationTime=(NOW - SECOND).isoformat())],
    ],
    ids=["none", "disabled", "another's", "expires now", "expired"],
)
def test_new_webhook(caplog: pytest.LogCaptureFixture, listed: list[dict[str, Any]]) -> None:
    """Where none fits, a webhook is made; it starts at 1 and knows of nothing."""
    webhooks = FakeWebhooks(*listed)

    outcome = read(webhooks, a_position(4))

    assert webhooks.calls == ["list", "create"]
    assert outcome.position == a_position(1, MADE, read_at=NOW)
    assert outcome.why_unknown(a_position(4)) == REPLACED
    assert outcome.changes_of(TABLE, outcome.position) == TableChanges()
    assert f"Base Sales CRM: made the webhook {MADE}. It notifies nobody" in caplog.text


def missing(webhooks: FakeWebhooks, caplog: pytest.LogCaptureFixture) -> str:
    """The warning of a sync that does without a webhook, however many streams ask for it."""
    webhook = a_shared_webhook(webhooks, a_position(4))
    assert [webhook.read(NOW), webhook.read(NOW)] == [None, None]
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    begin, end = (
        "Base Sales CRM has no webhook that the sync can read: ",
        ". Its tables are read by the method last_modified.",
    )
    assert warning.startswith(begin)
    assert warning.endswith(end)
    return warning[len(begin) : -len(end)]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (REFUSED, NO_ROLE),
        (GONE, NO_ROLE),
        (ContractError(status=422, error_type="TOO_MANY_WEBHOOKS_IN_BASE"), NO_PLACE),
        (
            ContractError(status=422, error_type="TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE"),
            NO_PLACE,
        ),
        (AGED, repr(AGED)),
        (ODD, repr(ODD)),
    ],
)
def test_creation_that_is_refused(
    caplog: pytest.LogCaptureFixture, refused: AirtableError, reason: str
) -> None:
    """Where no webhook can be made, one warning says why, and one request was sent."""
    webhooks = FakeWebhooks(DISABLED)
    webhooks.answers["create"] = [refused]

    assert missing(webhooks, caplog) == reason
    assert webhooks.calls == ["list", "create"]


@pytest.mark.parametrize("refused", [REFUSED, GONE])
def test_list_that_is_refused(caplog: pytest.LogCaptureFixture, refused: AirtableError) -> None:
    """Where the webhooks may not be listed, the warning names the scope, and none is made."""
    webhooks = FakeWebhooks()
    webhooks.answers["list"] = [refused, refused]

    assert missing(webhooks, caplog) == UNLISTED
    assert webhooks.calls == ["list", "list"]


def test_list_that_is_odd(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody understands the list, none is made."""
    webhooks = FakeWebhooks()
    webhooks.answers["list"] = [{"webhooks": 7}, {"webhooks": None}]

    assert "no list of webhooks" in missing(webhooks, caplog)
    assert webhooks.calls == ["list", "list"]


def test_no_date(caplog: pytest.LogCaptureFixture) -> None:
    """Without Airtable's clock no webhook is read, since nothing says how old it is."""
    webhooks = with_payloads(5)

    assert a_shared_webhook(webhooks, a_position(4)).read(None) is None
    assert webhooks.calls == []
    assert "Airtable's answers have no date" in caplog.text


def test_lost_answer_of_the_creation() -> None:
    """Where the answer is lost, the webhooks are listed again, and none is made twice."""
    webhooks = FakeWebhooks(DISABLED)
    webhooks.answers["create"] = [UNAVAILABLE]
    webhooks.loses_answers = True

    outcome = read(webhooks)

    assert webhooks.calls == ["list", "create", "list", f"payloads {MADE} 1"]
    assert outcome.position == a_position(1, MADE, read_at=NOW)
    assert outcome.why_unknown(None) == MISSING


def test_creation_that_fails() -> None:
    """Where no webhook was made, the sync fails for now, and no second one is asked for."""
    webhooks = FakeWebhooks(DISABLED)
    webhooks.answers["create"] = [UNAVAILABLE]

    with pytest.raises(AirtableUnavailableError, match="no webhook could be made"):
        read(webhooks)

    assert webhooks.calls == ["list", "create", "list"]


@pytest.mark.parametrize("stray", [REFUSED, ODD])
def test_stray_refusal_after_a_lost_answer(stray: AirtableError) -> None:
    """One refusal of the second list decides nothing either."""
    webhooks = FakeWebhooks()
    webhooks.answers["create"] = [UNAVAILABLE]
    webhooks.answers["list"] = [None, stray]
    webhooks.loses_answers = True

    assert read(webhooks).position.webhook_id == MADE
    assert webhooks.calls.count("create") == 1


def test_list_that_is_refused_after_a_lost_answer(caplog: pytest.LogCaptureFixture) -> None:
    """If the second list is refused for good, the sync does without a webhook."""
    webhooks = FakeWebhooks()
    webhooks.answers["create"] = [UNAVAILABLE]
    webhooks.answers["list"] = [None, REFUSED, REFUSED]

    assert missing(webhooks, caplog) == UNLISTED


def test_failed_webhook_is_not_taken_for_the_made_one() -> None:
    """Where the answer is lost, a webhook that failed before is not read again."""
    webhooks = with_payloads(0)
    webhooks.add("achA", FAILED)
    webhooks.answers["create"] = [UNAVAILABLE]

    with pytest.raises(AirtableUnavailableError):
        read(webhooks)

    assert webhooks.calls == ["list", "payloads achA 1", "create", "list"]


@pytest.mark.parametrize("kind", ["list", "payloads"])
@pytest.mark.parametrize("failure", [UNAVAILABLE, RateLimitedError(status=429), ValueError("bug")])
def test_error_reaches_each_stream(kind: str, failure: Exception) -> None:
    """Where Airtable does not answer, each stream of the base fails, after the calls of one."""
    webhooks = with_payloads(5)
    webhooks.answers[kind] = [failure]
    webhook = a_shared_webhook(webhooks, a_position(4))

    for _ in range(3):
        with pytest.raises(type(failure)) as caught:
            webhook.read(NOW)
        assert caught.value is failure

    assert [call.split()[0] for call in webhooks.calls] == ["list", "payloads"][
        : 1 + (kind == "payloads")
    ]


THREADS = 8


class CrowdedWebhooks(FakeWebhooks):
    """Webhooks that are not listed before all threads want to read them."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = Semaphore(0)

    def get(self, path: Sequence[str], parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Answer when the last thread has come."""
        for _ in range(THREADS):
            assert self.arrivals.acquire(timeout=10)
        return super().get(path, parameters)


class CountingLock:
    """A lock that tells who comes to it."""

    def __init__(self, arrivals: Semaphore) -> None:
        self._arrivals = arrivals
        self._lock = Lock()

    def __enter__(self) -> None:
        """Tell of a thread, and have it wait for the lock."""
        self._arrivals.release()
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        """Let the next thread go on."""
        self._lock.release()


def in_threads(webhooks: CrowdedWebhooks) -> list[object]:
    """What several threads get that read at the same moment."""
    webhook = a_shared_webhook(webhooks)
    webhook._lock = CountingLock(webhooks.arrivals)  # type: ignore[assignment]  # noqa: SLF001 - to see the waits

    def read_at_once(_: int) -> object:
        try:
            return webhook.read(NOW)
        except AirtableError as failure:
            return failure

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(read_at_once, range(THREADS)))


def test_threads() -> None:
    """Threads that read a base at the same moment make its calls once, and learn the same."""
    webhooks = CrowdedWebhooks()

    outcomes = in_threads(webhooks)

    assert webhooks.calls == ["list", "create"]
    assert isinstance(outcomes[0], WebhookReports)
    assert outcomes == [outcomes[0]] * THREADS


def test_threads_that_fail() -> None:
    """An error is raised to each of the threads."""
    webhooks = CrowdedWebhooks()
    webhooks.answers["list"] = [UNAVAILABLE]

    assert in_threads(webhooks) == [UNAVAILABLE] * THREADS
    assert webhooks.calls == ["list"]


@pytest.mark.parametrize(
    ("left", "is_refreshed"),
    [
        (SECOND, True),
        (REFRESH_BEFORE_END, True),
        (REFRESH_BEFORE_END + SECOND, False),
        (None, False),
    ],
)
def test_refresh(left: timedelta | None, *, is_refreshed: bool) -> None:
    """A webhook that was about to end is refreshed after it was read."""
    webhooks = with_payloads(5, expirationTime=left and (NOW + left).isoformat())

    read(webhooks, a_position(4))

    refreshes = ["list", "refresh achA"] if is_refreshed else []
    assert webhooks.calls == ["list", "payloads achA 4", *refreshes]


@pytest.mark.parametrize("end", [NOW + WEEK, None])
def test_webhook_that_its_list_has_prolonged(end: datetime | None) -> None:
    """A webhook that the list of its payloads has prolonged is not refreshed."""
    webhooks = with_payloads(5, expirationTime=(NOW + SECOND).isoformat())
    prolonged = a_listed_webhook(expirationTime=end and end.isoformat())
    webhooks.answers["list"] = [None, {"webhooks": [prolonged]}]

    read(webhooks, a_position(4))

    assert webhooks.calls == ["list", "payloads achA 4", "list"]


def test_list_that_is_refused_before_a_refresh(caplog: pytest.LogCaptureFixture) -> None:
    """If the second list is refused, the webhook is read all the same, with a warning."""
    webhooks = with_payloads(5, expirationTime=(NOW + HOUR).isoformat())
    webhooks.answers["list"] = [None, REFUSED, REFUSED]

    assert read(webhooks, a_position(4)).why_unknown(a_position(4)) is None
    assert "refresh achA" not in webhooks.calls
    assert "this sync could not prolong it" in caplog.text
    assert UNLISTED in caplog.text


@pytest.mark.parametrize("refused", [REFUSED, UNAVAILABLE, AGED])
def test_refused_refresh(caplog: pytest.LogCaptureFixture, refused: AirtableError) -> None:
    """A refresh that is refused is a warning that says when the webhook ends."""
    webhooks = with_payloads(5, expirationTime=(NOW + HOUR).isoformat())
    webhooks.answers["refresh"] = [refused]

    assert read(webhooks, a_position(4)).why_unknown(a_position(4)) is None
    assert (
        "Base Sales CRM: the webhook achA ends at 2026-11-18T11:00:00.000Z, and this sync could "
        f"not prolong it ({refused!r}). Somebody with the creator role on the base can."
    ) in caplog.messages


def why_none(webhooks: FakeWebhooks, level: str | None = "create") -> str | None:
    """Why a sync would have no webhook; no call but the list is made."""
    reason = a_shared_webhook(webhooks).why_none(level)
    assert set(webhooks.calls) == {"list"}
    return reason


NINE_OTHERS = [a_listed_webhook(f"ach{n}", isHookEnabled=False) for n in range(9)]


@pytest.mark.parametrize(
    ("listed", "level", "reason"),
    [
        pytest.param([a_listed_webhook()], "read", None, id="one to share"),
        pytest.param([], "create", None, id="creator"),
        pytest.param([DISABLED], None, None, id="level not known"),
        pytest.param([], "edit", NO_ROLE, id="editor"),
        pytest.param(NINE_OTHERS, "create", None, id="one place left"),
        pytest.param([*NINE_OTHERS, DISABLED], "create", NO_PLACE, id="no place"),
        pytest.param([*NINE_OTHERS, DISABLED], "read", NO_ROLE, id="neither"),
        pytest.param([*NINE_OTHERS, a_listed_webhook()], "read", None, id="one of ten"),
    ],
)
def test_why_none(listed: list[Any], level: str | None, reason: str | None) -> None:
    """What a check can foresee of a base's webhook, without making one."""
    assert why_none(FakeWebhooks(*listed), level) == reason


def test_why_none_without_scope() -> None:
    """A token that may not list webhooks lacks the scope."""
    webhooks = FakeWebhooks()
    webhooks.answers["list"] = [REFUSED, REFUSED]

    assert why_none(webhooks) == UNLISTED


PAGES = st.fixed_dictionaries(
    {},
    optional={
        "payloads": st.lists(JSON_VALUES | st.just(a_payload("recA"))) | JSON_VALUES,
        "cursor": st.integers(-1, 9) | JSON_VALUES,
        "mightHaveMore": st.booleans() | JSON_VALUES,
    },
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*a_listed_webhook()]), JSON_VALUES).map(
            lambda others: a_listed_webhook(**others)
        )
    ),
    st.lists(PAGES.filter(bool), max_size=4),
)
def test_any_answers(listed: list[Any], pages: list[dict[str, Any]]) -> None:
    """Whatever Airtable answers, a sync has a webhook to go on from, or does without."""
    webhooks = FakeWebhooks(a_listed_webhook())
    webhooks.answers["list"] = [{"webhooks": listed}] * 2
    webhooks.answers["payloads"] = list(pages)

    outcome = a_shared_webhook(webhooks, a_position(1)).read(NOW)

    assert outcome is None or outcome.position.cursor >= 1
