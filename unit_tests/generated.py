"""Hypothesis strategies for names, fields and cells of Airtable, including odd ones."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from source_airtable.schema.field_types import FIELD_TYPES
from unit_tests.field_type_samples import CELLS, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

# Integers as the parser of Airtable's answers gives them; longer ones arrive as floats.
INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | INTEGERS.map(float)

ERROR_VALUES: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    [
        {"error": "#ERROR!"},
        {"error": "circular reference"},
        {"specialValue": "NaN"},
        {"specialValue": "Infinity"},
        {"specialValue": "-Infinity"},
    ]
)

DATES = st.dates().map(str)
DATE_TIMES = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
DATE_LIKE = st.one_of(
    st.from_regex(r"\A\d{4}-\d{2}-\d{2}\Z"),
    st.from_regex(r"\A[0-9]{4}-W[0-5][0-9]-[1-7]\Z"),
    st.from_regex(r"\A[0-9]{4}(-?W?)([0-3][0-9]{2}|[01][0-9]-?[0-3][0-9])\Z"),
)
DATE_TIME_LIKE = st.builds(
    "{0:%Y-%m-%dT%H:%M:%S}{1}{2}".format,
    st.datetimes(),
    st.sampled_from(["", ".000", ".", ".1234567890"]),
    st.from_regex(r"\A(Z|[+-][0-9]{2}:[0-9]{2})?\Z"),
)
TEXTS = st.one_of(st.text(max_size=12), DATES, DATE_TIMES, DATE_LIKE, DATE_TIME_LIKE)

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS | ERROR_VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "url", "text", "value", "thumbnails", "error"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)

_HOSTILE_NAMES = [
    "///",
    " ",
    "\t",
    "\u00a0",
    "📦",
    "📦📦",
    "é" * 255,
    "İ" * 255,
    "x" * 255,
    "x" * 254 + "y",
    "İstanbul",
    "名前",
    "住所",
    "7 days",
    "_7_days",
    "Airtable ID",
    "_airtable_errors",
    "_airbyte_raw_id",
    "Airbyte Meta",
    "Due Date",
    "due-date",
    "DUE DATE ",
    "\tdue date",
    "due\u00a0date",
    "a",
    "A!",
    "a_",
    "\u017f",
    "\u212a",
    "$id",
    "$Schema",
    "$COMMENT",
    "id",
    "\x00",
]
FIELD_NAMES = st.sampled_from(_HOSTILE_NAMES) | st.text(max_size=20)

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def airtable_ids(prefix: str) -> st.SearchStrategy[str]:
    """Draw ids of one kind: the prefix and 14 letters or digits."""
    return st.text(_LETTERS_AND_DIGITS, min_size=14, max_size=14).map(lambda rest: prefix + rest)


@st.composite
def names_by_field_id(draw: st.DrawFn, max_size: int = 8) -> dict[str, str]:
    """Draw the names of a table's fields. Some imitate another field's suffixed name."""
    field_ids = draw(
        st.lists(airtable_ids("fld"), min_size=1, max_size=max_size, unique_by=str.lower)
    )
    names: dict[str, str] = {}
    for field_id in field_ids:
        imitations = [
            imitation
            for other_id in field_ids
            for imitation in (f"{names.get(other_id, 'a')} {other_id}", other_id)
        ]
        names[field_id] = draw(FIELD_NAMES | st.sampled_from(imitations))
    return names


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a field like one of the samples, or with an odd type or odd options."""
    base = dict(draw(st.sampled_from(list(VARIANTS.values())))["field"])
    base["id"] = draw(airtable_ids("fld"))
    base["name"] = draw(FIELD_NAMES)
    oddities = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from([*FIELD_TYPES, "signature"]) | JSON_VALUES,
            "options": JSON_VALUES | _options(),
            "description": JSON_VALUES,
            "name": JSON_VALUES,
        },
    )
    return {**base, **draw(st.just({}) | oddities)}


def _options() -> st.SearchStrategy[dict[str, Any]]:
    types = st.sampled_from(list(FIELD_TYPES)) | JSON_VALUES
    results = st.recursive(
        st.fixed_dictionaries({"type": types}) | JSON_VALUES,
        lambda inner: st.fixed_dictionaries(
            {"type": types, "options": st.fixed_dictionaries({"result": inner})}
        ),
        max_leaves=4,
    )
    return st.fixed_dictionaries({"result": results}, optional={"isValid": JSON_VALUES})


def json_schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Draw a JSON schema from the table of field types."""
    different = {json.dumps(variant["json_schema"]) for variant in VARIANTS.values()}
    return st.sampled_from([json.loads(json_schema) for json_schema in sorted(different)])


@st.composite
def without_some_nulls(draw: st.DrawFn, json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a JSON schema without some of its nulls, as another program may write it."""
    changed = dict(json_schema)
    if draw(st.booleans()):
        changed["type"] = [name for name in json_schema["type"] if name != "null"]
    if "items" in json_schema:
        changed["items"] = draw(without_some_nulls(json_schema["items"]))
    if "properties" in json_schema:
        changed["properties"] = {
            name: draw(without_some_nulls(member))
            for name, member in json_schema["properties"].items()
        }
    return changed


def cells_for(json_schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Draw cells: mostly such as fit the column, otherwise any JSON."""
    return st.one_of(_fitting(json_schema), JSON_VALUES, _sampled_cells())


def _sampled_cells() -> st.SearchStrategy[Any]:
    return st.sampled_from([sample["cell"] for _, sample in CELLS.values()])


def _fitting(json_schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    by_format = {"date": DATES | DATE_LIKE, "date-time": DATE_TIMES | DATE_TIME_LIKE}
    types = [name for name in json_schema["type"] if name != "null"]
    by_type = {
        "string": by_format.get(json_schema.get("format", ""), TEXTS),
        "number": FLOATS | INTEGERS,
        "integer": INTEGERS | FLOATS,
        "boolean": st.booleans() | st.sampled_from([0, 1, 0.0, 1.0]),
    }
    if "array" in types:
        element = st.deferred(lambda: cells_for(json_schema["items"]))
        return st.lists(element, max_size=4)
    if "object" in types:
        properties = json_schema["properties"]
        members = {name: cells_for(member) for name, member in properties.items()}
        return st.fixed_dictionaries({}, optional=members)
    return by_type[types[0]]
