"""The connector's image in containers that may do little, as a strict cluster runs them.

``CONNECTOR_IMAGE`` names the image, ``BASE_IMAGE`` the one that it is built on.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from integration_tests.connector import LiveRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from integration_tests.connector import Run

IMAGE: Final = os.environ.get("CONNECTOR_IMAGE", "source-airtable:dev")
BASE_IMAGE: Final = os.environ.get("BASE_IMAGE", "docker.io/airbyte/python-connector-base:4.0.0")
# The host's network reaches the simulator; everything else is what a strict cluster grants.
CONFINED: Final = (
    *("--rm", "--network=host", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - in the container
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"),
)
GRACE_SECONDS: Final = 8
"""Between SIGTERM and SIGKILL, whose exit code is 137."""
SIGTERM_EXIT_CODE: Final = 143
"""128 and the signal's number: the first process of a container cannot end by the signal itself."""


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a docker command and give back how it ended."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - docker is wherever PATH says


def options_of(folder: Path | None = None, api_url: str | None = None) -> tuple[str, ...]:
    """Docker's options for a confined container, the folder mounted as ``/config``."""
    mount = () if folder is None else ("--volume", f"{folder}:/config:ro")
    environment = () if api_url is None else ("--env", f"AIRTABLE_API_URL={api_url}")
    return (*CONFINED, *mount, *environment)


def run_connector(
    *arguments: str,
    folder: Path | None = None,
    api_url: str | None = None,
    more: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command of the connector in a confined container, the folder mounted as ``/config``.

    more: options of Docker's that replace or join those of every confined container.
    """
    return docker("run", *options_of(folder, api_url), *more, IMAGE, *arguments)


@contextmanager
def started_connector(
    *arguments: str, folder: Path, api_url: str, more: Sequence[str] = ()
) -> Iterator[tuple[str, LiveRun]]:
    """A command that goes on running in the block, with the name of its container.

    more: options of Docker's besides those of every confined container.
    """
    name = f"source-airtable-{uuid.uuid4().hex[:12]}"
    options = (*options_of(folder, api_url), *more, "--name", name)
    stderr = folder / "stderr"
    with (
        stderr.open("w") as errors,
        subprocess.Popen(  # noqa: S603 - docker is wherever PATH says
            ["docker", "run", *options, IMAGE, *arguments],  # noqa: S607 - as above
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield name, LiveRun(process, stderr)
        finally:
            docker("kill", name)


def stop(name: str, live: LiveRun) -> Run:
    """Have Docker stop a container, as a cluster does, and read on to its end."""
    command = ["docker", "stop", "-t", str(GRACE_SECONDS), name]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL):  # noqa: S603 - as above
        return live.whole()
