"""The tree of errors, and sentences that a person can act on."""

from __future__ import annotations

import re

import pytest
from airbyte_cdk.models import FailureType

from source_airtable import errors
from source_airtable.errors import (
    AirtableError,
    BaseNotFoundError,
    ConfigError,
    ContractError,
    InvalidTokenError,
    TransientError,
)

CLASSES: list[type[AirtableError]] = [
    member
    for member in vars(errors).values()
    if isinstance(member, type) and issubclass(member, AirtableError)
]
LEAVES = [member for member in CLASSES if not member.__subclasses__()]


@pytest.mark.parametrize("error", LEAVES)
def test_consequence(error: type[AirtableError]) -> None:
    """An error's failure type is that of its branch of the tree."""
    branches: dict[type[AirtableError], FailureType] = {
        ConfigError: FailureType.config_error,
        TransientError: FailureType.transient_error,
        ContractError: FailureType.system_error,
    }
    branch = next(branch for branch in branches if issubclass(error, branch))

    assert error().failure_type is branches[branch]


@pytest.mark.parametrize("error", LEAVES)
def test_cause_and_remedy(error: type[AirtableError]) -> None:
    """Each error has a cause and a remedy of its own, in sentences."""
    assert all(text.endswith(".") and text[0].isupper() for text in (error.cause, error.remedy))
    assert {"cause", "remedy"} <= set(vars(error))


def test_remedy_for_each_way_of_signing_in() -> None:
    """An error about personal access tokens also says what to do with OAuth."""
    about_tokens = {error for error in LEAVES if errors.TOKENS_PAGE in error.remedy}
    about_both = {error for error in about_tokens if "re-authenticat" in error.remedy}

    # With OAuth, a refused token is a GrantLostError.
    assert about_tokens - about_both == {InvalidTokenError}
    assert len(about_both) == 4


def test_tree_in_the_docstring() -> None:
    """The module's docstring draws the real tree."""
    drawn = re.findall(r"[├└]── (\w+) ", errors.__doc__ or "")

    assert drawn == [error.__name__ for error in CLASSES if error is not AirtableError]


def test_message() -> None:
    """A message is cause, remedy and the facts."""
    error = BaseNotFoundError(base="appA", error_type="NOT_FOUND")

    assert str(error) == f"{error.cause} {error.remedy} (base: appA; error type: NOT_FOUND)"


def test_message_without_facts() -> None:
    """A message leaves out empty facts."""
    error = BaseNotFoundError(base="", table=None)

    assert str(error) == f"{error.cause} {error.remedy}"


def test_internal_message() -> None:
    """The internal message is the class and the facts."""
    assert BaseNotFoundError(base="appA").internal_message == "BaseNotFoundError(base: appA)"


def test_added_facts() -> None:
    """A caller can add facts, but not replace them."""
    error = BaseNotFoundError(base="appA")
    error.add_facts(base="appB", base_name="Sales")

    assert error.facts == {"base_name": "Sales", "base": "appA"}
    assert str(error).endswith("(base: appA; base name: Sales)")
