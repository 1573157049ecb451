"""The settings of the metrics."""

from pydantic import Field

from shared.settings_part import Part


class MetricsSettings(Part):
    """Which names are labels of metrics. Each name adds series to every scrape; what is not named is `other`."""

    named: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="How many queues and how many labels metrics name: those that stand first in the policy. Choose the "
        "number of queues that somebody watches.",
    )
    tenants: tuple[str, ...] = Field(
        default=(),
        max_length=100,
        description="Tenants whose decisions are counted by name, as a JSON array. Choose the few that have an agreement "
        "of their own; their names can be read by everybody who reads the metrics.",
    )
