"""Draw the terminal of ``make sync`` as a picture: a sync of the sample base, for real.

``make pictures`` runs this. It needs PyAirbyte, so ``make docs`` does not; a test compares the
picture with the sample base.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from scripts import sync_to_duckdb

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURE: Final = ROOT / "docs" / "images" / "sync.svg"
WIDTH: Final = 100
FONT_FACE: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
SECONDS: Final = re.compile(r"in [\d.]+ s")
FIXED_SECONDS: Final = "in 3.7 s"
"""Of every picture, so that a slow machine does not change it."""


class Terminal(Console):
    """A console that keeps what it prints, the same on every machine."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as of the base
        """Print, without what only this run or this machine has."""
        super().print(*map(_fixed, objects), **options)


def _fixed(printed: object) -> object:
    if isinstance(printed, Text):
        return Text(_fixed_text(printed.plain))
    return _fixed_text(printed) if isinstance(printed, str) else printed


def _fixed_text(text: str) -> str:
    for found, shown in (
        (sys.executable, ".venv/bin/python"),
        (str(sync_to_duckdb.DATABASE), sync_to_duckdb.DATABASE.name),
    ):
        text = text.replace(found, shown)
    return SECONDS.sub(FIXED_SECONDS, text)


def main() -> int:
    """Sync the sample base into a database that is thrown away, and draw what was printed."""
    terminal = Terminal(record=True, width=WIDTH, highlight=False)
    os.environ.pop("AIRTABLE_TOKEN", None)
    with tempfile.TemporaryDirectory() as folder:
        sync_to_duckdb.DATABASE = Path(folder, "airtable.duckdb")  # type: ignore[misc]  # for this process
        code = sync_to_duckdb.main(terminal)
    # Fonts of the machine: the format's own would be asked from another site.
    code_format = FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(
        terminal.export_svg(title="make sync", code_format=code_format, unique_id="sync"), "utf-8"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
