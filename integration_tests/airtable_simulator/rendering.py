"""Records as answers show them: attachments with new addresses, and cells as JSON or as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cell_texts import CellTexts
from .errors import invalid_request
from .files import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .endpoints import Request
    from .files import FileHost
    from .record import Cells, Projection, Record
    from .simulator import Simulator
    from .table import Table


def cell_texts(body: Mapping[str, Any], tables: Mapping[str, Table]) -> CellTexts | None:
    """What shows cells as text. None: the request wants JSON.

    Raises: ``Refusal`` 422 for an unknown format, or text without a time zone or a locale.
    """
    cell_format = body.get("cellFormat", "json")
    zone, locale = body.get("timeZone"), body.get("userLocale")
    if cell_format == "json":
        return None
    if cell_format != "string":
        raise invalid_request()
    if not zone or not locale:
        raise invalid_request("timeZone and userLocale are required for cellFormat string")
    return CellTexts(tables, zone, locale)


def begin_reading(simulator: Simulator, request: Request, *, is_listing: bool = False) -> Reading:
    """The reading of one answer."""
    serves_all = simulator.settings.serves_attachments
    now = simulator.clock.now()
    return Reading(request.origin, now, is_listing=is_listing, serves_all=serves_all)


def renderer(
    files: FileHost,
    reading: Reading,
    table: Table,
    projection: Projection,
    texts: CellTexts | None = None,
) -> Callable[[Record], bytes]:
    """The function that makes a record's JSON for one answer."""
    renewed = [key for key in table.attachment_field_ids if key in projection.keys]
    if texts is None and not (renewed and (reading.serves_all or files.has_written)):
        return lambda record: record.to_json(projection)
    fields = {given["id"]: given for given in table.fields}

    def render(record: Record) -> bytes:
        cells: Cells = record.cells
        if not cells.keys().isdisjoint(renewed):
            cells = files.renew(cells, renewed, reading)
        elif texts is None:
            return record.to_json(projection)
        if texts is not None:
            shown = {key: texts.show(fields[key], cells[key]) for key in cells.keys() & fields}
            cells = {key: shown[key] for key in cells if shown.get(key)}
        return record.render(projection, cells)

    return render
