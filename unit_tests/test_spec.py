"""`spec.json` says to a person what `Config` accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jsonschema
import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer

import source_airtable
from source_airtable.api import connection
from source_airtable.config import Config, OauthCredentials, PersonalAccessToken, parse_config
from source_airtable.errors import InvalidConfigError
from unit_tests.builders import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = cast(
    "dict[str, Any]",
    json.loads((Path(source_airtable.__file__).parent / "spec.json").read_text("utf-8")),
)
CONNECTION = SPEC["connectionSpecification"]
PROPERTIES: dict[str, Any] = CONNECTION["properties"]
PERSONAL_ACCESS_TOKEN, OAUTH = PROPERTIES["credentials"]["oneOf"]
CONFIG: dict[str, Any] = Config.model_json_schema()["properties"]
CREDENTIALS = {"auth_method": "api_key", "api_key": TOKEN}
OAUTH_SETTINGS: tuple[object, ...] = ("text", 7, [])
OAUTH_CREDENTIALS = {"auth_method": "oauth2.0", "client_id": "id", "refresh_token": "token"}
CONSTRAINTS = ("type", "enum", "minimum", "maximum", "default")


def objects_in(json_schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Every object schema in a schema, itself included."""
    if isinstance(json_schema, dict):
        if "properties" in json_schema:
            yield json_schema
        for inner in json_schema.values():
            yield from objects_in(inner)
    elif isinstance(json_schema, list):
        for inner in json_schema:
            yield from objects_in(inner)


def test_airbyte_accepts_it() -> None:
    """Airbyte's own model of a spec reads it."""
    specification = ConnectorSpecificationSerializer.load(SPEC)

    assert specification.connectionSpecification == CONNECTION


def test_json_schema_is_valid() -> None:
    """The form's schema is a JSON schema of draft 7."""
    jsonschema.Draft7Validator.check_schema(CONNECTION)

    assert CONNECTION["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_names() -> None:
    """The form asks for what the settings have, and for nothing else."""
    assert set(PROPERTIES) == set(Config.model_fields)


@pytest.mark.parametrize("name", [name for name in PROPERTIES if name != "credentials"])
def test_constraints(name: str) -> None:
    """Type, choices, bounds and default of a setting are the same in the form and in the code."""
    form = {key: PROPERTIES[name][key] for key in CONSTRAINTS if key in PROPERTIES[name]}
    code = {key: CONFIG[name][key] for key in CONSTRAINTS if key in CONFIG[name]}

    assert form == code


def test_required() -> None:
    """The form requires nothing, for a legacy token stands where the form has no place for it."""
    assert (CONNECTION["required"], Config.model_json_schema()["required"]) == (
        [],
        ["credentials"],
    )


def test_token_method() -> None:
    """The form's token method has the names, the constant and the need of the code's."""
    code = PersonalAccessToken.model_json_schema()

    assert set(PERSONAL_ACCESS_TOKEN["properties"]) == set(code["properties"])
    assert PERSONAL_ACCESS_TOKEN["required"] == code["required"]
    assert (
        PERSONAL_ACCESS_TOKEN["properties"]["auth_method"]["const"]
        == (code["properties"]["auth_method"]["const"])
    )


def test_oauth_method() -> None:
    """The form's OAuth method has the names, the constant and the needs of the code's."""
    code = OauthCredentials.model_json_schema()

    assert set(OAUTH["properties"]) == set(code["properties"])
    assert set(OAUTH["required"]) == set(code["required"])
    assert (
        OAUTH["properties"]["auth_method"]["const"] == (code["properties"]["auth_method"]["const"])
    )


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *[(name, entries) for name in ("base_ids", "table_ids") for entries in ([], ["a"], [7], 7)],
        *[
            (name, choice)
            for name in ("stream_names", "column_names", "on_missing_table")
            for choice in ("names", "ids", "fail", "skip", "", 7)
        ],
        *[("add_base_id_to_stream_name", setting) for setting in (True, False, "maybe", 7)],
        *[("num_workers", number) for number in (1, 2, 25, 40, 41, 2.5, "many")],
        *[("requests_per_second_per_base", number) for number in (0, 1, 5, 6, 1.5, "many")],
        ("credentials", {"api_key": TOKEN}),
        ("credentials", {"auth_method": "api_key"}),
        ("credentials", {"auth_method": "password", "api_key": TOKEN}),
        ("credentials", TOKEN),
        *[
            ("credentials", {**OAUTH_CREDENTIALS, name: setting})
            for name in OAUTH["properties"]
            for setting in OAUTH_SETTINGS
        ],
        *[
            ("credentials", {key: text for key, text in OAUTH_CREDENTIALS.items() if key != name})
            for name in OAUTH_CREDENTIALS
        ],
    ],
)
def test_both_accept_the_same(name: str, setting: object) -> None:
    """What the form lets through the code takes, and what the form refuses the code refuses."""
    settings = {"credentials": CREDENTIALS, name: setting}
    try:
        parse_config(settings)
        is_accepted = True
    except InvalidConfigError:
        is_accepted = False

    assert is_accepted == jsonschema.Draft7Validator(CONNECTION).is_valid(settings)


