"""The simulator's token endpoint: rotation, revocation, and the refusals of OAuth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests.airtable_simulator import CommandRefusedError, SimulatorThread
from integration_tests.airtable_simulator.caller import CALL_SECONDS, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT: Final = ("client-with-secret", "its-secret")
PUBLIC_CLIENT: Final = "public-client"


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator with a client that has a secret, and one that has none."""
    with SimulatorThread(has_limits=False) as simulator:
        simulator.admin.add_oauth_client(*CLIENT)
        simulator.admin.add_oauth_client(PUBLIC_CLIENT)
        yield simulator


def renew(
    simulator: SimulatorThread,
    refresh_token: str,
    *,
    client: tuple[str, str] | None = CLIENT,
    **more: str,
) -> requests.Response:
    """Ask for new tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
    return requests.post(
        f"{simulator.url}/oauth2/v1/token",
        data=form,
        auth=client or (lambda request: request),
        timeout=CALL_SECONDS,
    )


def whoami(simulator: SimulatorThread, access_token: str) -> requests.Response:
    """Ask whose an access token is."""
    caller = Caller(simulator, access_token)
    try:
        return caller.get("meta", "whoami")
    finally:
        caller.close()


def test_renewal(simulator: SimulatorThread) -> None:
    """A renewal gives both tokens, how long they live, and the scopes."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0], scopes=["schema.bases:read"])
    given = renew(simulator, grant["refresh_token"]).json()
    tokens = {given.pop("access_token"), given.pop("refresh_token")}

    assert not tokens & set(map(str, grant.values()))
    assert given == {
        "token_type": "Bearer",
        "scope": "schema.bases:read",
        "expires_in": 3600,
        "refresh_expires_in": 5_184_000,
    }


def test_rotation(simulator: SimulatorThread) -> None:
    """A renewal ends the old access token at once, and the new one knows its scopes."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0], scopes=["schema.bases:read"])
    before = whoami(simulator, grant["access_token"])
    given = renew(simulator, grant["refresh_token"]).json()

    assert before.json()["scopes"] == ["schema.bases:read"]
    assert whoami(simulator, grant["access_token"]).status_code == 401
    assert whoami(simulator, given["access_token"]).json()["scopes"] == ["schema.bases:read"]


def test_reuse_revokes(simulator: SimulatorThread) -> None:
    """A refresh token that comes a second time is refused, and ends the grant with all tokens."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    given = renew(simulator, grant["refresh_token"]).json()
    reused = renew(simulator, grant["refresh_token"])
    after = renew(simulator, given["refresh_token"])

    assert [(r.status_code, r.json()["error"]) for r in (reused, after)] == [
        (400, "invalid_grant"),
        (400, "invalid_grant"),
    ]
    assert whoami(simulator, given["access_token"]).status_code == 401
    assert simulator.admin.show_oauth_grant(grant["grant"])["is_revoked"]


def test_revoked(simulator: SimulatorThread) -> None:
    """A revoked grant has no token that works."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    simulator.admin.revoke_oauth_grant(grant["grant"])

    assert renew(simulator, grant["refresh_token"]).json()["error"] == "invalid_grant"
    assert whoami(simulator, grant["access_token"]).status_code == 401


def test_public_client(simulator: SimulatorThread) -> None:
    """A client without a secret names itself in the body."""
    grant = simulator.admin.add_oauth_grant(PUBLIC_CLIENT)
    given = renew(simulator, grant["refresh_token"], client=None, client_id=PUBLIC_CLIENT)

    assert given.status_code == 200


@pytest.mark.parametrize(
    ("client", "more"),
    [
        (("nobody", "its-secret"), {}),
        ((CLIENT[0], "wrong"), {}),
        ((PUBLIC_CLIENT, ""), {}),
        (None, {}),
        (None, {"client_id": "nobody"}),
        (None, {"client_id": CLIENT[0]}),
        (None, {"client_id": PUBLIC_CLIENT, "client_secret": ""}),
    ],
)
def test_unknown_client(
    simulator: SimulatorThread, client: tuple[str, str] | None, more: dict[str, str]
) -> None:
    """A client that is unknown, or shows itself the wrong way, is refused."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    refused = renew(simulator, grant["refresh_token"], client=client, **more)

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("authorization", ["Bearer x", "Basic ###", "Basic", "Basic /w=="])
def test_authorization_that_is_none(simulator: SimulatorThread, authorization: str) -> None:
    """Anything but the pair of a client is refused."""
    url = f"{simulator.url}/oauth2/v1/token"
    headers = {"Authorization": authorization}
    refused = requests.post(url, headers=headers, data={}, timeout=CALL_SECONDS)

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_another_clients_token(simulator: SimulatorThread) -> None:
    """A refresh token is good for its own client only."""
    grant = simulator.admin.add_oauth_grant(PUBLIC_CLIENT)

    assert renew(simulator, grant["refresh_token"]).json()["error"] == "invalid_grant"


