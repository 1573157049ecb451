"""The dashboard of one stream: how fast it is, what it decides, and whether its model and its inputs are sound."""

from tests.repo.dashboards.grafana import Dashboard, Panel, Variable

IN = '{stream="$stream"}'
QUANTILES = (0.5, 0.95, 0.99)


def quantiles(title: str, description: str, unit: str, metric: str, by: str = "") -> Panel:
    """Return a panel with the median and the 95th and 99th percentile of a histogram, by a label or in all."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({labels}) (rate({metric}_bucket{IN}[$__rate_interval]))"
    queries = [(f"histogram_quantile({each}, {rate})", f"{legend}{each:.0%}") for each in QUANTILES]
    return Panel(title, description, unit, queries)


def rates(title: str, description: str, metric: str, by: str, unit: str = "reqps") -> Panel:
    """Return a panel with the rate of a counter, by labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return Panel(title, description, unit, [(f"sum by ({by}) (rate({metric}{IN}[$__rate_interval]))", legend)])


def share(title: str, description: str, part: str, whole: str) -> Panel:
    """Return a panel with a share of two counters; absent while there is nothing to divide by."""
    rate = "sum(rate({}[$__rate_interval]))".format
    return Panel(title, description, "percentunit", [(f"{rate(part)} / ({rate(whole)} > 0)", title.lower())])


SINCE = 'sum by (le) (rate(millrace_result_seconds_bucket{{stream="$stream", since="{}"}}[$__rate_interval]))'
LATENCY = [
    (f"histogram_quantile({each}, {SINCE.format(since)})", f"since {since}, {each:.0%}")
    for since in ("occurred_at", "record", "reading")
    for each in (0.5, 0.99)
]

BUSY = f"avg by (modality) (rate(millrace_model_busy_seconds_total{IN}[$__rate_interval]))"

