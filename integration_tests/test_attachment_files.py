"""The files of attachments: transferred whole, from addresses of today, and inside their folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests import photo_studio
from integration_tests.account_catalog import (
    Discovered,
    a_file_catalog,
    assert_sound,
    assert_statuses,
    both,
)
from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.airtable_simulator.files import DEFAULT_SIZE, file_content
from integration_tests.bases import CELL_MARK, a_base, a_field, a_record, a_table, an_attachment
from integration_tests.connector import a_catalog, a_tenant
from integration_tests.forked_connector import ForkedConnector, Forks
from integration_tests.photo_studio import a_photo_studio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.connector import Message, Run

MEGABYTE: Final = 1_000_000
EXPIRED: Final = 5
HOSTILE_NAMES: Final = (
    "..",
    ".",
    "",
    " ",
    "../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\boot.ini",
    "a/b/c.png",
    "line\nbreak\r\x00\x1b[31m.pdf",
    "x" * 300 + ".pdf",
    "📷" * 300 + ".jpeg",
    "y." + "z" * 300,
    "名前.pdf",
    'C:con|?*<>".txt',
    "~",
    "-rf",
    "\u202egpj.exe",
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator that serves the files of its attachments."""
    with SimulatorProcess("--no-limits") as running:
        running.admin.configure(serves_attachments=True)
        yield running


@dataclass(frozen=True)
class Staging:
    """The folder that Airbyte names for the files, and the process that was started with its name.

    The CDK reads the name when it is imported.
    """

    folder: Path
    forks: Forks


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """A folder in a folder of its own."""
    folder = tmp_path_factory.mktemp("transfer") / "staging"
    with Forks(environment={"AIRBYTE_STAGING_DIRECTORY": str(folder)}) as forks:
        yield Staging(folder, forks)


class Account:
    """A base, and an empty folder for the files."""

    def __init__(
        self,
        simulator: SimulatorProcess,
        staging: Staging,
        base: Message,
        **settings: Any,  # noqa: ANN401 - JSON
    ) -> None:
        simulator.admin.clear_faults()
        self.admin = simulator.admin
        self.folder = staging.folder
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.base = base
        tenant = a_tenant(simulator, base, transfer_attachment_files=True, **settings)
        self.connector = ForkedConnector(
            simulator.url, tenant.connector.config, forks=staging.forks
        )
        self.found = Discovered(self.connector)
        self.attachment_files = self.found.account["attachment_files"]

    def transfer(self, catalog: Message | None = None) -> Run:
        """A sync, of the attachments with their files if nothing else is said."""
        self.admin.reset_stats()
        run = self.connector.read(
            catalog or a_file_catalog(self.attachment_files), on_fast_clock=True
        )
        assert run.exit_code == 0, run.failures
        beside = [line for line in run.stdout.split("\n") if '"type":"RECORD"' not in line]
        assert not any("/files/v3/" in line for line in [*beside, run.stderr])
        return run

    def staged(self) -> list[Path]:
        """The files that are there."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    @property
    def files(self) -> list[Message]:
        """The attachments of the base's JSON."""
        return [
            file
            for table in self.base["tables"]
            for record in table["records"]
            for cell in record["fields"].values()
            if isinstance(cell, list)
            for file in cell
            if isinstance(file, dict)
        ]


def references(run: Run) -> dict[str, Message]:
    """The reference of each file that was transferred, by the attachment's id."""
    return {
        record["data"]["id"]: record["file_reference"]
        for record in run.of_type("RECORD")
        if record.get("file_reference")
    }


def errors(run: Run) -> dict[str, str]:
    """Why a file is not there, by the attachment's id."""
    return {
        row["id"]: row["file_error"]
        for row in run.records["attachment_files"]
        if "file_error" in row
    }


def file_warnings(run: Run) -> list[str]:
    """The warnings about files."""
    return [line for line in run.warnings if "is not transferred" in line]


def assert_whole(account: Account, run: Run, expected: list[Message]) -> None:
    """The expected files are there, whole and in their folder, and no others."""
    told = references(run)
    assert told.keys() == {file["id"] for file in expected}
    for file in expected:
        reference = told[file["id"]]
        path = Path(reference["staging_file_url"])
        content = file_content(file["id"], file.get("size", DEFAULT_SIZE))
        assert path == account.folder / reference["source_file_relative_path"]
        assert path.resolve().is_relative_to(account.folder.resolve())
        assert path.read_bytes() == content
        assert reference["file_size_bytes"] == len(content)
    paths = sorted(Path(reference["staging_file_url"]) for reference in told.values())
    assert account.staged() == paths
    assert account.admin.stats()["files"].get("with_authorization", 0) == 0


