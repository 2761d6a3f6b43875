"""The open questions about Airtable, put to a real account; what it answers is printed.

Without AIRTABLE_TOKEN they are skipped. The table to read is the first of AIRTABLE_BASE_ID, or of
the first base that the token sees. Probes that write need AIRTABLE_BASE_ID to be a base that
``python -m integration_tests.live_base build`` made. AIRTABLE_SLOW_PROBES=1 adds three minutes,
AIRTABLE_PENALTY_PROBE=1 a burst that gets the base refused for half a minute.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
import requests

from integration_tests import live_probes, live_slow_probes
from integration_tests.live_api import TOKEN_VARIABLE, connect
from integration_tests.live_plan import LIVE_BASE_NAME
from integration_tests.live_probes import Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.live_api import Account

    Probe = Callable[[Ground], str]

pytestmark = pytest.mark.requires_creds

BASE_VARIABLE: Final = "AIRTABLE_BASE_ID"
SLOW_VARIABLE: Final = "AIRTABLE_SLOW_PROBES"
PENALTY_VARIABLE: Final = "AIRTABLE_PENALTY_PROBE"
READING: Final[dict[str, Probe]] = {
    "status of an over-long URL": live_probes.probe_long_url,
    "refusal of an unknown offset": live_probes.probe_stale_offset,
    "sub-second LMT": live_probes.probe_fractions,
    "blank LMT among records": live_probes.probe_blank_times,
}
WRITING: Final[dict[str, Probe]] = {
    "blank LMT rule": live_probes.probe_blank_rule,
    "equal value and LMT": live_probes.probe_equal_value,
    "link-name change and LMT": live_probes.probe_link_name,
    "link from its other end and LMT": live_probes.probe_link_from_other_side,
    "comment activity and LMT": live_probes.probe_comment,
    "option rename and LMT": live_probes.probe_option_rename,
    "rows deleted in mid-pagination": live_probes.probe_deleted_in_scan,
}
OPT_IN: Final[dict[str, tuple[str, Probe]]] = {
    "iterator lifetime": (SLOW_VARIABLE, live_slow_probes.probe_iterator_lifetime),
    "Retry-After on 429": (PENALTY_VARIABLE, live_slow_probes.probe_retry_after),
}
LEFT_OUT: Final = {
    "webhook visibility across tokens": "not probed: it takes two tokens, and a creator's webhook",
    "community thread 47358": "not probed: a text, not a behaviour",
}


def find_ground(account: Account) -> Ground:
    """Where to look: the base that is named, else the first one, and its first table."""
    named = {base.id: base.name for base in account.api.bases()}
    open_ids = (base.id for base in account.api.bases() if base.permission_level != "none")
    base_id = os.environ.get(BASE_VARIABLE) or next(open_ids)
    table = account.base(base_id).schema().tables[0]
    is_writable = BASE_VARIABLE in os.environ and named.get(base_id) == LIVE_BASE_NAME
    return Ground(account, base_id, table.id, is_writable)


def format_findings(findings: dict[str, str]) -> str:
    """The table of what was found."""
    width = max(map(len, findings))
    return "\n".join(f"  {fact:<{width}}  {finding}" for fact, finding in findings.items())


def ask(probe: Probe, ground: Ground, findings: dict[str, str], fact: str) -> None:
    """Note what a probe finds; a refusal is noted too, before it fails the test."""
    try:
        findings[fact] = probe(ground)
    except requests.HTTPError as error:
        findings[fact] = f"failed: {live_probes.describe_refusal(error.response)}"
        raise


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What was found by fact, printed at the end."""
    found: dict[str, str] = {}
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if found and capture is not None:
        with capture.global_and_fixture_disabled():
            print(f"\n\nWhat Airtable answered:\n{format_findings({**found, **LEFT_OUT})}")


@pytest.fixture(scope="module")
def ground() -> Ground:
    """A real account's base."""
    if not os.environ.get(TOKEN_VARIABLE):
        pytest.skip(f"{TOKEN_VARIABLE} is not set: no real account to ask")
    return find_ground(connect())


@pytest.mark.parametrize("fact", READING)
def test_reading(ground: Ground, findings: dict[str, str], fact: str) -> None:
    """A question that reading answers."""
    ask(READING[fact], ground, findings, fact)

    assert findings[fact]


@pytest.mark.parametrize("fact", WRITING)
def test_writing(ground: Ground, findings: dict[str, str], fact: str) -> None:
    """A question that takes a base to write to."""
    if not ground.is_writable:
        findings[fact] = f"not probed: {BASE_VARIABLE} is no base made by live_base"
        pytest.skip(findings[fact])
    ask(WRITING[fact], ground, findings, fact)

    assert findings[fact]


@pytest.mark.slow
@pytest.mark.parametrize("fact", OPT_IN)
def test_opt_in(ground: Ground, findings: dict[str, str], fact: str) -> None:
    """A question whose answer takes minutes, or earns a penalty."""
    variable, probe = OPT_IN[fact]
    if not os.environ.get(variable):
        findings[fact] = f"not probed: {variable}=1 is not set"
        pytest.skip(findings[fact])
    ask(probe, ground, findings, fact)

    assert findings[fact]
