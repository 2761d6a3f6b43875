"""What Airtable does not document, found out by asking it: one probe for each open question.

A probe gives a sentence, or raises ``NotSettledError`` with the reason why it knows nothing. Probes
of bases in use only read; those that write do so in the base that ``live_base`` built. Moments are
Airtable's own, from the ``Date`` of its answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from pyairtable.models.schema import SingleSelectFieldSchema

from integration_tests.live_base import open_table
from source_airtable.changes.parts import UNITS, TablePart

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyairtable import Table

    from integration_tests.live_api import Account

LONG_URL: Final = 17_000
"""Characters, where Airtable announces to reject 16,000."""
PAUSE_SECONDS: Final = 2.0
"""Between an edit and what it is compared with: modified times may be whole seconds."""
FIRST_MOMENT: Final = datetime(2012, 1, 1, tzinfo=timezone.utc)
"""Before Airtable's first record."""
MILLISECOND: Final = timedelta(milliseconds=1)
TIMED_SCANS: Final = 5
"""How often a page is timed."""
OK: Final = 200


class NotSettledError(Exception):
    """A probe came to its end and its question is still open."""


@dataclass(frozen=True)
class Ground:
    """Where a probe looks: an account, one table to read, and the base that may be written to."""

    account: Account
    base_id: str
    table_id: str
    is_writable: bool
    other: Account | None = None
    """The same user's, or another one's, by a second token."""
    longest_wait: float = 0.0
    """Seconds for which a probe may do nothing but wait."""

    def table(self, key: str) -> Table:
        """A table of the built base by its short name."""
        return open_table(self.account, self.base_id, key)

    def read(self, **parameters: Any) -> Any:  # noqa: ANN401 - an answer
        """One page of the table to read, or its refusal."""
        return self.account.call("GET", self.base_id, self.table_id, params=parameters)

    def now(self) -> datetime:
        """Airtable's time of the last answer."""
        return parsedate_to_datetime(self.account.session.last_date)

    def pause(self) -> None:
        """Let two seconds pass, so that two edits have different times."""
        self.account.sleep(PAUSE_SECONDS)

    def is_modified_after(self, table: Table, record_id: str, moment: datetime) -> bool:
        """Whether a record's LAST_MODIFIED_TIME() is later than a moment."""
        return bool(table.all(formula=_and_record(record_id, _modified_after(moment))))

    def moves(self, table: Table, record_id: str, act: Callable[[], object]) -> bool:
        """Whether an act moves a record's modified time."""
        table.get(record_id)
        self.pause()
        before = self.now()
        self.pause()
        act()
        return self.is_modified_after(table, record_id, before)


def _and_record(record_id: str, condition: str) -> str:
    return f"AND(RECORD_ID()='{record_id}',{condition})"


def _modified_after(moment: datetime) -> str:
    return _is_after("LAST_MODIFIED_TIME()", moment)


def _is_after(function: str, moment: datetime) -> str:
    return f"IS_AFTER({function},DATETIME_PARSE('{_to_text(moment)}'))"


def _to_text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def tell_move(is_so: bool, what: str) -> str:  # noqa: FBT001 - the one thing it tells of
    """A sentence about a modified time."""
    return f"{what} {'moves' if is_so else 'does not move'} LMT"


def describe_refusal(answer: Any) -> str:  # noqa: ANN401 - an answer
    """The status and the type of a refusal, in the words on the wire; never a cell."""
    if answer.status_code == OK:
        return "200, not refused"
    try:
        body = answer.json()
    except ValueError:
        return f"{answer.status_code} without JSON"
    error = body.get("error") or (body.get("errors") or [{}])[0]
    if isinstance(error, str):
        return f"{answer.status_code} {error} (plain text)"
    return f"{answer.status_code} {error.get('type') or error.get('error')}"


def records_of(answer: Any) -> list[Any]:  # noqa: ANN401 - an answer
    """The records of a page.

    Raises: ``NotSettledError`` for a page that was refused.
    """
    if answer.status_code != OK:
        raise NotSettledError(f"records cannot be listed: {describe_refusal(answer)}")
    records: list[Any] = answer.json()["records"]
    return records


# Probes that only read.


def probe_long_url(ground: Ground) -> str:
    """The status of a URL that is too long."""
    answer = ground.read(filterByFormula=f"LEN('{'x' * LONG_URL}')>0")
    return f"a GET of {LONG_URL:,} characters: {describe_refusal(answer)}"


