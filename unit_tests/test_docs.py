"""The pages for people agree with the code."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

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
from source_airtable.schema.field_types import FIELD_TYPES, UNKNOWN_TYPE
from source_airtable.schema.system_columns import SYSTEM_COLUMNS
from source_airtable.streams.catalog import ACCOUNT_STREAMS

if TYPE_CHECKING:
    from pathlib import Path

README: Final = ROOT / "README.md"
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
LINKING: Final = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

PARTS_OF_PAGES: Final = {
    "README.md": ["options", "streams", "types", "errors"],
    "airbyte_ui.md": ["form"],
    "airtable.md": [
        *("options", "streams", "columns"),
        *ACCOUNT_STREAMS,
        *("types", "errors", "retries"),
    ],
    "architecture.md": ["modules"],
    "migrating.md": ["moves"],
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_generated_parts_are_those_of_the_code(path: Path) -> None:
    """The generated parts of a page are what `make docs` would write."""
    page = path.read_text(encoding="utf-8")

    assert fill(page) == page


def test_pages_have_their_parts() -> None:
    """Each page has the generated parts that it is there for, and each part has a page."""
    found = {path.name: parts_of(path.read_text(encoding="utf-8")) for path in PAGES}

    assert found == PARTS_OF_PAGES
    assert {part for parts in found.values() for part in parts} == PARTS.keys()


def test_marks_are_whole() -> None:
    """No page has a mark without its partner, which would silently be no part."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")

        assert page.count("made by `make docs`") == page.count("<!-- /") == len(parts_of(page))


def test_fill_of_an_outdated_page() -> None:
    """What stands between two marks is replaced, and nothing else is."""
    page = "before <!-- types: made by `make docs` --> old <!-- /types --> after"

    filled = fill(page)

    assert filled.startswith("before <!-- types: made by `make docs` -->\n| Airtable's type |")
    assert filled.endswith("|\n<!-- /types --> after")


def test_every_type_is_compared_with_upstream() -> None:
    """The table about moving has each field type, and no other."""
    assert UPSTREAM.keys() == {*FIELD_TYPES, UNKNOWN_TYPE.name}


def test_streams_table() -> None:
    """The table of streams has a row for those of tables, and one for each of the account's."""
    rows = streams_table().splitlines()[2:]

    assert rows[0].startswith("| `base/table/table id`, one for each table | ")
    assert [row.split("`")[1] for row in rows[1:]] == list(ACCOUNT_STREAMS)
    assert rows[-1] == (
        "| `links` | a linked record of a cell | `base_id`, `table_id`, `record_id`, `field_id`, "
        "`position` | full refresh | `schema.bases:read`, `data.records:read` | none: from the "
        "scans of the tables |"
    )


def test_system_columns_table() -> None:
    """The table of system columns has each of them, with type, part in a sync, and meaning."""
    rows = system_columns_table().splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == list(SYSTEM_COLUMNS)
    assert rows[0] == "| `_airtable_id` | text | key | The record's id in Airtable. |"
    assert rows[5].startswith("| `_airtable_as_of` | date-time | cursor | ")


def test_columns_table() -> None:
    """A stream's table has its columns with type, part in the key, and meaning, tombstones too."""
    rows = columns_table("records").splitlines()[2:]

    assert rows[0] == ("| `_base_id` | text | key | The id of the base that the record is in. |")
    assert rows[4] == "| `fields` | object |  | The cells that are not empty, by field name. |"
    assert rows[-1].startswith(
        "| `_ab_cdc_deleted_at` | date-time | with `incremental.detect_deletions` only | "
    )


@pytest.mark.parametrize("path", LINKING, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to another page, or to a heading of one, finds it."""
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


def test_layout_of_readme_names_every_module() -> None:
    """README's tree names each part of the package that stands on its top level."""
    page = README.read_text(encoding="utf-8")
    parts = [
        path.name
        for path in PACKAGE.iterdir()
        if not path.name.startswith("_") and path.name not in {"py.typed", "version.py"}
    ]

    assert [part for part in parts if part not in page] == []


def test_architecture_names_every_module() -> None:
    """The page about the way of a record names each module, and none that is not there."""
    named = set(re.findall(r"`([a-z_/]+\.py)`", ARCHITECTURE.read_text(encoding="utf-8")))
    modules = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }

    assert named == modules


def test_architecture_names_what_exists() -> None:
    """Each `module:function` of the page about the way of a record is one of the code."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_.]+):([A-Za-z_][\w.]*)`", page)) - {("module", "function")}

    assert len(named) > 40
    for module, attribute in sorted(named):
        found: object = importlib.import_module(f"source_airtable.{module}")
        for name in attribute.split("."):
            assert hasattr(found, name), f"{module}:{attribute}"
            found = getattr(found, name)
