"""Formulas of filters and of formula fields: a tree made into closures for one table.

An error in a record's formula is a value; it leaves the record out without a word.
See: https://support.airtable.com/docs/formula-field-reference
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import floor
from typing import TYPE_CHECKING, Final, TypeAlias

from .errors import invalid_formula
from .formula_aggregates import AGGREGATES
from .formula_dates import start_of_day
from .formula_functions import ANY_NUMBER, FIND_IN_ANY_CASE, PLAIN, comparisons
from .formula_parser import Call, FieldReference, Literal, field_names, parse_formula, syntax_error
from .formula_values import ERROR, Moment, from_cell, is_true, parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .formula_functions import Function
    from .formula_parser import Node
    from .formula_values import Value
    from .record import Record
    from .settings import Settings
    from .table import FieldDict, Table

    Evaluator: TypeAlias = Callable[[Record], Value]

DATE_TYPES: Final = frozenset({"date", "dateTime", "createdTime", "lastModifiedTime"})
ARGUMENT_COUNTS: Final = {
    "AND": (1, ANY_NUMBER),
    "CREATED_TIME": (0, 0),
    "IF": (2, 3),
    "ISERROR": (1, 1),
    "LAST_MODIFIED_TIME": (0, ANY_NUMBER),
    "NOW": (0, 0),
    "OR": (1, ANY_NUMBER),
    "RECORD_ID": (0, 0),
    "TODAY": (0, 0),
}
"""Of the functions that look at more than their arguments' values, or not at all of them."""


def compile_filter(
    formula: str,
    table: Table,
    settings: Settings,
    now: float,
    tables: Mapping[str, Table] | None = None,
) -> Callable[[Record], bool] | None:
    """What tells whether a record is kept; None: all are.

    Units: ``now`` is the simulator's time in seconds since 1970.
    Raises: ``Refusal`` 422 INVALID_FILTER_BY_FORMULA, for a table without records too.
    """
    if not formula.strip():
        return None
    if settings.filter_is_rejected:
        raise syntax_error()
    if settings.refused_function and f"{settings.refused_function}(" in formula:
        raise syntax_error()
    evaluate = compile_formula(formula, table, settings, now, tables)
    if not settings.filter_is_honoured:
        return None

    def keeps(record: Record) -> bool:
        result = evaluate(record)
        return result is True or (result is not False and is_true(result))

    return keeps


def compile_view(
    formula: str, table: Table, settings: Settings, now: float
) -> Callable[[Record], bool] | None:
    """What tells whether a view shows a record; what filters meet with does not concern it."""
    own = replace(settings, filter_is_honoured=True, filter_is_rejected=False, refused_function="")
    return compile_filter(formula, table, own, now)


def compile_formula(
    formula: str,
    table: Table,
    settings: Settings,
    now: float,
    tables: Mapping[str, Table] | None = None,
) -> Evaluator:
    """What gives a formula's value for a record.

    ``tables`` are those of the base, by id: a link's value is the names of the linked records.
    Raises: ``Refusal`` as ``compile_filter``.
    """
    tree = parse_formula(formula)
    names = dict.fromkeys(field_names(tree))
    unknown = [name.lower() for name in names if table.field_id(name) is None]
    if unknown:
        raise invalid_formula(f"Unknown field names: {', '.join(unknown)}")
    return _Compiler(table, settings, now, tables or {}).compile(tree)


def field_reader(given: FieldDict, tables: Mapping[str, Table]) -> Evaluator:
    """What reads the value of a field's cells. ``tables`` are those of the base, by id."""
    field_id = given["id"]
    options = given.get("options") or {}
    linked = tables.get(options.get("linkedTableId", ""))
    if given["type"] == "multipleRecordLinks" and linked is not None:
        return partial(_read_names, field_id, linked)
    is_date = bool(DATE_TYPES & {given["type"], (options.get("result") or {}).get("type")})

    def read(record: Record) -> Value:
        value = from_cell(record.cells.get(field_id))
        return parse_moment(value) if is_date and isinstance(value, str) else value

    return read


def _read_names(field_id: str, linked: Table, record: Record) -> Value:
    keys = record.cells.get(field_id)
    if not keys:
        return None
    name, known = linked.primary_field_id, linked.records
    return [from_cell(known[key].cells.get(name)) for key in keys if key in known]


