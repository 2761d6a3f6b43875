"""The shapes of Airtable's answers, with Airtable's names.

The types hold only what the connector reads. Airtable adds types and properties without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NewType, TypedDict

if TYPE_CHECKING:
    from datetime import datetime

BaseId = NewType("BaseId", str)
"""`app` and 14 letters or digits, such as `appLkNDICXNqxSDhG`."""
TableId = NewType("TableId", str)
"""`tbl` and 14 letters or digits, such as `tblltp8DGLhqbUmjK`."""
FieldId = NewType("FieldId", str)
"""`fld` and 14 letters or digits, such as `fld1VnoyuotSTyxW1`."""
RecordId = NewType("RecordId", str)
"""`rec` and 14 letters or digits, such as `recAdw9EjV90xbZ00`."""

# A cell can hold anything: Airtable adds types of fields without notice.
CellValue = Any


class BaseDict(TypedDict, total=False):
    """One base of `GET /v0/meta/bases`.

    See https://airtable.com/developers/web/api/list-bases
    """

    id: BaseId
    name: str
    permissionLevel: str


class FieldOptions(TypedDict, total=False):
    """The options of a field that decide its column.

    See https://airtable.com/developers/web/api/field-model
    """

    result: FieldDict | None
    isValid: bool
    formula: str
    referencedFieldIds: list[str] | None


class FieldDict(TypedDict, total=False):
    """One field of a table's schema. Its type may be unknown, its `options` missing or null."""

    id: FieldId
    name: str
    type: str
    description: str | None
    options: FieldOptions | None


class TableDict(TypedDict, total=False):
    """One table of `GET /v0/meta/bases/{baseId}/tables`.

    See https://airtable.com/developers/web/api/get-base-schema
    """

    id: TableId
    name: str
    primaryFieldId: FieldId
    description: str | None
    fields: list[FieldDict]
    views: list[dict[str, Any]]


class RecordMetadata(TypedDict, total=False):
    """Metadata of a record, if the query asks for it. A record without comments has no count."""

    commentCount: int


class RecordDict(RecordMetadata):
    """One record. An empty cell has no key in `fields`.

    See https://airtable.com/developers/web/api/list-records
    """

    id: RecordId
    createdTime: str
    fields: dict[str, CellValue]


class CommentDict(TypedDict, total=False):
    """One comment on a record.

    See https://airtable.com/developers/web/api/list-comments
    """

    id: str
    author: dict[str, Any]
    text: str
    createdTime: str
    lastUpdatedTime: str | None
    mentioned: dict[str, Any]
    reactions: list[dict[str, Any]]
    parentCommentId: str


class WebhookDict(TypedDict, total=False):
    """One webhook of `GET /v0/bases/{baseId}/webhooks`.

    See https://airtable.com/developers/web/api/list-webhooks
    """

    id: str
    specification: dict[str, Any]
    notificationUrl: str | None
    cursorForNextPayload: int
    isHookEnabled: bool
    expirationTime: str | None


class PayloadDict(TypedDict, total=False):
    """One payload of a webhook: what one action changed. The connector reads ids only.

    See https://airtable.com/developers/web/api/model/webhooks-payload
    """

    changedTablesById: dict[TableId, dict[str, Any]]
    createdTablesById: dict[TableId, dict[str, Any]]
    destroyedTableIds: list[TableId]
    timestamp: str
    error: bool
    code: str


class RecordPage(TypedDict, total=False):
    """One page of `GET /v0/{baseId}/{tableId}`. The last page has no `offset`."""

    records: list[RecordDict]
    offset: str
    size_bytes: int
    """The length of the page as JSON. The client adds it."""
    answered_at: datetime | None
    """The answer's `Date`, in UTC. The client adds it."""
    answer_seconds: float
    """How long the answer took from the request on. The client adds it."""
