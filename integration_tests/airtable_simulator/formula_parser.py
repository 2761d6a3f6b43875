"""The text of a formula to a tree: a tokenizer, and a parser by precedence.

Operators are calls too, named by their symbol: ``1 + 2`` -> ``Call("+", (1, 2))``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from .errors import invalid_formula

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .errors import Refusal

KEPT_TREES: Final = 64
DEEPEST: Final = 100
"""Levels of a tree, and of brackets; far below where Python's own stack ends."""
PRECEDENCE: Final = {
    **dict.fromkeys(("=", "!=", ">", ">=", "<", "<="), 1),
    "&": 2,
    **dict.fromkeys(("+", "-"), 3),
    **dict.fromkeys(("*", "/"), 4),
}
TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number> [0-9]+(?:\.[0-9]+)? | \.[0-9]+ )
      | (?P<text> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )
      | \{ (?P<field> (?:[^}\\]|\\.)* ) \}
      | (?P<word> [^\W\d]\w* )
      | (?P<symbol> != | >= | <= | [=<>+\-*/&(),] )
      | (?P<end> \Z )
    )""",
    re.DOTALL | re.VERBOSE,
)
ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a number."""

    value: str | float
    depth: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class FieldReference:
    """A field by name or id; ``{Name}``, and ``Name`` where it is one word."""

    name: str
    depth: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator with its arguments; function names are in capitals."""

    name: str
    arguments: tuple[Node, ...]
    depth: int = field(default=1, compare=False)


Node: TypeAlias = Literal | FieldReference | Call


class Token(NamedTuple):
    """One word of a formula."""

    kind: str
    text: str


def syntax_error() -> Refusal:
    """The refusal of a formula that is none."""
    return invalid_formula("Invalid formula. Please check your formula text.")


@lru_cache(KEPT_TREES)
def parse_formula(formula: str) -> Node:
    """The tree of a formula.

    Raises: ``Refusal`` 422 INVALID_FILTER_BY_FORMULA when it is none.
    """
    return _Parser(formula).parse()


def field_names(node: Node) -> Iterator[str]:
    """The fields that a formula names, in its order."""
    if isinstance(node, FieldReference):
        yield node.name
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from field_names(argument)


def _tokens(formula: str) -> Iterator[Token]:
    position = 0
    while True:
        found = TOKEN.match(formula, position)
        if found is None or found.lastgroup is None:
            raise syntax_error()
        yield Token(found.lastgroup, found[found.lastgroup])
        if found.lastgroup == "end":
            return
        position = found.end()


def _call(name: str, *arguments: Node) -> Call:
    depth = 1 + max((argument.depth for argument in arguments), default=0)
    if depth > DEEPEST:
        raise syntax_error()
    return Call(name, arguments, depth)


def _unescape(quoted: str) -> str:
    return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[1]), quoted[1:-1])


class _Parser:
    def __init__(self, formula: str) -> None:
        self._tokens = _tokens(formula)
        self._token = next(self._tokens)
        self._nesting = 0

    def parse(self) -> Node:
        node = self._parse_expression(1)
        if self._token.kind != "end":
            raise syntax_error()
        return node

    def _next(self) -> Token:
        taken = self._token
        if taken.kind != "end":
            self._token = next(self._tokens)
        return taken

    def _takes(self, symbol: str) -> bool:
        if self._token != ("symbol", symbol):
            return False
        self._next()
        return True

    def _parse_expression(self, least_precedence: int) -> Node:
        self._nesting += 1
        if self._nesting > DEEPEST:
            raise syntax_error()
        node = self._parse_operand()
        while self._token.kind == "symbol":
            precedence = PRECEDENCE.get(self._token.text, 0)
            if precedence < least_precedence:
                break
            operator = self._next().text
            node = _call(operator, node, self._parse_expression(precedence + 1))
        self._nesting -= 1
        return node

    def _parse_operand(self) -> Node:  # noqa: PLR0911 - one return for each kind
        kind, text = self._next()
        match kind:
            case "number":
                return Literal(float(text))
            case "text":
                return Literal(_unescape(text))
            case "field":
                return FieldReference(text.replace(r"\}", "}"))
            case "word" if self._takes("("):
                return _call(text.upper(), *self._parse_arguments())
            case "word":
                return FieldReference(text)
            case "symbol" if text == "(":
                node = self._parse_expression(1)
                if not self._takes(")"):
                    raise syntax_error()
                return node
            case "symbol" if text == "-":
                # Binds closer than any operator between two operands.
                return _call(
                    "-", Literal(0.0), self._parse_expression(max(PRECEDENCE.values()) + 1)
                )
            case _:
                raise syntax_error()

    def _parse_arguments(self) -> list[Node]:
        if self._takes(")"):
            return []
        arguments = [self._parse_expression(1)]
        while self._takes(","):
            arguments.append(self._parse_expression(1))
        if not self._takes(")"):
            raise syntax_error()
        return arguments
