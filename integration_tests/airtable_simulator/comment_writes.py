"""The endpoints that write comments. Only its author changes or deletes a comment.

See: https://airtable.com/developers/web/api/create-comment
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from . import errors
from .access import COMMENTERS, open_record, open_table
from .comments import build_comment, edit_comment
from .endpoints import Endpoint
from .wire import to_json

if TYPE_CHECKING:
    from .comments import Comment
    from .endpoints import Request
    from .record import Record
    from .simulator import Simulator


def create_comment(simulator: Simulator, request: Request) -> bytes:
    """Add a comment by the token's user to a record."""
    record = _open_record(simulator, request)
    text = _text(request)
    parent = request.body.get("parentCommentId")
    if parent is not None and parent not in [one["id"] for one in record.comments]:
        raise errors.invalid_request()
    given = {
        "id": simulator.account.make_id("com"),
        "author": request.token.user,
        "text": text,
        **({} if parent is None else {"parentCommentId": parent}),
    }
    made = build_comment(given, simulator.clock.now())
    record.change_comments((*record.comments, made))
    return to_json(made)


def update_comment(simulator: Simulator, request: Request) -> bytes:
    """Change the text of a comment. The answer is the comment.

    Raises: ``Refusal`` 403 for a comment of another user or none.
    """
    record = _open_record(simulator, request)
    known = _own_comment(record, request)
    edited = edit_comment(known, {"text": _text(request)}, simulator.clock.now())
    record.change_comments(tuple(edited if one is known else one for one in record.comments))
    return to_json(edited)


def delete_comment(simulator: Simulator, request: Request) -> bytes:
    """Delete a comment.

    Raises: ``Refusal`` 403 for a comment of another user or none.
    """
    record = _open_record(simulator, request)
    known = _own_comment(record, request)
    record.change_comments(tuple(one for one in record.comments if one is not known))
    return to_json({"id": known["id"], "deleted": True})


def _open_record(simulator: Simulator, request: Request) -> Record:
    _, table = open_table(simulator, request)
    return open_record(table, request.names["record"])


def _text(request: Request) -> str:
    text = request.body.get("text") if isinstance(request.body, dict) else None
    if not isinstance(text, str) or not text:
        raise errors.invalid_request()
    return text


def _own_comment(record: Record, request: Request) -> Comment:
    author_id = request.token.user_id
    for one in record.comments:
        if one["id"] == request.names["comment"] and one["author"].get("id") == author_id:
            return one
    raise errors.permission_or_model()


COMMENTS: Final = "/v0/{base}/{table}/{record}/comments"
COMMENT: Final = f"{COMMENTS}/{{comment}}"
CommentWrite = partial(
    Endpoint, scopes=("data.recordComments:write",), levels=COMMENTERS, is_counted=True
)
ENDPOINTS: Final = (
    CommentWrite("create_comment", "POST", COMMENTS, create_comment),
    CommentWrite("update_comment", "PATCH", COMMENT, update_comment),
    CommentWrite("delete_comment", "DELETE", COMMENT, delete_comment),
)
