"""OAuth: which token signs a request, when it is renewed, and what is done with the new ones."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier, Event, RLock, Semaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

from source_airtable.api.auth import OauthAuthenticator, build_authenticator
from source_airtable.api.client import AirtableClient
from source_airtable.api.connection import (
    API_URL_VARIABLE,
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
)
from source_airtable.api.error_handler import AirtableBackoffStrategy, AirtableErrorHandler
from source_airtable.api.rate_limit import AirtableBudget
from source_airtable.config import parse_config
from source_airtable.errors import (
    AirtableError,
    AirtableUnavailableError,
    ContractError,
    GrantLostError,
    InvalidConfigError,
    RateLimitedError,
)
from unit_tests.builders import API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests_mock
    from pytest_mock import MockerFixture

    from unit_tests.fake_clock import FakeClock

TOKEN_URL = "https://airtable.com/oauth2/v1/token"  # noqa: S105 - an address
SAVED = "oaaSaved5521"
FIRST_REFRESH = "oarFirst5521"
SOON = (datetime.now(timezone.utc) + timedelta(minutes=30)).isoformat()
PAST = "2020-01-01T00:00:00Z"


class Site:
    """Airtable's token endpoint: gives numbered tokens, and notes what it is sent."""

    def __init__(self, airtable: requests_mock.Mocker) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.requests: list[requests.PreparedRequest] = []
        airtable.post(TOKEN_URL, json=self._answer)

    def _answer(self, request: requests.PreparedRequest, _: object) -> dict[str, Any]:
        self.requests.append(request)
        self.forms.append(parse_qs(str(request.body), keep_blank_values=True))
        number = len(self.forms)
        return {
            "access_token": f"oaaNew{number}",
            "refresh_token": f"oarNew{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }


@pytest.fixture(autouse=True)
def at_airtable(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Airtable's own addresses, no sleep, and no secrets known yet."""
    monkeypatch.delenv(API_URL_VARIABLE, raising=False)
    update_secrets([])
    yield
    update_secrets([])


@pytest.fixture
def site(airtable: requests_mock.Mocker) -> Site:
    """A token endpoint that renews."""
    return Site(airtable)


def a_raw_config(**credentials: object) -> dict[str, Any]:
    """Settings as Airbyte gives them; a client with a secret, and no access token."""
    given = {
        "auth_method": "oauth2.0",
        "client_id": "client-5521",
        "client_secret": "secret-5521",
        "refresh_token": FIRST_REFRESH,
        **credentials,
    }
    return {"credentials": given}


def an_authenticator(raw_config: dict[str, Any], clock: FakeClock) -> OauthAuthenticator:
    """The authenticator of a run."""
    built = build_authenticator(
        parse_config(raw_config), raw_config, clock=clock, sleep=clock.sleep
    )
    assert isinstance(built, OauthAuthenticator)
    return built


def a_client(authenticator: OauthAuthenticator, clock: FakeClock) -> AirtableClient:
    """The client of a run."""
    return AirtableClient(authenticator, AirtableBudget(clock=clock, sleep=clock.sleep))


def bases_for(*tokens: str) -> Callable[[requests.PreparedRequest, Any], dict[str, Any]]:
    """Bases for these access tokens, and 401 for others."""

    def answer(request: requests.PreparedRequest, context: Any) -> dict[str, Any]:  # noqa: ANN401 - the mock's
        if request.headers["Authorization"].removeprefix("Bearer ") in tokens:
            return {"bases": []}
        context.status_code = 401
        return {"error": {"type": "AUTHENTICATION_REQUIRED"}}

    return answer


def saved_tokens(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """The tokens that Airbyte received to save."""
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    credentials = [
        said["control"]["connectorConfig"]["config"]["credentials"]
        for said in told
        if said["type"] == "CONTROL"
    ]
    return [(one["access_token"], one["refresh_token"]) for one in credentials]


def test_saved_token(site: Site, clock: FakeClock) -> None:
    """A saved access token is used until it expires."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    header = an_authenticator(raw_config, clock).get_auth_header()

    assert (header, site.forms) == ({"Authorization": f"Bearer {SAVED}"}, [])


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"access_token": None, "token_expiry_date": None},
        {"access_token": "", "token_expiry_date": SOON},
        {"access_token": SAVED},
        {"access_token": SAVED, "token_expiry_date": ""},
        {"access_token": SAVED, "token_expiry_date": None},
        {"access_token": SAVED, "token_expiry_date": "soon"},
        {"access_token": SAVED, "token_expiry_date": "9" * 30},
        {"access_token": SAVED, "token_expiry_date": PAST},
    ],
)
def test_no_usable_token(site: Site, clock: FakeClock, credentials: dict[str, object]) -> None:
    """Without an access token, or a readable end of it that lies ahead, it is renewed first."""
    authenticator = an_authenticator(a_raw_config(**credentials), clock)

    assert authenticator.get_access_token() == "oaaNew1"


def test_new_tokens_are_written_into_the_settings(
    site: Site, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """New tokens are in Airbyte's mapping, and Airbyte receives them."""
    raw_config = a_raw_config()
    an_authenticator(raw_config, clock).get_access_token()
    credentials = raw_config["credentials"]
    left = datetime.fromisoformat(credentials["token_expiry_date"]) - datetime.now(timezone.utc)

    assert saved_tokens(capsys) == [("oaaNew1", "oarNew1")]
    assert (credentials["access_token"], credentials["refresh_token"]) == ("oaaNew1", "oarNew1")
    assert left.total_seconds() == pytest.approx(3600, abs=60)


def test_each_refresh_token_once(site: Site, clock: FakeClock) -> None:
    """Each renewal uses the refresh token that the last one gave."""
    raw_config = a_raw_config(refresh_token=f" {FIRST_REFRESH}\n")
    authenticator = an_authenticator(raw_config, clock)
    for _ in range(3):
        raw_config["credentials"]["token_expiry_date"] = PAST
        authenticator.get_access_token()

    assert [form["refresh_token"] for form in site.forms] == [
        [FIRST_REFRESH],
        ["oarNew1"],
        ["oarNew2"],
    ]


def test_client_with_a_secret(site: Site, clock: FakeClock) -> None:
    """A client with a secret sends it in a Basic header, not in the form."""
    an_authenticator(a_raw_config(), clock).get_access_token()
    (request,) = site.requests

    pair = b64encode(b"client-5521:secret-5521").decode()
    assert request.headers["Authorization"] == f"Basic {pair}"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert site.forms == [{"grant_type": ["refresh_token"], "refresh_token": [FIRST_REFRESH]}]


@pytest.mark.parametrize("secret", [None, "", " "])
def test_public_client(site: Site, clock: FakeClock, secret: str | None) -> None:
    """A client without a secret sends its id in the form, and no header."""
    an_authenticator(a_raw_config(client_secret=secret), clock).get_access_token()
    (request,) = site.requests

    assert "Authorization" not in request.headers
    assert site.forms == [
        {
            "grant_type": ["refresh_token"],
            "refresh_token": [FIRST_REFRESH],
            "client_id": ["client-5521"],
        }
    ]


def test_timeout(site: Site, clock: FakeClock) -> None:
    """A renewal waits no longer than any other request."""
    an_authenticator(a_raw_config(), clock).get_access_token()
    (request,) = site.requests

    assert getattr(request, "timeout", None) == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)


def test_moved_address(
    airtable: requests_mock.Mocker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AIRTABLE_API_URL also moves the token endpoint."""
    monkeypatch.setenv(API_URL_VARIABLE, "http://127.0.0.1:8080/proxy/")
    airtable.post("http://127.0.0.1:8080/proxy/oauth2/v1/token", json={"access_token": "oaaX"})

    assert an_authenticator(a_raw_config(), clock).get_access_token() == "oaaX"


def test_address_that_is_none(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error about an invalid AIRTABLE_API_URL names it."""
    monkeypatch.setenv(API_URL_VARIABLE, "airtable.com")

    with pytest.raises(InvalidConfigError, match="AIRTABLE_API_URL"):
        an_authenticator(a_raw_config(), clock)


@pytest.mark.parametrize("expires_in", [None, "soon", 0, -5, 1e400, float("nan"), 1e300, [3600]])
def test_lifetime_that_cannot_be_used(
    airtable: requests_mock.Mocker, clock: FakeClock, expires_in: object
) -> None:
    """If an answer has no usable lifetime, it is an hour."""
    body = json.dumps({"access_token": "oaaX", "refresh_token": "oarX", "expires_in": expires_in})
    airtable.post(TOKEN_URL, text=body.replace("NaN", "null").replace("Infinity", "null"))
    authenticator = an_authenticator(a_raw_config(), clock)
    authenticator.get_access_token()
    left = authenticator.get_token_expiry_date() - datetime.now(timezone.utc)

    assert left.total_seconds() == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("refresh_token", [None, 7])
def test_answer_without_refresh_token(
    airtable: requests_mock.Mocker, clock: FakeClock, refresh_token: object
) -> None:
    """The refresh token stays if an answer has none."""
    airtable.post(TOKEN_URL, json={"access_token": "oaaX", "refresh_token": refresh_token})
    raw_config = a_raw_config()
    an_authenticator(raw_config, clock).get_access_token()

    assert raw_config["credentials"]["refresh_token"] == FIRST_REFRESH


@pytest.mark.parametrize("access_token", [None, "", 7])
def test_answer_without_access_token(
    airtable: requests_mock.Mocker, clock: FakeClock, access_token: object
) -> None:
    """An answer without an access token is not as documented."""
    airtable.post(TOKEN_URL, json={"access_token": access_token, "refresh_token": "oarX"})

    with pytest.raises(ContractError, match="no access token"):
        an_authenticator(a_raw_config(), clock).get_access_token()


@pytest.mark.parametrize(
    ("status", "error_type", "error"),
    [
        (400, "invalid_grant", GrantLostError),
        (400, "invalid_client", GrantLostError),
        (401, "invalid_client", GrantLostError),
        (401, "", GrantLostError),
        (403, "unauthorized_client", GrantLostError),
        (400, "invalid_request", ContractError),
        (404, "NOT_FOUND", ContractError),
        (429, "RATE_LIMIT_REACHED", RateLimitedError),
        (500, "", AirtableUnavailableError),
        (503, "", AirtableUnavailableError),
    ],
)
def test_refusal(
    airtable: requests_mock.Mocker,
    clock: FakeClock,
    status: int,
    error_type: str,
    error: type[AirtableError],
) -> None:
    """A lost grant is a config error, a failing endpoint is not. Both errors name the step."""
    airtable.post(TOKEN_URL, status_code=status, json={"error": error_type})

    with pytest.raises(AirtableError) as caught:
        an_authenticator(a_raw_config(), clock).get_access_token()

    facts = caught.value.facts
    assert (type(caught.value), facts["status"], facts["error_type"]) == (error, status, error_type)
    assert "renewal of the access token" in str(caught.value)


@pytest.mark.parametrize("failure", [requests.ReadTimeout, requests.ConnectionError])
def test_no_connection(
    airtable: requests_mock.Mocker, clock: FakeClock, failure: type[Exception]
) -> None:
    """A failed connection gets more tries, and ends in a transient error."""
    airtable.post(TOKEN_URL, exc=failure)

    with pytest.raises(AirtableUnavailableError):
        an_authenticator(a_raw_config(), clock).get_access_token()

    assert airtable.call_count > 1


def test_endpoint_that_recovers(
    site: Site, airtable: requests_mock.Mocker, clock: FakeClock
) -> None:
    """A renewal that works in the second try has not failed."""
    answers: list[Any] = [{"status_code": 503}, {"json": {"access_token": "oaaX"}}]
    airtable.post(TOKEN_URL, answers)

    assert an_authenticator(a_raw_config(), clock).get_access_token() == "oaaX"


def test_lost_grant_is_not_asked_for_again(
    airtable: requests_mock.Mocker, clock: FakeClock
) -> None:
    """A lost grant stays lost for the run. Each caller gets an error of its own."""
    airtable.post(TOKEN_URL, status_code=400, json={"error": "invalid_grant"})
    client = a_client(an_authenticator(a_raw_config(), clock), clock)
    caught = []
    for base in ("appAAAAAAAAAAAAAA", "appBBBBBBBBBBBBBB"):
        with pytest.raises(GrantLostError) as lost:
            client.get_base_schema(base)  # type: ignore[arg-type]  # a base's id
        caught.append(lost.value.facts["base"])

    assert caught == ["appAAAAAAAAAAAAAA", "appBBBBBBBBBBBBBB"]
    assert airtable.call_count == 1


def test_failure_is_tried_again_by_later_callers(
    airtable: requests_mock.Mocker, clock: FakeClock
) -> None:
    """A caller that comes after a failed renewal tries again."""
    body: dict[str, Any] = {"access_token": "oaaX"}
    airtable.post(TOKEN_URL, [{"status_code": 500}] * 5 + [{"json": body}])
    authenticator = an_authenticator(a_raw_config(), clock)
    with pytest.raises(AirtableUnavailableError):
        authenticator.get_access_token()

    assert authenticator.get_access_token() == "oaaX"


class WatchedLock:
    """A lock that counts the threads that come to it, before they wait."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.comers = Semaphore(0)

    def __enter__(self) -> None:
        """Take the lock."""
        self.comers.release()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.lock.release()


def test_failure_is_shared_by_who_waited(
    airtable: requests_mock.Mocker, clock: FakeClock, mocker: MockerFixture
) -> None:
    """A thread that waited for a failed renewal does not repeat it."""
    authenticator = an_authenticator(a_raw_config(), clock)
    lock = WatchedLock()
    mocker.patch.object(authenticator, "_token_refresh_lock", lock)
    airtable.post(TOKEN_URL, status_code=501)
    workers = 8

    with ThreadPoolExecutor(workers) as threads:
        with lock.lock:
            asked = [threads.submit(authenticator.get_access_token) for _ in range(workers)]
            for _ in range(workers):
                lock.comers.acquire()
        failures = {type(one.exception()) for one in asked}

    assert failures == {AirtableUnavailableError}
    assert airtable.call_count == 6


def test_renewal_under_concurrency(
    site: Site, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many workers with an expired token renew it once."""
    authenticator = an_authenticator(a_raw_config(), clock)
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: authenticator.get_access_token(), range(64)))

    assert set(tokens) == {"oaaNew1"}
    assert saved_tokens(capsys) == [("oaaNew1", "oarNew1")]


def test_renewals_are_held(
    airtable: requests_mock.Mocker,
    clock: FakeClock,
    mocker: MockerFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A process that ends waits for a renewal and its message, and starts no other."""
    mocker.patch.object(OauthAuthenticator, "_token_refresh_lock", RLock())
    asked, may_answer = Event(), Event()

    def answer(_: requests.PreparedRequest, __: object) -> dict[str, str]:
        asked.set()
        may_answer.wait()
        return {"access_token": "oaaNew1", "refresh_token": "oarNew1"}

    airtable.post(TOKEN_URL, json=answer)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(an_authenticator(a_raw_config(), clock).get_access_token)
        asked.wait()
        is_over_too_soon = OauthAuthenticator.hold_renewals(0.001)
        may_answer.set()
        is_over = OauthAuthenticator.hold_renewals(10)
        saved = saved_tokens(capsys)
        is_free = threads.submit(OauthAuthenticator.hold_renewals, 0.001).result()

    assert (is_over_too_soon, is_over, is_free) == (False, True, False)
    assert saved == [("oaaNew1", "oarNew1")]


def test_refused_token_is_renewed(
    site: Site, airtable: requests_mock.Mocker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A 401 renews the token once, and the call goes on. The log has one line about it."""
    caplog.set_level(logging.INFO)
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    client = a_client(an_authenticator(raw_config, clock), clock)
    airtable.get(f"{API}/meta/bases", json=bases_for("oaaNew1"))

    assert client.list_bases() == []
    assert len(site.forms) == 1
    told = [record.getMessage() for record in caplog.records if record.name.startswith("airbyte")]
    assert told == ["Airtable: renewed the OAuth tokens and gave them to Airbyte to save."]
    assert client.backoff_strategy.retries == 1


def test_refusal_under_concurrency(
    site: Site, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many workers that are refused at the same time renew the token once."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    authenticator = an_authenticator(raw_config, clock)
    workers = 8
    all_refused = Barrier(workers)

    def be_refused(_: int) -> bool:
        refused = requests.Request("GET", API, auth=authenticator).prepare()
        all_refused.wait()
        return authenticator.replace_token(refused, may_renew=True)

    with ThreadPoolExecutor(workers) as threads:
        worth_a_try = list(threads.map(be_refused, range(workers)))

    assert worth_a_try == [True] * workers
    assert saved_tokens(capsys) == [("oaaNew1", "oarNew1")]


def test_refused_for_good(site: Site, airtable: requests_mock.Mocker, clock: FakeClock) -> None:
    """If Airtable also refuses the renewed token, the call fails, and no other call renews it."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    client = a_client(an_authenticator(raw_config, clock), clock)
    airtable.get(f"{API}/meta/bases", json=bases_for())

    for _ in range(3):
        with pytest.raises(GrantLostError, match="AUTHENTICATION_REQUIRED"):
            client.list_bases()

    assert len(site.forms) == 1


def test_refused_in_one_place_only(
    site: Site, airtable: requests_mock.Mocker, clock: FakeClock
) -> None:
    """A call that is refused with any token fails after one renewal; a token that works is kept."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    client = a_client(an_authenticator(raw_config, clock), clock)
    base = "appAAAAAAAAAAAAAA"
    airtable.get(f"{API}/meta/bases/{base}/tables", json=bases_for())
    airtable.get(f"{API}/meta/bases", json=bases_for("oaaNew1", "oaaNew2"))

    for _ in range(2):
        with pytest.raises(GrantLostError):
            client.get_base_schema(base)  # type: ignore[arg-type]  # a base's id
        client.list_bases()

    assert len(site.forms) == 2


def test_expired_while_refused(site: Site, clock: FakeClock) -> None:
    """A refused token that has expired is renewed with the next signature, not twice."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    authenticator = an_authenticator(raw_config, clock)
    refused = requests.Request("GET", API, auth=authenticator).prepare()
    raw_config["credentials"]["token_expiry_date"] = PAST

    assert authenticator.replace_token(refused, may_renew=False)
    assert authenticator.get_access_token() == "oaaNew1"
    assert len(site.forms) == 1


def test_refused_by_where_it_was_sent_on_to(
    site: Site, airtable: requests_mock.Mocker, clock: FakeClock
) -> None:
    """A 401 after a redirect to another host, which gets no token, ends after few tries."""
    raw_config = a_raw_config(access_token=SAVED, token_expiry_date=SOON)
    client = a_client(an_authenticator(raw_config, clock), clock)
    airtable.get(f"{API}/meta/bases", status_code=302, headers={"Location": "https://else.where/"})
    airtable.get("https://else.where/", status_code=401)

    with pytest.raises(GrantLostError):
        client.list_bases()

    assert len(site.forms) == 1


def test_end_of_tries() -> None:
    """A call whose token is replaced repeatedly ends after few tries."""
    response = requests.Response()
    response.status_code = 401

    with pytest.raises(GrantLostError):
        AirtableBackoffStrategy().backoff_time(response, AirtableErrorHandler.max_retries)


def test_new_tokens_are_masked(site: Site, clock: FakeClock) -> None:
    """The CDK masks tokens from a renewal."""
    an_authenticator(a_raw_config(), clock).get_access_token()

    assert filter_secrets("oaaNew1 and oarNew1") == "**** and ****"


def test_log_of_a_failing_renewal(
    airtable: requests_mock.Mocker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed renewal logs no URL, no answer and no secret."""
    for name in ("", "airbyte", "backoff"):
        caplog.set_level(logging.DEBUG, name)
    airtable.post(TOKEN_URL, status_code=503, text="quoted secret-5521")

    with pytest.raises(AirtableUnavailableError):
        an_authenticator(a_raw_config(), clock).get_access_token()

    told = " ".join(
        f"{record.getMessage()} {record.__dict__}"
        for record in caplog.records
        if not record.name.startswith("requests_mock")
    )
    private = ("secret-5521", FIRST_REFRESH, "oauth2", "quoted", "Basic")
    assert [text for text in private if text in told] == []
