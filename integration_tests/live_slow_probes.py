"""Probes that take minutes or earn a penalty; each is run only when asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import requests

from integration_tests.live_api import CALL_SECONDS, PENALTY_SECONDS
from integration_tests.live_probes import OK, describe_refusal

if TYPE_CHECKING:
    from integration_tests.live_probes import Ground

IDLE_SECONDS: Final = (15, 30, 60, 120, 180)
"""After which an offset is used for the first time; three minutes in all."""
BURST: Final = 30
"""Requests at once, six times what a base takes in a second."""
BURST_WORKERS: Final = 15


def probe_iterator_lifetime(ground: Ground) -> str:
    """How long an offset lives that nobody uses: several scans begun, each gone on with once."""
    offsets = [ground.read(pageSize=1).json().get("offset") for _ in IDLE_SECONDS]
    if None in offsets:
        return "not known: the table to read has fewer than two records"
    alive: list[str] = []
    waited = 0
    for seconds, offset in zip(IDLE_SECONDS, offsets, strict=True):
        ground.account.sleep(seconds - waited)
        waited = seconds
        answer = ground.read(pageSize=1, offset=offset)
        if answer.status_code != OK:
            return f"an offset idle for {seconds} s: {describe_refusal(answer)}; alive {alive}"
        alive.append(f"{seconds} s")
    return f"an idle offset is alive after {', '.join(alive)}"


def probe_retry_after(ground: Ground) -> str:
    """Whether a 429 carries Retry-After, and its body; the base is refused for 30 seconds then."""
    url = str(ground.account.api.build_url(ground.base_id, ground.table_id))
    headers = {"Authorization": f"Bearer {ground.account.api.api_key}"}

    def ask(_: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = ground.account.session.trust_env
            query: dict[str, Any] = {"pageSize": 1}
            return session.get(url, params=query, headers=headers, timeout=CALL_SECONDS)

    with ThreadPoolExecutor(BURST_WORKERS) as pool:
        answers = list(pool.map(ask, range(BURST)))
    ground.account.sleep(PENALTY_SECONDS)
    refused = [answer for answer in answers if answer.status_code != OK]
    if not refused:
        return f"{BURST} requests at once were all answered"
    known = sorted({answer.headers.get("Retry-After", "absent") for answer in refused})
    shape = "errors[]" if "errors" in refused[0].json() else "error"
    first = describe_refusal(refused[0])
    return f"{len(refused)} of {BURST}: {first} in {shape}, Retry-After {', '.join(known)}"
