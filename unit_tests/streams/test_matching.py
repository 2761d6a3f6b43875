"""Which table does a configured stream mean?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_airtable.errors import (
    AccessDeniedError,
    AirtableUnavailableError,
    BaseNotFoundError,
    TableFilterError,
    TableNotFoundError,
)
from source_airtable.schema.discovery import Discovery
from source_airtable.schema.json_schema import ANNOTATION
from source_airtable.streams.matching import StreamMatcher, annotated_key
from unit_tests.builders import a_base, a_config, a_table_schema, a_text_table, an_airbyte_stream
from unit_tests.fake_client import FakeClient

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteStream

    from source_airtable.streams.matching import (
        Matches,
    )
    from source_airtable.streams.stream import Account

SALES, COPY, SHOP = a_base("appSales", "Sales CRM"), a_base("appCopy"), a_base("appShop", "Shop")
CONTACTS, ORDERS = a_text_table("tblContacts", "Contacts"), a_text_table("tblOrders", "Order Lines")


@pytest.fixture
def account() -> FakeClient:
    """A base, its duplicate with equal ids and names, and another base."""
    return FakeClient(
        [SALES, COPY, SHOP],
        {"appSales": [CONTACTS], "appCopy": [CONTACTS], "appShop": [ORDERS]},
    )


def match(client: FakeClient, *streams: AirbyteStream, **settings: object) -> Matches:
    """Match streams in an account."""
    discovery = Discovery(client.as_client(), a_config(**settings))
    return StreamMatcher(discovery, filters_bases="base_ids" in settings).match(streams)


def keys_of(matches: Matches) -> dict[str, tuple[str, str]]:
    """The ids of the tables that were found, by stream name."""
    return {name: table.key for name, table in matches.tables.items()}


def annotated(name: str, base: Any = SALES, table: Any = CONTACTS) -> AirbyteStream:  # noqa: ANN401
    """A stream with the ids of a table in its schema."""
    return an_airbyte_stream(name, a_table_schema(base, table))


def test_ids_win_over_the_name(account: FakeClient) -> None:
    """The ids in a schema decide, whatever the stream's name says."""
    matches = match(account, annotated("shop/order_lines/tblOrders"))

    assert keys_of(matches) == {"shop/order_lines/tblOrders": ("appSales", "tblContacts")}


def test_ids_of_a_duplicated_base(account: FakeClient) -> None:
    """A duplicated base with equal table ids is told apart by its own id."""
    matches = match(account, annotated("one"), annotated("two", COPY))

    assert keys_of(matches) == {
        "one": ("appSales", "tblContacts"),
        "two": ("appCopy", "tblContacts"),
    }


def test_renamed_base_and_table(account: FakeClient) -> None:
    """A table goes on syncing under its stream's old name after it or its base was renamed."""
    account.schemas["appSales"] = [a_text_table("tblContacts", "People")]

    matches = match(account, annotated("sales_crm/contacts/tblContacts"))

    assert matches.tables["sales_crm/contacts/tblContacts"].table_name == "People"


def test_calls_for_ids(account: FakeClient) -> None:
    """Where schemas have ids, only their bases are read, once each, without a list of bases."""
    match(account, annotated("a"), annotated("b", SHOP, ORDERS), annotated("c"))

    assert sorted(account.calls) == ["schema appSales", "schema appShop"]


def test_ids_of_a_deleted_table(account: FakeClient) -> None:
    """A table that its base no longer has is missing, by name and ids, and not replaced."""
    account.schemas["appSales"] = [ORDERS]

    matches = match(account, annotated("sales_crm/contacts/tblContacts"))

    error = matches.errors["sales_crm/contacts/tblContacts"]
    assert isinstance(error, TableNotFoundError)
    assert (error.facts["base"], error.facts["table"]) == ("appSales", "tblContacts")


def test_ids_of_an_unreadable_base(account: FakeClient) -> None:
    """A table of a base that cannot be read fails with the base's own error."""
    account.schemas["appSales"] = AirtableUnavailableError(status=503)

    matches = match(account, annotated("contacts"), annotated("orders", SHOP, ORDERS))

    assert isinstance(matches.errors["contacts"], AirtableUnavailableError)
    assert list(matches.tables) == ["orders"]


