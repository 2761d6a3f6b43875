"""`spec.json` and `Config` describe the same settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jsonschema
import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer

import source_airtable
from source_airtable.api import connection
from source_airtable.api.scopes import COMMENTS_SCOPE, RECORDS_SCOPE, SCHEMA_SCOPE
from source_airtable.config import (
    Config,
    OauthCredentials,
    PersonalAccessToken,
    TableFilterSetting,
    parse_config,
)
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
CODE: dict[str, Any] = Config.model_json_schema()
CREDENTIALS = {"auth_method": "api_key", "api_key": TOKEN}
OAUTH_SETTINGS: tuple[object, ...] = ("text", 7, [])
OAUTH_CREDENTIALS = {"auth_method": "oauth2.0", "client_id": "id", "refresh_token": "token"}
FILTERS: tuple[object, ...] = ([], {}, ["Orders"], [{}], "Orders")
TEXTS: tuple[object, ...] = ("", "text", 7, [])
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


def leaves_of(form: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """The settings of a form by their dotted paths, those inside of objects included."""
    if "$ref" in form:
        form = CODE["$defs"][form["$ref"].rsplit("/", 1)[1]]
    if "properties" not in form:
        return {path: form}
    return {
        inner_path: inner
        for name, part in form["properties"].items()
        for inner_path, inner in leaves_of(part, f"{path}.{name}".lstrip(".")).items()
    }


FORM_LEAVES = leaves_of(
    {"properties": {name: form for name, form in PROPERTIES.items() if name != "credentials"}}
)
CODE_LEAVES = leaves_of(
    {"properties": {name: part for name, part in CODE["properties"].items() if name in PROPERTIES}}
)
FORMS = [CONNECTION, *(form for form in PROPERTIES.values() if "properties" in form)]


def settings_with(path: str, setting: object) -> dict[str, Any]:
    """Settings with a token, and one setting by its dotted path."""
    outer, _, inner = path.partition(".")
    return {"credentials": CREDENTIALS, outer: {inner: setting} if inner else setting}


def test_airbyte_accepts_it() -> None:
    """Airbyte's own model of a spec reads it."""
    specification = ConnectorSpecificationSerializer.load(SPEC)

    assert specification.connectionSpecification == CONNECTION


