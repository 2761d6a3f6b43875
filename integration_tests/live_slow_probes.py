"""Probes that wait for minutes or hours, or earn a penalty."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from integration_tests.live_api import CALL_SECONDS, PENALTY_SECONDS
from integration_tests.live_probes import OK, NotSettledError, describe_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.live_probes import Ground

IDLE_SECONDS: Final = (15, 30, 60, 120, 180, 240, 300, 420, 600, 900, 1200)
"""After which an offset is used for the first time; twenty minutes in all."""
FILE_FIELD: Final = "Photo"
FILE_SECONDS: Final = 7_200.0
"""How long an address lives, by Airtable's pages, where it does not name its end itself."""
GRACE_SECONDS: Final = 60.0
NAMED_END: Final = re.compile(r"/(?P<milliseconds>\d{13})/")
BURST: Final = 30
"""Requests at once, six times what a base takes in a second."""
BURST_WORKERS: Final = 15


def probe_iterator_lifetime(ground: Ground) -> str:
    """How long an offset lives that nobody uses: several scans begun, each gone on with once."""
    waits = [seconds for seconds in IDLE_SECONDS if seconds <= ground.longest_wait]
    offsets = [ground.read(pageSize=1).json().get("offset") for _ in waits]
    if None in offsets:
        raise NotSettledError("the table to read has fewer than two records")
    alive = 0
    for seconds, offset in zip(waits, offsets, strict=True):
        ground.account.sleep(seconds - alive)
        answer = ground.read(pageSize=1, offset=offset)
        if answer.status_code != OK:
            refusal = describe_refusal(answer)
            return f"an idle offset is alive after {alive} s, and after {seconds} s: {refusal}"
        alive = seconds
    if len(waits) < len(IDLE_SECONDS):
        raise NotSettledError(f"alive after {alive} s, and no longer wait was allowed")
    return f"an idle offset is alive after {alive} s"


def probe_file_address(ground: Ground) -> str:
    """When an attachment's address ends, and how it is refused then."""
    products = ground.table("products")
    made = products.create({"Name": "Probe"})["id"]
    try:
        field_id = products.schema().field(FILE_FIELD).id
        uploaded = ground.account.upload(ground.base_id, made, field_id, b"Probe")
        if uploaded.status_code != OK:
            raise NotSettledError(f"no file can be added: {describe_refusal(uploaded)}")
        return _watch_address(ground, lambda: _address_of(products.get(made)))
    finally:
        products.delete(made)


def _address_of(record: Any) -> str:  # noqa: ANN401 - a record
    address: str = record["fields"][FILE_FIELD][0]["url"]
    return address


def _watch_address(ground: Ground, read_address: Callable[[], str]) -> str:
    address = read_address()
    named = NAMED_END.search(urlsplit(address).path)
    seconds = FILE_SECONDS
    if named is not None:
        seconds = int(named["milliseconds"]) / 1000 - ground.now().timestamp()
    lives = f"{'names its end' if named else 'names no end'}, {seconds / 60:.0f} minutes"
    first = ground.account.fetch_status(address)
    if first != OK:
        raise NotSettledError(f"a new address is answered with {first}")
    if seconds + GRACE_SECONDS > ground.longest_wait:
        raise NotSettledError(f"an address {lives}, and so long a wait was not allowed")
    ground.account.sleep(seconds + GRACE_SECONDS)
    last, renewed = ground.account.fetch_status(address), read_address()
    return (
        f"an address {lives}: {first} before, {last} a minute after, "
        f"{ground.account.fetch_status(renewed)} at a new one"
    )


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
        raise NotSettledError(f"{BURST} requests at once were all answered")
    known = sorted({answer.headers.get("Retry-After", "absent") for answer in refused})
    shape = "errors[]" if "errors" in refused[0].json() else "error"
    first = describe_refusal(refused[0])
    return f"{len(refused)} of {BURST}: {first} in {shape}, Retry-After {', '.join(known)}"
