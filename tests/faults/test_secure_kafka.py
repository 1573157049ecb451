"""A real Kafka with SASL over TLS and access rules: permitted clients get in, with no more rights than the docs list.

A green run does not prove anything about other mechanisms (OAuth, Kerberos), nor that a certificate in use is a good
one.
"""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from shared.broker.backlog import measure_backlog
from shared.broker.group_offsets import GroupOffsets
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.broker.removal import Remover
from shared.broker.security import Brokers
from shared.broker.survey import survey_group
from shared.clock import SystemClock
from shared.errors import Fatal, Unavailable
from shared.records import TopicPartition
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import ConsumerSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.certificates import KEY_PASSWORD, Certificates
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.kafka.access import Rule, allowed, documented, millrace, user_environment
from tests.support.kafka.config import PASSWORD, USER
from tests.support.kafka.server import KafkaServer
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

BACKFILL = "tests.support.backfill_process"
"""The command line, with a model that is a stand-in."""

FILE = '{"ticket_id": "T-1", "subject": "parcel", "body": "where is it?"}\n{"ticket_id": "T-2", "body": "and mine?"}\n'


def by_password(server: KafkaServer, certificates: Certificates, **changes: Any) -> Brokers:
    """Return the broker settings of a user with a password."""
    settings = {
        "security_protocol": "sasl_ssl",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": USER,
        "password": SecretStr(PASSWORD),
        "ca_file": certificates.authority,
    }
    return Brokers(server.secure_bootstrap, BrokerSettings.model_validate(settings | changes))


def by_certificate(server: KafkaServer, certificates: Certificates, **changes: Any) -> Brokers:
    """Return the broker settings of a client with a certificate."""
    settings = {
        "security_protocol": "ssl",
        "ca_file": certificates.authority,
        "cert_file": certificates.client,
        "key_file": certificates.locked_key,
        "key_password": SecretStr(KEY_PASSWORD),
    }
    return Brokers(server.mutual_bootstrap, BrokerSettings.model_validate(settings | changes))


def rules_of(role: str) -> list[Rule]:
    rules = [rule for rule in documented() if rule.role == role]
    assert rules, role
    return rules