def probe_stale_offset(ground: Ground) -> str:
    """How an offset that never was is refused."""
    answer = ground.read(offset=f"itr{'A' * 14}/rec{'A' * 14}")
    return f"an unknown offset: {describe_refusal(answer)}"


def probe_fractions(ground: Ground) -> str:
    """Whether modified times are finer than a second, by halving the time they may lie in."""
    records = records_of(ground.read(pageSize=3))
    moments = [moment for one in records if (moment := _find_modified_time(ground, one["id"]))]
    if not moments:
        raise NotSettledError("the table to read has no record with a modified time")
    finer = sum(moment.microsecond > 0 for moment in moments)
    return f"LMT of {finer} of {len(moments)} records has a fraction of a second"


def _find_modified_time(ground: Ground, record_id: str) -> datetime | None:
    def is_after(moment: datetime) -> bool:
        condition = _and_record(record_id, _modified_after(moment))
        return bool(records_of(ground.read(filterByFormula=condition)))

    if not is_after(FIRST_MOMENT):
        return None
    # Later than the one and, to the millisecond, not later than the other.
    after, until = 0, (ground.now() - FIRST_MOMENT + timedelta(days=1)) // MILLISECOND
    while until - after > 1:
        middle = (after + until) // 2
        if is_after(FIRST_MOMENT + middle * MILLISECOND):
            after = middle
        else:
            until = middle
    return FIRST_MOMENT + until * MILLISECOND


def probe_blank_times(ground: Ground) -> str:
    """How many of the first records have a blank modified time."""
    if not records_of(ground.read(pageSize=1)):
        raise NotSettledError("the table to read has no records")
    answer = ground.read(filterByFormula=f"NOT({_modified_after(FIRST_MOMENT)})")
    blank = len(records_of(answer))
    return f"{blank}{' or more' if 'offset' in answer.json() else ''} records have a blank LMT"


def probe_parts(ground: Ground) -> str:
    """Whether parts are picked as the connector expects, and what a filter costs for each page."""
    if not records_of(ground.read(pageSize=1)):
        raise NotSettledError("the table to read has no records")
    half = TablePart("".join(UNITS[::2]))
    filters: list[dict[str, str]] = [{}, {"filterByFormula": half.formula}]
    first: list[list[float]] = [[], []]
    later: list[list[float]] = [[], []]
    for _ in range(TIMED_SCANS):
        for number, parameters in enumerate(filters):
            page = ground.read(pageSize=10, **parameters)
            ids = [one["id"] for one in records_of(page)]
            if parameters and not all(half.holds(one) for one in ids):
                raise NotSettledError("a part holds records of another part")
            first[number].append(page.elapsed.total_seconds())
            offset = page.json().get("offset")
            if offset:
                page = ground.read(pageSize=10, offset=offset, **parameters)
                records_of(page)
                later[number].append(page.elapsed.total_seconds())
    found = [f"first pages {_compare(*first)}"]
    found += [f"later pages {_compare(*later)}"] if all(later) else []
    case = (
        "both cases" if records_of(ground.read(filterByFormula="FIND('a','A')>0")) else "its case"
    )
    return f"with the filter of a part, {', '.join(found)}; FIND takes a letter for {case}"


def _compare(plain: list[float], filtered: list[float]) -> str:
    return f"take {median(filtered):.2f} s instead of {median(plain):.2f} s"


# Probes that write.


def probe_is_after(ground: Ground) -> str:
    """Whether filters by IS_AFTER give the later records and no others."""
    ideas = ground.table("ideas")
    made = [ideas.create({"Idea": "Probe"})["id"]]
    ground.pause()
    moment = ground.now()
    ground.pause()
    made.append(ideas.create({"Idea": "Probe"})["id"])
    told = []
    for function in ("LAST_MODIFIED_TIME()", "CREATED_TIME()"):
        found = [one["id"] for one in ideas.all(formula=_is_after(function, moment))]
        told.append(
            f"{function} {'as documented' if found == made[1:] else f'{len(found)} records'}"
        )
    ideas.batch_delete(made)
    return f"IS_AFTER of one record's moment: {', '.join(told)}"


