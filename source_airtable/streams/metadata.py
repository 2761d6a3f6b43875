"""The streams `bases`, `tables`, `fields` and `views`: what discovery learns, at no extra call.

With them you can follow a rename: ids stay, while the names of streams and columns move.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from source_airtable.api.scopes import SCHEMA_SCOPE
from source_airtable.schema.field_types import BOOLEAN, OBJECT, TEXT
from source_airtable.schema.json_schema import name_columns
from source_airtable.streams.account_stream import (
    BASE_ID,
    KEY,
    TABLE_ID,
    AccountStream,
    described,
)
from source_airtable.streams.stream_names import name_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from source_airtable.records import Row
    from source_airtable.schema.table_schema import TableSchema

ROWS_PER_PAGE = 100


class MetadataStream(AccountStream):
    """A stream whose rows come from the schemas alone."""

    scopes = (SCHEMA_SCOPE,)
    extra_calls = "none: every sync reads the schemas"

    def rows(self) -> Iterator[list[Row]]:
        """Emit the rows, 100 at a time."""
        convert = self.row_converter.convert
        rows = map(convert, self.iter_rows())
        while page := list(islice(rows, ROWS_PER_PAGE)):
            yield page

    def iter_rows(self) -> Iterator[Row]:
        """Emit the rows as Airtable describes them."""
        raise NotImplementedError

    def _named_tables(self) -> Iterator[tuple[TableSchema, str]]:
        """Emit each table with the present name of its stream."""
        tables = self.account.tables
        return zip(tables, name_streams(tables, self.config), strict=True)


class BasesStream(MetadataStream):
    """One row for each base.

    See https://airtable.com/developers/web/api/list-bases
    """

    stream_name = "bases"
    holds = "a base"
    key = ("id",)
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        "id": described(KEY, "The base's id."),
        "name": described(TEXT, "The base's name; several bases may have the same one."),
        "permission_level": described(
            TEXT, "What the token's owner may do: none, read, comment, edit or create."
        ),
    }

    def iter_rows(self) -> Iterator[Row]:
        """Emit a row for each base that the settings select, readable or not."""
        for base in self.account.bases:
            yield {**base, "permission_level": base.get("permissionLevel")}


class TablesStream(MetadataStream):
    """One row for each table.

    See https://airtable.com/developers/web/api/get-base-schema
    """

    stream_name = "tables"
    holds = "a table, with the stream that it is read as"
    key = ("base_id", "id")
    needs_whole_schema = True
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **BASE_ID,
        "id": described(KEY, "The table's id."),
        "name": TEXT,
        "description": TEXT,
        "primary_field_id": described(TEXT, "The field that names each record."),
        "stream_name": described(TEXT, "What the table's stream is called at present."),
    }

    def iter_rows(self) -> Iterator[Row]:
        """Emit a row for each table."""
        for table, stream_name in self._named_tables():
            yield {
                "base_id": table.base_id,
                "id": table.table_id,
                "name": table.table_name,
                "description": (table.declared or {}).get("description"),
                "primary_field_id": table.primary_field_id,
                "stream_name": stream_name,
            }


class FieldsStream(MetadataStream):
    """One row for each field that has a column, as Airtable describes it.

    See https://airtable.com/developers/web/api/field-model
    """

    stream_name = "fields"
    holds = "a field, with its column"
    key = ("base_id", "table_id", "id")
    needs_whole_schema = True
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **TABLE_ID,
        "id": described(KEY, "The field's id."),
        "name": TEXT,
        "description": TEXT,
        "type": described(TEXT, "Airtable's name of the field's type."),
        "options": described(OBJECT, "What the type adds to the field, as Airtable sends it."),
        "is_primary": BOOLEAN,
        "stream_name": described(TEXT, "What the table's stream is called at present."),
        "column_name": described(TEXT, "What the field's column is called at present."),
    }

    def iter_rows(self) -> Iterator[Row]:
        """Emit a row for each field."""
        by_field_id = self.config.column_names == "ids"
        for table, stream_name in self._named_tables():
            columns = name_columns(table, by_field_id=by_field_id)
            declared = _declared_by_id(table, "fields")
            for field in table.fields:
                yield {
                    "base_id": table.base_id,
                    "table_id": table.table_id,
                    "id": field["id"],
                    "name": field["name"],
                    "description": field.get("description"),
                    "type": field["type"],
                    "options": declared[field["id"]].get("options"),
                    "is_primary": field["id"] == table.primary_field_id,
                    "stream_name": stream_name,
                    "column_name": columns[field["id"]],
                }


class ViewsStream(MetadataStream):
    """One row for each view.

    See https://airtable.com/developers/web/api/get-base-schema
    """

    stream_name = "views"
    holds = "a view of a table"
    key = ("base_id", "table_id", "id")
    needs_whole_schema = True
    properties = {  # noqa: RUF012 - a declaration that nobody changes
        **TABLE_ID,
        "id": described(KEY, "The view's id."),
        "name": TEXT,
        "type": described(TEXT, "Airtable's name of the view's type: grid, form, kanban, ..."),
        "personal_for_user_id": described(TEXT, "Whose view it is, where it is personal."),
    }

    def iter_rows(self) -> Iterator[Row]:
        """Emit a row for each view."""
        for table in self.account.tables:
            place = {"base_id": table.base_id, "table_id": table.table_id}
            for view in _declared_by_id(table, "views").values():
                owner = view.get("personalForUserId")
                yield {**place, **view, "personal_for_user_id": owner}


def _declared_by_id(table: TableSchema, key: str) -> dict[str, dict[str, Any]]:
    """Index what Airtable declares of a table, the first of each id."""
    declared = (table.declared or {}).get(key)
    index: dict[str, dict[str, Any]] = {}
    for item in declared if isinstance(declared, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            index.setdefault(item["id"], item)
    return index
