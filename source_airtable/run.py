"""The console entry: `source-airtable spec|check|discover|read`."""

from __future__ import annotations

import gc
import sys

from airbyte_cdk.entrypoint import launch

from source_airtable.source import SourceAirtable


def run() -> None:
    """Run the command of the command line and end with its exit code."""
    # What is imported by now stays; without it, the collector would walk over all of it again and
    # again during a read, which costs a sixth of the CPU time of the whole sync.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    launch(SourceAirtable(), sys.argv[1:])


if __name__ == "__main__":
    run()
