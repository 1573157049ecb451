"""What rules and dashboards name is exported: a worker of each stream settles records and is scraped.

The models are stand-ins, and the broker is the embedded one. A green run does not show the values to be right
(`tests/unit/test_metrics.py` and the tests of each part do), nor what Prometheus makes of them.
"""

import re
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from pydantic import SecretStr

from millrace.configured import model_card
from millrace.serve import watching
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.metrics.catalogue import LAG_METRICS
from shared.metrics.drift_metrics import DRIFT_METRICS
from shared.metrics.observer import Metrics
from shared.metrics_settings import MetricsSettings
from shared.operation.probes import LOOPBACK, ProbeServer
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey
from shared.retry.watch import RetryWatch
from shared.settings import BrokerSettings, CacheSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.in_process import Seen, process_of, produce_by, running_worker
from tests.support.monitoring import all_queries, metrics_of, used
from tests.support.ports import free_ports
from tests.support.streams import CALL_KIND, PRODUCT_KIND, TENANT, TICKET_KIND, Kind
from tests.support.waiting import wait_until

KINDS = (TICKET_KIND, CALL_KIND, PRODUCT_KIND)
TIMEOUT_S = 60.0

ONLY_OF = {
    "millrace_call_sound_seconds": "calls",
    "millrace_call_speech_share": "calls",
    "millrace_call_coverage": "calls",
    "millrace_picture_pixels": "products",
    "millrace_near_duplicates_total": "products",
}
"""Metrics that only one stream has."""

OF_OTHER_SERVICES = {metric.name for metric in (*LAG_METRICS, *DRIFT_METRICS)}
"""Metrics of `millrace run lag` and `millrace run drift`."""

OF_A_SERVER = {"millrace_alias_elsewhere"}
"""Metrics of a Qdrant server; the store here is embedded. `tests/flow/test_moved_alias.py` moves an alias."""

WHEN_IT_HAPPENS = {
    "millrace_decision_scope",  # of a trained head
    "millrace_redriven_records_total",
}
"""Metrics without values until what they count happens, which does not happen here, but in `tests/unit/test_metrics.py`."""

NAMED = {metric.name for metric in metrics_of({name for query in all_queries() for name in used(query).names})}
Scraped = dict[str, set[str]]


def batches_of(kind: Kind) -> list[list[dict[str, Any]]]:
    """Return events, batch by batch: labelled items; one like them; other content of its version; a person's correction."""
    text, marks = "where is my parcel?", {} if kind is PRODUCT_KIND else {"satisfaction": 5}
    return [
        [kind.event(f"S-{number}", 1, "solved", text, agent_label="parcel", **marks) for number in range(5)],
        [kind.event("T-1", 1, "created", text)],
        [kind.event("T-1", 1, "created", "another text of the same version")],
        [kind.event("T-1", 2, "solved", text, agent_label="refund")],
    ]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """Run a worker of each stream and what watches the retry lane, and yield the names that are exported, by stream."""
    folder = tmp_path_factory.mktemp("scraped")
    nowhere = f"redis://{LOOPBACK}:{free_ports(1)[0]}/0"
    settings = Settings(
        store=StoreSettings(path=folder),
        cache=CacheSettings(redis_url=SecretStr(nowhere)),
        privacy=PRIVACY,
        metrics=MetricsSettings(tenants=(TENANT,)),
        operation=OperationSettings(state_dir=folder / "state"),  # the stand-in has the fingerprint of a real model
    )
    with EmbeddedBroker() as broker, closing(EdgeStore(folder)) as store, ExitStack() as held:
        broker.create([topic.name for kind in KINDS for topic in kind.stream.topics()])
        process, model = process_of(settings, broker.bootstrap, store), FakeModel()
        model.fingerprint = model_card(
            StreamSettings()
        ).fingerprint  # calls search only what has the vectors of their model
        seen = {kind.name: Seen() for kind in KINDS}
        workers = {}
        for kind in KINDS:
            running = held.enter_context(
                running_worker(process, model, [seen[kind.name]], StreamSettings(), kind.stream)
            )
            held.enter_context(watching(kind.stream, process, running))
            survey = RetrySurvey(TopicReader(broker.bootstrap, REDRIVE_GROUP), kind.name)
            held.callback(RetryWatch(survey.states, SystemClock(), Metrics(kind.name, process.registry)).close)
            workers[kind.name] = running
        probes = ProbeServer(LOOPBACK, 0, {name: each.lifecycle for name, each in workers.items()}, process.registry)
        held.callback(probes.close)
        sink = held.enter_context(closing(KafkaSink(broker.bootstrap, BrokerSettings())))
        for kind in KINDS:  # tickets first, because calls look for solved ones
            sent = 0
            for batch in batches_of(kind):
                produce_by(sink, *batch, stream=kind.stream)
                sent += len(batch)
                seen[kind.name].wait_settled(sent)
        for running in workers.values():
            running.lifecycle.pause()
        wait_until(lambda: all(each.lifecycle.paused for each in workers.values()), TIMEOUT_S, "all are paused")
        for running in workers.values():
            running.lifecycle.resume()
        wait_until(lambda: not any(each.lifecycle.paused for each in workers.values()), TIMEOUT_S, "all have resumed")
        yield names(probes.port)


def names(port: int) -> Scraped:
    """Return the names of the metrics of a scrape, by their stream; those of histograms only if they counted something."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Scraped = {}
    for name, stream, value in re.findall(r'^(\w+)\{.*?\bstream="(\w+)".*\} (\S+)$', text, re.MULTILINE):
        if not name.endswith("_bucket") and (not name.endswith("_count") or float(value) > 0):
            found.setdefault(stream, set()).add(name.removesuffix("_count"))
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_worker_exports_what_rules_and_dashboards_name(scraped: Scraped, kind: Kind) -> None:
    of_others = {name for name, stream in ONLY_OF.items() if stream != kind.name}
    expected = (of_others | OF_OTHER_SERVICES | OF_A_SERVER | WHEN_IT_HAPPENS) & NAMED
    absent = NAMED - scraped[kind.name]
    assert absent == expected, f"absent: {absent - expected}; there, but not expected: {expected - absent}"
