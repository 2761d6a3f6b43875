"""The pages for people agree with the code."""

from __future__ import annotations

import ast
import html
import importlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration_tests.airtable_simulator import sample_account
from scripts import draw_form, draw_sync
from scripts.generate_docs import (
    PACKAGE,
    PAGES,
    PARTS,
    ROOT,
    UPSTREAM,
    columns_table,
    fill,
    parts_of,
    streams_table,
    system_columns_table,
)
from source_airtable.records import Page, RecordConverter
from source_airtable.schema.field_types import FIELD_TYPES, UNKNOWN_TYPE
from source_airtable.schema.json_schema import build_json_schema
from source_airtable.schema.system_columns import SYSTEM_COLUMNS
from source_airtable.schema.table_schema import parse_table
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.sync.record_lines import RecordLines
from unit_tests.builders import a_config

if TYPE_CHECKING:
    from pathlib import Path

README: Final = ROOT / "README.md"
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
AIRBYTE_UI: Final = ROOT / "docs" / "airbyte_ui.md"
LINKING: Final = (*PAGES, README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
MOST_LINES: Final = {README: 150, ARCHITECTURE: 180}

PARTS_OF_PAGES: Final = {
    "airbyte_ui.md": [],
    "airtable.md": [
        *("settings", "streams", "columns"),
        *("bases", "tables", "fields", "views"),
        *("records", "comments", "links", "attachments", "attachment_files"),
        *("types", "errors", "retries"),
    ],
    "architecture.md": ["packages"],
    "decisions.md": [],
    "migrating.md": ["moves"],
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_generated_parts_are_those_of_the_code(path: Path) -> None:
    """The generated parts of a page are what `make docs` would write."""
    page = path.read_text(encoding="utf-8")

    assert fill(page) == page


def test_each_part_has_one_page() -> None:
    """Each page has its generated parts, and each part is in one page."""
    found = {path.name: parts_of(path.read_text(encoding="utf-8")) for path in PAGES}

    assert found == PARTS_OF_PAGES
    assert sorted(part for parts in found.values() for part in parts) == sorted(PARTS)


@pytest.mark.parametrize("path", MOST_LINES, ids=lambda path: path.name)
def test_pages_are_short(path: Path) -> None:
    """README and the architecture stay short enough to be read."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_LINES[path]


def test_no_row_is_on_two_pages() -> None:
    """No row of a table is on two pages, so each fact has one home."""
    pages_of: defaultdict[str, set[str]] = defaultdict(set)
    for path in LINKING:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
                pages_of[line].add(path.name)

    assert [row for row, pages in pages_of.items() if len(pages) > 1] == []


def test_example_of_readme() -> None:
    """The connector makes README's message from README's record, column by column."""
    record, message, settings = map(
        json.loads, re.findall(r"```json\n(.+?)```", README.read_text("utf-8"), re.DOTALL)
    )
    types: dict[str, dict[str, Any]] = {
        "Name": {"type": "singleLineText"},
        "Price": {"type": "currency"},
        "Margin": {"type": "formula", "options": {"isValid": True, "result": {"type": "number"}}},
        "In stock": {"type": "checkbox"},
        "Photos": {"type": "multipleAttachments"},
    }
    fields = [{"id": f"fld{name}", "name": name, **field} for name, field in types.items()]
    answer = {"id": message["_airtable_table_id"], "name": "Products", "fields": fields}
    table = parse_table({"id": message["_airtable_base_id"], "name": "Bakery"}, answer)  # type: ignore[arg-type]  # plain text
    assert table is not None
    record["fields"] = {f"fld{name}": cell for name, cell in record["fields"].items()}
    converter = RecordConverter.for_table(table, build_json_schema(table))
    lines: list[str] = []

    rows = converter.rows(Page([record]), message["_airtable_as_of"])
    RecordLines(lines.append).write("bakery/products/tblltp8DGLhqbUmjK", rows)

    printed = json.loads(lines[0])["record"]["data"]
    assert printed == message
    assert list(printed) == list(message)
    (wanted,) = a_config(**settings).table_filters
    assert settings["table_filters"] == [wanted.model_dump(exclude_none=True)]


def test_log_lines_that_pages_quote() -> None:
    """Each log line in the table of log lines is one of the connector's."""
    table = AIRBYTE_UI.read_text("utf-8").partition("| the log says |")[2].partition("\n\n")[0]
    quoted = [
        phrase
        for row in table.splitlines()[2:]
        for phrase in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    texts = [
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert quoted
    assert [phrase for phrase in quoted if not any(phrase in text for text in texts)] == []


def test_marks_are_whole() -> None:
    """No page has a mark without its partner, which would silently be no part."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")

        assert page.count("made by `make docs`") == page.count("<!-- /") == len(parts_of(page))


def test_fill_of_an_outdated_page() -> None:
    """The text between two marks is replaced, and nothing else."""
    page = "before <!-- types: made by `make docs` --> old <!-- /types --> after"

    filled = fill(page)

    assert filled.startswith("before <!-- types: made by `make docs` -->\n| Airtable's type |")
    assert filled.endswith("|\n<!-- /types --> after")


def test_every_type_is_compared_with_upstream() -> None:
    """The table about moving has each field type, and no other."""
    assert UPSTREAM.keys() == {*FIELD_TYPES, UNKNOWN_TYPE.name}


def test_streams_table() -> None:
    """The table of streams has one row for all tables, and one for each other stream."""
    rows = streams_table().splitlines()[2:]

    assert rows[0].startswith("| `base/table/table id`, one for each table | ")
    assert [row.split("`")[1] for row in rows[1:]] == list(ACCOUNT_STREAMS)
    assert rows[6].startswith(
        "| `links` | a linked record of a cell | `base_id`, `table_id`, `record_id`, `field_id`, "
        "`position` | full refresh | `schema.bases:read`, `data.records:read` | "
    )


def test_system_columns_table() -> None:
    """The table of system columns has each of them, with type, note and meaning."""
    rows = system_columns_table().splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == list(SYSTEM_COLUMNS)
    assert rows[0] == "| `_airtable_id` | text | key | The record's id in Airtable. |"
    assert rows[5].startswith("| `_airtable_as_of` | date-time | cursor | ")


def test_columns_table() -> None:
    """A stream's table has its columns with type, note and meaning, also that for tombstones."""
    rows = columns_table("records").splitlines()[2:]

    assert rows[0] == ("| `_base_id` | text | key | The id of the record's base. |")
    assert rows[4] == "| `fields` | object |  | The cells that are not empty, by field name. |"
    assert rows[-1].startswith(
        "| `_ab_cdc_deleted_at` | date-time | with `incremental.detect_deletions` only | When the "
    )


@pytest.mark.parametrize("path", LINKING, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A link leads to a page, or to a heading, that exists."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path

        assert page.is_file(), target
        assert not anchor or anchor in anchors_of(page), target


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as sites that show Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_targets_that_pages_name_exist() -> None:
    """Every `make` target that a page names is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pages = "".join(path.read_text("utf-8") for path in LINKING)
    named = set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", pages))
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))

    assert named - targets == set()


def test_recipe_for_a_catalog(tmp_path: Path) -> None:
    """The README's program makes a configured catalog of the tables among the streams."""
    recipe = README.read_text("utf-8").partition("python3 -c '\n")[2].partition("' > secrets/")[0]
    table, account = {"name": "bakery/orders/tblltp8DGLhqbUmjK"}, {"name": "records"}
    said = [
        {"type": "LOG", "log": {"message": "17 streams"}},
        {"type": "CATALOG", "catalog": {"streams": [table, account]}},
    ]
    discovered = tmp_path / "secrets" / "discovered.jsonl"
    discovered.parent.mkdir()
    discovered.write_text("\n".join(map(json.dumps, said)), "utf-8")
    made = subprocess.check_output([sys.executable, "-c", recipe], cwd=tmp_path)  # noqa: S603 - ours

    assert json.loads(made) == {
        "streams": [
            {"stream": table, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        ]
    }


def test_architecture_names_what_exists() -> None:
    """Each `module:function` of the page about the architecture is one of the code."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_.]+):([A-Za-z_][\w.]*)`", page)) - {("module", "function")}

    assert len(named) > 40
    for module, attribute in sorted(named):
        found: object = importlib.import_module(f"source_airtable.{module}")
        for name in attribute.split("."):
            assert hasattr(found, name), f"{module}:{attribute}"
            found = getattr(found, name)


def lines_of(terminal: Path) -> list[str]:
    """The lines of a terminal's picture; the parts of a line are those at one height."""
    lines: defaultdict[str, str] = defaultdict(str)
    parts = r'<text[^>]* y="([^"]+)"[^>]*>(.*?)</text>'
    for height, part in re.findall(parts, terminal.read_text("utf-8"), re.DOTALL):
        lines[height] += html.unescape(part).replace("\N{NO-BREAK SPACE}", " ")
    return list(lines.values())


def test_picture_of_the_form_is_that_of_the_specification() -> None:
    """The picture of the form is what `make docs` would draw."""
    assert draw_form.PICTURE.read_text("utf-8") == draw_form.form_picture()


def test_picture_of_a_sync_is_that_of_the_sample_base() -> None:
    """The picture of `make sync` names each table of the sample base, with its records."""
    rows = [line.strip("│ \n").split("│") for line in lines_of(draw_sync.PICTURE) if "│" in line]
    shown = {row[0].strip()[-17:]: row[-1].strip() for row in rows if len(row) == 3}
    tables = [table for base in sample_account()["bases"] for table in base["tables"]]
    counts = {table["id"].lower(): f"{len(table['records']):,}" for table in tables}

    assert counts
    assert shown == {**counts, "all": f"{sum(len(table['records']) for table in tables):,}"}


@pytest.mark.parametrize(
    "picture", [draw_form.PICTURE, draw_sync.PICTURE], ids=lambda path: path.name
)
def test_picture_is_small_and_asks_no_other_site(picture: Path) -> None:
    """A picture is drawn from its own file, and has no path of the machine that drew it."""
    drawn = picture.read_text("utf-8")

    assert len(drawn) < 60_000
    assert "url(http" not in drawn
    assert "/tmp/" not in drawn  # noqa: S108 - what must not be there
    assert str(ROOT) not in drawn
