"""The metrics: every hook changes a series, and the catalogue lists all of them.

A green run does not prove that a dashboard or an alert is easy to read.
"""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from schemas.outcomes import Outcome
from shared.facts import Facts, Measures
from shared.metrics.catalogue import CATALOGUE, HEALTH_METRICS, LAG_METRICS, WORKER_METRICS
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.observers import Observer, SettleStep
from shared.records import Message, Record, Settled

SETTLED = Settled(
    Record("tickets", 0, 7, 990_000, b"acme:T-1", b"{}", read_s=49.0),
    Outcome.ROUTED,
    results=(Message("tickets.routed", b"acme:T-1", b"{}"),),
    facts=Facts("acme", "T-1", datetime(1970, 1, 1, tzinfo=UTC), 990_000, True, None, None, Measures(offered=(0.5,))),
)

HOOKS: dict[str, Callable[[Observer], None]] = {
    "batch_gathered": lambda reported: reported.batch_gathered(5, 0.02),
    "stage_done": lambda reported: reported.stage_done("embed", 5, 0.2, 0.4),
    "settle_step_done": lambda reported: reported.settle_step_done(SettleStep.COMMIT),
    "batch_settled": lambda reported: reported.batch_settled({Outcome.ROUTED: 3}, 1_500),
    "results_settled": lambda reported: reported.results_settled([SETTLED], 1_000.0, 50.0),
    "version_conflict": lambda reported: reported.version_conflict(2),
    "inputs_embedded": lambda reported: reported.inputs_embedded("text", 5, 40, "tokens", 2),
    "model_computed": lambda reported: reported.model_computed("text", "tokens", 12, 0.25),
    "cache_read": lambda reported: reported.cache_read("redis", 7, 3),
    "cache_values_refused": lambda reported: reported.cache_values_refused(2),
    "cache_failed": lambda reported: reported.cache_failed("get", "timeout"),
    "cache_up": lambda reported: reported.cache_up("get", True),
    "dead_letters_measured": lambda reported: reported.dead_letters_measured(7, 90.0),
    "records_redriven": lambda reported: reported.records_redriven(2, 8),
    "retry_measured": lambda reported: reported.retry_measured(3, 9, 61.0, 5.5),
    "alias_elsewhere": lambda reported: reported.alias_elsewhere(True),
    "open_transactions_measured": lambda reported: reported.open_transactions_measured(60, 74.0),
    "paused": lambda reported: reported.paused("store"),
    "resumed": lambda reported: reported.resumed("store", 12.5),
    "unread_lost": lambda reported: reported.unread_lost(6),
    "records_abandoned": lambda reported: reported.records_abandoned(4),
    "vectors_refused": lambda reported: reported.vectors_refused("text", "constant", 2),
    "canary_checked": lambda reported: reported.canary_checked("image", 0.5, True, 1_700.0, 3_600.0),
}
UNMETERED = {"settle_step_done"}
"""Steps exist for tests that stop a worker between two of them; their time is in `millrace_stage_seconds`."""


def rendered(*hooks: str) -> dict[str, float]:
    """Return the samples after these hooks, by name and labels; the `_created` timestamps are left out."""
    registry = Registry()
    metrics = Metrics("tickets", registry)
    for hook in hooks:
        HOOKS[hook](metrics)
    lines = [line for line in registry.render().decode().splitlines() if line and not line.startswith("#")]
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in pairs if "_created" not in name}


def test_every_hook_has_an_example_here() -> None:
    assert set(HOOKS) == {name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if name[0] != "_"}


@pytest.mark.parametrize("hook", sorted(set(HOOKS) - UNMETERED))
def test_every_hook_changes_a_series(hook: str) -> None:
    assert rendered(hook) != rendered()


def test_every_metric_of_the_catalogue_is_changed_by_some_hook() -> None:
    before, after = rendered(), rendered(*HOOKS, "paused")
    moved = {name.split("{")[0] for name, value in after.items() if before.get(name) != value}
    updated = {metric.name for metric in (*WORKER_METRICS, *HEALTH_METRICS)}
    assert {family for family in updated if any(name.startswith(family) for name in moved)} == updated


def test_every_rendered_metric_is_in_the_catalogue() -> None:
    families = {metric.name for metric in CATALOGUE}
    suffixes = ("", "_bucket", "_sum", "_count")
    for name in rendered(*HOOKS):
        bare = name.split("{")[0]
        assert any(bare == family + suffix for family in families for suffix in suffixes), name


