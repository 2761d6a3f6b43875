"""How requests show who is asking: with a personal access token, or with OAuth's tokens.

See https://airtable.com/developers/web/api/authentication
"""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.http.requests_native_auth import (
    SingleUseRefreshTokenOauth2Authenticator,
    TokenAuthenticator,
)
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.datetime_helpers import ab_datetime_now

from source_airtable.api.connection import HEADERS, build_http_client, token_url
from source_airtable.api.error_handler import AirtableBackoffStrategy, AirtableErrorHandler
from source_airtable.api.json_body import parse_body
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.config import OauthCredentials
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    ContractError,
    GrantLostError,
    InvalidTokenError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests
    from airbyte_cdk.utils.datetime_helpers import AirbyteDateTime
    from requests.auth import AuthBase

    from source_airtable.config import Config

LOGGER = logging.getLogger("airbyte.source_airtable")

ACCESS_TOKEN_SECONDS = 3600.0
"""How long an access token lives where an answer does not say."""
LONGEST_LIFETIME_SECONDS = 366 * 24 * 3600.0

GRANT_ERROR_TYPES = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})

_STEP = "renewal of the access token"


def build_authenticator(
    config: Config,
    raw_config: Mapping[str, Any],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> AuthBase:
    """Build the one authenticator that signs every request of a run.

    With OAuth, `raw_config` must be the mapping that Airbyte's entrypoint gave: new tokens are
    written into it, and it is what Airbyte is told to save.
    """
    if isinstance(config.credentials, OauthCredentials):
        budget = AirtableBudget(clock=clock, sleep=sleep)
        return OauthAuthenticator(config.credentials, raw_config, budget)
    return TokenAuthenticator(config.credentials.api_key)


class OauthAuthenticator(SingleUseRefreshTokenOauth2Authenticator):
    """Signs requests with an access token, and renews it when it has expired or is refused.

    Airtable takes each refresh token once and ends the old access token at each renewal. So one
    lock is held while a token is renewed and while one is handed out: a request is never signed
    with a token that is being replaced, nor with one that Airbyte has not been told of yet.

    A renewal that fails fails for all who waited for it, and a lost grant for the rest of the run.
    May be used by many threads at once.
    See https://airtable.com/developers/web/api/oauth-reference
    """

    def __init__(
        self, credentials: OauthCredentials, raw_config: Mapping[str, Any], budget: AirtableBudget
    ) -> None:
        self._public_client_id: str | None = credentials.client_id
        headers = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        if credentials.client_secret:
            pair = f"{credentials.client_id}:{credentials.client_secret}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
            self._public_client_id = None
        super().__init__(
            raw_config, token_refresh_endpoint=token_url(), refresh_request_headers=headers
        )
        # As the settings were read: without space around them, and not null.
        self.set_refresh_token(credentials.refresh_token)
        self.access_token = credentials.access_token or ""
        # Not the CDK's own call, which has no timeout and logs the URL, or the answer's text.
        self._http = build_http_client(AirtableErrorHandler(), AirtableBackoffStrategy(), budget)
        self._failure: AirtableError | None = None
        self._unproven = ""
        """The token of a renewal after a refusal, until Airtable has accepted it."""

    @classmethod
    def hold_renewals(cls, longest_seconds: float) -> bool:
        """Wait for the renewal that is under way, and let this process begin no other.

        Tells whether it is over, its tokens written out for Airbyte to save; else it goes on. Also
        holds back whoever asks for a token, so this is for a process that is about to end.
        """
        # One lock serves all authenticators, and is free only when the message has been written.
        return cls._token_refresh_lock.acquire(timeout=longest_seconds)

    def get_access_token(self) -> str:
        """Give an access token that has not expired; renews it first if need be."""
        known_failure = self._failure
        with self._token_refresh_lock:
            if self.token_has_expired():
                self._renew(known_failure)
            return self.access_token

    def replace_token(self, refused: requests.PreparedRequest, *, may_renew: bool) -> bool:
        """Tell whether the refused request is worth another try, with another token than it had.

        A token that somebody has replaced since, or that has expired, costs no renewal here.
        """
        known_failure = self._failure
        with self._token_refresh_lock:
            if self.token_has_expired() or not self._signed(refused):
                return True
            if not may_renew or self.access_token == self._unproven:
                return False
            self._renew(known_failure)
            self._unproven = self.access_token
            return True

    def update_from_response(
        self, request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Note that a token works; the CDK's client calls this after every try."""
        if response.status_code != HTTPStatus.UNAUTHORIZED and self._signed(request):
            self._unproven = ""

    def token_has_expired(self) -> bool:
        """Tell whether the access token is missing, or past its end."""
        return not self.access_token or super().token_has_expired()

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """Give the end of the access token; one that cannot be read is long past."""
        try:
            return super().get_token_expiry_date()
        except (ValueError, OverflowError):
            return ab_datetime_now() - timedelta(days=1)

    def build_refresh_request_body(self) -> Mapping[str, Any]:
        """Give the form of a renewal: a client without a secret names itself in it."""
        form = {"grant_type": self.get_grant_type(), "refresh_token": self.get_refresh_token()}
        if self._public_client_id is not None:
            form["client_id"] = self._public_client_id
        return form

    def refresh_access_token(self) -> tuple[str, AirbyteDateTime, str | None]:  # type: ignore[override]  # as the CDK's
        """Get an access token, its end, and the next refresh token.

        A renewal whose answer is lost on the way is tried again with the same refresh token, though
        Airtable may have spent it: without the answer there is nothing else to try.
        """
        body = self._ask_for_tokens()
        access_token, refresh_token = body.get("access_token"), body.get("refresh_token")
        for token in (access_token, refresh_token):
            if isinstance(token, str):
                # The CDK masks what was in the settings at the start, and these were not.
                add_to_secrets(token)
        if not access_token or not isinstance(access_token, str):
            raise ContractError(answer="no access token", step=_STEP)
        ends_at = ab_datetime_now() + timedelta(seconds=_lifetime_seconds(body.get("expires_in")))
        return access_token, ends_at, refresh_token if isinstance(refresh_token, str) else None

    def _renew(self, known_failure: AirtableError | None) -> None:
        """Renew the tokens, and have Airbyte save them; the caller holds the lock."""
        failure = self._failure
        if failure is not None and (
            failure is not known_failure or isinstance(failure, GrantLostError)
        ):
            raise type(failure)(**failure.facts)
        try:
            self.refresh_and_set_access_token()
        except AirtableError as error:
            # A copy, for callers add facts of their own to what they are given.
            self._failure = type(error)(**error.facts)
            raise
        self._failure = None
        LOGGER.info("Airtable: the OAuth tokens were renewed; Airbyte was given them to save.")

    def _ask_for_tokens(self) -> dict[str, Any]:
        try:
            _, response = self._http.send_request(
                "POST",
                token_url(),
                request_kwargs={},
                headers=self.get_refresh_request_headers(),
                data=self.build_refresh_request_body(),
            )
        except (InvalidTokenError, AccessDeniedError, ContractError) as refused:
            is_lost = (
                isinstance(refused, InvalidTokenError)
                or refused.facts.get("error_type") in GRANT_ERROR_TYPES
            )
            error = GrantLostError if is_lost else ContractError
            raise error(**refused.facts, step=_STEP) from None
        except AirtableError as error:
            error.add_facts(step=_STEP)
            raise
        return parse_body(response) or {}

    def _signed(self, request: requests.PreparedRequest) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.access_token}"


def _lifetime_seconds(told: object) -> float:
    """Give the seconds that `expires_in` tells, or an hour where it tells none."""
    if isinstance(told, (int, float)) and 0 < told <= LONGEST_LIFETIME_SECONDS:
        return float(told)
    return ACCESS_TOKEN_SECONDS
