"""Every failure that a user of the connector can meet, sorted by what follows from it.

    AirtableError
    ├── ConfigError                 config_error: somebody must change something
    │   ├── InvalidConfigError          a value in the settings is refused
    │   ├── InvalidTokenError           Airtable does not accept the token
    │   ├── GrantLostError              Airtable ended the OAuth grant, or refuses its client
    │   ├── MissingScopeError           the token lacks a scope
    │   ├── NoBaseError                 no base is left to read
    │   ├── BaseNotFoundError           a base is unknown, or not shared with the token
    │   ├── TableNotFoundError          a table is unknown, deleted or not shared
    │   ├── AccessDeniedError           Airtable refuses one base, table or record
    │   └── QuotaExceededError          the workspace's API calls of this month are used up
    ├── TransientError              transient_error: the same sync may pass later
    │   ├── RateLimitedError            too many requests, even after waiting
    │   ├── AirtableUnavailableError    Airtable, or the way to it, is down
    │   ├── OffsetExpiredError          Airtable forgot the list that was being paged
    │   └── SchemaChangedError          a field went away between schema and records
    └── ContractError               system_error: an answer is not as Airtable documents it

A message is the class's `cause` and `remedy`, which are constant, followed by the facts of the
case. Facts are ids, names, statuses and error types; never a token, a cell value or a query.
README's table of errors is made from the same two attributes. What a remedy asks for depends on how
the source signs in, so that it says both: a personal access token is edited, an OAuth grant is
given anew.
"""

from __future__ import annotations

from typing import ClassVar

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.api.scopes import COMMENTS_SCOPE, RECORDS_SCOPE, SCHEMA_SCOPE

TOKENS_PAGE = "https://airtable.com/create/tokens"
INTEGRATIONS_PAGE = "https://airtable.com/create/oauth"

_WHERE_BASES_ARE_CHOSEN = (
    f"with a personal access token at {TOKENS_PAGE}, section Access; with OAuth by "
    "re-authenticating the source and choosing on Airtable's page"
)


class AirtableError(AirbyteTracedException):
    """A failure with a cause, a remedy and facts, which the CDK reports as a trace message.

    >>> str(BaseNotFoundError(base="appLkNDICXNqxSDhG"))
    'A base is not among those that Airtable lets this source read. … (base: appLkNDICXNqxSDhG)'
    """

    cause: ClassVar[str] = "Airtable could not be read."
    remedy: ClassVar[str] = "See the log above for the reason."
    consequence: ClassVar[FailureType] = FailureType.system_error

    def __init__(self, **facts: object) -> None:
        """Keep the facts of the case, such as `base="app…"`, `table="tbl…"` or `status=403`."""
        self.facts: dict[str, object] = {}
        super().__init__(failure_type=self.consequence)
        self.add_facts(**facts)

    def __repr__(self) -> str:
        """Name the class and the facts, for the engine's log."""
        return str(self.internal_message)

    def add_facts(self, **facts: object) -> None:
        """Add facts known to a caller further out; a fact that is known already stays."""
        self.facts = {**facts, **self.facts}
        # A base of unknown name goes by its id, which is told once.
        named: dict[str, str] = {}
        for name, fact in self.facts.items():
            if fact:
                named.setdefault(str(fact), name.replace("_", " "))
        told = "; ".join(f"{name}: {fact}" for fact, name in named.items())
        self.message = f"{self.cause} {self.remedy}" + (f" ({told})" if told else "")
        self.internal_message = f"{type(self).__name__}({told})"


class ConfigError(AirtableError):
    """The user must change something; trying again alone changes nothing."""

    consequence = FailureType.config_error


class InvalidConfigError(ConfigError):
    """A value in the source's settings is refused; the facts name the setting and the reason."""

    cause = "The source's settings cannot be used."
    remedy = "Correct the setting named here and test the connection again."


class InvalidTokenError(ConfigError):
    """Airtable answers 401: the personal access token is mistyped, revoked or deleted.

    With OAuth it is GrantLostError.
    See https://airtable.com/developers/web/api/authentication
    """

    cause = "Airtable does not accept the access token."
    remedy = (
        "It may be mistyped, revoked or deleted: create a new personal access token at "
        f"{TOKENS_PAGE} and put it into the source's settings."
    )


class GrantLostError(ConfigError):
    """Airtable renews the OAuth tokens no more, or refuses one that is fresh.

    The fact `error_type` is OAuth's: `invalid_grant` (a refresh token that was used before, revoked
    or 60 days old) or `invalid_client`.
    See https://airtable.com/developers/web/api/oauth-reference
    """

    cause = "Airtable no longer accepts this source's OAuth sign-in."
    remedy = (
        "Re-authenticate the source in its settings. Airtable takes each refresh token once, so "
        "let no other source or program use the same grant; where client_id and client_secret are "
        "settings of yours, check them, too."
    )


