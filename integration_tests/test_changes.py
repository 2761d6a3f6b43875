"""What changes between discover and read, and while a read is going on.

In mid-read, each table's second page is slow: it is asked for, and not answered yet, when the test
has seen the table's first record and changes what the third page is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.airtable_simulator.errors import to_error
from integration_tests.bases import a_base, a_field, a_record, a_table, record_ids
from integration_tests.connector import a_catalog, a_tenant, without_columns

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import SimulatorProcess
    from integration_tests.connector import Message, Run, Tenant

PAGE_SIZE: Final = 100
RECORDS: Final = 3 * PAGE_SIZE + 5
TEXT_CELL: Final = "twelve"


@dataclass(frozen=True)
class Changed:
    """A read of bases that changed, by what changed."""

    tenant: Tenant
    bases: dict[str, Message]
    run: Run

    def stream(self, name: str) -> str:
        """The stream of a base."""
        return stream_name(self.tenant, self.bases[name])

    def records(self, name: str) -> list[Message]:
        """The records of a base's stream."""
        return self.run.records.get(self.stream(name), [])

    def truth(self, name: str) -> list[str]:
        """The ids of a base's records as they were loaded."""
        return record_ids(self.bases[name]["tables"][0])

    def assert_complete(self, name: str) -> None:
        """Every record arrived once, in order, and the stream has a state."""
        assert [record["_airtable_id"] for record in self.records(name)] == self.truth(name)
        assert self.run.last_statuses[self.stream(name)] == "COMPLETE"
        assert self.stream(name) in self.run.state_streams

    def assert_fails(self, name: str, failure_type: str, *words: str) -> None:
        """The stream failed after its first two pages, with a message of these words."""
        failure = self.run.failure_of(self.stream(name))
        emitted = [record["_airtable_id"] for record in self.records(name)]

        assert failure["failure_type"] == failure_type
        assert [word for word in words if word not in failure["message"]] == []
        assert emitted == self.truth(name)[: 2 * PAGE_SIZE]
        assert self.run.last_statuses[self.stream(name)] == "INCOMPLETE"
        assert self.stream(name) not in self.run.state_streams


def stream_name(tenant: Tenant, base: Message) -> str:
    """The stream of a base's first table."""
    return tenant.stream_name(base, base["tables"][0])


def a_scored_base(name: str, records: int = RECORDS) -> Message:
    """A base whose table has the number ``Score`` and the text ``Note``."""
    cells = [a_record(Name=f"{name} {at}", Score=at, Note=f"note {at}") for at in range(records)]
    table = a_table("Scores", a_field("Score", "number"), a_field("Note"), records=cells)
    return a_base(name, table)


# Between discover and read.


@pytest.fixture(scope="module")
def before(airtable: SimulatorProcess) -> Changed:
    """A read of bases that changed after they were discovered."""
    names = ("deleted", "renamed", "retyped", "as it was")
    bases = {name: a_scored_base(name, records=3) for name in names}
    tenant = a_tenant(airtable, *bases.values())
    catalog = a_catalog(tenant.connector.discover())
    ids = {name: base["id"] for name, base in bases.items()}
    airtable.admin.delete_field(ids["deleted"], "Scores", "Score")
    airtable.admin.rename_field(ids["renamed"], "Scores", "Score", "Points")
    airtable.admin.retype_field(ids["retyped"], "Scores", "Score", "singleLineText")
    last = bases["retyped"]["tables"][0]["records"][-1]["id"]
    airtable.admin.edit_record(ids["retyped"], "Scores", last, {"Score": TEXT_CELL})
    return Changed(tenant, bases, tenant.connector.read(catalog))


@pytest.mark.parametrize("name", ["deleted", "renamed", "retyped", "as it was"])
def test_field_changed_before_read(before: Changed, name: str) -> None:
    """Every record of every stream arrives once, whatever became of a field."""
    before.assert_complete(name)
    assert (before.run.exit_code, before.run.failures) == (0, [])


def test_field_deleted_before_read(before: Changed) -> None:
    """The column of a deleted field is null, and a warning names it."""
    cells = [record.get("score") for record in before.records("deleted")]

    assert cells == [None, None, None]
    assert any(before.stream("deleted") in line and "score" in line for line in before.run.warnings)


def test_field_renamed_before_read(before: Changed) -> None:
    """The column of a renamed field goes on being filled."""
    assert [record["score"] for record in before.records("renamed")] == [0, 1, 2]


def test_field_retyped_before_read(before: Changed) -> None:
    """A cell of the new type that does not fit the old column is null, and kept beside."""
    first, second, third = before.records("retyped")

    assert (first["score"], second["score"], third.get("score")) == (0, 1, None)
    assert third["_airtable_errors"] == {"score": TEXT_CELL}


# During the read.