def a_file_base(*files: Message) -> Message:
    """A base with one record of some files."""
    field = a_field("Files", "multipleAttachments")
    return a_base("Files", a_table("Papers", field, records=[a_record(Files=list(files))]))


# All of them.


def test_hundred_files(simulator: SimulatorProcess, staging: Staging) -> None:
    """100 files arrive whole, by one download each, and the token is shown to no file host."""
    account = Account(simulator, staging, a_photo_studio())
    run = account.transfer()
    stats = account.admin.stats()

    assert len(account.files) == photo_studio.ATTACHMENTS
    assert_whole(account, run, account.files)
    assert_sound(run, [account.attachment_files])
    assert_statuses(run, [account.attachment_files])
    assert stats["by_kind"]["get_file"] == photo_studio.ATTACHMENTS
    assert "get_record" not in stats["by_kind"]
    assert errors(run) == {}
    assert file_warnings(run) == []


def test_expired_and_failing_files(simulator: SimulatorProcess, staging: Staging) -> None:
    """Of 100 files 5 have expired addresses, which are renewed, and 2 fail, which is reported."""
    account = Account(simulator, staging, a_photo_studio())
    for file in account.files[:EXPIRED]:
        account.admin.expire_attachment(file["id"])
    lost, broken = account.files[10], account.files[90]
    account.admin.expire_attachment(lost["id"], is_renewable=False)
    account.admin.plan_fault("get_file", "status", status=500, record=broken["id"], times=None)
    run = account.transfer()
    stats = account.admin.stats()
    failing = {lost["id"], broken["id"]}

    good = [file for file in account.files if file["id"] not in failing]
    assert len(good) == photo_studio.ATTACHMENTS - 2
    assert_whole(account, run, good)
    assert stats["by_kind"]["get_record"] == EXPIRED + 1
    assert all(stats["by_file"][file["id"]] == 2 for file in account.files[:EXPIRED])
    assert len(run.records["attachment_files"]) == photo_studio.ATTACHMENTS
    assert errors(run).keys() == failing
    assert "410" in errors(run)[lost["id"]]
    warnings = file_warnings(run)
    assert len(warnings) == 2
    assert all(any(key in line for line in warnings) for key in failing)
    assert_statuses(run, [account.attachment_files])


def test_end_lines(simulator: SimulatorProcess, staging: Staging) -> None:
    """For each table a line tells how many files were transferred, how many not, and why."""
    account = Account(simulator, staging, a_photo_studio())
    account.admin.expire_attachment(account.files[0]["id"], is_renewable=False)
    run = account.transfer()

    told = sorted(line for line in run.logs if "could not transfer" in line)
    assert told == [
        "INFO: Stream attachment_files: table Clients: transferred 40 files, could not transfer 0.",
        (
            "INFO: Stream attachment_files: table Shoots: transferred 59 files, "
            "could not transfer 1 (1: the file server answers 410)."
        ),
    ]


def test_renewed_row(simulator: SimulatorProcess, staging: Staging) -> None:
    """The row of a renewed file has the new address, and is valid for two hours from then on."""
    account = Account(simulator, staging, a_file_base(an_attachment("a.png", 10)))
    (file,) = account.files
    account.admin.expire_attachment(file["id"])
    account.admin.set_clock("2026-11-20T12:00:00.000Z")
    run = account.transfer()
    account.admin.run_clock()

    (row,) = run.records["attachment_files"]
    expires = int(row["url"].split("/")[8])
    assert row["url_valid_until"] == "2026-11-20T14:00:00.000Z"
    assert expires == 1_795_183_200_000


def test_debug_log_tells_no_address(simulator: SimulatorProcess, staging: Staging) -> None:
    """Also with --debug, neither a file's address nor its name is logged."""
    file = an_attachment(f"{CELL_MARK}.png", 10)
    account = Account(simulator, staging, a_file_base(file))
    account.admin.plan_fault("get_file", "status", status=503, record=file["id"])
    run = account.connector.read(a_file_catalog(account.attachment_files), has_debug=True)

    assert_whole(account, run, [file])
    assert not any("/files/v3/" in line for line in [*run.logs, run.stderr])


def test_attachments_come_without_files(simulator: SimulatorProcess, staging: Staging) -> None:
    """The stream ``attachments`` has the same rows, and downloads nothing."""
    account = Account(simulator, staging, a_photo_studio())
    (attachments,) = account.found.of("attachments")
    run = account.transfer(a_catalog([attachments]))

    assert "get_file" not in account.admin.stats()["by_kind"]
    assert account.staged() == []
    assert references(run) == {}
    assert len(run.records["attachments"]) == photo_studio.ATTACHMENTS


