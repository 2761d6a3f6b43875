"""The parts of ``make sync`` that neither read Airtable nor write DuckDB."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from scripts.sync_to_duckdb import (
    Account,
    account_in,
    first_look_columns,
    parse_base_ids,
    quote,
    reason_of,
    shorten,
)


class FailureLikePyAirbytes(Exception):  # noqa: N818 - the name says what it stands for
    """The attributes of PyAirbyte's exceptions that are read."""

    def __init__(self, **attributes: object) -> None:
        """Take the attributes as given."""
        super().__init__("")
        self.__dict__.update(SimpleNamespace(**attributes).__dict__)


def test_no_token_means_no_account() -> None:
    """Without a token, or with a blank one, the sample base is read."""
    assert account_in({}) is None
    assert account_in({"AIRTABLE_TOKEN": "  "}) is None


def test_account_with_bases() -> None:
    """The token and the base ids come from the environment."""
    environment = {"AIRTABLE_TOKEN": "token", "AIRTABLE_BASE_IDS": "appA, appB"}

    assert account_in(environment) == Account(token="token", base_ids=("appA", "appB"))  # noqa: S106 - no secret


def test_connector_config() -> None:
    """The account becomes the configuration that Airbyte's form would hold."""
    account = Account(token="token", base_ids=("appA",))  # noqa: S106 - no secret

    assert account.to_connector_config() == {
        "credentials": {"auth_method": "api_key", "api_key": "token"},
        "base_ids": ["appA"],
    }


@pytest.mark.parametrize(
    ("text", "base_ids"),
    [("", ()), (" , ", ()), ("appA", ("appA",)), (" appA ,,appB ", ("appA", "appB"))],
)
def test_base_ids(text: str, base_ids: tuple[str, ...]) -> None:
    """Blanks and empty entries of the list are dropped."""
    assert parse_base_ids(text) == base_ids


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("two\nlines", "two lines"),
        (Decimal("2.500000000"), "2.5"),
        (Decimal("0E-9"), "0"),
        ("x" * 29, "x" * 27 + "…"),
    ],
)
def test_shown_cells_are_one_short_line(value: object, shown: str) -> None:
    """A cell is shown on one line, cut where it would be wide, null as nothing."""
    assert shorten(value) == shown


def test_first_look_prefers_the_tables_own_columns() -> None:
    """The connector's system columns are not what one wants to see first."""
    columns = ("_airtable_id", "name", "a", "b", "c", "d", "e")

    assert first_look_columns(columns) == ("name", "a", "b", "c")


def test_first_look_at_a_table_without_columns_of_its_own() -> None:
    """A table without fields still shows something."""
    assert first_look_columns(("_airtable_id",)) == ("_airtable_id",)


def test_quoted_identifier() -> None:
    """A quote in a name is doubled."""
    assert quote('a"b') == '"a""b"'


def test_reason_of_a_check_that_failed_by_status() -> None:
    """The connection status' sentence is shown, without the quotes that the CDK adds."""
    failure = FailureLikePyAirbytes(message=None, context={"failure_reason": "'No such base.'"})

    assert reason_of(failure) == "No such base."


def test_reason_of_a_check_that_failed_by_trace() -> None:
    """The trace's sentence is shown, not PyAirbyte's about it."""
    trace = FailureLikePyAirbytes(message="The token is wrong.", context={"exit_code": 1})

    assert reason_of(FailureLikePyAirbytes(message=None, original_exception=trace)) == (
        "The token is wrong."
    )