def test_the_values_are_right() -> None:
    samples = rendered(*HOOKS)
    stream = 'stream="tickets"'
    assert samples[f'millrace_records_total{{outcome="routed",{stream}}}'] == 3
    assert samples[f'millrace_records_total{{outcome="dead_lettered",{stream}}}'] == 0
    assert samples[f"millrace_batch_records_sum{{{stream}}}"] == 5
    assert samples[f'millrace_stage_cpu_seconds_total{{stage="embed",{stream}}}'] == 0.4
    assert samples[f'millrace_inputs_total{{modality="text",source="cache",{stream}}}'] == 2
    assert samples[f'millrace_inputs_total{{modality="text",source="model",{stream}}}'] == 3
    assert samples[f'millrace_input_cost_total{{modality="text",{stream},unit="tokens"}}'] == 40
    assert samples[f'millrace_padding_cost_total{{modality="text",{stream},unit="tokens"}}'] == 12
    assert samples[f'millrace_model_busy_seconds_total{{modality="text",{stream}}}'] == 0.25
    assert samples[f"millrace_version_conflicts_total{{{stream}}}"] == 2
    assert samples[f"millrace_unread_lost_records_total{{{stream}}}"] == 6
    assert samples[f'millrace_redriven_records_total{{{stream},tier="2"}}'] == 8
    assert samples[f'millrace_retry_records{{{stream},tier="3"}}'] == 9
    assert samples[f'millrace_retry_oldest_age_seconds{{{stream},tier="3"}}'] == 61
    assert samples[f'millrace_retry_due_in_seconds{{{stream},tier="3"}}'] == 5.5
    assert samples[f"millrace_abandoned_records_total{{{stream}}}"] == 4
    assert samples[f'millrace_cache_keys_total{{level="redis",result="hit",{stream}}}'] == 7
    assert samples[f'millrace_cache_keys_total{{level="redis",result="miss",{stream}}}'] == 3
    assert samples[f"millrace_cache_refused_values_total{{{stream}}}"] == 2
    assert samples[f'millrace_cache_errors_total{{kind="timeout",operation="get",{stream}}}'] == 1
    assert samples[f'millrace_cache_up{{operation="get",{stream}}}'] == 1
    assert samples[f'millrace_paused{{dependency="store",{stream}}}'] == 0
    assert samples[f'millrace_paused_seconds_total{{dependency="store",{stream}}}'] == 12.5
    assert samples[f"millrace_last_batch_oldest_timestamp_seconds{{{stream}}}"] == 1.5


def test_a_pause_is_shown_while_it_lasts() -> None:
    assert rendered("paused")['millrace_paused{dependency="store",stream="tickets"}'] == 1


def test_a_worker_that_never_paused_shows_that_it_is_not_paused() -> None:
    samples = rendered()
    for dependency in ("operator", "breaker", "broker", "store"):
        assert samples[f'millrace_paused{{dependency="{dependency}",stream="tickets"}}'] == 0
        assert samples[f'millrace_paused_seconds_total{{dependency="{dependency}",stream="tickets"}}'] == 0


def test_unknown_measures_of_the_dead_letters_have_no_series() -> None:
    registry = Registry()
    metrics = Metrics("tickets", registry)
    metrics.dead_letters_measured(7, 90.0)
    assert b'millrace_dead_letters{stream="tickets"} 7.0' in registry.render()
    assert b'millrace_dead_letters_oldest_age_seconds{stream="tickets"} 90.0' in registry.render()
    metrics.dead_letters_measured(None, 0.0)
    assert b"millrace_dead_letters{" not in registry.render()
    assert b"millrace_dead_letters_oldest_age_seconds{" not in registry.render()
    metrics.dead_letters_measured(0, 0.0)
    assert b'millrace_dead_letters_oldest_age_seconds{stream="tickets"} 0.0' in registry.render()


def test_every_outcome_has_a_series_from_the_start() -> None:
    samples = rendered()
    assert {samples[f'millrace_records_total{{outcome="{outcome}",stream="tickets"}}'] for outcome in Outcome} == {0}


def test_names_are_well_formed_and_documented() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert metric.name.startswith("millrace_" if metric not in LAG_METRICS else ("millrace_lag_", "kafka_"))
        assert metric.help.endswith(".")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert not {"ticket", "text", "id"} & set(metric.labels)
    assert [metric.name for metric in CATALOGUE if "tenant" in metric.labels] == ["millrace_tenant_decisions_total"]


def test_two_workers_in_one_process_have_separate_series() -> None:
    registry = Registry()
    one, other = Metrics("tickets", registry), Metrics("calls", registry)
    one.version_conflict(1)
    one.dead_letters_measured(3, 1.0)
    other.dead_letters_measured(None, 0.0)
    lines = registry.render().decode().splitlines()
    assert [line for line in lines if line.startswith("millrace_version_conflicts_total{")] == [
        'millrace_version_conflicts_total{stream="tickets"} 1.0',
        'millrace_version_conflicts_total{stream="calls"} 0.0',
    ]
    assert 'millrace_dead_letters{stream="tickets"} 3.0' in lines, (
        "an unknown value of one worker does not change the value of the other"
    )
