"""Who may call what: the checks at arrival, and those of scopes and permission levels.

See: https://airtable.com/developers/web/api/scopes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .answers import Answer, to_answer
from .ids import BASE_ID, RECORD_ID
from .settings import AIRTABLE_MAX_URL_LENGTH
from .tokens import PersonalAccessToken
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base
    from .endpoints import Arrival, Request
    from .record import Record
    from .simulator import Simulator
    from .table import Table

CREATORS: Final = ("create",)
EDITORS: Final = ("edit", "create")
COMMENTERS: Final = ("comment", "edit", "create")
NOBODY: Final = PersonalAccessToken(token="", scopes=frozenset())
"""The caller of an endpoint that needs no token."""


def admit(simulator: Simulator, arrival: Arrival) -> PersonalAccessToken | Answer:
    """Check URL length, token, limits per second and monthly quota; return the token or a refusal.

    Every call to the Web API passes this check at its arrival, before the simulated latency.
    """
    settings, limits = simulator.settings, simulator.limits
    if arrival.url_length >= AIRTABLE_MAX_URL_LENGTH:
        body = to_json(errors.to_error("REQUEST_TOO_LARGE"))
        return Answer(status=settings.long_url_status, body=body)
    scheme, _, token_text = arrival.authorization.partition(" ")
    token = simulator.account.tokens.get(token_text.strip()) if scheme == "Bearer" else None
    if token is None or not token.takes_call(arrival.at):
        simulator.stats.refused["unauthenticated"] += 1
        return to_answer(errors.authentication_required())
    reason = limits.refusal(arrival.at, arrival.names.get("base"), token.user_id, settings)
    if reason:
        return _too_many(simulator, reason, errors.rate_limit_reached(settings.rate_limit_body))
    if arrival.endpoint.is_counted and not limits.takes_from_quota(arrival.at, settings):
        refusal = errors.monthly_quota_exceeded(settings.rate_limit_body)
        return _too_many(simulator, "quota", refusal)
    return token


def _too_many(simulator: Simulator, reason: str, refusal: errors.Refusal) -> Answer:
    simulator.stats.refused[reason] += 1
    answer = to_answer(refusal)
    retry_after = simulator.limits.retry_after(simulator.settings)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def check_scopes(request: Request) -> None:
    """Refuse a token that lacks a scope of the endpoint with 403."""
    if not request.token.scopes.issuperset(request.endpoint.scopes):
        raise errors.permission_or_model()


def open_base(simulator: Simulator, request: Request) -> Base:
    """The base that a request names.

    Raises: ``Refusal`` 404 for a malformed id, 403 for a base that is missing or not allowed.
    """
    base_id = request.names["base"]
    if not BASE_ID.fullmatch(base_id):
        raise errors.not_found()
    check_scopes(request)
    base = simulator.account.bases.get(base_id)
    levels = request.endpoint.levels
    if (
        base is None
        or base.permission_level == "none"
        or (levels is not None and base.permission_level not in levels)
        or not simulator.account.is_visible(base, request.token)
    ):
        raise errors.permission_or_model()
    return base


def open_table(simulator: Simulator, request: Request) -> tuple[Base, Table]:
    """The base and the table that a request names.

    Raises: ``Refusal`` as `open_base` does, and 403 for a missing table.
    """
    base = open_base(simulator, request)
    table = base.find_table(request.names["table"])
    if table is None:
        raise errors.permission_or_model()
    return base, table


def open_record(table: Table, record_id: str) -> Record:
    """The record that a request names.

    Raises: ``Refusal`` 404 for a malformed id, 403 for a missing record.
    """
    if not RECORD_ID.fullmatch(record_id):
        raise errors.not_found()
    record = table.records.get(record_id)
    if record is None:
        raise errors.permission_or_model()
    return record
