"""The way to an account for programs and tests that write: pyairtable at Airtable's pace."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from pyairtable import Api

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyairtable import Base

TOKEN_VARIABLE: Final = "AIRTABLE_TOKEN"  # noqa: S105 - a name, not a token
SECOND_TOKEN_VARIABLE: Final = "AIRTABLE_SECOND_TOKEN"  # noqa: S105 - a name, not a token
WORKSPACE_VARIABLE: Final = "AIRTABLE_WORKSPACE_ID"
URL_VARIABLE: Final = "AIRTABLE_API_URL"
API_URL: Final = "https://api.airtable.com"
CONTENT_URL: Final = "https://content.airtable.com"
"""Where files are taken in."""
PACE_SECONDS: Final = 0.25
"""Between two requests: four a second, where Airtable takes five for each base."""
PENALTY_SECONDS: Final = 31.0
"""After a 429 for going too fast; https://airtable.com/developers/web/api/rate-limits"""
MOST_PENALTIES: Final = 3
TOO_MANY: Final = 429
CALL_SECONDS: Final = 60.0
QUOTA_ERROR: Final = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"


class PacedSession(requests.Session):
    """Sends requests one after another, no faster than Airtable takes them."""

    def __init__(self, sleep: Callable[[float], object]) -> None:
        """Wait with a given sleep, which a test answers by moving the simulator's clock."""
        super().__init__()
        self._sleep = sleep
        self.last_date = ""
        """The ``Date`` of the last answer, by Airtable's clock."""

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:  # noqa: ANN401 - as of requests
        """Send a request when its turn has come; a 429 is waited out, unless the month is over."""
        more["timeout"] = more.get("timeout") or CALL_SECONDS
        for seconds in (*(PENALTY_SECONDS,) * MOST_PENALTIES, 0.0):
            self._sleep(PACE_SECONDS)
            answer = super().send(request, **more)
            self.last_date = answer.headers.get("Date", "")
            is_too_fast = answer.status_code == TOO_MANY and QUOTA_ERROR not in answer.text
            if not is_too_fast or not seconds:
                return answer
            self._sleep(seconds)
        raise AssertionError("the last attempt returns")


@dataclass(frozen=True)
class Account:
    """An account to write to, by one token."""

    api: Api
    session: PacedSession
    url: str
    workspace_id: str
    sleep: Callable[[float], object]

    def base(self, base_id: str) -> Base:
        """A base of the account."""
        return self.api.base(base_id)

    def call(self, method: str, *path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - as of requests
        """One request beside pyairtable, whatever its answer; ``more`` as requests takes it."""
        return self.session.request(method, str(self.api.build_url(*path)), **more)

    def upload(self, base_id: str, record_id: str, field: str, content: bytes) -> requests.Response:
        """Add a text file to a cell; pyairtable would ask Airtable itself, whatever the address."""
        origin = CONTENT_URL if self.url == API_URL else self.url
        body = {
            "contentType": "text/plain",
            "filename": "probe.txt",
            "file": b64encode(content).decode(),
        }
        url = f"{origin}/v0/{base_id}/{record_id}/{field}/uploadAttachment"
        return self.session.post(url, json=body)

    def fetch_status(self, url: str) -> int:
        """The status of an address beside the API, which is shown no token."""
        with requests.Session() as session:
            session.trust_env = self.session.trust_env
            with session.get(url, timeout=CALL_SECONDS, stream=True) as answer:
                return answer.status_code


def connect(
    sleep: Callable[[float], object] = time.sleep, variable: str = TOKEN_VARIABLE
) -> Account:
    """The account of a token in the environment.

    Raises: ``SystemExit`` with a sentence when there is none.
    """
    token = os.environ.get(variable, "")
    if not token:
        raise SystemExit(f"{variable} is not set: a personal access token is needed.")
    url = os.environ.get(URL_VARIABLE) or API_URL
    session = PacedSession(sleep)
    # The environment's proxies are for Airtable itself, not for a simulator on this machine.
    session.trust_env = url == API_URL
    api = Api(token, endpoint_url=url, retry_strategy=None)
    api.session = session
    api.api_key = token  # once more, for the session that has taken the other's place
    return Account(api, session, url, os.environ.get(WORKSPACE_VARIABLE, ""), sleep)
