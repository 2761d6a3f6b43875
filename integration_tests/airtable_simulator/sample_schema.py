"""The tables and fields of the sample base, a small bakery; ids never change."""

from __future__ import annotations

from typing import Any, Final

from .ids import make_id

FieldDict = dict[str, Any]

BASE_ID: Final = make_id("app", "bakery")
BASE_NAME: Final = "🥐 Crumb & Co. Bakery"

CATEGORIES: Final = ("Bread", "Viennoiserie", "Cake", "Drink")
ALLERGENS: Final = ("Gluten", "Milk", "Egg", "Nuts", "Sesame")
ROLES: Final = ("Baker", "Sales", "Driver", "Manager")
SKILLS: Final = ("Sourdough", "Lamination", "Coffee", "Driving", "Accounts")
CUSTOMER_KINDS: Final = ("Walk-in", "Café", "Office", "Hotel")
STATUSES: Final = ("Received", "Baking", "Ready", "Delivered", "Cancelled")
TAGS: Final = ("Gift", "Rush", "Vegan", "Large 📦")
COUNTRIES: Final = ("France", "Italy", "Denmark", "Türkiye")
SOURCES: Final = ("Purchasing", "Cooperative")
COLORS: Final = ("blueLight2", "greenLight2", "yellowLight2", "redLight2", "purpleLight2")


def table_id(table: str) -> str:
    """The id of a table named by its short name, such as ``orders``."""
    return make_id("tbl", "bakery", table)


def field_id(table: str, field: str) -> str:
    """The id of a field named by its table's short name and its own name."""
    return make_id("fld", "bakery", table, field)


MONEY: Final = {"precision": 2, "symbol": "€"}
DATE: Final = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
DATE_TIME: Final = {
    **DATE,
    "timeFormat": {"name": "24hour", "format": "HH:mm"},
    "timeZone": "Europe/Paris",
}
CHECK: Final = {"icon": "check", "color": "greenBright"}


def _choices(*names: str) -> dict[str, Any]:
    colors = zip(names, COLORS, strict=False)
    return {
        "choices": [
            {"id": make_id("sel", "bakery", *names, name), "name": name, "color": color}
            for name, color in colors
        ]
    }


def _link(table: str, inverse: str, *, is_single: bool = False) -> dict[str, Any]:
    return {
        "linkedTableId": table_id(table),
        "isReversed": False,
        "prefersSingleRecordLink": is_single,
        "inverseLinkFieldId": field_id(table, inverse),
    }


