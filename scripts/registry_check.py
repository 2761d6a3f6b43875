"""Run the checks that Airbyte's connector registry makes, over a copy laid out as it expects.

``make registry-check`` runs this with the Python of an environment that has Airbyte's checks. A
check that fails must be in the table of CONTRIBUTING.md with its reason, and one that passes must
not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
CONNECTOR: Final = "source-airtable"
CODE: Final = Path("airbyte-integrations", "connectors", CONNECTOR)
PAGE: Final = Path("docs", "integrations", "sources", "airtable.md")
PAGE_URL: Final = "https://docs.airbyte.com/integrations/sources/airtable"
"""Where the registry would publish the page: it takes no address elsewhere."""
VERSION: Final = re.compile(r"^## \[([\d.]+)\] - (\S+)$", re.MULTILINE)
REASON: Final = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def reasons() -> Mapping[str, str]:
    """Why a check cannot pass, by its name, as CONTRIBUTING.md says."""
    _, _, section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Airbyte's registry")
    return dict(REASON.findall(section.partition("\n## ")[0]))


def lay_out(folder: Path) -> None:
    """Copy what git would commit to where Airbyte's own repository has a connector."""
    listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(  # noqa: S603 - a fixed command
        ("git", *listed),  # noqa: S607 - git is wherever PATH says
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / CODE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / CODE / name)
    metadata = folder / CODE / "metadata.yaml"
    # The level from which on all checks of pages apply.
    as_registered = re.sub(
        r"^  documentationUrl: .*$",
        f"  documentationUrl: {PAGE_URL}\n  ab_internal: {{sl: 300, ql: 300}}",
        metadata.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    metadata.write_text(as_registered, "utf-8")
    (folder / PAGE).parent.mkdir(parents=True)
    (folder / PAGE).write_text(page_with_changelog(), "utf-8")


def page_with_changelog() -> str:
    """The reference page, with a table of versions in the place of the link to the changelog."""
    page, heading, _ = (
        (ROOT / "docs" / "airtable.md").read_text("utf-8").partition("## Changelog\n")
    )
    versions = VERSION.findall((ROOT / "CHANGELOG.md").read_text("utf-8"))
    rows = "".join(f"| {version} | {day} | See CHANGELOG.md |\n" for version, day in versions)
    return (
        f"{page}{heading}\n<details>\n  <summary>Expand to review</summary>\n\n"
        f"| Version | Date | Subject |\n| --- | --- | --- |\n{rows}\n</details>\n"
    )


def run_checks() -> Mapping[str, str]:
    """Run the checks in this folder; gives how each ended, by its name."""
    # Before the import: it would tell Airbyte of its use.
    os.environ["DO_NOT_TRACK"] = "1"
    import requests  # noqa: PLC0415 - as above
    from airbyte_ops_mcp.connector_ops import utils  # noqa: PLC0415 - as above
    from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS  # noqa: PLC0415 - as above

    # No registry has this connector, so there is nothing to download.
    utils.download_catalog = lambda _: {"sources": [], "destinations": []}
    ends: dict[str, str] = {}
    for check in ENABLED_CHECKS:
        name = type(check).__name__
        try:
            result = check.run(utils.Connector(CONNECTOR))
            ends[name], said = result.status.name, result.message
        except requests.ConnectionError as error:
            ends[name], said = "OPEN", f"the network is needed ({type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the rest
            ends[name], said = "FAILED", f"{type(error).__name__}: {error}"
        print(f"{ends[name]:<8}{name}: {said}")
    return ends


def main() -> int:
    """Run the checks, and compare them with the table."""
    expected = reasons()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        os.chdir(folder)
        ends = run_checks()
        os.chdir(ROOT)
    failed = {name for name, end in ends.items() if end == "FAILED"}
    passed = {name for name, end in ends.items() if end == "PASSED"}
    print(f"\n{len(passed)} passed, {len(failed)} failed, {len(ends)} checks in all")
    for name in sorted(failed & expected.keys()):
        print(f"{name} fails: {expected[name]}")
    for name in sorted(failed - expected.keys()):
        print(f"{name} fails, and CONTRIBUTING.md gives no reason")
    for name in sorted(passed & expected.keys()):
        print(f"{name} passes, and CONTRIBUTING.md says why it fails")
    return int(bool(failed - expected.keys() or passed & expected.keys()))


if __name__ == "__main__":
    sys.exit(main())
