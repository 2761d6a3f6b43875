"""The simulator lets the author of a comment change and delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.bases import a_base, a_comment, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

Json = dict[str, Any]

NOW: Final = "2026-11-20T12:00:00.250Z"
LATER: Final = "2026-11-20T12:01:00.375Z"
REFUSED: Final = (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


class Talk:
    """A record with another user's comment, and the calls about its comments."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        (table,) = base["tables"]
        (self.record,) = table["records"]
        self.base_id, self.table_id = base["id"], table["id"]
        self.foreign_id: str = self.record["comments"][0]["id"]

    def call(self, method: str, *comment: str, **body: Any) -> requests.Response:  # noqa: ANN401 - JSON
        """One request about comments."""
        place = (self.base_id, self.table_id, self.record["id"], "comments", *comment)
        url = self.caller.path(*place)
        return self.caller.session.request(method, url, json=body, timeout=10)

    def listed(self) -> list[Json]:
        """The record's comments."""
        comments: list[Json] = self.call("GET").json()["comments"]
        return comments


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A simulator whose clock stands still, and a token that may comment."""
    record = {**a_record(Name="Rye"), "comments": [a_comment("Fresh?")]}
    base = a_base("Talk", a_table("Bread", records=[record]), permissionLevel="comment")
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(NOW)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        talking = Talk(simulator, base)
        yield talking
        talking.caller.close()


def test_times_of_a_comment(talk: Talk) -> None:
    """A new comment has the time of its creation to the millisecond, and none of a change."""
    made = talk.call("POST", text="Very").json()

    assert (made["createdTime"], made["lastUpdatedTime"]) == (NOW, None)


def test_change_of_a_comment(talk: Talk) -> None:
    """A change answers with the comment: a new text and its mentions, and when it was changed."""
    made = talk.call("POST", text="Ask @[usrSimulatedUser2]").json()
    talk.admin.set_clock(LATER)
    changed = talk.call("PATCH", made["id"], text="Ask @[usrSimulatedUser3]")

    assert changed.status_code == 200
    assert changed.json() == {
        **made,
        "text": "Ask @[usrSimulatedUser3]",
        "lastUpdatedTime": LATER,
        "mentioned": changed.json()["mentioned"],
    }
    assert changed.json()["mentioned"].keys() == {"usrSimulatedUser3"}
    assert talk.listed()[0] == changed.json()


def test_deletion_of_a_comment(talk: Talk) -> None:
    """A deletion answers with the comment's id, and leaves the other comments."""
    made = talk.call("POST", text="Very").json()
    answer = talk.call("DELETE", made["id"])

    assert (answer.status_code, answer.json()) == (200, {"id": made["id"], "deleted": True})
    assert [one["id"] for one in talk.listed()] == [talk.foreign_id]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("comment_id", [None, "comNobody00000000"])
def test_comment_of_another_user(talk: Talk, method: str, comment_id: str | None) -> None:
    """Another user's comment cannot be changed or deleted, nor one that is not there."""
    before = talk.listed()
    answer = talk.call(method, comment_id or talk.foreign_id, text="Mine")

    assert (answer.status_code, answer.json()["error"]["type"]) == REFUSED
    assert talk.listed() == before


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("lacks", ["scope", "level"])
def test_right_to_comment(talk: Talk, method: str, lacks: str) -> None:
    """A write of comments needs its own scope, and a role that may comment."""
    made = talk.call("POST", text="Very").json()
    if lacks == "scope":
        scopes = (one for one in WRITE_SCOPES if one != "data.recordComments:write")
        talk.admin.set_token_scopes(*scopes)
    else:
        talk.admin.set_permission_level(talk.base_id, "read")
    answer = talk.call(method, made["id"], text="Mine")

    assert (answer.status_code, answer.json()["error"]["type"]) == REFUSED
    assert talk.listed()[0] == made


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": 3}])
def test_change_without_a_text(talk: Talk, body: Json) -> None:
    """A comment is never without a text."""
    made = talk.call("POST", text="Very").json()
    answer = talk.call("PATCH", made["id"], **body)

    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "INVALID_REQUEST_UNKNOWN")
    assert talk.listed()[0] == made
