"""Discovery of bases and tables, with a fake client."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    ContractError,
    InvalidConfigError,
    InvalidTokenError,
    MissingScopeError,
    NoBaseError,
    QuotaExceededError,
)
from source_airtable.schema.discovery import (
    Discovery,
    base_id_and_name,
    describe_base,
    select,
    table_id_and_name,
)
from unit_tests.builders import TOKEN, a_config, a_field, a_table_answer
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_airtable.errors import (
        AirtableError,
    )

CRM: Any = {"id": "appLkNDICXNqxSDhG", "name": "Sales CRM", "permissionLevel": "create"}
SHOP: Any = {"id": "appShopShopShop01", "name": "Shop", "permissionLevel": "read"}
SHARED: Any = {"id": "appInterface0nly1", "name": "Wiki", "permissionLevel": "none"}
CONTACTS = a_table_answer(a_field())
ORDERS = a_table_answer(a_field("autoNumber", name="No."), id="tblOrders0rders00", name="Orders")


def an_account(schemas: Mapping[str, Any], bases: Any = None) -> FakeClient:  # noqa: ANN401
    """Build a client that sees bases with these tables, or with an error instead of tables."""
    known = {base["id"]: base for base in (CRM, SHOP, SHARED)}
    return FakeClient([known[base_id] for base_id in schemas] if bases is None else bases, schemas)


def a_discovery(client: FakeClient, **settings: object) -> Discovery:
    """Build discovery over a fake client, with these settings."""
    return Discovery(client.as_client(), a_config(**settings))


def names_of(discovery: Discovery) -> list[str]:
    """Discover, and return the names of bases and tables."""
    return [f"{table.base_name}/{table.table_name}" for table in discovery.discover()]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the texts of all warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture
def client() -> FakeClient:
    """Two bases with a table each."""
    return an_account({CRM["id"]: [CONTACTS], SHOP["id"]: [ORDERS]})


def test_all_tables(client: FakeClient) -> None:
    """Without a selection, every table of every base is found, in the order of the bases."""
    assert names_of(a_discovery(client)) == ["Sales CRM/Contacts", "Shop/Orders"]


def test_each_base_is_asked_once(client: FakeClient) -> None:
    """Discovery costs one call for the list of bases and one for each base."""
    list(a_discovery(client).discover())

    assert sorted(client.calls) == sorted(["bases", f"schema {CRM['id']}", f"schema {SHOP['id']}"])


def test_bases_are_listed_once(client: FakeClient) -> None:
    """The list of bases is remembered."""
    discovery = a_discovery(client)
    discovery.list_bases()
    discovery.select_bases()

    assert client.calls == ["bases"]


def test_order_of_bases_is_kept() -> None:
    """Tables come in the order of their bases, although bases are read in parallel."""
    bases = [{"id": f"app{number:014}", "name": f"Base {number}"} for number in range(60)]
    client = an_account({str(base["id"]): [CONTACTS] for base in bases}, bases)

    assert names_of(a_discovery(client)) == [f"Base {number}/Contacts" for number in range(60)]


def test_bases_of_which_one_is_unreadable(client: FakeClient) -> None:
    """Reading some bases gives the tables of those that can be read."""
    client.schemas[CRM["id"]] = AccessDeniedError(status=403)
    contents = a_discovery(client).read_schemas([CRM, SHOP])

    assert [table.table_name for table in contents.tables] == ["Orders"]


def test_no_bases_to_read(client: FakeClient) -> None:
    """Reading no base costs no call."""
    contents = a_discovery(client).read_schemas([])

    assert (contents.tables, contents.errors, client.calls) == ([], {}, [])


@pytest.mark.parametrize(
    "entry", ["appShopShopShop01", "Shop", "shop", " SHOP "], ids=["id", "name", "case", "spaces"]
)
def test_base_is_selected(client: FakeClient, entry: str) -> None:
    """A base is selected by its id, or by its name in any case."""
    assert names_of(a_discovery(client, base_ids=[entry])) == ["Shop/Orders"]


def test_unselected_base_is_not_read(client: FakeClient) -> None:
    """A base that is not selected costs no call."""
    list(a_discovery(client, base_ids=["Shop"]).discover())

    assert client.calls == ["bases", "schema appShopShopShop01"]


@pytest.mark.parametrize("entry", ["tblOrders0rders00", "Orders", "ORDERS"])
def test_table_is_selected(client: FakeClient, entry: str) -> None:
    """A table is selected by its id, or by its name in any case."""
    assert names_of(a_discovery(client, table_ids=[entry])) == ["Shop/Orders"]


def test_unknown_base_is_warned_of(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Discovery warns about an entry that matches no base, and reads the others."""
    list(a_discovery(client, base_ids=["Shop", "Depot"]).discover())

    assert warnings_in(caplog) == [
        "Setting base_ids: the token sees no base with the id or name Depot."
    ]


