"""Pacing: never more than Airtable allows, and no request while a base is shut."""

from __future__ import annotations

import threading
from collections import defaultdict
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.api.rate_limit import AirtableBudget, Allowance
from source_airtable.api.slots import (
    WINDOW_SECONDS,
    hold_in_this_thread,
    leave_slot_of_this_thread,
    slot_of_this_thread,
)
from unit_tests.builders import API
from unit_tests.fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from source_airtable.api.slots import Slot

BASES = [f"appBase{number:010d}" for number in range(20)]
TABLE = f"/{BASES[0]}/tblltp8DGLhqbUmjK"
RATE_LIMIT = b'{"errors":[{"error":"RATE_LIMIT_REACHED","message":"Later"}]}'
MONTHLY_QUOTA = b'{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}'


def a_request(path: str = TABLE) -> requests.PreparedRequest:
    """A request as the session hands it to the budget."""
    return requests.Request("GET", f"{API}{path}").prepare()


def a_refusal(content: bytes = RATE_LIMIT, **headers: str) -> requests.Response:
    """A 429."""
    response = requests.Response()
    response.status_code = 429
    response._content = content  # noqa: SLF001 - requests has no other way in
    response.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
    return response


def a_budget(clock: FakeClock, requests_per_second_per_base: int = 5) -> AirtableBudget:
    """A budget on a fake clock."""
    return AirtableBudget(requests_per_second_per_base, clock=clock, sleep=clock.sleep)


def departure(budget: AirtableBudget, clock: FakeClock, path: str) -> float:
    """When a request for a path departs: at once when it may."""
    budget.acquire_call(a_request(path))
    slot = slot_of_this_thread()
    assert slot is not None
    slot.depart()
    return clock.last_read


def most_in_a_window(moments: Iterable[float]) -> int:
    """The most of these moments that lie within one window."""
    ordered = sorted(moments)
    return max(
        sum(1 for moment in ordered if first <= moment < first + WINDOW_SECONDS - 1e-6)
        for first in ordered
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(BASES), st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0, 2.0])),
        min_size=1,
        max_size=150,
    )
)
def test_any_sequence_of_requests(sequence: list[tuple[str, float]]) -> None:
    """No window has more than 5 requests of a base, or more than 50 of the token."""
    clock = FakeClock()
    budget = a_budget(clock)
    departures: dict[str, list[float]] = defaultdict(list)
    for base_id, pause in sequence:
        clock.advance(pause)
        departures[base_id].append(departure(budget, clock, f"/{base_id}/tblA"))

    assert most_in_a_window(chain.from_iterable(departures.values())) <= 50
    assert max(most_in_a_window(moments) for moments in departures.values()) <= 5


def test_token_allowance(clock: FakeClock) -> None:
    """The 51st request of a second waits, whichever base it is for."""
    budget = a_budget(clock)
    moments = [departure(budget, clock, f"/{BASES[n % 20]}/tblA") for n in range(51)]

    assert [moment - moments[0] for moment in moments[49:]] == pytest.approx([0.0, 1.1])


def test_base_allowance(clock: FakeClock) -> None:
    """The sixth request for a base waits until the first one is 1.1 s old."""
    budget = a_budget(clock)
    moments = [departure(budget, clock, f"/{BASES[0]}/tblA") for _ in range(6)]

    assert [moment - moments[0] for moment in moments] == pytest.approx([0, 0, 0, 0, 0, 1.1])


def test_lower_allowance(clock: FakeClock) -> None:
    """The setting requests_per_second_per_base lowers the allowance of each base."""
    budget = a_budget(clock, requests_per_second_per_base=2)
    moments = [departure(budget, clock, f"/{BASES[0]}/tblA") for _ in range(5)]

    assert [m - moments[0] for m in moments] == pytest.approx([0, 0, 1.1, 1.1, 2.2])


def test_full_base_leaves_others_alone(clock: FakeClock) -> None:
    """A base whose allowance is used up does not hold up another one."""
    budget = a_budget(clock)
    for _ in range(5):
        budget.acquire_call(a_request(f"/{BASES[0]}/tblA"))
    budget.acquire_call(a_request(f"/{BASES[1]}/tblA"))

    assert clock.slept_seconds == 0.0


@pytest.mark.parametrize(
    "path",
    [
        f"/{BASES[0]}/tblltp8DGLhqbUmjK",
        f"/{BASES[0]}/tblltp8DGLhqbUmjK/listRecords",
        f"/meta/bases/{BASES[0]}/tables",
        f"/bases/{BASES[0]}/webhooks",
        f"/{BASES[0]}/tblltp8DGLhqbUmjK?offset=itrA%2FrecA",
    ],
)
def test_paths_of_one_base(clock: FakeClock, path: str) -> None:
    """Records, schemas and webhooks of a base share its allowance."""
    budget = a_budget(clock)
    for _ in range(5):
        budget.acquire_call(a_request(f"/{BASES[0]}/tblA"))
    budget.acquire_call(a_request(path))

    assert clock.slept_seconds == pytest.approx(1.1)


