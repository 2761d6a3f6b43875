"""The connector in its image, with less of a processor than a machine has."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE: Final = os.environ.get("CONNECTOR_IMAGE", "source-airtable:dev")
TOLD: Final = ("AIRTABLE_API_URL", "NO_PROXY", "REQUESTS_CA_BUNDLE")
"""Variables whose values the container gets from the environment of the command."""
INSPECT_SECONDS: Final = 30.0


def why_no_container() -> str:
    """Say why no container can be run here; empty if one can."""
    try:
        found = _docker("image", "inspect", IMAGE)
    except (OSError, subprocess.TimeoutExpired):
        return "there is no Docker engine"
    return "" if found.returncode == 0 else f"there is no engine, or no image {IMAGE} (make image)"


@contextmanager
def container_command(
    cpus: float, work: Path, environment: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    """Give the command that runs the connector in a container, which is gone after the block.

    The folder has the same path inside, so that arguments name its files in both.
    """
    name = f"source-airtable-bench-{uuid4().hex[:12]}"
    # The container's user is another one.
    work.chmod(0o755)
    told = [text for name in TOLD if name in environment for text in ("--env", name)]
    try:
        yield (
            *("docker", "run", "--rm", "--name", name, "--network=host", "--cpus", str(cpus)),
            *("--volume", f"{work}:{work}:ro", *told, IMAGE),
        )
    finally:
        # There is none any more, unless the run took too long.
        _docker("kill", name)


def _docker(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - docker is wherever PATH says
        ["docker", *arguments],  # noqa: S607 - as above
        capture_output=True,
        check=False,
        timeout=INSPECT_SECONDS,
    )
