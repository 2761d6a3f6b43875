"""The connection check finds what would stop a sync, with few calls."""

from __future__ import annotations

import pytest

from source_airtable.api.wire_types import BaseId
from source_airtable.changes.shared_webhook import NO_ROLE
from source_airtable.check import ConnectionCheck
from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    BaseNotFoundError,
    InvalidTokenError,
    MissingScopeError,
    NoBaseError,
    QuotaExceededError,
    RateLimitedError,
    TableNotFoundError,
)
from unit_tests.builders import TABLE, a_base, a_config, a_text_table
from unit_tests.fake_client import FakeClient
from unit_tests.fake_webhooks import FakeWebhooks, a_listed_webhook


def an_account(base_count: int) -> FakeClient:
    """Bases appA00…, called Base 0…, each with the table tblA00…, called Table 0…."""
    names = [f"A{number:02d}" for number in range(base_count)]
    return FakeClient(
        bases=[a_base(f"app{name}", f"Base {number}") for number, name in enumerate(names)],
        schemas={
            f"app{name}": [a_text_table(f"tbl{name}", f"Table {number}")]
            for number, name in enumerate(names)
        },
    )


def check(client: FakeClient, **settings: object) -> None:
    """Run the check."""
    ConnectionCheck(client.as_client(), a_config(**settings)).run()


def failure_of(client: FakeClient, **settings: object) -> AirtableError:
    """The error of the check."""
    with pytest.raises(AirtableError) as caught:
        check(client, **settings)
    return caught.value


def test_calls_for_one_base() -> None:
    """An account with one base is checked with three calls, for one record at most."""
    client = an_account(1)

    check(client)

    assert client.calls == ["bases", "schema appA00", "records tblA00 1"]


def test_ten_bases_at_most() -> None:
    """In a large account, the check reads one table in each of ten bases."""
    client = an_account(25)

    check(client)

    assert len(client.calls) == 1 + 10 + 10
    assert {call.split()[0] for call in client.calls} == {"bases", "schema", "records"}


def test_listed_bases_are_all_checked() -> None:
    """The check reads all bases that the settings name."""
    client = an_account(15)

    check(client, base_ids=[f"appA{number:02d}" for number in range(12)])

    assert len(client.calls) == 1 + 12 + 12


def test_one_table_of_each_base() -> None:
    """The check reads one table of a base."""
    client = FakeClient([a_base()], {a_base()["id"]: [a_text_table("tblA"), a_text_table("tblB")]})

    check(client)

    assert [call for call in client.calls if call.startswith("records")] == ["records tblA 1"]


def test_table_by_name() -> None:
    """The settings may name a table by its name, in any case."""
    client = an_account(2)

    check(client, table_ids=["TABLE 1"])

    assert client.calls[-1] == "records tblA01 1"


@pytest.mark.parametrize("entry", ["tblA14", "Table 14"])
def test_table_in_the_fifteenth_base(entry: str) -> None:
    """The check finds a table that the settings name beyond the first ten bases."""
    client = an_account(30)

    check(client, table_ids=[entry])

    assert len(client.calls) == 1 + 20 + 1
    assert client.calls[-1] == "records tblA14 1"


def test_unknown_table() -> None:
    """The error names a table that no base has, after the check of all bases."""
    client = an_account(12)

    failure = failure_of(client, table_ids=["tblA03", "Tabel 4"])

    assert isinstance(failure, TableNotFoundError)
    assert failure.facts == {"setting": "table_ids", "table": "Tabel 4"}
    assert len(client.calls) == 1 + 12


def test_unknown_base() -> None:
    """The error names bases that the token does not see, before any other call."""
    client = an_account(2)

    failure = failure_of(client, base_ids=["appA01", "appB", "Marketing"])

    assert isinstance(failure, BaseNotFoundError)
    assert failure.facts == {"setting": "base_ids", "base": "appB, Marketing"}
    assert client.calls == ["bases"]