class MissingScopeError(ConfigError):
    """The token is valid, but lacks the scope that the fact `scope` names.

    See https://airtable.com/developers/web/api/scopes
    """

    cause = "The access token lacks a scope that this sync needs."
    remedy = (
        f"Personal access token: add the scope named here at {TOKENS_PAGE}. OAuth: add it to the "
        f"integration at {INTEGRATIONS_PAGE}, and re-authenticate the source. Then test the "
        f"connection again. The connector needs {RECORDS_SCOPE} and {SCHEMA_SCOPE}, and for "
        f"the stream comments {COMMENTS_SCOPE}."
    )


class NoBaseError(ConfigError):
    """There is nothing to read: no base is visible, or none is left by the selection."""

    cause = "No base is left to read."
    remedy = (
        f"Share bases or workspaces with the source ({_WHERE_BASES_ARE_CHOSEN}), or correct "
        "the settings base_ids and table_ids."
    )


class BaseNotFoundError(ConfigError):
    """A base that the settings or the catalog name cannot be seen, or not be read, by the token."""

    cause = "A base is not among those that Airtable lets this source read."
    remedy = (
        f"Share the base with the source ({_WHERE_BASES_ARE_CHOSEN}; whoever made the token or "
        "signed in needs at least the read role on it), or correct the setting base_ids."
    )


class TableNotFoundError(ConfigError):
    """A table that the settings or the catalog name does not exist for this token."""

    cause = "A table is not among those that Airtable shows to this source."
    remedy = (
        "It may have been deleted, or its base is no longer shared with the source. Refresh the "
        "connection's schema (Airbyte: Schema, Refresh source schema), or correct the setting "
        "table_ids. The setting on_missing_table lets a sync go on without the table."
    )


class AccessDeniedError(ConfigError):
    """Airtable answers 403 or 404, alike for what is forbidden and what does not exist.

    See https://airtable.com/developers/web/api/errors
    """

    cause = "Airtable refuses access, or what was asked for no longer exists."
    remedy = (
        f"Check that the base is shared with the source ({_WHERE_BASES_ARE_CHOSEN}), that it has "
        f"the scopes {RECORDS_SCOPE} and {SCHEMA_SCOPE} (for the stream comments "
        f"{COMMENTS_SCOPE}, too), and that whoever made the token or signed in still has "
        "the read role on the base."
    )


class QuotaExceededError(ConfigError):
    """The workspace has used up its API calls of the month; waiting seconds does not help.

    See https://support.airtable.com/docs/managing-api-call-limits-in-airtable
    """

    cause = "The workspace has used up its Airtable API calls for this month."
    remedy = (
        "Calls are answered again from the first of the next month, or at once when the "
        "workspace's plan is upgraded. To need fewer calls, sync less often, or select fewer bases "
        "and tables (base_ids, table_ids)."
    )


class TransientError(AirtableError):
    """The same sync may pass when it is tried again later."""

    consequence = FailureType.transient_error


class RateLimitedError(TransientError):
    """Airtable goes on answering 429, although the base was left alone for 30 s several times.

    See https://airtable.com/developers/web/api/rate-limits
    """

    cause = "Airtable goes on refusing requests because too many are made to this base."
    remedy = (
        "Another integration shares the base's 5 requests per second: lower the setting "
        "requests_per_second_per_base, or sync at another time of day."
    )


class AirtableUnavailableError(TransientError):
    """Airtable answers 5xx or no usable JSON, or the connection fails, in every try.

    See https://airtable.com/developers/web/api/errors
    """

    cause = "Airtable could not be reached, or gave no usable answer, in several tries."
    remedy = (
        "See https://status.airtable.com and the network (proxy, firewall), and sync again later."
    )


class OffsetExpiredError(TransientError):
    """Airtable no longer knows the list that was being paged, several times in a row.

    See https://airtable.com/developers/web/api/list-records
    """

    cause = "Airtable forgot the list of records while it was being read, again and again."
    remedy = (
        "Sync again later; if it persists, look for a destination that is slow to take the records."
    )


class SchemaChangedError(TransientError):
    """A field that the schema showed a moment ago is unknown when its records are asked for."""

    cause = "A field was deleted or changed while the sync was running."
    remedy = "Sync again; refresh the connection's schema to follow the change."


class ContractError(AirtableError):
    """An answer is not as Airtable documents it; the facts say in what."""

    cause = "Airtable answered in a way that its documentation does not know."
    remedy = (
        "Sync again; if it persists, report this message, which holds no data, to the connector's "
        "authors."
    )
