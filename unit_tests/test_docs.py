"""The pages for people agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.generate_docs import README, fill

ROOT = Path(__file__).resolve().parent.parent


def test_tables_of_readme_are_those_of_the_code() -> None:
    """README's generated tables are what `make docs` would write."""
    page = README.read_text(encoding="utf-8")

    assert fill(page) == page


def test_targets_that_pages_name_exist() -> None:
    """Every `make` target that a page names is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pages = "".join((ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", pages))
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))

    assert named - targets == set()


def test_layout_of_readme_names_every_module() -> None:
    """README's tree names each part of the package that stands on its top level."""
    page = README.read_text(encoding="utf-8")
    parts = [
        path.name
        for path in (ROOT / "source_airtable").iterdir()
        if not path.name.startswith("_") and path.name not in {"py.typed", "version.py"}
    ]

    assert [part for part in parts if part not in page] == []
