"""Planned faults: which calls fail, how often, and how.

Shape: ``{"match": {"kind": "list_records", "page": 2}, "times": 1, "action": {"kind": "status",
"status": 503}}``; the keys of ``match`` are optional, ``times`` null means every time.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

from .answers import Answer, Damage
from .errors import default_body
from .wire import to_json

MATCH_KEYS: Final = frozenset({"kind", "base", "table", "record", "page", "nth"})
ACTIONS: Final = frozenset(
    {
        "cut_body",
        "delay",
        "duplicate_record",
        "empty_body",
        "empty_page",
        "expire_iterator",
        "hold",
        "html",
        "invalid_utf8",
        "lone_surrogate",
        "malformed",
        "one_of",
        "repeat_offset",
        "reset",
        "short_page",
        "stall",
        "status",
        "truncated_json",
    }
)
NO_FAULT: Final[dict[str, Any]] = {}
HTML: Final = b"<html><head><title>%d</title></head><body>upstream gateway</body></html>"


@dataclass(frozen=True, slots=True)
class Call:
    """What a rule can match. Bases and tables match by id and by name."""

    kind: str
    base: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    page: int = 1
    record: str | None = None
    """The attachment's id for ``get_file``, and the webhook's id for calls to a webhook."""


@dataclass(slots=True)
class Rule:
    """One planned fault and its counts."""

    id: int
    match: dict[str, Any]
    action: dict[str, Any]
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    matched: int = 0
    applied: int = 0
    luck: random.Random = field(default_factory=random.Random)

    def takes(self, call: Call) -> bool:
        """Whether the rule applies to this call. Counts calls that match."""
        match = self.match
        if (
            match.get("kind", call.kind) != call.kind
            or match.get("page", call.page) != call.page
            or match.get("record", call.record) != call.record
            or ("base" in match and match["base"] not in call.base)
            or ("table" in match and match["table"] not in call.table)
        ):
            return False
        self.matched += 1
        if self.matched < match.get("nth", 1):
            return False
        if self.times is not None and self.applied >= self.times:
            return False
        if self.probability < 1.0 and self.luck.random() >= self.probability:
            return False
        self.applied += 1
        return True

    def chosen_action(self) -> dict[str, Any]:
        """The action. For ``one_of`` it is drawn from several."""
        if self.action["kind"] != "one_of":
            return self.action
        drawn: dict[str, Any] = self.luck.choice(self.action["actions"])
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """The rule as the commands show it."""
        names = ("id", "match", "action", "times", "probability", "seed", "matched", "applied")
        return {name: getattr(self, name) for name in names}


class Faults:
    """All rules. The first one that takes a call applies."""

    def __init__(self) -> None:
        """Start with no rule."""
        self.rules: list[Rule] = []
        self.released = asyncio.Event()
        """Held answers wait for this event."""
        self._made = 0

    def plan(self, given: dict[str, Any]) -> Rule:
        """Add a rule and return it with its id."""
        unknown = given.keys() - {"match", "action", "times", "probability", "seed"}
        match = given.get("match") or {}
        unknown |= match.keys() - MATCH_KEYS
        if unknown:
            raise ValueError(f"a fault has no {sorted(unknown)}")
        action = given["action"]
        for one in [action, *action.get("actions", ())]:
            if one.get("kind") not in ACTIONS:
                raise ValueError(f"no such action: {one.get('kind')}")
        self._made += 1
        rule = Rule(
            id=self._made,
            match=match,
            action=action,
            times=given.get("times", 1),
            probability=given.get("probability", 1.0),
            seed=given.get("seed", 0),
        )
        rule.luck.seed(rule.seed)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Drop all rules and send the held answers."""
        self.rules.clear()
        self.release()

    def release(self) -> None:
        """Send the held answers."""
        self.released.set()
        self.released = asyncio.Event()

    def action_for(self, call: Call) -> dict[str, Any]:
        """The action for a call, or an empty one."""
        for rule in self.rules:
            if rule.takes(call):
                return rule.chosen_action()
        return NO_FAULT


def answer_instead(action: dict[str, Any]) -> Answer | None:
    """The answer of a fault that replaces the endpoint's answer."""
    kind = action.get("kind")
    if kind == "reset":
        return Answer(damage=Damage(is_reset=True))
    if kind == "empty_body":
        return Answer(status=int(action.get("status", 200)))
    if kind == "html":
        status = int(action.get("status", 502))
        return Answer(status=status, body=HTML % status, content_type="text/html")
    if kind == "status":
        status = int(action["status"])
        body = action.get("body", default_body(status))
        sent = body.encode() if isinstance(body, str) else to_json(body)
        return Answer(status=status, body=sent, headers=dict(action.get("headers") or {}))
    return None


def damage_answer(answer: Answer, action: dict[str, Any], released: asyncio.Event) -> None:
    """Damage an answer's body, or the way it is sent."""
    kind = action.get("kind")
    seconds = float(action.get("seconds", 0))
    if kind == "delay":
        answer.damage = Damage(delay_seconds=seconds)
    elif kind == "hold":
        answer.damage = Damage(held_until=released)
    elif kind == "stall":
        answer.damage = Damage(stall_seconds=seconds)
    elif kind == "cut_body":
        answer.damage = Damage(is_cut=True)
    elif kind == "truncated_json":
        answer.body = answer.body[: len(answer.body) // 2]
    elif kind == "malformed":
        answer.body = to_json(action.get("body", {"offset": None}))
    elif kind == "invalid_utf8":
        answer.body = _mark_text(answer.body, b"\xff\xfe", action.get("field"))
    elif kind == "lone_surrogate":
        answer.body = _mark_text(answer.body, rb"\ud83d", action.get("field"))


def _mark_text(body: bytes, mark: bytes, field_key: str | None) -> bytes:
    """Append raw bytes to the first text cell, or to the first name where there are no records."""
    if not body:
        return mark
    marker = "MARKED-HERE"
    answer = json.loads(body)  # keeps lone surrogates, unlike orjson
    holders = [record.get("fields", {}) for record in answer.get("records", ())]
    holders += answer.get("bases", [])[:1] + answer.get("tables", [])[:1]
    for holder in holders:
        keys = ["name"] if "name" in holder and "id" in holder else list(holder)
        for key in keys:
            if isinstance(holder[key], str) and field_key in (None, key):
                holder[key] += marker
                return to_json(answer).replace(marker.encode(), mark, 1)
    answer["note"] = marker
    return to_json(answer).replace(marker.encode(), mark, 1)
