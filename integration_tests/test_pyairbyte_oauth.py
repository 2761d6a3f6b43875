"""PyAirbyte with OAuth: tokens that end in mid-sync come to its ``config_change_callback``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.bases import a_base, a_table, record_ids
from integration_tests.pyairbyte_program import needs_pyairbyte, read_with_pyairbyte, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message

pytestmark = needs_pyairbyte

CLIENT_ID: Final = "client-id-pyairbyte"
CLIENT_SECRET: Final = "client-secret-5523"  # noqa: S105 - of no account
BASES: Final = [
    a_base(f"Oauth {number}", *(a_table(f"Table {place}", records=320) for place in range(2)))
    for number in range(3)
]
WORKERS: Final = 8
REFUSED: Final = [
    {"kind": "base_schema", "base": BASES[0]["id"]},
    *(
        {"kind": "list_records", "table": BASES[1]["tables"][0]["id"], "page": page}
        for page in (2, 3, 4)
    ),
]
"""The calls of a read at which its token ends, one after the other however workers come along."""
TOKENS_END: Final = {
    "faults": [{"match": call, "action": {"kind": "status", "status": 401}} for call in REFUSED]
}
READ: Final = {"database": "oauth.duckdb", "before": [["plan_faults", TOKENS_END]]}
FULL_READ: Final = {**READ, "full": True}


def a_signed_in_config(airtable: SimulatorProcess, *, has_access_token: bool = True) -> Message:
    """Settings with the tokens of a new grant of the bases, or with its refresh token alone."""
    grant = airtable.admin.add_oauth_grant(CLIENT_ID, base_ids=[base["id"] for base in BASES])
    credentials = {
        "auth_method": "oauth2.0",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": grant["refresh_token"],
    }
    if has_access_token:
        credentials["access_token"] = grant["access_token"]
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        credentials["token_expiry_date"] = later.isoformat()
    return {"credentials": credentials, "num_workers": WORKERS}


@pytest.fixture(scope="module")
def granted(airtable: SimulatorProcess) -> Iterator[SimulatorProcess]:
    """The bases, and a client."""
    airtable.admin.load({"bases": BASES})
    airtable.admin.add_oauth_client(CLIENT_ID, CLIENT_SECRET)
    yield airtable
    airtable.admin.clear_faults()


@pytest.fixture(scope="module")
def config(granted: SimulatorProcess) -> Message:
    """The settings that all begins with."""
    return a_signed_in_config(granted)


@pytest.fixture(scope="module")
def sources(
    granted: SimulatorProcess, config: Message, tmp_path_factory: pytest.TempPathFactory
) -> list[Message]:
    """A source that reads, one with the settings saved last, and one with the first ones again.

    A fourth one has a grant of its own, and does not go on with the settings that it saves.
    """
    return read_with_pyairbyte(
        granted.url,
        tmp_path_factory.mktemp("oauth"),
        {"config": config, "adopts": True, "steps": [READ]},
        {"adopts": True, "steps": [FULL_READ]},
        {"config": config, "adopts": True, "steps": [READ]},
        {
            "config": a_signed_in_config(granted, has_access_token=False),
            "adopts": False,
            "steps": [READ],
        },
    )


def arrived(read: Message) -> list[str]:
    """The ids of all records in DuckDB, sorted."""
    return sorted(row["_airtable_id"] for _, rows in tables_of(read).values() for row in rows)


ALL_IDS: Final = sorted(
    record_id for base in BASES for table in base["tables"] for record_id in record_ids(table)
)


def test_tokens_that_end_in_mid_sync(sources: list[Message]) -> None:
    """Tokens that end several times in a sync cost no record."""
    first = sources[0]

    assert first["failure"] is None
    assert [arrived(read) for read in first["reads"]] == [ALL_IDS]
    assert first["reads"][0]["renewals"] == len(REFUSED)


def test_callback_gets_every_renewal(sources: list[Message], config: Message) -> None:
    """Each renewal comes to the callback once, with the whole settings and new tokens."""
    saved = sources[0]["saved"]
    tokens = [one["credentials"]["refresh_token"] for one in (config, *saved)]
    renewed = {"refresh_token", "access_token", "token_expiry_date"}

    assert len(set(tokens)) == len(tokens) == 1 + len(REFUSED)
    for one in saved:
        kept = {key: one["credentials"][key] for key in one["credentials"].keys() - renewed}

        assert kept == {
            key: config["credentials"][key] for key in config["credentials"].keys() - renewed
        }
        assert one["num_workers"] == WORKERS


def test_next_source_begins_with_saved_settings(sources: list[Message]) -> None:
    """A new source with the settings that were saved last reads everything."""
    second = sources[1]

    assert second["failure"] is None
    assert [read["processed"] for read in second["reads"]] == [len(ALL_IDS)]
    assert arrived(second["reads"][0]) == ALL_IDS


def test_first_settings_are_spent(sources: list[Message]) -> None:
    """A source with the settings from before the renewals says that the grant is lost."""
    third = sources[2]

    assert (third["reads"], third["saved"]) == ([], [])
    assert "Re-authenticate" in third["failure"]
    assert "error type: invalid_grant" in third["failure"]


def test_source_must_adopt_what_it_saves(sources: list[Message]) -> None:
    """PyAirbyte gives each command the settings it began with, unless the callback sets them."""
    fourth = sources[3]

    assert (len(fourth["saved"]), fourth["reads"]) == (1, [])
    assert "error type: invalid_grant" in fourth["failure"]
