"""The OAuth templates of `spec.json`, filled as Airbyte's platform fills them."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs

import jinja2
import pytest

from unit_tests.test_spec import SPEC

FLOW: Final[dict[str, Any]] = SPEC["advanced_auth"]["oauth_config_specification"]
TEMPLATES: Final[dict[str, Any]] = FLOW["oauth_connector_input_specification"]
VERIFIER: Final = "v" * TEMPLATES["state"]["min"]
VALUES: Final = {
    "client_id": "b6a7b0a1",
    "client_secret": "s3cret",
    "redirect_uri": "https://airbyte.example.com/auth_flow",
    "scope": TEMPLATES["scope"],
    "state": VERIFIER,
    "auth_code": "code1",
}
# Of airbyte-platform's DeclarativeOAuthSpecHandler: a name and a value for each, and two filters.
NAMES: Final = {f"{name}_key": name for name in VALUES} | {
    f"{name}_value": value for name, value in VALUES.items()
}


def challenge_of(verifier: str) -> str:
    """The code challenge of Airtable's page, and of RFC 7636: base64url without padding."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


@pytest.fixture(name="platform")
def fixture_platform() -> jinja2.Environment:
    """A template engine that fails for names and filters that the platform lacks."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    environment.filters["codechallengeS256"] = challenge_of
    environment.filters["b64encode"] = lambda text: b64encode(text.encode()).decode()
    return environment


def test_consent_url(platform: jinja2.Environment) -> None:
    """People are sent to Airtable with each parameter that its OAuth reference asks for.

    See https://airtable.com/developers/web/api/oauth-reference
    """
    page, _, query = platform.from_string(TEMPLATES["consent_url"]).render(NAMES).partition("?")

    assert page == "https://airtable.com/oauth2/v1/authorize"
    assert parse_qs(query, strict_parsing=True) == {
        "response_type": ["code"],
        "client_id": [VALUES["client_id"]],
        "redirect_uri": [VALUES["redirect_uri"]],
        "scope": [VALUES["scope"]],
        "state": [VERIFIER],
        "code_challenge": [challenge_of(VERIFIER)],
        "code_challenge_method": ["S256"],
    }


def test_exchange_of_the_code(platform: jinja2.Environment) -> None:
    """The code is exchanged with the verifier of its challenge, signed with the client's secret."""
    form = {
        name: platform.from_string(template).render(NAMES)
        for name, template in TEMPLATES["access_token_params"].items()
    }
    signature = platform.from_string(TEMPLATES["access_token_headers"]["Authorization"])

    assert form == {
        "grant_type": "authorization_code",
        "code": VALUES["auth_code"],
        "redirect_uri": VALUES["redirect_uri"],
        "code_verifier": VERIFIER,
    }
    assert signature.render(NAMES) == "Basic YjZhN2IwYTE6czNjcmV0"


def test_what_is_kept_of_the_answer() -> None:
    """The settings get both tokens of Airtable's answer, and the expiry that Airbyte computes."""
    computed = {"expires_in": "token_expiry_date"}
    kept = {computed.get(name, name) for name in TEMPLATES["extract_output"]}

    assert kept == FLOW["complete_oauth_output_specification"]["properties"].keys()
