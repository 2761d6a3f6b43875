"""Makes a row fit a stream's configured JSON schema: the selected columns, each value fitting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from source_airtable.schema.cell_values import CellMisfit, build_converter

if TYPE_CHECKING:
    from source_airtable.records import Row
    from source_airtable.schema.cell_values import Converter


class RowConverter:
    """Converts the rows of a stream of the whole account."""

    def __init__(self, json_schema: Mapping[str, Any]) -> None:
        properties = json_schema.get("properties")
        self._converters: dict[str, Converter] = {
            name: build_converter(declared)
            for name, declared in (properties if isinstance(properties, Mapping) else {}).items()
            if isinstance(declared, Mapping)
        }

    def convert(self, row: Mapping[str, Any]) -> Row:
        """Give the row as its columns want it; a value of another form than its own is null."""
        return {
            name: None if row.get(name) is None else _convert(convert, row[name])
            for name, convert in self._converters.items()
        }


def _convert(convert: Converter, value: Any) -> Any:  # noqa: ANN401 - whatever the column holds
    try:
        return convert(value)
    except CellMisfit as misfit:
        return misfit.fitting
