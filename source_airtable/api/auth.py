"""How requests show who is asking: with a personal access token.

See https://airtable.com/developers/web/api/authentication
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk.sources.streams.http.requests_native_auth import TokenAuthenticator

if TYPE_CHECKING:
    from requests.auth import AuthBase

    from source_airtable.config import Config


def build_authenticator(config: Config) -> AuthBase:
    """Build the one authenticator that signs every request of a run."""
    return TokenAuthenticator(config.credentials.api_key)
