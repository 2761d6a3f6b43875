"""Probes of comments: their pages, what they do to modified times, and the scope of their count."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from integration_tests.live_api import SECOND_TOKEN_VARIABLE
from integration_tests.live_probes import OK, NotSettledError, describe_refusal, tell_move

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.live_probes import Ground

COMMENTS: Final = 3
FORBIDDEN: Final = 403
PAGE_SIZES: Final = (100, 101)


@contextmanager
def _new_idea(ground: Ground) -> Iterator[tuple[str, ...]]:
    """A record to comment on, as the path of its comments; it is deleted afterwards."""
    ideas = ground.table("ideas")
    made = ideas.create({"Idea": "Probe"})["id"]
    try:
        yield ground.base_id, ideas.id, made, "comments"
    finally:
        ideas.delete(made)


def _comment(ground: Ground, path: tuple[str, ...]) -> None:
    answer = ground.account.call("POST", *path, json={"text": "Probe"})
    if answer.status_code != OK:
        refusal = describe_refusal(answer)
        raise NotSettledError(f"{refusal}; the token needs data.recordComments:write")


def probe_comment(ground: Ground) -> str:
    """Whether a comment moves the modified time of its record."""
    with _new_idea(ground) as path:
        table = ground.table("ideas")
        return tell_move(ground.moves(table, path[2], lambda: _comment(ground, path)), "a comment")


def probe_comment_pages(ground: Ground) -> str:
    """Whether the list of comments takes pageSize, and how much at most."""
    with _new_idea(ground) as path:
        for _ in range(COMMENTS):
            _comment(ground, path)
        answer = ground.account.call("GET", *path, params={"pageSize": COMMENTS - 1})
        if answer.status_code != OK:
            raise NotSettledError(f"comments cannot be listed: {describe_refusal(answer)}")
        page = answer.json()
        told = [f"pageSize {COMMENTS - 1} of {COMMENTS} gives {len(page['comments'])}"]
        told.append("and an offset" if page.get("offset") else "and no offset")
        for size in PAGE_SIZES:
            refusal = describe_refusal(ground.account.call("GET", *path, params={"pageSize": size}))
            told.append(f"{size}: {refusal}")
    return f"{told[0]} {told[1]}; {'; '.join(told[2:])}"


def probe_count_scope(ground: Ground) -> str:
    """Whether recordMetadata=commentCount needs the scope data.recordComments:read."""
    with _new_idea(ground) as path:
        _comment(ground, path)
        for account in filter(None, (ground.account, ground.other)):
            where: dict[str, Any] = {"filterByFormula": f"RECORD_ID()='{path[2]}'"}
            plain = account.call("GET", *path[:2], params=where)
            listed = account.call("GET", *path)
            # Refused for want of the scope: the record itself can be read.
            if plain.status_code == OK and listed.status_code == FORBIDDEN:
                where["recordMetadata[]"] = "commentCount"
                counted = account.call("GET", *path[:2], params=where)
                told = f"without data.recordComments:read: {describe_refusal(counted)}"
                if counted.status_code != OK:
                    return told
                count = counted.json()["records"][0].get("commentCount", "absent")
                return f"{told}, commentCount of a record with one comment: {count}"
    raise NotSettledError(
        f"it takes a token without data.recordComments:read that reads the base: "
        f"{SECOND_TOKEN_VARIABLE}"
    )
