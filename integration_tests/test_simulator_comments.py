"""The simulator lists comments, newest first and in pages, and lets tests change them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests import photo_studio
from integration_tests.airtable_simulator import CommandRefusedError, SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.errors import PERMISSION_MESSAGE
from integration_tests.bases import a_base, a_comment, a_field, a_record, a_table

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

NOW: Final = "2026-11-20T12:00:00.000Z"
FORBIDDEN: Final = {
    "error": {"type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "message": PERMISSION_MESSAGE}
}
STALE: Final = {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}


class Talk:
    """A base with one table, and the calls about the comments of its records."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        self.base_id: str = base["id"]
        (table,) = base["tables"]
        self.table_id: str = table["id"]
        self.silent, self.said, self.counted = (record["id"] for record in table["records"])

    def where(self, record_id: str) -> tuple[str, str, str]:
        """A record as the admin endpoints name it."""
        return (self.base_id, self.table_id, record_id)

    def get(self, record_id: str, **query: Any) -> requests.Response:  # noqa: ANN401 - a query
        """One request for comments."""
        return self.caller.get(*self.where(record_id), "comments", **query)

    def comments(self, record_id: str) -> list[Json]:
        """The first page of a record's comments."""
        listed: list[Json] = self.get(record_id).json()["comments"]
        return listed

    def counts(self) -> list[int | None]:
        """What a listing says of the number of comments."""
        listed = self.caller.get(self.base_id, self.table_id, recordMetadata="commentCount")
        return [record.get("commentCount") for record in listed.json()["records"]]


def a_talk_base() -> Json:
    """Records without comments, with two known ones, and with a number of them."""
    said = [
        a_comment("First", createdTime="2026-11-01T09:00:00.000Z"),
        a_comment("Second", createdTime="2026-11-01T09:30:00.000Z"),
    ]
    records = [
        a_record(Name="silent"),
        {**a_record(Name="said"), "comments": said, "commentCount": 7},
        {**a_record(Name="counted"), "commentCount": 5},
    ]
    return a_base("Talk", a_table("Topics", a_field("Done", "checkbox"), records=records))


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A simulator without limits per second whose clock stands still."""
    base = a_talk_base()
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(NOW)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        simulator.admin.set_permission_level(base["id"], "comment")
        talking = Talk(simulator, base)
        yield talking
        talking.caller.close()


def test_loaded_comments_are_listed_newest_first(talk: Talk) -> None:
    """Comments of the bases' JSON come whole, newest first, and their number is the count."""
    newest, oldest = talk.comments(talk.said)

    assert (newest["text"], oldest["text"]) == ("Second", "First")
    assert newest.keys() == {"id", "author", "text", "createdTime", "lastUpdatedTime"}
    assert newest["author"].keys() == {"id", "email", "name"}
    assert (newest["createdTime"], newest["lastUpdatedTime"]) == ("2026-11-01T09:30:00.000Z", None)
    assert re.fullmatch(r"com[A-Za-z0-9]{14}", newest["id"])
    assert talk.counts() == [None, 2, 5]


def test_record_without_comments(talk: Talk) -> None:
    """Nothing was said: an empty list and no offset."""
    assert talk.get(talk.silent).json() == {"comments": [], "offset": None}


def test_counted_comments_are_made_up(talk: Talk) -> None:
    """Where only the number is known, so many comments come, the same ones at every call."""
    listed = talk.comments(talk.counted)
    times = [one["createdTime"] for one in listed]

    assert listed == talk.comments(talk.counted)
    assert len({one["id"] for one in listed}) == 5
    assert times == sorted(times, reverse=True)
    assert {"mentioned", "reactions"} <= {key for one in listed for key in one}


