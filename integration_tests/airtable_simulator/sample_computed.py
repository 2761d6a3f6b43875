"""The sample base's links back, counts, lookups, rollups and formulas, worked out in order."""

from __future__ import annotations

from typing import Any, Final

from .clock import parse_time

Cells = dict[str, Any]
Rows = dict[str, Cells]

ERROR: Final = {"error": "#ERROR!"}
NOT_A_NUMBER: Final = {"specialValue": "NaN"}
DAY_SECONDS: Final = 86_400
LINKS_BACK: Final = (
    ("products", "Supplier", "suppliers", "Products"),
    ("orders", "Customer", "customers", "Orders"),
    ("orders", "Taken by", "people", "Orders"),
    ("lines", "Order", "orders", "Lines"),
    ("lines", "Product", "products", "Order lines"),
)


def compute(tables: dict[str, Rows]) -> None:
    """Fill in every computed cell; tables and fields are named as in ``sample_schema``."""
    for table, link, linked, link_back in LINKS_BACK:
        for key, cells in tables[table].items():
            for target in cells.get(link) or ():
                tables[linked][target].setdefault(link_back, []).append(key)
    for cells in tables["products"].values():
        _compute_product(cells, tables["suppliers"])
    for cells in tables["lines"].values():
        _compute_line(cells, tables["products"])
    for cells in tables["products"].values():
        lines = [tables["lines"][key] for key in cells.get("Order lines", ())]
        cells["Times ordered"] = len(lines)
        cells["Units sold"] = sum(line["Quantity"] for line in lines)
    for cells in tables["orders"].values():
        _compute_order(cells, tables["customers"], tables["lines"])
    for cells in tables["people"].values():
        cells["Orders taken"] = len(cells.get("Orders", ()))
    for cells in tables["customers"].values():
        _compute_customer(cells, tables["orders"])


def divide(dividend: float, divisor: float) -> Any:  # noqa: ANN401 - a number or a special value
    """A quotient as Airtable shows it."""
    if divisor:
        return dividend / divisor
    if dividend:
        return {"specialValue": "Infinity" if dividend > 0 else "-Infinity"}
    return dict(NOT_A_NUMBER)


def add(cells: list[Any]) -> Any:  # noqa: ANN401 - a number or an error
    """The sum of a rollup; one error makes it an error."""
    if any(isinstance(cell, dict) for cell in cells):
        return dict(ERROR)
    return round(sum(cells), 10)


def _compute_product(cells: Cells, suppliers: Rows) -> None:
    price, weight = cells["Unit price"], cells["Weight (g)"]
    cells["Unit price (€)"] = f"€ {price:g}"
    cells["Margin"] = divide(price - cells["Cost"], price)
    cells["Price per kg"] = price / weight * 1000 if weight else dict(ERROR)
    cells["Supplier country"] = [suppliers[key]["Country"] for key in cells["Supplier"]]


def _compute_line(cells: Cells, products: Rows) -> None:
    linked = [products[key] for key in cells["Product"] or ()]
    cells["Product name"] = [product["Name"] for product in linked]
    cells["Unit price"] = [product["Unit price"] for product in linked]
    cells["Line"] = f"{cells['Quantity']} x {', '.join(cells['Product name'])}"
    total = round(cells["Quantity"] * cells["Unit price"][0], 10) if linked else dict(ERROR)
    cells["Line total"] = total


def _compute_order(cells: Cells, customers: Rows, lines: Rows) -> None:
    own = [lines[key] for key in cells.get("Lines", ())]
    customer = customers[cells["Customer"][0]]
    cells["Order"] = f"O-{cells['No.']} {customer['Name']}"
    cells["Customer e-mail"] = [customer["E-mail"]] if customer["E-mail"] else []
    ahead_seconds = parse_time(cells["Deliver on"]) - parse_time(cells["Ordered at"])
    cells["Days ahead"] = int(ahead_seconds / DAY_SECONDS)
    cells["Line count"] = len(own)
    cells["Products"] = [name for line in own for name in line["Product name"]]
    total = cells["Total"] = add([line["Line total"] for line in own])
    is_error = isinstance(total, dict)
    cells["Average line"] = dict(ERROR) if is_error else divide(total, len(own))
    discount = customer["Discount"]
    cells["Discount"] = [] if discount is None else [discount]
    cells["To pay"] = dict(ERROR) if is_error else round(total * (1 - (discount or 0)), 10)


def _compute_customer(cells: Cells, orders: Rows) -> None:
    own = [orders[key] for key in cells.get("Orders", ())]
    cells["Order count"] = len(own)
    total = cells["Total spent"] = add([order["To pay"] for order in own])
    cells["Last order"] = max((order["Ordered at"] for order in own), default=None)
    cells["Average order"] = dict(ERROR) if isinstance(total, dict) else divide(total, len(own))
