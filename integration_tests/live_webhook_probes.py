"""Probes of webhooks: what they report, for whom, and for how long."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from integration_tests.live_api import SECOND_TOKEN_VARIABLE
from integration_tests.live_probes import OK, NotSettledError, describe_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyairtable import Base, Table

    from integration_tests.live_api import Account
    from integration_tests.live_probes import Ground

SPECIFICATION: Final = {"options": {"filters": {"dataTypes": ["tableData", "tableFields"]}}}
REPORT_SECONDS: Final = 5.0
"""After which a change is expected to be reported."""
BY_HAND: Final = "add one by hand, and run this again for that base"


def probe_webhook_visibility(ground: Ground) -> str:
    """Whether a webhook is listed for another token than the one that made it."""
    if ground.other is None:
        raise NotSettledError(f"it takes a second token: {SECOND_TOKEN_VARIABLE}")
    with _webhook(ground) as webhook_id:
        own, others = (_listed(ground, one) for one in (ground.account, ground.other))
    if webhook_id not in own:
        raise NotSettledError("a webhook is not listed for the token that made it")
    users = {account.api.whoami()["id"] for account in (ground.account, ground.other)}
    whose = "the same" if len(users) == 1 else "another"
    seen = "listed" if webhook_id in others else "not listed"
    return f"a webhook made with one token is {seen} for another token of {whose} user"


def probe_reported_records(ground: Ground) -> str:
    """Which records a webhook names, and whether it numbers its payloads without a gap."""
    products = ground.table("products")
    with _webhook(ground) as webhook_id:
        made = products.create({"Name": "Probe"})["id"]
        products.update(made, {"Name": "Probe *"})
        products.delete(made)
        page = _payloads(ground, webhook_id)
    kinds = {
        "created": "createdRecordsById",
        "edited": "changedRecordsById",
        "deleted": "destroyedRecordIds",
    }
    changes = [_changes_of(one, products) for one in page["payloads"]]
    named = [
        word for word, key in kinds.items() if any(made in (c.get(key) or ()) for c in changes)
    ]
    is_gapless = page["cursor"] - 1 == len(page["payloads"])
    numbers = "without a gap" if is_gapless else "with gaps"
    return f"a webhook names records that were {', '.join(named)}, and numbers payloads {numbers}"


def probe_reported_computed_cells(ground: Ground) -> str:
    """Whether a webhook names a record whose lookup changes because of a linked record."""
    base = ground.account.base(ground.base_id)
    table, options = _find_lookup(base)
    link = table.schema().field(options["recordLinkFieldId"])
    linked = base.table(link.model_dump(by_alias=True)["options"]["linkedTableId"])
    source = linked.schema().field(options["fieldIdInLinkedTable"])
    other = linked.create({source.name: "Probe"})["id"]
    record = table.create({link.name: [other]})["id"]
    try:
        named = _is_named(ground, table, record, lambda: linked.update(other, {source.name: "New"}))
    finally:
        table.delete(record)
        linked.delete(other)
    return f"a lookup that changes with its linked record is {'' if named else 'not '}reported"


def probe_reported_link_names(ground: Ground) -> str:
    """Whether a webhook names a record that links to one with a new name."""
    products, lines = ground.table("products"), ground.table("lines")
    other = products.create({"Name": "Probe"})["id"]
    line = lines.create({"Product": [other]})["id"]
    try:
        named = _is_named(ground, lines, line, lambda: products.update(other, {"Name": "New"}))
    finally:
        lines.delete(line)
        products.delete(other)
    return f"a linked record's new name is {'' if named else 'not '}reported for the one that links"


def probe_aged_cursor(ground: Ground) -> str:
    """What a webhook that has lost its first payloads answers to the cursor 1."""
    answer = ground.account.call("GET", "bases", ground.base_id, "webhooks")
    if answer.status_code != OK:
        raise NotSettledError(f"{describe_refusal(answer)}; the token needs webhook:manage")
    for webhook in answer.json()["webhooks"]:
        path = ("bases", ground.base_id, "webhooks", webhook["id"], "payloads")
        listed = ground.account.call("GET", *path, params={"cursor": 1})
        if listed.status_code != OK:
            return f"a cursor older than the retention: {describe_refusal(listed)}"
        page = listed.json()
        if page["cursor"] - 1 > len(page["payloads"]):
            return "a cursor older than the retention: 200, goes on with what is kept"
    raise NotSettledError(
        "no webhook of the base has lost payloads: run this again for a base that the connector "
        "has read by webhooks for more than a week"
    )


def _is_named(ground: Ground, table: Table, record_id: str, act: Callable[[], object]) -> bool:
    """Whether a webhook names a record after an act on another one."""
    with _webhook(ground) as webhook_id:
        act()
        page = _payloads(ground, webhook_id)
    changes = [_changes_of(payload, table) for payload in page["payloads"]]
    return any(record_id in (one.get("changedRecordsById") or ()) for one in changes)


def _find_lookup(base: Base) -> tuple[Table, dict[str, str]]:
    """A table with a lookup, and the lookup's options."""
    for table in base.schema().tables:
        for field in table.fields:
            if field.type == "multipleLookupValues":
                return base.table(table.id), field.model_dump(by_alias=True)["options"]
    raise NotSettledError(f"the base has no lookup: {BY_HAND}")


@contextmanager
def _webhook(ground: Ground) -> Iterator[str]:
    """A webhook of the connector's form, deleted in the end."""
    path = ("bases", ground.base_id, "webhooks")
    made = ground.account.call("POST", *path, json={"specification": SPECIFICATION})
    if made.status_code != OK:
        refusal = describe_refusal(made)
        raise NotSettledError(f"{refusal}; the token needs webhook:manage")
    webhook_id = made.json()["id"]
    try:
        yield webhook_id
    finally:
        ground.account.call("DELETE", *path, webhook_id)


def _payloads(ground: Ground, webhook_id: str) -> Any:  # noqa: ANN401 - JSON
    ground.account.sleep(REPORT_SECONDS)
    path = ("bases", ground.base_id, "webhooks", webhook_id, "payloads")
    answer = ground.account.call("GET", *path)
    if answer.status_code != OK:
        raise NotSettledError(f"payloads cannot be listed: {describe_refusal(answer)}")
    return answer.json()


def _changes_of(payload: dict[str, Any], table: Table) -> dict[str, Any]:
    changed: dict[str, Any] = payload.get("changedTablesById", {}).get(table.id, {})
    return changed


def _listed(ground: Ground, account: Account) -> set[Any]:
    answer = account.call("GET", "bases", ground.base_id, "webhooks")
    if answer.status_code != OK:
        refusal = describe_refusal(answer)
        raise NotSettledError(f"{refusal}; both tokens need webhook:manage and the base")
    return {one["id"] for one in answer.json()["webhooks"]}