def test_mentions_are_told(talk: Talk) -> None:
    """Who is named in a text is told beside it, by id."""
    text = "@[usrL2PNC5o3H4lBE1] and @[ugpL2PNC5o3H4lBE1]"
    talk.admin.add_comment(*talk.where(talk.silent), text)
    (comment,) = talk.comments(talk.silent)
    user, group = comment["mentioned"].values()

    assert list(comment["mentioned"]) == [user["id"], group["id"]]
    assert user.keys() == {"type", "id", "displayName", "email"}
    assert (user["type"], group["type"]) == ("user", "userGroup")
    assert comment["text"] == text


@pytest.mark.parametrize("end", ["null", "absent"])
def test_pages(talk: Talk, end: str) -> None:
    """Pages go on by an offset; on the last one it is null, or absent."""
    talk.admin.configure(last_comments_offset=end)
    pages = [talk.get(talk.counted, pageSize=2).json()]
    while pages[-1].get("offset"):
        offset = pages[-1]["offset"]
        pages.append(talk.get(talk.counted, pageSize=2, offset=offset).json())
    ids = [one["id"] for page in pages for one in page["comments"]]

    assert [len(page["comments"]) for page in pages] == [2, 2, 1]
    assert ids == [one["id"] for one in talk.comments(talk.counted)]
    assert ("offset" in pages[-1]) == (end == "null")


def test_hundred_comments_a_page(talk: Talk) -> None:
    """Without a page size a page has a hundred comments."""
    talk.admin.edit_record(*talk.where(talk.counted), {}, is_user_edit=False, commentCount=101)
    first = talk.get(talk.counted).json()
    last = talk.get(talk.counted, offset=first["offset"]).json()

    assert (len(first["comments"]), len(last["comments"])) == (100, 1)


@pytest.mark.parametrize("size", ["0", "101", "ten", "-1", ""])
def test_page_size_out_of_range(talk: Talk, size: str) -> None:
    """A page size that is not 1 to 100 is refused."""
    refused = talk.get(talk.counted, pageSize=size)

    assert refused.status_code == 422
    assert refused.json()["error"]["type"] == "INVALID_REQUEST_UNKNOWN"


def test_foreign_offsets(talk: Talk) -> None:
    """An offset that nobody gave out, that is of another record or of a listing, is refused."""
    of_records = talk.caller.get(talk.base_id, talk.table_id, pageSize=1).json()["offset"]
    of_another = talk.get(talk.said, pageSize=1).json()["offset"]
    answers = [
        talk.get(talk.counted, pageSize=1, offset=offset)
        for offset in ("itrNone/comNone", of_records, of_another)
    ]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert answers[0].json() == STALE


def test_empty_offset(talk: Talk) -> None:
    """An empty offset starts at the beginning, as it does for records."""
    first, again = (talk.get(talk.counted, pageSize=1, **more) for more in ({}, {"offset": ""}))

    assert again.status_code == 200
    assert again.json()["comments"] == first.json()["comments"]


def test_stale_offset(talk: Talk) -> None:
    """An offset can expire, as those of records."""
    offset = talk.get(talk.counted, pageSize=2).json()["offset"]
    talk.admin.expire_iterators()

    assert talk.get(talk.counted, pageSize=2, offset=offset).json() == STALE


@pytest.mark.parametrize(
    ("record_id", "status"), [("recNobody00000000", 403), ("recShort", 404), ("x", 404)]
)
def test_unknown_record(talk: Talk, record_id: str, status: int) -> None:
    """An unknown record is refused as by get record: 403, or 404 for an id that is none."""
    assert talk.get(record_id).status_code == status
    assert talk.caller.get(*talk.where(record_id)).status_code == status


def test_missing_scope(talk: Talk) -> None:
    """Comments need a scope of their own; records are read without it, and their counts."""
    talk.admin.set_token_scopes("data.records:read", "schema.bases:read")
    refused = talk.get(talk.said)

    assert (refused.status_code, refused.json()) == (403, FORBIDDEN)
    assert talk.counts() == [None, 2, 5]