class _Constant:
    """An evaluator that needs no record."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __call__(self, _: Record) -> Value:
        return self.value


class _Compiler:
    def __init__(
        self, table: Table, settings: Settings, now: float, tables: Mapping[str, Table]
    ) -> None:
        self._table = table
        self._tables = tables
        self._settings = settings
        self._now = round(now * 1000)
        blank = ERROR if settings.blank_comparison == "error" else False
        self._functions = {**PLAIN, **AGGREGATES, **comparisons(blank)}
        if settings.find_ignores_case:
            self._functions |= FIND_IN_ANY_CASE

    def compile(self, node: Node) -> Evaluator:
        if isinstance(node, Literal):
            return _Constant(node.value)
        if isinstance(node, FieldReference):
            return field_reader(self._table.field(node.name), self._tables)
        characters = _wanted_last_characters(node)
        if characters is not None:
            if self._settings.find_ignores_case:
                characters = characters.lower() + characters.upper()
            # A filter of many records at once would hold up the requests that arrive meanwhile.
            wanted = frozenset(characters)
            return lambda record: record.id[-1] in wanted
        function = self._functions.get(node.name)
        if function is not None:
            return self._compile_plain(function, node.arguments)
        least, most = ARGUMENT_COUNTS.get(node.name, (1, 0))
        if not least <= len(node.arguments) <= most:
            raise syntax_error()
        return self._compile_special(node)

    def _compile_plain(self, function: Function, arguments: Sequence[Node]) -> Evaluator:
        if not function.takes(len(arguments)):
            raise syntax_error()
        parts = [self.compile(argument) for argument in arguments]
        compute = function.compute
        constants = [part.value for part in parts if isinstance(part, _Constant)]
        if len(constants) == len(parts):
            return _Constant(ERROR if ERROR in constants else compute(*constants))
        if len(parts) == 2:
            left, right = parts

            def evaluate_two(record: Record) -> Value:
                first, second = left(record), right(record)
                return ERROR if first is ERROR or second is ERROR else compute(first, second)

            evaluate: Evaluator = evaluate_two
        else:

            def evaluate_all(record: Record) -> Value:
                values = [part(record) for part in parts]
                return ERROR if ERROR in values else compute(*values)

            evaluate = evaluate_all
        return evaluate

    def _compile_special(self, node: Call) -> Evaluator:  # noqa: PLR0911 - one for each function
        match node.name:
            case "IF":
                return self._compile_if(node.arguments)
            case "AND":
                return self._compile_and(node.arguments)
            case "OR":
                return self._compile_or(node.arguments)
            case "ISERROR":
                part = self.compile(node.arguments[0])
                return lambda record: part(record) is ERROR
            case "RECORD_ID":
                return lambda record: record.id
            case "CREATED_TIME":
                if self._settings.times_keep_milliseconds:
                    return lambda record: Moment(round(record.created_at * 1000))
                return lambda record: Moment(floor(record.created_at) * 1000)
            case "LAST_MODIFIED_TIME":
                return self._compile_modified_time(node.arguments)
            case "NOW":
                return _Constant(Moment(self._now))
            case _:
                return _Constant(start_of_day(self._now))

    def _compile_if(self, arguments: Sequence[Node]) -> Evaluator:
        condition, yes = arguments[:2]
        then = self.compile(yes)
        otherwise = self.compile(arguments[2]) if len(arguments) > 2 else _Constant(None)
        if arguments[2:] and condition == Call("ISERROR", (arguments[2],)):
            # IF(ISERROR(E), A, E), what the connector sends: E is evaluated once.
            def evaluate_unless_error(record: Record) -> Value:
                value = otherwise(record)
                return then(record) if value is ERROR else value

            return evaluate_unless_error
        chooses = self.compile(condition)

        def evaluate(record: Record) -> Value:
            value = chooses(record)
            if value is ERROR:
                return ERROR
            return then(record) if is_true(value) else otherwise(record)

        return evaluate

    def _compile_and(self, arguments: Sequence[Node]) -> Evaluator:
        parts = [self.compile(argument) for argument in arguments]

        def evaluate(record: Record) -> Value:
            is_met = True
            for part in parts:
                value = part(record)
                # The stricter reading: an error counts, whatever stands before it.
                if value is ERROR:
                    return ERROR
                is_met = is_met and is_true(value)
            return is_met

        return evaluate

    def _compile_or(self, arguments: Sequence[Node]) -> Evaluator:
        wanted = [_wanted_record_id(argument) for argument in arguments]
        if None not in wanted:
            # OR(RECORD_ID()='rec…', …) of many ids: one look instead of a comparison for each.
            ids = frozenset(wanted)
            return lambda record: record.id in ids
        parts = [self.compile(argument) for argument in arguments]

        def evaluate(record: Record) -> Value:
            is_met = False
            for part in parts:
                value = part(record)
                if value is ERROR:
                    return ERROR
                is_met = is_met or is_true(value)
            return is_met

        return evaluate

    def _compile_modified_time(self, arguments: Sequence[Node]) -> Evaluator:
        blank = ERROR if self._settings.blank_modified_time == "error" else None
        keeps_milliseconds = self._settings.times_keep_milliseconds
        field_ids = [self._field(argument)["id"] for argument in arguments]

        def evaluate(record: Record) -> Value:
            at = record.cells_modified_at(field_ids) if field_ids else record.modified_at
            if at is None:
                return blank
            return Moment(round(at * 1000) if keeps_milliseconds else floor(at) * 1000)

        return evaluate

    def _field(self, node: Node) -> FieldDict:
        if not isinstance(node, FieldReference):
            raise syntax_error()
        return self._table.field(node.name)


def _wanted_last_characters(node: Node) -> str | None:
    match node:
        case Call(
            ">",
            (
                Call(
                    "FIND",
                    (Call("RIGHT", (Call("RECORD_ID", ()), Literal(1))), Literal(str() as one)),
                ),
                Literal(0),
            ),
        ):
            return one
        case _:
            return None


def _wanted_record_id(node: Node) -> str | None:
    match node:
        case Call("=", (Call("RECORD_ID", ()), Literal(str() as record_id))):
            return record_id
        case _:
            return None
