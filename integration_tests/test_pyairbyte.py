"""PyAirbyte copies bases into DuckDB, again and again: sample, hostile and real ones.

Every cell is compared with what the simulator holds, by ``duckdb_truth``; those of the real bases
with their own JSON. The streams of the whole account are counted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import SimulatorProcess, sample_account
from integration_tests.airtable_simulator.sample_schema import BASE_ID
from integration_tests.bases import a_base, a_record, a_table
from integration_tests.connector import a_config, a_tenant
from integration_tests.duckdb_truth import SYSTEM_TYPES, columns_of, differences, expected_row
from integration_tests.hostile_bases import HOSTILE_BASES, MANY_NAMES, NAMES, OTHER_TWIN, TWIN
from integration_tests.pyairbyte_program import needs_pyairbyte, read_with_pyairbyte, tables_of
from integration_tests.real_bases import ARE_ABSENT, REASON, real_bases
from source_airtable.streams.catalog import ACCOUNT_STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from integration_tests.connector import Message

pytestmark = needs_pyairbyte

Key = tuple[str, str]
"""A base's and a table's id."""

OWN_BASES: Final = (*sample_account()["bases"], *HOSTILE_BASES)
SAMPLE: Final = OWN_BASES[0]
REAL_BASES: Final = () if ARE_ABSENT else tuple(real_bases())
BASES: Final = {base["id"]: base for base in (*OWN_BASES, *REAL_BASES)}
TABLES: Final[dict[Key, Message]] = {
    (base["id"], table["id"]): table for base in BASES.values() for table in base["tables"]
}
OWN: Final = [(base["id"], table["id"]) for base in OWN_BASES for table in base["tables"]]
REAL: Final = [key for key in TABLES if key not in OWN]
# All own bases and, to be short, one real base: how cells are made is the same in both modes.
BASES_IN_FULL: Final = (*OWN_BASES, *REAL_BASES[:1])

START: Final = "2026-11-18T10:00:00.000Z"
CREATED: Final = "recCreatedBetween"


def text_fields(table: Message) -> list[str]:
    """The ids of a table's text fields."""
    return [one["id"] for one in table["fields"] if one["type"] == "singleLineText"]


def an_edited_table(base: Message) -> Key:
    """The base's largest table with a text field."""
    with_text = [table for table in base["tables"] if text_fields(table)]
    return base["id"], max(with_text, key=lambda table: len(table["records"]))["id"]


def edited_text(key: Key) -> str:
    """The text field that is edited in a table."""
    return text_fields(TABLES[key])[0]


EDITED: Final = [an_edited_table(base) for base in (*OWN_BASES[:2], *REAL_BASES[:2])]
CHANGES: Final = [
    ["advance_clock", {"seconds": 7200}],  # past the look-back, so that only changes are read
    *(
        [command, {"base": key[0], "table": key[1], **what, "fields": {edited_text(key): "edited"}}]
        for key in EDITED
        for command, what in (
            ("edit_record", {"record": TABLES[key]["records"][0]["id"]}),
            ("create_record", {"id": CREATED}),
        )
    ),
]


@dataclass(frozen=True)
class Left:
    """What one read left in DuckDB, and what the simulator held then."""

    read: Message
    truth: dict[Key, list[Message]]

    @cached_property
    def tables(self) -> dict[Key, tuple[dict[str, str], list[Message]]]:
        """Types by column, and rows, of each table."""
        by_stream = tables_of(self.read)
        found = {}
        for base_id, in_base in self.truth:
            streams = [name for name in by_stream if name.endswith(f"/{in_base}")]
            # Streams of tables with equal ids have their base's id in their name.
            (stream,) = (name for name in streams if len(streams) == 1 or base_id in name)
            found[base_id, in_base] = by_stream[stream]
        assert len(found) == len(by_stream)
        return found

    def rows(self, key: Key) -> dict[str, Message]:
        """The rows of a table by record id."""
        return {row["_airtable_id"]: row for row in self.tables[key][1]}

    def wrong_cells(self, truth: Mapping[Key, Sequence[Message]]) -> list[Any]:
        """The cells that are not as a truth says, and records that are not there exactly once."""
        wrong: list[Any] = []
        for key, records in truth.items():
            _, rows = self.tables[key]
            by_id = {row["_airtable_id"]: row for row in rows}
            ids = sorted(record["id"] for record in records)
            if [row["_airtable_id"] for row in rows] != ids:
                wrong.append((key, len(ids), len(rows)))
            for record in records:
                expected = expected_row(BASES[key[0]], TABLES[key], record)
                wrong += [
                    (*key, record["id"], *cell)
                    for cell in differences(expected, by_id.get(record["id"], {}))
                ]
        return wrong


