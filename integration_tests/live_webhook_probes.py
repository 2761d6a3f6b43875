"""The probe of webhooks: whether one token is shown those that another one made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from integration_tests.live_api import SECOND_TOKEN_VARIABLE
from integration_tests.live_probes import OK, NotSettledError, describe_refusal

if TYPE_CHECKING:
    from integration_tests.live_api import Account
    from integration_tests.live_probes import Ground

SPECIFICATION: Final = {"options": {"filters": {"dataTypes": ["tableData"]}}}


def probe_webhook_visibility(ground: Ground) -> str:
    """Whether a webhook is listed for another token than the one that made it."""
    if ground.other is None:
        raise NotSettledError(f"it takes a second token: {SECOND_TOKEN_VARIABLE}")
    path = ("bases", ground.base_id, "webhooks")
    made = ground.account.call("POST", *path, json={"specification": SPECIFICATION})
    if made.status_code != OK:
        refusal = describe_refusal(made)
        raise NotSettledError(f"{refusal}; the token needs webhook:manage")
    webhook_id = made.json()["id"]
    try:
        own, others = (_listed(account, path) for account in (ground.account, ground.other))
    finally:
        ground.account.call("DELETE", *path, webhook_id)
    if webhook_id not in own:
        raise NotSettledError("a webhook is not listed for the token that made it")
    users = {account.api.whoami()["id"] for account in (ground.account, ground.other)}
    whose = "the same" if len(users) == 1 else "another"
    seen = "listed" if webhook_id in others else "not listed"
    return f"a webhook made with one token is {seen} for another token of {whose} user"


def _listed(account: Account, path: tuple[str, ...]) -> set[Any]:
    answer = account.call("GET", *path)
    if answer.status_code != OK:
        refusal = describe_refusal(answer)
        raise NotSettledError(f"{refusal}; both tokens need webhook:manage and the base")
    return {one["id"] for one in answer.json()["webhooks"]}
