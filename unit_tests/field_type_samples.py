"""Reads `samples/field_types/*.json`: one file per row of the table of field types.

A file names its `row` and holds `variants`: a `field` as Airtable describes it, the `json_schema`
of its column, what an `absent` cell gives, and `cells`, each with the `value` expected in the
column and, where the cell does not fit, the `error` expected in `_airtable_errors`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAMPLES_DIRECTORY = Path(__file__).parent / "samples" / "field_types"

SAMPLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted(SAMPLES_DIRECTORY.glob("*.json"))
}

VARIANTS: dict[str, dict[str, Any]] = {
    f"{stem}: {variant['case']}": variant
    for stem, sample in SAMPLES.items()
    for variant in sample["variants"]
}

CELLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    f"{name}: {json.dumps(cell['cell'])[:60]}": (variant, cell)
    for name, variant in VARIANTS.items()
    for cell in variant["cells"]
}
