"""The open questions about Airtable, put to a real account; what it answers is printed.

``make live-test`` runs them, a run of all tests never does. Where AIRTABLE_WORKSPACE_ID is set a
base of 400 records is built, every question asked, and the base emptied. AIRTABLE_BASE_ID names a
base instead: one that ``python -m integration_tests.live_base build`` made is written to, any other
one is only read. With AIRTABLE_TOKEN alone the first base is read.

AIRTABLE_SECOND_TOKEN is for what shows between two tokens. AIRTABLE_LONGEST_WAIT_MINUTES bounds
the waits; without it they are two and a half hours, for the end of an attachment's address.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
import requests

from integration_tests import (
    live_base,
    live_comment_probes,
    live_probes,
    live_slow_probes,
    live_webhook_probes,
)
from integration_tests.live_api import (
    SECOND_TOKEN_VARIABLE,
    TOKEN_VARIABLE,
    WORKSPACE_VARIABLE,
    connect,
)
from integration_tests.live_plan import LIVE_BASE_NAME, plan_tables, shorten
from integration_tests.live_probes import Ground, NotSettledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.live_api import Account

    Probe = Callable[[Ground], str]

pytestmark = pytest.mark.requires_creds

BASE_VARIABLE: Final = "AIRTABLE_BASE_ID"
WAIT_VARIABLE: Final = "AIRTABLE_LONGEST_WAIT_MINUTES"
DEFAULT_WAIT_MINUTES: Final = 130.0
MOST_RECORDS: Final = 60
"""Of each table; 1,000 are what a base of the free plan holds."""
READING: Final[dict[str, Probe]] = {
    "status of an over-long URL": live_probes.probe_long_url,
    "refusal of an unknown offset": live_probes.probe_stale_offset,
    "sub-second LMT": live_probes.probe_fractions,
    "blank LMT among records": live_probes.probe_blank_times,
    "aged cursor of a webhook": live_webhook_probes.probe_aged_cursor,
    "cost of a filter, and parts of a table": live_probes.probe_parts,
}
WRITING: Final[dict[str, Probe]] = {
    "IS_AFTER (community thread 47358)": live_probes.probe_is_after,
    "blank LMT rule": live_probes.probe_blank_rule,
    "equal value and LMT": live_probes.probe_equal_value,
    "link-name change and LMT": live_probes.probe_link_name,
    "link from its other end and LMT": live_probes.probe_link_from_other_side,
    "comment activity and LMT": live_comment_probes.probe_comment,
    "pages of comments": live_comment_probes.probe_comment_pages,
    "scope of commentCount": live_comment_probes.probe_count_scope,
    "option rename and LMT": live_probes.probe_option_rename,
    "rows deleted in mid-pagination": live_probes.probe_deleted_in_scan,
    "webhook visibility across tokens": live_webhook_probes.probe_webhook_visibility,
    "records that a webhook names": live_webhook_probes.probe_reported_records,
    "computed cells and webhooks": live_webhook_probes.probe_reported_computed_cells,
    "link-name change and webhooks": live_webhook_probes.probe_reported_link_names,
    "Retry-After on 429": live_slow_probes.probe_retry_after,
    "iterator lifetime": live_slow_probes.probe_iterator_lifetime,
    "end of an attachment's address": live_slow_probes.probe_file_address,
}
PROBES: Final = {**READING, **WRITING}
NOT_ASKED: Final = {
    "blank LMT of rows made by hand": (
        "not settled: add rows in the interface, by a form and by an import, then run this again "
        f"with {BASE_VARIABLE}, and see 'blank LMT among records'"
    ),
}
"""What no request can bring about."""


def find_ground(account: Account, other: Account | None = None) -> Ground:
    """Where to look: the base that is named, else the first one, and its first table."""
    named = {base.id: base.name for base in account.api.bases()}
    open_ids = (base.id for base in account.api.bases() if base.permission_level != "none")
    base_id = os.environ.get(BASE_VARIABLE) or next(open_ids)
    table = account.base(base_id).schema().tables[0]
    is_writable = BASE_VARIABLE in os.environ and named.get(base_id) == LIVE_BASE_NAME
    longest_wait = float(os.environ.get(WAIT_VARIABLE) or DEFAULT_WAIT_MINUTES) * 60
    return Ground(account, base_id, table.id, is_writable, other, longest_wait)


def format_findings(findings: dict[str, str]) -> str:
    """The table of what was found, and how much of it is settled."""
    width = max(map(len, findings))
    lines = [f"  {fact:<{width}}  {finding}" for fact, finding in findings.items()]
    settled = sum(
        not finding.startswith(("not settled", "failed")) for finding in findings.values()
    )
    return "\n".join([*lines, f"  {settled} of {len(findings)} questions are settled."])


def ask(probe: Probe, ground: Ground, findings: dict[str, str], fact: str) -> None:
    """Note what a probe finds; that it found nothing, or was refused, is noted before it raises."""
    try:
        findings[fact] = probe(ground)
    except NotSettledError as error:
        findings[fact] = f"not settled: {error}"
        raise
    except requests.HTTPError as error:
        findings[fact] = f"failed: {live_probes.describe_refusal(error.response)}"
        raise
    except requests.RequestException as error:
        findings[fact] = f"failed: {type(error).__name__}"
        raise


def say(request: pytest.FixtureRequest, text: str) -> None:
    """Print to the terminal, whatever pytest does with what tests print."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}")


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What was found by fact, printed at the end."""
    found: dict[str, str] = {}
    yield found
    if found:
        say(request, f"What Airtable answered:\n{format_findings({**found, **NOT_ASKED})}")


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A real account's base; one that is built here is emptied afterwards."""
    if not os.environ.get(TOKEN_VARIABLE):
        pytest.skip(f"{TOKEN_VARIABLE} is not set: no real account to ask")
    account = connect()
    other = None
    if os.environ.get(SECOND_TOKEN_VARIABLE):
        other = connect(variable=SECOND_TOKEN_VARIABLE)
    if os.environ.get(BASE_VARIABLE) or not os.environ.get(WORKSPACE_VARIABLE):
        yield find_ground(account, other)
        return
    say(request, f"Building {LIVE_BASE_NAME!r}, in about a minute.")
    base_id = live_base.build(account, shorten(plan_tables(), MOST_RECORDS)).base_id
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(BASE_VARIABLE, base_id)
        try:
            yield find_ground(account, other)
        finally:
            deleted = live_base.remove(account, base_id)
            by_hand = live_base.BY_HAND.format(base_id=base_id)
            say(request, f"{deleted} records deleted. {by_hand}")


@pytest.mark.parametrize("fact", PROBES)
def test_fact(ground: Ground, findings: dict[str, str], fact: str) -> None:
    """A question has an answer; one that is left open is skipped, with the reason."""
    if fact in WRITING and not ground.is_writable:
        findings[fact] = f"not settled: it takes {WORKSPACE_VARIABLE}, for a base to write to"
        pytest.skip(findings[fact])
    try:
        ask(PROBES[fact], ground, findings, fact)
    except NotSettledError:
        pytest.skip(findings[fact])
