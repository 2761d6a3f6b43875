"""The filter of a table: the setting `table_filters`, resolved against the table's views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_airtable.api.client import RecordQuery
    from source_airtable.config import TableFilterSetting


@dataclass(frozen=True, slots=True)
class TableFilter:
    """Which records of a table are read: those of a view, those of a formula, or those of both."""

    view_id: str | None = None
    formula: str | None = None
    problem: str | None = None
    """Why the setting cannot be used for this table; None where it can."""

    def apply(self, query: RecordQuery) -> RecordQuery:
        """Narrow a query to the filter's records.

        A formula of the connector keeps a record for which it is an error. So the user's formula
        stands outside it: Airtable leaves out a record for which the user's formula is an error.
        The line breaks end a comment, which would swallow the brackets.
        """
        formula = query.formula
        if self.formula is not None:
            formula = self.formula if formula is None else f"AND({formula},(\n{self.formula}\n))"
        return replace(query, view=self.view_id, formula=formula)


NO_FILTER = TableFilter()
"""The filter of a table that is read as a whole."""


def find_filter(
    settings: Sequence[TableFilterSetting],
    table_id: str,
    table_name: str,
    views: Any,  # noqa: ANN401 - whatever Airtable sends
) -> TableFilter:
    """Find a table's filter by the table's id or name, and the filter's view among its views."""
    name = table_name.strip().casefold()
    found = [one for one in settings if one.table == table_id or one.table.casefold() == name]
    if not found:
        return NO_FILTER
    if len(found) > 1:
        entries = ", ".join(one.table for one in found)
        return TableFilter(problem=f"several entries mean this table: {entries}")
    (setting,) = found
    if setting.view is None:
        return TableFilter(formula=setting.formula)
    view_id = _find_view(setting.view, views if isinstance(views, list) else [])
    if view_id is None:
        problem = f"the table has no view with the id or name {setting.view}"
        return TableFilter(formula=setting.formula, problem=problem)
    return TableFilter(view_id, setting.formula)


def _find_view(wanted: str, views: list[Any]) -> str | None:
    known = [one for one in views if isinstance(one, dict) and isinstance(one.get("id"), str)]
    for key in ("id", "name"):
        for view in known:
            if str(view.get(key)).strip() == wanted:
                return str(view["id"])
    return None