def test_ids_of_a_base_that_is_gone(account: FakeClient) -> None:
    """A base that is no longer shared is named as such."""
    account.schemas["appSales"] = AccessDeniedError(status=403)

    assert isinstance(match(account, annotated("contacts")).errors["contacts"], BaseNotFoundError)


@pytest.mark.parametrize("name", ["sales_crm/appCopy/contacts/tblContacts", "appCopy/tblContacts"])
def test_base_id_in_the_name(account: FakeClient, name: str) -> None:
    """Without ids in the schema, the base id in the name tells duplicates apart."""
    matches = match(account, an_airbyte_stream(name))

    assert keys_of(matches) == {name: ("appCopy", "tblContacts")}


def test_calls_for_a_base_id_in_the_name(account: FakeClient) -> None:
    """Then only that base is read."""
    match(account, an_airbyte_stream("appShop/tblOrders"))

    assert account.calls == ["bases", "schema appShop"]


def test_unreadable_base_in_the_name(account: FakeClient) -> None:
    """Where the base of the name cannot be read, its error is reported, not a missing table."""
    account.schemas["appShop"] = AirtableUnavailableError(status=503)

    error = match(account, an_airbyte_stream("appShop/tblOrders")).errors["appShop/tblOrders"]

    assert isinstance(error, AirtableUnavailableError)


def test_unreadable_base_of_the_name(account: FakeClient) -> None:
    """The same holds for the one base that a name of Airbyte's own connector begins with."""
    name = "shop/order_lines/tblOrders"
    account.schemas["appShop"] = AirtableUnavailableError(status=503)

    assert isinstance(
        match(account, an_airbyte_stream(name)).errors[name], AirtableUnavailableError
    )


def test_unreadable_base_of_no_name(account: FakeClient) -> None:
    """A base that is not readable today may hold the table of a stream that names none."""
    account.schemas["appShop"] = AirtableUnavailableError(status=503)

    error = match(account, an_airbyte_stream("warehouse")).errors["warehouse"]

    assert isinstance(error, AirtableUnavailableError)


def test_forbidden_base_of_no_name(account: FakeClient) -> None:
    """A base that is not shared is no reason for a stream that does not speak of it."""
    account.schemas["appShop"] = AccessDeniedError(status=403)

    error = match(account, an_airbyte_stream("warehouse")).errors["warehouse"]

    assert isinstance(error, TableNotFoundError)


def test_name_of_airbytes_own_connector(account: FakeClient) -> None:
    """A name without a base's id finds its table, and reads the bases of that name alone."""
    matches = match(account, an_airbyte_stream("shop/order_lines/tblOrders"))

    assert keys_of(matches) == {"shop/order_lines/tblOrders": ("appShop", "tblOrders")}
    assert account.calls == ["bases", "schema appShop"]


def test_table_id_in_one_base(account: FakeClient) -> None:
    """A name that fits no table any more finds it by its table id, if one base alone has that."""
    matches = match(account, an_airbyte_stream("old_shop/old_orders/tblOrders"))

    assert keys_of(matches) == {"old_shop/old_orders/tblOrders": ("appShop", "tblOrders")}


def test_table_id_in_two_bases(account: FakeClient) -> None:
    """A table id that two bases have is not guessed at; both are named as candidates."""
    matches = match(account, an_airbyte_stream("old_crm/contacts/tblContacts"))

    error = matches.errors["old_crm/contacts/tblContacts"]
    assert matches.tables == {}
    assert error.facts["candidates"] == (
        "Sales CRM/Contacts (appSales/tblContacts), Sales CRM/Contacts (appCopy/tblContacts)"
    )


def test_name_of_two_tables(account: FakeClient) -> None:
    """A name that fits the tables of two bases is not guessed at either."""
    matches = match(account, an_airbyte_stream("sales_crm/contacts/tblContacts"))

    assert isinstance(matches.errors["sales_crm/contacts/tblContacts"], TableNotFoundError)


def test_candidates_by_name(account: FakeClient) -> None:
    """Without an id, tables of the same name are the candidates."""
    error = match(account, an_airbyte_stream("warehouse/order_lines/x")).errors[
        "warehouse/order_lines/x"
    ]

    assert error.facts["candidates"] == "Shop/Order Lines (appShop/tblOrders)"


def test_no_candidates(account: FakeClient) -> None:
    """A stream that resembles nothing has no candidates."""
    error = match(account, an_airbyte_stream("warehouse")).errors["warehouse"]

    assert error.facts == {"stream": "warehouse", "candidates": "none"}


