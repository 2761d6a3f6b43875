"""Airbyte's standard tests of a source, run in process against the simulator's sample base.

What they run stands in ``acceptance-test-config.yml``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from integration_tests.airtable_simulator import SimulatorProcess
from source_airtable.source import SourceAirtable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.test.models import ConnectorTestScenario
    from airbyte_cdk.test.standard_tests._job_runner import IConnector

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def simulator() -> Iterator[None]:
    """The simulator, where the connector looks for Airtable."""
    configuration = json.loads(
        (ROOT / "integration_tests/acceptance/config.json").read_text("utf-8")
    )
    # Without limits: each command is a connector of its own, which begins to count its requests.
    with (
        SimulatorProcess("--sample", "--no-limits") as airtable,
        pytest.MonkeyPatch.context() as environment,
    ):
        airtable.admin.add_token(token=configuration["credentials"]["api_key"])
        environment.setenv("AIRTABLE_API_URL", airtable.url)
        yield


class TestSuite(SourceTestSuiteBase):
    """Every scenario of ``acceptance-test-config.yml``."""

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        """The repository, whatever a clone of it is called."""
        return ROOT

    @classmethod
    def create_connector(
        cls,
        scenario: ConnectorTestScenario | None,  # noqa: ARG003 - named by the base class
    ) -> IConnector:
        """A new source; the configuration reaches it only through the commands."""
        return SourceAirtable()