def test_list_of_bases_is_of_no_base(clock: FakeClock) -> None:
    """The list of bases counts for the token alone."""
    budget = a_budget(clock)
    for _ in range(50):
        budget.acquire_call(a_request("/meta/bases"))

    assert clock.slept_seconds == 0.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 30.0),
        ({"Retry_After": "5"}, 30.0),
        ({"Retry_After": "45"}, 45.0),
        (
            {
                "Retry_After": "Wed, 18 Nov 2026 10:00:50 GMT",
                "Date": "Wed, 18 Nov 2026 10:00:00 GMT",
            },
            50.0,
        ),
        ({"Retry_After": "-60"}, 30.0),
        ({"Retry_After": "NaN"}, 30.0),
        ({"Retry_After": "soon"}, 30.0),
        ({"Retry_After": "1000000000"}, 600.0),
    ],
)
def test_pause_after_429(clock: FakeClock, headers: dict[str, str], expected: float) -> None:
    """After a 429 a base rests for what Retry-After asks, 30 seconds at least."""
    budget = a_budget(clock)
    budget.update_from_response(a_request(), a_refusal(RATE_LIMIT, **headers))

    budget.acquire_call(a_request())

    assert clock.slept_seconds == pytest.approx(expected)


def test_429_shuts_only_its_base(clock: FakeClock) -> None:
    """A 429 of one base does not hold up another one."""
    budget = a_budget(clock)
    budget.update_from_response(a_request(), a_refusal())

    budget.acquire_call(a_request(f"/{BASES[1]}/tblA"))

    assert clock.slept_seconds == 0.0


def test_429_without_a_base_shuts_the_token(clock: FakeClock) -> None:
    """A 429 for the list of bases holds up everything."""
    budget = a_budget(clock)
    budget.update_from_response(a_request("/meta/bases"), a_refusal())

    budget.acquire_call(a_request())

    assert clock.slept_seconds == pytest.approx(30.0)


def test_shorter_pause_does_not_end_a_longer_one(clock: FakeClock) -> None:
    """Of two pauses for a base the later end holds."""
    budget = a_budget(clock)
    budget.update_from_response(a_request(), a_refusal(Retry_After="90"))
    budget.update_from_response(a_request(), a_refusal())

    budget.acquire_call(a_request())

    assert clock.slept_seconds == pytest.approx(90.0)


def test_monthly_quota_shuts_nothing(clock: FakeClock) -> None:
    """A used-up month is not waited for, nor counted as a refusal."""
    budget = a_budget(clock)
    budget.update_from_response(a_request(), a_refusal(MONTHLY_QUOTA))

    budget.acquire_call(a_request())

    assert (clock.slept_seconds, budget.refusals) == (0.0, 0)


def test_other_answers_shut_nothing(clock: FakeClock) -> None:
    """Only a 429 makes a base rest, a 503 with Retry-After does not."""
    budget = a_budget(clock)
    response = a_refusal(Retry_After="60")
    response.status_code = 503
    budget.update_from_response(a_request(), response)

    budget.acquire_call(a_request())

    assert clock.slept_seconds == 0.0


def test_counts(clock: FakeClock) -> None:
    """Calls, refusals and the seconds waited are counted for the summary of a sync."""
    budget = a_budget(clock)
    for _ in range(6):
        budget.acquire_call(a_request())
    budget.update_from_response(a_request(), a_refusal())

    assert (budget.calls, budget.refusals) == (6, 1)
    assert budget.waited_seconds == pytest.approx(1.1)


def test_sleep_that_raises(clock: FakeClock) -> None:
    """A sleep that is abandoned ends the wait, and the request is not counted."""

    def abandon(seconds: float) -> None:
        raise InterruptedError

    budget = AirtableBudget(1, clock=clock, sleep=abandon)
    budget.acquire_call(a_request())
    with pytest.raises(InterruptedError):
        budget.acquire_call(a_request())

    assert budget.calls == 1


