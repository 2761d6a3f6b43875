"""The sample base: a bakery with linked tables and computed cells that add up.

It never changes and does not depend on today: what ``make sync`` shows is always the same.
"""

from __future__ import annotations

import random
from typing import Any, Final

from .clock import to_wire_date, to_wire_time
from .ids import make_id
from .sample_computed import compute
from .sample_schema import (
    ALLERGENS,
    BASE_ID,
    BASE_NAME,
    CATEGORIES,
    COUNTRIES,
    CUSTOMER_KINDS,
    ROLES,
    SKILLS,
    SOURCES,
    STATUSES,
    TABLES,
    TAGS,
    build_table,
)

Cells = dict[str, Any]

SIZES: Final = {
    "products": 48,
    "people": 14,
    "customers": 180,
    "orders": 380,
    "lines": 840,
    "suppliers": 24,
    "ideas": 16,
}
"""Records by table; 1,502 together, one of them blank."""
OPENED_AT: Final = 1_704_268_800
"""2024-01-03T08:00:00Z, when the bakery's first record was created."""
DAY_SECONDS: Final = 86_400
LINE_WITHOUT_PRODUCT: Final = 17
BLANK_IDEA: Final = 7

FIRST_NAMES: Final = (
    "Ada",
    "Bruno",
    "Chloé",
    "Dina",
    "Emre",
    "Freja",
    "Gül",
    "Hugo",
    "Inès",
    "Jens",
)
LAST_NAMES: Final = ("Almond", "Brioche", "Cardamom", "Dinkel", "Éclair", "Focaccia", "Göreme")
DOUGHS: Final = ("Sourdough", "Rye", "Butter", "Walnut", "Spelt", "Cardamom", "Pistachio", "Olive")
SHAPES: Final = ("loaf", "croissant", "roll", "tart", "twist", "slice")
COMPANIES: Final = ("Café", "Hotel", "Studio", "Office")


def record_id(table: str, number: int) -> str:
    """The id of a table's n-th record, counted from 0."""
    return make_id("rec", "bakery", table, number)


ORDER_NUMBERS: Final = {record_id("orders", number): number for number in range(SIZES["orders"])}


def sample_account() -> dict[str, Any]:
    """The sample base in the shape the simulator loads: ``{"bases": […]}``."""
    luck = random.Random("bakery")  # noqa: S311 - repeatable, not secret
    cells = {
        "suppliers": [_supplier(luck, number) for number in range(SIZES["suppliers"])],
        "products": [_product(luck, number) for number in range(SIZES["products"])],
        "people": [_person(luck, number) for number in range(SIZES["people"])],
        "customers": [_customer(luck, number) for number in range(SIZES["customers"])],
        "orders": [_order(luck, number) for number in range(SIZES["orders"])],
        "lines": [_line(luck, number) for number in range(SIZES["lines"])],
        "ideas": [_idea(luck, number) for number in range(SIZES["ideas"])],
    }
    by_id = {
        table: {record_id(table, number): row for number, row in enumerate(rows)}
        for table, rows in cells.items()
    }
    compute(by_id)
    tables = [
        {**build_table(table), "records": _to_records(table, by_id[table])} for table in TABLES
    ]
    base = {"id": BASE_ID, "name": BASE_NAME, "permissionLevel": "create", "tables": tables}
    return {"bases": [base]}


def _to_records(table: str, rows: dict[str, Cells]) -> list[dict[str, Any]]:
    records = []
    for number, (key, row) in enumerate(rows.items()):
        created_at = created_at_of(
            table, ORDER_NUMBERS[row["Order"][0]] if table == "lines" else number
        )
        # Every third record was touched again, up to ten days later.
        changed_at = created_at + (0 if number % 3 else 3_600 * (number % 240))
        if table == "orders":
            row |= {"Created": to_wire_time(created_at), "Changed": to_wire_time(changed_at)}
        if table == "people":
            row["Added on"] = to_wire_date(created_at)
        records.append(
            {
                "id": key,
                "createdTime": to_wire_time(created_at),
                "lastModifiedTime": to_wire_time(changed_at),
                "commentCount": 2 if number % 50 == 3 else 0,
                "fields": row,
            }
        )
    return records


