"""A base with attachments, links in several positions, and comments, of which the counts are known.

Two tables, ``Shoots`` and ``Clients``, linked both ways, and shoots that follow each other.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from integration_tests.airtable_simulator.ids import make_id
from integration_tests.bases import CELL_MARK, a_base, a_comment, a_field, a_record, a_table
from integration_tests.bases import an_attachment as a_file

Json = dict[str, Any]

SHOOTS: Final = 30
CLIENTS: Final = 40
PHOTOS_OF_A_SHOOT: Final = 2
ATTACHMENTS: Final = SHOOTS * PHOTOS_OF_A_SHOOT + CLIENTS
"""100: each client has one contract."""
CLIENTS_OF_A_SHOOT: Final = 2
LINKS: Final = 2 * SHOOTS * CLIENTS_OF_A_SHOOT + 2 * (SHOOTS - 1)
"""178, seen from both ends: clients of shoots, and the shoot that each but the first follows."""
TALKED_ABOUT: Final = (3, 13, 23)
"""The shoots with comments: words with a mention, a reply, and a reaction to edited words."""
BUSY_CLIENT: Final = 5
COMMENTS_OF_BUSY_CLIENT: Final = 120
"""Two pages."""
COMMENTS: Final = 3 * len(TALKED_ABOUT) + COMMENTS_OF_BUSY_CLIENT
COMMENTED_RECORDS: Final = len(TALKED_ABOUT) + 1
COMMENT_PAGES: Final = len(TALKED_ABOUT) + 2

_studios = count(1)


def a_photo_studio(name: str = "Photo studio", **more: Any) -> Json:  # noqa: ANN401 - JSON
    """A base with ids of its own; more: id, permissionLevel."""
    studio = next(_studios)
    shoots_id, clients_id = (make_id("tbl", "studio", studio, table) for table in range(2))
    links = _links(shoots_id, clients_id)
    clients = [_client(number) for number in range(CLIENTS)]
    shoots = [_shoot(number) for number in range(SHOOTS)]
    _link_records(shoots, clients)
    tables = (
        a_table(
            "Shoots",
            a_field("Photos", "multipleAttachments", options={"isReversed": False}),
            *links[:3],
            id=shoots_id,
            records=shoots,
        ),
        a_table(
            "Clients",
            a_field("Contract", "multipleAttachments", options={"isReversed": True}),
            links[3],
            id=clients_id,
            records=clients,
        ),
    )
    return a_base(name, *tables, **more)


def _links(shoots_id: str, clients_id: str) -> list[Json]:
    """The link fields: two of shoots to shoots, and one pair between the tables."""
    link = "multipleRecordLinks"
    clients, follows = a_field("Clients", link), a_field("Follows", link)
    followed, shoots = a_field("Followed by", link), a_field("Shoots", link)
    ends = (
        (clients, clients_id, shoots),
        (follows, shoots_id, followed),
        (followed, shoots_id, follows),
        (shoots, shoots_id, clients),
    )
    for field, table_id, inverse in ends:
        single = {"isReversed": False, "prefersSingleRecordLink": field is follows}
        ids = {"linkedTableId": table_id, "inverseLinkFieldId": inverse["id"]}
        field["options"] = {**ids, **single}
    return [field for field, _, _ in ends]


def _shoot(number: int) -> Json:
    photos = [
        a_file(f"shoot {number} {CELL_MARK} {place} 📷.png", 500 + 37 * number + place)
        for place in range(PHOTOS_OF_A_SHOOT)
    ]
    shoot = a_record(Name=f"{CELL_MARK} shoot {number}", Photos=photos)
    return {**shoot, "comments": _talk()} if number in TALKED_ABOUT else shoot


def _client(number: int) -> Json:
    contract = a_file(f"contract {number}.pdf", 1_000 + 101 * number)
    client = a_record(Name=f"{CELL_MARK} client {number}", Contract=[contract])
    has_comments = number == BUSY_CLIENT
    return {**client, "commentCount": COMMENTS_OF_BUSY_CLIENT} if has_comments else client


def _talk() -> list[Json]:
    """Three comments, oldest first."""
    asked = a_comment(f"@[usrL2PNC5o3H4lBE1] {CELL_MARK}?", createdTime="2026-11-02T09:00:00.000Z")
    user = {"userId": "usrL2PNC5o3H4lBE1", "email": "ada@example.com", "name": "Ada"}
    return [
        asked,
        a_comment(
            f"{CELL_MARK}: yes",
            createdTime="2026-11-02T09:05:00.000Z",
            parentCommentId=asked["id"],
        ),
        a_comment(
            f"{CELL_MARK}: better now",
            createdTime="2026-11-02T09:10:00.000Z",
            lastUpdatedTime="2026-11-02T09:12:00.000Z",
            reactions=[{"emoji": {"unicodeCharacter": "1f44d"}, "reactingUser": user}],
        ),
    ]


def _link_records(shoots: list[Json], clients: list[Json]) -> None:
    """Link both ends; a record has different positions in the cells that name it."""
    for number, shoot in enumerate(shoots):
        # One of its own, and one that it shares with every tenth shoot.
        chosen = [clients[number], clients[SHOOTS + number % (CLIENTS - SHOOTS)]]
        shoot["fields"]["Clients"] = [client["id"] for client in chosen]
        for client in chosen:
            client["fields"].setdefault("Shoots", []).insert(0, shoot["id"])
        if number:
            shoot["fields"]["Follows"] = [shoots[number - 1]["id"]]
            shoots[number - 1]["fields"]["Followed by"] = [shoot["id"]]
