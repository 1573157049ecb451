"""The extras of each image, and what Compose starts beside our own processes, against the code.

A green run does not prove that an image builds, nor that Grafana accepts what it is given: neither was available here.
"""

import copy
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.streams import STREAMS
from tests.repo.deployment import environment_of
from tests.repo.images import CPU, IMAGES, LARGE_LIBRARIES, default_cards, monitoring_faults, needed_from_lock
from tests.repo.kubernetes_pods import WORKERS, workloads
from tests.support.manifests import overlay
from tests.support.sources import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
OPTIONAL: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
CUBLAS = re.compile(r"^nvidia-cublas-cu(\d+)")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_there_is_an_image_for_each_stream_and_one_for_the_services() -> None:
    assert IMAGES.keys() == {*STREAMS, "services", CPU}


@pytest.mark.parametrize("stream", STREAMS)
def test_the_image_of_a_stream_has_the_extras_of_its_models(stream: str) -> None:
    needed = {extra for card in default_cards()[stream] for extra in card.extra.split(",")}
    assert needed <= set(IMAGES[stream].split(","))


@pytest.mark.parametrize("image", IMAGES)
def test_every_extra_of_an_image_exists(image: str) -> None:
    assert set(IMAGES[image].split(",")) <= OPTIONAL.keys()


def test_the_images_without_torch_have_no_library_that_brings_it() -> None:
    for image in ("services", CPU):
        assert needed_from_lock(IMAGES[image], LOCK, OPTIONAL) & LARGE_LIBRARIES == set()
    assert needed_from_lock(IMAGES["tickets"], LOCK, OPTIONAL) & LARGE_LIBRARIES >= {"torch", "onnxruntime"}
    assert {"aiohttp", "nvidia-cublas"} <= needed_from_lock(
        "drift,text", LOCK, OPTIONAL
    )  # what comes indirectly counts


IN_THE_IMAGE_OF_SERVICES = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}.split(","):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import millrace.cli, millrace.serve, workers.services.drift, millrace.lag_measuring, millrace.drift_watching
from typer.testing import CliRunner
for words in ("run", "lag", "topics create", "dlq list", "audit", "ingest"):
    assert CliRunner().invoke(millrace.cli.app, [*words.split(), "--help"]).exit_code == 0, words
"""
MODEL_MODULES = "torch,torchvision,transformers,timm,ctranslate2,faster_whisper,whisper,onnxruntime,cv2,rapidocr,av"


def test_commands_and_services_start_without_the_libraries_of_models() -> None:
    script = IN_THE_IMAGE_OF_SERVICES.format(absent=MODEL_MODULES)
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-600:]


IN_THE_IMAGE_FOR_CPUS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}.split(","):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import millrace.serve, workers.tickets.stages
from millrace.resources import load_text_model
from shared.model_settings import EmbeddingSettings
from shared.stream_settings import StreamSettings
for key in ("minilm-l6-v2", "use-multilingual-v3"):
    model = load_text_model(StreamSettings(embedding=EmbeddingSettings(model=key, device="cpu")))
    assert model.embed(["Where is my order?"]).vectors.shape == (1, model.dim)
"""


def test_texts_are_embedded_without_torch() -> None:
    absent = f"{MODEL_MODULES},sentence_transformers"
    script = IN_THE_IMAGE_FOR_CPUS.format(absent=absent)
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-600:]


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_has_the_same_settings_in_compose_and_in_kubernetes(worker: str) -> None:
    own = re.compile(rf"MILLRACE_(OPERATION__(?!MODELS_DIR)|{WORKERS[worker].upper()}__)")
    for name, service in (("cpu", worker), ("gpu", f"{worker}-gpu")):
        deployed = workloads(overlay(name))[worker].environment
        composed = COMPOSE["services"][service]["environment"]
        assert {key: value for key, value in composed.items() if own.match(key)} == {
            key: value for key, value in deployed.items() if own.match(key)
        }


def test_speech_finds_the_cublas_that_it_loads() -> None:
    """The one of torch is of another CUDA, so a worker of calls would end at its first recording."""
    [library] = Path(str(find_spec("ctranslate2").origin)).parent.parent.glob("ctranslate2.libs/libctranslate2-*.so*")  # type: ignore[union-attr]  # it is installed
    loaded = set(re.findall(rb"libcublas[.]so[.](\d+)", library.read_bytes()))
    named = {cuda for extra in IMAGES["calls"].split(",") for each in OPTIONAL[extra] for cuda in CUBLAS.findall(each)}
    assert {cuda.decode() for cuda in loaded} == named
    assert [set(CUBLAS.findall(line)) for line in LOCK.splitlines() if line.startswith("nvidia-cublas-cu")] == [named]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [python] = re.findall(r"^ARG PYTHON_IMAGE=python:(\d+[.]\d+)", dockerfile, re.MULTILINE)
    folder = f"/opt/millrace/lib/python{python}/site-packages/nvidia/cublas/lib"
    assert environment_of(dockerfile)["LD_LIBRARY_PATH"] == folder


def test_prometheus_and_grafana_see_everything() -> None:
    assert list(monitoring_faults(COMPOSE, PROMETHEUS)) == []


def test_a_process_that_prometheus_does_not_ask_is_found() -> None:
    prometheus = copy.deepcopy(PROMETHEUS)
    del prometheus["scrape_configs"][1]
    assert list(monitoring_faults(COMPOSE, prometheus)) == ["Prometheus asks other services: lag"]


def test_a_dashboard_that_is_not_mounted_is_found() -> None:
    compose = copy.deepcopy(COMPOSE)
    compose["services"]["grafana"]["configs"].pop()
    assert list(monitoring_faults(compose, PROMETHEUS)) == ["millrace-stream.json is not mounted"]


def test_grafana_finds_its_data_and_its_dashboards() -> None:
    folder = ROOT / "monitoring" / "grafana"
    [source] = yaml.safe_load((folder / "datasource.yml").read_text(encoding="utf-8"))["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards.yml").read_text(encoding="utf-8"))["providers"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in COMPOSE["services"]["prometheus"]["ports"]
    targets = {each["source"]: each["target"] for each in COMPOSE["services"]["grafana"]["configs"]}
    shown = [target for name, target in targets.items() if name.startswith("dashboard-")]
    assert all(target.startswith(provider["options"]["path"] + "/") for target in shown)
    assert targets["grafana-source"].startswith("/etc/grafana/provisioning/datasources/")
    assert targets["grafana-dashboards"].startswith("/etc/grafana/provisioning/dashboards/")
