"""The dashboard of lag: how far each group is behind, and where that leads."""

from tests.repo.dashboards.grafana import Dashboard, Panel, Variable

OF = '{group=~"$group", topic=~"$topic"}'
LAG = Dashboard(
    "millrace-lag",
    "Millrace: lag",
    "How far each group is behind, from Kafka itself: right when every worker is dead.",
    (
        Variable("group", "kafka_consumergroup_group_topic_sum_lag"),
        Variable("topic", 'kafka_consumergroup_group_topic_sum_lag{group=~"$group"}'),
    ),
    {
        "Now": (
            Panel(
                "Partitions by state",
                "States other than caught_up and behind need a look: docs/runbooks.md.",
                "short",
                [(f"sum by (group, topic, state) (millrace_lag_partitions{OF}) > 0", "")],
                kind="table",
                width=12,
            ),
            Panel(
                "Members",
                "Members of each group; 0 with unread messages means that nobody reads.",
                "short",
                [('max by (group) (kafka_consumergroup_members{group=~"$group"})', "{{group}}")],
                width=12,
            ),
        ),
        "How far behind": (
            Panel(
                "Unread messages",
                "By group and topic.",
                "short",
                [(f"max by (group, topic) (kafka_consumergroup_group_topic_sum_lag{OF})", "{{group}} {{topic}}")],
            ),
            Panel(
                "Age of the oldest unread message",
                "Time since the first message that is not read was written.",
                "s",
                [(f"max by (group, topic) (kafka_consumergroup_group_lag_seconds{OF})", "{{group}} {{topic}}")],
                (60, 600),
            ),
            Panel(
                "Unread messages by partition",
                "The ten partitions with the most: a single high one is a slow or poisoned partition.",
                "short",
                [(f"topk(10, kafka_consumergroup_group_lag{OF})", "{{group}} {{topic}}/{{partition}}")],
            ),
        ),
        "Where it leads": (
            Panel(
                "Written and read",
                "Messages per second into the topics, and out of them by group.",
                "reqps",
                [
                    ('sum by (topic) (millrace_lag_produced_records_per_second{topic=~"$topic"})', "into {{topic}}"),
                    (
                        f"sum by (group, topic) (millrace_lag_consumed_records_per_second{OF})",
                        "{{group}} from {{topic}}",
                    ),
                ],
            ),
            Panel(
                "Time to drain",
                "Time until all is read, at the present rates; absent while the group falls further behind.",
                "s",
                [(f"max by (group, topic) (millrace_lag_drain_seconds{OF}) < Inf", "{{group}} {{topic}}")],
                (3_600, 21_600),
            ),
            Panel(
                "Retention used",
                "Age of the oldest unread message as a share of the retention time. At 1, Kafka deletes unread messages.",
                "percentunit",
                [(f"max by (group, topic) (millrace_lag_retention_used_ratio{OF})", "{{group}} {{topic}}")],
                (0.5, 0.8),
            ),
            Panel(
                "Time to expiry",
                "Least time until an unread message may be deleted; absent if all are read.",
                "s",
                [(f"min by (group, topic) (millrace_lag_expiry_seconds{OF}) < Inf", "{{group}} {{topic}}")],
                (86_400, 21_600),
            ),
            Panel(
                "Offsets lost",
                "Offsets that were deleted before a group read them.",
                "short",
                [(f"max by (group, topic) (millrace_lag_lost_offsets{OF})", "{{group}} {{topic}}")],
                (1,),
            ),
            Panel(
                "The exporter itself",
                "Time that a measurement takes. Where the line ends, the brokers could not be reached.",
                "ms",
                [("kafka_consumergroup_poll_time_ms and on (cluster_name) millrace_lag_up == 1", "{{cluster_name}}")],
                (2_000, 5_000),
            ),
        ),
    },
)