def lefts_of(folder: Path, bases: Sequence[Message], *steps: Message) -> list[Left]:
    """What each of some reads left, with a simulator of their own; the truth is that of the end."""
    with SimulatorProcess("--sample", "--no-limits") as simulator:
        simulator.admin.set_clock(START)
        simulator.admin.load({"bases": [base for base in bases if base["id"] != BASE_ID]})
        wanted = {"config": a_config(simulator.token), "steps": steps}
        (source,) = read_with_pyairbyte(simulator.url, folder, wanted)
        assert source["failure"] is None
        keys = [(base["id"], table["id"]) for base in bases for table in base["tables"]]
        truth = {key: simulator.admin.dump(*key) for key in keys}
    return [Left(read, truth) for read in source["reads"]]


@dataclass(frozen=True)
class OfAccount:
    """Reads of all streams of the sample base, and the records of its tables by table id."""

    reads: list[Message]
    truth: dict[str, list[Message]]


def read_of_account(folder: Path) -> OfAccount:
    """Two incremental reads of every stream that discovery offers, nothing changed between them."""
    step = {"database": "of_account.duckdb"}
    with SimulatorProcess("--sample", "--no-limits") as simulator:
        wanted = {"config": a_config(simulator.token), "of_account": True, "steps": [step, step]}
        (source,) = read_with_pyairbyte(simulator.url, folder, wanted)
        assert source["failure"] is None
        tables = SAMPLE["tables"]
        truth = {table["id"]: simulator.admin.dump(BASE_ID, table["id"]) for table in tables}
    return OfAccount(source["reads"], truth)


@dataclass(frozen=True)
class Reads:
    """All reads."""

    incremental: list[Left]
    full: list[Left]
    of_account: OfAccount


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> Reads:
    """Two incremental reads with changes between them; beside them, all others."""
    again = {"database": "again.duckdb"}
    in_full = {"database": "in_full.duckdb", "full": True}
    folders = [tmp_path_factory.mktemp(name) for name in ("incremental", "full", "of_account")]
    all_bases = list(BASES.values())
    with ThreadPoolExecutor(max_workers=2) as workers:
        incremental = workers.submit(
            lefts_of, folders[0], all_bases, again, {**again, "before": CHANGES}
        )
        full = workers.submit(lefts_of, folders[1], BASES_IN_FULL, in_full, in_full)
        of_account = workers.submit(read_of_account, folders[2])
    return Reads(incremental.result(), full.result(), of_account.result())


def test_types(reads: Reads) -> None:
    """Each table has a column of the type that README promises for each field, and no other."""
    for left in (reads.incremental[-1], reads.full[-1]):
        wanted = {
            key: {**SYSTEM_TYPES, **{one.name: one.type for one in columns_of(TABLES[key])}}
            for key in left.truth
        }

        assert {key: types for key, (types, _) in left.tables.items()} == wanted


def test_cells_of_full_refresh(reads: Reads) -> None:
    """After two full refreshes each cell is as the simulator has it, each record there once."""
    left = reads.full[1]

    assert left.wrong_cells({key: left.truth[key] for key in OWN}) == []