def test_all_bases_only_for_open_streams(account: FakeClient) -> None:
    """All bases are read, once each, when a stream is still without a table."""
    match(account, annotated("contacts"), an_airbyte_stream("warehouse"))

    assert sorted(account.calls) == ["bases", "schema appCopy", "schema appSales", "schema appShop"]


def test_table_that_table_ids_leaves_out(account: FakeClient) -> None:
    """The setting table_ids holds for a catalog that was made before it, too."""
    matches = match(
        account, annotated("contacts"), annotated("orders", SHOP, ORDERS), table_ids=["Order Lines"]
    )

    assert list(matches.tables) == ["orders"]
    assert "table_ids leaves it out" in str(matches.errors["contacts"])


DELETED = "tblDeleted0000001"


def filter_of(*entries: str) -> dict[str, object]:
    """The setting table_filters with these tables."""
    return {"table_filters": [{"table": entry, "formula": "TRUE()"} for entry in entries]}


def test_filter_of_a_table_in_a_base_that_is_read(account: FakeClient) -> None:
    """A filter whose table is known reads no other bases."""
    matches = match(account, annotated("contacts"), **filter_of("contacts"))

    assert (matches.filter_error, account.calls) == (None, ["schema appSales"])


@pytest.mark.parametrize("entry", ["Order Lines", "tblOrders"])
def test_filter_of_a_table_in_another_base(
    account: FakeClient, caplog: pytest.LogCaptureFixture, entry: str
) -> None:
    """A filter for a base that no stream reads is found there, and is nothing to tell."""
    matches = match(account, annotated("contacts"), **filter_of(entry))

    assert (matches.filter_error, caplog.text) == (None, "")
    assert sorted(account.calls) == ["bases", "schema appCopy", "schema appSales", "schema appShop"]


def test_filter_by_a_name_of_no_table(account: FakeClient) -> None:
    """A filter by the name of a table that was renamed is an error with the entries."""
    error = match(account, annotated("contacts"), **filter_of("Kontakte", DELETED, "Waren"))

    assert isinstance(error.filter_error, TableFilterError)
    assert error.filter_error.facts == {
        "setting": "table_filters",
        "table": "Kontakte, Waren",
        "reason": "no selected base that can be read has a table of this name; perhaps it was "
        "renamed",
    }


