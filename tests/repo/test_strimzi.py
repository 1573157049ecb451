"""Kafka, Qdrant and Redis of the cluster against the code and the compose file.

The files of topics and users are compared by test_generated.py. A green run does not prove that the operator accepts
them, nor that the servers start: no cluster was available here.
"""

import re
from typing import Any

import pytest
import yaml

from millrace.streams import STREAMS
from tests.repo.strimzi import CLUSTER, IN_SYNC, REPLICAS, lag_rules, redrive_rules, rules_of, users_file
from tests.support.sources import ROOT

BASE = ROOT / "k8s" / "base"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def manifest(name: str, kind: str) -> Any:
    """Return the only manifest of a kind, or the one with the part's own name."""
    path = BASE / name / f"{name}.yaml"
    found = [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each["kind"] == kind]
    return found[0] if len(found) == 1 else next(each for each in found if each["metadata"]["name"] == name)


def test_the_brokers_keep_every_confirmed_write() -> None:
    kafka, pool = manifest("kafka", "Kafka"), manifest("kafka", "KafkaNodePool")
    config = kafka["spec"]["kafka"]["config"]
    assert kafka["metadata"]["name"] == pool["metadata"]["labels"]["strimzi.io/cluster"] == CLUSTER
    assert pool["spec"]["replicas"] == REPLICAS
    assert {value for name, value in config.items() if name.endswith("replication.factor")} == {REPLICAS}
    assert {value for name, value in config.items() if name.endswith(("min.isr", "insync.replicas"))} == {IN_SYNC}
    assert not config["auto.create.topics.enable"]
    assert not config["unclean.leader.election.enable"]


def test_only_users_with_a_password_get_in_over_tls() -> None:
    spec = manifest("kafka", "Kafka")["spec"]["kafka"]
    [listener] = spec["listeners"]
    assert (listener["tls"], listener["port"], listener["authentication"]["type"]) == (True, 9093, "scram-sha-512")
    assert spec["authorization"] == {"type": "simple"}


def test_only_our_pods_reach_the_listener_of_clients() -> None:
    [listener] = manifest("kafka", "Kafka")["spec"]["kafka"]["listeners"]
    assert listener["networkPolicyPeers"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "millrace"}}}
    ]


@pytest.mark.parametrize("part", ["kafka", "entity-operator"])
def test_what_strimzi_runs_may_open_what_it_needs(part: str) -> None:
    """The default deny holds for Strimzi's pods too. A broker does not start unless it reaches the API of Kubernetes."""
    labels = {"strimzi.io/cluster": CLUSTER, "strimzi.io/name": f"{CLUSTER}-{part}"}
    text = (BASE / "kafka" / "network.yaml").read_text(encoding="utf-8")
    opened: dict[bool, set[int]] = {True: set(), False: set()}
    for policy in yaml.safe_load_all(text):
        if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items():
            for rule in policy["spec"]["egress"]:
                opened["to" in rule] |= {port["port"] for port in rule["ports"]}
                for peer in rule.get("to", ()):
                    assert peer == {"podSelector": {"matchLabels": {"strimzi.io/cluster": CLUSTER}}}
    assert opened == {True: {9090, 9091}, False: {443, 6443}}


def test_kafka_remembers_a_group_for_longer_than_what_it_reads_is_kept() -> None:
    config = manifest("kafka", "Kafka")["spec"]["kafka"]["config"]
    kept_ms = max(topic.retention_ms for stream in STREAMS.values() for topic in (stream.topics()[:2]))
    assert config["offsets.retention.minutes"] * 60_000 > kept_ms


def test_all_data_are_on_encrypted_volumes() -> None:
    [volume] = manifest("kafka", "KafkaNodePool")["spec"]["storage"]["volumes"]
    [claim] = manifest("qdrant", "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert volume["class"] == claim["spec"]["storageClassName"] == "millrace-encrypted"
    assert not volume["deleteClaim"]
    assert volume["size"].endswith("Gi")


def test_the_redrive_may_do_what_the_page_states() -> None:
    page = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())
    sentence = page.split("The redrive, `millrace run redrive`, needs ")[1].split(". ")[0]
    assert set(re.findall(r"`([^`]+)`", sentence)) == {
        "tickets.retry.",
        "millrace-redrive",
        "tickets.redo",
        "millrace-",
    }
    assert {rule.name for rule in redrive_rules(["tickets"])} == set(re.findall(r"`([^`]+)`", sentence))


def test_the_rules_of_another_stream_name_only_that_stream() -> None:
    names = {rule.name for rule in rules_of("worker", ["calls"])}
    assert names == {"calls", "calls.redo", "calls.dlq", "calls.", "millrace-calls"}
    drift = {rule.name for rule in rules_of("drift", STREAMS)}
    assert {"drift.alerts", "millrace-drift-", *(f"{stream}.sums" for stream in STREAMS)} <= drift


def test_the_measurement_of_lag_may_read_when_records_expire() -> None:
    topics = {rule.name: rule.operations for rule in lag_rules(STREAMS) if rule.kind == "topic"}
    assert topics == dict.fromkeys(STREAMS, ("Read", "DescribeConfigs"))
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert "With `DescribeConfigs` on the topics it also knows when records expire." in page


def test_no_worker_may_read_or_write_the_topics_of_another_stream() -> None:
    users = {each["metadata"]["name"]: each for each in yaml.safe_load_all(users_file())}
    assert users.keys() == {"ticket-worker", "call-worker", "product-worker", "redrive", "lag", "drift"}
    for stream in STREAMS:
        acls = users[f"{stream.removesuffix('s')}-worker"]["spec"]["authorization"]["acls"]
        assert all(stream in acl["resource"]["name"] for acl in acls)


@pytest.mark.parametrize(("name", "kind"), [("qdrant", "StatefulSet"), ("redis", "Deployment")])
def test_a_server_is_the_one_of_the_compose_file_and_is_restricted(name: str, kind: str) -> None:
    pod = manifest(name, kind)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == COMPOSE["services"][name]["image"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"]
    assert not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    [port] = container["ports"]
    [served] = manifest(name, "Service")["spec"]["ports"]
    [allowed] = manifest(name, "NetworkPolicy")["spec"]["ingress"][0]["ports"]
    assert served["targetPort"] == port["name"]
    assert served["port"] == port["containerPort"] == allowed["port"]


@pytest.mark.parametrize(
    ("name", "kind", "secret"),
    [("qdrant", "StatefulSet", ("qdrant-api-key", "api-key")), ("redis", "Deployment", ("redis-url", "password"))],
)
def test_a_server_takes_its_secret_from_outside(name: str, kind: str, secret: tuple[str, str]) -> None:
    [container] = manifest(name, kind)["spec"]["template"]["spec"]["containers"]
    taken = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each]
    assert [(each["name"], each["key"]) for each in taken] == [secret]


def test_qdrant_has_the_settings_of_the_compose_file() -> None:
    [container] = manifest("qdrant", "StatefulSet")["spec"]["template"]["spec"]["containers"]
    plain = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    compose = COMPOSE["services"]["qdrant"]["environment"]
    assert plain == {name: value for name, value in compose.items() if "KEY" not in name}
