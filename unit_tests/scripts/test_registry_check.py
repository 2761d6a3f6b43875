"""The copy of the repository that the checks of Airbyte's registry look at."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from scripts.registry_check import CODE, PAGE, PAGE_URL, ROOT, lay_out, reasons

if TYPE_CHECKING:
    from pathlib import Path


def test_layout(tmp_path: Path) -> None:
    """The connector, its page with the versions, and the address that the page would have."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the copy holds what git would commit")
    lay_out(tmp_path)
    metadata = yaml.safe_load((tmp_path / CODE / "metadata.yaml").read_text("utf-8"))["data"]
    page = (tmp_path / PAGE).read_text("utf-8")

    assert metadata["documentationUrl"] == PAGE_URL
    assert (tmp_path / CODE / "source_airtable" / "spec.json").is_file()
    assert not (tmp_path / CODE / ".venv").exists()
    assert f"| {metadata['dockerImageTag']} | {metadata['releaseDate']} |" in page


def test_each_failing_check_has_a_reason() -> None:
    """The table in CONTRIBUTING.md is read, and only that one."""
    found = reasons()

    assert found["CheckConnectorUsesPoetry"].startswith("it asks for `poetry.lock`")
    assert all(name.startswith(("Check", "Validate")) for name in found)
