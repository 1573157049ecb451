"""The findings of `millrace doctor` about brokers, a store and Redis.

The services are the embedded broker, Edge, the stand-in of Qdrant's server, and a real Redis. A green run does not
prove what Kafka answers to a user who may only read metadata.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from pydantic import SecretStr

from millrace.configured import collection_spec, model_card
from millrace.doctor.cluster import CREATE
from millrace.doctor.examination import examine
from millrace.doctor.finding import Check, Finding, State, findings_of
from millrace.doctor.services import check_broker, check_cache, check_store
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.source import KafkaSource
from shared.broker.survey import _committed as committed_of
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.records import Message, Point
from shared.settings import BrokerSettings, CacheSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.qdrant.store import connect
from tests.support.kafka.server import KafkaServer
from tests.support.ports import free_ports
from tests.support.qdrant.http_proxy import ForwardProxy
from tests.support.qdrant.process import StandinProcess
from tests.support.redis.server import RedisServer
from tests.support.stores import write_foreign
from tests.support.waiting import wait_until
from workers.tickets.prepare import TEXT
from workers.tickets.stages import TICKETS

TOPICS = [topic.name for topic in TICKETS.topics()]
CARD = model_card(StreamSettings())
SPEC = collection_spec(StreamSettings(), TICKETS)
NOWHERE = f"127.0.0.1:{free_ports(1)[0]}"


def look_at_broker(bootstrap: str | None, **more: str) -> list[Finding]:
    settings = Settings(broker=BrokerSettings.model_validate({"bootstrap": bootstrap, **more}))
    return findings_of(Check("broker", lambda: check_broker(settings, StreamSettings(), TICKETS, 5)))


def look_at_store(store: StoreSettings) -> list[Finding]:
    return findings_of(Check("store", lambda: check_store(Settings(store=store), StreamSettings(), TICKETS, 5)))


def look_at_cache(cache: CacheSettings) -> Finding:
    [found] = findings_of(Check("cache", lambda: check_cache(Settings(cache=cache), StreamSettings())))
    return found


def states(findings: list[Finding]) -> list[tuple[str, State]]:
    return [(finding.part, finding.state) for finding in findings]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """Yield a broker with some of the topics."""
    with EmbeddedBroker() as held:
        held.create(TOPICS[:2])
        yield held


def test_no_broker_is_no_fault_unless_tls_or_sasl_is_configured() -> None:
    assert states(look_at_broker(None)) == [("broker", "skipped")]
    assert states(look_at_broker(None, security_protocol="ssl")) == [("broker", "wrong")]


def test_missing_topics_are_wrong_and_few_partitions_a_warning(broker: EmbeddedBroker) -> None:
    found = look_at_broker(broker.bootstrap)
    assert states(found) == [("broker", "ok"), ("topics", "wrong"), ("topics", "warning"), ("group", "ok")]
    assert found[1].fix == f"{CREATE} --stream tickets"
    assert [topic for topic in TOPICS if topic in found[1].detail.split("missing topics: ")[1].split(", ")] == TOPICS[
        2:
    ]
    assert "tickets 4, tickets.redo 4" in found[2].detail
    assert "the group millrace-tickets does not exist yet; waiting for it: 0 records" in found[3].detail
    assert look_at_broker(broker.bootstrap)[1].detail == found[1].detail, "the check has created nothing"


def test_a_correct_kafka_gives_no_fault(own_kafka: KafkaServer) -> None:
    assert CREATE == "millrace topics create --replication 3"
    create_topics(own_kafka.bootstrap, TICKETS.topics(), 1)
    assert states(look_at_broker(own_kafka.bootstrap)) == [("broker", "ok"), ("topics", "ok"), ("group", "ok")]
    source = KafkaSource(own_kafka.bootstrap, ["tickets"], "millrace-tickets", BrokerSettings(), SystemClock())
    wait_until(lambda: source.assigned > 0, 60, "the group being joined")
    assert "millrace-tickets is stable, 0 records behind" in look_at_broker(own_kafka.bootstrap)[-1].detail
    source.close()


def test_records_that_wait_are_counted() -> None:
    with EmbeddedBroker() as held:
        held.create(TOPICS)
        sink = KafkaSink(held.bootstrap, BrokerSettings())
        sink.produce([Message("tickets", b"a", b"{}")] * 3 + [Message("tickets.redo", b"a", b"{}")])
        assert sink.flush() == []
        sink.close()
        assert "waiting for it: 4 records" in look_at_broker(held.bootstrap)[-1].detail


def test_unavailable_brokers_are_unreachable_with_the_reason() -> None:
    [found] = look_at_broker(NOWHERE)
    assert (found.part, found.state) == ("broker", "unreachable")
    assert "refused" in found.detail


def test_an_embedded_store_that_is_free_in_use_or_not_writable(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "store")
    assert "is free" in look_at_store(settings)[0].detail
    assert list(tmp_path.iterdir()) == [], "the check creates nothing"
    store = EdgeStore(settings.path)
    store.open(SPEC)
    found = look_at_store(settings)
    store.close()
    assert states(found) == [("store", "ok"), ("alias", "ok")]
    assert "in use by process" in found[0].detail
    assert found[1].detail == f"tickets points to {SPEC.name}"
    found = look_at_store(settings)
    assert "is free" in found[0].detail
    assert (found[2].part, found[2].state, "no solved ticket yet" in found[2].detail) == ("similar tickets", "ok", True)
    (tmp_path / "file").write_text("")
    assert states(look_at_store(StoreSettings(path=tmp_path / "file" / "store"))) == [("store", "wrong")]


def test_an_alias_of_another_model_is_a_warning_and_a_broken_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "aliases.json").write_text(json.dumps({"tickets": "tickets__other__00000000"}))
    found = look_at_store(StoreSettings(path=tmp_path))
    assert states(found) == [("store", "ok"), ("alias", "warning")]
    assert "tickets__other__00000000" in found[1].detail
    (tmp_path / "aliases.json").write_text("{")
    assert states(look_at_store(StoreSettings(path=tmp_path))) == [("store", "ok"), ("store", "wrong")]


def test_a_server_before_and_after_its_first_worker() -> None:
    with StandinProcess(key="a-key") as server:
        settings = StoreSettings(url=server.url, api_key=SecretStr("a-key"))
        found = look_at_store(settings)
        assert states(found) == [("store", "ok"), ("alias", "ok")]
        assert "the first worker creates" in found[1].detail
        [refused] = look_at_store(StoreSettings(url=server.url))
        assert (refused.state, "rejects the key" in refused.detail) == ("wrong", True)
        store = connect(settings)
        store.open(SPEC)
        store.close()
        found = look_at_store(settings)
        assert states(found) == [("store", "ok")] * 2 + [("alias", "ok"), ("similar tickets", "ok")]
        assert "its version guard works" in found[1].detail
        server.set_faults(ignore=["update_filter", "update_mode"])
        [old] = look_at_store(settings)
        assert (old.state, "ignores the condition of a write" in old.detail) == ("wrong", True)


def test_missing_permissions_on_a_server_are_named() -> None:
    with StandinProcess() as server:
        settings = StoreSettings(url=server.url)
        store = connect(settings)
        store.open(SPEC)
        store.close()
        server.set_faults(strict={"filter_max_conditions": 1, "upsert_max_batchsize": 10})
        [limit] = [found for found in look_at_store(settings) if found.state == "wrong"]
        assert (
            f"the strict mode of collection {SPEC.name} sets a limit too low: filter_max_conditions is 1"
            in limit.detail
        )
        server.set_faults(scope={SPEC.name: "rw"})
        found = look_at_store(settings)
        assert states(found) == [("store", "ok"), ("store", "ok"), ("alias", "warning")]
        assert "may not read the alias tickets" in found[-1].detail
        server.set_faults(scope={SPEC.name: "r", "tickets": "r"})
        assert "may not write points into collection" in look_at_store(settings)[-1].detail


def test_the_proxy_is_shown_without_its_password_and_proxies_of_the_environment_as_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://someone:hunter2@127.0.0.1:1080")
    with StandinProcess() as server, ForwardProxy() as proxy:
        found = look_at_store(StoreSettings(url=server.url))
        assert states(found) == [("proxy", "ok"), ("store", "ok"), ("alias", "ok")]
        assert "no proxy is used for the store; ALL_PROXY is ignored for the store" in found[0].detail
        for name, value in {"URL": server.url, "PROXY": f"http://someone:hunter2@{proxy.place}"}.items():
            monkeypatch.setenv(f"MILLRACE_STORE__{name}", value)
        report = examine(os.environ, TICKETS, 5, SystemClock())
    assert "hunter2" not in report.as_json()
    assert report.configured["MILLRACE_STORE__PROXY"] == f"http://{proxy.place}"
    [used] = [found for found in report.findings if found.part == "proxy"]
    assert f"the store is reached through the proxy http://{proxy.place}; ALL_PROXY" in used.detail


def test_solved_tickets_none_of_which_is_offered_are_a_warning_that_names_the_setting(tmp_path: Path) -> None:
    with StandinProcess() as server:
        for settings in (StoreSettings(path=tmp_path / "store"), StoreSettings(url=server.url)):
            store = EdgeStore(settings.path) if settings.url is None else connect(settings)
            points = store.open(SPEC)
            points.upsert([solved(number, satisfaction) for number, satisfaction in enumerate([None, None, 2])])
            store.close()
            found = look_at_store(settings)[-1]
            assert (found.part, found.state) == ("similar tickets", "warning")
            assert "none of the 3 solved tickets can be offered as similar: 2 without a rating" in found.detail
            assert "MILLRACE_TICKETS__SEARCH__INCLUDE_UNRATED" in found.detail
            assert "1 rated below 4" in found.detail
            store = EdgeStore(settings.path) if settings.url is None else connect(settings)
            store.open(SPEC).upsert([solved(7, 5)])
            store.close()
            assert look_at_store(settings)[-1].detail == "1 of 4 solved tickets can be offered as similar"


def test_points_of_other_programs_are_counted_and_named(tmp_path: Path) -> None:
    with StandinProcess() as server:
        for settings in (StoreSettings(path=tmp_path / "store"), StoreSettings(url=server.url)):
            store = EdgeStore(settings.path) if settings.url is None else connect(settings)
            write_foreign(store.open(SPEC), 7, {"tenant_id": "acme"})
            store.close()
            found = look_at_store(settings)[-2]
            assert (found.part, found.state) == ("foreign points", "warning")
            assert "1 of the 1 points checked" in found.detail
            assert "7 (its id is an integer)" in found.detail
            assert "a collection of its own" in found.fix


def solved(number: int, satisfaction: int | None) -> Point:
    vector = np.zeros(CARD.dim, np.float32)
    vector[number] = 1
    payload = {"tenant_id": "acme", "event_version": 1, "flags": ["solved"], "satisfaction": satisfaction}
    return Point(UUID(int=number), 1, {TEXT: vector}, payload)


def test_an_unavailable_server_is_unreachable() -> None:
    assert states(look_at_store(StoreSettings(url=f"http://{NOWHERE}"))) == [("store", "unreachable")]


def test_a_redis_that_is_unavailable_answers_or_refuses(redis_server: RedisServer) -> None:
    def with_url(url: str) -> CacheSettings:
        return CacheSettings(redis_url=SecretStr(url), timeout_s=5)

    assert look_at_cache(CacheSettings()).state == "skipped"
    assert look_at_cache(with_url(f"redis://{NOWHERE}")).state == "unreachable"
    assert look_at_cache(with_url(f"redis://127.0.0.1:{redis_server.port}")).state == "ok"
    refused = look_at_cache(with_url(f"redis://someone:hunter2@127.0.0.1:{redis_server.port}"))
    assert (refused.state, "refused" in refused.detail) == ("wrong", True)


class Moving:
    """A consumer whose group coordinator is not found at once."""

    def __init__(self, times: int, code: int) -> None:
        self.times, self.code, self.polls = times, code, 0

    def committed(self, places: list[KafkaPartition], timeout: float) -> list[KafkaPartition]:
        if self.times:
            self.times -= 1
            raise KafkaException(KafkaError(self.code))
        return places

    def poll(self, timeout: float) -> None:
        self.polls += 1


def test_a_coordinator_that_is_not_found_yet_is_asked_again_for_a_while() -> None:
    moving: Any = Moving(3, KafkaError.NOT_COORDINATOR)
    assert committed_of(moving, [], 5) == []
    assert moving.polls == 3
    lost: Any = Moving(1_000, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    with pytest.raises(KafkaException):
        committed_of(lost, [], 5)
    assert lost.polls == 10
    refused: Any = Moving(1, KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        committed_of(refused, [], 5)
    assert refused.polls == 0


def test_a_group_that_cannot_be_asked_leaves_the_other_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> NoReturn:
        raise Unavailable("broker", "not allowed")

    monkeypatch.setattr("millrace.doctor.services.survey_group", unavailable)
    with EmbeddedBroker() as held:
        held.create(TOPICS)
        last = look_at_broker(held.bootstrap)[-1]
    assert (last.part, last.state, "not allowed" in last.detail) == ("group", "unreachable", True)
