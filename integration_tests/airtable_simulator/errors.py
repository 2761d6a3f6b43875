"""Airtable's refusals, each in its recorded or documented shape.

Shapes: ``{"error":"NOT_FOUND"}``, ``{"error":{"type":…}}``, ``{"error":{"type":…,"message":…}}``
and, for 429, ``{"errors":[{"error":…,"message":…}]}``.
"""

from __future__ import annotations

from typing import Any, Final

ErrorBody = dict[str, Any]

PERMISSION_MESSAGE: Final = (
    "Invalid permissions, or the requested model was not found. Check that both your user and your "
    "token have the required permissions, and that the model names and/or ids are correct."
)
RATE_LIMIT_MESSAGE: Final = "Rate limit exceeded. Please try again later"
QUOTA_MESSAGE: Final = (
    "API billing plan limit exceeded. You've reached the maximum number of requests allowed for "
    "this month."
)


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the simulator
    """An answer that is not 200."""

    def __init__(self, status: int, body: ErrorBody) -> None:
        """Take the status and the body."""
        super().__init__(status, body)
        self.status = status
        self.body = body


def to_error(error_type: str, message: str | None = None) -> ErrorBody:
    """The usual shape: an object with a type and, in most cases, a message."""
    error = {"type": error_type}
    if message is not None:
        error["message"] = message
    return {"error": error}


def to_errors(error_type: str, message: str) -> ErrorBody:
    """The shape observed on 429: an array whose members name the type ``error``."""
    return {"errors": [{"error": error_type, "message": message}]}


def authentication_required() -> Refusal:
    """401: the token is missing, unknown, revoked or expired."""
    return Refusal(401, to_error("AUTHENTICATION_REQUIRED", "Authentication required"))


def permission_or_model() -> Refusal:
    """403: not allowed or not found. Airtable does not say which."""
    body = to_error("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", PERMISSION_MESSAGE)
    return Refusal(403, body)


def not_found() -> Refusal:
    """404: an unknown path or a malformed id."""
    return Refusal(404, {"error": "NOT_FOUND"})


def invalid_request(detail: str = "parameter validation failed") -> Refusal:
    """422: a parameter that Airtable does not take."""
    message = f"Invalid request: {detail}. Check your request data."
    return Refusal(422, to_error("INVALID_REQUEST_UNKNOWN", message))


def iterator_not_available() -> Refusal:
    """422: the offset's iterator expired or is unknown."""
    return Refusal(422, to_error("LIST_RECORDS_ITERATOR_NOT_AVAILABLE"))


def unknown_field_name(name: str) -> Refusal:
    """422: ``fields`` names a field that the table does not have."""
    return Refusal(422, to_error("UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"'))


def view_not_found(view: str, *, is_id: bool) -> Refusal:
    """422: the view does not exist."""
    error_type = "VIEW_ID_NOT_FOUND" if is_id else "VIEW_NAME_NOT_FOUND"
    return Refusal(422, to_error(error_type, f"View {view} not found"))


def invalid_formula(reason: str) -> Refusal:
    """422: the filter cannot be parsed or names an unknown field."""
    message = f"The formula for filtering records is invalid: {reason}"
    return Refusal(422, to_error("INVALID_FILTER_BY_FORMULA", message))


def computed_field(name: str) -> Refusal:
    """422: a cell that no user can edit."""
    reason = f'Field "{name}" cannot accept a value because the field is computed'
    return Refusal(422, to_error("INVALID_VALUE_FOR_COLUMN", reason))


def unacceptable_value(name: str) -> Refusal:
    """422: a value that the field does not take."""
    reason = f'Field "{name}" cannot accept the provided value'
    return Refusal(422, to_error("INVALID_VALUE_FOR_COLUMN", reason))


def unknown_choice(choice: str) -> Refusal:
    """422: an unknown choice of a select, without ``typecast``."""
    reason = f'Insufficient permissions to create new select option ""{choice}""'
    return Refusal(422, to_error("INVALID_MULTIPLE_CHOICE_OPTIONS", reason))


def no_such_row(record_id: str) -> Refusal:
    """422: a batch or a link names a record that the table does not have."""
    return Refusal(422, to_error("ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist"))


def invalid_schema(error_type: str, reason: str) -> Refusal:
    """422: a base, table or field that cannot be made."""
    return Refusal(422, to_error(error_type, reason))


def too_many_webhooks(error_type: str) -> Refusal:
    """422: the base, or the OAuth integration in it, has no place for a webhook."""
    return Refusal(422, to_error(error_type, "The limit of webhooks is reached"))


def webhook_in_error(code: str) -> Refusal:
    """422: the webhook is in error."""
    return Refusal(422, to_error(code, "The webhook is in error"))


def rate_limit_reached(shape: str) -> Refusal:
    """429: too many requests in a second, or a request before the penalty is over."""
    build = to_error if shape == "error" else to_errors
    return Refusal(429, build("RATE_LIMIT_REACHED", RATE_LIMIT_MESSAGE))


def monthly_quota_exceeded(shape: str) -> Refusal:
    """429: the workspace has used up its monthly calls."""
    build = to_error if shape == "error" else to_errors
    return Refusal(429, build("PUBLIC_API_BILLING_LIMIT_EXCEEDED", QUOTA_MESSAGE))


def default_body(status: int) -> ErrorBody:
    """The body for a planned fault that has a status but no body."""
    bodies = {
        401: authentication_required().body,
        403: permission_or_model().body,
        404: not_found().body,
        422: invalid_request().body,
        429: rate_limit_reached("errors").body,
        503: to_error("RETRIABLE_ERROR", "The service is temporarily unable to answer."),
    }
    return bodies.get(status) or to_error("SERVER_ERROR", "An unexpected error occurred")
