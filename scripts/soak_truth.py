"""What the simulator holds, against what a sync wrote: record by record, cell by cell."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.request import ProxyHandler, Request, build_opener

from scripts.bench_measure import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from integration_tests.airtable_simulator import SimulatorProcess

Json = dict[str, Any]

# The only columns whose content no dump can tell beforehand.
NOT_COMPARED: Final = frozenset({"_airtable_as_of"})
ANSWER_SECONDS: Final = 60.0
MOST_EXAMPLES: Final = 10


@dataclass
class Findings:
    """What was found in one or more outputs; everything but the records is a fault of ours."""

    records: int = 0
    lost: int = 0
    """Of streams that said they were complete."""
    duplicate: int = 0
    unknown: int = 0
    """Records that the simulator does not hold."""
    different_cells: int = 0
    failed_streams: list[str] = field(default_factory=list)
    """With the reason that was told of each."""
    examples: list[str] = field(default_factory=list)
    """Of what is wrong, for the person who looks for the cause."""

    def add(self, other: Findings) -> None:
        """Add what was found elsewhere."""
        self.records += other.records
        self.lost += other.lost
        self.duplicate += other.duplicate
        self.unknown += other.unknown
        self.different_cells += other.different_cells
        self.failed_streams += other.failed_streams
        for example in other.examples:
            self.note(example)

    def note(self, example: str) -> None:
        """Keep an example, of the first ones."""
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)

    @property
    def is_clean(self) -> bool:
        """Whether everything arrived once and as it is, and nothing failed."""
        wrong = self.lost + self.duplicate + self.unknown + self.different_cells
        return not wrong and not self.failed_streams


class Truth:
    """The record data that each stream should have, made from dumps and not by the connector."""

    def __init__(self, simulator: SimulatorProcess, streams: Iterable[Json]) -> None:
        """Dump the tables of discovered streams."""
        self._expected = {stream["name"]: _expect(simulator, stream) for stream in streams}

    def __len__(self) -> int:
        """How many records there are."""
        return sum(map(len, self._expected.values()))

    def compare(self, output: Path) -> Findings:
        """Compare a sync's messages with the truth."""
        findings = Findings()
        open_ids = {name: set(expected) for name, expected in self._expected.items()}
        complete: set[str] = set()
        reasons: dict[str, str] = {}
        with output.open("rb") as messages:
            for line in messages:
                said = json.loads(line)
                if said["type"] == "RECORD":
                    record = said["record"]
                    self._check_record(record["stream"], record["data"], open_ids, findings)
                elif said["type"] == "TRACE":
                    _note_end(said["trace"], complete, reasons)
        for name, left in open_ids.items():
            if name not in complete:
                findings.failed_streams.append(f"{name}: {reasons.get(name, 'no reason was told')}")
            elif left:
                findings.lost += len(left)
                findings.note(f"lost: {name}, {len(left)} records, {min(left)} first")
        return findings

    def _check_record(
        self, name: str, data: Json, open_ids: dict[str, set[str]], findings: Findings
    ) -> None:
        findings.records += 1
        record_id = data["_airtable_id"]
        expected = self._expected.get(name, {}).get(record_id)
        if expected is None:
            findings.unknown += 1
            findings.note(f"unknown: {name} {record_id}")
            return
        if record_id not in open_ids[name]:
            findings.duplicate += 1
            findings.note(f"duplicate: {name} {record_id}")
        open_ids[name].discard(record_id)
        # The CDK leaves null out of what it writes, so that a missing column is a null one.
        compared = {key: data.get(key) for key in expected}
        compared |= {key: value for key, value in data.items() if key not in NOT_COMPARED}
        if compared != expected:
            wrong = [key for key, value in compared.items() if value != expected.get(key)]
            findings.different_cells += len(wrong)
            findings.note(f"different: {name} {record_id}, {', '.join(sorted(wrong)[:5])}")


def _expect(simulator: SimulatorProcess, stream: Json) -> dict[str, Json]:
    base_id, _, table_id = path_of(stream).partition("/")
    table = _table_of(simulator, base_id, table_id)
    # A box that is not ticked has no cell, and is false.
    absent = {one["id"]: False if one["type"] == "checkbox" else None for one in table["fields"]}
    columns = {
        name: declared["x-airtable"]["field_id"]
        for name, declared in stream["json_schema"]["properties"].items()
        if "x-airtable" in declared
    }
    system = {
        "_airtable_table_name": table["name"],
        "_airtable_base_id": base_id,
        "_airtable_table_id": table_id,
        "_airtable_errors": None,
    }
    if set(columns.values()) != absent.keys():
        raise SystemExit(f"the columns of {stream['name']} are not the table's fields")
    return {
        held["id"]: {
            **system,
            "_airtable_id": held["id"],
            "_airtable_created_time": held["createdTime"],
            **{name: held["fields"].get(one, absent[one]) for name, one in columns.items()},
        }
        for held in simulator.admin.dump(base_id, table_id)
    }


def _table_of(simulator: SimulatorProcess, base_id: str, table_id: str) -> Json:
    request = Request(  # noqa: S310 - always http on 127.0.0.1
        f"{simulator.url}/v0/meta/bases/{base_id}/tables",
        headers={"Authorization": f"Bearer {simulator.token}"},
    )
    # Without proxies: the environment's must not see calls to 127.0.0.1.
    with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_SECONDS) as answer:
        tables: list[Json] = json.load(answer)["tables"]
    return next(table for table in tables if table["id"] == table_id)


def _note_end(trace: Json, complete: set[str], reasons: dict[str, str]) -> None:
    if trace["type"] == "STREAM_STATUS":
        status = trace["stream_status"]
        if status["status"] == "COMPLETE":
            complete.add(status["stream_descriptor"]["name"])
    elif trace["type"] == "ERROR":
        descriptor = trace["error"].get("stream_descriptor")
        if descriptor:
            reasons.setdefault(descriptor["name"], trace["error"]["message"])