def test_cells_of_incremental_reads(reads: Reads) -> None:
    """After a second incremental read, too, edited and created records included."""
    left = reads.incremental[1]

    assert left.truth.keys() == TABLES.keys()
    assert left.wrong_cells(left.truth) == []


@pytest.mark.skipif(ARE_ABSENT, reason=REASON)
def test_cells_of_real_bases(reads: Reads) -> None:
    """Each cell of the real bases is as their own JSON has it."""
    document = {key: TABLES[key]["records"] for key in REAL}
    in_full = {key: records for key, records in document.items() if key in reads.full[1].truth}

    assert sum(map(len, document.values())) > 1_078
    assert len(in_full) == len(REAL_BASES[0]["tables"])
    assert reads.full[1].wrong_cells(in_full) == []
    assert reads.incremental[0].wrong_cells(document) == []


def test_full_refreshes_are_equal(reads: Reads) -> None:
    """A second full refresh reads everything anew and leaves equal tables."""
    first, second = reads.full
    count = sum(len(records) for records in second.truth.values())

    assert [first.read["processed"], second.read["processed"]] == [count, count]
    assert second.tables == first.tables


def test_second_incremental_read_changes_little(reads: Reads) -> None:
    """A second incremental read makes one call a table, and reads and changes what has changed."""
    first, second = reads.incremental
    changed = {
        (key, record_id)
        for key in TABLES
        for record_id, row in second.rows(key).items()
        if first.rows(key).get(record_id) != row
    }
    wanted = {(key, one) for key in EDITED for one in (TABLES[key]["records"][0]["id"], CREATED)}

    assert (second.read["processed"], second.read["calls"]) == (len(wanted), len(TABLES))
    assert changed == wanted


def test_edits_and_creations_arrive(reads: Reads) -> None:
    """An edited record replaces its row, and a created one has one of its own."""
    first, second = reads.incremental
    for key in EDITED:
        (column,) = (
            one.name for one in columns_of(TABLES[key]) if one.field["id"] == edited_text(key)
        )
        before, after = first.rows(key), second.rows(key)

        assert after.keys() - before.keys() == {CREATED}
        assert after[TABLES[key]["records"][0]["id"]][column] == after[CREATED][column] == "edited"


def test_hostile_names(reads: Reads) -> None:
    """Names that a destination would mix up arrive in columns of their own."""
    table = MANY_NAMES["tables"][0]
    (row,) = reads.full[1].rows((MANY_NAMES["id"], table["id"])).values()
    ids = {one["name"]: one["id"].lower() for one in table["fields"]}

    assert row[f"due_date_{ids['due_date']}"] == str(NAMES.index("due_date"))
    assert row[f"___{ids['名前']}"] == str(NAMES.index("名前"))
    assert row["_1st"] == str(NAMES.index("1st"))
    assert row[f"_comment_{ids['$comment']}"] == str(NAMES.index("$comment"))


def test_twins(reads: Reads) -> None:
    """A duplicated base, of which all ids below it are equal, arrives beside the first one."""
    names = [
        row["name"]
        for base in (TWIN, OTHER_TWIN)
        for row in reads.full[1].rows((base["id"], base["tables"][0]["id"])).values()
    ]

    assert names == ["of the first", "of the other"]


def test_early_stop(airtable: SimulatorProcess, tmp_path: Path) -> None:
    """A read of which a few records are wanted ends well in PyAirbyte's eyes, too."""
    records = [a_record(Name="long " * 400) for _ in range(1_000)]
    tenant = a_tenant(airtable, a_base("Long", a_table("Long", records=records)))
    (stream,) = (tenant.stream_name(base, base["tables"][0]) for base in tenant.bases)
    wanted = {
        "config": a_config(tenant.token),
        "steps": [{"sample": stream, "limit": 5}],
    }
    (source,) = read_with_pyairbyte(airtable.url, tmp_path, wanted)

    assert source == {"saved": [], "failure": None, "reads": [{"records": 5, "stderr": ""}]}


