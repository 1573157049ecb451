"""Selectors of `k8s` select pods that exist, and the pods of Kafka, Qdrant and Redis are those that the namespace admits.

A green run does not prove that the servers start: no cluster was available here.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.repo.strimzi import CLUSTER
from tests.support.manifests import Manifest, of_kind, overlay

MADE = overlay("cpu")
PODS: list[dict[str, str]] = [
    each["spec"]["template"]["metadata"]["labels"] for each in MADE if each["kind"] in ("Deployment", "StatefulSet")
]
OF_STRIMZI: list[dict[str, str]] = [
    {"strimzi.io/cluster": CLUSTER, "strimzi.io/name": f"{CLUSTER}-{part}"} for part in ("kafka", "entity-operator")
]
"""Labels of the pods that Strimzi makes."""


def selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    """Yield the labels by which a manifest selects pods of its namespace."""
    spec = manifest["spec"]
    match manifest["kind"]:
        case "Service":
            yield spec["selector"]
        case "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"]
        case "NetworkPolicy":
            yield spec["podSelector"].get("matchLabels", {})
            rules = [*spec.get("egress", ()), *spec.get("ingress", ())]
            for peer in (peer for rule in rules for peer in (*rule.get("to", ()), *rule.get("from", ()))):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]["matchLabels"]


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_a_selector_selects_pods_that_exist(kind: str) -> None:
    for name, manifest in of_kind(MADE, kind).items():
        for labels in selectors(manifest):
            assert any(labels.items() <= pod.items() for pod in (*PODS, *OF_STRIMZI)), f"{kind} {name}: {labels}"


@pytest.mark.parametrize(("server", "edge"), [("qdrant", "store"), ("redis", "cache")])
def test_a_server_admits_those_that_may_reach_it(server: str, edge: str) -> None:
    policies = of_kind(MADE, "NetworkPolicy")
    [ingress] = policies[server]["spec"]["ingress"]
    [egress] = policies[edge]["spec"]["egress"]
    assert ingress["from"] == [{"podSelector": policies[edge]["spec"]["podSelector"]}]
    assert egress["to"] == [{"podSelector": policies[server]["spec"]["podSelector"]}]
    assert ingress["ports"] == egress["ports"]


def test_kafka_is_spread_and_has_the_operators_that_make_topics_and_users() -> None:
    pod = of_kind(MADE, "KafkaNodePool")["brokers"]["spec"]["template"]["pod"]
    assert pod["securityContext"]["fsGroup"], "the user of the broker cannot write a new volume"
    spread = {each["topologyKey"]: each["whenUnsatisfiable"] for each in pod["topologySpreadConstraints"]}
    assert spread["kubernetes.io/hostname"] == "DoNotSchedule"
    for each in pod["topologySpreadConstraints"]:
        assert each["labelSelector"] == {"matchLabels": {"strimzi.io/pool-name": "brokers"}}
    assert {"topicOperator", "userOperator"} <= of_kind(MADE, "Kafka")[CLUSTER]["spec"]["entityOperator"].keys()
    assert of_kind(MADE, "KafkaTopic").keys() != set()


def strimzi_pods() -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return the security contexts of the pods that Strimzi makes, and those of their containers."""
    brokers = of_kind(MADE, "KafkaNodePool")["brokers"]["spec"]["template"]
    operators = of_kind(MADE, "Kafka")[CLUSTER]["spec"]["entityOperator"]["template"]
    names = ("topicOperatorContainer", "userOperatorContainer")
    return {
        "brokers": (brokers["pod"]["securityContext"], [brokers["kafkaContainer"]["securityContext"]]),
        "operators": (operators["pod"]["securityContext"], [operators[name]["securityContext"] for name in names]),
    }


@pytest.mark.parametrize("part", ["brokers", "operators"])
def test_the_restricted_namespace_admits_what_strimzi_makes(part: str) -> None:
    pod, containers = strimzi_pods()[part]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    for own in containers:
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}


def test_qdrant_keeps_its_points_in_its_volume() -> None:
    stateful = of_kind(MADE, "StatefulSet")["qdrant"]["spec"]
    [container] = stateful["template"]["spec"]["containers"]
    [claim] = stateful["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/qdrant/storage"
    paths = {each["value"] for each in container["env"] if each["name"].endswith("_PATH")}
    assert all(path.startswith("/qdrant/storage/") for path in paths)
    assert paths != set()
    assert stateful["template"]["spec"]["securityContext"]["fsGroup"]
    assert stateful["serviceName"] in of_kind(MADE, "Service")
    assert stateful["replicas"] == 1
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/readyz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_at_most_one_redis_runs() -> None:
    spec = of_kind(MADE, "Deployment")["redis"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
