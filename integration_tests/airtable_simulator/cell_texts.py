"""Cells as the text that Airtable's own screens show: ``cellFormat=string``.

See: https://airtable.com/developers/web/api/list-records
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from .clock import parse_time
from .errors import invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .table import FieldDict, Table

LOCALE: Final = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE | re.ASCII)
MONTH_FIRST: Final = ("en", "en-us")
"""Locales that write 11/30/2026; the others write 30/11/2026."""
DATE_FORMATS: Final[Mapping[str, str]] = {
    "friendly": "{at:%B} {at.day}, {at.year}",
    "us": "{at.month}/{at.day}/{at.year}",
    "european": "{at.day}/{at.month}/{at.year}",
    "iso": "{at.year:04}-{at.month:02}-{at.day:02}",
}
NAME_KEYS: Final = ("name", "text", "label", "value", "email", "id")
"""The text of an object: the first of these that it has."""
SECONDS_PER_MINUTE: Final = 60
SECONDS_PER_HOUR: Final = 3_600
HOURS_PER_HALF_DAY: Final = 12


class CellTexts:
    """Shows cells in one zone and for one locale."""

    def __init__(self, tables: Mapping[str, Table], time_zone: str, user_locale: str) -> None:
        """Show cells of a base with these tables, by id.

        Raises: ``Refusal`` 422 for a zone or locale that is none.
        """
        try:
            self._zone = ZoneInfo(time_zone)
        except (ValueError, OSError, KeyError):
            raise invalid_request("timeZone is not a time zone") from None
        if not LOCALE.fullmatch(user_locale):
            raise invalid_request("userLocale is not a locale")
        is_month_first = user_locale.replace("_", "-").lower() in MONTH_FIRST
        self._local_date = DATE_FORMATS["us" if is_month_first else "european"]
        self._tables = tables
        self._shown: dict[str, Callable[[dict[str, Any], Any], str]] = {
            "checkbox": lambda _, __: "checked",
            "currency": _show_currency,
            "date": self._show_date,
            "dateTime": self._show_moment,
            "duration": _show_duration,
            "number": _show_number,
            "percent": _show_percent,
            "multipleRecordLinks": self._show_links,
            "multipleSelects": lambda _, cell: ", ".join(map(_quote, cell)),
        }

    def show(self, given: Mapping[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
        """The text of a cell of a field, or of a formula's result."""
        options = given.get("options") or {}
        match cell:
            case {"error": str(text)} | {"specialValue": str(text)}:
                return text
            case None:
                return ""
            case _:
                pass
        kind = given["type"]
        if kind in ("createdTime", "lastModifiedTime"):
            return self.show(options.get("result") or {"type": "dateTime"}, cell)
        result = options.get("result")
        if kind == "multipleLookupValues" and isinstance(cell, list):
            return ", ".join(self._show_element(result, one) for one in cell)
        if result is not None:
            return self.show(result, cell)
        show = self._shown.get(kind)
        return _show_other(cell) if show is None else show(options, cell)

    def _show_element(self, result: FieldDict | None, cell: Any) -> str:  # noqa: ANN401 - a cell is anything
        kind = "" if result is None else result["type"]
        # A lookup of a field with several values is flat, so an element may stand alone.
        if kind.startswith("multiple") and not isinstance(cell, list):
            cell = [cell]
        return _show_other(cell) if result is None else self.show(result, cell)

    def _show_date(self, options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
        # A date has no zone, so it is the same day everywhere.
        return self._format_day(options, datetime.fromtimestamp(parse_time(cell), tz=timezone.utc))

    def _show_moment(self, options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
        at = datetime.fromtimestamp(parse_time(cell), tz=self._zone)
        if (options.get("timeFormat") or {}).get("name") == "24hour":
            return f"{self._format_day(options, at)} {at:%H:%M}"
        hour = at.hour % HOURS_PER_HALF_DAY or HOURS_PER_HALF_DAY
        half = "am" if at.hour < HOURS_PER_HALF_DAY else "pm"
        return f"{self._format_day(options, at)} {hour}:{at:%M}{half}"

    def _format_day(self, options: dict[str, Any], at: datetime) -> str:
        name = (options.get("dateFormat") or {}).get("name", "local")
        return DATE_FORMATS.get(name, self._local_date).format(at=at)

    def _show_links(self, options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
        linked = self._tables.get(options.get("linkedTableId", ""))
        if linked is None:
            return _show_other(cell)
        primary = linked.field(linked.primary_field_id)
        known = [
            linked.records[key].cells.get(primary["id"]) for key in cell if key in linked.records
        ]
        return ", ".join(_quote(self.show(primary, name)) for name in known)


def _quote(name: str) -> str:
    """A name, in quotation marks if it has a comma or such marks itself."""
    return '"{}"'.format(name.replace('"', '\\"')) if "," in name or '"' in name else name


def _show_number(options: dict[str, Any], cell: Any, *, groups: str = "") -> str:  # noqa: ANN401 - a cell is anything
    return f"{cell:{groups}.{options.get('precision', 0)}f}"


def _show_percent(options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
    return f"{_show_number(options, cell * 100)}%"


def _show_currency(options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
    amount = _show_number({"precision": 2, **options}, abs(cell), groups=",")
    return f"{'-' if cell < 0 else ''}{options.get('symbol', '$')}{amount}"


def _show_duration(options: dict[str, Any], cell: Any) -> str:  # noqa: ANN401 - a cell is anything
    shape = options.get("durationFormat", "h:mm")
    digits = len(shape.partition(".")[2])
    seconds = round(abs(cell), digits)
    hours, rest = divmod(seconds, SECONDS_PER_HOUR)
    minutes, rest = divmod(rest, SECONDS_PER_MINUTE)
    sign = "-" if cell < 0 else ""
    width = digits + 3 if digits else 2
    tail = f":{rest:0{width}.{digits}f}" if "s" in shape else ""
    return f"{sign}{int(hours)}:{int(minutes):02}{tail}"


def _show_other(cell: Any) -> str:  # noqa: ANN401 - a cell is anything
    match cell:
        case list():
            return ", ".join(map(_show_other, cell))
        case {"filename": name, "url": url}:
            return f"{name} ({url})"
        case dict():
            return next((cell[key] for key in NAME_KEYS if isinstance(cell.get(key), str)), "")
        case bool():
            return "checked" if cell else ""
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return "" if cell is None else str(cell)