def test_many_threads(clock: FakeClock) -> None:
    """However many threads ask, no window has more than 5 requests of a base, 50 of the token."""
    budget = a_budget(clock)
    departures: dict[str, list[float]] = defaultdict(list)
    start = threading.Barrier(16)

    def ask(base_ids: Sequence[str]) -> None:
        start.wait(timeout=10)
        for base_id in base_ids:
            departures[base_id].append(departure(budget, clock, f"/{base_id}/tblA"))

    threads = [
        threading.Thread(target=ask, args=((BASES * 2)[first : first + 20],)) for first in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert sum(map(len, departures.values())) == budget.calls == 16 * 20
    assert most_in_a_window(chain.from_iterable(departures.values())) <= 50
    assert max(most_in_a_window(moments) for moments in departures.values()) <= 5


def test_full_speed(clock: FakeClock) -> None:
    """Nobody waits longer than the allowance demands: 50 requests for a base take ten windows."""
    budget = a_budget(clock)
    moments = [departure(budget, clock, f"/{BASES[0]}/tblA") for _ in range(55)]

    assert moments[-1] - moments[0] == pytest.approx(10 * WINDOW_SECONDS)
    assert all(earlier <= later for earlier, later in pairwise(moments))


def window_of(budget: AirtableBudget, clock: FakeClock, requests_per_second: int = 5) -> float:
    """How far apart a request and the one that takes its slot are."""
    clock.advance(100.0)
    before = clock()
    for _ in range(requests_per_second + 1):
        departure(budget, clock, TABLE)
    return clock() - before


def be_refused(budget: AirtableBudget, clock: FakeClock, requests_before: int) -> None:
    """Send requests, the last of which is refused three tenths of a second later."""
    for _ in range(requests_before):
        departure(budget, clock, TABLE)
    departure(budget, clock, TABLE)
    clock.advance(0.3)
    budget.update_from_response(a_request(), a_refusal())


def test_429_that_we_may_have_caused(clock: FakeClock) -> None:
    """The window of a base grows with each 429 that our requests may have caused, to a bound."""
    budget = a_budget(clock)
    windows = [window_of(budget, clock)]
    for _ in range(4):
        be_refused(budget, clock, requests_before=5)
        windows.append(window_of(budget, clock))

    assert windows == pytest.approx([1.1, 1.5, 1.9, 2.3, 2.3])


def test_429_that_another_integration_caused(clock: FakeClock) -> None:
    """Two requests a second cause no 429, and the window stays."""
    budget = a_budget(clock, requests_per_second_per_base=2)
    be_refused(budget, clock, requests_before=5)

    assert window_of(budget, clock, requests_per_second=2) == pytest.approx(1.1)


def test_first_requests_cause_no_429(clock: FakeClock) -> None:
    """Where fewer requests departed than Airtable allows, another integration caused the 429."""
    budget = a_budget(clock)
    be_refused(budget, clock, requests_before=4)

    assert window_of(budget, clock) == pytest.approx(1.1)


def an_answer() -> requests.Response:
    """A page."""
    response = requests.Response()
    response.status_code = 200
    return response


def test_long_answers_make_the_cause_less_certain(clock: FakeClock) -> None:
    """Where answers take seconds, the ways of requests may have differed by as much."""
    budget = a_budget(clock, requests_per_second_per_base=2)
    departure(budget, clock, TABLE)
    clock.advance(5.0)
    budget.update_from_response(a_request(), an_answer())
    be_refused(budget, clock, requests_before=5)

    assert window_of(budget, clock, requests_per_second=2) == pytest.approx(1.5)


def test_burst_of_429s_counts_once(clock: FakeClock) -> None:
    """Requests that were under way at a 429 and are refused, too, teach nothing more."""
    budget = a_budget(clock)
    be_refused(budget, clock, requests_before=5)
    budget.update_from_response(a_request(), a_refusal())

    assert budget.refusals == 2
    assert window_of(budget, clock) == pytest.approx(1.5)


def test_429_leaves_the_windows_of_other_bases(clock: FakeClock) -> None:
    """What one base teaches holds for that base alone."""
    budget = a_budget(clock)
    be_refused(budget, clock, requests_before=5)
    before = clock()
    for _ in range(6):
        departure(budget, clock, f"/{BASES[1]}/tblA")

    assert clock() - before == pytest.approx(1.1)


def test_warning_of_a_base(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """The log says once for each base that it is shut, for how long, and what can be done."""
    budget = a_budget(clock)
    for path in ("/meta/bases", f"/{BASES[0]}/tblA", f"/{BASES[0]}/tblB", f"/{BASES[1]}/tblA"):
        budget.update_from_response(a_request(path), a_refusal())

    of_token, of_base, of_other_base = (record.getMessage() for record in caplog.records)
    assert of_base == (
        f"Airtable refused a request to base {BASES[0]} (429); the base answers nobody for 30 "
        "seconds. If another integration uses this base, lower the setting "
        "requests_per_second_per_base."
    )
    assert "none of this account's requests for 30 seconds" in of_token
    assert BASES[1] in of_other_base


def test_requests_under_way_hold_their_slots(clock: FakeClock) -> None:
    """A slot is free a window after its request departs, however long that takes."""
    budget = a_budget(clock)
    slots = []
    for _ in range(5):
        budget.acquire_call(a_request())
        slots.append(forget_slot())
    clock.advance(10.0)
    for slot in slots:
        slot.depart()

    budget.acquire_call(a_request())

    assert clock.slept_seconds == pytest.approx(1.1)


def forget_slot() -> Slot:
    """Take this thread's slot away from it, as if another thread had it."""
    slot = slot_of_this_thread()
    assert slot is not None
    hold_in_this_thread(None)
    return slot


def test_slot_that_is_given_back(clock: FakeClock) -> None:
    """A request that was not sent leaves its place to the next one."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    budget.acquire_call(a_request())
    leave_slot_of_this_thread()
    budget.acquire_call(a_request())

    assert clock.slept_seconds == 0.0


def test_answer_without_a_departure(clock: FakeClock) -> None:
    """A slot that was given back departs no more, and its answer teaches nothing."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    budget.acquire_call(a_request())
    slot = slot_of_this_thread()
    assert slot is not None
    slot.give_back()

    assert slot.answer(clock()) == clock()
    budget.acquire_call(a_request())
    assert clock.slept_seconds == 0.0


def test_departure_counts_once(clock: FakeClock) -> None:
    """A slot that has departed stays so, whatever is said of it later."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    departure(budget, clock, TABLE)
    clock.advance(1.0)
    departed = slot_of_this_thread()
    assert departed is not None
    departed.depart()
    leave_slot_of_this_thread()
    leave_slot_of_this_thread()
    budget.acquire_call(a_request())

    assert clock.slept_seconds == pytest.approx(0.1)


def ask(budget: AirtableBudget, clock: FakeClock, answer_seconds: float) -> None:
    """Send a request, and have it answered."""
    departure(budget, clock, TABLE)
    clock.advance(answer_seconds)
    budget.update_from_response(a_request(), an_answer())


@pytest.mark.parametrize(
    ("answer_seconds", "window_seconds"),
    [(0.2, 1.1), (0.25, 1.1), (0.4, 1.22), (0.5, 1.32), (0.9, 1.32)],
)
def test_late_answer(clock: FakeClock, answer_seconds: float, window_seconds: float) -> None:
    """A slot is free as much later as its answer is later than usual, to a bound."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    ask(budget, clock, 0.2)
    clock.advance(10.0)
    before = clock()
    ask(budget, clock, answer_seconds)

    assert departure(budget, clock, TABLE) - before == pytest.approx(window_seconds)


def test_missing_answer(clock: FakeClock) -> None:
    """A request that has no answer yet is as late as it can be."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    ask(budget, clock, 0.2)
    clock.advance(10.0)
    before = departure(budget, clock, TABLE)

    assert departure(budget, clock, TABLE) - before == pytest.approx(1.32)


def test_answers_that_are_always_slow(clock: FakeClock) -> None:
    """What is usual is judged by the latest answers, so that slow ones do not count as late."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    ask(budget, clock, 0.1)
    for _ in range(20):
        ask(budget, clock, 0.9)
    before = clock()
    ask(budget, clock, 0.9)

    assert departure(budget, clock, TABLE) - before == pytest.approx(1.3)


def test_idle_allowance(clock: FakeClock) -> None:
    """What nobody used of the last window is idle; what is under way is used."""
    budget = a_budget(clock)
    assert budget.allowance(BASES[0]) == Allowance(WINDOW_SECONDS / 5, 1.0)

    for _ in range(2):
        departure(budget, clock, TABLE)
    assert budget.allowance(BASES[0]).idle_share == pytest.approx(0.6)

    budget.acquire_call(a_request())
    assert budget.allowance(BASES[0]).idle_share == pytest.approx(0.4)
    assert budget.allowance(BASES[1]).idle_share == pytest.approx(0.94)

    leave_slot_of_this_thread()
    clock.advance(WINDOW_SECONDS)
    assert budget.allowance(BASES[0]).idle_share == 1.0


def test_idle_allowance_at_a_lower_rate(clock: FakeClock) -> None:
    """The setting requests_per_second_per_base counts."""
    budget = a_budget(clock, requests_per_second_per_base=1)
    departure(budget, clock, TABLE)

    assert budget.allowance(BASES[0]) == Allowance(WINDOW_SECONDS, 0.0)


def test_nothing_is_idle_at_a_full_token(clock: FakeClock) -> None:
    """Where other bases use the token's allowance, a base has none."""
    budget = a_budget(clock)
    for number in range(50):
        departure(budget, clock, f"/{BASES[number % 10]}/tblA")

    assert budget.allowance(BASES[11]).idle_share == 0.0


def test_nothing_is_idle_while_a_base_is_shut(clock: FakeClock) -> None:
    """A base that answers nobody is not idle."""
    budget = a_budget(clock)
    budget.update_from_response(a_request(), a_refusal())

    assert budget.allowance(BASES[0]).idle_share == 0.0
