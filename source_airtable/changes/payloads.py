"""What the payloads of a webhook say: which records of which table changed, in their order.

Payloads name records, and hold some cells in a form of their own. Only the ids count here: the
records are read again as they are now.
See https://airtable.com/developers/web/api/model/webhooks-payload
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from source_airtable.errors import ContractError

if TYPE_CHECKING:
    from source_airtable.api.wire_types import PayloadDict, TableId


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What happened to one table since a stream's last sync."""

    changed: tuple[str, ...] = ()
    """Ids of records that were created, edited or restored, and that nobody deleted since."""
    destroyed: tuple[str, ...] = ()
    """Ids of records that were deleted, and that nobody restored since."""
    fields: frozenset[str] = frozenset()
    """Ids of fields that were created, deleted or restored, or changed in an unknown way."""
    field_types: frozenset[tuple[str, str]] = frozenset()
    """Ids of fields that were changed, each with a type that it had."""
    was_replaced: bool = False
    """Whether the table was created, deleted or restored."""


@dataclass(slots=True)
class _TableEntry:
    """What one payload says of one table."""

    number: int
    changed: tuple[str, ...] = ()
    destroyed: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    field_types: tuple[tuple[str, str], ...] = ()
    was_replaced: bool = False


@dataclass(slots=True)
class PayloadLog:
    """The payloads of one webhook, by table, in their order."""

    _entries: dict[str, list[_TableEntry]] = field(default_factory=lambda: defaultdict(list))

    def note(self, number: int, payload: PayloadDict) -> None:
        """Note the payload of this number; raises ContractError for one of another shape."""
        changed = _mapping(payload.get("changedTablesById"))
        for table_id, changes in changed.items():
            self._entries[table_id].append(_parse_changes(number, _mapping(changes)))
        for table_id in (
            *_mapping(payload.get("createdTablesById")),
            *_ids(payload.get("destroyedTableIds")),
        ):
            self._entries[table_id].append(_TableEntry(number, was_replaced=True))

    def changes_of(self, table_id: TableId, cursor: int) -> TableChanges:
        """Sum up what happened to a table from the payload of this number on."""
        entries = [one for one in self._entries.get(table_id, ()) if one.number >= cursor]
        is_there: dict[str, bool] = {}
        for entry in entries:
            is_there.update(dict.fromkeys(entry.destroyed, False))
            # One payload does not tell the order of its changes. A record that it both created and
            # deleted is looked up.
            is_there.update(dict.fromkeys(entry.changed, True))
        return TableChanges(
            tuple(sorted(one for one, there in is_there.items() if there)),
            tuple(sorted(one for one, there in is_there.items() if not there)),
            frozenset(one for entry in entries for one in entry.fields),
            frozenset(one for entry in entries for one in entry.field_types),
            was_replaced=any(entry.was_replaced for entry in entries),
        )


def _parse_changes(number: int, changes: Mapping[str, Any]) -> _TableEntry:
    types = {
        field_id: _mapping(_mapping(change).get("current")).get("type")
        for field_id, change in _mapping(changes.get("changedFieldsById")).items()
    }
    return _TableEntry(
        number,
        changed=(
            *_mapping(changes.get("createdRecordsById")),
            *_mapping(changes.get("changedRecordsById")),
        ),
        destroyed=_ids(changes.get("destroyedRecordIds")),
        fields=(
            *_mapping(changes.get("createdFieldsById")),
            *_ids(changes.get("destroyedFieldIds")),
            *(one for one, known in types.items() if known is None),
        ),
        field_types=tuple((one, str(known)) for one, known in types.items() if known is not None),
    )


def _mapping(node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        raise ContractError(answer="a payload of another shape")
    return node


def _ids(node: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    if node is None:
        return ()
    if not isinstance(node, list) or not all(isinstance(one, str) for one in node):
        raise ContractError(answer="a payload of another shape")
    return tuple(node)
