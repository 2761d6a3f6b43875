"""How requests are signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from source_airtable.api.auth import build_authenticator
from unit_tests.builders import API, TOKEN

if TYPE_CHECKING:
    from source_airtable.config import Config


def test_personal_access_token(config: Config) -> None:
    """A request carries the token as a bearer token."""
    request = requests.Request("GET", API, auth=build_authenticator(config, {})).prepare()

    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