def test_unknown_table_is_warned_of(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Discovery warns about an entry that matches no table, and finds the others."""
    list(a_discovery(client, table_ids=["Orders", "tblGone0000000000"]).discover())

    assert warnings_in(caplog) == [
        "Setting table_ids: no selected base has a table with the id or name tblGone0000000000."
    ]


def test_filter_of_no_table(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """A filter whose table no base has is warned of, once."""
    entries = ("Orders", "Ordres")
    wanted = [{"table": entry, "formula": "TRUE()"} for entry in entries]
    tables = list(a_discovery(client, table_filters=wanted).discover())

    assert [table.table_name for table in tables if table.filter.formula] == ["Orders"]
    assert [line for line in caplog.messages if "table_filters" in line] == [
        "Setting table_filters: no selected base has a table with the id or name Ordres."
    ]


def test_base_without_permission_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """A base that is shared through an interface only is skipped, with the reason."""
    client = an_account({CRM["id"]: [CONTACTS], SHARED["id"]: ContractError()})
    list(a_discovery(client).discover())

    (warning,) = warnings_in(caplog)

    assert warning.startswith("Skipping base Wiki (appInterface0nly1): ")


def test_base_without_permission_is_not_read() -> None:
    """A base that is shared through an interface only costs no call."""
    client = an_account({CRM["id"]: [CONTACTS], SHARED["id"]: ContractError()})
    list(a_discovery(client).discover())

    assert client.calls == ["bases", "schema appLkNDICXNqxSDhG"]


def test_unreadable_base_is_skipped() -> None:
    """If Airtable refuses one base, discovery still finds the others."""
    client = an_account({CRM["id"]: AccessDeniedError(status=403), SHOP["id"]: [ORDERS]})

    assert names_of(a_discovery(client)) == ["Shop/Orders"]


def test_unreadable_base_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The warning about a base that Airtable refuses names it and the status."""
    client = an_account({CRM["id"]: AccessDeniedError(status=403), SHOP["id"]: [ORDERS]})
    list(a_discovery(client).discover())

    (warning,) = warnings_in(caplog)

    assert warning.endswith("(status: 403; base: Sales CRM (appLkNDICXNqxSDhG))")


def test_unreadable_base_is_not_found() -> None:
    """A base that Airtable refuses counts as one that is not shared with the token."""
    client = an_account({CRM["id"]: AccessDeniedError(status=404)})
    discovery = a_discovery(client)
    contents = discovery.read_schemas(discovery.select_bases())

    assert {CRM["id"]: BaseNotFoundError} == {
        base_id: type(error) for base_id, error in contents.errors.items()
    }


@pytest.mark.parametrize("error_class", [AirtableUnavailableError, QuotaExceededError])
def test_error_that_may_pass_ends_discovery(error_class: type[AirtableError]) -> None:
    """Discovery fails if a base is down, so that the base does not look deleted."""
    client = an_account({CRM["id"]: [CONTACTS], SHOP["id"]: error_class(status=503)})

    with pytest.raises(error_class):
        list(a_discovery(client).discover())


def test_odd_base_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """Discovery warns about a base with an odd schema, and finds the others."""
    client = an_account({CRM["id"]: [CONTACTS], SHOP["id"]: ContractError(answer="no tables")})

    assert names_of(a_discovery(client)) == ["Sales CRM/Contacts"]
    assert "no tables" in caplog.text


def test_error_that_may_pass_names_the_base() -> None:
    """An error of one base says which base it is."""
    client = an_account({SHOP["id"]: AirtableUnavailableError(status=503)})

    with pytest.raises(AirtableUnavailableError) as raised:
        list(a_discovery(client).discover())

    assert raised.value.facts == {"status": 503, "base_name": "Shop"}


def test_refused_token_ends_all() -> None:
    """If Airtable refuses the token for one base, discovery fails and skips no base."""
    client = an_account({CRM["id"]: InvalidTokenError(status=401), SHOP["id"]: [ORDERS]})
    discovery = a_discovery(client)

    with pytest.raises(InvalidTokenError):
        discovery.read_schemas(discovery.select_bases())


def test_token_without_scope() -> None:
    """A token that may not list bases lacks a scope, which is named."""
    client = an_account({}, AccessDeniedError(status=403))

    with pytest.raises(MissingScopeError) as raised:
        a_discovery(client).list_bases()

    assert raised.value.facts == {"scope": "schema.bases:read", "status": 403}


def test_address_that_knows_no_bases() -> None:
    """If the server has no list of bases, the error blames the address."""
    client = an_account({}, AccessDeniedError(status=404))

    with pytest.raises(InvalidConfigError) as raised:
        a_discovery(client).list_bases()

    assert raised.value.facts["setting"] == "AIRTABLE_API_URL"


@pytest.mark.parametrize(
    ("bases", "meant"),
    [
        ([CRM], BaseNotFoundError),
        ([], BaseNotFoundError),
        (AirtableUnavailableError(), BaseNotFoundError),
        (AccessDeniedError(status=403), MissingScopeError),
    ],
    ids=["bases are listed", "none is listed", "no answer", "listing is refused"],
)
def test_what_a_refused_schema_means(bases: object, meant: type[AirtableError]) -> None:
    """A refused base counts as not shared, unless the token may read no schema at all."""
    client = an_account({CRM["id"]: AccessDeniedError(status=403)}, bases)
    contents = a_discovery(client).read_schemas([CRM])

    assert type(contents.errors[CRM["id"]]) is meant


@pytest.mark.parametrize("bases", [[], [{"name": "Shop"}], [{"id": None}]])
def test_no_base_is_visible(bases: object) -> None:
    """If the token sees no base, the error says so."""
    with pytest.raises(NoBaseError) as raised:
        list(a_discovery(an_account({}, bases)).discover())

    assert raised.value.facts["reason"] == "the token is valid, but no base is shared with it"


NO_TABLE = "the setting table_ids matches no table of the selected bases"
NO_BASE = "none of the selected bases has a table that can be read; see the warnings above"


@pytest.mark.parametrize(
    ("schemas", "settings", "reason"),
    [
        ({CRM["id"]: [CONTACTS]}, {"table_ids": ["Orders"]}, NO_TABLE),
        ({CRM["id"]: AccessDeniedError(status=403)}, {}, NO_BASE),
        ({CRM["id"]: [CONTACTS]}, {"base_ids": ["Depot"]}, NO_BASE),
        ({CRM["id"]: []}, {}, NO_BASE),
        ({SHARED["id"]: []}, {}, NO_BASE),
    ],
    ids=["no table", "no readable base", "no base", "no table in it", "no permission"],
)
def test_nothing_is_left(
    schemas: dict[str, object], settings: dict[str, object], reason: str
) -> None:
    """If no table is left, the error says why."""
    with pytest.raises(NoBaseError) as raised:
        list(a_discovery(an_account(schemas), **settings).discover())

    assert raised.value.facts["reason"] == reason


def test_tables_come_before_all_bases_are_read() -> None:
    """Discovery yields the tables of a base before a later base fails."""
    client = an_account({CRM["id"]: [CONTACTS], SHOP["id"]: AirtableUnavailableError(status=503)})
    first = next(a_discovery(client).discover())

    assert first.table_name == "Contacts"


def test_entry_that_only_one_base_knows(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no warning about an entry that matches a table in any base."""
    list(a_discovery(client, table_ids=["Contacts", "Orders"]).discover())

    assert warnings_in(caplog) == []


def test_malformed_table_is_left_out() -> None:
    """Discovery leaves out a table without an id, and finds the others."""
    client = an_account({CRM["id"]: [{"name": "No id"}, CONTACTS]})

    assert names_of(a_discovery(client)) == ["Sales CRM/Contacts"]


def test_malformed_fields_do_not_end_discovery() -> None:
    """Discovery finds a table with odd fields, and keeps its other fields."""
    hostile = a_table_answer(fields=[None, {"id": 7}, a_field(name="///"), {"id": "fldX"}])
    (table,) = a_discovery(an_account({CRM["id"]: [hostile]})).discover()

    assert [field["type"] for field in table.fields] == ["singleLineText", "unknown"]


def test_table_of_many_fields() -> None:
    """A table with nearly as many fields as Airtable allows is found whole."""
    fields = [a_field(field_id=f"fld{number:014}", name=f"F {number}") for number in range(494)]
    (table,) = a_discovery(an_account({CRM["id"]: [a_table_answer(*fields)]})).discover()

    assert len(table.fields) == 494


def test_base_without_a_name_is_selected_by_id() -> None:
    """A base that has no name is called by its id."""
    client = an_account({SHOP["id"]: [ORDERS]}, [{"id": SHOP["id"]}])

    assert names_of(a_discovery(client, base_ids=[SHOP["id"]])) == ["appShopShopShop01/Orders"]


def test_selection_by_name_takes_all_of_that_name() -> None:
    """Names of bases are not unique: an entry selects every base of the name."""
    bases: list[Any] = [{"id": "appA", "name": "Shop"}, {"id": "appB", "name": "SHOP"}]

    assert select(bases, ["shop"], base_id_and_name) == (bases, [])


def test_selection_ignores_spaces_around_names() -> None:
    """Spaces that a name in Airtable begins or ends with do not matter."""
    bases: list[Any] = [{"id": "appA", "name": " Shop "}]

    assert select(bases, ["Shop"], base_id_and_name) == (bases, [])


def test_selection_in_another_script() -> None:
    """Names match in any case in every script."""
    bases: list[Any] = [{"id": "appA", "name": "Straße"}]

    assert select(bases, ["STRASSE"], base_id_and_name) == (bases, [])


def test_ids_match_in_their_case_only() -> None:
    """Ids differ by case."""
    bases: list[Any] = [{"id": "appA", "name": "Shop"}]

    assert select(bases, ["appa"], base_id_and_name) == ([], ["appa"])


def test_table_id_and_name(client: FakeClient) -> None:
    """A setting may call a table by its id or its name."""
    _, table = a_discovery(client).discover()

    assert table_id_and_name(table) == ("tblOrders0rders00", "Orders")


@pytest.mark.parametrize(
    ("base", "described"),
    [(SHOP, "Shop (appShopShopShop01)"), ({"id": SHOP["id"]}, "appShopShopShop01")],
)
def test_described_base(base: Any, described: str) -> None:  # noqa: ANN401 - a base of the wire
    """A message names a base by name and id, or by id alone if it has no name."""
    assert described == describe_base(base)


def test_no_secret_is_told(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Warnings never hold the token."""
    list(a_discovery(client, base_ids=["Shop", "Depot"], table_ids=["Orders", "X"]).discover())

    assert TOKEN not in caplog.text


@pytest.mark.parametrize("keep", [True, False])
def test_tables_as_declared(client: FakeClient, *, keep: bool) -> None:
    """Discovery keeps Airtable's whole description of a table if the caller asks for it."""
    discovery = Discovery(client.as_client(), a_config(), keep_declared=keep)

    assert all((table.declared is not None) is keep for table in discovery.discover())


def test_selected_bases_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Discovery selects bases once, unreadable ones included, and warns once."""
    discovery = a_discovery(an_account({}, [CRM, SHARED]), base_ids=["Sales CRM", "Wiki", "No"])

    assert discovery.list_selected_bases() == discovery.list_selected_bases() == [CRM, SHARED]
    assert discovery.select_bases() == [CRM]
    assert len(caplog.messages) == 2


def test_odd_base_alone() -> None:
    """If only an odd base is selected, the error says what is odd."""
    client = an_account({CRM["id"]: ContractError(answer="no list of tables")})

    with pytest.raises(ContractError, match="no list of tables"):
        names_of(a_discovery(client))
