"""Sends its process SIGTERM when that begins to import the CDK, which takes a second.

Tests copy it as ``sitecustomize.py`` into a folder of PYTHONPATH: Python imports that by itself.
"""

from __future__ import annotations

import os
import signal
import sys


class SignalAtImport:
    """Finds no module, but sees which ones are looked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Send the signal before the CDK is found by somebody else."""
        if name == "airbyte_cdk":
            os.kill(os.getpid(), signal.SIGTERM)


sys.meta_path.insert(0, SignalAtImport())