def test_each_part_needs_no_more_than_the_documented_rules(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    environment = user_environment(secure_kafka, certificates, tmp_path)
    file = tmp_path / "tickets.jsonl"
    file.write_text(FILE, encoding="utf-8")

    def run(role: str, *arguments: str) -> str:
        with allowed(secure_kafka, USER, rules_of(role)):
            done = millrace(environment, *arguments)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    delete_all_topics(secure_kafka)
    assert "exists" not in run("create", "topics", "create", "--partitions", "2")
    assert "sent 2 tickets" in run("ingest", "ingest", str(file), "--tenant", "acme")
    produce(secure_kafka.bootstrap, event(ticket_id="T-3", priority="asap"))
    brokers = by_password(secure_kafka, certificates)
    broker = brokers.settings.model_copy(update={"bootstrap": brokers.addresses})
    settings, seen = Settings(broker=broker, store=StoreSettings(path=tmp_path / "store")), Seen()
    store = EdgeStore(tmp_path / "store")
    rules = allowed(secure_kafka, USER, rules_of("worker"))
    with rules, closing(store), running_worker(process_of(settings, brokers, store), FakeModel(), [seen]):
        seen.wait_settled(3)
        assert measure_backlog(brokers, "tickets.dlq").records == 1
    assert "settled 3 (dead_lettered 1, routed 2); pending 0; points 2" in run("audit", "audit")
    assert "tickets.dlq: 1 dead letter," in run("dlq-look", "dlq", "list")
    assert "caught up" in run("lag", "lag", "--group", "millrace-tickets", "--topic", "tickets")
    assert "asap" in run("dlq-look", "dlq", "show", "tickets.dlq/1@0")
    assert "1 replayed" in run("dlq-replay", "dlq", "replay")
    assert "1 dead letter deleted" in run("dlq-purge", "dlq", "purge", "--all", "--yes")
    assert "millrace-tickets is empty, 1 record behind" in run("doctor", "doctor")
    run("drift-look", "drift", "report", str(tmp_path / "report"), "--stream", "tickets")
    assert_records_are_decided_again(environment, secure_kafka)
    with allowed(secure_kafka, USER, rules_of("doctor")):
        unread = millrace(environment, "lag", "--group", "millrace-tickets", "--topic", "tickets*")
    assert unread.returncode == 3, unread.stderr
    assert "this user may not read topic tickets" in unread.stdout


def test_a_backfill_needs_no_more_than_the_documented_rules(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    delete_all_topics(secure_kafka)
    create_topics(secure_kafka.bootstrap, TICKETS.topics(1), 1)
    produce(secure_kafka.bootstrap, *(event(ticket_id=f"T-{number}") for number in range(3)), event(priority="asap"))
    live = GroupOffsets(secure_kafka.bootstrap, "millrace-tickets", SystemClock())
    live.commit({TopicPartition("tickets", 0): 4})
    live.close()
    environment = user_environment(secure_kafka, certificates, tmp_path)
    command = ("run", "tickets", "--group", "backfill-2026", "--from", "2020-01-01", "--index-only", "--json")
    rules = rules_of("backfill")
    for lacks in (("group", "millrace-tickets"), ("group", "backfill-")):
        with allowed(secure_kafka, USER, rules_without(rules, *lacks)):
            refused = millrace(environment, *command, module=BACKFILL)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert lacks[1] in refused.stderr, refused.stderr
    with allowed(secure_kafka, USER, rules):
        done = millrace(environment, *command, module=BACKFILL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["finished"], found["outcomes"]) == (True, {"dead_lettered": 1, "indexed": 3})


def delete_all_topics(server: KafkaServer) -> None:
    """Delete the topics that other tests on the same brokers have left, and wait until the deletion is complete."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})

    def left() -> list[str]:
        return [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]

    for future in admin.delete_topics(names).values() if (names := left()) else ():
        future.result(10)
    wait_until(lambda: not left(), 30, "no topics")


def assert_records_are_decided_again(environment: dict[str, str], server: KafkaServer) -> None:
    """The command gets as far as the first search for records that it has read: the points here are of a shorter model."""
    with allowed(server, USER, rules_of("drift-build")):
        built = millrace(environment, "drift", "reference", "build", "--stream", "tickets", "--from-topic")
    assert "Vector dimension error" in built.stderr, built.stderr


def rules_without(rules: list[Rule], kind: str, name: str) -> list[Rule]:
    """Return the rules except one."""
    left = [rule for rule in rules if (rule.kind, rule.name) != (kind, name)]
    assert len(left) == len(rules) - 1
    return left


@pytest.mark.parametrize(
    ("lacks", "reported"),
    [
        (("topic", "tickets"), "Read on its topics"),
        (("group", "millrace-tickets"), "Read on its topics and its group"),
        (("topic", "tickets."), "Write on "),
    ],
)
def test_a_worker_that_lacks_a_right_ends_and_names_it(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path, lacks: tuple[str, str], reported: str
) -> None:
    rules = rules_without(rules_of("worker"), *lacks)
    assert reported in str(refused_worker(secure_kafka, certificates, tmp_path, rules))


def test_a_worker_that_may_not_write_one_topic_ends_and_names_it(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    rules = rules_without(rules_of("worker"), "topic", "tickets.")
    others = [Rule("worker", "topic", name, "literal", ("Write",)) for name in ("tickets.outcomes", "tickets.dlq")]
    refusal = refused_worker(secure_kafka, certificates, tmp_path, rules + others)
    assert "the user needs Write on topic tickets.routed, see docs/security.md" in str(refusal)


def refused_worker(server: KafkaServer, certificates: Certificates, folder: Path, rules: list[Rule]) -> Fatal:
    """Return how a worker with these rules ends that has a ticket to settle.

    It has a group of its own: the client of a refused worker stays a member for as long as this process lives.
    """
    group = f"refused-{folder.name}"
    rules = [rule._replace(name=group) if rule.kind == "group" else rule for rule in rules]
    brokers, own = by_password(server, certificates), StreamSettings(consumer=ConsumerSettings(group=group))
    create_topics(server.bootstrap, TICKETS.topics(2), 1)
    produce(server.bootstrap, event())
    settings, store = Settings(broker=brokers.settings, store=StoreSettings(path=folder / "s")), EdgeStore(folder / "s")
    ends, rights = pytest.raises(Fatal), allowed(server, USER, rules)
    with (
        rights,
        closing(store),
        ends as caught,
        running_worker(process_of(settings, brokers, store), FakeModel(), [], own) as running,
    ):
        assert running.lifecycle.stopping.wait(60)
    return caught.value


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_mechanism_admits_the_user(secure_kafka: KafkaServer, certificates: Certificates, mechanism: str) -> None:
    brokers = by_password(secure_kafka, certificates, sasl_mechanism=mechanism)
    with pytest.raises(Fatal, match="authorization failed"):  # admitted, but without rights
        TopicReader(brokers).watermarks("anything")


def test_a_certificate_admits_the_client(secure_kafka: KafkaServer, certificates: Certificates) -> None:
    with pytest.raises(Fatal, match="authorization failed"):
        TopicReader(by_certificate(secure_kafka, certificates)).watermarks("anything")


def test_brokers_of_an_unknown_authority_are_not_trusted(secure_kafka: KafkaServer, certificates: Certificates) -> None:
    brokers = by_password(secure_kafka, certificates, ca_file=certificates.stranger)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        TopicReader(brokers).watermarks("anything")


def test_brokers_with_another_name_are_not_trusted(secure_kafka: KafkaServer, certificates: Certificates) -> None:
    elsewhere = secure_kafka.secure_bootstrap.replace(
        "127.0.0.1", "localhost"
    )  # the certificate contains the address only
    brokers = Brokers(elsewhere, by_password(secure_kafka, certificates).settings)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        TopicReader(brokers).watermarks("anything")


def test_a_connection_without_encryption_is_refused(secure_kafka: KafkaServer) -> None:
    with pytest.raises(Unavailable, match="broker"):
        TopicReader(secure_kafka.secure_bootstrap).watermarks("anything")


@pytest.mark.parametrize(
    "client",
    [
        lambda b: TopicReader(b).watermarks("any"),
        lambda b: KafkaSink(b, b.settings),
        lambda b: GroupOffsets(b, "any", SystemClock()),
        lambda b: Remover(b).remove({TopicPartition("any", 0): 1}),
        lambda b: measure_backlog(b, "any"),
        lambda b: survey_group(b, "any", ["any"], 1),
    ],
)
def test_a_locked_key_is_reported_at_once(secure_kafka: KafkaServer, certificates: Certificates, client: Any) -> None:
    brokers = by_certificate(secure_kafka, certificates, key_password=SecretStr("wrong-" + PASSWORD))
    with pytest.raises(Fatal, match=r"ssl\.key\.location") as caught:
        client(brokers)
    assert PASSWORD not in str(caught.value)


def test_a_worker_that_is_refused_ends(secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path) -> None:
    brokers = by_password(secure_kafka, certificates, password=SecretStr("wrong"))
    settings = Settings(broker=brokers.settings, store=StoreSettings(path=tmp_path / "store"))
    store = EdgeStore(tmp_path / "store")
    refused = pytest.raises(Fatal, match="MILLRACE_BROKER__PASSWORD")
    with closing(store), refused, running_worker(process_of(settings, brokers, store), FakeModel(), []) as running:
        assert running.lifecycle.stopping.wait(60)