def test_only_attachment_files_are_file_based(
    simulator: SimulatorProcess, staging: Staging
) -> None:
    """The one file-based stream is offered by the setting alone; the platform disables others."""
    offered = Account(simulator, staging, a_photo_studio()).found.streams
    without = a_tenant(simulator, a_photo_studio("Other")).connector.discover_all()

    assert [one["name"] for one in offered if one.get("is_file_based")] == ["attachment_files"]
    assert [one["name"] for one in without if one.get("is_file_based")] == []
    assert "attachment_files" not in {one["name"] for one in without}


def test_beside_all_streams(simulator: SimulatorProcess, staging: Staging) -> None:
    """With two workers and all other streams, the files arrive and the tables are scanned once."""
    account = Account(simulator, staging, a_photo_studio(), num_workers=2)
    others = [one for one in account.found.streams if one is not account.attachment_files]
    run = account.transfer(both(a_catalog(others), a_file_catalog(account.attachment_files)))

    assert_whole(account, run, account.files)
    assert_statuses(run, account.found.streams)
    assert account.admin.stats()["by_kind"]["list_records"] == 2


# One of them.


def test_hostile_names(simulator: SimulatorProcess, staging: Staging) -> None:
    """Whatever files are called, they are written inside their folder, each to its own path."""
    files = [an_attachment(name, 100 + number) for number, name in enumerate(HOSTILE_NAMES)]
    account = Account(simulator, staging, a_file_base(*files))
    run = account.transfer()

    assert_whole(account, run, files)
    assert [path.name for path in staging.folder.parent.iterdir()] == ["staging"]
    for path in account.staged():
        assert path.name.isprintable() or "\u202e" in path.name
        assert len(path.name.encode()) <= 150
    endings = {path.suffix for path in account.staged()}
    assert {".pdf", ".png", ".jpeg"} <= endings


def test_same_file_in_two_cells(simulator: SimulatorProcess, staging: Staging) -> None:
    """An attachment that two cells of a record hold is two files, neither in the other's way."""
    file = an_attachment("twice.pdf", 5_000)
    fields = [a_field(name, "multipleAttachments") for name in ("Files", "Copies")]
    record = a_record(Files=[file], Copies=[file])
    base = a_base("Twice", a_table("Papers", *fields, records=[record]))
    account = Account(simulator, staging, base)
    run = account.transfer()

    paths = [one["file_reference"]["staging_file_url"] for one in run.of_type("RECORD")]
    assert len(set(paths)) == 2
    assert {Path(path).read_bytes() for path in paths} == {file_content(file["id"], 5_000)}


def test_largest_file(simulator: SimulatorProcess, staging: Staging) -> None:
    """A file up to the bound is transferred; of a larger one only the row, without a download."""
    largest, larger = (an_attachment("a.pdf", MEGABYTE + more) for more in (0, 1))
    account = Account(simulator, staging, a_file_base(largest, larger), max_file_megabytes=1)
    run = account.transfer()

    assert_whole(account, run, [largest])
    assert errors(run) == {larger["id"]: "it is larger than the setting max_file_megabytes allows"}
    assert larger["id"] not in account.admin.stats()["by_file"]


def test_file_that_turns_out_larger(simulator: SimulatorProcess, staging: Staging) -> None:
    """A file that does not tell its size ends at the bound, and nothing of it is left."""
    file = an_attachment("a.bin", 0)
    del file["size"]
    account = Account(simulator, staging, a_file_base(file), max_file_megabytes=1)
    account.admin.plan_fault(
        "get_file", "status", status=200, body="x" * (2 * MEGABYTE), times=None
    )
    run = account.transfer()

    assert "max_file_megabytes" in errors(run)[file["id"]]
    assert references(run) == {}
    assert account.staged() == []


@pytest.mark.parametrize("action", ["cut_body", "reset"])
def test_cut_download_is_tried_again(
    simulator: SimulatorProcess, staging: Staging, action: str
) -> None:
    """A download that breaks off begins anew, and the file is whole."""
    file = an_attachment("a.pdf", 300_000)
    account = Account(simulator, staging, a_file_base(file))
    account.admin.plan_fault("get_file", action, record=file["id"])
    run = account.transfer()

    assert_whole(account, run, [file])
    assert account.admin.stats()["by_file"] == {file["id"]: 2}


