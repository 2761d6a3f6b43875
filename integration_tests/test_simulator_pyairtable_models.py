"""pyairtable's comments, schemas, attachments and models work with the simulator."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from pyairtable.orm import Model
from pyairtable.orm import fields as orm

from integration_tests.airtable_simulator import SimulatorThread, sample_account
from integration_tests.airtable_simulator.account import WORKSPACE_ID, WRITE_SCOPES
from integration_tests.pyairtable_client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyairtable import Api, Base, Table

NOW: Final = "2026-11-20T12:00:00.250Z"
CREATED: Final = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=timezone.utc)
USER_ID: Final = "usrSimulatedUser1"
SAMPLE: Final = sample_account()["bases"][0]
TEXT_FIELD: Final = {"name": "Name", "type": "singleLineText"}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator of the sample base, whose clock stands still, and a token that may write."""
    with SimulatorThread(sample_account(), has_limits=False) as running:
        running.admin.set_clock(NOW)
        running.admin.set_token_scopes(*WRITE_SCOPES)
        yield running


@pytest.fixture
def api(simulator: SimulatorThread) -> Iterator[Api]:
    """The client, by way of the simulator."""
    connected = connect(simulator)
    yield connected
    connected.session.close()


@pytest.fixture
def base(api: Api) -> Base:
    """The sample base."""
    return api.base(SAMPLE["id"])


@pytest.fixture
def ideas(base: Base) -> Table:
    """A table without computed cells."""
    return base.table("💡 Ideas")


def test_whoami(api: Api) -> None:
    """A token's user."""
    assert api.whoami() == {"id": USER_ID}


def test_bases(api: Api) -> None:
    """The bases that the token sees."""
    (found,) = api.bases()

    assert (found.id, found.name) == (SAMPLE["id"], SAMPLE["name"])


def test_base_schema(base: Base) -> None:
    """Every table and field of the sample base is what pyairtable takes it for."""
    schema = base.schema()
    shown = {table.name: [(one.name, one.type) for one in table.fields] for table in schema.tables}

    assert shown == {
        table["name"]: [(one["name"], one["type"]) for one in table["fields"]]
        for table in SAMPLE["tables"]
    }
    assert schema.table("Customers").field("Total spent").options.referenced_field_ids == []  # type: ignore[union-attr] # a rollup has options


def test_table_schema(ideas: Table) -> None:
    """A table by itself, with its views."""
    schema = ideas.schema()

    assert schema.primary_field_id == schema.field("Idea").id
    assert schema.view("Everything").type == "grid"
    assert ideas.id == schema.id


def test_collaborators(base: Base) -> None:
    """Who may use the base: the token's user, with no invitations."""
    found = base.collaborators()
    (user,) = found.individual_collaborators.via_base

    assert (found.id, found.name, found.permission_level) == (base.id, SAMPLE["name"], "create")
    assert (found.workspace_id, found.interfaces) == (WORKSPACE_ID, {})
    assert (user.user_id, user.permission_level) == (USER_ID, "create")
    assert (found.group_collaborators.via_base, found.invite_links.via_base) == ([], [])
    assert isinstance(found.created_time, datetime)


def test_create_base(api: Api) -> None:
    """A base is created with its tables, to the millisecond, and filled."""
    made = api.create_base(WORKSPACE_ID, "New", [{"name": "Guests", "fields": [TEXT_FIELD]}])
    (table,) = made.tables()
    table.create({"Name": "Ada"})

    assert [one["fields"] for one in table.all()] == [{"Name": "Ada"}]
    assert made.collaborators().created_time == CREATED
    assert made.id in [one.id for one in api.bases(force=True)]


def test_create_table(base: Base) -> None:
    """A table is created with its fields, renamed and described."""
    table = base.create_table("Guests", [TEXT_FIELD], description="Who came")
    schema = table.schema()
    schema.name, schema.description = "Visitors", "Who came, and when"
    schema.save()
    renamed = base.schema(force=True).table("Visitors")

    assert (renamed.id, renamed.description) == (table.id, "Who came, and when")
    assert [one.name for one in renamed.fields] == ["Name"]


def test_create_field(ideas: Table) -> None:
    """A field is created with its options, renamed and described."""
    options = {"precision": 1}
    made = ideas.create_field("Cost", "number", description="In euros", options=options)
    before = (made.name, made.type, made.description)
    made.name, made.description = "Price", "In francs"
    made.save()
    changed = ideas.schema(force=True).field(made.id)

    assert before == ("Cost", "number", "In euros")
    assert (changed.name, changed.description) == ("Price", "In francs")
    assert changed.options.precision == 1  # type: ignore[union-attr] # a number has options


def test_comments(ideas: Table) -> None:
    """A comment is added, edited and deleted by its author."""
    record = ideas.create({"Idea": "Rye tart"})["id"]
    comment = ideas.add_comment(record, f"Ask @[{USER_ID}]")
    created_time = comment.created_time
    comment.text = "Never mind"
    comment.save()
    (listed,) = ideas.comments(record)
    comment.delete()

    assert created_time == CREATED
    assert (listed.id, listed.text, listed.mentioned) == (comment.id, "Never mind", {})
    assert (listed.author.id, listed.last_updated_time) == (USER_ID, created_time)
    assert comment.deleted
    assert ideas.comments(record) == []


def test_replies(ideas: Table) -> None:
    """The mentions, reactions and pages of loaded comments are read too."""
    record = next(one for one in ideas.all(count_comments=True) if one.get("commentCount"))["id"]
    comments = ideas.comments(record)

    assert len(comments) == 2
    assert [list(one.mentioned) for one in comments] == [[USER_ID], []]


