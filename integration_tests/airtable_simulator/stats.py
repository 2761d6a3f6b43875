"""Statistics of the requests, for tests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

KEPT_CALLS: Final = 1000


@dataclass(slots=True)
class Stats:
    """Counts since the start or the last reset. Commands are not counted."""

    by_kind: Counter[str] = field(default_factory=Counter)
    by_base: Counter[str] = field(default_factory=Counter)
    by_table: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: ``base_limit``, ``token_limit``, ``quota``, ``unauthenticated``."""
    renewals: Counter[str] = field(default_factory=Counter)
    """OAuth renewals: ``granted``, or the error of the refusal."""
    files: Counter[str] = field(default_factory=Counter)
    """Requests for files by outcome: ``sent``, ``expired`` or ``unknown``.

    A planned status has no outcome. ``with_authorization`` counts requests that show a token.
    """
    by_file: Counter[str] = field(default_factory=Counter)
    """Requests for files, by the attachment's id."""
    faults: Counter[str] = field(default_factory=Counter)
    ignored_parameters: Counter[str] = field(default_factory=Counter)
    last_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    in_flight: int = 0
    most_in_flight: int = 0
    bytes_sent: int = 0

    def begin(self, call: dict[str, Any]) -> None:
        """Count a call at its arrival."""
        self.last_calls.append(call)
        self.by_kind[call["kind"]] += 1
        if call.get("base"):
            self.by_base[call["base"]] += 1
        if call["kind"] == "list_records" and call.get("table"):
            self.by_table[f"{call['base']}/{call['table']}"] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def note_file(self, attachment_id: str | None, *, has_authorization: bool) -> None:
        """Count a request for a file, whatever its answer."""
        self.by_file[attachment_id or ""] += 1
        self.files["with_authorization"] += has_authorization

    def end(self, call: dict[str, Any], status: int, size: int) -> None:
        """Count the answer to a call."""
        call["status"] = status
        self.by_status[status] += 1
        self.bytes_sent += size
        self.in_flight -= 1

    def to_dict(self, last: int) -> dict[str, Any]:
        """The counts as JSON, with the last calls, oldest first."""
        return {
            "calls": self.by_kind.total(),
            "by_kind": dict(self.by_kind),
            "by_base": dict(self.by_base),
            "by_table": dict(self.by_table),
            "by_status": {str(status): count for status, count in self.by_status.items()},
            "served_429": self.by_status[429],
            "refused": dict(self.refused),
            "renewals": dict(self.renewals),
            "files": dict(self.files),
            "by_file": dict(self.by_file),
            "faults": dict(self.faults),
            "ignored_parameters": dict(self.ignored_parameters),
            "most_in_flight": self.most_in_flight,
            "bytes_sent": self.bytes_sent,
            "last_calls": list(self.last_calls)[-last:] if last else [],
        }