def test_streams_of_the_account(reads: Reads) -> None:
    """Read twice, the account's streams have a row for each thing in the base, beside its tables.

    A second read, which finds nothing new, doubles none.
    """
    tables, truth = SAMPLE["tables"], reads.of_account.truth
    declared = [record for table in tables for record in table["records"]]
    items = dict.fromkeys(("multipleAttachments", "multipleRecordLinks"), 0)
    for table in tables:
        for field in table["fields"]:
            if field["type"] in items:
                cells = [record["fields"].get(field["id"], ()) for record in truth[table["id"]]]
                items[field["type"]] += sum(map(len, cells))
    wanted = {
        "bases": 1,
        "tables": len(tables),
        "fields": sum(len(table["fields"]) for table in tables),
        "views": sum(len(table["views"]) for table in tables),
        "records": sum(map(len, truth.values())),
        "comments": sum(record["commentCount"] for record in declared),
        "attachments": items["multipleAttachments"],
        "links": items["multipleRecordLinks"],
    }

    assert all(wanted.values())
    for read in reads.of_account.reads:
        found = {name: rows for name, (_, rows) in tables_of(read).items()}

        assert len(found) == len(tables) + len(wanted)
        assert {name: len(found[name]) for name in wanted} == wanted
        for name, count in wanted.items():
            columns = ACCOUNT_STREAMS[name].key
            keys = {tuple(row[column] for column in columns) for row in found[name]}

            assert len(keys) == count


@pytest.mark.parametrize("is_first", [True, False])
def test_failed_read(tmp_path: Path, *, is_first: bool) -> None:
    """A read that fails half way fails for PyAirbyte, and the next one mends what it left."""
    base = a_base("Failing", a_table("Notes", records=250))
    (table,) = base["tables"]
    key = base["id"], table["id"]
    short_lived, edited = (table["records"][at]["id"] for at in (10, 20))
    name = table["fields"][0]["id"]
    step = {"database": "failed.duckdb"}
    fault = {
        "match": {"kind": "list_records", "page": 3},
        "action": {"kind": "status", "status": 400},
        "times": None,
    }
    # A new field has the second read read all records.
    field = {"base": key[0], "table": key[1], "field": {"name": "New", "type": "singleLineText"}}
    before_failure = [["plan_faults", {"faults": [fault]}]]
    before_failure += [] if is_first else [["advance_clock", {"seconds": 7200}]]
    before_failure += [] if is_first else [["add_field", field]]
    of_record = {"base": key[0], "table": key[1]}
    mend: list[Any] = [
        ["clear_faults", {}],
        ["delete_record", {**of_record, "record": short_lived}],
        ["edit_record", {**of_record, "record": edited, "fields": {name: "edited"}}],
        ["advance_clock", {"seconds": 7200}],
    ]
    with SimulatorProcess("--no-limits") as simulator:
        simulator.admin.set_clock(START)
        simulator.admin.load({"bases": [base]})
        incremental = {"detect_deletions": True, "deletion_sweep_hours": 0}
        config = {**a_config(simulator.token), "incremental": incremental}
        sources: list[Any] = [[{**step, "before": before_failure}], [{**step, "before": mend}]]
        sources = sources if is_first else [[step], *sources]
        ended = read_with_pyairbyte(
            simulator.url, tmp_path, *({"config": config, "steps": steps} for steps in sources)
        )
        truth = {record["id"]: record["fields"][name] for record in simulator.admin.dump(*key)}
    failed, mended = ended[-2:]
    ((_, rows),) = tables_of(mended["reads"][-1]).values()
    alive = [row for row in rows if row["_ab_cdc_deleted_at"] is None]

    assert failed["failure"] is not None
    assert failed["reads"] == []
    assert mended["failure"] is None
    assert {row["_airtable_id"]: row["name"] for row in alive} == truth
