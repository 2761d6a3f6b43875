"""A server on 127.0.0.1 that answers and refuses as Airtable's Web API does.

From tests: ``SimulatorThread`` (fast) or ``SimulatorProcess``; by hand:
``python -m integration_tests.airtable_simulator --sample``.
"""

from __future__ import annotations

from .admin_client import AdminClient, CommandRefusedError
from .generated_cells import fill_empty_tables
from .process import SimulatorProcess, SimulatorThread
from .sample_base import sample_account
from .synthetic import synthetic_account

__all__ = [
    "AdminClient",
    "CommandRefusedError",
    "SimulatorProcess",
    "SimulatorThread",
    "fill_empty_tables",
    "sample_account",
    "synthetic_account",
]
