"""What ``discover`` gives: a catalog from anything that Airtable shows, in the fewest calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.bases import a_base, a_field, a_table
from integration_tests.connector import Connector, a_config, a_tenant, clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run, Tenant

TEXT: Final = ["null", "string"]
LONG_NAME: Final = "x" * 255


@dataclass(frozen=True)
class Discovered:
    """A run of discover, and what the simulator counted meanwhile."""

    tenant: Tenant
    run: Run
    stats: Message

    def properties(self, table: Message) -> Message:
        """The columns of a table's stream, without the system columns."""
        (stream,) = (each for each in self.run.streams if each["name"].endswith(table["id"]))
        columns: Message = stream["json_schema"]["properties"]
        return {name: given for name, given in columns.items() if "x-airtable" in given}

    def column(self, field: Message) -> tuple[str, Message]:
        """The name and the JSON schema of a field's column."""
        (found,) = (
            (name, given)
            for stream in self.run.streams
            for name, given in stream["json_schema"]["properties"].items()
            if given.get("x-airtable", {}).get("field_id") == field["id"]
        )
        return found


def a_discovery(simulator: SimulatorProcess, *bases: Message, **settings: Any) -> Discovered:  # noqa: ANN401 - settings are JSON
    """Discover bases that are put up for it."""
    tenant = a_tenant(simulator, *bases, **settings)
    simulator.admin.reset_stats()
    run = tenant.connector.run("discover")
    return Discovered(tenant, run, simulator.admin.stats())


# Odd fields.

NO_OPTIONS: Final = {
    "formula": a_field("Formula without options", "formula"),
    "rollup": a_field("Rollup with null", "rollup", options=None),
    "lookup": a_field("Lookup of nothing", "multipleLookupValues", options={"result": None}),
    "createdTime": a_field("Created without result", "createdTime", options={}),
    "select": a_field("Select without choices", "singleSelect", options=None),
}
INVALID: Final = {
    name: a_field(f"Invalid {name}", name, options={"isValid": False, "result": {"type": "number"}})
    for name in ("formula", "rollup", "multipleLookupValues", "count")
}
UNKNOWN_TYPE: Final = a_field("From the future", "holographicScan", options={"depth": 4})
NO_TYPE: Final = {"id": "fldNoTypeAtAll0000"[:17], "name": "No type"}
SAME_NAMES: Final = [a_field("Due Date", "date"), a_field("due date"), a_field("Due-Date")]
OTHER_SCRIPTS: Final = [a_field("名前"), a_field("住所")]
LIKE_SYSTEM: Final = a_field("_airtable_id")
EMOJI_FIELD: Final = a_field("\U0001f4e6 Box")

ODD: Final = a_base(
    "Odd fields",
    a_table("Options", *NO_OPTIONS.values(), *INVALID.values(), UNKNOWN_TYPE, NO_TYPE),
    a_table("Names", *SAME_NAMES, *OTHER_SCRIPTS, LIKE_SYSTEM, EMOJI_FIELD),
    a_table("Wide", *[a_field(f"Field {number}") for number in range(1, 494)]),
)
UNREADABLE: Final = a_base("Behind a wall", a_table("Any"))
INTERFACE_ONLY: Final = a_base("Interface only", a_table("Any"), permissionLevel="none")


@pytest.fixture(scope="module")
def odd(airtable: SimulatorProcess) -> Iterator[Discovered]:
    """A discovery of odd fields, beside a base that is refused and one without a role."""
    airtable.admin.plan_fault(
        "base_schema", "status", base=UNREADABLE["id"], status=403, times=None
    )
    yield a_discovery(airtable, ODD, UNREADABLE, INTERFACE_ONLY)
    airtable.admin.clear_faults()


def test_catalog_comes_out(odd: Discovered) -> None:
    """A catalog of every readable table comes out, whatever else is odd."""
    names = [clean(table["name"]) for table in ODD["tables"]]

    assert (odd.run.exit_code, odd.run.failures) == (0, [])
    assert [stream["name"].split("/")[1] for stream in odd.run.streams] == names


