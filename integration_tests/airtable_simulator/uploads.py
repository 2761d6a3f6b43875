"""The endpoint that takes a file for an attachment cell.

See: https://airtable.com/developers/web/api/upload-attachment
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .files import Reading
from .wire import to_json

if TYPE_CHECKING:
    from .account import Base
    from .record import Record
    from .routes import Route
    from .server import Simulator
    from .table import Table

MOST_BYTES: Final = 5 * 1024 * 1024
ORIGIN: Final = "https://v5.airtableusercontent.com"


def upload_attachment(simulator: Simulator, base: Base, route: Route, body: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Add a file to a record's cell; of its bytes only the number is kept.

    Raises: ``Refusal`` 403 for a record or field that is not there, 422 for what is no file.
    """
    table, record, field_id = _find_cell(base, route)
    try:
        name, content = body["filename"], b64decode("".join(body["file"].split()), validate=True)
        kind = body["contentType"]
    except (AttributeError, KeyError, TypeError, binascii.Error):
        raise errors.invalid_request() from None
    if len(content) > MOST_BYTES:
        raise errors.Refusal(413, errors.to_error("REQUEST_TOO_LARGE"))
    key = simulator.account.make_id("att")
    made = {"id": key, "url": f"{ORIGIN}/v3/u/1/1/1704276000000/{key}", "filename": name}
    cell = [*(record.cells.get(field_id) or ()), {**made, "size": len(content), "type": kind}]
    now = simulator.clock.now()
    table.edit_record(record.id, {field_id: cell}, now)
    shown = simulator.files.renew(
        {field_id: cell}, [field_id], Reading(ORIGIN, now, is_listing=False)
    )
    return to_json({"id": record.id, "fields": shown})


def _find_cell(base: Base, route: Route) -> tuple[Table, Record, str]:
    for table in base.tables.values():
        field_id = table.field_id(route.field or "")
        if route.record in table.records and field_id is not None:
            if table.field(field_id)["type"] != "multipleAttachments":
                raise errors.unacceptable_value(route.field or "")
            return table, table.record(route.record), field_id
    raise errors.permission_or_model()
