"""What the streams of tables are called."""

from __future__ import annotations

import pytest

from source_airtable.streams.stream_names import name_streams, possible_stream_names
from unit_tests.builders import TABLE, a_base, a_config, a_table_schema, a_text_table

SHOP = a_table_schema(a_base("appShop", "Shop"), a_text_table("tblOrders", "Order Lines"))
COPIES = [a_table_schema(a_base(base_id)) for base_id in ("appOne", "appTwo")]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "shop/order_lines/tblOrders"),
        ({"add_base_id_to_stream_name": True}, "shop/appShop/order_lines/tblOrders"),
        ({"stream_names": "ids"}, "appShop/tblOrders"),
        ({"stream_names": "ids", "add_base_id_to_stream_name": True}, "appShop/tblOrders"),
    ],
)
def test_name(settings: dict[str, object], name: str) -> None:
    """The settings decide between names, names with the base's id, and ids."""
    assert name_streams([SHOP], a_config(**settings)) == [name]
    assert name in possible_stream_names(SHOP)


def test_names_that_collide(caplog: pytest.LogCaptureFixture) -> None:
    """Streams that would have the same name contain their base's id, with a warning."""
    names = name_streams([*COPIES, SHOP], a_config())

    assert names == [
        f"sales_crm/appOne/contacts/{TABLE}",
        f"sales_crm/appTwo/contacts/{TABLE}",
        "shop/order_lines/tblOrders",
    ]
    assert "contain their base's id, because tables of several bases" in caplog.text
    assert caplog.text.rstrip().endswith(f": {names[0]}, {names[1]}.")


@pytest.mark.parametrize(
    "settings", [{"add_base_id_to_stream_name": True}, {"stream_names": "ids"}]
)
def test_base_ids_that_were_asked_for(
    caplog: pytest.LogCaptureFixture, settings: dict[str, object]
) -> None:
    """If the settings ask for ids in names, no warning is given."""
    names = name_streams(COPIES, a_config(**settings))

    assert len(set(names)) == 2
    assert caplog.text == ""


def test_possible_names() -> None:
    """A table's stream may have any of the three names."""
    assert possible_stream_names(SHOP) == {
        "shop/order_lines/tblOrders",
        "shop/appShop/order_lines/tblOrders",
        "appShop/tblOrders",
    }
