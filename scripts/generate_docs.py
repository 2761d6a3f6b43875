"""Write the parts of the pages in docs that repeat code.

Two marks surround a part: `<!-- types: made by `make docs` -->` and `<!-- /types -->`. `make docs`
runs this, and a test compares the pages with what it would write.
"""

from __future__ import annotations

import ast
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airbyte_cdk.models import FailureType

from scripts.draw_form import PICTURE, form_picture
from source_airtable.api.error_handler import ERROR_ROWS, OTHERWISE, UNREADABLE_BODY
from source_airtable.api.scopes import RECORDS_SCOPE, SCHEMA_SCOPE
from source_airtable.errors import AirtableError
from source_airtable.schema.field_types import FIELD_TYPES, UNKNOWN_TYPE
from source_airtable.schema.system_columns import (
    CURSOR_COLUMN,
    DELETED_AT_COLUMN,
    PRIMARY_KEY,
    SYSTEM_COLUMNS,
)
from source_airtable.streams.catalog import ACCOUNT_STREAMS
from source_airtable.streams.records import RecordsStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from source_airtable.api.error_handler import ErrorRow

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "source_airtable"
PAGES: Final = tuple(sorted((ROOT / "docs").glob("*.md")))
SPEC: Final = PACKAGE / "spec.json"
WORD_TAG: Final = re.compile(r"</?(?:b|code)>")
LINK_TAG: Final = re.compile(r"</?a\b[^>]*>")
_UPSTREAM_TEXT: Final = ("text", "nothing")
_UPSTREAM_NUMBER: Final = ("number, `7` as `7.0`", "`7` arrives as `7`")
_UPSTREAM_INTEGER: Final = ("number, `7` as `7.0`", "number → integer")
_UPSTREAM_OBJECT: Final = ("text that looks like a Python object", "text → object")
_UPSTREAM_TEXTS: Final = ("array of text", "nothing")
_UPSTREAM_LOOKUP: Final = (
    "array of what is looked up; an array of arrays where that is an array",
    "flat arrays; objects instead of text in them",
)
# What Airbyte's own connector (4.6) has in a column of each type, and what that becomes here.
UPSTREAM: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("singleLineText", "email", "url", "phoneNumber"), _UPSTREAM_TEXT),
    **dict.fromkeys(("multilineText", "richText", "singleSelect"), _UPSTREAM_TEXT),
    **dict.fromkeys(("externalSyncSource", "manualSort"), _UPSTREAM_TEXT),
    **dict.fromkeys(("number", "percent", "currency", "duration"), _UPSTREAM_NUMBER),
    **dict.fromkeys(("rating", "autoNumber", "count"), _UPSTREAM_INTEGER),
    "checkbox": ("boolean; no value where it is not ticked", "false where it is not ticked"),
    "date": ("date", "nothing"),
    "dateTime": ("date-time", "nothing"),
    "createdTime": ("date or date-time; a field without options fails the sync", "no failure"),
    "lastModifiedTime": ("date or date-time; text without options", "nothing"),
    **dict.fromkeys(("multipleSelects", "multipleRecordLinks"), _UPSTREAM_TEXTS),
    **dict.fromkeys(("singleCollaborator", "createdBy", "lastModifiedBy"), _UPSTREAM_OBJECT),
    **dict.fromkeys(("barcode", "button", "aiText"), _UPSTREAM_OBJECT),
    "multipleCollaborators": (
        "array of texts that look like Python objects",
        "array of text → array of objects",
    ),
    "multipleAttachments": ("text that looks like a Python list", "text → array of objects"),
    "formula": (
        "number where the result is one, else text: `True`, `['a', 'b']`",
        "text → boolean, date, date-time, integer, array or object, as the result is",
    ),
    "rollup": (
        "array of the result, also where it is one value: `3` as `[3.0]`",
        "array → the value itself, where the result is one",
    ),
    **dict.fromkeys(("multipleLookupValues", "lookup"), _UPSTREAM_LOOKUP),
    UNKNOWN_TYPE.name: ("discovery fails", "no failure"),
}
TABLE_STREAM: Final = (
    "`base/table/table id`, one for each table",
    "a record, a column for each field",
    f"`{PRIMARY_KEY}`",
    "full refresh, incremental",
    f"`{SCHEMA_SCOPE}`, `{RECORDS_SCOPE}`",
    "none beyond the scan: one for 100 records",
)
TYPE_NAMES: Final = {"string": "text", "array": "array of objects"}
_DELETIONS_ONLY: Final = "with `incremental.detect_deletions` only"
MARK: Final = re.compile(
    r"<!-- (?P<part>[a-z_]+): made by `make docs` -->.*?<!-- /(?P=part) -->", re.DOTALL
)


