"""The simulator fetches attachments that a write names by URL, takes uploads, and serves both."""

from __future__ import annotations

from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests.airtable_simulator import SimulatorThread
from integration_tests.airtable_simulator.account import WRITE_SCOPES
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.bases import CREATED_TIME, a_base, a_field, a_record, a_table, an_attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

NOON: Final = "2026-11-20T12:00:00.000Z"
HOUR_MILLISECONDS: Final = 3_600_000
CONTENT: Final = b"\x89PNG of bread"


class Pictures(BaseHTTPRequestHandler):
    """Serves one picture under any name, but for some names."""

    def do_GET(self) -> None:
        """Answer by the name."""
        status = {"/missing.png": 404, "/moved.png": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/bread.png")
        self.send_header("Content-Type", "image/png; charset=binary")
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    """The address of a server of pictures."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


class Album:
    """A table of attachments, and the calls that write and read them."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        self.url = simulator.url
        (table,) = base["tables"]
        self.base_id, self.table_id = base["id"], table["id"]
        self.record_id: str = table["records"][0]["id"]
        self.field_id: str = table["fields"][1]["id"]

    def write(self, *files: Json) -> list[Json]:
        """Replace the record's attachments. Return them as the answer shows them."""
        url = self.caller.path(self.base_id, self.table_id, self.record_id)
        body = {"fields": {"Files": list(files)}}
        answer = self.caller.session.patch(url, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        written: list[Json] = answer.json()["fields"].get("Files", [])
        return written

    def read(self) -> list[Json]:
        """The record's attachments."""
        record = self.caller.get(self.base_id, self.table_id, self.record_id).json()
        files: list[Json] = record["fields"]["Files"]
        return files

    def upload(self, content: bytes) -> requests.Response:
        """Upload a text file into the record's cell."""
        body = {
            "contentType": "text/plain",
            "filename": "notes.txt",
            "file": b64encode(content).decode(),
        }
        path = (self.base_id, self.record_id, "Files", "uploadAttachment")
        return self.caller.session.post(self.caller.path(*path), json=body, timeout=10)

    def fetch(self, file: Json) -> requests.Response:
        """Download an attachment, without a token."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(file["url"], timeout=10)


@pytest.fixture
def album() -> Iterator[Album]:
    """A simulator whose clock stands still, which serves no loaded attachments."""
    table = a_table(
        "Album", a_field("Files", "multipleAttachments"), records=[a_record(Name="Rye")]
    )
    base = a_base("Album", table, permissionLevel="create")
    with SimulatorThread({"bases": [base]}, has_limits=False) as simulator:
        simulator.admin.set_clock(NOON)
        simulator.admin.set_token_scopes(*WRITE_SCOPES)
        showing = Album(simulator, base)
        yield showing
        showing.caller.close()


def test_attachment_by_url(album: Album, pictures: str) -> None:
    """A file of this machine is fetched, and served under an address of the simulator."""
    (written,) = album.write({"url": f"{pictures}/bread.png"})
    (read,) = album.read()
    served = album.fetch(read)

    assert written == {**read, "url": written["url"]}
    assert (read["filename"], read["size"], read["type"]) == (
        "bread.png",
        len(CONTENT),
        "image/png",
    )
    assert read["url"].startswith(f"{album.url}/files/v3/u/")
    assert read["url"].endswith("/bread.png")
    assert (served.content, served.headers["Content-Type"]) == (CONTENT, "image/png")


def test_name_of_an_attachment(album: Album, pictures: str) -> None:
    """The write names the file, or its URL does, without a query and decoded."""
    files = album.write(
        {"url": f"{pictures}/a.png", "filename": "my bread.png"},
        {"url": f"{pictures}/dark%20rye.png?size=2"},
    )

    assert [one["filename"] for one in files] == ["my bread.png", "dark rye.png"]


def test_same_url_twice(album: Album, pictures: str) -> None:
    """The same URL gives two attachments, in one write and in the next."""
    picture = {"url": f"{pictures}/bread.png"}
    files = [*album.write(picture, picture), *album.write(picture)]

    assert len({one["id"] for one in files}) == 3
    assert {album.fetch(one).content for one in files} == {CONTENT}


def test_attachment_of_the_simulator_itself(album: Album) -> None:
    """An address of the simulator can be the source of another attachment."""
    album.upload(b"Knead.")
    (first,) = album.read()
    (copy,) = album.write({"url": first["url"]})

    assert copy["id"] != first["id"]
    assert album.fetch(copy).content == b"Knead."


@pytest.mark.parametrize("name", ["missing.png", "moved.png", "nobody"])
def test_attachment_that_cannot_be_fetched(album: Album, pictures: str, name: str) -> None:
    """A file that is not there, or behind a redirect, stays without size and type."""
    origin = "http://127.0.0.1:9" if name == "nobody" else pictures
    (written,) = album.write({"url": f"{origin}/{name}"})

    assert written.keys() == {"id", "url", "filename"}
    assert written["filename"] == name


@pytest.mark.parametrize("url", ["https://example.com/a.png", "http://127.0.0.1.example.com/a.png"])
def test_attachment_from_elsewhere(album: Album, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator asks no other machine."""
    asked: list[str] = []
    monkeypatch.setattr("aiohttp.ClientSession.get", lambda _, where, **__: asked.append(where))
    (written,) = album.write({"url": url})

    assert written.keys() == {"id", "url", "filename"}
    assert asked == []


def test_known_attachments_stay(album: Album, pictures: str) -> None:
    """A write keeps the attachments that it names by id, and drops the others."""
    first, second = album.write({"url": f"{pictures}/a.png"}, {"url": f"{pictures}/b.png"})
    kept, new = album.write({"id": second["id"]}, {"url": f"{pictures}/c.png"})

    assert kept == {**second, "url": kept["url"]}
    assert new["id"] not in (first["id"], second["id"])
    assert [one["id"] for one in album.read()] == [second["id"], new["id"]]


@pytest.mark.parametrize(
    "file",
    [
        {"id": "attNobody00000000"},
        {"filename": "a.png"},
        "a.png",
        {"url": "a.png"},
        {"url": "file:///a.png"},
        {"url": "http://[/a.png"},
    ],
)
def test_refused_attachment(album: Album, file: Any) -> None:  # noqa: ANN401 - any JSON
    """An attachment is named by a URL, or by an id that the field has."""
    url = album.caller.path(album.base_id, album.table_id, album.record_id)
    answer = album.caller.session.patch(url, json={"fields": {"Files": [file]}}, timeout=10)

    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "INVALID_VALUE_FOR_COLUMN")


def test_upload(album: Album) -> None:
    """An upload answers with the record's id, its creation, and the cell by the field's id."""
    answer = album.upload(b"Knead.").json()
    (shown,) = answer["fields"].pop(album.field_id)
    (read,) = album.read()

    assert answer == {"id": album.record_id, "createdTime": CREATED_TIME, "fields": {}}
    assert (shown["filename"], shown["size"], shown["type"]) == ("notes.txt", 6, "text/plain")
    assert album.fetch(shown).content == album.fetch(read).content == b"Knead."


def test_second_upload_is_added(album: Album) -> None:
    """An upload comes after the attachments that are there."""
    album.upload(b"Knead.")
    (files,) = album.upload(b"Bake.").json()["fields"].values()

    assert [album.fetch(one).content for one in files] == [b"Knead.", b"Bake."]


@pytest.mark.parametrize(("minutes", "hours"), [(0, 2), (1, 3), (59, 3), (60, 3)])
def test_end_of_an_address(album: Album, minutes: int, hours: int) -> None:
    """An address ends on a whole hour, two to three hours later."""
    start = album.admin.set_clock(NOON)
    album.admin.advance_clock(60 * minutes)
    album.upload(b"Knead.")
    ends_at = int(album.read()[0]["url"].split("/")[8])

    assert ends_at % HOUR_MILLISECONDS == 0
    assert ends_at == int(start * 1_000) + hours * HOUR_MILLISECONDS


def test_loaded_attachments_stay_as_they_were(album: Album) -> None:
    """Beside a written attachment, a loaded one keeps its address where files are not served."""
    loaded = an_attachment("old.pdf", 9)
    place = (album.base_id, album.table_id, album.record_id)
    album.admin.edit_record(*place, {"Files": [loaded]})
    album.upload(b"Knead.")
    old, new = album.read()

    assert old == loaded
    assert album.fetch(new).content == b"Knead."