def test_one_call_and_one_for_each_base(odd: Discovered) -> None:
    """Discovery costs one call for the list and one for each base with a role, none for records."""
    assert odd.stats["by_kind"] == {"list_bases": 1, "base_schema": 2}


@pytest.mark.parametrize("base", [UNREADABLE, INTERFACE_ONLY], ids=["refused", "interface only"])
def test_unreadable_base_is_named(odd: Discovered, base: Message) -> None:
    """A base that cannot be read is skipped with a warning that names it by name and id."""
    fitting = [line for line in odd.run.warnings if base["name"] in line and base["id"] in line]

    assert len(fitting) == 1


@pytest.mark.parametrize("name", [name for name in NO_OPTIONS if name != "select"])
def test_options_missing_or_null(odd: Discovered, name: str) -> None:
    """A computed field whose options do not say what it holds is text."""
    _, given = odd.column(NO_OPTIONS[name])

    assert given["type"] == TEXT


@pytest.mark.parametrize("name", INVALID)
def test_invalid_computed_field(odd: Discovered, name: str) -> None:
    """A computed field that Airtable calls invalid is text, whatever its result was once."""
    _, given = odd.column(INVALID[name])

    assert given["type"] == TEXT


@pytest.mark.parametrize("field", [UNKNOWN_TYPE, NO_TYPE], ids=["unknown", "none"])
def test_unknown_field_type(odd: Discovered, field: Message) -> None:
    """A field of a type that nobody knows yet, or of none, is text."""
    _, given = odd.column(field)

    assert given["type"] == TEXT


@pytest.mark.parametrize("field", [*SAME_NAMES, *OTHER_SCRIPTS, LIKE_SYSTEM])
def test_names_that_collide(odd: Discovered, field: Message) -> None:
    """A field whose column a destination would mix up with another has its id in the name."""
    name, _ = odd.column(field)

    assert name == f"{clean(field['name'])}_{field['id']}"


def test_names_that_collide_are_warned_of(odd: Discovered) -> None:
    """A table of which columns had to be suffixed is named in a warning."""
    assert any("Names" in line or "/names/" in line for line in odd.run.warnings)


def test_name_with_emoji(odd: Discovered) -> None:
    """An emoji in a field's name stays in the column's."""
    assert odd.column(EMOJI_FIELD)[0] == "\U0001f4e6_box"


def test_table_of_494_fields(odd: Discovered) -> None:
    """A table near Airtable's limit has a column for each field."""
    assert len(odd.properties(ODD["tables"][2])) == 494


def test_stream_properties(odd: Discovered) -> None:
    """Every stream has the record id as its key and offers a full refresh."""
    told = {
        (
            str(stream["source_defined_primary_key"]),
            str(stream["supported_sync_modes"]),
            stream.get("namespace"),
            stream["is_resumable"],
        )
        for stream in odd.run.streams
    }

    assert told == {("[['_airtable_id']]", "['full_refresh', 'incremental']", None, False)}


# Many bases.


@pytest.fixture(scope="module")
def many(airtable: SimulatorProcess) -> Iterator[Discovered]:
    """A discovery of 20 slow bases, of which the list shows eight at a time."""
    airtable.admin.configure(bases_page_size=8, latency_ms=200)
    yield a_discovery(airtable, *(a_base(f"Base {n}", a_table("Any")) for n in range(20)))
    airtable.admin.configure(bases_page_size=1000, latency_ms=0)


def test_paged_bases(many: Discovered) -> None:
    """A long list of bases is followed to its last page, and its order kept."""
    assert many.stats["by_kind"] == {"list_bases": 3, "base_schema": 20}
    assert [stream["name"].split("/")[0] for stream in many.run.streams] == [
        f"base_{number}" for number in range(20)
    ]


