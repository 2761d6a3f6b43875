"""What happens to an account between two incremental syncs, of which the second is measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.tokens import READ_SCOPES
from scripts.bench_process import CONSOLE_SCRIPT, LONGEST_RUN_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.airtable_simulator.process import SimulatorProcess

SCOPES: Final = (*READ_SCOPES, "webhook:manage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How many records of the first table change, and how an incremental sync finds them."""

    method: str
    edited: int = 0
    created: int = 0
    deleted: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The source's settings for it; a sweep lists the ids in every sync."""
        incremental = {"method": self.method, "detect_deletions": True, "deletion_sweep_hours": 0}
        return {"incremental": incremental}


def allow_webhooks(simulator: SimulatorProcess, base_id: str) -> None:
    """Let the token make webhooks in a base."""
    simulator.admin.set_token_scopes(*SCOPES)
    simulator.admin.set_permission_level(base_id, "create")


def sync_first(arguments: list[str], environment: dict[str, str], state: Path) -> None:
    """Make the sync before, and keep its states."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*CONSOLE_SCRIPT, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        timeout=LONGEST_RUN_SECONDS,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(b'{"type":"STATE"')]
    state.write_text(json.dumps([json.loads(line)["state"] for line in lines]), encoding="utf-8")


def make(changes: Changes, simulator: SimulatorProcess, base_id: str, table_id: str) -> None:
    """Edit, create and delete records of a table."""
    admin = simulator.admin
    records = admin.dump(base_id, table_id)
    ids = [record["id"] for record in records[: changes.edited + changes.deleted]]
    name = next(iter(records[0]["fields"]))
    admin.edit_records(base_id, table_id, {one: {name: "edited"} for one in ids[: changes.edited]})
    admin.create_records(base_id, table_id, [{"fields": {name: "new"}}] * changes.created)
    admin.delete_records(base_id, table_id, ids[changes.edited :])