def test_scope_of_comments_is_not_that_of_records(talk: Talk) -> None:
    """With the scope of comments alone comments are listed, and records are not."""
    talk.admin.set_token_scopes("data.recordComments:read")

    assert talk.get(talk.said).status_code == 200
    assert talk.caller.get(talk.base_id, talk.table_id).status_code == 403


def test_comments_count_against_the_base_s_limit(talk: Talk) -> None:
    """The sixth request for comments in a second is refused, and so are records then."""
    talk.admin.configure(base_requests_per_second=5)
    statuses = [talk.get(talk.said).status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]
    assert talk.caller.get(talk.base_id, talk.table_id).status_code == 429
    assert talk.admin.stats()["by_kind"]["list_comments"] == 6


def test_comments_count_against_the_quota(talk: Talk) -> None:
    """Requests for comments use up the calls of the month."""
    talk.admin.configure(monthly_calls=1)
    statuses = [talk.get(talk.said).status_code for _ in range(2)]

    assert statuses == [200, 429]


def test_created_comment_is_listed_and_counted(talk: Talk) -> None:
    """What is said by the API is the newest comment, and one more of the count."""
    url = talk.caller.path(*talk.where(talk.said), "comments")
    before = talk.counts()
    parent = talk.comments(talk.said)[0]["id"]
    body = {"text": "Third @[usrL2PNC5o3H4lBE1]", "parentCommentId": parent}
    created = talk.caller.session.post(url, json=body, timeout=10).json()

    assert talk.comments(talk.said)[0] == created
    assert created["parentCommentId"] == parent
    assert list(created["mentioned"]) == ["usrL2PNC5o3H4lBE1"]
    assert created["createdTime"] == NOW
    assert (before, talk.counts()) == ([None, 2, 5], [None, 3, 5])


def test_reply_to_nothing_is_refused(talk: Talk) -> None:
    """A comment cannot answer one that is not there."""
    url = talk.caller.path(*talk.where(talk.silent), "comments")
    body = {"text": "Yes", "parentCommentId": talk.comments(talk.said)[0]["id"]}

    assert talk.caller.session.post(url, json=body, timeout=10).status_code == 422
    assert talk.counts() == [None, 2, 5]


def test_edited_comment_leaves_the_count(talk: Talk) -> None:
    """A changed text shows, with the time of the change; the count and the record stay."""
    before = talk.admin.dump(talk.base_id, talk.table_id)[1]
    key = talk.comments(talk.said)[1]["id"]
    talk.admin.edit_comment(*talk.where(talk.said), key, text="@[usrL2PNC5o3H4lBE1] first")
    other, edited = talk.comments(talk.said)
    after = talk.admin.dump(talk.base_id, talk.table_id)[1]

    assert (edited["id"], edited["lastUpdatedTime"]) == (key, NOW)
    assert edited["text"] == "@[usrL2PNC5o3H4lBE1] first"
    assert list(edited["mentioned"]) == ["usrL2PNC5o3H4lBE1"]
    assert after["lastModifiedTime"] == before["lastModifiedTime"]
    assert after["comments"] == [other, edited]
    assert (other["text"], other["lastUpdatedTime"]) == ("Second", None)
    assert talk.counts() == [None, 2, 5]


def test_mention_goes_with_its_text(talk: Talk) -> None:
    """Who is no longer named in an edited text is no longer told."""
    where = talk.where(talk.silent)
    key = talk.admin.add_comment(*where, "@[usrL2PNC5o3H4lBE1]")["id"]

    assert "mentioned" not in talk.admin.edit_comment(*where, key, text="nobody")


def test_added_and_deleted_comments(talk: Talk) -> None:
    """One more and one less: the count is what it was, the comments are others."""
    before = talk.comments(talk.said)
    added = talk.admin.add_comment(*talk.where(talk.said), "Third")
    talk.admin.delete_comment(*talk.where(talk.said), before[1]["id"])

    assert talk.comments(talk.said) == [added, before[0]]
    assert talk.counts() == [None, 2, 5]