@pytest.mark.parametrize("action", ["cut_body", "reset"])
def test_download_that_always_breaks_off(
    simulator: SimulatorProcess, staging: Staging, action: str
) -> None:
    """A download that breaks off each time is reported, and nothing of the file is left."""
    file = an_attachment(f"{CELL_MARK}.pdf", 300_000)
    account = Account(simulator, staging, a_file_base(file))
    account.admin.plan_fault("get_file", action, record=file["id"], times=None)
    run = account.transfer()

    assert errors(run).keys() == {file["id"]}
    assert len(file_warnings(run)) == 1
    assert account.staged() == []


def test_record_deleted_before_its_file(simulator: SimulatorProcess, staging: Staging) -> None:
    """Where an address has expired and its record is gone, the file is reported missing."""
    file = an_attachment("a.pdf", 10)
    account = Account(simulator, staging, a_file_base(file))
    account.admin.expire_attachment(file["id"])
    account.admin.plan_fault("get_record", "status", status=404, times=None)
    run = account.transfer()

    assert errors(run) == {file["id"]: "its record does not exist any more"}


def test_folder_that_cannot_be_written(simulator: SimulatorProcess, staging: Staging) -> None:
    """Where a file cannot be written, that is reported, without a name, and not fatal."""
    file = an_attachment(f"{CELL_MARK}.pdf", 10)
    account = Account(simulator, staging, a_file_base(file))
    (account.folder / "attachment_files").write_text("in the way")
    run = account.transfer()

    assert errors(run).keys() == {file["id"]}
    assert references(run) == {}


# Addresses that are none, and files that are not whole.


@pytest.fixture
def file_host(tmp_path: Path) -> Iterator[str]:
    """Where ten bytes are served under any address of a file host of the test's own."""

    class TenBytes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), TenBytes) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{tmp_path.name}"
        server.shutdown()


@pytest.fixture
def as_given(simulator: SimulatorProcess) -> Iterator[None]:
    """Addresses of attachments come as the base's JSON has them."""
    simulator.admin.configure(serves_attachments=False)
    yield
    simulator.admin.configure(serves_attachments=True)


UNUSABLE: Final = {
    "empty label": "http://a..b/file",
    "label of 64 characters": f"http://{'x' * 64}.test/file",
    "no host": "http:///file",
    "no url": "file",
    "null": None,
}


@pytest.mark.usefixtures("as_given")
def test_unusable_addresses(simulator: SimulatorProcess, staging: Staging, file_host: str) -> None:
    """Addresses that are none cost their own file alone, and null is told as what it is."""
    bad = {name: an_attachment("a.pdf", 10, url=url) for name, url in UNUSABLE.items()}
    good = an_attachment("b.pdf", 10, url=file_host)
    account = Account(simulator, staging, a_file_base(*bad.values(), good))
    run = account.transfer()
    why = {name: errors(run)[file["id"]] for name, file in bad.items()}

    assert references(run).keys() == {good["id"]}
    assert why.pop("null") == "Airtable gives no url for it"
    assert [reason for reason in why.values() if not reason.startswith("the download failed")] == []
    assert_statuses(run, [account.attachment_files])


@pytest.mark.usefixtures("as_given")
def test_file_of_another_size(
    simulator: SimulatorProcess, staging: Staging, file_host: str
) -> None:
    """A file that is not as long as its cell says is not transferred, and its row says why."""
    short = an_attachment("a.pdf", 11, url=file_host)
    account = Account(simulator, staging, a_file_base(short))
    run = account.transfer()

    assert errors(run) == {short["id"]: "it has 10 bytes instead of 11"}
    assert account.staged() == []


@pytest.mark.usefixtures("as_given")
def test_full_disk(simulator: SimulatorProcess, staging: Staging, file_host: str) -> None:
    """A full disk fails the stream with a sentence of its own, and no other stream."""
    account = Account(simulator, staging, a_file_base(an_attachment("a.pdf", 10, url=file_host)))
    (told,) = references(account.transfer()).values()
    path = Path(told["staging_file_url"])
    path.unlink()
    path.symlink_to("/dev/full")
    catalog = both(a_file_catalog(account.attachment_files), a_catalog(account.found.tables))
    run = account.connector.read(catalog, on_fast_clock=True)
    failure = run.failure_of("attachment_files")

    assert "no room left for the files" in failure["message"]
    assert failure["failure_type"] == "config_error"
    assert run.last_statuses == {
        "attachment_files": "INCOMPLETE",
        account.found.tables[0]["name"]: "COMPLETE",
    }
