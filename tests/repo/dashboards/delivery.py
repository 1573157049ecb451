"""The dashboard of delivery: what became of the records, and what waits."""

from tests.repo.dashboards.grafana import Dashboard, Panel, Variable

IN = '{stream=~"$stream"}'
DELIVERY = Dashboard(
    "millrace-delivery",
    "Millrace: delivery",
    "What became of the records, and what waits: for those who are on call.",
    (Variable("stream", "millrace_records_total"),),
    {
        "Outcomes": (
            Panel(
                "Records settled by outcome",
                "Every record ends as exactly one of these.",
                "reqps",
                [
                    (
                        f"sum by (stream, outcome) (rate(millrace_records_total{IN}[$__rate_interval]))",
                        "{{stream}} {{outcome}}",
                    )
                ],
                width=12,
            ),
            Panel(
                "Share dead-lettered",
                "Share of the records of the last quarter of an hour.",
                "percentunit",
                [(f"millrace:dead_lettered:ratio_rate15m{IN}", "{{stream}}")],
                (0.01, 0.05),
                width=12,
            ),
        ),
        "What waits": (
            Panel(
                "Dead letters",
                "Dead letters in the queue.",
                "short",
                [(f"max by (stream) (millrace_dead_letters{IN})", "{{stream}}")],
            ),
            Panel(
                "Age of the oldest dead letter",
                "Kafka deletes dead letters after 30 days.",
                "s",
                [(f"max by (stream) (millrace_dead_letters_oldest_age_seconds{IN})", "{{stream}}")],
                (604_800, 2_160_000),
            ),
            Panel(
                "Records in the retry lane",
                "Records that wait until their media can be fetched, by tier.",
                "short",
                [(f"max by (stream, tier) (millrace_retry_records{IN})", "{{stream}} tier {{tier}}")],
            ),
            Panel(
                "Longest wait in the retry lane",
                "Time since the oldest record was put into the tier.",
                "s",
                [(f"max by (stream, tier) (millrace_retry_oldest_age_seconds{IN})", "{{stream}} tier {{tier}}")],
                (3_600, 7_200),
            ),
            Panel(
                "Next retry is due in",
                "Below zero it is overdue: the redrive does not do its work.",
                "s",
                [(f"min by (stream, tier) (millrace_retry_due_in_seconds{IN})", "{{stream}} tier {{tier}}")],
                (-30, -300),
            ),
            Panel(
                "Records redriven",
                "Records per second that the redrive sent back for another attempt.",
                "reqps",
                [
                    (
                        f"sum by (stream, tier) (rate(millrace_redriven_records_total{IN}[$__rate_interval]))",
                        "{{stream}} tier {{tier}}",
                    )
                ],
            ),
            Panel(
                "Records behind an open transaction",
                "Records that no consumer can read until a producer ends its transaction.",
                "short",
                [(f"max by (stream) (millrace_open_transaction_records{IN})", "{{stream}}")],
            ),
            Panel(
                "Age of the oldest record behind an open transaction",
                "How long the producer's transaction has kept a record from being read.",
                "s",
                [(f"max by (stream) (millrace_open_transaction_oldest_age_seconds{IN})", "{{stream}}")],
                (300, 900),
            ),
        ),
        "What went wrong": (
            Panel(
                "Records lost unread",
                "Offsets that Kafka deleted before a worker read them, in the last hour.",
                "short",
                [(f"sum by (stream) (increase(millrace_unread_lost_records_total{IN}[1h]))", "{{stream}}")],
                (1,),
            ),
            Panel(
                "Records abandoned",
                "Records that a worker dropped because another one owns their partition; nothing is lost.",
                "short",
                [(f"sum by (stream) (increase(millrace_abandoned_records_total{IN}[1h]))", "{{stream}}")],
            ),
            Panel(
                "Version conflicts",
                "Records of the last hour whose version is stored with other content.",
                "short",
                [(f"sum by (stream) (increase(millrace_version_conflicts_total{IN}[1h]))", "{{stream}}")],
                (1, 20),
            ),
            Panel(
                "Breaker",
                "1 while the breaker is open: most of the recent records were dead-lettered.",
                "short",
                [('max by (stream) (millrace_paused{stream=~"$stream", dependency="breaker"})', "{{stream}}")],
                (1,),
            ),
            Panel(
                "Paused",
                "Workers that are paused, by what they wait for.",
                "short",
                [(f"sum by (stream, dependency) (millrace_paused{IN})", "{{stream}} {{dependency}}")],
            ),
            Panel(
                "Alias elsewhere",
                "1 while readers search another collection than the one that is written.",
                "short",
                [(f"max by (stream) (millrace_alias_elsewhere{IN})", "{{stream}}")],
                (1,),
            ),
        ),
    },
)
