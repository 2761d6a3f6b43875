"""The source as a whole, where its parts do not show it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog

from source_airtable.source import SourceAirtable
from source_airtable.streams.read_queue import ReadQueue
from unit_tests.builders import TOKEN

if TYPE_CHECKING:
    from pytest_mock import MockerFixture


@pytest.fixture
def abandoned(mocker: MockerFixture) -> list[ReadQueue]:
    """The queues that are abandoned, in that order."""
    queues: list[ReadQueue] = []
    mocker.patch.object(ReadQueue, "abandon", autospec=True, side_effect=queues.append)
    return queues


def test_abandoned_outside_of_read(abandoned: list[ReadQueue]) -> None:
    """A read that was broken off between two messages has its workers ended."""
    source = SourceAirtable()
    catalog = ConfiguredAirbyteCatalog(streams=[])
    config = {"credentials": {"api_key": TOKEN}}
    list(source.read(logging.getLogger(), config, catalog))
    ended_by_read = len(abandoned)

    source.abandon()

    assert len(abandoned) == ended_by_read + 1


def test_abandoned_without_a_read(abandoned: list[ReadQueue]) -> None:
    """A command that reads nothing has nothing to end."""
    SourceAirtable().abandon()

    assert abandoned == []
