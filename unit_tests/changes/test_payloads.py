"""What payloads say of a table: the last word on each record counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_airtable.api.wire_types import TableId
from source_airtable.changes.payloads import PayloadLog, TableChanges
from source_airtable.errors import ContractError
from unit_tests.builders import TABLE
from unit_tests.fake_webhooks import a_payload
from unit_tests.generated import JSON_VALUES

OTHER = TableId("tblOther000000001")
RECORDS = [f"rec{letter}" for letter in "ABCDE"]
CHANGES = ["createdRecordsById", "changedRecordsById", "destroyedRecordIds"]
PAYLOADS = st.lists(st.dictionaries(st.sampled_from(RECORDS), st.sampled_from(CHANGES)), max_size=8)


def a_log(*payloads: Any, first: int = 1) -> PayloadLog:  # noqa: ANN401 - JSON
    """A log of payloads, numbered from a number on."""
    log = PayloadLog()
    for number, payload in enumerate(payloads, first):
        log.note(number, payload)
    return log


def changes_of(*payloads: Any, cursor: int = 1) -> TableChanges:  # noqa: ANN401 - JSON
    """What payloads say of the table."""
    return a_log(*payloads).changes_of(TABLE, cursor)


@pytest.mark.parametrize(
    ("payloads", "changed", "destroyed"),
    [
        pytest.param([a_payload("recA")], ("recA",), (), id="edited"),
        pytest.param([a_payload(created=["recA"])], ("recA",), (), id="created"),
        pytest.param([a_payload(destroyed=["recA"])], (), ("recA",), id="deleted"),
        pytest.param(
            [a_payload("recA"), a_payload(destroyed=["recA"])], (), ("recA",), id="edited, deleted"
        ),
        pytest.param(
            [a_payload(destroyed=["recA"]), a_payload(created=["recA"])],
            ("recA",),
            (),
            id="deleted, restored",
        ),
        pytest.param(
            [a_payload(created=["recA"], destroyed=["recA"])], ("recA",), (), id="both at once"
        ),
        pytest.param([a_payload("recB", "recA", "recB")], ("recA", "recB"), (), id="in order"),
    ],
)
def test_records(payloads: list[Any], changed: tuple[str, ...], destroyed: tuple[str, ...]) -> None:
    """A record's last payload says whether it is there; one that says both is looked up."""
    changes = changes_of(*payloads)

    assert (changes.changed, changes.destroyed) == (changed, destroyed)


@given(PAYLOADS, st.integers(1, 9))
def test_sum_of_any_payloads(events: list[dict[str, str]], cursor: int) -> None:
    """Each record's last payload from the cursor on decides; earlier ones say nothing."""
    payloads = []
    for event in events:
        by_change = {one: [r for r, change in event.items() if change == one] for one in CHANGES}
        created, changed, destroyed = by_change.values()
        payloads.append(a_payload(*changed, created=created, destroyed=destroyed))

    changes = changes_of(*payloads, cursor=cursor)

    last = {record: change for event in events[cursor - 1 :] for record, change in event.items()}
    gone = {record for record, change in last.items() if change == "destroyedRecordIds"}
    assert changes.destroyed == tuple(sorted(gone))
    assert changes.changed == tuple(sorted(set(last) - gone))
    assert (changes.fields, changes.was_replaced) == (frozenset(), False)


@given(PAYLOADS, st.integers(0, 8))
def test_sums_follow_each_other(events: list[dict[str, str]], split: int) -> None:
    """Two syncs that go on from each other learn what one sync learns."""
    payloads = [
        a_payload(
            *(one for one, change in event.items() if change != "destroyedRecordIds"),
            destroyed=[one for one, change in event.items() if change == "destroyedRecordIds"],
        )
        for event in events
    ]

    whole, early = changes_of(*payloads), changes_of(*payloads[:split])
    late = changes_of(*payloads, cursor=split + 1)

    seen = {*late.changed, *late.destroyed}
    assert set(whole.changed) == {*late.changed, *set(early.changed).difference(seen)}
    assert set(whole.destroyed) == {*late.destroyed, *set(early.destroyed).difference(seen)}


def test_other_table() -> None:
    """A table learns nothing of another one."""
    log = a_log(a_payload("recA"), a_payload("recB", table_id=OTHER))

    assert log.changes_of(OTHER, 1) == TableChanges(changed=("recB",))
    assert log.changes_of(TableId("tblNone0000000001"), 1) == TableChanges()


