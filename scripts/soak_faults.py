"""The faults of a soak: one rule for each kind, so that each is counted by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import AdminClient

FAST_CLOCK_FACTOR: Final = 100
PENALTY_SECONDS: Final = 30.0
KINDS: Final[dict[str, dict[str, Any]]] = {
    # The base stays shut for as long as the connector on its fast clock believes it to be.
    "429, with its penalty": {
        "kind": "status",
        "status": 429,
        "penalty_seconds": PENALTY_SECONDS / FAST_CLOCK_FACTOR,
    },
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "HTML of a proxy, 502": {"kind": "html", "status": 502},
    "HTML in the place of JSON, 200": {"kind": "html", "status": 200},
    "connection reset": {"kind": "reset"},
    "body cut off": {"kind": "cut_body"},
    "JSON truncated": {"kind": "truncated_json"},
    "list expired": {"kind": "expire_iterator"},
    "answer late by 0.5 s": {"kind": "delay", "seconds": 0.5},
    "answer pausing for 0.5 s": {"kind": "stall", "seconds": 0.5},
}
EXPIRY: Final = "list expired"


def plan_faults(admin: AdminClient, probability: float, seed: int) -> dict[int, str]:
    """Plan all kinds, equally often and together as often as told; gives the kinds by rule."""
    share = probability / len(KINDS)
    rules = []
    for number, (kind, action) in enumerate(KINDS.items()):
        rules.append(
            {
                "match": {"kind": "list_records"} if kind == EXPIRY else {},
                "action": action,
                "times": None,
                # A rule is asked only where the rules before have let a request through.
                "probability": share / (1 - number * share),
                "seed": seed + number,
            }
        )
    made = admin.call("plan_faults", faults=rules)["faults"]
    return {rule["id"]: kind for rule, kind in zip(made, KINDS, strict=True)}


def count_faults(admin: AdminClient, planned: dict[int, str]) -> dict[str, int]:
    """Count the faults so far, by kind."""
    counts = {planned[rule["id"]]: rule["applied"] for rule in admin.faults()}
    # A first page has no list yet that could expire: what was answered with 422 was one.
    counts[EXPIRY] = admin.stats(last=0)["by_status"].get("422", 0)
    return counts
