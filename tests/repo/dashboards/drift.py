"""The dashboard of drift and spikes: whether what arrives still resembles the reference, and whether anybody looks.

Each instance of the application exports what it owns. A subject that moves is seen twice for a moment, so its gauges
are not added up.
"""

from tests.repo.dashboards.grafana import Dashboard, Panel, Variable

IN = '{stream=~"$stream"}'
OF = '{stream=~"$stream", input=~"$input", key=~"$key"}'
SUBJECT = "{{stream}} {{input}} {{key}}"


def each(metric: str) -> list[tuple[str, str]]:
    """Return a gauge by stream, input and key."""
    return [(f"max by (stream, input, key) ({metric}{OF})", SUBJECT)]


DRIFT = Dashboard(
    "millrace-drift",
    "Millrace: drift and spikes",
    "Whether what arrives still resembles the reference: for those who look after the model and the heads.",
    (
        Variable("stream", "millrace_drift_window_items"),
        Variable("input", 'millrace_drift_window_items{stream=~"$stream"}'),
        Variable("key", 'millrace_drift_window_items{stream=~"$stream", input=~"$input"}'),
    ),
    {
        "Now": (
            Panel(
                "Answer of the last window",
                "drift alone is no alert: two windows in a row are. too_few and no_reference mean that nothing was judged.",
                "short",
                [(f"max by (stream, input, key, answer) (millrace_drift_answer{OF}) == 1", "")],
                kind="table",
                width=12,
            ),
            Panel(
                "Alerting",
                "1 while the last two windows raise an alert. The message on drift.alerts names the cause.",
                "short",
                each("millrace_drift_alerting"),
                (0.5, 1),
                kind="stat",
                width=6,
            ),
            Panel(
                "Open spikes",
                "Problems that several customers have had within minutes.",
                "short",
                [(f"sum by (stream) (millrace_spikes_open{IN})", "{{stream}}")],
                (1, 3),
                kind="stat",
                width=6,
            ),
        ),
        "Windows": (
            Panel(
                "Effect",
                "Share of the items that would have to change to undo the drift. Below the gate it raises no alert.",
                "percentunit",
                each("millrace_drift_effect_ratio"),
                (0.05, 0.15),
            ),
            Panel(
                "p-value",
                "Probability of such a window without drift, beside the level below which it counts as drift.",
                "short",
                [*each("millrace_drift_p_value"), ("max(millrace_drift_level)", "level")],
            ),
            Panel(
                "Outliers",
                "Share of items beyond the reference's 99th percentile: 1 % is usual.",
                "percentunit",
                each("millrace_drift_outlier_ratio"),
                (0.03, 0.1),
            ),
            Panel(
                "Decisions that people replaced",
                "Share of the judged decisions. Drift while this stays as it was is drift without harm.",
                "percentunit",
                each("millrace_drift_override_ratio"),
            ),
            Panel(
                "Windows closed by answer",
                "Closed in a day.",
                "short",
                [
                    (
                        f"sum by (stream, input, key, answer) (increase(millrace_drift_windows_total{OF}[1d]))",
                        SUBJECT + " {{answer}}",
                    )
                ],
            ),
            Panel(
                "Spikes and alerts in a day",
                "What was published.",
                "short",
                [
                    (f"sum by (stream) (increase(millrace_spikes_total{IN}[1d]))", "spikes {{stream}}"),
                    (
                        f"sum by (stream, input, key) (increase(millrace_drift_alerts_total{OF}[1d]))",
                        "alerts " + SUBJECT,
                    ),
                ],
            ),
        ),
        "Whether anybody looks": (
            Panel(
                "Items in the open window",
                "It closes at the first full hour with at least 500.",
                "short",
                each("millrace_drift_window_items"),
            ),
            Panel(
                "Age of the open window",
                "Time since its first batch.",
                "s",
                [
                    (
                        f"time() - max by (stream, input, key) (millrace_drift_window_start_timestamp_seconds{OF})",
                        SUBJECT,
                    )
                ],
                (86_400, 604_800),
            ),
            Panel(
                "Time since a window was closed",
                "Nothing is judged in between.",
                "s",
                [
                    (
                        f"time() - max by (stream, input, key) (millrace_drift_last_window_timestamp_seconds{OF})",
                        SUBJECT,
                    )
                ],
                (86_400, 604_800),
            ),
            Panel(
                "Age of the newest batch",
                "Time since the newest live batch that was read had been settled.",
                "s",
                [(f"time() - max by (stream) (millrace_drift_last_batch_timestamp_seconds{IN})", "{{stream}}")],
                (600, 1_800),
            ),
            Panel(
                "Items left out",
                "Replayed and backfilled items, which are not judged.",
                "short",
                [
                    (
                        f"sum by (stream, traffic) (increase(millrace_drift_left_out_items_total{IN}[1h]))",
                        "{{stream}} {{traffic}}",
                    )
                ],
            ),
            Panel(
                "Messages that cannot be read",
                "Skipped in an hour.",
                "short",
                [("sum by (topic) (increase(millrace_drift_unreadable_messages_total[1h]))", "{{topic}}")],
                (1,),
            ),
            Panel(
                "Age of the reference",
                "Time since it was built.",
                "s",
                each("millrace_drift_reference_age_seconds"),
                (7_776_000, 15_552_000),
            ),
            Panel(
                "The application itself",
                "1 while an instance reads batches.",
                "short",
                [("max by (instance) (millrace_drift_up)", "{{instance}}")],
                (0.99, 0.5),
            ),
        ),
    },
)
