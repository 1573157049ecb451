"""The dashboard of everything: is all ready, in time, and without loss?"""

from tests.repo.dashboards.grafana import Dashboard, Panel

OVERVIEW = Dashboard(
    "millrace-overview",
    "Millrace: overview",
    "All streams on one screen: is everything ready, in time, and without loss?",
    (),
    {
        "Now": (
            Panel(
                "Workers that are not ready",
                "Workers that answer and are not ready; /readyz names the reason.",
                "short",
                [("count(millrace_ready == 0) or vector(0)", "")],
                (1, 2),
                "stat",
                4,
            ),
            Panel(
                "Paused",
                "Workers that wait for a dependency, an operator or the breaker.",
                "short",
                [("sum(millrace_paused)", "")],
                (1, 2),
                "stat",
                4,
            ),
            Panel(
                "In time, last 6 hours",
                "Share of results within the objective's limit, of the stream where it is lowest.",
                "percentunit",
                [("1 - max(millrace:late_results:ratio_rate6h)", "")],
                (0.99, 0.94),
                "stat",
                4,
            ),
            Panel(
                "Oldest unread",
                "Age of the oldest message that a group has not read.",
                "s",
                [("max(millrace:age:seconds)", "")],
                (60, 600),
                "stat",
                4,
            ),
            Panel(
                "Dead letters",
                "Dead letters in all queues.",
                "short",
                [("sum(max by (stream) (millrace_dead_letters))", "")],
                (1, 1000),
                "stat",
                4,
            ),
            Panel(
                "Canary",
                "Lowest cosine of a canary input to its stored vector; below 0.999 the model is wrong.",
                "none",
                [("min(millrace_canary_cosine)", "")],
                (0.9995, 0.999),
                "stat",
                4,
            ),
        ),
        "Work": (
            Panel(
                "Records settled",
                "Records per second by outcome, all streams.",
                "reqps",
                [
                    (
                        "sum by (stream, outcome) (rate(millrace_records_total[$__rate_interval]))",
                        "{{stream}} {{outcome}}",
                    )
                ],
            ),
            Panel(
                "Share of results in time",
                "Share within the objective's limit in the last hour; a gap means that there were no results.",
                "percentunit",
                [("1 - millrace:late_results:ratio_rate1h", "{{stream}}")],
                (0.99, 0.86),
            ),
            Panel(
                "Ready workers",
                "Workers that are ready, by stream.",
                "short",
                [("sum by (stream) (millrace_ready)", "{{stream}}")],
            ),
            Panel(
                "Age of the oldest unread message",
                "By group and topic, from Kafka itself: it is right when no worker runs.",
                "s",
                [("millrace:age:seconds", "{{group}} {{topic}}")],
                (60, 600),
            ),
            Panel(
                "Unread messages",
                "By group and topic.",
                "short",
                [("millrace:lag:records", "{{group}} {{topic}}")],
            ),
            Panel(
                "Time paused",
                "Share of the time that a worker was paused, by what it waited for; of the worker that was paused longest.",
                "percentunit",
                [
                    (
                        "max by (stream, dependency) (avg_over_time(millrace_paused[$__rate_interval]))",
                        "{{stream}} {{dependency}}",
                    )
                ],
            ),
        ),
    },
)
