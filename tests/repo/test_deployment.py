"""Dockerfile, docker-compose.yml and the wheel, checked against the code.

A green run does not prove that the image builds or that the services start: no container engine is available here. How
a foreign image uses its variables is known from its documentation only.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.vectorstore.qdrant.setup import OLDEST_SERVER
from tests.repo.deployment import command_faults, compose_faults, dockerfile_faults, health_command, project
from tests.support.fakes import ManualClock
from tests.support.qdrant.faults import Faults
from tests.support.sources import PACKAGES, ROOT, sources

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE, MAKEFILE, IGNORED = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "Makefile", ".dockerignore")
)


def test_the_compose_file_fits_the_code() -> None:
    assert compose_faults(COMPOSE) == []


def test_the_dockerfile_fits_the_code() -> None:
    assert dockerfile_faults(DOCKERFILE, MAKEFILE, IGNORED) == []


def test_the_deployed_versions_are_the_tested_ones() -> None:
    pom = (ROOT / "tests" / "support" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    kafka = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
    assert kafka is not None
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{kafka[1]}"
    assert COMPOSE["services"]["qdrant"]["image"] == f"qdrant/qdrant:v{Faults().version}-unprivileged"
    assert tuple(int(part) for part in Faults().version.split(".")) >= OLDEST_SERVER


def test_the_image_and_the_compose_file_name_one_version() -> None:
    texts = DOCKERFILE, json.dumps(COMPOSE)
    named = {each for text in texts for each in re.findall(r"millrace-[a-z]+:(\d+\.\d+\.\d+)", text)}
    assert named == {project()["version"]}


# --- the health checks, run against a real probe server ---


@pytest.fixture(scope="module")
def probed() -> Any:
    """Yield a probe server and its lifecycle."""
    lifecycle = Lifecycle(ManualClock(), 120)
    server = ProbeServer("127.0.0.1", 0, {"tickets": lifecycle}, Registry())
    yield server, lifecycle
    server.close()


def healthy(command: list[str], port: int) -> bool:
    script = command[command.index("-c") + 1].replace("127.0.0.1', 9400", f"127.0.0.1', {port}")
    environment = {**os.environ, "MILLRACE_OPERATION__PORT": str(port)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    return ended.returncode == 0


def test_liveness_and_readiness_are_distinguished(probed: tuple[ProbeServer, Lifecycle]) -> None:
    server, lifecycle = probed
    image = health_command(DOCKERFILE)
    compose = COMPOSE["services"]["ticket-worker"]["healthcheck"]["test"]
    lifecycle.set_ready("worker")
    assert healthy(image, server.port)
    assert healthy(compose, server.port)
    lifecycle.set_not_ready("store", "away")
    assert healthy(image, server.port)
    assert not healthy(compose, server.port)


def test_a_port_where_nothing_listens_is_not_healthy(probed: tuple[ProbeServer, Lifecycle]) -> None:
    assert not healthy(health_command(DOCKERFILE), 1)


# --- that a fault would be found ---


def broken(*place: str, to: object) -> Callable[[dict[str, Any]], None]:
    """Return a function that sets one place of a compose file to another value; None removes it."""

    def change(compose: dict[str, Any]) -> None:
        held = compose["services"]
        for step in place[:-1]:
            held = held[step]
        if to is None:
            held.pop(place[-1])
        else:
            held[place[-1]] = to

    return change


WORKER_CHECK = ["CMD", "python", "-c", "GET '/health' 9400"]
COMPOSE_FAULTS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (broken("redis", "image", to="redis:latest"), "not pinned"),
    (broken("redis", "image", to="redis"), "not pinned"),
    (broken("ticket-worker", "image", to="millrace-tickets:9.9.9"), "is not that of version"),
    (broken("ticket-worker", "read_only", to=False), "not read-only"),
    (broken("qdrant", "read_only", to=None), "not read-only"),
    (broken("kafka", "cap_drop", to=["NET_RAW"]), "capabilities"),
    (broken("qdrant", "security_opt", to=[]), "capabilities"),
    (broken("redis", "deploy", to={}), "memory"),
    (broken("redis", "user", to="0:0"), "runs as root"),
    (broken("redis", "privileged", to=True), "runs as root"),
    (broken("qdrant", "ports", to=["6333:6333"]), "open to the network"),
    (broken("ticket-worker", "ports", to=["127.0.0.1:9400:9401"]), "probes are on 9400"),
    (broken("qdrant", "environment", "QDRANT__SERVICE__API_KEY", to="hunter2"), "looks like a secret"),
    (broken("ticket-worker", "environment", "MILLRACE_STORE__API_KEY", to="hunter2"), "looks like a secret"),
    (broken("ticket-worker", "environment", "MILLRACE_STORE__API_KEY", to="${KEY:-hunter2}"), "looks like a secret"),
    (broken("topics", "environment", "MILLRACE_CACHE__REDIS_URL", to="redis://u:p@redis:6379/0"), "like a secret"),
    (broken("ticket-worker", "environment", "MILLRACE_STORE__URI", to="x"), "is no setting"),
    (broken("ticket-worker", "environment", "MILLRACE_TICKETS__BATCH__MAX_RECORDS", to="many"), "settings are refused"),
    (broken("ticket-worker", "environment", "MILLRACE_BROKER__BOOTSTRAP", to="kafka:9093"), "nobody answers"),
    (broken("ticket-worker", "environment", "MILLRACE_STORE__URL", to="http://qdrant:6334"), "nobody answers"),
    (broken("ticket-worker", "environment", "MILLRACE_CACHE__REDIS_URL", to="redis://cache:6379"), "nobody answers"),
    (broken("ticket-worker", "command", to=["start", "tickets"]), "no command start"),
    (broken("ticket-worker", "command", to=["run", "films"]), "no stream films"),
    (broken("topics", "command", to=["topics"]), "not complete"),
    (broken("topics", "command", to=["topics", "make"]), "no command make"),
    (broken("topics", "healthcheck", to=None), "nobody can ask"),
    (broken("kafka", "healthcheck", to=None), "no health check"),
    (broken("ticket-worker", "healthcheck", to={"disable": True}), "no health check"),
    (broken("ticket-worker", "healthcheck", "test", to=WORKER_CHECK), "asks none of"),
    (broken("ticket-worker", "healthcheck", "test", to=["CMD", "'/readyz'"]), "does not ask port"),
    (broken("ticket-worker", "tmpfs", to=[]), "no /tmp"),
    (broken("ticket-worker", "stop_grace_period", to="20s"), "before its drain ends"),
    (broken("ticket-worker", "volumes", to=["millrace-state:/data"]), "gone with the container"),
    (broken("ticket-worker", "volumes", to=["./state:/var/lib/millrace"]), "not declared"),
    (broken("ticket-worker", "depends_on", "qdrant", to={"condition": "service_started"}), "until qdrant is ready"),
    (broken("ticket-worker", "depends_on", "qdrent", to={"condition": "service_healthy"}), "which there is not"),
    (broken("ticket-worker", "depends_on", "topics", to=None), "ticket-worker: nobody makes the topics of tickets"),
    (broken("topics", to=None), "call-worker: nobody makes the topics of calls"),
    (broken("topics", "command", to=["topics", "create", "--stream", "calls"]), "topics of products, tickets"),
    (broken("topics", "command", to=["topics", "create", "--stream", "films"]), "no stream films"),
    (broken("kafka", "environment", "KAFKA_AUTO_CREATE_TOPICS_ENABLE", to="true"), "makes topics by itself"),
    (broken("redis", to=None), "there is no service redis"),
    (broken("call-worker", "profiles", to=["core", "all"]), "its profiles are not all"),
    (broken("lag", "profiles", to=["all"]), "its profiles are not all, core, gpu"),
    (broken("ticket-worker-gpu", "deploy", "resources", "reservations", to={}), "reserves a GPU"),
    (broken("ticket-worker-gpu", "networks", to={}), "is not known by the name"),
    (broken("lag", "image", to="millrace-tickets:0.1.0"), "does not run in millrace-services"),
    (broken("drift", "build", "args", to={"EXTRAS": "text"}), "built with other extras"),
]


@pytest.mark.parametrize(
    ("change", "says"), COMPOSE_FAULTS, ids=[f"{n} {says}" for n, (_, says) in enumerate(COMPOSE_FAULTS)]
)
def test_a_planted_fault_in_the_compose_file_is_found(change: Callable[[dict[str, Any]], None], says: str) -> None:
    compose = copy.deepcopy(COMPOSE)
    change(compose)
    assert [fault for fault in compose_faults(compose) if says in fault] != []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("PYTHON_IMAGE=python:3.11.13-slim-bookworm", "PYTHON_IMAGE=python:latest", "not pinned"),
        ("FROM ${PYTHON_IMAGE} AS wheel", "FROM python AS wheel", "not pinned"),
        ("USER 10001:10001", "USER 0:0", "it runs as 0"),
        ("USER 10001:10001", "USER millrace", "it runs as millrace"),
        ("USER 10001:10001\n", "", "it runs as root"),
        ('ENTRYPOINT ["millrace"]', 'ENTRYPOINT ["python"]', "not our command"),
        ('CMD ["run", "tickets"]', 'CMD ["run", "films"]', "no stream films"),
        ("ARG EXTRAS=text,", "ARG EXTRAS=", "extras of tickets"),
        ("millrace[${EXTRAS}]", "millrace[text]", "extras of tickets"),
        ("EXPOSE 9400", "EXPOSE 8000", "expose port 9400"),
        ("'/healthz'", "'/readyz'", "would be restarted"),
        ("'/healthz'", "'/health'", "asks none of"),
        ("MILLRACE_STORE__PATH", "MILLRACE_STORE__FOLDER", "is no setting"),
        ("MILLRACE_OPERATION__HOST=0.0.0.0", "MILLRACE_OPERATION__HOST=127.0.0.1", "can ask its probes"),
        ("PYTHONUNBUFFERED=1", "QDRANT_API_KEY=hunter2", "looks like a secret"),
        ("RUN python -m pip uninstall", "RUN apt-get install gcc && python -m pip uninstall", "last stage installs"),
        ("-m millrace.doctor.packages", "-c pass", "ours alone"),
        ("-c requirements.lock", "", "lock does not bind"),
        ("UV_VERSION=0.13.9", "UV_VERSION=0.1.0", "another version"),
        ("COPY workers workers\n", "", "workers is not in the image"),
        ("COPY workers workers", "COPY workers tests/nothing workers", "not there to copy"),
        ("COPY workers workers", "COPY workers tests workers", "kept out by .dockerignore"),
    ],
)
def test_a_planted_fault_in_the_dockerfile_is_found(old: str, new: str, says: str) -> None:
    assert old in DOCKERFILE
    faults = dockerfile_faults(DOCKERFILE.replace(old, new), MAKEFILE, IGNORED)
    assert [fault for fault in faults if says in fault] != []


def test_a_dockerignore_that_admits_everything_is_found() -> None:
    faults = dockerfile_faults(DOCKERFILE, MAKEFILE, IGNORED.replace("\n*\n", "\n"))
    assert faults == [".dockerignore lets in what it does not name"]


def test_an_option_is_not_mistaken_for_a_stream() -> None:
    assert list(command_faults("here", ["doctor"])) == []
    assert list(command_faults("here", [])) == ["here: the command is not complete"]


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Yield the wheel, built from a copy: a build leaves folders beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    build = "from setuptools import build_meta; build_meta.build_wheel('built')"
    (folder / "built").mkdir()
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True)
    [built] = (folder / "built").iterdir()
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    about = f"millrace-{project()['version']}.dist-info"
    assert {name.split("/")[0] for name in names} == {*PACKAGES, about}
    assert {source.name for source in sources()} == {name for name in names if name.endswith(".py")}
    assert wheel.read(f"{about}/entry_points.txt").decode().split() == [
        "[console_scripts]", "millrace", "=", project()["scripts"]["millrace"],
    ]  # fmt: skip


def test_the_wheel_holds_every_file_that_is_not_code(wheel: zipfile.ZipFile) -> None:
    data = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {Path(name).suffix for name in data} >= {".toml", ".json", ".jsonl"}
    assert data <= set(wheel.namelist())
