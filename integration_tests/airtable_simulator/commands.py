"""Commands to the simulator itself: ``POST /_simulator/<command>`` with a JSON object.

They need no token, have no limits and do not appear in the statistics.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from .account import DEFAULT_TOKEN
from .clock import parse_time, to_wire_time
from .comments import build_comment, edit_comment, generate_comments, newest_first
from .limits import Limits
from .payloads import report_changes
from .stats import Stats
from .synthetic import synthetic_account
from .table import UnknownModelError
from .table_commands import TABLE_COMMANDS
from .webhook_commands import WEBHOOK_COMMANDS
from .wire import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from .comments import Comment
    from .oauth import Grant
    from .record import Record
    from .simulator import Simulator
    from .table import Table

Arguments = dict[str, Any]


async def run_command(simulator: Simulator, request: web.Request) -> web.Response:
    """Run one command. A command that cannot be done is answered with 400 and a sentence."""
    name = request.match_info["command"]
    command = COMMANDS.get(name)
    if command is None:
        return web.json_response({"error": f"no command {name}"}, status=404)
    try:
        given = orjson.loads(await request.read() or b"{}")
        source = given.pop("source", "client")
        token = simulator.account.tokens.get(DEFAULT_TOKEN)
        try:
            result = command(simulator, given)
        finally:
            report_changes(simulator, given.get("base"), source, token)
    except (ValueError, KeyError, TypeError, UnknownModelError) as error:
        sentence = f"{type(error).__name__}: {error}"
        return web.json_response({"error": sentence}, status=400)
    return web.Response(body=to_json(result), content_type="application/json")


def _load(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"base_ids": simulator.account.load(given, simulator.clock.now())}


def _load_synthetic(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return _load(simulator, synthetic_account(**given))


def _change_base(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base = simulator.account.base(given["base"])
    base.name = given.get("name", base.name)
    base.permission_level = given.get("permissionLevel", base.permission_level)
    base.is_shared = given.get("is_shared", base.is_shared)
    return {"id": base.id, "name": base.name, "permissionLevel": base.permission_level}


def _delete_base(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    del simulator.account.bases[simulator.account.base(given["base"]).id]
    return {"deleted": True}


def _rename_table(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table = _find_table(simulator, given)
    table.rename(given["name"])
    return {"id": table.id, "name": table.name}


def _delete_table(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base = simulator.account.base(given["base"])
    base.delete_table(base.table(given["table"]))
    return {"deleted": True}


def _add_sync(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base = simulator.account.base(given["base"])
    sync_id = simulator.account.make_id("syn")
    base.sync_ids[sync_id] = base.table(given["table"]).id
    return {"id": sync_id}


def _add_field(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return _find_table(simulator, given).add_field(given["field"])


def _change_field(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return _find_table(simulator, given).change_field(given["field"], given["changes"])


def _delete_field(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    _find_table(simulator, given).delete_field(given["field"])
    return {"deleted": True}


def _add_token(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    base_ids = given.get("base_ids")
    wanted = {key: value for key, value in given.items() if key != "base_ids"}
    if "scopes" in wanted:
        wanted["scopes"] = tuple(wanted["scopes"])
    added = simulator.account.add_token(
        base_ids=None if base_ids is None else tuple(base_ids), **wanted
    )
    return {"token": added.token}


def _change_token(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    token = simulator.account.token(given.get("token"))
    if "scopes" in given:
        token.scopes = frozenset(given["scopes"])
    if "base_ids" in given:
        base_ids = given["base_ids"]
        token.base_ids = None if base_ids is None else frozenset(base_ids)
    return {"token": token.token}


def _revoke_token(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    del simulator.account.tokens[simulator.account.token(given.get("token")).token]
    return {"revoked": True}


def _add_oauth_client(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.account.oauth.add_client(**given)
    return {"client_id": given["client_id"]}


def _add_oauth_grant(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    wanted: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    oauth, now = simulator.account.oauth, simulator.clock.now()
    return _shown_grant(oauth.add_grant(settings=simulator.settings, now=now, **wanted))


def _show_oauth_grant(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return _shown_grant(simulator.account.oauth.grant(given["grant"]))


def _expire_access_token(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    oauth = simulator.account.oauth
    oauth.expire_access_token(oauth.grant(given["grant"]), simulator.clock.now())
    return {"expired": True}


def _revoke_oauth_grant(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    oauth = simulator.account.oauth
    oauth.revoke(oauth.grant(given["grant"]))
    return {"revoked": True}


def _shown_grant(grant: Grant) -> dict[str, Any]:
    return {
        "grant": grant.id,
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "is_revoked": grant.is_revoked,
    }


def _set_clock(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    if given.get("run"):
        simulator.clock.run()
    else:
        at = given.get("at")
        simulator.clock.freeze(parse_time(at) if isinstance(at, str) else at)
    return {"now": simulator.clock.now()}


def _advance_clock(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.clock.advance(float(given["seconds"]))
    return {"now": simulator.clock.now()}


def _expire_attachment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.files.expire(given["attachment"], is_renewable=given["is_renewable"])
    return {"expired": True}


def _expire_iterators(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"expired": simulator.iterators.expire()}


def _plan_faults(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"faults": [simulator.faults.plan(fault).to_dict() for fault in given["faults"]]}


def _show_faults(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    return {"faults": [rule.to_dict() for rule in simulator.faults.rules]}


def _clear_faults(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.faults.clear()
    return {"faults": []}


def _release_answers(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.faults.release()
    return {"released": True}


def _configure(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.settings = simulator.settings.changed(given)
    return {"changed": sorted(given)}


def _forget_limits(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    simulator.limits = Limits()
    return {"forgotten": True}


def _stats(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    limits = simulator.limits
    return {
        **simulator.stats.to_dict(given.get("last", 100)),
        "most_per_second_by_base": {i: w.most_in_window for i, w in limits.bases.items()},
        "most_per_second_by_user": {i: w.most_in_window for i, w in limits.users.items()},
        "calls_this_month": limits.calls_this_month,
    }


def _reset_stats(simulator: Simulator, _: Arguments) -> Any:  # noqa: ANN401 - JSON
    in_flight = simulator.stats.in_flight
    simulator.stats = Stats(in_flight=in_flight)
    for window in (*simulator.limits.bases.values(), *simulator.limits.users.values()):
        window.most_in_window = 0
    return {"reset": True}


def _find_table(simulator: Simulator, given: Arguments) -> Table:
    return simulator.account.base(given["base"]).table(given["table"])


def _shown_record(simulator: Simulator, record: Record) -> dict[str, Any]:
    modified_at = record.modified_at
    show = partial(to_wire_time, keeps_milliseconds=simulator.settings.times_keep_milliseconds)
    return {
        "id": record.id,
        "createdTime": show(record.created_at),
        "lastModifiedTime": None if modified_at is None else show(modified_at),
        "commentCount": len(record.comments),
        "comments": newest_first(record.comments),
        "fields": record.cells,
    }


def _create_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    keys = ("id", "fields", "createdTime", "lastModifiedTime", "commentCount", "comments")
    document = {key: given[key] for key in keys if key in given}
    record = _find_table(simulator, given).create_record(document, simulator.clock.now())
    return _shown_record(simulator, record)


def _edit_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table = _find_table(simulator, given)
    moment = given.get("lastModifiedTime")
    stays_blank = "lastModifiedTime" in given and moment is None
    record = table.edit_record(
        given["record"],
        given.get("fields", {}),
        parse_time(moment) if moment else simulator.clock.now(),
        is_user_edit=given.get("is_user_edit", True) and not stays_blank,
    )
    if "commentCount" in given:
        comments, count = record.comments, given["commentCount"]
        record.change_comments(generate_comments(comments, count, record.id, record.created_at))
    if "createdTime" in given:
        table.set_created_time(record, parse_time(given["createdTime"]))
    if moment:
        record.modified_at = parse_time(moment)
    if stays_blank:
        record.modified_at = record.edited_at = None
    return _shown_record(simulator, record)


def _delete_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    _find_table(simulator, given).delete_record(given["record"])
    return {"deleted": True}


def _dump(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    records = _find_table(simulator, given).records.values()
    return {"records": [_shown_record(simulator, record) for record in records]}


def _add_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = _find_table(simulator, given).record(given["record"])
    comment = {"id": simulator.account.make_id("com"), **given["comment"]}
    made = build_comment(comment, simulator.clock.now())
    record.change_comments((*record.comments, made))
    return made


def _edit_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = _find_table(simulator, given).record(given["record"])
    known = _comment(record, given["comment"])
    edited = edit_comment(known, given["changes"], simulator.clock.now())
    record.change_comments(tuple(edited if one is known else one for one in record.comments))
    return edited


def _delete_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = _find_table(simulator, given).record(given["record"])
    known = _comment(record, given["comment"])
    record.change_comments(tuple(one for one in record.comments if one is not known))
    return {"deleted": True}


def _comment(record: Record, comment_id: str) -> Comment:
    for one in record.comments:
        if one["id"] == comment_id:
            return one
    raise UnknownModelError(f"record {record.id} has no comment {comment_id}")


COMMANDS: Final[dict[str, Callable[[Simulator, Arguments], Any]]] = {
    **TABLE_COMMANDS,
    **WEBHOOK_COMMANDS,
    "add_comment": _add_comment,
    "add_field": _add_field,
    "add_oauth_client": _add_oauth_client,
    "add_oauth_grant": _add_oauth_grant,
    "add_sync": _add_sync,
    "add_token": _add_token,
    "advance_clock": _advance_clock,
    "change_base": _change_base,
    "change_field": _change_field,
    "change_token": _change_token,
    "clear_faults": _clear_faults,
    "configure": _configure,
    "create_record": _create_record,
    "delete_base": _delete_base,
    "delete_comment": _delete_comment,
    "delete_field": _delete_field,
    "delete_record": _delete_record,
    "delete_table": _delete_table,
    "dump": _dump,
    "edit_comment": _edit_comment,
    "edit_record": _edit_record,
    "expire_access_token": _expire_access_token,
    "expire_attachment": _expire_attachment,
    "expire_iterators": _expire_iterators,
    "forget_limits": _forget_limits,
    "load": _load,
    "load_synthetic": _load_synthetic,
    "plan_faults": _plan_faults,
    "release_answers": _release_answers,
    "rename_table": _rename_table,
    "reset_stats": _reset_stats,
    "revoke_oauth_grant": _revoke_oauth_grant,
    "revoke_token": _revoke_token,
    "set_clock": _set_clock,
    "show_faults": _show_faults,
    "show_oauth_grant": _show_oauth_grant,
    "stats": _stats,
}
