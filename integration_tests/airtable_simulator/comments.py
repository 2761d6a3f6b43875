"""Comments of records: loaded from a base's JSON, generated from a count, and edited.

See: https://airtable.com/developers/web/api/list-comments
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from .clock import parse_time, to_wire_time
from .ids import make_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Comment = dict[str, Any]
"""A comment as a listing shows it.

Keys: id, author, text, createdTime, lastUpdatedTime.
Optional keys: mentioned, parentCommentId, reactions.
"""

MENTION: Final = re.compile(r"@\[((?:usr|ugp)[A-Za-z0-9]{14})\]")
AUTHOR: Final = {"id": "usrSimulatedUser2", "email": "user2@example.com", "name": "User 2"}
GENERATED_STEP_SECONDS: Final = 3_600
"""Time between one generated comment and the next."""
GENERATED: Final[tuple[Comment, ...]] = (
    {"text": "Looks good to me"},
    {"text": "@[usrSimulatedUser1] can you check this?"},
    {
        "text": "Done 👍\nThanks",
        # Code points in hexadecimal, joined by hyphens.
        "reactions": [
            {
                "emoji": {"unicodeCharacter": "1f44d-1f3fd"},
                "reactingUser": {
                    "userId": "usrSimulatedUser1",
                    "email": "user1@example.com",
                    "name": "User 1",
                },
            }
        ],
    },
)
"""The generated comments. They repeat in this order."""


def build_comment(given: Comment, created_at: float) -> Comment:
    """Complete a comment: add missing keys and the users that its text mentions.

    Shape: ``{"id": "comB5bLzs6kuAZ0Tq", "text": "Hi @[usrL2PNC5o3H4lBE1]"}`` gets ``mentioned``:
    ``{"usrL2PNC5o3H4lBE1": {"type": "user", "id": …, "displayName": …, "email": …}}``.
    """
    made = {
        "author": dict(AUTHOR),
        "createdTime": to_wire_time(created_at, keeps_milliseconds=True),
        "lastUpdatedTime": None,
        **given,
    }
    if "mentioned" not in given:
        made |= _mentioned(given["text"])
    return made


def _mentioned(text: str) -> dict[str, Any]:
    mentioned = {key: _shown_mention(key) for key in MENTION.findall(text)}
    return {"mentioned": mentioned} if mentioned else {}


def _shown_mention(key: str) -> dict[str, str]:
    if key.startswith("ugp"):
        return {"type": "userGroup", "id": key, "displayName": f"Group {key[-4:]}"}
    name, email = f"User {key[-4:]}", f"{key[-4:].lower()}@example.com"
    return {"type": "user", "id": key, "displayName": name, "email": email}


def load_comments(
    given: Iterable[Comment], record_id: str, created_at: float
) -> tuple[Comment, ...]:
    """Complete the comments of a base's JSON, with ids and times where they are missing."""
    return tuple(
        build_comment({"id": make_id("com", record_id, number), **one}, created_at + number)
        for number, one in enumerate(given)
    )


def newest_first(comments: Sequence[Comment]) -> list[Comment]:
    """The comments in the order of a listing. Of two with the same time, the later one is first."""
    return sorted(comments, key=lambda one: parse_time(one["createdTime"]))[::-1]


def generate_comments(
    known: Sequence[Comment], count: int, record_id: str, created_at: float
) -> tuple[Comment, ...]:
    """Cut or extend comments to a count. Equal ids give equal generated comments."""
    comments = list(known[:count])
    taken = {one["id"] for one in comments}
    # Some of these may exist already, and others may have been deleted.
    for number in range(count):
        key = make_id("com", record_id, number)
        if len(comments) < count and key not in taken:
            given = {"id": key, **GENERATED[number % len(GENERATED)]}
            comments.append(build_comment(given, created_at + GENERATED_STEP_SECONDS * number))
    return tuple(comments)


def edit_comment(comment: Comment, changes: Comment, now: float) -> Comment:
    """Change a comment now. Its mentions follow the text."""
    edited = {**comment, "lastUpdatedTime": to_wire_time(now, keeps_milliseconds=True), **changes}
    if "text" in changes and "mentioned" not in changes:
        edited.pop("mentioned", None)
        edited |= _mentioned(edited["text"])
    return edited
