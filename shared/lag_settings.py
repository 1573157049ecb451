"""The settings of the measurement of lag: how often, of which groups and topics, and when a group counts as stuck."""

from pydantic import Field

from shared.settings_part import Part


class LagSettings(Part):
    """How `millrace run lag` and `millrace lag` measure the lag of consumer groups."""

    interval_s: float = Field(
        default=10,
        ge=1,
        le=60,
        description="Time between two looks. Well below `stuck_after_s`, and not above the scrape interval; a look costs "
        "a few requests, and one for each group.",
    )
    groups: str = Field(
        default="*",
        description="Patterns of group names, separated by commas, such as `millrace-*,billing`. `*`: each group that "
        "reads one of the topics. Name fewer if the cluster has hundreds of groups.",
    )
    topics: str = Field(
        default="",
        description="Patterns of topic names, separated by commas, such as `tickets*,orders`. Empty: the topics of "
        "Millrace's streams. Each partition that a group reads has three series.",
    )
    stuck_after_s: float = Field(
        default=120,
        gt=0,
        description="A group whose commit has stood still for this long while records wait is stuck. Choose more than "
        "its slowest batch and the time between its commits.",
    )
    timeout_s: float = Field(
        default=10,
        ge=1,
        le=60,
        description="How long the brokers may take for one request, and reading first records for one look; more for "
        "distant brokers.",
    )
    cluster_name: str = Field(
        default="kafka",
        min_length=1,
        description="The label `cluster_name` of all these metrics; a different one for each cluster that one Prometheus "
        "watches.",
    )

    @property
    def group_patterns(self) -> tuple[str, ...]:
        """The patterns of group names."""
        return patterns_of(self.groups)

    @property
    def topic_patterns(self) -> tuple[str, ...]:
        """The patterns of topic names; empty for those of Millrace's streams."""
        return patterns_of(self.topics)


def patterns_of(text: str) -> tuple[str, ...]:
    """Return the patterns that a text names, separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())