def test_numbers() -> None:
    """A position is a payload's number, not its place in the log."""
    log = a_log(a_payload("recA"), a_payload("recB"), first=40)

    assert log.changes_of(TABLE, 41) == TableChanges(changed=("recB",))


def test_fields() -> None:
    """Created and deleted fields are named, and changed ones with the type that they had."""
    changes = changes_of(
        a_payload(
            createdFieldsById={"fldNew": {"name": "New", "type": "date"}},
            destroyedFieldIds=["fldGone"],
            changedFieldsById={
                "fldText": {"current": {"type": "multilineText"}, "previous": {"type": "email"}},
                "fldName": {"current": {"name": "Other"}},
                "fldOdd": None,
            },
        )
    )

    assert changes.fields == {"fldNew", "fldGone", "fldName", "fldOdd"}
    assert changes.field_types == {("fldText", "multilineText")}


def test_types_of_a_field() -> None:
    """A field that was changed twice has both types."""
    payloads = [
        a_payload(changedFieldsById={"fldA": {"current": {"type": one}}}) for one in ("url", "date")
    ]

    assert changes_of(*payloads).field_types == {("fldA", "url"), ("fldA", "date")}


@pytest.mark.parametrize(
    "payload",
    [
        {"createdTablesById": {TABLE: {"recordsById": {"recA": {}}}}},
        {"destroyedTableIds": [TABLE]},
    ],
    ids=["created", "deleted"],
)
def test_table_that_was_replaced(payload: dict[str, Any]) -> None:
    """A table that was created, deleted or restored is marked, whatever else happened."""
    assert changes_of(payload) == TableChanges(was_replaced=True)
    assert changes_of(a_payload("recA"), payload) == TableChanges(("recA",), was_replaced=True)
    assert not changes_of(payload, cursor=2).was_replaced


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"changedTablesById": None, "createdTablesById": None, "destroyedTableIds": None},
        {"changedTablesById": {TABLE: None}},
        {"changedTablesById": {TABLE: {"changedRecordsById": None, "destroyedRecordIds": None}}},
        {"changedTablesById": {TABLE: {"changedMetadata": {}, "changedViewsById": {"viw": {}}}}},
        {"newInAirtable": [1]},
    ],
)
def test_payload_that_says_nothing(payload: dict[str, Any]) -> None:
    """Absent, null and unknown parts say nothing."""
    assert changes_of(payload) == TableChanges()


@pytest.mark.parametrize(
    "payload",
    [
        {"changedTablesById": [TABLE]},
        {"createdTablesById": TABLE},
        {"destroyedTableIds": TABLE},
        {"destroyedTableIds": [7]},
        a_payload(destroyedRecordIds={"recA": {}}),
        a_payload(destroyedRecordIds=[None]),
        a_payload(changedRecordsById=["recA"]),
        a_payload(createdRecordsById="recA"),
        a_payload(createdFieldsById=["fldA"]),
        a_payload(destroyedFieldIds="fldA"),
        a_payload(changedFieldsById={"fldA": ["current"]}),
        a_payload(changedFieldsById={"fldA": {"current": "date"}}),
    ],
)
def test_odd_payload(payload: dict[str, Any]) -> None:
    """A payload of another shape is an error rather than a change that is lost."""
    with pytest.raises(ContractError, match="a payload of another shape"):
        a_log(payload)


PARTS = st.dictionaries(
    st.sampled_from(
        [*CHANGES, "createdFieldsById", "changedFieldsById", "destroyedFieldIds"],
    ),
    JSON_VALUES | st.dictionaries(st.sampled_from(RECORDS), JSON_VALUES),
)


@given(
    st.dictionaries(
        st.sampled_from(["changedTablesById", "createdTablesById", "destroyedTableIds"]),
        JSON_VALUES | st.dictionaries(st.just(TABLE), JSON_VALUES | PARTS),
    )
)
def test_any_payload(payload: dict[str, Any]) -> None:
    """Any payload is understood or a ContractError."""
    try:
        changes = changes_of(payload)
    except ContractError:
        return
    assert all(isinstance(one, str) for one in (*changes.changed, *changes.destroyed))
