"""The names of linked records are read once for all who need them, and never lost silently."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_airtable.errors import (
    AccessDeniedError,
    AirtableError,
    AirtableUnavailableError,
    ContractError,
    InvalidTokenError,
    OffsetExpiredError,
    SchemaChangedError,
)
from source_airtable.sync.link_names import LinkedNames, RecordNames
from source_airtable.sync.page_queue import PageQueue, SyncAbandonedError
from unit_tests.builders import (
    BASE,
    NAME_FIELD,
    TABLE,
    a_field,
    a_page_of,
    a_record,
    a_table_schema,
    a_text_table,
)
from unit_tests.fake_client import FakeClient
from unit_tests.generated import airtable_ids
from unit_tests.scans import RecordingQueue, a_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from source_airtable.api.client import RecordQuery
    from source_airtable.api.wire_types import RecordPage

LONGEST_WAIT = 20.0
"""Seconds after which a thread hangs; only a failing test waits for them."""
LINKING = a_table_schema(table=a_text_table("tblOrders", "Orders"))
ADA, GRACE = a_record({NAME_FIELD: "Ada"}, "recA"), a_record({NAME_FIELD: "Grace"}, "recG")
KNOWN = {(BASE, TABLE): a_table_schema()}


def a_link(table_id: str | None = TABLE, name: str = "Customers") -> Any:  # noqa: ANN401 - a field
    """A field of links, to the one table or to another."""
    return a_field("multipleRecordLinks", name=name, options={"linkedTableId": table_id})


def names_of(client: FakeClient, queue: PageQueue | None = None) -> LinkedNames:
    """Names over a client that knows one table."""
    names = LinkedNames(client.as_client(), queue or RecordingQueue())
    names.tables = KNOWN
    return names


def test_names() -> None:
    """The names are the primary cells of the linked table, and only these are asked for."""
    client = a_client([a_page_of(ADA), a_page_of(GRACE, a_record({}, "recE"))])

    name_of = names_of(client).find(LINKING, a_link())

    assert [name_of(one) for one in ("recA", "recG", "recE", "recX")] == [
        "Ada",
        "Grace",
        None,
        None,
    ]
    assert [(one.table_id, one.field_ids) for one in client.queries] == [(TABLE, (NAME_FIELD,))]


def test_one_scan_for_all_fields() -> None:
    """Fields that link to the same table share its names."""
    client = a_client([a_page_of(ADA)])
    names = names_of(client)

    found = [names.find(LINKING, a_link(name=name))("recA") for name in ("One", "Two")]

    assert found == ["Ada", "Ada"]
    assert len(client.queries) == 1


@pytest.mark.parametrize("table_id", ["tblElsewhere", None])
def test_unknown_table(table_id: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A table that the schema does not show has no names; one warning names field and table."""
    client = a_client()
    names = names_of(client)

    found = [names.find(LINKING, a_link(table_id))("recA") for _ in range(2)]

    assert found == [None, None]
    assert client.queries == []
    (warning,) = caplog.messages
    assert "Table Orders of base Sales CRM" in warning
    assert f"field Customers links to table {table_id or 'unknown'}" in warning


def test_table_without_primary_field() -> None:
    """A table that does not say which field is primary has no names."""
    client = a_client([a_page_of(ADA)])
    names = names_of(client)
    plain: Any = {**a_text_table(), "primaryFieldId": None}
    names.tables = {(BASE, TABLE): a_table_schema(table=plain)}

    assert names.find(LINKING, a_link())("recA") is None