def system_columns_table() -> str:
    """List the system columns of a table's stream."""
    return _table(("column", "type", "note", "what it holds"), _system_column_rows())


def _system_column_rows() -> list[tuple[str, str, str, str]]:
    roles = {PRIMARY_KEY: "key", CURSOR_COLUMN: "cursor", DELETED_AT_COLUMN: _DELETIONS_ONLY}
    return [
        (f"`{name}`", _type_name(column.json_schema), roles.get(name, ""), column.description)
        for name, column in SYSTEM_COLUMNS.items()
    ]


def types_table() -> str:
    """List Airtable's field types with the JSON types of their columns."""
    rows = [(f"`{row.name}`", row.holds) for row in FIELD_TYPES.values()]
    rows.append((UNKNOWN_TYPE.name, UNKNOWN_TYPE.holds))
    return _table(("Airtable's type", "column"), rows)


def moves_table() -> str:
    """List field types with their columns in Airbyte's own connector and here."""
    rows = []
    for row in (*FIELD_TYPES.values(), UNKNOWN_TYPE):
        name = row.name if row is UNKNOWN_TYPE else f"`{row.name}`"
        upstream, change = UPSTREAM[row.name]
        rows.append((name, upstream, row.holds, change))
    return _table(("Airtable's type", "Airbyte's connector (4.6)", "here", "what changes"), rows)


def streams_table() -> str:
    """List the streams, those of tables as one, with what each needs and costs."""
    header = ("stream", "a row is", "primary key", "modes", "scopes", "extra calls")
    rows = [
        (
            f"`{name}`",
            kind.holds,
            _names(kind.key),
            "full refresh, incremental" if "cursor_field" in vars(kind) else "full refresh",
            _names(kind.scopes),
            kind.extra_calls,
        )
        for name, kind in ACCOUNT_STREAMS.items()
    ]
    return _table(header, [TABLE_STREAM, *rows])


def columns_table(stream_name: str) -> str:
    """List the columns of a stream of the whole account, without those of the stream it extends."""
    kind = ACCOUNT_STREAMS[stream_name]
    extended = next((one for one in ACCOUNT_STREAMS.values() if one in kind.__bases__), None)
    inherited = extended.properties if extended else ()
    rows = [
        (
            f"`{name}`",
            _type_name(declared),
            "key" if name in kind.key else "",
            str(declared.get("description", "as in Airtable")),
        )
        for name, declared in kind.properties.items()
        if name not in inherited
    ]
    if stream_name == RecordsStream.stream_name:
        rows += [row for row in _system_column_rows() if row[0] == f"`{DELETED_AT_COLUMN}`"]
    return _table(("column", "type", "note", "what it holds"), rows)


def _type_name(declared: Mapping[str, Any]) -> str:
    if "format" in declared:
        return str(declared["format"])
    types = [declared["type"]] if isinstance(declared["type"], str) else declared["type"]
    name = next(name for name in types if name != "null")
    return TYPE_NAMES.get(name, str(name))


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def errors_table() -> str:
    """List the errors that users can meet, sorted by what has to happen next."""
    rows = [
        (_consequence(error), error.cause, error.remedy)
        for error in sorted(_leaves(AirtableError), key=_consequence_order)
    ]
    return _table(("kind", "message", "what to do"), rows)


def retries_table() -> str:
    """List which failures are tried again, how often, and how long that takes."""
    rows = [
        (_recognised_by(row), row.happened, str(row.tries), _waits(row), row.error.cause)
        for row in (*ERROR_ROWS, UNREADABLE_BODY, OTHERWISE)
    ]
    return _table(("answer", "meaning", "tries", "waits between them", "message at the end"), rows)


def settings_tables() -> str:
    """List the settings as the connection form shows them, group by group."""
    specification = json.loads(SPEC.read_text(encoding="utf-8"))["connectionSpecification"]
    header = ("setting", "in the form", "what it does", "default", "example")
    pieces = []
    for group in specification["groups"]:
        settings = {
            name: setting
            for name, setting in specification["properties"].items()
            if setting["group"] == group["id"]
        }
        pieces.append(f"**{group['title']}**\n\n{_table(header, _setting_rows(settings, ''))}")
    return "\n\n".join(pieces)


