"""The catalogue of Millrace's metrics. `docs/metrics.md` is generated from it.

No label ever contains a text or an id; a tenant is a label only if a setting names it. What serves them is `registry.py`.
"""

from shared.metrics.drift_metrics import DRIFT_METRICS
from shared.metrics.metric import Metric as Metric

RESULT_SECONDS = (0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
SOUND_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0)
RECORDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SCORES = (-8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
CHARACTERS = (0.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0)
PIXELS = (1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)

CLUSTER = ("cluster_name",)
TOPIC = ("cluster_name", "topic")
PARTITION = ("cluster_name", "topic", "partition")
GROUP = ("cluster_name", "group")
GROUP_TOPIC = ("cluster_name", "group", "topic")
GROUP_PARTITION = ("cluster_name", "group", "topic", "partition")

WORKER_METRICS = (
    Metric("millrace_records_total", "counter", "Records settled, by outcome.", ("outcome",)),
    Metric("millrace_batch_records", "histogram", "Records in a poll batch.", (), RECORDS),
    Metric("millrace_gather_wait_seconds", "histogram", "Time spent waiting for a poll batch to fill."),
    Metric("millrace_stage_seconds", "histogram", "Wall time of a stage per poll batch.", ("stage",)),
    Metric("millrace_stage_records_total", "counter", "Records processed by a stage.", ("stage",)),
    Metric(
        "millrace_stage_cpu_seconds_total",
        "counter",
        "CPU time of the whole process while the stage runs; the work of other threads is included.",
        ("stage",),
    ),
    Metric("millrace_inputs_total", "counter", "Inputs that needed a vector.", ("modality", "source")),
    Metric("millrace_cache_keys_total", "counter", "Vectors looked up in the cache.", ("level", "result")),
    Metric("millrace_cache_refused_values_total", "counter", "Invalid values in Redis; each also counts as a miss."),
    Metric("millrace_cache_errors_total", "counter", "Calls to Redis that failed.", ("operation", "kind")),
    Metric("millrace_cache_up", "gauge", "0 while Redis is skipped after a failure.", ("operation",)),
    Metric("millrace_input_cost_total", "counter", "Amount of input that the model encoded.", ("modality", "unit")),
    Metric(
        "millrace_padding_cost_total",
        "counter",
        "Amount of padding that the model encoded beside its input, because rows of a micro-batch are equally long.",
        ("modality", "unit"),
    ),
    Metric(
        "millrace_model_busy_seconds_total",
        "counter",
        "Time in which the device computed vectors; in the rest of the time it was idle.",
        ("modality",),
    ),
    Metric(
        "millrace_version_conflicts_total",
        "counter",
        "Records whose version is stored already with other content; the first content is kept.",
    ),
    Metric(
        "millrace_unread_lost_records_total",
        "counter",
        "Offsets that Kafka deleted before they were read, for example by retention; offsets without "
        "a record are counted too.",
    ),
    Metric(
        "millrace_abandoned_records_total",
        "counter",
        "Records that this worker dropped because another worker owns their partition now and reads "
        "them again; nothing is lost.",
    ),
    Metric(
        "millrace_dead_letters",
        "gauge",
        "Dead letters in the dead-letter queue; absent while the broker is unavailable.",
    ),
    Metric(
        "millrace_dead_letters_oldest_age_seconds", "gauge", "Age of the oldest dead letter, measured once a minute."
    ),
    Metric(
        "millrace_redriven_records_total",
        "counter",
        "Records that the redrive sent from a tier of the retry lane to the redo topic.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_records",
        "gauge",
        "Records that wait in a tier of the retry lane; absent while the broker is unavailable.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_oldest_age_seconds",
        "gauge",
        "Time since the record that waits longest in a tier was put there; 0 if no record waits.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_due_in_seconds",
        "gauge",
        "Time until the first record of a tier is due; negative if it is overdue; 0 if no record waits.",
        ("tier",),
    ),
    Metric(
        "millrace_alias_elsewhere",
        "gauge",
        "1 while the readers' alias does not point to the collection that the worker writes.",
    ),
    Metric(
        "millrace_open_transaction_records",
        "gauge",
        "Input records that wait behind an open transaction; absent while the broker is unavailable.",
    ),
    Metric(
        "millrace_open_transaction_oldest_age_seconds",
        "gauge",
        "Age of the oldest input record that waits behind an open transaction; 0 if no record waits.",
    ),
    Metric(
        "millrace_paused",
        "gauge",
        "1 while the worker is paused because a dependency is unavailable; `operator`: paused by an "
        "operator; `breaker`: most of the recent records were dead-lettered.",
        ("dependency",),
    ),
    Metric(
        "millrace_paused_seconds_total",
        "counter",
        "Time spent paused, added when the pause ends.",
        ("dependency",),
    ),
    Metric(
        "millrace_last_batch_oldest_timestamp_seconds",
        "gauge",
        "Unix time of the oldest record in the last settled batch.",
    ),
)

DECISION_METRICS = (
    Metric(
        "millrace_decisions_total",
        "counter",
        "Published results; one that is published again counts once. Queues and labels are those that the policy names "
        "first; all others are `other`, and a result without one has an empty value.",
        ("action", "reason", "queue", "label"),
    ),
    Metric(
        "millrace_tenant_decisions_total",
        "counter",
        "Published results of the tenants that a setting names; all other tenants together are `other`.",
        ("tenant", "action"),
    ),
    Metric("millrace_decision_confidence", "histogram", "Confidence of published results.", ("action",), SHARES),
    Metric("millrace_decision_scope", "histogram", "Scope score of published results by a trained head.", (), SCORES),
    Metric(
        "millrace_best_similarity",
        "histogram",
        "Highest cosine similarity of what a result offers: similar items or near-duplicates.",
        (),
        SHARES,
    ),
    Metric(
        "millrace_similar_searches_total",
        "counter",
        "Published results that offer similar items (`found`), and those that do not (`none`); images have none.",
        ("result",),
    ),
    Metric("millrace_empty_inputs_total", "counter", "Published results of items with nothing to embed."),
    Metric(
        "millrace_result_seconds",
        "histogram",
        "Time until a result was settled, from the event's `occurred_at`, from the `record`'s timestamp, or from its "
        "`reading` by the worker. A record from the retry lane counts from its first attempt.",
        ("since",),
        RESULT_SECONDS,
    ),
    Metric(
        "millrace_person_labels_total",
        "counter",
        "Labels that a person gave an item which was decided before, by the action of that decision, and by whether it "
        "named the same label. Most labels are of items that were sent to people for review.",
        ("action", "agrees"),
    ),
    Metric("millrace_input_characters", "histogram", "Characters of the text of published items.", (), CHARACTERS),
    Metric(
        "millrace_call_sound_seconds", "histogram", "Length of the recordings of published calls.", (), SOUND_SECONDS
    ),
    Metric("millrace_call_speech_share", "histogram", "Share of these recordings that is speech.", (), SHARES),
    Metric("millrace_call_coverage", "histogram", "Share of their speech that text accounts for.", (), SHARES),
    Metric("millrace_picture_pixels", "histogram", "Pixels of the pictures of published images.", (), PIXELS),
    Metric("millrace_near_duplicates_total", "counter", "Near-duplicates that results list, by tier.", ("tier",)),
)

READY = Metric("millrace_ready", "gauge", "1 while the worker is ready; /readyz says why it is not.")

HEALTH_METRICS = (
    Metric(
        "millrace_vectors_refused_total",
        "counter",
        "Vectors of the model that were refused before they were written, by reason.",
        ("modality", "reason"),
    ),
    Metric(
        "millrace_canary_cosine",
        "gauge",
        "Lowest cosine similarity of the vectors of the canary inputs to those that were stored for this model.",
        ("modality",),
    ),
    Metric(
        "millrace_canary_files_changed",
        "gauge",
        "1 if the files of the model are not those that were loaded.",
        ("modality",),
    ),
    Metric(
        "millrace_canary_last_check_timestamp_seconds",
        "gauge",
        "Unix time of the last check of the canary inputs.",
        ("modality",),
    ),
    Metric(
        "millrace_canary_interval_seconds",
        "gauge",
        "Time between two checks of the canary inputs; 0 if they are checked only when the worker starts.",
        ("modality",),
    ),
)

LAG_METRICS = (
    Metric(
        "kafka_partition_latest_offset", "gauge", "End of a partition, as its readers may read it.", (), (), PARTITION
    ),
    Metric("kafka_partition_earliest_offset", "gauge", "First offset that a partition still has.", (), (), PARTITION),
    Metric("kafka_consumergroup_group_offset", "gauge", "Offset that a group has committed.", (), (), GROUP_PARTITION),
    Metric("kafka_consumergroup_group_lag", "gauge", "Messages that a group has not read.", (), (), GROUP_PARTITION),
    Metric(
        "kafka_consumergroup_group_lag_seconds",
        "gauge",
        "Age of the first message that a group has not read; 0 if it has read all.",
        (),
        (),
        GROUP_PARTITION,
    ),
    Metric("kafka_consumergroup_group_max_lag", "gauge", "Highest lag of a group's partitions.", (), (), GROUP),
    Metric("kafka_consumergroup_group_max_lag_seconds", "gauge", "Age of the oldest message not read.", (), (), GROUP),
    Metric("kafka_consumergroup_group_sum_lag", "gauge", "Messages that a group has not read.", (), (), GROUP),
    Metric("kafka_consumergroup_group_topic_sum_lag", "gauge", "The same of one topic.", (), (), GROUP_TOPIC),
    Metric("kafka_consumergroup_members", "gauge", "Members of a group.", (), (), GROUP),
    Metric("kafka_consumergroup_poll_time_ms", "gauge", "Time that the last measurement took.", (), (), CLUSTER),
    Metric(
        "millrace_lag_partitions",
        "gauge",
        "Partitions of a topic by the state of a group: caught_up, behind, unknown, stuck, stalled or expired.",
        ("state",),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_records",
        "gauge",
        "Messages that a group has not read, by the state of their partitions: behind, stuck, stalled or expired.",
        ("state",),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_produced_records_per_second", "gauge", "Messages written to a topic per second.", (), (), TOPIC
    ),
    Metric(
        "millrace_lag_consumed_records_per_second",
        "gauge",
        "Messages of a topic that a group has read per second.",
        (),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_drain_seconds",
        "gauge",
        "Time until a group has read all of a topic, at the present rates; 0 if it has, +Inf if it falls further behind.",
        (),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_retention_used_ratio",
        "gauge",
        "Age of the oldest message not read, as a share of the topic's retention time; 0 if all are read or none expire.",
        (),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_expiry_seconds",
        "gauge",
        "Least time until the retention may delete a message that is not read; +Inf if all are read or none expire.",
        (),
        (),
        GROUP_TOPIC,
    ),
    Metric(
        "millrace_lag_lost_offsets",
        "gauge",
        "Offsets between what a group has committed and the first offset that is left: deleted before they were read.",
        (),
        (),
        GROUP_TOPIC,
    ),
    Metric("millrace_lag_up", "gauge", "1 if the last measurement reached the brokers.", (), (), CLUSTER),
    Metric(
        "millrace_lag_last_measured_timestamp_seconds",
        "gauge",
        "Unix time of the last measurement that succeeded.",
        (),
        (),
        CLUSTER,
    ),
)

UPDATED_METRICS = (*WORKER_METRICS, *DECISION_METRICS, *HEALTH_METRICS)
"""The metrics that a worker updates; the others are computed when they are read."""

CATALOGUE = (*UPDATED_METRICS, READY, *LAG_METRICS, *DRIFT_METRICS)
