"""Bases that are healthy in Airtable, and whose names or cells a destination may trip over."""

from __future__ import annotations

from typing import Final

from integration_tests.bases import a_base, a_field, a_record, a_table

EMOJI: Final = "🥐"
LONG_NAME: Final = f"{'long ' * 50}name"
# Of some of these names a destination leaves the same, of some nothing, and one is the connector's.
NAMES: Final = (
    *("Due Date", "due_date", "a.b", "a-b", "名前", "é", EMOJI, "1st", "_airtable_id"),
    *("$id", "$Schema", "$comment", "id"),  # Airbyte's platform rewrites the first three
)
MANY_NAMES: Final = a_base(
    "Hostile",
    a_table(
        "Names",
        *(a_field(name) for name in (*NAMES, LONG_NAME)),
        records=[a_record(**{name: str(place) for place, name in enumerate(NAMES)})],
    ),
)
SLASHES: Final = a_base("///", a_table("/ /"))
EMOJI_ALONE: Final = a_base(EMOJI, a_table(EMOJI))
LONG_NAMES: Final = a_base(LONG_NAME, a_table(LONG_NAME))
TWIN: Final = a_base("Twin", a_table("Shared", records=[a_record(Name="of the first")]))
OTHER_TWIN: Final = a_base(
    "Twin",
    {
        **TWIN["tables"][0],
        "records": [{**TWIN["tables"][0]["records"][0], "fields": {"Name": "of the other"}}],
    },
)
"""A duplicated base, whose table, fields and records have the ids of the first one's."""

TEXTS: Final = (
    "null",
    '"',
    "\\",
    "a\nb\r\n",
    "\u2028",
    "{}",
    "[1]",
    f"{EMOJI} 名前",
    " ",
    "x" * 99_999,
)
NUMBERS: Final = (0, -0.5, 0.1 + 0.2, 1e-9, 1e-12, 9_007_199_254_740_993, 1e20, -9.99e28, 1e29)
DATES: Final = ("0001-01-01", "1582-10-10", "2024-02-29", "9999-12-31")
CELLS: Final = a_base(
    "Hostile cells",
    a_table(
        "Cells",
        a_field("Number", "number", options={"precision": 8}),
        a_field("Date", "date"),
        a_field("Moment", "dateTime"),
        records=[
            *(a_record(Name=text) for text in TEXTS),
            *(a_record(Number=number) for number in NUMBERS),
            *(a_record(Date=day, Moment=f"{day}T23:59:59.999Z") for day in DATES),
            a_record(),
        ],
    ),
)
HOSTILE_BASES: Final = (
    *(MANY_NAMES, SLASHES, EMOJI_ALONE, LONG_NAMES),
    *(TWIN, OTHER_TWIN, CELLS),
)
