"""Write the tables of README.md that repeat code: options, types, errors and retries.

`make docs` runs it; a test compares README.md with what it would write.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airbyte_cdk.models import FailureType

from source_airtable.api.error_handler import ERROR_ROWS, OTHERWISE, UNREADABLE_BODY
from source_airtable.errors import AirtableError
from source_airtable.schema.field_types import FIELD_TYPES, UNKNOWN_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from source_airtable.api.error_handler import ErrorRow

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
SPEC: Final = ROOT / "source_airtable" / "spec.json"
TAG: Final = re.compile(r"</?(?:b|code|a)\b[^>]*>")


def options_table() -> str:
    """List the settings of the connection form, in its order."""
    specification = json.loads(SPEC.read_text(encoding="utf-8"))["connectionSpecification"]
    header = ("setting", "in the form", "default", "what it does")
    return _table(header, _option_rows(specification["properties"], ""))


def _option_rows(properties: dict[str, Any], prefix: str) -> Iterator[Sequence[str]]:
    for name, option in sorted(properties.items(), key=lambda item: item[1]["order"]):
        description = TAG.sub("", option["description"])
        yield f"`{prefix}{name}`", option["title"], _default(option), description
        if "properties" in option:
            yield from _option_rows(option["properties"], f"{prefix}{name}.")


def types_table() -> str:
    """List Airtable's field types with the JSON types of their columns."""
    rows = [(f"`{row.name}`", row.holds) for row in FIELD_TYPES.values()]
    rows.append((UNKNOWN_TYPE.name, UNKNOWN_TYPE.holds))
    return _table(("Airtable's type", "column"), rows)


def errors_table() -> str:
    """List what users can meet, with its cause and remedy, by what follows from it."""
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


def fill(page: str) -> str:
    """Put the tables into a page, between their marks."""
    tables = {
        "options": options_table(),
        "types": types_table(),
        "errors": errors_table(),
        "retries": retries_table(),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name}: made by `make docs` -->", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _default(option: dict[str, Any]) -> str:
    default = option.get("default")
    if default is None:
        return ""
    return "all" if default == [] else f"`{json.dumps(default).strip(chr(34))}`"


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
    told = [f"{statuses[0]} to {statuses[-1]}"] if is_range else [str(one) for one in statuses]
    told += [f"`{name}`" for name in sorted(row.error_types)]
    told += [error.__name__ for error in row.exceptions]
    return ", ".join(told)


def _waits(row: ErrorRow) -> str:
    if row.tries == 1:
        return ""
    if not row.first_wait_seconds:
        return "30 s or `Retry-After`, for all workers at this base"
    waits = [row.first_wait_seconds * 2**number for number in range(row.tries - 1)]
    told = ", ".join(f"{wait:.0f}" for wait in waits)
    return f"{told} s and up to half more; `Retry-After` if longer"


def main() -> None:
    """Fill README.md."""
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
