"""Airbyte's standard tests of a source, run against the simulator's sample base.

What they run stands in ``acceptance-test-config.yml``. ``make test`` runs them in process,
``make image-test`` on the built image, where they are the CDK's own ``image_tests``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase, docker_base

from integration_tests.airtable_simulator import SimulatorProcess
from integration_tests.container import CONFINED, IMAGE
from source_airtable.source import SourceAirtable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
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


@pytest.fixture(autouse=True)
def confined_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CDK starts its containers as ours are started, and asks no registry on the internet."""
    run_as_given = docker_base.run_docker_airbyte_command

    def run_confined(cmd: list[str], *, raise_if_errors: bool = False) -> EntrypointOutput:
        # Without a value, the variable is handed on.
        options = [*CONFINED, "--env", "AIRTABLE_API_URL"]
        return run_as_given([*cmd[:2], *options, *cmd[2:]], raise_if_errors=raise_if_errors)

    monkeypatch.setattr(docker_base, "run_docker_airbyte_command", run_confined)
    monkeypatch.setattr(docker_base, "fetch_published_spec", lambda *_: None)


@pytest.fixture
def connector_image_override() -> str:
    """The image that was built by our own Dockerfile, in place of a build by the CDK."""
    return IMAGE


@pytest.fixture
def read_from_streams() -> str:
    """Read every stream, where the CDK reads none unless told to."""
    return "all"


@pytest.fixture
def read_scenarios() -> str:
    """Read with every configuration, whatever its file is called."""
    return "all"


class TestSuite(SourceTestSuiteBase):
    """Every scenario of ``acceptance-test-config.yml``."""

    connector_name = "source-airtable"  # the base class takes the folder's name

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
