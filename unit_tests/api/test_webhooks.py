"""The endpoints of a base's webhooks: requests and answers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.api.webhooks import (
    PayloadPage,
    Webhook,
    WebhookEndpoints,
    has_no_place,
    parse_moment,
)
from source_airtable.errors import AccessDeniedError, AirtableError, ContractError
from unit_tests.builders import API, BASE
from unit_tests.fake_client import FakeClient
from unit_tests.fake_webhooks import OURS, FakeWebhooks, a_listed_webhook
from unit_tests.generated import JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests_mock

    from source_airtable.api.client import AirtableClient

WEBHOOKS = f"{API}/bases/{BASE}/webhooks"
PAYLOADS = f"{WEBHOOKS}/achA/payloads"
NOON = datetime(2026, 11, 18, 12, tzinfo=timezone.utc)


@pytest.fixture
def webhooks(client: AirtableClient) -> WebhookEndpoints:
    """The webhooks of a base."""
    return WebhookEndpoints(client, BASE)


def answered_by(kind: str, answer: object) -> WebhookEndpoints:
    """The webhooks of a base, which give this answer to a kind of call."""
    client = FakeClient()
    client.webhooks[BASE] = FakeWebhooks()
    client.webhooks[BASE].answers[kind] = [answer]
    return WebhookEndpoints(client.as_client(), BASE)


def with_filters(**filters: object) -> dict[str, Any]:
    """A webhook that has these filters beside our data types."""
    ours = {"dataTypes": ["tableData", "tableFields"]}
    return a_listed_webhook(specification={"options": {"filters": {**ours, **filters}}})


def fits(listed: object) -> bool:
    """Whether a webhook that is listed so can be shared."""
    (webhook,) = answered_by("list", {"webhooks": [listed]}).list_webhooks()
    return webhook.fits


def test_listed_webhook(webhooks: WebhookEndpoints, airtable: requests_mock.Mocker) -> None:
    """A webhook has an id, the number of its next payload, and the end of its life."""
    listed = a_listed_webhook(cursorForNextPayload=4, expirationTime="2026-11-18T12:00:00.000Z")
    airtable.get(WEBHOOKS, json={"webhooks": [listed]})

    assert webhooks.list_webhooks() == [Webhook("achA", 4, NOON, fits=True)]


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(a_listed_webhook(), id="ours"),
        pytest.param(with_filters(dataTypes=["tableFields", "tableData"]), id="other order"),
        pytest.param(with_filters(recordChangeScope=None, changeTypes=[]), id="empty filters"),
        pytest.param({**a_listed_webhook(), "areNotificationsEnabled": True}, id="other keys"),
        pytest.param(
            a_listed_webhook(
                specification={
                    "options": {**OURS["options"], "includes": {"includePreviousCellValues": True}}
                }
            ),
            id="more in its payloads",
        ),
    ],
)
def test_webhook_that_fits(listed: dict[str, Any]) -> None:
    """A webhook with our data types and no other filter can be shared, whoever made it."""
    assert fits(listed)


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(a_listed_webhook(isHookEnabled=False), id="disabled"),
        pytest.param(a_listed_webhook(isHookEnabled="true"), id="odd switch"),
        pytest.param(a_listed_webhook(notificationUrl="https://example.com"), id="notifies"),
        pytest.param(with_filters(dataTypes=["tableData"]), id="records only"),
        pytest.param(with_filters(dataTypes=["tableData"] * 2), id="records twice"),
        pytest.param(
            with_filters(dataTypes=["tableData", "tableFields", "tableMetadata"]), id="names too"
        ),
        pytest.param(with_filters(dataTypes="tableData"), id="no list"),
        pytest.param(with_filters(dataTypes=[{}, None]), id="odd list"),
        pytest.param(with_filters(recordChangeScope="tblA"), id="one table"),
        pytest.param(with_filters(watchDataInFieldIds=["fldA"]), id="some fields"),
        pytest.param(with_filters(fromSources=["client"]), id="some sources"),
        pytest.param(with_filters(changeTypes=["add"]), id="some changes"),
        pytest.param(with_filters(filterOfTomorrow={"a": 1}), id="unknown filter"),
        pytest.param(a_listed_webhook(specification=None), id="no specification"),
        pytest.param(a_listed_webhook(specification={"options": []}), id="odd options"),
        pytest.param(a_listed_webhook(specification={"options": {"filters": 7}}), id="odd filters"),
    ],
)
def test_webhook_that_does_not_fit(listed: dict[str, Any]) -> None:
    """A webhook that reports less, or notifies somebody, is left alone."""
    assert not fits(listed)


@given(JSON_VALUES)
def test_any_specification(specification: object) -> None:
    """Any specification but ours does not fit."""
    assert not fits(a_listed_webhook(specification=specification))


@pytest.mark.parametrize(
    "answer",
    [
        {"webhooks": None},
        {"webhooks": {}},
        {"hooks": []},
        {"webhooks": ["achA"]},
        {"webhooks": [a_listed_webhook(id=None)]},
        {"webhooks": [a_listed_webhook(cursorForNextPayload=0)]},
        {"webhooks": [a_listed_webhook(cursorForNextPayload=True)]},
        {"webhooks": [a_listed_webhook(cursorForNextPayload="4")]},
    ],
)
def test_odd_list(answer: dict[str, Any]) -> None:
    """A list of another shape is an error that names the base."""
    with pytest.raises(ContractError, match=BASE):
        answered_by("list", answer).list_webhooks()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-18T12:00:00.000Z", NOON),
        ("2026-11-18T13:00:00+01:00", NOON),
        ("2026-11-18T12:00:00", NOON),
        ("soon", None),
        (None, None),
        ([], None),
    ],
)
def test_end_of_life(text: object, expected: datetime | None) -> None:
    """The end of a webhook's life is a moment in UTC; None where there is none."""
    assert parse_moment(text) == expected