def test_comment_of_another_user(simulator: SimulatorThread, ideas: Table) -> None:
    """Another user's comment cannot be edited."""
    record = ideas.create({"Idea": "Rye tart"})["id"]
    ideas.add_comment(record, "Mine")
    token = simulator.admin.add_token(scopes=list(WRITE_SCOPES), user_id="usrSimulatedUser2")
    other = connect(simulator, token)
    (comment,) = other.table(SAMPLE["id"], ideas.id).comments(record)
    comment.text = "Yours"
    with pytest.raises(requests.HTTPError, match="403"):
        comment.save()
    other.session.close()

    assert [one.text for one in ideas.comments(record)] == ["Mine"]


def test_upload_attachment(base: Base) -> None:
    """An upload answers with the cell, and its bytes are served."""
    products = base.table("🥖 Products")
    field_id = products.schema().field("Photo").id
    record = products.create({"Name": "Rye tart"})["id"]
    uploaded = products.upload_attachment(record, field_id, "tart.txt", b"Knead.", "text/plain")
    (shown,) = uploaded["fields"][field_id]
    (read,) = products.get(record)["fields"]["Photo"]

    assert (uploaded["id"], uploaded["createdTime"]) == (record, "2026-11-20T12:00:00.000Z")
    assert (shown["id"], read["filename"], read["size"]) == (read["id"], "tart.txt", 6)
    assert read["url"].endswith("/tart.txt")
    assert products.api.session.get(read["url"], timeout=10).content == b"Knead."


def test_attachment_by_url(base: Base) -> None:
    """An attachment that is named by the address of another is a copy of it."""
    products = base.table("🥖 Products")
    source = products.create({"Name": "Source"})["id"]
    products.upload_attachment(source, "Photo", "tart.txt", b"Knead.", "text/plain")
    (first,) = products.get(source)["fields"]["Photo"]
    cells: Any = {"Name": "Copies", "Photo": [{"url": first["url"]}] * 2}
    made = products.create(cells)
    copies = products.get(made["id"])["fields"]["Photo"]

    assert len({first["id"], *(one["id"] for one in copies)}) == 3
    assert [(one["size"], one["type"]) for one in copies] == [(6, "text/plain")] * 2


class Line(Model):
    """A line of an order."""

    class Meta:
        """Where it is; the client is the test's."""

        api_key = "none"
        base_id = SAMPLE["id"]
        table_name = "Order lines"

    line = orm.TextField("Line", readonly=True)
    quantity = orm.IntegerField("Quantity")
    packed = orm.CheckboxField("Packed")
    order = orm.SingleLinkField["Order"]("Order", "Order")
    product_names = orm.LookupField[str]("Product name")


class Order(Model):
    """An order and its lines."""

    class Meta:
        """Where it is; the client is the test's."""

        api_key = "none"
        base_id = SAMPLE["id"]
        table_name = "🧾 Orders"

    number = orm.AutoNumberField("No.")
    ordered_at = orm.DatetimeField("Ordered at")
    tags = orm.MultipleSelectField("Tags")
    lines = orm.LinkField("Lines", Line)
    line_count = orm.CountField("Line count")
    created = orm.CreatedTimeField("Created")
    changed_by = orm.LastModifiedByField("Changed by")


@pytest.fixture
def models(api: Api) -> None:
    """The models, by way of the simulator."""
    for model in (Order, Line):
        vars(model.meta)["api"] = api


@pytest.mark.usefixtures("models")
def test_models() -> None:
    """A model is saved, linked, read again with its computed cells, and deleted."""
    order = Order(ordered_at=datetime(2026, 11, 20, 9, tzinfo=timezone.utc), tags=["Rush"])
    created = order.save().created
    line = Line(quantity=3, packed=True, order=order)
    line.save()
    order.fetch()
    line.fetch()

    assert created
    assert (order.line_count, [one.quantity for one in order.lines]) == (1, [3])
    assert order.number == len(SAMPLE["tables"][3]["records"]) + 1
    assert order.changed_by is not None
    assert order.changed_by["id"] == USER_ID
    assert order.created == datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
    assert (line.line, line.packed, line.product_names) == ("3 x ", True, [])
    assert order.delete()
    assert Order.first(formula=f"RECORD_ID()='{order.id}'") is None


@pytest.mark.usefixtures("models")
def test_many_models() -> None:
    """Models are read and saved in batches."""
    lines = Line.all(max_records=12, sort=["Quantity"])
    wanted = [one.id for one in lines]
    for line in lines:
        line.quantity = 99
    Line.batch_save(lines)

    assert {one.quantity for one in Line.from_ids(wanted)} == {99}


def test_missing_record(ideas: Table) -> None:
    """A record that is not there is refused as pyairtable's users know it."""
    with pytest.raises(requests.HTTPError, match="403"):
        ideas.get("recNobody00000000")


def test_text_cells_of_every_type(base: Base) -> None:
    """Every cell of the sample base can be shown as text; only AI without a text has none."""
    text: Any = {"cell_format": "string", "time_zone": "Europe/Paris", "user_locale": "fr"}
    textless: set[str] = set()
    for table in base.tables():
        shown = [record["fields"] for record in table.all(**text)]
        loaded = [record["fields"] for record in table.all()]
        for cells, others in zip(shown, loaded, strict=True):
            textless |= others.keys() - cells.keys()

        assert {type(cell) for cells in shown for cell in cells.values()} == {str}
    assert textless == {"Tasting note"}
