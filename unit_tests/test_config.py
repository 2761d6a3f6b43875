"""The source's settings."""

from __future__ import annotations

from typing import Any

import pytest

from source_airtable.config import (
    Config,
    IncrementalSettings,
    OauthCredentials,
    PersonalAccessToken,
    migrate_config,
    name_missing_token,
    parse_config,
)
from source_airtable.errors import InvalidConfigError
from unit_tests.builders import TOKEN, a_config

CREDENTIALS = {"auth_method": "api_key", "api_key": TOKEN}
OAUTH = {"auth_method": "oauth2.0", "client_id": "client-5521", "refresh_token": "refresh-5521"}


def refusal_of(**settings: object) -> InvalidConfigError:
    """The error of settings that are refused."""
    with pytest.raises(InvalidConfigError) as caught:
        parse_config({"credentials": CREDENTIALS, **settings})
    return caught.value


def test_defaults() -> None:
    """A token is enough. All other settings have defaults."""
    assert parse_config({"credentials": CREDENTIALS}) == Config(
        credentials=PersonalAccessToken(api_key=TOKEN),
        base_ids=(),
        table_ids=(),
        table_filters=(),
        add_base_id_to_stream_name=False,
        stream_names="names",
        column_names="names",
        on_missing_table="fail",
        num_workers=25,
        requests_per_second_per_base=5,
        incremental=IncrementalSettings(
            method="last_modified",
            lookback_minutes=60,
            full_rescan_hours=24,
            detect_deletions=False,
            deletion_sweep_hours=24,
        ),
    )


def test_all_settings() -> None:
    """Each setting is parsed."""
    settings: dict[str, Any] = {
        "base_ids": ["appLkNDICXNqxSDhG"],
        "table_ids": ["Contacts"],
        "table_filters": [{"table": "Contacts", "view": "All", "formula": "TRUE()"}],
        "add_base_id_to_stream_name": True,
        "stream_names": "ids",
        "column_names": "ids",
        "link_names": True,
        "on_missing_table": "skip",
        "num_workers": 2,
        "requests_per_second_per_base": 1,
        "read_large_tables_in_parts": "never",
        "transfer_attachment_files": True,
        "max_file_megabytes": 12.5,
        "incremental": {
            "method": "created_time",
            "lookback_minutes": 1.5,
            "full_rescan_hours": 0.25,
            "detect_deletions": True,
            "deletion_sweep_hours": 0.0,
            "webhooks_report_computed_cells": True,
        },
    }

    config = parse_config({"credentials": CREDENTIALS, **settings})

    assert config.model_dump(mode="json") == {"credentials": CREDENTIALS, **settings}


@pytest.mark.parametrize("name", [name for name in Config.model_fields if name != "credentials"])
def test_null_of_a_form(name: str) -> None:
    """A setting that is null has its default."""
    assert parse_config({"credentials": CREDENTIALS, name: None}) == parse_config(
        {"credentials": CREDENTIALS}
    )


@pytest.mark.parametrize("name", IncrementalSettings.model_fields)
def test_null_inside_a_setting(name: str) -> None:
    """An incremental setting that is null has its default."""
    assert a_config(incremental={name: None}) == a_config()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("method", "snapshots"),
        ("lookback_minutes", 0.5),
        ("full_rescan_hours", -1),
        ("deletion_sweep_hours", "often"),
        ("detect_deletions", 7),
        ("webhooks_report_computed_cells", "sometimes"),
    ],
)
def test_refused_incremental_setting(name: str, setting: object) -> None:
    """The error names an incremental setting by its path."""
    assert refusal_of(incremental={name: setting}).facts["setting"] == f"incremental.{name}"


@pytest.mark.parametrize("name", ["lookback_minutes", "full_rescan_hours", "deletion_sweep_hours"])
@pytest.mark.parametrize("number", [1e12, 1e300, float("inf"), float("nan")])
def test_time_that_no_clock_has(name: str, number: float) -> None:
    """The settings refuse a time that is too long to compute with, by name."""
    assert refusal_of(incremental={name: number}).facts["setting"] == f"incremental.{name}"