def probe_blank_rule(ground: Ground) -> str:
    """Whether a record made by the API has a modified time, with cells and without."""
    ideas = ground.table("ideas")
    full, blank = (one["id"] for one in ideas.batch_create([{"Idea": "Probe"}, {}]))
    known = [ground.is_modified_after(ideas, one, FIRST_MOMENT) for one in (full, blank)]
    ideas.batch_delete([full, blank])
    words = ["set" if is_set else "blank" for is_set in known]
    return f"LMT after a create by the API: {words[0]} with cells, {words[1]} without"


def probe_equal_value(ground: Ground) -> str:
    """Whether writing the value that is there already moves the modified time."""
    ideas = ground.table("ideas")
    made = ideas.create({"Idea": "Probe"})
    moved = ground.moves(ideas, made["id"], lambda: ideas.update(made["id"], {"Idea": "Probe"}))
    ideas.delete(made["id"])
    return tell_move(moved, "writing an equal value")


def probe_link_name(ground: Ground) -> str:
    """Whether a new name of a linked record moves the modified time of the one that links to it."""
    products, line = ground.table("products"), _first(ground.table("lines"), "Product")
    linked = line["fields"]["Product"][0]
    name = products.get(linked)["fields"].get("Name", "")
    moved = ground.moves(
        ground.table("lines"), line["id"], lambda: products.update(linked, {"Name": f"{name} *"})
    )
    products.update(linked, {"Name": name})
    return tell_move(moved, "another name of a linked record")


def probe_link_from_other_side(ground: Ground) -> str:
    """Whether linking to a record moves that record's modified time."""
    products, lines = ground.table("products"), ground.table("lines")
    line = _first(lines, "Product")
    other = products.create({"Name": "Probe"})
    moved = ground.moves(
        products, other["id"], lambda: lines.update(line["id"], {"Product": [other["id"]]})
    )
    lines.update(line["id"], {"Product": line["fields"]["Product"]})
    products.delete(other["id"])
    return tell_move(moved, "a link made at its other end")


def _first(table: Table, field: str) -> Any:  # noqa: ANN401 - a record
    """The first record with a cell in a field."""
    found = table.all(fields=[field], formula=f"{{{field}}}", max_records=1)
    if not found:
        raise NotSettledError(f"the base is not as it was built, no {field} is filled")
    return found[0]


def probe_option_rename(ground: Ground) -> str:
    """Whether a choice can be renamed by the API, and what that does to the modified times."""
    suppliers = ground.table("suppliers")
    field = suppliers.schema().field("Country")
    if not isinstance(field, SingleSelectFieldSchema):
        raise NotSettledError(f"the base is not as it was built, Country is a {field.type}")
    one = _first(suppliers, "Country")
    choices = [choice.model_dump(exclude_none=True) for choice in field.options.choices]
    name = choices[0]["name"]
    path = ("meta", "bases", ground.base_id, "tables", suppliers.id, "fields", field.id)

    def rename(to: str) -> Any:  # noqa: ANN401 - an answer
        options = {"choices": [{**choices[0], "name": to}, *choices[1:]]}
        return ground.account.call("PATCH", *path, json={"options": options})

    answers: list[Any] = []
    moved = ground.moves(suppliers, one["id"], lambda: answers.append(rename(f"{name} *")))
    if answers[0].status_code != OK:
        raise NotSettledError(
            f"the API refuses to rename a choice ({describe_refusal(answers[0])}): "
            "rename one by hand, and see whether an incremental sync reads its records"
        )
    rename(name)
    return tell_move(moved, "another name of a choice")


def probe_deleted_in_scan(ground: Ground) -> str:
    """What a scan shows of records deleted, created and edited after its first page."""
    ideas = ground.table("ideas")
    first, last = (one["id"] for one in ideas.batch_create([{"Idea": "Probe"}] * 2))
    pages = ideas.iterate(page_size=4, fields=["Idea"])
    seen = {one["id"]: one["fields"].get("Idea") for one in next(pages)}
    if last in seen or first in seen:
        raise NotSettledError("the scan has one page only")
    ideas.delete(last)
    ideas.update(first, {"Idea": "Edited"})
    late = ideas.create({"Idea": "Late"})["id"]
    for page in pages:
        seen |= {one["id"]: one["fields"].get("Idea") for one in page}
    ideas.batch_delete([first, late])
    deleted = "still shown" if last in seen else "skipped"
    created = "shown" if late in seen else "not shown"
    edited = "with the new value" if seen.get(first) == "Edited" else "with the old value"
    return f"in mid-scan a deleted record is {deleted}, a new one {created}, an edited one {edited}"