@pytest.mark.parametrize("schemas", [[a_text_table()], [], AccessDeniedError(status=403)])
def test_refused_table(schemas: Any, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ANN401 - of the fake
    """A table that Airtable refuses has no names, whatever it lacks; the log warns once."""
    client = a_client([AccessDeniedError(status=403)])
    client.schemas = {BASE: schemas}
    names = names_of(client)

    found = [names.find(LINKING, a_link())("recA") for _ in range(2)]

    assert found == [None, None]
    assert [one.levelno for one in caplog.records] == [logging.WARNING]
    assert "links to table Contacts" in caplog.messages[0]


@pytest.mark.parametrize(
    "failure", [AirtableUnavailableError(status=503), InvalidTokenError(), ContractError()]
)
def test_failing_scan(failure: AirtableError) -> None:
    """Each one who needs the names gets the failure of their scan, which is not tried again."""
    client = a_client([a_page_of(ADA), failure])
    names = names_of(client)

    for _ in range(2):
        with pytest.raises(type(failure)) as raised:
            names.find(LINKING, a_link())
        assert raised.value.facts["table_name"] == "Contacts"
        assert "(read for: the names of linked records; " in str(raised.value.message)

    assert len(client.queries) == 1


def test_forgotten_list() -> None:
    """If Airtable forgets the list, it is read from its start."""
    client = a_client([a_page_of(ADA), OffsetExpiredError()], [a_page_of(ADA, GRACE)])
    queue = RecordingQueue()

    name_of = names_of(client, queue).find(LINKING, a_link())

    assert (name_of("recA"), name_of("recG")) == ("Ada", "Grace")
    assert queue.sleeps == [1.0]


def test_other_primary_field() -> None:
    """If the primary field has changed during the sync, the names come from the present one."""
    client = a_client([SchemaChangedError()], [a_page_of(a_record({"fldNew": "Ada"}, "recA"))])
    present: Any = {**a_text_table(fields={"fldNew": "Title"}), "primaryFieldId": "fldNew"}
    client.schemas = {BASE: [present]}

    assert names_of(client).find(LINKING, a_link())("recA") == "Ada"
    assert client.queries[-1].field_ids == ("fldNew",)


class HeldClient(FakeClient):
    """Gives one page, and the rest when it is let go."""

    def __init__(self, failure: AirtableError | None = None) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self._failure = failure

    def iter_record_pages(self, query: RecordQuery) -> Iterator[RecordPage]:
        """Give a page, wait, and give another one or fail."""
        self.queries.append(query)
        yield a_page_of(ADA)
        self.has_begun.set()
        assert self.may_go_on.wait(LONGEST_WAIT)
        if self._failure is not None:
            raise self._failure
        yield a_page_of(GRACE)


def outcomes(client: HeldClient, queue: PageQueue, count: int = 4) -> list[Any]:
    """What several threads find that begin while the first one is scanning."""
    names = names_of(client, queue)

    def find() -> Any:  # noqa: ANN401 - a name or a failure
        try:
            return names.find(LINKING, a_link())("recG")
        except Exception as failure:  # noqa: BLE001 - the test looks at it
            return type(failure)

    with ThreadPoolExecutor(count) as threads:
        first = threads.submit(find)
        assert client.has_begun.wait(LONGEST_WAIT)
        others = [threads.submit(find) for _ in range(count - 1)]
        if isinstance(queue, AbandonedQueue):
            queue.abandon()
        client.may_go_on.set()
        return [one.result(LONGEST_WAIT) for one in (first, *others)]


class AbandonedQueue(PageQueue):
    """A queue that is abandoned while names are read."""


def test_others_wait() -> None:
    """Threads that need names which another one reads wait for them; no permit is needed."""
    client = HeldClient()
    queue = PageQueue(pages_in_flight=1)
    permit = queue.acquire()

    assert outcomes(client, queue) == ["Grace"] * 4
    assert len(client.queries) == 1
    permit.release()


def test_others_wait_for_a_failure() -> None:
    """Threads that wait for names get the failure of their scan."""
    client = HeldClient(AirtableUnavailableError(status=503))

    assert outcomes(client, PageQueue(1)) == [AirtableUnavailableError] * 4


def test_abandoned_sync() -> None:
    """When the sync is abandoned, the scan of names ends, and so does every wait for it."""
    assert outcomes(HeldClient(), AbandonedQueue(1)) == [SyncAbandonedError] * 4


@settings(deadline=None, max_examples=100)
@given(
    known=st.dictionaries(
        airtable_ids("rec") | st.sampled_from(["rec", "recAAAA", "recAAAAA", "recAAAA\\", ""]),
        st.text(min_size=1, max_size=8) | st.sampled_from(["\n", "\t", 'A\t"', "\nAAAA\t"]),
    ),
    others=st.lists(airtable_ids("rec") | st.sampled_from(["recA", "recAAAAA", "AAAA"])),
)
def test_store_of_names(known: dict[str, str], others: list[str]) -> None:
    """The compact store gives what a dictionary would, for any ids and names."""
    names = RecordNames()
    for record_id, name in known.items():
        names.add(record_id, name)

    assert {one: names.get(one) for one in (*known, *others)} == {
        one: known.get(one) for one in (*known, *others)
    }