def test_other_grant_type(simulator: SimulatorThread) -> None:
    """Nothing but renewal is spoken."""
    refused = renew(simulator, "any", grant_type="password")

    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")


def test_json_body(simulator: SimulatorThread) -> None:
    """A JSON body is not a form."""
    url = f"{simulator.url}/oauth2/v1/token"
    form = {"grant_type": "refresh_token", "refresh_token": "any"}
    refused = requests.post(url, json=form, auth=CLIENT, timeout=CALL_SECONDS)

    assert refused.json()["error"] == "unsupported_grant_type"


def test_expiry(simulator: SimulatorThread) -> None:
    """An access token ends when its time is over; the refresh token goes on."""
    simulator.admin.configure(oauth_expires_in_seconds=60)
    simulator.admin.set_clock()
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    simulator.admin.advance_clock(59)
    before = whoami(simulator, grant["access_token"]).status_code
    simulator.admin.advance_clock(1)
    after = whoami(simulator, grant["access_token"]).status_code

    assert (before, after) == (200, 401)
    assert renew(simulator, grant["refresh_token"]).json()["expires_in"] == 60


def test_expiry_by_command(simulator: SimulatorThread) -> None:
    """A command ends an access token, and the refresh token goes on."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    simulator.admin.expire_access_token(grant["grant"])

    assert whoami(simulator, grant["access_token"]).status_code == 401
    assert renew(simulator, grant["refresh_token"]).status_code == 200


def test_expiry_by_calls(simulator: SimulatorThread) -> None:
    """An access token can be made to end after some calls."""
    simulator.admin.configure(oauth_calls_of_access_token=2)
    grant = simulator.admin.add_oauth_grant(CLIENT[0])

    assert [whoami(simulator, grant["access_token"]).status_code for _ in range(3)] == [
        200,
        200,
        401,
    ]


def test_stats(simulator: SimulatorThread) -> None:
    """Renewals are counted by how they ended, and need no token of their own."""
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    for _ in range(2):
        renew(simulator, grant["refresh_token"])
    stats = simulator.admin.stats()

    assert stats["renewals"] == {"granted": 1, "invalid_grant": 1}
    assert (stats["by_kind"], stats["refused"]) == ({"oauth_token": 2}, {})


def test_fault(simulator: SimulatorThread) -> None:
    """The endpoint can be broken like any other, which spends no token."""
    simulator.admin.plan_fault("oauth_token", "status", status=503)
    grant = simulator.admin.add_oauth_grant(CLIENT[0])
    statuses = [renew(simulator, grant["refresh_token"]).status_code for _ in range(2)]

    assert statuses == [503, 200]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("add_oauth_grant", {"client_id": "nobody"}),
        ("revoke_oauth_grant", {"grant": "none"}),
        ("expire_access_token", {"grant": "none"}),
    ],
)
def test_unknown_to_commands(
    simulator: SimulatorThread, command: str, arguments: dict[str, Any]
) -> None:
    """Commands refuse what does not exist."""
    with pytest.raises(CommandRefusedError, match="there is no such"):
        simulator.admin.call(command, **arguments)
