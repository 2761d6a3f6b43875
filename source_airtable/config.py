"""The source's settings: from the mapping that Airbyte hands over to a frozen `Config`.

`spec.json` describes the same settings to the person who fills in the form; a test holds the two
together. Settings unknown to us are ignored, so that a connection of another version, or of
Airbyte's own connector, moves over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
)

from source_airtable.errors import InvalidConfigError

LEGACY_TOKEN_SETTING = "api_key"  # noqa: S105 - the name of a setting
OAUTH = "oauth2.0"


LONGEST_HOURS = 365 * 24
"""A year, for spans of time in the settings."""


# A token goes into an HTTP header, which holds no spaces or line breaks; pasted ones often bring
# some.
def _refuse_what_is_no_token(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is empty or holds characters that a token has not")
    return text


Token = Annotated[
    str, StringConstraints(strip_whitespace=True), AfterValidator(_refuse_what_is_no_token)
]
# A form leaves what nobody filled in empty.
TokenIfAny = Annotated[
    Token | None,
    BeforeValidator(lambda given: None if isinstance(given, str) and not given.strip() else given),
]
Entry = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class PersonalAccessToken(_Settings):
    """Signs in with a personal access token, `pat…`."""

    auth_method: Literal["api_key"] = "api_key"
    api_key: Token


class OauthCredentials(_Settings):
    """Signs in with OAuth: an access token for an hour, renewed with a refresh token each time.

    A client without a secret is a public one.
    """

    auth_method: Literal["oauth2.0"]
    client_id: Token
    client_secret: TokenIfAny = None
    refresh_token: Token
    access_token: TokenIfAny = None
    token_expiry_date: str | None = None
    """Any text: one that is no date means that the access token is renewed first."""


def _tell_method(credentials: object) -> str:
    """Tell which form credentials have; whatever does not say so is a personal access token."""
    method = credentials.get("auth_method") if isinstance(credentials, Mapping) else None
    return OAUTH if method == OAUTH else "api_key"


Credentials = Annotated[
    Annotated[PersonalAccessToken, Tag("api_key")] | Annotated[OauthCredentials, Tag(OAUTH)],
    Discriminator(_tell_method),
]


class IncrementalSettings(_Settings):
    """How incremental syncs find out what changed, and how much they look again."""

    method: Literal["last_modified", "created_time"] = "last_modified"
    lookback_minutes: float = Field(default=60, ge=1, le=LONGEST_HOURS * 60)
    full_rescan_hours: float = Field(default=24, ge=0, le=LONGEST_HOURS)
    """0 means never."""
    detect_deletions: bool = False
    deletion_sweep_hours: float = Field(default=24, ge=0, le=LONGEST_HOURS)


class Config(_Settings):
    """The settings of one source.

    Shape: `{"credentials": {"auth_method": "api_key", "api_key": "pat…"}, "base_ids":
    ["appLkNDICXNqxSDhG"]}`.
    """

    credentials: Credentials
    base_ids: tuple[Entry, ...] = ()
    """Ids or names; empty means every base."""
    table_ids: tuple[Entry, ...] = ()
    """Ids or names; empty means every table."""
    add_base_id_to_stream_name: bool = False
    stream_names: Literal["names", "ids"] = "names"
    column_names: Literal["names", "ids"] = "names"
    on_missing_table: Literal["fail", "skip"] = "fail"
    num_workers: int = Field(default=25, ge=2, le=40)
    requests_per_second_per_base: int = Field(default=5, ge=1, le=5)
    incremental: IncrementalSettings = IncrementalSettings()
    transfer_attachment_files: bool = False
    """Whether the stream `attachment_files` is offered."""
    max_file_megabytes: float = Field(default=1000, ge=1, le=5000)
    """The size up to which files of attachments are transferred, where files are asked for."""

    @property
    def pages_in_flight(self) -> int:
        """How many pages may be fetched, or waiting to be written, at a time.

        One for each worker, and a few that keep the workers busy while the writer is at others.
        """
        return self.num_workers + 7


def parse_config(raw_config: Mapping[str, Any]) -> Config:
    """Read the settings; raises InvalidConfigError, which names the setting and never quotes it."""
    try:
        return Config.model_validate(without_nulls(raw_config))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        name, *inner = first["loc"]
        if name == "credentials":
            inner = inner[1:]  # the first of them is the method's tag
        raise InvalidConfigError(
            setting=".".join(str(part) for part in (name, *inner)),
            reason=first["msg"].removeprefix("Value error, ").lower(),
        ) from None


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that a form left open, which arrive as null."""
    return {
        name: without_nulls(setting) if isinstance(setting, Mapping) else setting
        for name, setting in settings.items()
        if setting is not None
    }


def name_missing_token(raw_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give settings without a token an empty one, so that it is the token that is refused.

    The CDK compares settings with the spec before we see them, and says of a missing token that
    the other way to sign in was expected.
    """
    credentials = raw_config.get("credentials")
    if not isinstance(credentials, Mapping):
        return raw_config
    is_oauth = _tell_method(credentials) == OAUTH
    needed = ("client_id", "refresh_token") if is_oauth else ("api_key",)
    missing = {name: "" for name in needed if name not in credentials}
    return {**raw_config, "credentials": {**credentials, **missing}} if missing else raw_config


def migrate_config(raw_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the settings with a legacy top-level token moved into `credentials`, else None.

    Shape: `{"api_key": "pat…"}` becomes `{"credentials": {"auth_method": "api_key", "api_key":
    "pat…"}}`.
    """
    if LEGACY_TOKEN_SETTING not in raw_config:
        return None
    migrated = {
        name: setting for name, setting in raw_config.items() if name != LEGACY_TOKEN_SETTING
    }
    if migrated.get("credentials") is None:
        token = raw_config[LEGACY_TOKEN_SETTING]
        migrated["credentials"] = {"auth_method": "api_key", "api_key": token}
    return migrated