def _result(field_type: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": field_type} if options is None else {"type": field_type, "options": options}


def _formula(table: str, formula: str, result: dict[str, Any]) -> dict[str, Any]:
    """Options of a formula whose fields are written ``{Field name}``, as people see them."""
    names = [part.partition("}")[0] for part in formula.split("{")[1:]]
    ids = list(dict.fromkeys(field_id(table, name) for name in names))
    for name in names:
        formula = formula.replace(f"{{{name}}}", f"{{{field_id(table, name)}}}")
    return {"isValid": True, "formula": formula, "referencedFieldIds": ids, "result": result}


def _through(
    table: str, link: str, linked: str, field: str, result: dict[str, Any]
) -> dict[str, Any]:
    """Options of a lookup of a field in a linked table."""
    return {
        "isValid": True,
        "recordLinkFieldId": field_id(table, link),
        "fieldIdInLinkedTable": field_id(linked, field),
        "result": result,
    }


def _rollup(
    table: str, link: str, linked: str, field: str, result: dict[str, Any]
) -> dict[str, Any]:
    return {**_through(table, link, linked, field, result), "referencedFieldIds": []}


def _count(table: str, link: str) -> dict[str, Any]:
    return {"isValid": True, "recordLinkFieldId": field_id(table, link)}


NUMBER: Final = _result("number", {"precision": 2})
TEXT: Final = _result("singleLineText")
AMOUNT: Final = _result("currency", MONEY)
MOMENT: Final = _result("dateTime", DATE_TIME)

# Each table: short name, name, and per field its name, type and options. The first is primary.
Fields = tuple[tuple[str, str, dict[str, Any] | None], ...]
PRODUCTS: Final[Fields] = (
    ("Name", "singleLineText", None),
    ("SKU", "autoNumber", None),
    ("Category", "singleSelect", _choices(*CATEGORIES)),
    ("Allergens", "multipleSelects", _choices(*ALLERGENS)),
    ("Description", "richText", None),
    ("Unit price", "currency", MONEY),
    ("Unit price (€)", "formula", _formula("products", '"€ " & {Unit price}', TEXT)),
    ("Cost", "currency", MONEY),
    (
        "Margin",
        "formula",
        _formula(
            "products",
            "({Unit price} - {Cost}) / {Unit price}",
            _result("percent", {"precision": 1}),
        ),
    ),
    ("VAT", "percent", {"precision": 1}),
    ("Weight (g)", "number", {"precision": 0}),
    (
        "Price per kg",
        "formula",
        _formula(
            "products", "IF({Weight (g)}, {Unit price} / {Weight (g)} * 1000, ERROR())", NUMBER
        ),
    ),
    ("Bake time", "duration", {"durationFormat": "h:mm"}),
    ("Rating", "rating", {"icon": "star", "max": 5, "color": "yellowBright"}),
    ("Seasonal", "checkbox", CHECK),
    ("Barcode", "barcode", None),
    ("Recipe", "url", None),
    ("Photo", "multipleAttachments", {"isReversed": False}),
    (
        "Tasting note",
        "aiText",
        {
            "prompt": [
                "Describe the taste of ",
                {"field": {"fieldId": field_id("products", "Name")}},
            ],
            "referencedFieldIds": [field_id("products", "Name")],
        },
    ),
    ("Order page", "button", None),
    ("Supplier", "multipleRecordLinks", _link("suppliers", "Products", is_single=True)),
    (
        "Supplier country",
        "multipleLookupValues",
        _through(
            "products",
            "Supplier",
            "suppliers",
            "Country",
            _result("singleSelect", _choices(*COUNTRIES)),
        ),
    ),
    ("Order lines", "multipleRecordLinks", _link("lines", "Product")),
    ("Times ordered", "count", _count("products", "Order lines")),
    ("Units sold", "rollup", _rollup("products", "Order lines", "lines", "Quantity", NUMBER)),
)
PEOPLE: Final[Fields] = (
    ("Name", "singleLineText", None),
    ("E-mail", "email", None),
    ("Phone 📞", "phoneNumber", None),
    ("Account", "singleCollaborator", None),
    ("Role", "singleSelect", _choices(*ROLES)),
    ("Skills", "multipleSelects", _choices(*SKILLS)),
    ("Started", "date", DATE),
    ("Shift", "duration", {"durationFormat": "h:mm:ss.S"}),
    ("At work", "checkbox", CHECK),
    ("Orders", "multipleRecordLinks", _link("orders", "Taken by")),
    ("Orders taken", "count", _count("people", "Orders")),
    ("Added on", "createdTime", {"result": _result("date", DATE)}),
    ("Added by", "createdBy", None),
)
CUSTOMERS: Final[Fields] = (
    ("Name", "singleLineText", None),
    ("Customer no.", "autoNumber", None),
    ("Kind", "singleSelect", _choices(*CUSTOMER_KINDS)),
    ("E-mail", "email", None),
    ("Phone", "phoneNumber", None),
    ("Address", "multilineText", None),
    ("Website", "url", None),
    ("Newsletter", "checkbox", CHECK),
    ("Discount", "percent", {"precision": 0}),
    ("Account managers", "multipleCollaborators", None),
    ("Orders", "multipleRecordLinks", _link("orders", "Customer")),
    ("Order count", "count", _count("customers", "Orders")),
    ("Total spent", "rollup", _rollup("customers", "Orders", "orders", "To pay", AMOUNT)),
    ("Last order", "rollup", _rollup("customers", "Orders", "orders", "Ordered at", MOMENT)),
    (
        "Average order",
        "formula",
        _formula("customers", "{Total spent} / {Order count}", AMOUNT),
    ),
)
ORDERS: Final[Fields] = (
    ("Order", "formula", _formula("orders", '"O-" & {No.} & " " & {Customer}', TEXT)),
    ("No.", "autoNumber", None),
    ("Customer", "multipleRecordLinks", _link("customers", "Orders", is_single=True)),
    (
        "Customer e-mail",
        "multipleLookupValues",
        _through("orders", "Customer", "customers", "E-mail", _result("email")),
    ),
    ("Ordered at", "dateTime", DATE_TIME),
    ("Deliver on", "date", DATE),
    (
        "Days ahead",
        "formula",
        _formula(
            "orders",
            "DATETIME_DIFF({Deliver on}, {Ordered at}, 'days')",
            _result("number", {"precision": 0}),
        ),
    ),
    ("Status", "singleSelect", _choices(*STATUSES)),
    ("Tags", "multipleSelects", _choices(*TAGS)),
    ("Taken by", "multipleRecordLinks", _link("people", "Orders", is_single=True)),
    ("Lines", "multipleRecordLinks", _link("lines", "Order")),
    ("Line count", "count", _count("orders", "Lines")),
    (
        "Products",
        "multipleLookupValues",
        _through(
            "orders",
            "Lines",
            "lines",
            "Product name",
            _result("multipleLookupValues", _through("lines", "Product", "products", "Name", TEXT)),
        ),
    ),
    ("Total", "rollup", _rollup("orders", "Lines", "lines", "Line total", AMOUNT)),
    ("Average line", "rollup", _rollup("orders", "Lines", "lines", "Line total", AMOUNT)),
    (
        "Discount",
        "multipleLookupValues",
        _through(
            "orders", "Customer", "customers", "Discount", _result("percent", {"precision": 0})
        ),
    ),
    ("To pay", "formula", _formula("orders", "{Total} * (1 - {Discount})", AMOUNT)),
    ("Paid", "checkbox", CHECK),
    ("Notes", "multilineText", None),
    ("Created", "createdTime", {"result": MOMENT}),
    (
        "Changed",
        "lastModifiedTime",
        {"isValid": True, "referencedFieldIds": [], "result": MOMENT},
    ),
    ("Changed by", "lastModifiedBy", None),
)
LINES: Final[Fields] = (
    ("Line", "formula", _formula("lines", '{Quantity} & " x " & {Product name}', TEXT)),
    ("Order", "multipleRecordLinks", _link("orders", "Lines", is_single=True)),
    ("Product", "multipleRecordLinks", _link("products", "Order lines", is_single=True)),
    (
        "Product name",
        "multipleLookupValues",
        _through("lines", "Product", "products", "Name", TEXT),
    ),
    ("Quantity", "number", {"precision": 0}),
    (
        "Unit price",
        "multipleLookupValues",
        _through("lines", "Product", "products", "Unit price", AMOUNT),
    ),
    (
        "Line total",
        "formula",
        _formula("lines", "IF({Product}, {Quantity} * {Unit price}, ERROR())", AMOUNT),
    ),
    ("Packed", "checkbox", CHECK),
)
SUPPLIERS: Final[Fields] = (
    ("Name", "singleLineText", None),
    ("Country", "singleSelect", _choices(*COUNTRIES)),
    ("Source", "externalSyncSource", _choices(*SOURCES)),
    ("Sort", "manualSort", None),
    ("Contact", "email", None),
    ("Last audit", "date", DATE),
    ("Contract", "multipleAttachments", {"isReversed": False}),
    ("Products", "multipleRecordLinks", _link("products", "Supplier")),
)
IDEAS: Final[Fields] = (
    ("Idea", "singleLineText", None),
    ("Details", "multilineText", None),
    ("Votes", "number", {"precision": 0}),
    ("Wanted", "checkbox", CHECK),
)
TABLES: Final[dict[str, tuple[str, str, Fields]]] = {
    "products": ("🥖 Products", "What is baked, and what it costs", PRODUCTS),
    "people": ("👩‍🍳 People", "Who works here", PEOPLE),
    "customers": ("Customers", "Who buys", CUSTOMERS),
    "orders": ("🧾 Orders", "What was asked for, and when", ORDERS),
    "lines": ("Order lines", "What an order consists of", LINES),
    "suppliers": ("Suppliers (synced)", "Where flour and butter come from", SUPPLIERS),
    "ideas": ("💡 Ideas", "What could be baked next", IDEAS),
}
AGGREGATIONS: Final = {
    field_id("products", "Units sold"): "SUM(values)",
    field_id("customers", "Total spent"): "SUM(values)",
    field_id("customers", "Last order"): "MAX(values)",
    field_id("orders", "Total"): "SUM(values)",
    field_id("orders", "Average line"): "AVERAGE(values)",
}
OPTIONS_NULL: Final = frozenset({"manualSort"})
FIELD_DESCRIPTIONS: Final = {
    "Margin": "Share of the price that is left",
    "Total": "Sum of the lines, before discount",
    "VAT": "0.055 is 5.5 %",
}


def build_table(table: str) -> dict[str, Any]:
    """A table of the sample base without records."""
    name, description, fields = TABLES[table]
    return {
        "id": table_id(table),
        "name": name,
        "description": description,
        "primaryFieldId": field_id(table, fields[0][0]),
        "fields": [_build_field(table, *field) for field in fields],
        "aggregations": AGGREGATIONS,
        "views": [
            {"id": make_id("viw", "bakery", table), "name": "Everything", "type": "grid"},
            {"id": make_id("viw", "bakery", table, 2), "name": "Cards 🃏", "type": "gallery"},
        ],
    }


def _build_field(
    table: str, name: str, field_type: str, options: dict[str, Any] | None
) -> FieldDict:
    field: FieldDict = {"id": field_id(table, name), "name": name, "type": field_type}
    if name in FIELD_DESCRIPTIONS:
        field["description"] = FIELD_DESCRIPTIONS[name]
    if options is not None or field_type in OPTIONS_NULL:
        field["options"] = options
    return field
