"""The sample pictures of the demo: their rows, their files, and the whole events that the demo sends of them."""

from collections.abc import Mapping
from typing import Any

from millrace.demo.products import event_of
from millrace.demo.sample_files import rows_of
from tests.support.sources import ROOT

FOLDER = ROOT / "millrace" / "demo" / "samples"
ROWS = rows_of("products.jsonl")


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a row, with the fields that the demo adds to every event."""
    constant = {"schema_version": 1, "event_id": row["image_id"], "tenant_id": "demo", "event_version": 1}
    return constant | event_of(row)
