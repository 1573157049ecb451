"""The settings of the watch for drift and spikes."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from shared.settings_part import Part


class DriftSettings(Part):
    """What workers publish for the watch for drift, and how `millrace run drift` judges it (docs/drift.md)."""

    sums: bool = Field(
        default=True,
        description="Whether workers publish the sums of their batches and their outliers. They cost a worker about one "
        "percent; without them `millrace run drift` sees nothing.",
    )
    references: Path = Field(
        default=Path(".millrace/references"),
        description="Folder of the references that `millrace drift reference build` writes. Workers and the drift "
        "application need the same files: mount or copy them; a changed file is noticed within a minute.",
    )
    keyed_by: Literal["none", "tenant", "queue"] = Field(
        default="none",
        description="Whether items are judged all together, or by tenant or by queue for the few names in `keys`. Choose "
        "what somebody would act on; each key has windows and a reference of its own, so it needs 500 items in a few "
        "hours.",
    )
    keys: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="The tenants or queues that are judged by name, as a JSON array; the others are judged together. "
        "Each adds 2 to 4 KB to the sums of a batch.",
    )
    live_within_s: float = Field(
        default=86_400,
        gt=0,
        le=315_360_000,
        description="An event that happened longer ago counts as backfilled, and is left out. Choose more than the longest "
        "outage that is worked off.",
    )
    false_alarms_per_month: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="How many false alarms of drift are accepted in a month of the whole application, all streams and keys "
        "together. Fewer find small changes later; docs/drift.md has figures.",
    )
    effect_gate: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="The least effect that raises an alert: the share of items that would have to change to undo the "
        "drift. In large windows, smaller changes are significant too, but nobody would act on them.",
    )
    spike_window_s: float = Field(
        default=900,
        ge=60,
        le=3_600,
        description="Time within which several customers must have the same new problem; a spike without a new item for "
        "this long is closed.",
    )
    spike_customers: int = Field(
        default=3, ge=2, le=100, description="The least number of customers with the same new problem that is a spike."
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> "DriftSettings":
        if (self.keyed_by == "none") != (not self.keys):
            raise ValueError("MILLRACE_DRIFT__KEYED_BY=tenant or queue must be used together with MILLRACE_DRIFT__KEYS")
        return self