@pytest.mark.parametrize(
    ("entry", "path", "reason"),
    [
        ({"view": "All"}, "table_filters.0.table", "field required"),
        ({"table": " ", "view": "All"}, "table_filters.0.table", "at least 1 character"),
        ({"table": "Contacts"}, "table_filters.0", "it needs a view or a formula"),
        ({"table": "Contacts", "view": "", "formula": "\n"}, "table_filters.0", "a view or a"),
        ({"table": "Contacts", "formula": 7}, "table_filters.0.formula", "valid string"),
        ("Contacts", "table_filters.0", "valid dictionary"),
    ],
)
def test_refused_filter(entry: object, path: str, reason: str) -> None:
    """The error names what is wrong with a filter by its path."""
    facts = refusal_of(table_filters=[entry]).facts

    assert facts["setting"] == path
    assert reason in str(facts["reason"])


def test_space_around_a_filter() -> None:
    """Space around the parts of a filter is removed, and an empty part is absent."""
    entry = {"table": " Contacts ", "view": " All\n", "formula": " ", "order": 1}

    assert a_config(table_filters=[entry]) == a_config(
        table_filters=[{"table": "Contacts", "view": "All", "formula": None}]
    )


def test_unknown_settings() -> None:
    """A setting of another version, or of Airbyte's own connector, is ignored at any level."""
    config = parse_config({"credentials": {**CREDENTIALS, "client_id": None}, "start_date": "2020"})

    assert config == parse_config({"credentials": CREDENTIALS})


def test_token_without_method() -> None:
    """A token alone means signing in with it."""
    assert parse_config({"credentials": {"api_key": TOKEN}}).credentials.auth_method == "api_key"


@pytest.mark.parametrize("pasted", [f" {TOKEN}", f"{TOKEN}\n", f"\t{TOKEN}\r\n"])
def test_space_around_a_token(pasted: str) -> None:
    """Space around a pasted token is removed."""
    credentials = parse_config({"credentials": {"api_key": pasted}}).credentials

    assert credentials == PersonalAccessToken(api_key=TOKEN)


def test_space_around_entries() -> None:
    """Space around ids and names is removed."""
    assert parse_config({"credentials": CREDENTIALS, "base_ids": [" Sales "]}).base_ids == (
        "Sales",
    )


@pytest.mark.parametrize("inner", ["\n", "\r\n", " ", "\0", "…", "\u00a0"])
def test_token_that_no_header_holds(inner: str) -> None:
    """A token with a line break or the like inside is refused, and not quoted."""
    refusal = refusal_of(credentials={"api_key": f"pat{inner}0123"})

    assert refusal.facts["setting"] == "credentials.api_key"
    assert "0123" not in f"{refusal} {refusal.internal_message} {refusal.__cause__}"


@pytest.mark.parametrize("credentials", [{}, {"api_key": ""}, {"api_key": " "}, {"api_key": None}])
def test_no_token(credentials: dict[str, object]) -> None:
    """Without a token the setting is named."""
    assert refusal_of(credentials=credentials).facts["setting"] == "credentials.api_key"


@pytest.mark.parametrize("credentials", [None, TOKEN, [TOKEN]])
def test_no_credentials(credentials: object) -> None:
    """Credentials of another form are refused, and not quoted."""
    refusal = refusal_of(credentials=credentials)

    assert refusal.facts["setting"] == "credentials"
    assert TOKEN not in str(refusal)


def test_oauth() -> None:
    """OAuth needs a client and a refresh token; the rest may be missing, null or empty."""
    credentials = parse_config({"credentials": OAUTH}).credentials

    assert credentials == OauthCredentials(
        auth_method="oauth2.0",
        client_id=OAUTH["client_id"],
        client_secret=None,
        refresh_token=OAUTH["refresh_token"],
        access_token=None,
        token_expiry_date=None,
    )


@pytest.mark.parametrize("name", ["client_secret", "access_token", "token_expiry_date"])
@pytest.mark.parametrize("left_open", [None, "", " "])
def test_oauth_left_open(name: str, left_open: object) -> None:
    """A setting that is null or empty counts as missing."""
    credentials = parse_config({"credentials": {**OAUTH, name: left_open}}).credentials

    assert str(getattr(credentials, name) or "").strip() == ""


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token", "access_token"])
def test_space_around_oauth_settings(name: str) -> None:
    """Space around OAuth's settings is removed."""
    credentials = parse_config({"credentials": {**OAUTH, name: " s3cret\n"}}).credentials

    assert getattr(credentials, name) == "s3cret"


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token", "access_token"])
def test_oauth_setting_that_no_header_holds(name: str) -> None:
    """A setting of OAuth's with a line break inside is refused by its name, and not quoted."""
    refusal = refusal_of(credentials={**OAUTH, name: "s3cret\nvery"})

    assert refusal.facts["setting"] == f"credentials.{name}"
    assert "s3cret" not in f"{refusal} {refusal.internal_message} {refusal.__cause__}"