def test_refused_list_of_bases() -> None:
    """A token that may not list bases lacks the scope for schemas."""
    failure = failure_of(FakeClient(AccessDeniedError(status=403)))

    assert isinstance(failure, MissingScopeError)
    assert "scope: schema.bases:read" in str(failure)


def test_refused_token() -> None:
    """A token that Airtable does not accept is an error."""
    assert isinstance(failure_of(FakeClient(InvalidTokenError(status=401))), InvalidTokenError)


def test_refused_records() -> None:
    """A token that may see tables but no records lacks the scope for records."""
    client = an_account(1)
    client.record_errors["tblA00"] = AccessDeniedError(status=403, base="appA00", table="tblA00")

    failure = failure_of(client)

    assert isinstance(failure, MissingScopeError)
    assert failure.facts == {
        "scope": "data.records:read",
        "base_name": "Base 0",
        "table_name": "Table 0",
        "status": 403,
        "base": "appA00",
        "table": "tblA00",
    }


def test_used_up_month_on_records() -> None:
    """A used-up month is reported as such, although schemas can still be read."""
    client = an_account(1)
    client.record_errors["tblA00"] = QuotaExceededError(status=429)

    assert isinstance(failure_of(client), QuotaExceededError)


def test_used_up_month_on_the_only_schema() -> None:
    """A used-up month is not reported as a base that is not shared."""
    client = an_account(1)
    client.schemas["appA00"] = QuotaExceededError(status=429, base="appA00")

    assert isinstance(failure_of(client), QuotaExceededError)


def test_no_base() -> None:
    """A token that sees no base can read nothing."""
    failure = failure_of(FakeClient([]))

    assert isinstance(failure, NoBaseError)
    assert "no base is shared with it" in str(failure)


def test_bases_through_interfaces_only() -> None:
    """Bases that the token sees only through an interface cannot be read."""
    failure = failure_of(FakeClient([a_base(level="none")]))

    assert isinstance(failure, NoBaseError)
    assert "no role on any of the bases" in str(failure)


def test_listed_base_through_an_interface_only() -> None:
    """Such a base fails the check if the settings name it."""
    failure = failure_of(FakeClient([a_base(level="none"), a_base("appB")]), base_ids=["Sales CRM"])

    assert isinstance(failure, BaseNotFoundError)
    assert "Sales CRM (appLkNDICXNqxSDhG)" in str(failure)


def test_bases_without_tables() -> None:
    """Bases without a table leave nothing to read."""
    failure = failure_of(FakeClient([a_base("appA")], {"appA": []}))

    assert isinstance(failure, NoBaseError)
    assert "has a table that can be read" in str(failure)


def test_unreadable_base(caplog: pytest.LogCaptureFixture) -> None:
    """A base that cannot be read gives only a warning."""
    client = an_account(2)
    client.schemas["appA00"] = AccessDeniedError(status=403, base="appA00")

    check(client)

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "Base 0 (appA00)" in warnings[0]


def test_unreadable_base_that_is_listed() -> None:
    """A base that cannot be read fails the check if the settings name it."""
    client = an_account(2)
    client.schemas["appA00"] = AccessDeniedError(status=403, base="appA00")

    failure = failure_of(client, base_ids=["appA00", "appA01"])

    assert isinstance(failure, BaseNotFoundError)
    assert failure.facts["base"] == "Base 0 (appA00)"


def test_only_unreadable_bases() -> None:
    """If no base can be read, the error says so, with the answer for the first base."""
    client = an_account(1)
    client.schemas["appA00"] = AccessDeniedError(status=403, base="appA00")

    failure = failure_of(client)

    assert isinstance(failure, NoBaseError)
    assert (failure.facts["status"], failure.facts["base"]) == (403, "Base 0 (appA00)")


def test_outage() -> None:
    """An outage fails the check, and does not count as a base to skip."""
    client = an_account(2)
    client.schemas["appA01"] = AirtableUnavailableError(status=503)

    failure = failure_of(client)

    assert isinstance(failure, AirtableUnavailableError)
    assert failure.facts["base_name"] == "Base 1"


