"""From a row of an account's stream to its record: the selected columns, each value fitting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.types import Record

from source_airtable.schema.cell_values import CellMisfit, build_converter

if TYPE_CHECKING:
    from source_airtable.schema.cell_values import Converter


class RowWriter:
    """Makes a stream's records of rows, by the configured JSON schema."""

    def __init__(self, stream_name: str, json_schema: Mapping[str, Any]) -> None:
        self._stream_name = stream_name
        properties = json_schema.get("properties")
        self._converters: dict[str, Converter] = {
            name: build_converter(declared)
            for name, declared in (properties if isinstance(properties, Mapping) else {}).items()
            if isinstance(declared, Mapping)
        }

    def to_record(self, row: Mapping[str, Any]) -> Record:
        """Give the record of a row; what Airtable sends in another form than its own is null."""
        data = {
            name: None if row.get(name) is None else _convert(convert, row[name])
            for name, convert in self._converters.items()
        }
        return Record(data, self._stream_name)


def _convert(convert: Converter, value: Any) -> Any:  # noqa: ANN401 - whatever the column holds
    try:
        return convert(value)
    except CellMisfit as misfit:
        return misfit.fitting