@pytest.mark.parametrize("name", [name for name in PROPERTIES if name != "credentials"])
def test_examples(name: str) -> None:
    """The examples that the form gives are settings that the code takes as they are."""
    form = PROPERTIES[name]
    examples = form.get("examples", [])
    settings = [[example] for example in examples] if form["type"] == "array" else examples
    taken = [
        parse_config({"credentials": CREDENTIALS, name: setting}).model_dump(mode="json")[name]
        for setting in settings
    ]

    assert taken == settings


def test_secrets_are_marked() -> None:
    """Whatever a token could stand in is masked in logs and hidden in the form."""
    bare = [
        name
        for form in objects_in(CONNECTION)
        for name, inner in form["properties"].items()
        if any(word in name for word in ("key", "token", "secret", "password", "client_id"))
        and name != "token_expiry_date"
        and inner.get("airbyte_secret") is not True
    ]

    assert bare == []


@pytest.mark.parametrize(
    "form",
    [CONNECTION, PERSONAL_ACCESS_TOKEN, OAUTH],
    ids=["settings", "personal access token", "oauth"],
)
def test_order(form: dict[str, Any]) -> None:
    """The form has one order, without gaps and without two settings in one place."""
    orders = [inner["order"] for name, inner in form["properties"].items() if name != "auth_method"]

    assert orders == list(range(len(orders)))


def test_groups() -> None:
    """Each setting is in a group that the form has, and each group has settings."""
    groups = [group["id"] for group in CONNECTION["groups"]]

    assert {form["group"] for form in PROPERTIES.values()} == set(groups)
    assert len(groups) == len(set(groups))


def test_every_setting_is_explained() -> None:
    """Each setting has a title and a description."""
    assert [
        name for name, form in PROPERTIES.items() if not (form["title"] and form["description"])
    ] == []


def test_oauth_flow_points_at_the_form() -> None:
    """Where Airbyte's OAuth flow puts what it gets, the form has a setting."""
    flow = SPEC["advanced_auth"]["oauth_config_specification"]
    outputs = {
        **flow["complete_oauth_output_specification"]["properties"],
        **flow["complete_oauth_server_output_specification"]["properties"],
    }

    assert {tuple(out["path_in_connector_config"]) for out in outputs.values()} == {
        ("credentials", name) for name in OAUTH["properties"] if name != "auth_method"
    }


def test_oauth_flow_asks_for_scopes() -> None:
    """Airbyte's flow asks for what the connector reads, and Airbyte's model of a spec keeps it."""
    specification = ConnectorSpecificationSerializer.load(SPEC)
    auth = specification.advanced_auth
    flow = auth.oauth_config_specification if auth else None
    asked = flow.oauth_connector_input_specification if flow else None

    assert asked is not None
    assert {"data.records:read", "schema.bases:read"} < set((asked.scope or "").split())
    assert asked.access_token_url == connection.token_url()