def test_filter_by_the_id_of_no_table(
    account: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A filter by the id of a table that was deleted is a warning."""
    matches = match(account, annotated("contacts"), **filter_of(DELETED))

    assert matches.filter_error is None
    assert caplog.messages == [
        f"Setting table_filters: no selected base has a table with the id {DELETED}."
    ]


def test_filter_in_a_base_that_is_down(
    account: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A base that can be read tomorrow may have the table, so its error is that of the filter."""
    account.schemas["appShop"] = AirtableUnavailableError(status=503)

    matches = match(account, annotated("contacts"), **filter_of("Order Lines", DELETED))

    assert isinstance(matches.filter_error, AirtableUnavailableError)
    assert caplog.text == ""


def test_filter_in_a_base_that_is_gone(account: FakeClient) -> None:
    """A base that is not shared any more does not excuse a filter by name."""
    account.schemas["appShop"] = AccessDeniedError(status=403)

    matches = match(account, annotated("contacts"), **filter_of("Order Lines"))

    assert isinstance(matches.filter_error, TableFilterError)


@pytest.mark.parametrize("entry", ["Order Lines", DELETED])
def test_filter_without_a_list_of_bases(account: FakeClient, entry: str) -> None:
    """If the bases cannot be listed, a filter by name has this error, and one by id has none."""
    account.bases = AirtableUnavailableError(status=503)

    matches = match(account, annotated("contacts"), **filter_of(entry))

    assert list(matches.tables) == ["contacts"]
    assert (matches.filter_error is None) == (entry == DELETED)


@pytest.mark.parametrize("entry", ["appShop", "SHOP"])
def test_base_ids(account: FakeClient, entry: str) -> None:
    """The setting base_ids, by id or by name, holds for the ids in schemas, too."""
    matches = match(
        account, annotated("contacts"), annotated("orders", SHOP, ORDERS), base_ids=[entry]
    )

    assert list(matches.tables) == ["orders"]
    assert list(matches.errors) == ["contacts"]
    assert account.calls == ["bases", "schema appShop"]


@pytest.mark.parametrize(
    "annotation",
    [None, [], {}, {"base_id": "appA"}, {"table_id": "tblA"}, {"base_id": 1, "table_id": "tblA"}],
)
def test_unusable_annotation(annotation: object) -> None:
    """Half an annotation identifies nothing."""
    stream = an_airbyte_stream("contacts")
    stream.json_schema = {ANNOTATION: annotation}

    assert annotated_key(stream) is None


def test_schema_that_is_none() -> None:
    """A schema that is no object has no annotation."""
    stream = an_airbyte_stream("contacts")
    stream.json_schema = None

    assert annotated_key(stream) is None


def a_copied_account() -> FakeClient:
    """Build an account of which one base is a copy of another that is gone."""
    copy: Any = {"id": "appCopyCopyCopy01", "name": "Copy"}
    return FakeClient(
        [copy], {"appCopyCopyCopy01": [a_text_table("tblContacts000001", "Contacts")]}
    )


@pytest.mark.parametrize(
    "name",
    [
        "crm/appGoneGoneGone01/contacts/tblContacts000001",
        "appGoneGoneGone01/tblContacts000001",
    ],
)
def test_copy_of_a_base_that_is_gone(name: str) -> None:
    """A table of equal id in a copy is not taken for that of a base which the name gives by id."""
    assert isinstance(
        match(a_copied_account(), an_airbyte_stream(name)).errors[name], TableNotFoundError
    )


def read_account(client: FakeClient, *, may_miss: bool = False, **settings: object) -> Account:
    """Read a whole account."""
    discovery = Discovery(client.as_client(), a_config(**settings))
    matcher = StreamMatcher(discovery, filters_bases="base_ids" in settings)
    return matcher.read_account(may_miss_bases=may_miss)


def test_whole_account(account: FakeClient) -> None:
    """An account is its bases and their tables; each is asked for once, matching included."""
    discovery = Discovery(account.as_client(), a_config())
    matcher = StreamMatcher(discovery, filters_bases=False)

    whole = matcher.read_account(may_miss_bases=False)
    matcher.match([annotated("contacts")])

    assert [base["id"] for base in whole.bases] == ["appSales", "appCopy", "appShop"]
    assert [table.key for table in whole.tables] == [
        ("appSales", "tblContacts"),
        ("appCopy", "tblContacts"),
        ("appShop", "tblOrders"),
    ]
    assert whole.error is None
    assert len(account.calls) == 4


def test_selected_account(account: FakeClient) -> None:
    """An account is what the settings select."""
    whole = read_account(account, base_ids=["Shop", "appSales"], table_ids=["tblOrders"])

    assert [base["id"] for base in whole.bases] == ["appSales", "appShop"]
    assert [table.table_id for table in whole.tables] == ["tblOrders"]


def test_base_of_an_interface_only() -> None:
    """A base that is listed without a role on it is a base, whose tables nobody asks for."""
    client = FakeClient([a_base("appWiki", "Wiki", "none"), SALES], {"appSales": [CONTACTS]})
    whole = read_account(client)

    assert [base["id"] for base in whole.bases] == ["appWiki", "appSales"]
    assert (len(whole.tables), whole.error) == (1, None)


@pytest.mark.parametrize("may_miss", [True, False])
def test_account_with_a_base_that_is_gone(
    account: FakeClient, caplog: pytest.LogCaptureFixture, *, may_miss: bool
) -> None:
    """A base that is gone is an error of the account, or a warning where it may be missing."""
    account.schemas["appShop"] = AccessDeniedError(status=404)

    whole = read_account(account, may_miss=may_miss)

    assert isinstance(whole.error, BaseNotFoundError) is not may_miss
    assert ("Skipping a base" in caplog.text) is may_miss
    assert len(whole.tables) == 2


@pytest.mark.parametrize("first", ["appSales", "appShop"])
def test_error_that_may_pass_is_the_accounts(account: FakeClient, first: str) -> None:
    """Of several errors that which may pass is told, since the platform then tries again."""
    second = {"appSales": "appShop", "appShop": "appSales"}[first]
    account.schemas[first] = AccessDeniedError(status=404)
    account.schemas[second] = AirtableUnavailableError(status=503)

    assert isinstance(read_account(account).error, AirtableUnavailableError)
