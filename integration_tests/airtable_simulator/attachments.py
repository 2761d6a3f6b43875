"""The endpoints that take files for attachment cells and serve them.

See: https://airtable.com/developers/web/api/upload-attachment
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from . import errors
from .access import EDITORS, NOBODY, open_base
from .endpoints import Endpoint
from .files import File
from .rendering import begin_reading, renderer
from .written_attachments import add_attachment

if TYPE_CHECKING:
    from .account import Base
    from .answers import Answer
    from .endpoints import Arrival, Request
    from .record import Record
    from .simulator import Simulator
    from .table import Table
    from .tokens import PersonalAccessToken

MOST_BYTES: Final = 5 * 1024 * 1024


def note_download(simulator: Simulator, arrival: Arrival) -> PersonalAccessToken:
    """Count a download, and whether it comes with a token. It needs none and has no limits."""
    simulator.stats.note_file(
        arrival.names.get("attachment"), has_authorization=bool(arrival.authorization)
    )
    return NOBODY


def get_file(simulator: Simulator, request: Request) -> Answer:
    """Serve a file or a thumbnail."""
    outcome, answer = simulator.files.answer(
        request.raw_path, simulator.clock.now(), simulator.settings.expired_file_status
    )
    simulator.stats.files[outcome] += 1
    return answer


def upload_attachment(simulator: Simulator, request: Request) -> bytes:
    """Add a file to a record's cell. The answer has the cell by its field's id.

    Raises: ``Refusal`` 403 for a missing record or field, 413 and 422 for what is not a file.
    """
    base = open_base(simulator, request)
    table, record, field_id = _find_cell(base, request)
    body = request.body
    try:
        name, content = body["filename"], b64decode("".join(body["file"].split()), validate=True)
        kind = body["contentType"]
    except (AttributeError, KeyError, TypeError, binascii.Error):
        raise errors.invalid_request() from None
    if len(content) > MOST_BYTES:
        raise errors.Refusal(413, errors.to_error("REQUEST_TOO_LARGE"))
    made = add_attachment(simulator, name, File(content, kind))
    cell = [*(record.cells.get(field_id) or ()), made]
    table.edit_record(record.id, {field_id: cell}, simulator.clock.now())
    projection = table.projection((field_id,), by_field_id=True, has_comment_count=False)
    reading = begin_reading(simulator, request)
    return renderer(simulator.files, reading, table, projection)(record)


def _find_cell(base: Base, request: Request) -> tuple[Table, Record, str]:
    record_id, field = request.names["record"], request.names["field"]
    for table in base.tables.values():
        field_id = table.field_id(field)
        if record_id in table.records and field_id is not None:
            if table.field(field_id)["type"] != "multipleAttachments":
                raise errors.unacceptable_value(field)
            return table, table.record(record_id), field_id
    raise errors.permission_or_model()


ENDPOINTS: Final = (
    Endpoint(
        "upload_attachment",
        "POST",
        "/v0/{base}/{record}/{field}/uploadAttachment",
        upload_attachment,
        scopes=("data.records:write",),
        levels=EDITORS,
        is_counted=True,
    ),
    # /files/v3/u/1/1/1793529000000/<signature>/att…/<name>, and /<thumbnail>
    Endpoint(
        "get_file",
        "GET",
        "/files/v3/u/{user}/{number}/{expires}/{signature}/{attachment}/*",
        get_file,
        admit=note_download,
    ),
    Endpoint("get_file", "GET", "/files/v3/u/*", get_file, admit=note_download),
)