@given(JSON_VALUES)
def test_any_end_of_life(text: object) -> None:
    """Whatever stands there, the end can be compared with another moment, or is unknown."""
    end = parse_moment(text)

    assert end is None or isinstance(end <= NOON, bool)


def test_creation(webhooks: WebhookEndpoints, airtable: requests_mock.Mocker) -> None:
    """A new webhook has our specification and no address, and counts from 1."""
    expiration = "2026-11-18T12:00:00.000Z"
    answer = {"id": "achA", "macSecretBase64": "…", "expirationTime": expiration}
    airtable.post(WEBHOOKS, json=answer)

    assert webhooks.create_webhook() == Webhook("achA", 1, NOON, fits=True)
    assert airtable.request_history[0].json() == {"specification": OURS}
    assert fits(a_listed_webhook(**airtable.request_history[0].json()))


@pytest.mark.parametrize("answer", [{"id": None}, {"id": 7}, {"webhook": {"id": "achA"}}])
def test_odd_creation(answer: dict[str, Any]) -> None:
    """An answer without an id is an error."""
    with pytest.raises(ContractError, match="a webhook without id"):
        answered_by("create", answer).create_webhook()


def test_payloads(webhooks: WebhookEndpoints, airtable: requests_mock.Mocker) -> None:
    """Payloads are asked for by their number, fifty at once."""
    payloads = [{"baseTransactionNumber": 7}, {"baseTransactionNumber": 8}]
    airtable.get(PAYLOADS, json={"payloads": payloads, "cursor": 6, "mightHaveMore": True})

    page = webhooks.list_payloads("achA", 4)

    assert page == PayloadPage(payloads, 6, more_follow=True)  # type: ignore[arg-type]  # other keys
    assert airtable.request_history[0].qs == {"cursor": ["4"], "limit": ["50"]}


@pytest.mark.parametrize("more", [False, None, "true", 1])
def test_last_payloads(more: object) -> None:
    """Nothing follows unless Airtable says so."""
    webhooks = answered_by("payloads", {"payloads": [], "cursor": 4, "mightHaveMore": more})

    assert webhooks.list_payloads("achA", 4) == PayloadPage([], 4, more_follow=False)


@pytest.mark.parametrize(
    "answer",
    [
        {"cursor": 4},
        {"payloads": {}, "cursor": 4},
        {"payloads": [None], "cursor": 5},
        {"payloads": []},
        {"payloads": [], "cursor": 3},
        {"payloads": [], "cursor": True},
        {"payloads": [], "cursor": "5"},
        {"payloads": [], "cursor": 4.0},
    ],
)
def test_odd_payloads(answer: dict[str, Any]) -> None:
    """Payloads of another shape, or a cursor that goes back, are an error."""
    with pytest.raises(ContractError, match=BASE):
        answered_by("payloads", answer).list_payloads("achA", 4)


def test_refresh(webhooks: WebhookEndpoints, airtable: requests_mock.Mocker) -> None:
    """A refresh is one request, which needs no content."""
    airtable.post(f"{WEBHOOKS}/achA/refresh", json={"expirationTime": None})

    webhooks.refresh_webhook("achA")

    assert [(one.method, one.body) for one in airtable.request_history] == [("POST", None)]


@given(st.dictionaries(st.sampled_from(["webhooks", "id", "cursor", "payloads"]), JSON_VALUES))
def test_any_answer(answer: dict[str, Any]) -> None:
    """Whatever Airtable answers, it is understood or a ContractError."""
    calls: dict[str, Callable[[WebhookEndpoints], object]] = {
        "list": lambda webhooks: webhooks.list_webhooks(),
        "create": lambda webhooks: webhooks.create_webhook(),
        "payloads": lambda webhooks: webhooks.list_payloads("achA", 4),
    }
    for kind, call in calls.items():
        # The fake takes an empty answer for none.
        webhooks = answered_by(kind, answer or {"": None})
        try:
            given_back = call(webhooks)
        except ContractError:
            continue
        assert isinstance(given_back, (list, Webhook, PayloadPage))


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (ContractError(status=422, error_type="TOO_MANY_WEBHOOKS_IN_BASE"), True),
        (
            ContractError(status=422, error_type="TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE"),
            True,
        ),
        (ContractError(status=422, error_type="INVALID_FILTERS"), False),
        (ContractError(status=422), False),
        (AccessDeniedError(status=403, error_type="TOO_MANY_WEBHOOKS_IN_BASE"), False),
    ],
)
def test_no_place(refused: AirtableError, *, expected: bool) -> None:
    """Only the two limits mean that there is no place for another webhook."""
    assert has_no_place(refused) is expected