def test_deleted_comment_is_left_out_of_a_page(talk: Talk) -> None:
    """What is deleted between two pages is not on the second."""
    keys = [one["id"] for one in talk.comments(talk.counted)]
    offset = talk.get(talk.counted, pageSize=3).json()["offset"]
    talk.admin.delete_comment(*talk.where(talk.counted), keys[4])
    second = talk.get(talk.counted, pageSize=3, offset=offset).json()

    assert [one["id"] for one in second["comments"]] == [keys[3]]


def test_set_count_keeps_ids_unique(talk: Talk) -> None:
    """After a deletion another count makes up comments with ids that are not there yet."""
    where = talk.where(talk.counted)
    kept = talk.comments(talk.counted)[:4]
    talk.admin.delete_comment(*where, talk.comments(talk.counted)[4]["id"])
    talk.admin.edit_record(*where, {}, is_user_edit=False, commentCount=8)
    keys = [one["id"] for one in talk.comments(talk.counted)]

    assert len(set(keys)) == 8
    assert {one["id"] for one in kept} < set(keys)


def test_unknown_comment(talk: Talk) -> None:
    """A command about a comment that is not there is refused with a sentence."""
    with pytest.raises(CommandRefusedError, match="has no comment comNobody"):
        talk.admin.delete_comment(*talk.where(talk.said), "comNobody")


def test_count_by_get_and_by_post(talk: Talk) -> None:
    """The count is shown on request only, by GET and by POST alike."""
    where = (talk.base_id, talk.table_id)
    by_get = talk.caller.get(*where, recordMetadata=["commentCount"]).json()
    by_post = talk.caller.post(*where, recordMetadata=["commentCount"]).json()
    without = talk.caller.post(*where).json()["records"]

    assert by_get == by_post
    assert [record.get("commentCount") for record in by_post["records"]] == [None, 2, 5]
    assert all("commentCount" not in record for record in without)


def test_unknown_metadata_is_refused(talk: Talk) -> None:
    """There is no other metadata of records."""
    refused = talk.caller.post(talk.base_id, talk.table_id, recordMetadata=["views"])

    assert refused.status_code == 422


def test_fault_of_one_record_s_comments(talk: Talk) -> None:
    """A fault can be planned for the comments of one record, and for one page of them."""
    talk.admin.plan_fault("list_comments", "status", record=talk.said, status=503)
    talk.admin.plan_fault("list_comments", "cut_body", record=talk.counted, page=2)
    statuses = [talk.get(key).status_code for key in (talk.counted, talk.said, talk.said)]
    offset = talk.get(talk.counted, pageSize=2).json()["offset"]

    assert statuses == [200, 503, 200]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        talk.get(talk.counted, pageSize=2, offset=offset)


def test_photo_studio_has_its_comments() -> None:
    """The photo studio has the comments it states, with replies, mentions and reactions."""
    base = photo_studio.a_photo_studio()
    pages: list[Json] = []
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        caller = Caller(simulator)
        commented = [
            (base["id"], table["id"], record["id"], "comments")
            for table in base["tables"]
            for page in caller.pages(base["id"], table["id"], recordMetadata=["commentCount"])
            for record in page["records"]
            if "commentCount" in record
        ]
        for where in commented:
            pages.append(caller.get(*where).json())
            while pages[-1]["offset"]:
                pages.append(caller.get(*where, offset=pages[-1]["offset"]).json())
        caller.close()
    comments = [comment for page in pages for comment in page["comments"]]
    keys = {key for comment in comments for key in comment}

    assert len(commented) == photo_studio.COMMENTED_RECORDS
    assert len(pages) == photo_studio.COMMENT_PAGES
    assert len({comment["id"] for comment in comments}) == photo_studio.COMMENTS == 129
    assert {"parentCommentId", "mentioned", "reactions"} < keys
    assert any(comment["lastUpdatedTime"] for comment in comments)
