"""Parse the source's settings into a frozen `Config`.

`spec.json` describes the same settings for the form; a test compares the two. Unknown settings are
ignored, so that a connection of another version or of Airbyte's own connector keeps working.
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
    model_validator,
)

from source_airtable.errors import InvalidConfigError

LEGACY_TOKEN_SETTING = "api_key"  # noqa: S105 - the name of a setting
OAUTH = "oauth2.0"


LONGEST_HOURS = 365 * 24
"""A year. No interval in the settings is longer."""


def _validate_token(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is empty or contains characters that no token has")
    return text


# A token goes into an HTTP header, which allows no spaces or line breaks. Pasted tokens often have
# some at their ends.
Token = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_validate_token)]
# A form sends an empty text for a setting that nobody filled in.
OptionalToken = Annotated[
    Token | None,
    BeforeValidator(lambda text: None if isinstance(text, str) and not text.strip() else text),
]
Entry = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OptionalEntry = Annotated[
    Entry | None,
    BeforeValidator(lambda text: None if isinstance(text, str) and not text.strip() else text),
]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class PersonalAccessToken(_Settings):
    """Signs in with a personal access token, `pat…`."""

    auth_method: Literal["api_key"] = "api_key"
    api_key: Token


class OauthCredentials(_Settings):
    """Signs in with OAuth. A refresh token renews the access token, which lasts an hour.

    A public client has no secret.
    """

    auth_method: Literal["oauth2.0"]
    client_id: Token
    client_secret: OptionalToken = None
    refresh_token: Token
    access_token: OptionalToken = None
    token_expiry_date: str | None = None
    """If this is not a date, the connector renews the access token first."""


def _auth_method(credentials: object) -> str:
    """Return the way to sign in. Without a method, it is a personal access token."""
    method = credentials.get("auth_method") if isinstance(credentials, Mapping) else None
    return OAUTH if method == OAUTH else "api_key"


Credentials = Annotated[
    Annotated[PersonalAccessToken, Tag("api_key")] | Annotated[OauthCredentials, Tag(OAUTH)],
    Discriminator(_auth_method),
]


class IncrementalSettings(_Settings):
    """How incremental syncs find changes and deletions."""

    method: Literal["last_modified", "created_time", "webhooks"] = "last_modified"
    lookback_minutes: float = Field(default=60, ge=1, le=LONGEST_HOURS * 60)
    full_rescan_hours: float = Field(default=24, ge=0, le=LONGEST_HOURS)
    """0 means never."""
    detect_deletions: bool = False
    deletion_sweep_hours: float = Field(default=24, ge=0, le=LONGEST_HOURS)
    webhooks_report_computed_cells: bool = False
    """Whether only columns that depend on the time call for full scans."""


class TableFilterSetting(_Settings):
    """Which records of a table are read.

    Shape: `{"table": "Orders", "view": "Open", "formula": "NOT({Archived})"}`.
    """

    table: Entry
    """An id or a name."""
    view: OptionalEntry = None
    """An id or a name."""
    formula: OptionalEntry = None
    """In Airtable's formula language."""

    @model_validator(mode="after")
    def _narrows(self) -> TableFilterSetting:
        if self.view is None and self.formula is None:
            raise ValueError("it needs a view or a formula")
        return self


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
    table_filters: tuple[TableFilterSetting, ...] = ()
    add_base_id_to_stream_name: bool = False
    stream_names: Literal["names", "ids"] = "names"
    column_names: Literal["names", "ids"] = "names"
    link_names: bool = False
    """Whether a column of names is offered beside each column of links."""
    on_missing_table: Literal["fail", "skip"] = "fail"
    num_workers: int = Field(default=25, ge=2, le=40)
    requests_per_second_per_base: int = Field(default=5, ge=1, le=5)
    read_large_tables_in_parts: Literal["auto", "never"] = "auto"
    incremental: IncrementalSettings = IncrementalSettings()
    transfer_attachment_files: bool = False
    """Whether the stream `attachment_files` is offered."""
    max_file_megabytes: float = Field(default=1000, ge=1, le=5000)
    """Larger files of attachments are not transferred."""

    @property
    def pages_in_flight(self) -> int:
        """The most pages that workers fetch or that wait to be written at the same time.

        Each worker has one. A few more keep the workers busy while others are written.
        """
        return self.num_workers + 7


def parse_config(raw_config: Mapping[str, Any]) -> Config:
    """Parse the settings. Raises InvalidConfigError, which names a setting but not its value."""
    try:
        return Config.model_validate(without_nulls(raw_config))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        name, *inner = first["loc"]
        if name == "credentials":
            inner = inner[1:]  # the first part is the tag of the method
        raise InvalidConfigError(
            setting=".".join(str(part) for part in (name, *inner)),
            reason=first["msg"].removeprefix("Value error, ").lower(),
        ) from None


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Remove settings that are null. A form sends null for a setting that is not filled in."""
    return {
        name: without_nulls(setting) if isinstance(setting, Mapping) else setting
        for name, setting in settings.items()
        if setting is not None
    }


def name_missing_token(raw_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add an empty token to settings without one, so that the error names the token.

    The CDK validates settings against the spec before the connector sees them. If the token is
    missing, its error says that it expected the other way to sign in.
    """
    credentials = raw_config.get("credentials")
    if not isinstance(credentials, Mapping):
        return raw_config
    is_oauth = _auth_method(credentials) == OAUTH
    needed = ("client_id", "refresh_token") if is_oauth else ("api_key",)
    missing = {name: "" for name in needed if name not in credentials}
    return {**raw_config, "credentials": {**credentials, **missing}} if missing else raw_config


def migrate_config(raw_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Move a legacy top-level token into `credentials`. Without such a token, return None.

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
