"""The endpoint of the Sync API: a CSV file replaces the whole content of a table.

See: https://airtable.com/developers/web/api/post-sync-api-endpoint
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from . import errors
from .access import CREATORS, open_table
from .computed_cells import Recomputation
from .endpoints import Endpoint
from .wire import is_empty, to_json
from .written_cells import CellWriter

if TYPE_CHECKING:
    from aiohttp import web

    from .endpoints import Request
    from .record import Cells
    from .simulator import Simulator
    from .table import Table

MOST_ROWS: Final = 10_000
MOST_COLUMNS: Final = 500
MOST_BYTES: Final = 2 * 1024 * 1024


async def read_csv(request: web.Request) -> bytes:
    """Read the body as it is."""
    return await request.read()


def sync_csv(simulator: Simulator, request: Request) -> bytes:
    """Replace a table's records. A row keeps its record when the first column is the same.

    Raises: ``Refusal`` 403 for OAuth and for a sync that is not the table's, 413, 422 and 429.
    """
    base, table = open_table(simulator, request)
    token, body = request.token, request.body
    if token.is_oauth or base.sync_ids.get(request.names["sync"]) != table.id:
        raise errors.permission_or_model()
    if len(body) > MOST_BYTES:
        raise errors.Refusal(413, errors.to_error("REQUEST_TOO_LARGE"))
    now = simulator.clock.now()
    if not simulator.limits.admits_csv_sync(now, base.id):
        raise errors.rate_limit_reached(simulator.settings.rate_limit_body)
    names, rows = _parse(body)
    for name in names:
        if table.field_id(name) is None:
            table.add_field({"name": name, "type": "singleLineText"})
    writer = CellWriter(simulator, base, table, request, typecast=True)
    wanted = [writer.to_cells(dict(zip(names, row, strict=True))) for row in rows]
    writer.commit()
    written = _replace(simulator, table, names[0], wanted, now)
    Recomputation(base, simulator.settings, now).run((table, key) for key in written)
    return to_json({"success": True})


def _parse(body: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        names, *rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (ValueError, csv.Error):
        raise errors.invalid_request("the CSV cannot be read") from None
    is_table = bool(names) and all(names) and len(set(names)) == len(names) <= MOST_COLUMNS
    if not is_table or len(rows) > MOST_ROWS or any(len(row) != len(names) for row in rows):
        raise errors.invalid_request("the CSV has too many rows or columns, or uneven ones")
    return names, rows


def _replace(
    simulator: Simulator, table: Table, key_name: str, wanted: list[Cells], now: float
) -> set[str]:
    """Replace the records. Return the ids of those that there are then."""
    key = table.field_id(key_name) or ""
    known = {str(record.cells.get(key)): record for record in table.records.values()}
    kept = set()
    for cells in wanted:
        record = known.get(str(cells.get(key)))
        if record is None or record.id in kept:
            filled = {name: cell for name, cell in cells.items() if not is_empty(cell)}
            document = {"id": simulator.account.make_id("rec"), "fields": filled}
            record = table.create_record(document, now)
        elif any(record.cells.get(name) != cell for name, cell in cells.items()):
            table.edit_record(record.id, cells, now)
        kept.add(record.id)
    for record_id in [one for one in table.records if one not in kept]:
        table.delete_record(record_id)
    return kept


ENDPOINTS: Final = (
    Endpoint(
        "sync_csv",
        "POST",
        "/v0/{base}/{table}/sync/{sync}",
        sync_csv,
        scopes=("data.records:write", "schema.bases:write"),
        levels=CREATORS,
        is_counted=True,
        source="sync",
        read=read_csv,
    ),
)