def test_json_schema_is_valid() -> None:
    """The form's schema is a JSON schema of draft 7."""
    jsonschema.Draft7Validator.check_schema(CONNECTION)

    assert CONNECTION["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_names() -> None:
    """The form has the same settings as the code."""
    assert set(PROPERTIES) == set(Config.model_fields)


def test_names_inside_of_settings() -> None:
    """The form has the same nested settings as the code."""
    code = {path for path in CODE_LEAVES if not path.startswith("credentials")}

    assert set(FORM_LEAVES) == code
    assert "incremental.method" in code


@pytest.mark.parametrize("path", FORM_LEAVES)
def test_constraints(path: str) -> None:
    """Type, choices, bounds and default of a setting are the same in the form and in the code."""
    form = {key: FORM_LEAVES[path][key] for key in CONSTRAINTS if key in FORM_LEAVES[path]}
    code = {key: CODE_LEAVES[path][key] for key in CONSTRAINTS if key in CODE_LEAVES[path]}

    assert form == code
    assert "default" in form


def test_required() -> None:
    """The form requires nothing, because a legacy token is not in the form."""
    assert (CONNECTION["required"], CODE["required"]) == (
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
    ("path", "setting"),
    [
        *[(name, entries) for name in ("base_ids", "table_ids") for entries in ([], ["a"], [7], 7)],
        *[
            (name, choice)
            for name in ("stream_names", "column_names", "on_missing_table")
            for choice in ("names", "ids", "fail", "skip", "", 7)
        ],
        *[("add_base_id_to_stream_name", setting) for setting in (True, False, "maybe", 7)],
        *[("link_names", setting) for setting in (True, False, "maybe", 7)],
        *[("transfer_attachment_files", setting) for setting in (True, False, "maybe", 7)],
        *[("num_workers", wanted) for wanted in (1, 2, 25, 40, 41, 2.5, "many")],
        *[("max_file_megabytes", wanted) for wanted in (0, 1, 12.5, 5000, 5001, "many")],
        *[("requests_per_second_per_base", wanted) for wanted in (0, 1, 5, 6, 1.5, "many")],
        *[("table_filters", entries) for entries in FILTERS],
        *[
            ("table_filters", [{"table": "Orders", "view": "All", "formula": "TRUE()", name: text}])
            for name in ("table", "view", "formula")
            for text in TEXTS
        ],
        ("table_filters", [{"view": "All"}]),
        ("incremental", {}),
        ("incremental", []),
        ("incremental", "daily"),
        ("incremental", {"method": "created_time"}),
        *[
            ("incremental.method", method)
            for method in ("last_modified", "created_time", "webhooks", "snapshots", "", 7)
        ],
        *[("incremental.lookback_minutes", n) for n in (0, 0.99, 1, 1.5, 60, -1, "an hour")],
        *[
            (f"incremental.{name}", hours)
            for name in ("full_rescan_hours", "deletion_sweep_hours")
            for hours in (-0.1, 0, 0.5, 24, 9_000, "daily")
        ],
        *[
            (f"incremental.{name}", setting)
            for name in ("detect_deletions", "webhooks_report_computed_cells")
            for setting in (True, False, "maybe", 7)
        ],
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
def test_both_accept_the_same(path: str, setting: object) -> None:
    """The form and the code accept the same settings."""
    settings = settings_with(path, setting)
    try:
        parse_config(settings)
        is_accepted = True
    except InvalidConfigError:
        is_accepted = False

    assert is_accepted == jsonschema.Draft7Validator(CONNECTION).is_valid(settings)


@pytest.mark.parametrize("path", FORM_LEAVES)
def test_examples(path: str) -> None:
    """The code accepts the examples of the form."""
    form = FORM_LEAVES[path]
    examples = form.get("examples", [])
    settings = [[example] for example in examples] if form["type"] == "array" else examples
    taken = []
    for setting in settings:
        part: Any = parse_config(settings_with(path, setting)).model_dump(mode="json")
        for name in path.split("."):
            part = part[name]
        taken.append(part)

    assert taken == settings


def test_entries_of_filters() -> None:
    """A filter has the same parts in the form and in the code, and the code takes the examples."""
    form = PROPERTIES["table_filters"]["items"]
    code = TableFilterSetting.model_json_schema()
    examples = [
        {"table": "Orders", "view": "All", name: example}
        for name, part in form["properties"].items()
        for example in part["examples"]
    ]

    assert list(form["properties"]) == list(code["properties"])
    assert form["required"] == code["required"]
    assert [part["order"] for part in form["properties"].values()] == [0, 1, 2]
    assert len(parse_config(settings_with("table_filters", examples)).table_filters) == 5


def test_secrets_are_marked() -> None:
    """Every setting that can hold a secret is masked."""
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
    [*FORMS, PERSONAL_ACCESS_TOKEN, OAUTH],
    ids=lambda form: form["title"],
)
def test_order(form: dict[str, Any]) -> None:
    """The order of the form has no gaps, and no two settings share a place."""
    orders = [inner["order"] for name, inner in form["properties"].items() if name != "auth_method"]

    assert orders == list(range(len(orders)))


def test_groups() -> None:
    """Each setting is in a group that the form has, and each group has settings."""
    groups = [group["id"] for group in CONNECTION["groups"]]

    assert {form["group"] for form in PROPERTIES.values()} == set(groups)
    assert len(groups) == len(set(groups))


def test_order_of_groups() -> None:
    """The order of the settings is that of their groups, and rare settings come last."""
    groups = [group["id"] for group in CONNECTION["groups"]]
    in_order = sorted(PROPERTIES.values(), key=lambda form: int(form["order"]))

    assert list(dict.fromkeys(form["group"] for form in in_order)) == groups
    assert groups[-1] == "advanced"


def test_every_setting_is_explained() -> None:
    """Each setting has a title and a description, those inside of others included."""
    assert [
        name
        for form in FORMS
        for name, inner in form["properties"].items()
        if not (inner.get("title") and inner.get("description"))
    ] == []


def test_oauth_flow_points_at_the_form() -> None:
    """Each output of Airbyte's OAuth flow has a setting in the form."""
    flow = SPEC["advanced_auth"]["oauth_config_specification"]
    outputs = {
        **flow["complete_oauth_output_specification"]["properties"],
        **flow["complete_oauth_server_output_specification"]["properties"],
    }

    assert {tuple(out["path_in_connector_config"]) for out in outputs.values()} == {
        ("credentials", name) for name in OAUTH["properties"] if name != "auth_method"
    }


def test_oauth_flow_asks_for_scopes() -> None:
    """Airbyte's flow asks for the connector's scopes, and Airbyte's model of a spec keeps them."""
    specification = ConnectorSpecificationSerializer.load(SPEC)
    auth = specification.advanced_auth
    flow = auth.oauth_config_specification if auth else None
    asked = flow.oauth_connector_input_specification if flow else None

    assert asked is not None
    assert set((asked.scope or "").split()) == {SCHEMA_SCOPE, RECORDS_SCOPE, COMMENTS_SCOPE}
    assert asked.access_token_url == connection.token_url()
