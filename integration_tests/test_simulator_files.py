"""The simulator is a host of attachments' files, whose addresses end after two hours."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from integration_tests import photo_studio
from integration_tests.airtable_simulator import SimulatorProcess, SimulatorThread
from integration_tests.airtable_simulator.caller import Caller
from integration_tests.airtable_simulator.files import file_content
from integration_tests.bases import a_base, a_field, a_record, a_table, an_attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

NOW: Final = "2026-11-20T12:00:00.000Z"
TWO_HOURS: Final = 7_200


class Host:
    """A base with one record of three files, and what fetches them."""

    def __init__(self, simulator: SimulatorThread, base: Json) -> None:
        self.admin = simulator.admin
        self.caller = Caller(simulator)
        self.url = simulator.url
        self.base_id: str = base["id"]
        (table,) = base["tables"]
        self.table_id: str = table["id"]
        (record, _) = table["records"]
        self.record_id: str = record["id"]
        self.loaded: list[Json] = record["fields"]["Files"]

    def listed(self, cell: str = "Files", **query: Any) -> list[Json]:  # noqa: ANN401 - a query
        """The attachments of the first record of a listing."""
        page = self.caller.get(self.base_id, self.table_id, **query).json()
        files: list[Json] = page["records"][0]["fields"][cell]
        return files

    def gotten(self, cell: str = "Files", **query: Any) -> list[Json]:  # noqa: ANN401 - a query
        """The attachments of the record itself."""
        record = self.caller.get(self.base_id, self.table_id, self.record_id, **query).json()
        files: list[Json] = record["fields"][cell]
        return files

    def fetch(self, url: str, **headers: str) -> requests.Response:
        """One download, without a token."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, headers=headers, timeout=10)


def a_file_base() -> Json:
    """One record of three files, one of them fresh from the upload, and one record of none."""
    fresh = an_attachment("fresh.bin", 1)
    del fresh["size"], fresh["type"]
    files = [an_attachment("a/b & c 📷.png", 4_321), an_attachment("bill.pdf", 0), fresh]
    result = {"type": "multipleAttachments", "options": {"isReversed": False}}
    looked_up = [None, files[1], {"error": "#ERROR!"}]
    cells = {"Files": files, "Looked up": looked_up, "Website": "https://example.com/"}
    table = a_table(
        "Papers",
        a_field("Files", "multipleAttachments"),
        a_field("Looked up", "multipleLookupValues", options={"result": result}),
        a_field("Website", "url"),
        records=[
            a_record(**cells),
            a_record(Name="none"),
        ],
    )
    return a_base("Files", table)


@pytest.fixture
def host() -> Iterator[Host]:
    """A simulator with files, without limits per second, whose clock stands still."""
    base = a_file_base()
    settings = {"serves_attachments": True}
    with SimulatorThread({"bases": [base]}, settings, has_limits=False) as simulator:
        simulator.admin.set_clock(NOW)
        hosting = Host(simulator, base)
        yield hosting
        hosting.caller.close()


def test_files_are_served_on_request_only(host: Host) -> None:
    """Without the setting attachments come as they were loaded."""
    host.admin.configure(serves_attachments=False)

    assert host.listed() == host.gotten() == host.loaded


def test_address_is_the_simulator_s_and_tells_its_end(host: Host) -> None:
    """Everything but the addresses is as loaded; an address has its end in it, in milliseconds."""
    (image, *_) = host.listed()
    without = {**image, "url": "", "thumbnails": {}}
    expires_ms = int(image["url"].split("/")[8])

    assert without == {**host.loaded[0], "url": "", "thumbnails": {}}
    assert image["url"].startswith(f"{host.url}/files/v3/u/")
    assert image["url"].endswith(f"/{image['id']}/a%2Fb%20%26%20c%20%F0%9F%93%B7.png")
    assert expires_ms == (host.admin.set_clock(NOW) + TWO_HOURS) * 1_000


@pytest.mark.parametrize("query", [{}, {"returnFieldsByFieldId": "true"}])
def test_addresses_are_never_the_same(host: Host, query: Json) -> None:
    """Every listing and every get record gives addresses of its own, even at one moment."""
    cell = "Files"
    if query:
        tables = host.caller.get("meta", "bases", host.base_id, "tables").json()["tables"]
        cell = next(one["id"] for one in tables[0]["fields"] if one["name"] == cell)
    answers = [host.listed(cell, **query) for _ in range(2)]
    answers += [host.gotten(cell, **query) for _ in range(2)]
    urls = {file["url"] for files in answers for file in files}

    assert len(urls) == 4 * 3
    assert {host.fetch(url).status_code for url in urls} == {200}


