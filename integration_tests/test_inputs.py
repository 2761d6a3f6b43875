"""Files and settings that cannot be used end with a sentence that says which, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.bases import a_base, a_table
from integration_tests.connector import Run, a_catalog, a_config, a_tenant
from integration_tests.forked_connector import shared_forks

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.airtable_simulator import SimulatorProcess

STREAM: Final = {
    "stream": {"name": "plain/notes", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
    "sync_mode": "full_refresh",
    "destination_sync_mode": "append",
}
BARE: Final = {"name": "plain/notes", "supported_sync_modes": ["full_refresh"]}
STATE: Final = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "plain/notes"}}}
CATALOGS: Final[dict[str, tuple[Any, tuple[str, ...]]]] = {
    "no JSON": ("{streams", ("--catalog", "does not hold JSON")),
    "a list": ([], ("--catalog", "no list of streams")),
    "no streams": ({}, ("--catalog", "no list of streams")),
    "streams of text": ({"streams": ["notes"]}, ("--catalog", "number 1", "no name")),
    "unknown mode": (
        {"streams": [{**STREAM, "sync_mode": "sideways"}]},
        ("--catalog", "plain/notes", "sync_mode"),
    ),
    "no json_schema": (
        {"streams": [{**STREAM, "stream": BARE}]},
        ("--catalog", "plain/notes", "json_schema"),
    ),
}
STATES: Final[dict[str, tuple[Any, tuple[str, ...]]]] = {
    "no JSON": ("[{", ("--state", "does not hold JSON")),
    "an object": ({"plain/notes": {"as_of": 1}}, ("--state", "not a list")),
    "unknown type": ([{**STATE, "type": "SIDEWAYS"}], ("--state", "plain/notes", "type")),
    "no stream": ([{"type": "STREAM"}], ("--state", "number 1", "no stream")),
    "a text": (["text"], ("--state", "number 1")),
}


def read(api_url: str, folder: Path, **files: Any) -> Run:  # noqa: ANN401 - any content
    """A read with files of any content: text as it is, the rest as JSON."""
    arguments = ["read"]
    for name, content in files.items():
        path = folder / f"{name}.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, "utf-8")
        arguments += [f"--{name}", str(path)]
    environment = {"AIRTABLE_API_URL": api_url, "NO_PROXY": "127.0.0.1"}
    return shared_forks(is_fast=True).run(arguments, environment)


def assert_named(run: Run, words: tuple[str, ...]) -> None:
    """The run ends with one failure that a person must mend, and that says these words."""
    assert run.exit_code == 1
    (failure,) = run.failures
    assert failure["failure_type"] == "config_error"
    assert [word for word in words if word not in failure["message"]] == [], failure["message"]
    assert "Something went wrong" not in failure["message"]


@pytest.mark.parametrize("name", CATALOGS)
def test_unusable_catalog(airtable: SimulatorProcess, tmp_path: Path, name: str) -> None:
    """A catalog that cannot be used is named, with the stream and what is wrong."""
    content, words = CATALOGS[name]
    run = read(airtable.url, tmp_path, config=a_config("patInputs.secret"), catalog=content)

    assert_named(run, words)


@pytest.mark.parametrize("name", STATES)
def test_unusable_state(airtable: SimulatorProcess, tmp_path: Path, name: str) -> None:
    """A state that cannot be used is named, with the stream and what is wrong."""
    content, words = STATES[name]
    config = a_config("patInputs.secret")
    run = read(airtable.url, tmp_path, config=config, catalog={"streams": [STREAM]}, state=content)

    assert_named(run, words)


def test_null_token_of_an_older_version(airtable: SimulatorProcess) -> None:
    """A top-level token that is null counts for nothing beside a token, and is not saved."""
    tenant = a_tenant(airtable, a_base("Plain", a_table("Notes")), api_key=None)
    run = tenant.connector.run("check", on_fast_clock=True)

    assert run.connection_status == "SUCCEEDED"
    assert run.of_type("CONTROL") == []


def test_null_token_beside_oauth(airtable: SimulatorProcess) -> None:
    """A top-level token that is null does not stand in OAuth's way, and no null token is saved."""
    airtable.admin.add_oauth_client("inputs", "client-secret-of-inputs")
    bases = airtable.admin.load({"bases": [base := a_base("Plain", a_table("Notes"))]})
    grant = airtable.admin.add_oauth_grant("inputs", base_ids=bases)
    tenant = a_tenant(airtable, base)
    credentials = {
        "auth_method": "oauth2.0",
        "client_id": "inputs",
        "client_secret": "client-secret-of-inputs",
        "refresh_token": grant["refresh_token"],
    }
    connector = tenant.connector_with(api_key=None, credentials=credentials)
    run = connector.read(a_catalog(tenant.connector.discover()), on_fast_clock=True)
    saved = [control["connectorConfig"]["config"] for control in run.of_type("CONTROL")]

    assert run.exit_code == 0, run.failures
    assert [
        config for config in saved if None in (*config.values(), *config["credentials"].values())
    ] == []


def test_null_token_alone(airtable: SimulatorProcess) -> None:
    """Where the only token is null, a failure names the setting, and no null token is saved."""
    tenant = a_tenant(airtable, a_base("Plain", a_table("Notes")))
    run = tenant.connector_with(api_key=None, credentials=None).run("check", on_fast_clock=True)

    assert run.of_type("CONTROL") == []
    assert "credentials" in json.dumps(run.failures or run.of_type("CONNECTION_STATUS"))
