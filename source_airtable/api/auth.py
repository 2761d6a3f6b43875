"""Sign requests with a personal access token or with OAuth tokens.

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
"""The lifetime of an access token if the answer does not give one."""
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
    """Build the authenticator that signs every request of a run.

    With OAuth, `raw_config` must be the mapping from Airbyte's entrypoint. The authenticator writes
    new tokens into it, and Airbyte saves it.
    """
    if isinstance(config.credentials, OauthCredentials):
        budget = AirtableBudget(clock=clock, sleep=sleep)
        return OauthAuthenticator(config.credentials, raw_config, budget)
    return TokenAuthenticator(config.credentials.api_key)


class OauthAuthenticator(SingleUseRefreshTokenOauth2Authenticator):
    """Signs requests with an access token, and renews the token when it expires or is refused.

    Airtable accepts each refresh token once, and each renewal ends the old access token. So one
    lock protects both the renewal and the use of a token. No request is signed with a token that is
    being replaced, or with one that Airbyte has not received yet.

    If a renewal fails, it fails for every thread that waits for it. If the grant is lost, every
    later renewal of the run fails too. Threads may share the authenticator.
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
        # The parsed settings have no spaces at the ends and no null.
        self.set_refresh_token(credentials.refresh_token)
        self.access_token = credentials.access_token or ""
        # The CDK's own call has no timeout, and it logs the URL or the text of the answer.
        self._http = build_http_client(AirtableErrorHandler(), AirtableBackoffStrategy(), budget)
        self._failure: AirtableError | None = None
        self._unproven = ""
        """A token that replaced a refused one, until Airtable accepts it."""

    @classmethod
    def hold_renewals(cls, longest_seconds: float) -> bool:
        """Wait for a renewal in progress, and prevent any other in this process.

        Returns whether no renewal is in progress any more, so that Airbyte has all new tokens. No
        thread gets a token after this call, so call it only when the process is about to end.
        """
        # All authenticators share one lock, which is released after the message is written.
        return cls._token_refresh_lock.acquire(timeout=longest_seconds)

    def get_access_token(self) -> str:
        """Return an access token that has not expired. Renews it first if necessary."""
        known_failure = self._failure
        with self._token_refresh_lock:
            if self.token_has_expired():
                self._renew(known_failure)
            return self.access_token

    def replace_token(self, refused: requests.PreparedRequest, *, may_renew: bool) -> bool:
        """Return whether another try of the refused request would use another token.

        Another thread may have replaced the token already, or the token may have expired. Neither
        needs a renewal here.
        """
        known_failure = self._failure
        with self._token_refresh_lock:
            if self.token_has_expired() or not self._has_current_token(refused):
                return True
            if not may_renew or self.access_token == self._unproven:
                return False
            self._renew(known_failure)
            self._unproven = self.access_token
            return True

    def update_from_response(
        self, request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Note that a token works. The CDK's client calls this after every try."""
        if response.status_code != HTTPStatus.UNAUTHORIZED and self._has_current_token(request):
            self._unproven = ""

    def token_has_expired(self) -> bool:
        """Return whether the access token is missing or has expired."""
        return not self.access_token or super().token_has_expired()

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """Return when the access token expires. A date that cannot be parsed counts as past."""
        try:
            return super().get_token_expiry_date()
        except (ValueError, OverflowError):
            return ab_datetime_now() - timedelta(days=1)

    def build_refresh_request_body(self) -> Mapping[str, Any]:
        """Return the form of a renewal. It contains the id of a client without a secret."""
        form = {"grant_type": self.get_grant_type(), "refresh_token": self.get_refresh_token()}
        if self._public_client_id is not None:
            form["client_id"] = self._public_client_id
        return form

    def refresh_access_token(self) -> tuple[str, AirbyteDateTime, str | None]:  # type: ignore[override]  # as the CDK's
        """Get an access token, its expiry, and the next refresh token.

        If the answer is lost, another try uses the same refresh token, although Airtable may have
        accepted it already. Without the answer there is no other token to try.
        """
        body = self._ask_for_tokens()
        access_token, refresh_token = body.get("access_token"), body.get("refresh_token")
        for token in (access_token, refresh_token):
            if isinstance(token, str):
                # The CDK only masks the secrets that were in the settings at the start.
                add_to_secrets(token)
        if not access_token or not isinstance(access_token, str):
            raise ContractError(answer="no access token", step=_STEP)
        ends_at = ab_datetime_now() + timedelta(seconds=_lifetime_seconds(body.get("expires_in")))
        return access_token, ends_at, refresh_token if isinstance(refresh_token, str) else None

    def _renew(self, known_failure: AirtableError | None) -> None:
        """Renew the tokens and give them to Airbyte to save. The caller holds the lock."""
        failure = self._failure
        if failure is not None and (
            failure is not known_failure or isinstance(failure, GrantLostError)
        ):
            raise type(failure)(**failure.facts)
        try:
            self.refresh_and_set_access_token()
        except AirtableError as error:
            # Callers add facts to the error that they receive, so keep a copy.
            self._failure = type(error)(**error.facts)
            raise
        self._failure = None
        LOGGER.info("Airtable: renewed the OAuth tokens and gave them to Airbyte to save.")

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

    def _has_current_token(self, request: requests.PreparedRequest) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.access_token}"


def _lifetime_seconds(expires_in: object) -> float:
    """Return the seconds in `expires_in`, or an hour if it is no usable number."""
    if isinstance(expires_in, (int, float)) and 0 < expires_in <= LONGEST_LIFETIME_SECONDS:
        return float(expires_in)
    return ACCESS_TOKEN_SECONDS