ONE_STREAM = Dashboard(
    "millrace-stream",
    "Millrace: one stream",
    "How fast a stream is, what it decides, and whether its model and its inputs are sound.",
    (Variable("stream", "millrace_records_total", many=False),),
    {
        "Speed": (
            Panel(
                "Time to a result",
                "From the event's time, from the record's timestamp (the objective), and from its reading by the worker.",
                "s",
                LATENCY,
                (30, 300),
                width=12,
            ),
            Panel(
                "Share in time",
                "Share of results within the objective's limit, over an hour and over six.",
                "percentunit",
                [
                    (f"1 - millrace:late_results:ratio_rate1h{IN}", "1 h"),
                    (f"1 - millrace:late_results:ratio_rate6h{IN}", "6 h"),
                ],
                (0.99, 0.86),
                width=12,
            ),
            quantiles("Stage, per batch", "Wall time of each stage per batch.", "s", "millrace_stage_seconds", "stage"),
            rates(
                "Records by stage",
                "Records per second that each stage processed.",
                "millrace_stage_records_total",
                "stage",
            ),
            rates(
                "CPU by stage",
                "Cores that the process used while a stage ran; other threads are included.",
                "millrace_stage_cpu_seconds_total",
                "stage",
                "short",
            ),
            quantiles(
                "Batch size",
                "Records of a batch: full batches mean that there is more to do.",
                "short",
                "millrace_batch_records",
            ),
            quantiles(
                "Wait for a batch", "Time spent waiting until a batch is full.", "s", "millrace_gather_wait_seconds"
            ),
            Panel(
                "Oldest record of the last batch",
                "Age of the oldest record in the last settled batch. On a quiet stream it grows; it is no lag.",
                "s",
                [(f"time() - min(millrace_last_batch_oldest_timestamp_seconds{IN})", "age")],
            ),
        ),
        "Decisions": (
            rates("Decisions by action", "Results per second.", "millrace_decisions_total", "action"),
            rates("Decisions by reason", "Why the action was chosen.", "millrace_decisions_total", "reason"),
            rates(
                "Decisions by queue",
                "The queues that the policy names first; all others are `other`.",
                "millrace_decisions_total",
                "queue",
            ),
            rates(
                "Decisions by label",
                "The labels that the policy names first; all others are `other`.",
                "millrace_decisions_total",
                "label",
            ),
            rates(
                "Decisions by tenant",
                "The tenants that a setting names; all others are `other`.",
                "millrace_tenant_decisions_total",
                "tenant, action",
            ),
            quantiles(
                "Confidence",
                "Confidence of results, by action.",
                "percentunit",
                "millrace_decision_confidence",
                "action",
            ),
            quantiles(
                "Scope",
                "Scope score by the trained head; below its threshold an item fits no label.",
                "short",
                "millrace_decision_scope",
            ),
            share(
                "Routed by itself, overridden by a person",
                "Of the items that were routed without review and that a person labelled later: share with another label.",
                'millrace_person_labels_total{stream="$stream", action="auto", agrees="no"}',
                'millrace_person_labels_total{stream="$stream", action="auto"}',
            ),
            rates(
                "Labels by persons",
                "Labels per second that persons gave decided items, by the action of the decision and whether it agrees.",
                "millrace_person_labels_total",
                "action, agrees",
            ),
        ),
        "Similar items": (
            share(
                "Without a similar item",
                "Share of the results that offer no similar item.",
                'millrace_similar_searches_total{stream="$stream", result="none"}',
                f"millrace_similar_searches_total{IN}",
            ),
            quantiles(
                "Best similarity",
                "Score of the most similar item of a result.",
                "percentunit",
                "millrace_best_similarity",
            ),
            rates(
                "Near-duplicates",
                "Near-duplicates that results list, by tier.",
                "millrace_near_duplicates_total",
                "tier",
            ),
        ),
        "Inputs": (
            share(
                "Empty inputs",
                "Share of the results of items with nothing to embed.",
                f"millrace_empty_inputs_total{IN}",
                'millrace_result_seconds_count{stream="$stream", since="occurred_at"}',
            ),
            quantiles("Characters", "Length of the text of an item.", "short", "millrace_input_characters"),
            rates(
                "Inputs that needed a vector",
                "By where the vector came from.",
                "millrace_inputs_total",
                "modality, source",
            ),
            rates(
                "Input encoded",
                "Amount of input per second that the model encoded.",
                "millrace_input_cost_total",
                "modality, unit",
                "short",
            ),
            Panel(
                "Device idle",
                "Share of the time in which the device computes no vectors, by modality, on average over the workers.",
                "percentunit",
                [
                    (
                        f"1 - avg by (modality) (rate(millrace_model_busy_seconds_total{IN}[$__rate_interval]))",
                        "{{modality}}",
                    )
                ],
            ),
            share(
                "Padding of texts",
                "Share of what the text model encodes that is padding; larger poll batches have less.",
                'millrace_padding_cost_total{stream="$stream", modality="text"}',
                '{__name__=~"millrace_(padding|input)_cost_total", stream="$stream", modality="text"}',
            ),
            quantiles("Length of calls", "Length of recordings; calls only.", "s", "millrace_call_sound_seconds"),
            quantiles(
                "Speech in calls",
                "Share of the sound that is speech; calls only.",
                "percentunit",
                "millrace_call_speech_share",
            ),
            quantiles(
                "Coverage of calls",
                "Share of the speech that text accounts for; calls only.",
                "percentunit",
                "millrace_call_coverage",
            ),
            quantiles("Pixels of pictures", "Pictures only.", "short", "millrace_picture_pixels"),
        ),
        "Model and cache": (
            Panel(
                "Canary",
                "Lowest cosine of a canary input to its stored vector; below 0.999 the model is wrong.",
                "none",
                [(f"min by (modality) (millrace_canary_cosine{IN})", "{{modality}}")],
                (0.9995, 0.999),
            ),
            Panel(
                "Files of the model changed",
                "1 if the files are not those that were loaded.",
                "short",
                [(f"max by (modality) (millrace_canary_files_changed{IN})", "{{modality}}")],
                (1,),
            ),
            Panel(
                "Time since the last canary",
                "The canary is due every hour.",
                "s",
                [(f"time() - min by (modality) (millrace_canary_last_check_timestamp_seconds{IN})", "{{modality}}")],
                (5_400, 7_200),
            ),
            rates(
                "Vectors refused",
                "Vectors of the model that cannot be right.",
                "millrace_vectors_refused_total",
                "modality, reason",
            ),
            Panel(
                "Cache hits",
                "Share of the vectors that were found, by level.",
                "percentunit",
                [
                    (
                        'sum by (level) (rate(millrace_cache_keys_total{stream="$stream", result="hit"}[$__rate_interval]))'
                        f" / (sum by (level) (rate(millrace_cache_keys_total{IN}[$__rate_interval])) > 0)",
                        "{{level}}",
                    )
                ],
            ),
            Panel(
                "Redis is used",
                "0 while Redis is skipped after a failure.",
                "short",
                [(f"min by (operation) (millrace_cache_up{IN})", "{{operation}}")],
                (1, 0.5),
            ),
            rates("Errors of Redis", "Calls that failed, by kind.", "millrace_cache_errors_total", "operation, kind"),
            Panel(
                "Invalid values in Redis",
                "Values that were refused in the last hour: damage, or another program writes these keys.",
                "short",
                [(f"sum(increase(millrace_cache_refused_values_total{IN}[1h]))", "refused")],
                (1, 100),
            ),
        ),
    },
)