@pytest.fixture(scope="module")
def during(airtable: SimulatorProcess) -> Changed:
    """A read of bases that change when two of four pages of each have been asked for."""
    names = (
        *("field deleted", "selected field deleted", "field renamed", "field retyped"),
        *("table deleted", "base unshared", "as it was"),
    )
    bases = {name: a_scored_base(name) for name in names}
    tenant = a_tenant(airtable, *bases.values())
    streams = {stream["name"]: stream for stream in tenant.connector.discover()}
    narrow = stream_name(tenant, bases["selected field deleted"])
    streams[narrow] = without_columns(streams[narrow], "note")
    admin = airtable.admin
    ids = {name: base["id"] for name, base in bases.items()}
    for base_id in ids.values():
        admin.plan_fault("list_records", "hold", base=base_id, page=2)
    # Where all fields are wanted none is named, so that Airtable has nothing to refuse by itself.
    unknown_field = to_error("UNKNOWN_FIELD_NAME", "Unknown field name")
    admin.plan_fault(
        "list_records", "status", base=ids["field deleted"], page=3, status=422, body=unknown_field
    )
    catalog = a_catalog(list(streams.values()))
    admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        live.go_on_until(lambda: admin.stats()["faults"].get("hold") == len(bases))
        admin.delete_field(ids["field deleted"], "Scores", "Score")
        admin.delete_field(ids["selected field deleted"], "Scores", "Score")
        admin.rename_field(ids["field renamed"], "Scores", "Score", "Points")
        admin.retype_field(ids["field retyped"], "Scores", "Score", "singleLineText")
        last = bases["field retyped"]["tables"][0]["records"][-1]["id"]
        admin.edit_record(ids["field retyped"], "Scores", last, {"Score": TEXT_CELL})
        admin.delete_table(ids["table deleted"], "Scores")
        admin.unshare_base(ids["base unshared"])
        admin.release_answers()
        run = live.whole()
    admin.clear_faults()
    return Changed(tenant, bases, run)


@pytest.mark.parametrize(
    "name",
    ["field deleted", "selected field deleted", "field renamed", "field retyped", "as it was"],
)
def test_complete_in_spite_of_change_during_read(during: Changed, name: str) -> None:
    """A stream whose fields change is complete, as is one beside them: every record once."""
    during.assert_complete(name)


@pytest.mark.parametrize("name", ["field deleted", "selected field deleted"])
def test_field_deleted_during_read(during: Changed, name: str) -> None:
    """From the page on that refuses the field its column is null, and a warning says why."""
    scores = [record.get("score") for record in during.records(name)]
    notes = [record.get("note") for record in during.records(name)]
    kept = [f"note {at}" for at in range(RECORDS)] if name == "field deleted" else [None] * RECORDS

    assert scores[:PAGE_SIZE] == list(range(PAGE_SIZE))
    assert scores[2 * PAGE_SIZE :] == [None] * (RECORDS - 2 * PAGE_SIZE)
    assert notes == kept
    assert any(
        during.stream(name) in line and "fields were deleted" in line
        for line in during.run.warnings
    )


def test_field_renamed_during_read(during: Changed) -> None:
    """A field that is renamed goes on filling its column."""
    scores = [record["score"] for record in during.records("field renamed")]

    assert scores == list(range(RECORDS))


def test_field_retyped_during_read(during: Changed) -> None:
    """A cell of the new type that does not fit the old column is null, and kept beside."""
    last = during.records("field retyped")[-1]

    assert last.get("score") is None
    assert last["_airtable_errors"] == {"score": TEXT_CELL}


def test_table_deleted_during_read(during: Changed) -> None:
    """A table that is deleted ends its stream alone, as the user's to mend, by its name."""
    table = during.bases["table deleted"]["tables"][0]
    words = ("deleted", "Refresh", table["id"], table["name"], "on_missing_table")

    during.assert_fails("table deleted", "config_error", *words)


def test_base_unshared_during_read(during: Changed) -> None:
    """A base that is no longer shared ends its stream alone, and the user reads where to share."""
    words = ("Share the base", during.bases["base unshared"]["id"])

    during.assert_fails("base unshared", "config_error", *words)
    assert during.run.exit_code == 1


@pytest.fixture(scope="module")
def revoked(airtable: SimulatorProcess) -> Changed:
    """A read whose token is revoked when one table is complete and two are on their way."""
    names = ("complete", "on its way", "on its way too")
    bases = {name: a_scored_base(name, records=RECORDS) for name in names[1:]}
    bases |= {"complete": a_scored_base("complete", records=3)}
    tenant = a_tenant(airtable, *bases.values())
    catalog = a_catalog(tenant.connector.discover())
    for name in names[1:]:
        airtable.admin.plan_fault("list_records", "hold", base=bases[name]["id"], page=2)
    complete = f"{bases['complete']['id']}/{bases['complete']['tables'][0]['id']}"

    def is_on_its_way() -> bool:
        stats = airtable.admin.stats()
        return stats["faults"].get("hold") == 2 and complete in stats["by_table"]

    airtable.admin.reset_stats()
    with tenant.connector.started("read", catalog=catalog, on_fast_clock=True) as live:
        live.go_on_until(is_on_its_way)
        airtable.admin.revoke_token(tenant.token)
        airtable.admin.release_answers()
        run = live.whole()
    airtable.admin.clear_faults()
    return Changed(tenant, bases, run)


@pytest.mark.parametrize("name", ["on its way", "on its way too"])
def test_token_revoked_during_read(revoked: Changed, name: str) -> None:
    """Each stream on its way ends, and its user is told to make a new token."""
    revoked.assert_fails(name, "config_error", "does not accept the access token", "Create a new")


def test_complete_before_the_token_was_revoked(revoked: Changed) -> None:
    """A stream that was complete before stays so; the exit code tells of the others."""
    revoked.assert_complete("complete")
    assert revoked.run.exit_code == 1
