"""What stands before every endpoint: URL length, token, limits per second, monthly quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .access import WRITES_RECORDS
from .answers import Answer, to_answer
from .settings import AIRTABLE_MAX_URL_LENGTH
from .wire import to_json

if TYPE_CHECKING:
    from aiohttp import web

    from .account import PersonalAccessToken
    from .routes import Route
    from .server import Simulator

COUNTED_KINDS: Final = WRITES_RECORDS | frozenset(
    {"create_comment", "get_record", "list_comments", "list_records", "upload_attachment"}
)
"""Calls the quota counts; metadata was seen to go on answering when it is used up."""


def admit(
    simulator: Simulator, request: web.Request, route: Route, arrived_at: float
) -> PersonalAccessToken | Answer:
    """The token a request comes with, or the answer that refuses it."""
    settings, limits = simulator.settings, simulator.limits
    if len(request.rel_url.raw_path_qs) >= AIRTABLE_MAX_URL_LENGTH:
        body = to_json(errors.to_error("REQUEST_TOO_LARGE"))
        return Answer(status=settings.long_url_status, body=body)
    scheme, _, token_text = request.headers.get("Authorization", "").partition(" ")
    token = simulator.account.tokens.get(token_text.strip()) if scheme == "Bearer" else None
    if token is None or not token.takes_call(arrived_at):
        simulator.stats.refused["unauthenticated"] += 1
        return to_answer(errors.authentication_required())
    reason = limits.refusal(arrived_at, route.base, token.user_id, settings)
    if reason:
        return _too_many(simulator, reason, errors.rate_limit_reached(settings.rate_limit_body))
    if route.kind in COUNTED_KINDS and not limits.takes_from_quota(arrived_at, settings):
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
