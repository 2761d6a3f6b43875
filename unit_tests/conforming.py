"""The tests' own word on whether a value fits a JSON schema, stricter than Draft 7 asks for.

Warehouses are strict: 7.0 is no integer, and formats are promises. jsonschema checks date-times
only with a further package, and dates as loosely as the Python it runs on, so both are read here.
"""

from __future__ import annotations

import calendar
import json
import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator, FormatChecker
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
_ZONE = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date")
def is_date(value: object) -> bool:
    """Tell whether a text is a full-date of RFC 3339; what is not text has no format."""
    matched = re.fullmatch(_DATE, value, re.ASCII) if isinstance(value, str) else None
    return not isinstance(value, str) or (matched is not None and _is_in_calendar(matched))


@_FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    """Tell whether a text is a date-time of RFC 3339; what is not text has no format."""
    pattern = f"{_DATE}T{_TIME}{_ZONE}"
    matched = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
    return not isinstance(value, str) or (matched is not None and _is_in_calendar(matched))


def _is_in_calendar(matched: re.Match[str]) -> bool:
    year, month, day = (int(part) for part in matched.groups()[:3])
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


_StrictValidator = extend(  # type: ignore[no-untyped-call]  # jsonschema's is untyped
    Draft7Validator,
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) in (int, float),
        }
    ),
)


def nonconformities(value: object, json_schema: Mapping[str, Any]) -> list[str]:
    """List what of a value does not fit a JSON schema; empty where all does."""
    validator = _StrictValidator(json_schema, format_checker=_FORMATS)
    return [error.message for error in validator.iter_errors(value)]


def as_json(value: object) -> str:
    """Write a value so that values are equal exactly if their texts are: 7 is not 7.0, or true."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
