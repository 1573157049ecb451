"""The metrics of the drift application, computed when they are read; those of its own partitions only."""

from shared.metrics.metric import STREAM, Metric

NONE: tuple[str, ...] = ()
SUBJECT = ("stream", "input", "key")
READ_TOPIC = ("topic",)

DRIFT_METRICS = (
    Metric("millrace_drift_up", "gauge", "1 while the drift application reads batches.", (), (), NONE),
    Metric("millrace_drift_level", "gauge", "Level of significance at which single windows are judged.", (), (), NONE),
    Metric(
        "millrace_drift_last_batch_timestamp_seconds",
        "gauge",
        "Unix time at which the newest batch that was read had been settled.",
        (),
        (),
        STREAM,
    ),
    Metric(
        "millrace_drift_left_out_items_total",
        "counter",
        "Items left out since the start: replayed, backfilled, or of another reference than this application has.",
        ("traffic",),
        (),
        STREAM,
    ),
    Metric(
        "millrace_drift_judging_failures_total",
        "counter",
        "Windows, batches and outliers whose judging failed, since the start; the log has the error.",
        (),
        (),
        STREAM,
    ),
    Metric(
        "millrace_drift_unreadable_messages_total",
        "counter",
        "Messages skipped because they cannot be read, since the start.",
        (),
        (),
        READ_TOPIC,
    ),
    Metric("millrace_drift_window_items", "gauge", "Items in the open window.", (), (), SUBJECT),
    Metric(
        "millrace_drift_window_start_timestamp_seconds",
        "gauge",
        "Unix time at which the open window began.",
        (),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_last_window_timestamp_seconds",
        "gauge",
        "Unix time at which the last closed window ended.",
        (),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_windows_total",
        "counter",
        "Windows closed since the start, by answer.",
        ("answer",),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_answer",
        "gauge",
        "1 for the answer of the last closed window: no_drift, drift, too_few or no_reference.",
        ("answer",),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_p_value",
        "gauge",
        "Probability of the last judged window, or of one further from the reference, without drift.",
        (),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_effect_ratio",
        "gauge",
        "Share of the last window's items that would have to change to undo its drift.",
        (),
        (),
        SUBJECT,
    ),
    Metric("millrace_drift_alerting", "gauge", "1 while the last two windows raise an alert.", (), (), SUBJECT),
    Metric("millrace_drift_alerts_total", "counter", "Alerts raised since the start.", (), (), SUBJECT),
    Metric(
        "millrace_drift_outlier_ratio",
        "gauge",
        "Share of the last window's items beyond the reference's 99th percentile.",
        (),
        (),
        SUBJECT,
    ),
    Metric(
        "millrace_drift_override_ratio",
        "gauge",
        "Share of the judged decisions of the last window that people replaced.",
        (),
        (),
        SUBJECT,
    ),
    Metric("millrace_drift_reference_age_seconds", "gauge", "Age of the reference.", (), (), SUBJECT),
    Metric("millrace_spikes_open", "gauge", "Open spikes.", (), (), STREAM),
    Metric("millrace_spikes_total", "counter", "Spikes opened since the start.", (), (), STREAM),
)