def _setting_rows(settings: dict[str, Any], prefix: str) -> Iterator[Sequence[str]]:
    for name, setting in sorted(settings.items(), key=lambda item: item[1].get("order", -1)):
        if "const" in setting:
            continue  # the choice of a form sets it
        description = LINK_TAG.sub("", WORD_TAG.sub("`", setting["description"]))
        if setting.get("airbyte_secret"):
            description += " *(secret)*"
        examples = ", ".join(f"`{example}`" for example in setting.get("examples", ()))
        key = f"{prefix}{name}"
        yield f"`{key}`", setting["title"], description, _default(setting), examples
        inner = {**setting.get("items", {}), **setting}
        yield from _setting_rows(inner.get("properties", {}), f"{key}.")
        for choice in setting.get("oneOf", ()):
            for inner_key, title, *cells in _setting_rows(choice["properties"], f"{key}."):
                yield inner_key, f"{choice['title']}: {title}", *cells


def packages_table() -> str:
    """List the packages of the connector with their modules, and then the modules beside them."""
    packages = [path.parent for path in sorted(PACKAGE.glob("*/__init__.py"))]
    rows = []
    for package in packages:
        names = sorted(path.stem for path in package.glob("*.py") if path.name != "__init__.py")
        summary = _first_sentence_of(package / "__init__.py")
        rows.append((f"`{package.name}/`", summary, _names(names)))
    rows += [
        (f"`{path.name}`", _first_sentence_of(path), "")
        for path in sorted(PACKAGE.glob("*.py"))
        if path.name != "__init__.py"
    ]
    return _table(("package or module", "what it is", "modules"), rows)


def _first_sentence_of(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings_tables,
    "streams": streams_table,
    "columns": system_columns_table,
    **{name: partial(columns_table, name) for name in ACCOUNT_STREAMS},
    "types": types_table,
    "moves": moves_table,
    "errors": errors_table,
    "retries": retries_table,
    "packages": packages_table,
}


def parts_of(page: str) -> list[str]:
    """Name the parts that a page has marks for, in its order."""
    return [match["part"] for match in MARK.finditer(page)]


def fill(page: str) -> str:
    """Write a page's parts anew, between their marks."""

    def to_part(match: re.Match[str]) -> str:
        part = match["part"]
        return f"<!-- {part}: made by `make docs` -->\n{PARTS[part]()}\n<!-- /{part} -->"

    return MARK.sub(to_part, page)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _default(setting: dict[str, Any]) -> str:
    default = setting.get("default")
    if default is None:
        return ""
    if default == []:
        return "none" if "properties" in setting["items"] else "all"
    return f"`{json.dumps(default).strip(chr(34))}`"


def _leaves(error: type[AirtableError]) -> Iterator[type[AirtableError]]:
    subclasses = error.__subclasses__()
    if not subclasses:
        yield error
    for subclass in subclasses:
        yield from _leaves(subclass)


def _consequence(error: type[AirtableError]) -> str:
    return str(error.consequence.value)


def _consequence_order(error: type[AirtableError]) -> int:
    order = (FailureType.transient_error, FailureType.config_error, FailureType.system_error)
    return order.index(error.consequence)


def _recognised_by(row: ErrorRow) -> str:
    if row is UNREADABLE_BODY:
        return "200 without JSON"
    if row is OTHERWISE:
        return "any other"
    statuses = sorted(row.statuses)
    is_range = len(statuses) > len(ERROR_ROWS)  # 501 to 599, not the few others
    signs = [f"{statuses[0]} to {statuses[-1]}"] if is_range else [str(one) for one in statuses]
    signs += [f"`{name}`" for name in sorted(row.error_types)]
    signs += [error.__name__ for error in row.exceptions]
    return ", ".join(signs)


def _waits(row: ErrorRow) -> str:
    if row.tries == 1:
        return ""
    if not row.first_wait_seconds:
        return "30 s or `Retry-After`, for all requests to this base"
    waits = [row.first_wait_seconds * 2**number for number in range(row.tries - 1)]
    seconds = ", ".join(f"{wait:.0f}" for wait in waits)
    return f"{seconds} s and up to half more; `Retry-After` if longer"


def main() -> None:
    """Fill the pages in docs, and draw the form."""
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(form_picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