def test_one_url_per_page(host: Host) -> None:
    """An attachment that is in two cells of a page has the same URL in both."""
    (record, _) = host.caller.get(host.base_id, host.table_id).json()["records"]
    bill, looked_up = record["fields"]["Files"][1], record["fields"]["Looked up"][1]

    assert bill["id"] == looked_up["id"]
    assert bill["url"] == looked_up["url"]


def test_file_has_the_size_and_type_of_its_cell(host: Host) -> None:
    """A file has as many bytes as its cell says, always the same, other than another file's."""
    image, bill, fresh = host.listed()
    served = host.fetch(image["url"])

    assert len(served.content) == image["size"] == 4_321
    assert served.content == file_content(image["id"], 4_321) == host.fetch(image["url"]).content
    assert served.headers["Content-Type"] == "image/png"
    assert host.fetch(bill["url"]).content == b""
    assert len(host.fetch(fresh["url"]).content) == 1_000
    assert host.fetch(fresh["url"]).headers["Content-Type"] == "application/octet-stream"
    assert file_content(fresh["id"], 100) != file_content(image["id"], 100)


def test_thumbnails_are_files_too(host: Host) -> None:
    """Every thumbnail has an address, and other bytes than the file."""
    (image, *_) = host.listed()
    contents = {host.fetch(one["url"]).content for one in image["thumbnails"].values()}

    assert len(contents) == 3
    assert image["thumbnails"]["small"]["width"] == 36
    assert host.fetch(image["url"]).content not in contents


def test_looked_up_attachments_are_renewed(host: Host) -> None:
    """A lookup of attachments has new addresses, and keeps its nulls and errors."""
    looked_up: list[Any] = host.listed("Looked up")
    nothing, bill, error = looked_up

    assert (nothing, error) == (None, {"error": "#ERROR!"})
    assert host.fetch(bill["url"]).status_code == 200


def test_only_attachments_are_changed(host: Host) -> None:
    """A cell with a web address, and a record without files, come as they were loaded."""
    page = host.caller.get(host.base_id, host.table_id).json()
    first, second = (record["fields"] for record in page["records"])

    assert (first["Website"], second) == ("https://example.com/", {"Name": "none"})


@pytest.mark.parametrize("status", [410, 403])
def test_address_ends_after_two_hours(host: Host, status: int) -> None:
    """An address is good until two hours are over, to the millisecond; a new one is good again."""
    host.admin.configure(expired_file_status=status)
    (image, *_) = host.listed()
    host.admin.advance_clock(TWO_HOURS - 0.001)
    last = host.fetch(image["url"]).status_code
    host.admin.advance_clock(0.001)
    over = host.fetch(image["url"]).status_code
    (renewed, *_) = host.gotten()

    assert (last, over) == (200, status)
    assert host.fetch(renewed["url"]).status_code == 200
    assert host.admin.stats()["files"]["expired"] == 1


def test_attachment_expired_from_the_beginning(host: Host) -> None:
    """An attachment's address can be over in every listing, and good from get record."""
    host.admin.expire_attachment(host.loaded[0]["id"])
    listed = [host.fetch(file["url"]).status_code for file in host.listed()]
    gotten = [host.fetch(file["url"]).status_code for file in host.gotten()]

    assert (listed, gotten) == ([410, 200, 200], [200, 200, 200])


def test_attachment_that_no_renewal_helps(host: Host) -> None:
    """An attachment's address can be over from get record too."""
    host.admin.expire_attachment(host.loaded[0]["id"], is_renewable=False)

    assert host.fetch(host.gotten()[0]["url"]).status_code == 410


@pytest.mark.parametrize("status", [404, 500])
def test_file_that_always_fails(host: Host, status: int) -> None:
    """One file can fail for ever, whatever its address, while the others come."""
    image = host.loaded[0]["id"]
    host.admin.plan_fault("get_file", "status", record=image, times=None, status=status)
    statuses = [host.fetch(f["url"]).status_code for f in (*host.listed(), *host.gotten())]

    assert statuses == [status, 200, 200] * 2


