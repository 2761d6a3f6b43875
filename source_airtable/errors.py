"""Every failure that a user can meet, sorted by what has to happen next.

    AirtableError
    ├── ConfigError                 config_error: a person must change something
    │   ├── InvalidConfigError          a setting has a value that cannot be used
    │   ├── InvalidFileError            the catalog or the state cannot be used
    │   ├── InvalidTokenError           Airtable does not accept the token
    │   ├── GrantLostError              Airtable ended the OAuth grant or refuses its client
    │   ├── MissingScopeError           the token lacks a scope
    │   ├── NoBaseError                 there is no base to read
    │   ├── BaseNotFoundError           a base is unknown or not shared with the token
    │   ├── TableNotFoundError          a table is unknown, deleted or not shared
    │   ├── TableFilterError            a filter of the settings cannot be used
    │   ├── AccessDeniedError           Airtable refuses access to a base, table or record
    │   ├── QuotaExceededError          the workspace has no API calls left this month
    │   └── DiskFullError               there is no room for the files of attachments
    ├── TransientError              transient_error: the same sync may succeed later
    │   ├── RateLimitedError            Airtable refuses too many requests, even after waits
    │   ├── AirtableUnavailableError    Airtable or the network is down
    │   ├── OffsetExpiredError          Airtable forgot the list that was being read
    │   └── SchemaChangedError          a field disappeared during the sync
    └── ContractError               system_error: an answer differs from Airtable's documentation

A message consists of the class's `cause` and `remedy`, which are constant, and the facts of the
case. Facts are ids, names, statuses and error types, never a token, a cell value or a query.
The table of errors in the documentation comes from the same two attributes. A remedy depends on how
the source signs in, so it names both ways: you edit a personal access token, and you grant OAuth
access again.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_airtable.api.scopes import COMMENTS_SCOPE, RECORDS_SCOPE, SCHEMA_SCOPE

TOKENS_PAGE = "https://airtable.com/create/tokens"
INTEGRATIONS_PAGE = "https://airtable.com/create/oauth"

_WHERE_BASES_ARE_CHOSEN = (
    f"with a personal access token at {TOKENS_PAGE}, section Access; with OAuth by "
    "re-authenticating the source and choosing the bases on Airtable's page"
)


class AirtableError(AirbyteTracedException):
    """A failure with a cause, a remedy and facts. The CDK reports it as a trace message.

    >>> str(BaseNotFoundError(base="appLkNDICXNqxSDhG"))
    'Airtable does not show a base to this source. … (base: appLkNDICXNqxSDhG)'
    """

    cause: ClassVar[str] = "The connector could not read Airtable."
    remedy: ClassVar[str] = "The log above gives the reason."
    consequence: ClassVar[FailureType] = FailureType.system_error

    def __init__(self, **facts: object) -> None:
        """Keep the facts of the case, such as `base="app…"`, `table="tbl…"` or `status=403`."""
        self.facts: dict[str, object] = {}
        self.filter_reason = ""
        """Why Airtable refuses a filter, in its words, which may quote the filter."""
        super().__init__(failure_type=self.consequence)
        self.add_facts(**facts)

    def __repr__(self) -> str:
        """Name the class and the facts, for the log."""
        return str(self.internal_message)

    def add_facts(self, **facts: object) -> None:
        """Add facts that a caller knows. A fact that the error already has stays."""
        self.facts = {**facts, **self.facts}
        # A base without a name has its id as name, which the message gives only once.
        names: dict[str, str] = {}
        for name, fact in self.facts.items():
            if fact:
                names.setdefault(str(fact), name.replace("_", " "))
        details = "; ".join(f"{name}: {fact}" for fact, name in names.items())
        self.message = f"{self.cause} {self.remedy}" + (f" ({details})" if details else "")
        self.internal_message = f"{type(self).__name__}({details})"


def is_unprocessable(refused: AirtableError) -> bool:
    """Tell whether Airtable refuses what the request asks for, such as a filter."""
    return refused.facts.get("status") == HTTPStatus.UNPROCESSABLE_ENTITY


class ConfigError(AirtableError):
    """A person must change something. Another try alone does not help."""

    consequence = FailureType.config_error


class InvalidConfigError(ConfigError):
    """A setting has a value that cannot be used. The facts name the setting and the reason."""

    cause = "The source's settings cannot be used."
    remedy = "Correct the setting named here and test the connection again."


class InvalidFileError(ConfigError):
    """The configured catalog or the state cannot be used; the facts say where and why."""

    cause = "A file that the command was given cannot be used."
    remedy = "Correct the file that is named here."


class InvalidTokenError(ConfigError):
    """Airtable answers 401: the personal access token is mistyped, revoked or deleted.

    With OAuth, this is a GrantLostError.
    See https://airtable.com/developers/web/api/authentication
    """

    cause = "Airtable does not accept the access token."
    remedy = (
        "The token may be mistyped, revoked or deleted. Create a new personal access token at "
        f"{TOKENS_PAGE} and enter it in the source's settings."
    )


class GrantLostError(ConfigError):
    """Airtable does not renew the OAuth tokens, or refuses a token that is new.

    The fact `error_type` is OAuth's: `invalid_grant` (the refresh token was used before, revoked,
    or is 60 days old) or `invalid_client`.
    See https://airtable.com/developers/web/api/oauth-reference
    """

    cause = "Airtable no longer accepts this source's OAuth sign-in."
    remedy = (
        "Re-authenticate the source in its settings. Airtable accepts each refresh token only "
        "once, so no other source or program may use the same grant. If you entered client_id and "
        "client_secret yourself, check them too."
    )


class MissingScopeError(ConfigError):
    """The token is valid but lacks the scope that the fact `scope` names.

    See https://airtable.com/developers/web/api/scopes
    """

    cause = "The access token lacks a scope that this sync needs."
    remedy = (
        f"With a personal access token, add the scope named here at {TOKENS_PAGE}. With OAuth, add "
        f"it to the integration at {INTEGRATIONS_PAGE} and re-authenticate the source. Then test "
        f"the connection again. The connector needs {RECORDS_SCOPE} and {SCHEMA_SCOPE}. The stream "
        f"comments also needs {COMMENTS_SCOPE}."
    )


class NoBaseError(ConfigError):
    """No base is visible, or the settings select none that can be read."""

    cause = "No base is left to read."
    remedy = (
        f"Share bases or workspaces with the source ({_WHERE_BASES_ARE_CHOSEN}), or correct "
        "the settings base_ids and table_ids."
    )


class BaseNotFoundError(ConfigError):
    """The token cannot see or read a base that the settings or the catalog name."""

    cause = "Airtable does not show a base to this source."
    remedy = (
        f"Share the base with the source ({_WHERE_BASES_ARE_CHOSEN}), or correct the setting "
        "base_ids. The person who made the token or signed in needs at least the read role on the "
        "base."
    )


class TableNotFoundError(ConfigError):
    """The token cannot see a table that the settings or the catalog name."""

    cause = "Airtable does not show a table to this source."
    remedy = (
        "The table may have been deleted, or its base may no longer be shared with the source. "
        "Refresh the connection's schema (in Airbyte: Schema, Refresh source schema), or correct "
        "the setting that names the table. To sync without the table, set on_missing_table to skip."
    )


class TableFilterError(ConfigError):
    """A filter in the setting `table_filters` cannot be used for a table. The facts say why.

    See https://airtable.com/developers/web/api/list-records
    """

    cause = "The filter of a table cannot be used."
    remedy = (
        "Correct the entry for this table in the setting table_filters, and test the connection "
        "again. A view or a field may have been deleted or renamed. Check a formula in a formula "
        "field of the table."
    )


class AccessDeniedError(ConfigError):
    """Airtable answers 403 or 404. Both can mean forbidden, and both can mean missing.

    See https://airtable.com/developers/web/api/errors
    """

    cause = "Airtable refuses access, or what the connector asked for no longer exists."
    remedy = (
        f"Share the base with the source ({_WHERE_BASES_ARE_CHOSEN}). Give the source the scopes "
        f"{RECORDS_SCOPE} and {SCHEMA_SCOPE}, and {COMMENTS_SCOPE} for the stream comments. The "
        "person who made the token or signed in needs at least the read role on the base."
    )


class QuotaExceededError(ConfigError):
    """The workspace has used up its API calls of the month. A wait of seconds does not help.

    See https://support.airtable.com/docs/managing-api-call-limits-in-airtable
    """

    cause = "The workspace has used up its Airtable API calls for this month."
    remedy = (
        "Airtable answers again on the first day of the next month, or as soon as you upgrade the "
        "workspace's plan. To need fewer calls, sync less often, or select fewer bases and tables "
        "(base_ids, table_ids)."
    )


class DiskFullError(ConfigError):
    """The folder for the files of attachments is full."""

    cause = "There is no room left for the files of attachments."
    remedy = (
        "Give the connector's staging folder more room, or lower the setting max_file_megabytes."
    )


class TransientError(AirtableError):
    """The same sync may succeed later."""

    consequence = FailureType.transient_error


class RateLimitedError(TransientError):
    """Airtable still answers 429 after several pauses of 30 seconds.

    See https://airtable.com/developers/web/api/rate-limits
    """

    cause = "Airtable keeps refusing requests because this base receives too many."
    remedy = (
        "Other integrations share the base's limit of 5 requests per second. Lower the setting "
        "requests_per_second_per_base, or sync at another time of day."
    )


class AirtableUnavailableError(TransientError):
    """Airtable answers 5xx or no usable JSON, or the connection fails, in every try.

    See https://airtable.com/developers/web/api/errors
    """

    cause = "Airtable could not be reached or gave no usable answer in several tries."
    remedy = (
        "Check https://status.airtable.com and your network (proxy, firewall), and sync again "
        "later."
    )


class OffsetExpiredError(TransientError):
    """Airtable repeatedly forgot the list of records that was being read.

    See https://airtable.com/developers/web/api/list-records
    """

    cause = "Airtable repeatedly forgot the list of records while the connector was reading it."
    remedy = (
        "Sync again later. If this persists, check whether the destination takes records slowly."
    )


class SchemaChangedError(TransientError):
    """Airtable does not know a field that its schema listed moments ago."""

    cause = "A field was deleted or changed during the sync."
    remedy = "Sync again. To pick up the change, refresh the connection's schema."


class ContractError(AirtableError):
    """An answer differs from Airtable's documentation. The facts say how."""

    cause = "Airtable gave an answer that its documentation does not describe."
    remedy = (
        "Sync again. If this persists, report this message to the connector's authors. It contains "
        "no data."
    )