def test_bases_in_parallel(many: Discovered) -> None:
    """Bases are asked for many at a time."""
    assert many.stats["most_in_flight"] >= 10


def test_limits_of_airtable(airtable: SimulatorProcess) -> None:
    """Discovery of more bases than the token may ask for in a second is never refused."""
    bases = [a_base(f"Base {number}", a_table("Any")) for number in range(60)]
    with SimulatorProcess() as strict:
        discovered = a_discovery(strict, *bases)

    assert discovered.stats["served_429"] == 0
    assert len(discovered.run.streams) == 60


# Names.


def test_stream_names_of_ids(airtable: SimulatorProcess) -> None:
    """With ``stream_names: ids`` a stream is called by the ids of its base and table."""
    base = a_base("Named", a_table("Table"))
    discovered = a_discovery(airtable, base, stream_names="ids")
    names = [stream["name"] for stream in discovered.run.streams]

    assert names == [f"{base['id']}/{base['tables'][0]['id']}"]


def test_column_names_of_ids(airtable: SimulatorProcess) -> None:
    """With ``column_names: ids`` a column is called by the id of its field."""
    base = a_base("Named", a_table("Table", a_field("Other", "number")))
    discovered = a_discovery(airtable, base, column_names="ids")
    (table,) = base["tables"]

    assert list(discovered.properties(table)) == [given["id"] for given in table["fields"]]


def test_base_id_in_stream_names(airtable: SimulatorProcess) -> None:
    """With ``add_base_id_to_stream_name`` the base's id is the second part of the name."""
    base = a_base("Sales CRM", a_table("Contacts"))
    discovered = a_discovery(airtable, base, add_base_id_to_stream_name=True)
    (stream,) = discovered.run.streams

    assert stream["name"] == f"sales_crm/{base['id']}/contacts/{base['tables'][0]['id']}"


def test_duplicated_base(airtable: SimulatorProcess) -> None:
    """Streams of a duplicated base would share their names: both get their base's id."""
    table = a_table("Shared")
    bases = [a_base("Twin", table), a_base("Twin", table)]
    discovered = a_discovery(airtable, *bases)
    names = [stream["name"] for stream in discovered.run.streams]

    assert names == [f"twin/{base['id']}/shared/{table['id']}" for base in bases]


def test_duplicated_base_is_warned_of(airtable: SimulatorProcess) -> None:
    """Names that had to be changed because two bases share them are told in a warning."""
    table = a_table("Shared")
    discovered = a_discovery(airtable, a_base("Twin", table), a_base("Twin", table))

    assert any("twin" in line.lower() for line in discovered.run.warnings)


def test_selection(airtable: SimulatorProcess) -> None:
    """``base_ids`` and ``table_ids`` take ids and names, and bases left out cost no call."""
    wanted = a_base("Wanted", a_table("First"), a_table("Second"), a_table("Third"))
    first, second, _ = wanted["tables"]
    discovered = a_discovery(
        airtable,
        *(wanted, a_base("Left out", a_table("First"))),
        base_ids=["wanted"],
        table_ids=[first["id"], "second"],
    )
    ids = [stream["name"].rpartition("/")[2] for stream in discovered.run.streams]

    assert ids == [first["id"], second["id"]]
    assert discovered.stats["by_kind"] == {"list_bases": 1, "base_schema": 1}


def test_catalog_is_repeatable(airtable: SimulatorProcess) -> None:
    """Two discoveries of the same bases give the same catalog, so that no refresh sees a change."""
    tenant = a_tenant(airtable, ODD)
    first, second = (tenant.connector.discover_all() for _ in range(2))

    assert first == second


def test_spec_needs_no_settings(airtable: SimulatorProcess) -> None:
    """``spec`` shows the connection's form without settings or network."""
    (spec,) = Connector("http://127.0.0.1:9", a_config("unused-token")).run("spec").of_type("SPEC")

    assert "credentials" in spec["connectionSpecification"]["properties"]
