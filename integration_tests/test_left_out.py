"""Packages that the image leaves out are missing in the processes that run the connector."""

from __future__ import annotations

import subprocess
import sys

import pytest

from integration_tests.connector import REPOSITORY
from integration_tests.left_out import LEFT_OUT

IMPORT_ONE = """
import sys
from integration_tests.forked_connector import import_connector
import_connector()
__import__(sys.argv[1])
"""


def test_largest_packages_are_left_out() -> None:
    """`make lock` leaves out what would be most of the image."""
    assert {"numpy", "pandas", "grpcio", "nltk", "rapidfuzz"} <= LEFT_OUT
    assert "airbyte-cdk" not in LEFT_OUT


@pytest.mark.parametrize("module", ["numpy", "google.auth", "pygments"])
def test_package_left_out_cannot_be_imported(module: str) -> None:
    """The process whose forks run the commands of all other tests lacks the package."""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", IMPORT_ONE, module],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ModuleNotFoundError: No module named")