@pytest.mark.parametrize("name", ["client_id", "refresh_token"])
@pytest.mark.parametrize("empty", ["", " ", None])
def test_oauth_without(name: str, empty: str | None) -> None:
    """An empty client or refresh token is refused by its name."""
    refusal = refusal_of(credentials={**OAUTH, name: empty})

    assert refusal.facts["setting"] == f"credentials.{name}"


@pytest.mark.parametrize("name", ["client_id", "refresh_token"])
def test_oauth_setting_that_is_missing(name: str) -> None:
    """A missing client or refresh token becomes an empty one, so the error names it."""
    rest = {key: setting for key, setting in OAUTH.items() if key != name}

    assert name_missing_token({"credentials": rest}) == {"credentials": {**rest, name: ""}}


def test_complete_settings_are_the_very_same() -> None:
    """Complete settings are not copied, because the connector writes new tokens into them."""
    raw_config = {"credentials": OAUTH}

    assert name_missing_token(raw_config) is raw_config


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("base_ids", "zebra"),
        ("base_ids", {"zebra": 1}),
        ("base_ids.0", [{"zebra": 1}]),
        ("base_ids.0", [""]),
        ("table_ids", 424242),
        ("table_ids.1", ["Contacts", None]),
        ("stream_names", "zebra"),
        ("column_names", ["zebra"]),
        ("on_missing_table", "zebra"),
        ("add_base_id_to_stream_name", "zebra"),
        ("num_workers", "zebra"),
        ("num_workers", 1),
        ("num_workers", 41),
        ("num_workers", 2.5),
        ("transfer_attachment_files", "zebra"),
        ("max_file_megabytes", "large"),
        ("max_file_megabytes", 0.5),
        ("max_file_megabytes", 5000.5),
        ("requests_per_second_per_base", 0),
        ("requests_per_second_per_base", 6),
        ("credentials.auth_method", {"auth_method": "zebra", "api_key": "pat424242"}),
        ("credentials.api_key", {"api_key": 424242}),
    ],
)
def test_wrong_value(name: str, refused: object) -> None:
    """A value of a wrong type or beyond its bounds is refused by its setting's name, unquoted."""
    refusal = refusal_of(**{name.split(".", maxsplit=1)[0]: refused})

    told = f"{refusal} {refusal.internal_message}"
    assert refusal.facts["setting"] == name
    assert [text for text in ("zebra", "424242") if text in told] == []


def test_frozen(config: Config) -> None:
    """Settings do not change during a run."""
    with pytest.raises(ValueError, match="frozen"):
        config.num_workers = 3


def test_pages_in_flight(config: Config) -> None:
    """Each worker may hold a page, and a few more keep the writer busy."""
    assert config.pages_in_flight == 32


def test_legacy_token_is_moved() -> None:
    """A top-level token of older versions moves into the credentials, and the rest stays."""
    migrated = migrate_config({"api_key": TOKEN, "num_workers": 5})

    assert migrated == {"credentials": CREDENTIALS, "num_workers": 5}


def test_migrated_settings_are_usable() -> None:
    """Migrated settings are settings."""
    migrated = migrate_config({"api_key": TOKEN})

    assert migrated is not None
    assert parse_config(migrated).credentials == PersonalAccessToken(api_key=TOKEN)


def test_legacy_token_beside_credentials() -> None:
    """If there are credentials, a legacy token is dropped."""
    migrated = migrate_config({"api_key": "old", "credentials": CREDENTIALS})

    assert migrated == {"credentials": CREDENTIALS}


def test_legacy_token_beside_null() -> None:
    """If the credentials are null, a legacy token moves into them."""
    migrated = migrate_config({"api_key": TOKEN, "credentials": None})

    assert migrated == {"credentials": CREDENTIALS}


def test_migration_leaves_its_input_alone() -> None:
    """Migration gives new settings and does not touch those of the caller."""
    raw_config = {"api_key": TOKEN}
    migrate_config(raw_config)

    assert raw_config == {"api_key": TOKEN}


def test_nothing_to_migrate() -> None:
    """Current settings stay as they are."""
    assert migrate_config({"credentials": CREDENTIALS}) is None
