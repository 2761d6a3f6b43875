"""The cells of a write: which values a field takes, and how they are stored."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .clock import parse_time, to_wire_date, to_wire_time
from .ids import make_id
from .table import COMPUTED_TYPES
from .wire import is_empty
from .written_attachments import add_attachment, is_address, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Base
    from .endpoints import Request
    from .record import Cells
    from .simulator import Simulator
    from .table import FieldDict, Table

READ_ONLY_TYPES: Final = COMPUTED_TYPES | {"aiText", "externalSyncSource", "manualSort"}
TEXT_TYPES: Final = frozenset(
    {"email", "multilineText", "phoneNumber", "richText", "singleLineText", "url"}
)
NUMBER_TYPES: Final = frozenset({"currency", "duration", "number", "percent", "rating"})
TRUE_WORDS: Final = ("1", "checked", "true", "yes")
COLLABORATOR_KEYS: Final = frozenset({"id", "email", "name"})
NOT_IN_A_NUMBER: Final = re.compile(r"[^0-9eE.+-]")


class CellWriter:
    """Converts the cells of one write. New choices wait for `commit`."""

    def __init__(
        self, simulator: Simulator, base: Base, table: Table, request: Request, *, typecast: bool
    ) -> None:
        """Write to a table as the token's user, who is the only collaborator."""
        self._simulator = simulator
        self._base = base
        self._table = table
        self._files = request.files
        self._user = request.token.user
        self._typecast = typecast
        self._new_choices: dict[str, list[str]] = {}
        self._writers: dict[str, Callable[[FieldDict, Any], Any]] = {
            **dict.fromkeys(TEXT_TYPES, self._text),
            **dict.fromkeys(NUMBER_TYPES, self._number),
            "barcode": self._barcode,
            "checkbox": self._checkbox,
            "date": self._date,
            "dateTime": self._date_time,
            "multipleAttachments": self._attachments,
            "multipleCollaborators": self._collaborators,
            "multipleRecordLinks": self._links,
            "multipleSelects": self._choices,
            "singleCollaborator": self._collaborator,
            "singleSelect": self._choice,
        }

    def to_cells(self, given: Any) -> Cells:  # noqa: ANN401 - any JSON
        """Convert to cells by field id. An empty cell clears.

        Raises: ``Refusal`` 422 for an unknown or computed field, or a value it does not take.
        """
        if not isinstance(given, dict):
            raise errors.invalid_request()
        cells: Cells = {}
        for name, value in given.items():
            field_id = self._table.field_id(name)
            if field_id is None:
                raise errors.unknown_field_name(name)
            field = self._table.field(field_id)
            writer = self._writers.get(field["type"])
            if writer is None:
                raise errors.computed_field(field["name"])
            cells[field_id] = None if is_empty(value) else writer(field, value)
        return cells

    def commit(self) -> None:
        """Add the new choices that ``typecast`` allows."""
        for field_id, names in self._new_choices.items():
            options = self._table.field(field_id).get("options") or {}
            made = [{"id": make_id("sel", field_id, name), "name": name} for name in names]
            choices = [*options.get("choices", ()), *made]
            self._table.change_field(field_id, {"options": {**options, "choices": choices}})
        self._new_choices.clear()

    def _text(self, field: FieldDict, value: Any) -> str:  # noqa: ANN401 - any JSON
        if isinstance(value, str):
            return value
        if self._typecast and isinstance(value, (bool, int, float)):
            return str(value)
        raise errors.unacceptable_value(field["name"])

    def _number(self, field: FieldDict, value: Any) -> float:  # noqa: ANN401 - any JSON
        if self._typecast and isinstance(value, str):
            try:
                value = float(NOT_IN_A_NUMBER.sub("", value))
            except ValueError:
                raise errors.unacceptable_value(field["name"]) from None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isinf(value):
            raise errors.unacceptable_value(field["name"])
        most = (field.get("options") or {}).get("max", math.inf)
        if field["type"] == "rating" and (value != int(value) or not 1 <= value <= most):
            raise errors.unacceptable_value(field["name"])
        return int(value) if value == int(value) else value

    def _checkbox(self, field: FieldDict, value: Any) -> bool:  # noqa: ANN401 - any JSON
        if self._typecast and isinstance(value, str):
            return value.lower() in TRUE_WORDS
        if not isinstance(value, bool):
            raise errors.unacceptable_value(field["name"])
        return value

    def _moment(self, field: FieldDict, value: Any) -> float:  # noqa: ANN401 - any JSON
        try:
            return parse_time(value)
        except (AttributeError, TypeError, ValueError):
            raise errors.unacceptable_value(field["name"]) from None

    def _date(self, field: FieldDict, value: Any) -> str:  # noqa: ANN401 - any JSON
        return to_wire_date(self._moment(field, value))

    def _date_time(self, field: FieldDict, value: Any) -> str:  # noqa: ANN401 - any JSON
        return to_wire_time(self._moment(field, value), keeps_milliseconds=True)

    def _choice(self, field: FieldDict, value: Any) -> str:  # noqa: ANN401 - any JSON
        if not isinstance(value, str):
            raise errors.unacceptable_value(field["name"])
        known = [choice["name"] for choice in (field.get("options") or {}).get("choices", ())]
        wanted = self._new_choices.get(field["id"], [])
        if value not in known and value not in wanted:
            if not self._typecast:
                raise errors.unknown_choice(value)
            self._new_choices[field["id"]] = [*wanted, value]
        return value

    def _choices(self, field: FieldDict, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
        if self._typecast and isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        return [self._choice(field, one) for one in self._list(field, value)]

    def _links(self, field: FieldDict, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
        linked = self._base.tables.get((field.get("options") or {}).get("linkedTableId", ""))
        links = list(dict.fromkeys(map(str, self._list(field, value))))
        for record_id in links:
            if linked is None or record_id not in linked.records:
                raise errors.no_such_row(record_id)
        return links

    def _collaborator(self, field: FieldDict, value: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict) or not value or value.keys() - COLLABORATOR_KEYS:
            raise errors.unacceptable_value(field["name"])
        if any(self._user[key] != value[key] for key in ("id", "email") if key in value):
            raise errors.unacceptable_value(field["name"])
        return dict(self._user)

    def _collaborators(self, field: FieldDict, value: Any) -> list[dict[str, str]]:  # noqa: ANN401 - any JSON
        return [self._collaborator(field, one) for one in self._list(field, value)]

    def _barcode(self, field: FieldDict, value: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
        is_one = isinstance(value, dict) and isinstance(value.get("text"), str)
        if not is_one or value.keys() - {"text", "type"}:
            raise errors.unacceptable_value(field["name"])
        return dict(value)

    def _attachments(self, field: FieldDict, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
        return [self._attachment(field, one) for one in self._list(field, value)]

    def _attachment(self, field: FieldDict, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            raise errors.unacceptable_value(field["name"])
        known = self._known_attachment(field["id"], value["id"]) if "id" in value else None
        if known is not None:
            return known
        url = value.get("url")
        if not isinstance(url, str) or not is_address(url):
            raise errors.unacceptable_value(field["name"])
        name = value.get("filename") or name_of(url)
        return add_attachment(self._simulator, name, self._files.get(url))

    def _known_attachment(self, field_id: str, key: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
        cells = (record.cells.get(field_id) or () for record in self._table.records.values())
        return next((one for cell in cells for one in cell if one["id"] == key), None)

    def _list(self, field: FieldDict, value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        if not isinstance(value, list):
            raise errors.unacceptable_value(field["name"])
        return value