def test_cut_file(host: Host) -> None:
    """A download can break off half-way, and be whole the next time."""
    (image, *_) = host.listed()
    host.admin.plan_fault("get_file", "cut_body", record=image["id"])

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        host.fetch(image["url"])
    assert len(host.fetch(image["url"]).content) == 4_321


def test_token_sent_to_the_host_is_noted(host: Host) -> None:
    """A download needs no token; one that is sent is counted, whether it is good or not."""
    image, bill, _ = host.listed()
    host.fetch(image["url"])
    before = host.admin.stats()["files"]
    host.fetch(bill["url"], Authorization="Bearer anything")

    assert before == {"sent": 1, "with_authorization": 0}
    assert host.admin.stats()["files"] == {"sent": 2, "with_authorization": 1}


def test_downloads_are_counted_by_file(host: Host) -> None:
    """How often each file was asked for is told."""
    image, bill, _ = host.listed()
    for url in (image["url"], image["url"], bill["url"]):
        host.fetch(url)

    assert host.admin.stats()["by_file"] == {image["id"]: 2, bill["id"]: 1}
    assert host.admin.stats()["by_kind"]["get_file"] == 3


def test_downloads_do_not_count_against_the_limits(host: Host) -> None:
    """Neither the seconds nor the month know of downloads."""
    (image, *_) = host.listed()
    host.admin.configure(base_requests_per_second=2, token_requests_per_second=2)
    host.admin.configure(monthly_calls=3)
    statuses = [host.fetch(image["url"]).status_code for _ in range(10)]

    assert statuses == [200] * 10
    assert host.admin.stats()["calls_this_month"] == 1
    assert host.caller.get(host.base_id, host.table_id).status_code == 200


def test_files_are_not_compressed(host: Host) -> None:
    """A file comes as it is, where other answers are compressed."""
    host.admin.configure(gzip=True)
    (image, *_) = host.listed()

    assert "Content-Encoding" not in host.fetch(image["url"]).headers


def test_forged_addresses(host: Host) -> None:
    """An address with another end, another file, or none at all, leads nowhere."""
    image, bill, _ = host.listed()
    end = image["url"].split("/")[8]
    later = image["url"].replace(end, str(int(end) + 1))
    other = image["url"].replace(image["id"], bill["id"])
    unknown = image["url"].replace(image["id"], "attNobody00000000")
    urls = (later, other, unknown, f"{host.url}/files/v3/u/1", f"{host.url}/files/nothing")

    assert [host.fetch(url).status_code for url in urls] == [403, 403, 404, 404, 401]


def test_process_serves_the_sample_s_files() -> None:
    """By its option the simulator serves the files of the sample base too."""
    with SimulatorProcess("--sample", "--no-limits", "--serve-attachments") as simulator:
        caller = Caller(simulator)
        (base,) = caller.get("meta", "bases").json()["bases"]
        page = caller.get(base["id"], "Suppliers (synced)").json()
        (contract,) = page["records"][0]["fields"]["Contract"]
        content = caller.session.get(contract["url"], timeout=10).content
        caller.close()

    assert len(content) == contract["size"]


def test_photo_studio_has_its_files_and_links() -> None:
    """The photo studio has the attachments and links it states, and every link its other end."""
    base = photo_studio.a_photo_studio()
    with SimulatorThread(
        {"bases": [base]}, {"serves_attachments": True}, has_limits=False
    ) as simulator:
        caller = Caller(simulator)
        cells = [
            (record["id"], name, cell)
            for table in base["tables"]
            for page in caller.pages(base["id"], table["id"])
            for record in page["records"]
            for name, cell in record["fields"].items()
        ]
        files = [file for _, name, cell in cells if name in ("Photos", "Contract") for file in cell]
        contents = [caller.session.get(file["url"], timeout=10).content for file in files]
        caller.close()
    names = {"Clients": "Shoots", "Shoots": "Clients", "Follows": "Followed by"}
    names["Followed by"] = "Follows"
    links = {(key, name, to) for key, name, cell in cells if name in names for to in cell}
    most = max(len(cell) for _, name, cell in cells if name == "Shoots")

    assert len({hashlib.sha256(one).digest() for one in contents}) == 100
    assert [len(one) for one in contents] == [file["size"] for file in files]
    assert photo_studio.ATTACHMENTS == len(files) == 100
    assert len(links) == photo_studio.LINKS == 178
    assert {(to, names[name], key) for key, name, to in links} == links
    assert most > 2
