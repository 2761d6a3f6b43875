"""What the repository says of itself in several places is the same in all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FLOOR_SECONDS = 10_800


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """``metadata.yaml`` as read."""
    return cast("dict[str, Any]", yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8")))


def first_match(pattern: str, file_name: str) -> str:
    """The group of the pattern's first match in a file of the repository."""
    match = re.search(pattern, (ROOT / file_name).read_text("utf-8"), re.MULTILINE)
    assert match, f"{file_name} has nothing like {pattern}"
    return match[1]


def test_metadata_is_what_airbyte_accepts(metadata: dict[str, Any]) -> None:
    """Airbyte's own model of the file accepts it, unknown keys refused."""
    models = pytest.importorskip(
        "airbyte_connector_models.metadata.v0.connector_metadata_definition_v0",
        reason="Airbyte publishes its models for Python below 3.13",
    )
    accepted = models.ConnectorMetadataDefinitionV0.model_validate(metadata)

    assert accepted.data.docker_repository == "source-airtable"


@pytest.mark.parametrize(
    ("file_name", "pattern"),
    [
        ("pyproject.toml", r'^version = "(.+)"'),
        ("CHANGELOG.md", r"^## \[(\d.+?)\]"),
        ("Dockerfile", r"^LABEL .*\n +io\.airbyte\.version=(\S+)"),
        ("Dockerfile", r"^ +org\.opencontainers\.image\.version=(\S+)"),
    ],
)
def test_version_is_the_same_everywhere(
    metadata: dict[str, Any], file_name: str, pattern: str
) -> None:
    """The image's tag, the package, the changelog's top entry and the image's labels agree."""
    assert first_match(pattern, file_name) == metadata["data"]["dockerImageTag"]


@pytest.mark.parametrize(
    ("label", "key"), [("title", "name"), ("description", "description"), ("licenses", "license")]
)
def test_label_is_the_packages(label: str, key: str) -> None:
    """The image's labels by OCI's keys say what the package says of itself."""
    labelled = first_match(rf"^ +org\.opencontainers\.image\.{label}=(.+?) ?\\?$", "Dockerfile")

    assert labelled.strip('"') == first_match(rf'^{key} = "(.+)"', "pyproject.toml")


def test_release_date_is_the_changelogs(metadata: dict[str, Any]) -> None:
    """The day of the first release is the one that the changelog gives."""
    day = first_match(r"^## \[0\.1\.0\] - (.+)$", "CHANGELOG.md")

    assert day == str(metadata["data"]["releaseDate"])


def test_base_image_is_the_dockerfiles(metadata: dict[str, Any]) -> None:
    """The base image that the metadata pins by its digest is the one that is built on."""
    base_image = first_match(r"^ARG BASE_IMAGE=(\S+)", "Dockerfile")
    pinned = metadata["data"]["connectorBuildOptions"]["baseImage"]

    assert re.fullmatch(re.escape(base_image) + "@sha256:[0-9a-f]{64}", pinned)


def test_documentation_is_not_another_connectors(metadata: dict[str, Any]) -> None:
    """The form and the metadata link to one page, and not to the page of Airbyte's connector."""
    url = metadata["data"]["documentationUrl"]

    assert url == first_match(r'"documentationUrl": "(.+)"', "source_airtable/spec.json")
    assert "docs.airbyte.com/integrations" not in url


def test_metadata_claims_nothing_that_the_platform_ignores(metadata: dict[str, Any]) -> None:
    """The longest silence is the platform's default: it does not go below 10,800 seconds."""
    assert metadata["data"].get("maxSecondsBetweenMessages", FLOOR_SECONDS) >= FLOOR_SECONDS


def test_readme_names_the_definition_id(metadata: dict[str, Any]) -> None:
    """The id that README gives to administrators is the metadata's."""
    if not (ROOT / "README.md").is_file():
        pytest.skip("no README.md here")

    assert first_match(r"definitionId: `([^`]+)`", "README.md") == metadata["data"]["definitionId"]


def test_icon_exists(metadata: dict[str, Any]) -> None:
    """The icon that the metadata names is in the repository."""
    assert (ROOT / metadata["data"]["icon"]).is_file()


@pytest.mark.parametrize(
    "requirements", sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
)
def test_requirements_are_pinned_with_hashes_and_name_no_address(requirements: str) -> None:
    """Every requirement is one version with hashes, from whichever index the user trusts."""
    lines = (ROOT / "requirements" / requirements).read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]

    assert pins
    assert [line for line in pins if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*\\$", line)] == []
    assert [line for line in lines if "://" in line] == []
