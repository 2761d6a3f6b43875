"""Commands that change and show records and their comments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .clock import parse_time, to_wire_time
from .comments import build_comment, edit_comment, generate_comments, newest_first
from .table import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .comments import Comment
    from .record import Record
    from .server import Simulator
    from .table import Table

Arguments = dict[str, Any]


def find_table(simulator: Simulator, given: Arguments) -> Table:
    """The table that a command names."""
    return simulator.account.base(given["base"]).table(given["table"])


def _shown(simulator: Simulator, record: Record) -> dict[str, Any]:
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
    record = find_table(simulator, given).create_record(document, simulator.clock.now())
    return _shown(simulator, record)


def _edit_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    table = find_table(simulator, given)
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
    return _shown(simulator, record)


def _delete_record(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    find_table(simulator, given).delete_record(given["record"])
    return {"deleted": True}


def _dump(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    records = find_table(simulator, given).records.values()
    return {"records": [_shown(simulator, record) for record in records]}


def _add_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = find_table(simulator, given).record(given["record"])
    comment = {"id": simulator.account.make_id("com"), **given["comment"]}
    made = build_comment(comment, simulator.clock.now())
    record.change_comments((*record.comments, made))
    return made


def _edit_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = find_table(simulator, given).record(given["record"])
    known = _comment(record, given["comment"])
    edited = edit_comment(known, given["changes"], simulator.clock.now())
    record.change_comments(tuple(edited if one is known else one for one in record.comments))
    return edited


def _delete_comment(simulator: Simulator, given: Arguments) -> Any:  # noqa: ANN401 - JSON
    record = find_table(simulator, given).record(given["record"])
    known = _comment(record, given["comment"])
    record.change_comments(tuple(one for one in record.comments if one is not known))
    return {"deleted": True}


def _comment(record: Record, comment_id: str) -> Comment:
    for one in record.comments:
        if one["id"] == comment_id:
            return one
    raise UnknownModelError(f"record {record.id} has no comment {comment_id}")


RECORD_COMMANDS: Final[dict[str, Callable[[Simulator, Arguments], Any]]] = {
    "add_comment": _add_comment,
    "create_record": _create_record,
    "delete_comment": _delete_comment,
    "delete_record": _delete_record,
    "dump": _dump,
    "edit_comment": _edit_comment,
    "edit_record": _edit_record,
}