def test_table_of_a_listed_base() -> None:
    """Both settings together select: the table of that name in that base alone."""
    client = FakeClient(
        [a_base("appA", "A"), a_base("appB", "B")],
        {"appA": [a_text_table()], "appB": [a_text_table()]},
    )

    check(client, base_ids=["B"], table_ids=[TABLE])

    assert client.calls == ["bases", f"schema {BaseId('appB')}", f"records {TABLE} 1"]


BY_WEBHOOKS = {"method": "webhooks"}


def with_webhooks(*of_bases: FakeWebhooks) -> FakeClient:
    """An account of bases with these webhooks."""
    client = an_account(len(of_bases))
    client.webhooks = {f"appA{n:02d}": webhooks for n, webhooks in enumerate(of_bases)}
    return client


def test_webhook_that_a_sync_can_share(caplog: pytest.LogCaptureFixture) -> None:
    """Where a webhook can be shared or made, the check says nothing, and makes none."""
    shared, without = FakeWebhooks(a_listed_webhook()), FakeWebhooks()
    client = with_webhooks(shared, without)
    client.bases = [a_base("appA00", "Base 0", level="read"), a_base("appA01", "Base 1")]

    check(client, incremental=BY_WEBHOOKS)

    assert (shared.calls, without.calls, caplog.text) == (["list"], ["list"], "")


def test_base_without_a_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """A base in which a sync has to do without a webhook is a warning that says why."""
    refused, role = FakeWebhooks(), FakeWebhooks()
    refused.answers["list"] = [AccessDeniedError(status=403)] * 2
    client = with_webhooks(refused, role)
    client.bases = [a_base("appA00", "Base 0"), a_base("appA01", "Base 1", level="edit")]

    check(client, incremental=BY_WEBHOOKS)

    begin, end = "has no webhook that a sync can read", ". Its tables will be read by the method"
    unlisted = (
        "Airtable refuses the list of webhooks, for which the token needs the scope webhook:manage"
    )
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert sorted(warning.partition(end)[0] for warning in warnings) == [
        f"Base Base 0 {begin}: {unlisted}",
        f"Base Base 1 {begin}: {NO_ROLE}",
    ]
    assert role.calls == ["list"]


def test_webhooks_are_listed_once_for_each_base() -> None:
    """However many tables of a base have a filter, its webhooks are listed once."""
    webhooks = FakeWebhooks()
    client = with_webhooks(webhooks)
    client.schemas["appA00"] = [a_text_table(f"tbl{n}", f"Table {n}") for n in range(6)]
    filters = [{"table": f"Table {n}", "formula": "TRUE()"} for n in range(6)]

    check(client, incremental=BY_WEBHOOKS, table_filters=filters)

    assert webhooks.calls == ["list"]
    assert len(client.calls) == 2 + 6


def test_list_of_webhooks_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """A list of webhooks that Airtable does not give now is a warning."""
    down = FakeWebhooks()
    down.answers["list"] = [AirtableUnavailableError(status=500)]

    check(with_webhooks(down), incremental=BY_WEBHOOKS)

    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warning.startswith("The webhooks of base Base 0 cannot be listed now: ")
    assert "status: 500" in warning


def test_list_of_webhooks_is_refused_too_often() -> None:
    """A rate limit that lasts fails the check, as it does for records."""
    busy = FakeWebhooks()
    busy.answers["list"] = [RateLimitedError(status=429)]

    failure = failure_of(with_webhooks(busy), incremental=BY_WEBHOOKS)

    assert isinstance(failure, RateLimitedError)


@pytest.mark.parametrize("method", ["last_modified", "created_time"])
def test_no_webhook_for_another_method(method: str) -> None:
    """Another method asks for no webhook."""
    client = an_account(1)

    check(client, incremental={"method": method})

    assert client.calls == ["bases", "schema appA00", "records tblA00 1"]
