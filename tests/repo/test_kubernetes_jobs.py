"""The Jobs in `k8s/jobs`, which belong to no overlay: valid, as restricted as the workers, and in accord with the code.

A green run does not show that a cluster accepts them, nor that a Job ends well: no cluster was available.
"""

from typing import Any

import pytest
import typer
import yaml

from millrace.cli import app
from millrace.streams import STREAMS
from tests.repo.deployment import project
from tests.repo.kubernetes_around import HTTPS, allowed, opened
from tests.repo.kubernetes_pods import OF_ALL, OF_WORKERS, WORKLOADS, Workload, common_faults
from tests.repo.kubernetes_schemas import schema_faults
from tests.repo.strimzi import rules_of
from tests.support.manifests import K8S, Manifest, built, of_kind, overlay

JOBS = ("backfill", "reference")
OPENS = {
    "backfill": {"dns": {53}, "broker": {9093}, "store": {6333}, "cache": {6379}, "tracing": {4318}, "models": {HTTPS}},
    "reference": {"dns": {53}, "store": {6333}, "tracing": {4318}},
}


def job_of(name: str) -> Workload:
    """Return the Job of a folder."""
    [manifest] = of_kind(built(K8S / "jobs" / name), "Job").values()
    return Workload(manifest, of_kind(overlay("cpu"), "ConfigMap"))


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the command of a command line, and its parameters; an option that does not exist raises what typer raises."""
    command: Any = typer.main.get_command(app)
    left = list(words)
    while hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    context = command.make_context(command.name, left)
    return command.name, context.params


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_valid_and_as_restricted_as_a_worker(name: str) -> None:
    made = built(K8S / "jobs" / name)
    assert [fault for manifest in made for fault in schema_faults(manifest)] == []
    assert list(common_faults(job_of(name), of_kind(overlay("cpu"), "PersistentVolumeClaim"))) == []
    assert {each["metadata"]["namespace"] for each in made} == {"millrace"}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_may_open_what_it_opens(name: str) -> None:
    job, policies = job_of(name), of_kind(overlay("cpu"), "NetworkPolicy")
    assert opened(job) == OPENS[name]
    assert opened(job).items() <= allowed(policies, job.labels, "egress").items()


@pytest.mark.parametrize("name", JOBS)
def test_no_workload_takes_the_pods_of_a_job_for_its_own(name: str) -> None:
    labels = job_of(name).labels
    assert labels["app.kubernetes.io/name"] == job_of(name).name
    assert job_of(name).name not in WORKLOADS


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_a_command_in_the_image_of_its_stream(name: str) -> None:
    job = job_of(name)
    command, given = parsed(job.container["args"])
    stream = given["stream"] if command == "build" else given["streams"][0]
    assert stream in STREAMS
    assert job.container["image"] == f"millrace-{stream}:{project()['version']}"


def test_a_wrong_option_is_found() -> None:
    with pytest.raises(Exception, match="No such option: --groups"):
        parsed(["run", "tickets", "--groups", "backfill-2026"])


def test_the_backfill_has_the_settings_of_a_worker_and_a_user_of_its_own() -> None:
    job = job_of("backfill")
    assert {f"MILLRACE_{name}" for name in (*OF_ALL, *OF_WORKERS)} <= job.environment.keys()
    [user] = of_kind(built(K8S / "jobs" / "backfill"), "KafkaUser").values()
    assert user["metadata"]["name"] == job.environment["MILLRACE_BROKER__USERNAME"] == job.name
    acls = user["spec"]["authorization"]["acls"]
    patterns = {"prefixed": "prefix", "literal": "literal"}
    topics = [
        (rule.name, patterns[rule.pattern], list(rule.operations))
        for rule in rules_of("worker", ["tickets"])
        if rule.kind == "topic"
    ]
    assert [
        (acl["resource"]["name"], acl["resource"]["patternType"], acl["operations"])
        for acl in acls
        if acl["resource"]["type"] == "topic"
    ] == topics
    groups = {acl["resource"]["name"]: acl for acl in acls if acl["resource"]["type"] == "group"}
    [own] = (name for name in groups if job.container["args"][3].startswith(name))
    assert groups[own]["resource"]["patternType"] == "prefix"
    assert groups[own]["operations"] == ["Read"]
    assert groups["millrace-tickets"]["operations"] == ["Describe"]


def test_the_reference_is_written_where_workers_and_drift_read_it() -> None:
    job, made = job_of("reference"), overlay("cpu")
    folder = job.environment["MILLRACE_DRIFT__REFERENCES"]
    [written] = [mount for mount in job.container["volumeMounts"] if mount["mountPath"] == folder]
    assert not written.get("readOnly")
    for name in ("ticket-worker", "drift"):
        reader = Workload(of_kind(made, "Deployment")[name], of_kind(made, "ConfigMap"))
        assert claim_at(reader, reader.environment["MILLRACE_DRIFT__REFERENCES"]) == claim_at(job, folder)


def claim_at(each: Workload, folder: str) -> str:
    """Return the name of the claim that is mounted at a folder."""
    [mount] = [mount for mount in each.container["volumeMounts"] if mount["mountPath"] == folder]
    [volume] = [volume for volume in each.pod["volumes"] if volume["name"] == mount["name"]]
    return str(volume["persistentVolumeClaim"]["claimName"])


def test_no_overlay_starts_a_job() -> None:
    made: list[Manifest] = [*overlay("cpu"), *overlay("gpu")]
    assert of_kind(made, "Job") == {}
    assert yaml.safe_load((K8S / "base" / "kustomization.yaml").read_text(encoding="utf-8"))["namespace"] == "millrace"
