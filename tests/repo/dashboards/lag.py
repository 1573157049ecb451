"""The dashboard of lag: how far each group is behind, and where that leads.

It shows one cluster at a time. Two exporters may measure the same cluster, so no query adds their series up.
"""

from tests.repo.dashboards.grafana import Dashboard, Panel, Variable

IN_CLUSTER = '{cluster_name="$cluster_name", group=~"$group"}'
OF = '{cluster_name="$cluster_name", group=~"$group", topic=~"$topic"}'
LAG = Dashboard(
    "millrace-lag",
    "Millrace: lag",
    "How far each group is behind, from Kafka itself: right when every worker is dead.",
    (
        Variable("cluster_name", "millrace_lag_up", many=False),
        Variable("group", 'kafka_consumergroup_group_topic_sum_lag{cluster_name="$cluster_name"}'),
        Variable("topic", f"kafka_consumergroup_group_topic_sum_lag{IN_CLUSTER}"),
    ),
    {
        "Now": (
            Panel(
                "Partitions by state",
                "States other than caught_up and behind need a look: docs/runbooks.md.",
                "short",
                [(f"max by (group, topic, state) (millrace_lag_partitions{OF}) > 0", "")],
                kind="table",
                width=12,
            ),
            Panel(
                "Members",
                "Members of each group; 0 with unread messages means that nobody reads.",
                "short",
                [
                    (
                        'max by (group) (kafka_consumergroup_members{cluster_name="$cluster_name", group=~"$group"})',
                        "{{group}}",
                    )
                ],
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
                [
                    (
                        f"topk(10, max by (group, topic, partition) (kafka_consumergroup_group_lag{OF}))",
                        "{{group}} {{topic}}/{{partition}}",
                    )
                ],
            ),
        ),
        "Where it leads": (
            Panel(
                "Written and read",
                "Messages per second into the topics, and out of them by group.",
                "reqps",
                [
                    (
                        "max by (topic) (millrace_lag_produced_records_per_second"
                        '{cluster_name="$cluster_name", topic=~"$topic"})',
                        "into {{topic}}",
                    ),
                    (
                        f"max by (group, topic) (millrace_lag_consumed_records_per_second{OF})",
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
                [
                    (
                        'kafka_consumergroup_poll_time_ms{cluster_name="$cluster_name"}'
                        " and on (cluster_name, instance) millrace_lag_up == 1",
                        "{{instance}}",
                    )
                ],
                (2_000, 5_000),
            ),
        ),
    },
)