def created_at_of(table: str, number: int) -> int:
    """When a record was created, in seconds since 1970."""
    step_seconds = DAY_SECONDS if table in ("orders", "lines") else 4 * 3_600
    return OPENED_AT + number * step_seconds


def _some(luck: random.Random, values: tuple[str, ...], most: int = 2) -> list[str]:
    return luck.sample(values, luck.randint(0, most))


def _user(number: int) -> dict[str, str]:
    name = f"{FIRST_NAMES[number % 10]} {LAST_NAMES[number % 7]}"
    return {"id": make_id("usr", name), "email": f"staff{number}@example.com", "name": name}


def _attachment(kind: str, number: int) -> dict[str, Any]:
    key = make_id("att", kind, number)
    root = f"https://v5.airtableusercontent.com/v3/u/1/1/1704276000000/{key}"
    if kind == "contract":
        about = {"filename": f"contract {number}.pdf", "size": 48_211, "type": "application/pdf"}
        return {"id": key, "url": root, **about}
    sizes = {"small": 36, "large": 512, "full": 3_000}
    return {
        "id": key,
        "width": 1_600,
        "height": 1_200,
        "url": root,
        "filename": f"product {number} 📷.jpg",
        "size": 83_204,
        "type": "image/jpeg",
        "thumbnails": {
            name: {"url": f"{root}/{name}", "width": width, "height": width * 3 // 4}
            for name, width in sizes.items()
        },
    }


def _supplier(luck: random.Random, number: int) -> Cells:
    return {
        "Name": f"{LAST_NAMES[number % 7]} & {LAST_NAMES[(number // 7 + 1 + number) % 7]} Mills",
        "Country": luck.choice(COUNTRIES),
        "Source": luck.choice(SOURCES),
        "Sort": f"a{number:03d}",
        "Contact": f"sales{number}@example.org",
        "Last audit": to_wire_date(OPENED_AT - luck.randint(1, 700) * DAY_SECONDS),
        "Contract": [_attachment("contract", number)] if number % 4 == 0 else [],
    }


def _product(luck: random.Random, number: int) -> Cells:
    name = f"{DOUGHS[number % 8]} {SHAPES[number // 8]}"
    price = luck.randint(8, 48) * 0.25
    # Two gifts without a price: their margins divide by zero.
    price, cost = {20: (0, 0), 21: (0, 1.1)}.get(number, (price, round(price * 0.4, 2)))
    notes: tuple[Cells, ...] = (
        {"state": "generated", "isStale": number % 8 == 0, "value": f"{name}: warm and nutty"},
        {"state": "empty", "isStale": False, "value": None},
        {"state": "loading", "isStale": False, "value": None},
        {"state": "error", "errorType": "internalError", "isStale": True, "value": None},
    )
    return {
        "Name": name,
        "SKU": number + 1,
        "Category": luck.choice(CATEGORIES),
        "Allergens": _some(luck, ALLERGENS, 3),
        "Description": f"# {name}\n\nBaked **every morning**.\n",
        "Unit price": price,
        "Cost": cost,
        "VAT": luck.choice((0.055, 0.1, 0.2)),
        "Weight (g)": None if number % 16 == 9 else luck.randint(6, 90) * 10,
        "Bake time": luck.randint(2, 12) * 300,
        "Rating": luck.randint(0, 5) or None,
        "Seasonal": number % 6 == 0,
        "Barcode": {"text": f"{3_400_000_000_000 + number * 7_919}", "type": "ean13"}
        if number % 5
        else {"text": f"B-{number:03d}", "type": None},
        "Recipe": f"https://example.com/recipes/{number + 1}",
        "Photo": [_attachment("photo", 2 * number), _attachment("photo", 2 * number + 1)]
        if number % 3 == 0
        else [],
        "Tasting note": notes[number % 4],
        "Order page": {
            "label": "Order",
            "url": f"https://example.com/order?sku={number + 1}" if price else None,
        },
        "Supplier": [record_id("suppliers", luck.randrange(SIZES["suppliers"]))],
    }


def _person(luck: random.Random, number: int) -> Cells:
    user = _user(number)
    return {
        "Name": user["name"],
        "E-mail": user["email"],
        "Phone 📞": f"+33 5 55 00 {number // 10:02d} {number % 100:02d}",
        "Account": {key: user[key] for key in (("id", "email", "name") if number % 4 else ("id",))},
        "Role": ROLES[number % 4],
        "Skills": _some(luck, SKILLS, 3),
        "Started": to_wire_date(OPENED_AT - luck.randint(30, 3_000) * DAY_SECONDS),
        "Shift": luck.choice((28_800, 14_400, 20_700.5)),
        "At work": number % 5 != 0,
        "Added by": _user(3),
    }


def _customer(luck: random.Random, number: int) -> Cells:
    kind = CUSTOMER_KINDS[number % 4]
    name = f"{FIRST_NAMES[number % 10]} {LAST_NAMES[number // 10 % 7]}"
    if kind != "Walk-in":
        name = f"{luck.choice(COMPANIES)} {name.split()[1]} {number}"
    return {
        "Name": name,
        "Customer no.": number + 1,
        "Kind": kind,
        "E-mail": f"customer{number + 1}@example.net" if number % 7 else None,
        "Phone": f"(555) 010-{number:04d}" if number % 3 else None,
        "Address": f"{luck.randint(1, 99)} Baker Street\n{75_000 + number % 20} Paris",
        "Website": None if kind == "Walk-in" else f"https://customer{number + 1}.example.net/",
        "Newsletter": number % 2 == 0,
        "Discount": {"Hotel": 0.1, "Café": 0.05, "Office": 0}.get(kind),
        "Account managers": [_user(i) for i in luck.sample(range(14), luck.randint(0, 2))],
    }


def _order(luck: random.Random, number: int) -> Cells:
    ordered_at = created_at_of("orders", number) + luck.randint(0, 36_000)
    ahead_days = luck.randint(0, 6)
    # The last thirty customers never ordered.
    customer = luck.randrange(SIZES["customers"] - 30)
    return {
        "No.": number + 1,
        "Customer": [record_id("customers", customer)],
        "Ordered at": to_wire_time(ordered_at),
        "Deliver on": to_wire_date(ordered_at + ahead_days * DAY_SECONDS),
        "Status": luck.choice(STATUSES),
        "Tags": _some(luck, TAGS),
        "Taken by": [record_id("people", luck.randrange(SIZES["people"]))],
        "Paid": luck.random() < 0.8,
        "Notes": luck.choice((None, None, "Ring twice", "No nuts, please!\nThanks 🙏")),
        "Changed by": _user(number % 14),
    }


def _line(luck: random.Random, number: int) -> Cells:
    # The last twenty orders are empty.
    order = number if number < SIZES["orders"] - 20 else luck.randrange(SIZES["orders"] - 20)
    product = luck.randrange(SIZES["products"])
    return {
        "Order": [record_id("orders", order)],
        "Product": None if number == LINE_WITHOUT_PRODUCT else [record_id("products", product)],
        "Quantity": luck.randint(1, 24),
        "Packed": luck.random() < 0.7,
    }


def _idea(luck: random.Random, number: int) -> Cells:
    if number == BLANK_IDEA:
        return {}
    return {
        "Idea": f"{luck.choice(DOUGHS)} {luck.choice(SHAPES)} with {luck.choice(DOUGHS).lower()}",
        "Details": "Ask the regulars first." if number % 2 else None,
        "Votes": luck.randint(0, 12),
        "Wanted": number % 3 == 0,
    }
