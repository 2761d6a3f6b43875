"""One generator of plausible cells for each field type; ``generated_cells`` uses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .clock import to_wire_date, to_wire_time
from .ids import make_id

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

FieldDict = dict[str, Any]

ODD_SHARE: Final = 0.1
CREATED_AT: Final = 1_700_000_000
"""2023-11-14T22:13:20Z, the creation of each table's first record."""

ODD_CELLS: Final[tuple[dict[str, str], ...]] = (
    {"error": "#ERROR!"},
    {"specialValue": "NaN"},
    {"specialValue": "Infinity"},
    {"specialValue": "-Infinity"},
)
TEXTS: Final = (
    "Sourdough",
    "Crème brûlée & Cie",
    "面包 🥐",
    'She said "two, please"',
    "O'Neill / 50 % off",
    "line one\nline two",
    " leading and trailing ",
    "NULL",
    "00123",
    "true",
)
PEOPLE: Final = ("Ada Almond", "Bea Brioche", "Cem Cardamom", "Dag Dinkel")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cell may depend on besides its field."""

    number: int
    """The record's place in its table, from 1."""
    created_at: int = CREATED_AT
    record_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The records a link may point to, by table id."""


def _options(given: FieldDict) -> dict[str, Any]:
    return given.get("options") or {}


def _text(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    return f"{luck.choice(TEXTS)} {around.number}"


def _long_text(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    mention = '<airtable:mention id="menE1i9oBaGX3DseR">@Ada</airtable:mention>'
    return luck.choice((f"{mention} {luck.choice(TEXTS)}", "\n".join(TEXTS), f"# {around.number}"))


def _rich_text(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    # A cleared cell of this type comes back as a line break, not as an absent one.
    return luck.choice((f"# {luck.choice(TEXTS)}\n**{around.number}**\n", "\n"))


def _email(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    return f"{luck.choice(PEOPLE).split()[0].lower()}{around.number}@example.com"


def _url(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    return f"https://example.com/{luck.randrange(1000)}?record={around.number}&x=ä"


def _phone(_: FieldDict, luck: random.Random, __: Surroundings) -> str:
    return f"(555) {luck.randrange(1000):03d}-{luck.randrange(10_000):04d}"


def _number(given: FieldDict, luck: random.Random, _: Surroundings) -> float:
    precision = _options(given).get("precision", 0)
    if luck.random() < ODD_SHARE:
        return 0
    number = luck.choice((luck.randint(-99, 99_999), 10 * luck.random(), 540.8333333333334))
    # Precision only matters to the eye; a cell may have more digits than it.
    return round(number) if precision == 0 else round(number, 10)


def _percent(_: FieldDict, luck: random.Random, __: Surroundings) -> float:
    return luck.choice((0, 1, 0.123, 1.23, -0.5))


def _duration(given: FieldDict, luck: random.Random, _: Surroundings) -> float:
    has_fractions = "S" in _options(given).get("durationFormat", "")
    return luck.choice((0, 4980, 12.345 if has_fractions else 60))


def _rating(given: FieldDict, luck: random.Random, _: Surroundings) -> int:
    return luck.randint(1, _options(given).get("max", 5))


def _checkbox(_: FieldDict, __: random.Random, ___: Surroundings) -> bool:
    return True


def _date(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    return to_wire_date(around.created_at + luck.randint(-9000, 9000) * 86_400)


def _date_time(_: FieldDict, luck: random.Random, around: Surroundings) -> str:
    moment = to_wire_time(around.created_at + luck.randint(-(10**7), 10**7))
    return moment.replace(".000Z", ".123Z") if luck.random() < ODD_SHARE else moment


def _system_time(given: FieldDict, luck: random.Random, around: Surroundings) -> str:
    is_late = given["type"] == "lastModifiedTime"
    moment = around.created_at + (luck.randrange(10**6) if is_late else 0)
    result = _options(given).get("result") or {}
    return to_wire_date(moment) if result.get("type") == "date" else to_wire_time(moment)


def _collaborator(_: FieldDict, luck: random.Random, __: Surroundings) -> dict[str, str]:
    number = luck.randrange(len(PEOPLE))
    name = PEOPLE[number]
    user = {"id": make_id("usr", name), "email": f"user{number}@example.com", "name": name}
    group = {"id": make_id("ugp", name), "name": f"Friends of {name}"}
    return luck.choice((user, group, {"id": user["id"]}))


def _collaborators(given: FieldDict, luck: random.Random, around: Surroundings) -> list[Any]:
    return [_collaborator(given, luck, around) for _ in range(luck.randint(1, 3))]


def _choice_names(given: FieldDict) -> list[str]:
    return [choice["name"] for choice in _options(given).get("choices") or ()] or ["Only choice"]


def _choice(given: FieldDict, luck: random.Random, _: Surroundings) -> str:
    return luck.choice(_choice_names(given))


def _choices(given: FieldDict, luck: random.Random, _: Surroundings) -> list[str]:
    names = _choice_names(given)
    return luck.sample(names, luck.randint(1, len(names)))


def _links(given: FieldDict, luck: random.Random, around: Surroundings) -> list[str] | None:
    ids = around.record_ids.get(_options(given).get("linkedTableId", ""), ())
    return luck.sample(list(ids), luck.randint(1, min(4, len(ids)))) if ids else None


def _attachment(luck: random.Random) -> dict[str, Any]:
    number = luck.randrange(10**6)
    root = f"https://v5.airtableusercontent.com/v3/u/1/1/1700007200000/{number}"
    shown = {"id": make_id("att", number), "url": root, "filename": f"photo {number}.png"}
    if luck.random() < ODD_SHARE:
        return shown  # size and type may be missing right after an upload
    if luck.random() < 0.5:
        return {**shown, "filename": f"bill {number}.pdf", "size": 4096, "type": "application/pdf"}
    sizes = {"small": 36, "large": 512, "full": 3000}
    thumbnails = {
        name: {"url": f"{root}/{name}", "width": width, "height": width}
        for name, width in sizes.items()
    }
    about = {"size": 78_505, "type": "image/png", "width": 472, "height": 482}
    return {**shown, **about, "thumbnails": thumbnails}


def _attachments(_: FieldDict, luck: random.Random, __: Surroundings) -> list[dict[str, Any]]:
    return [_attachment(luck) for _ in range(luck.randint(1, 3))]


def _barcode(_: FieldDict, luck: random.Random, __: Surroundings) -> dict[str, Any]:
    text = f"{luck.randrange(10**12):013d}"
    return luck.choice(
        ({"text": text}, {"text": text, "type": None}, {"text": text, "type": "ean13"})
    )


def _button(_: FieldDict, luck: random.Random, around: Surroundings) -> dict[str, Any]:
    url = f"https://example.com/{around.number}"
    return {"label": "Open URL", "url": None if luck.random() < ODD_SHARE else url}


def _auto_number(_: FieldDict, __: random.Random, around: Surroundings) -> int:
    return around.number


def _count(_: FieldDict, luck: random.Random, __: Surroundings) -> int:
    return luck.randrange(4)


def _computed(given: FieldDict, luck: random.Random, around: Surroundings) -> Any:  # noqa: ANN401 - a cell is anything
    result = _options(given).get("result")
    if result is None:
        return {"error": "#ERROR!"} if "result" in _options(given) else _text(given, luck, around)
    if luck.random() < ODD_SHARE:
        return dict(luck.choice(ODD_CELLS))
    return generate_filled_cell(result, luck, around)


def _lookup(given: FieldDict, luck: random.Random, around: Surroundings) -> list[Any] | None:
    result = _options(given).get("result") or {"type": "singleLineText"}
    elements: list[Any] = []
    for _ in range(luck.randint(1, 3)):
        element = generate_filled_cell(result, luck, around)
        # Lookups of fields with several values come flattened.
        elements += element if isinstance(element, list) else [element]
    if luck.random() < ODD_SHARE:
        elements.append(luck.choice((None, *map(dict, ODD_CELLS))))
    return [element for element in elements if element is not None or len(elements) > 1] or None


def _sync_source(given: FieldDict, luck: random.Random, _: Surroundings) -> str:
    return luck.choice(_choice_names(given))


def _ai_text(_: FieldDict, luck: random.Random, around: Surroundings) -> dict[str, Any]:
    states: tuple[dict[str, Any], ...] = (
        {"state": "empty", "isStale": False, "value": None},
        {"state": "loading", "isStale": False, "value": None},
        {
            "state": "generated",
            "isStale": luck.random() < ODD_SHARE,
            "value": f"Nº {around.number}",
        },
        {"state": "error", "errorType": "internalError", "isStale": True, "value": None},
    )
    return luck.choice(states)


def _manual_sort(_: FieldDict, __: random.Random, around: Surroundings) -> str:
    return f"a{around.number:06d}"


def _unknown(_: FieldDict, luck: random.Random, around: Surroundings) -> Any:  # noqa: ANN401 - a cell is anything
    return luck.choice((f"unknown {around.number}", {"kind": "unknown", "value": around.number}))


GENERATORS: Final[dict[str, Callable[[FieldDict, random.Random, Surroundings], Any]]] = {
    "aiText": _ai_text,
    "autoNumber": _auto_number,
    "barcode": _barcode,
    "button": _button,
    "checkbox": _checkbox,
    "count": _count,
    "createdBy": _collaborator,
    "createdTime": _system_time,
    "currency": _number,
    "date": _date,
    "dateTime": _date_time,
    "duration": _duration,
    "email": _email,
    "externalSyncSource": _sync_source,
    "formula": _computed,
    "lastModifiedBy": _collaborator,
    "lastModifiedTime": _system_time,
    "lookup": _lookup,
    "manualSort": _manual_sort,
    "multilineText": _long_text,
    "multipleAttachments": _attachments,
    "multipleCollaborators": _collaborators,
    "multipleLookupValues": _lookup,
    "multipleRecordLinks": _links,
    "multipleSelects": _choices,
    "number": _number,
    "percent": _percent,
    "phoneNumber": _phone,
    "rating": _rating,
    "richText": _rich_text,
    "rollup": _computed,
    "singleCollaborator": _collaborator,
    "singleLineText": _text,
    "singleSelect": _choice,
    "url": _url,
}
"""One for each row of Airtable's field model; a test compares the two."""


def generate_filled_cell(given: FieldDict, luck: random.Random, around: Surroundings) -> Any:  # noqa: ANN401 - a cell is anything
    """One cell of a field that is filled where the type allows it."""
    generator = GENERATORS.get(given["type"], _unknown)
    return generator(given, luck, around)
