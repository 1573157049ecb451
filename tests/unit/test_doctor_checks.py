"""The doctor's checks of packages, models, heads, policies and this machine.

A green run does not prove that a set-up without findings works.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.doctor import packages
from millrace.doctor.finding import Check, State, findings_of
from millrace.doctor.machine import check_disk, check_port, free_space
from millrace.doctor.models import check_head, check_model, check_policy
from shared.embedding.registry import load_card
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.routing.head_files import save_head
from shared.routing.training.plan import plan_training
from shared.routing.training.train import train
from shared.settings import OperationSettings, Settings, StoreSettings
from shared.stream_settings import DecisionSettings, StreamSettings
from tests.support.fakes import ManualClock
from tests.support.findings import only, states
from tests.support.labelled import WordModel, examples, support
from tests.support.sources import ROOT
from workers.tickets.stages import TICKETS

HERE = "127.0.0.1"

pytestmark = pytest.mark.usefixtures("bare_environment")


# --- packages ---


def test_the_packages_of_millrace_belong_to_millrace_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert only(packages.check_packages()).state == "ok"
    assert packages.main() == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("owners", "says"),
    [({"shared": ["millrace", "other"]}, "belongs to millrace, other"), ({"shared": []}, "belongs to no distribution")],
)
def test_a_package_with_two_owners_or_without_an_owner_is_found(owners: dict[str, list[str]], says: str) -> None:
    found = only(packages.check_owners({name: ["millrace"] for name in packages.PACKAGES} | owners))
    assert found.state == "wrong"
    assert says in found.detail


def test_the_build_of_the_image_fails_on_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "packages_distributions", dict)
    assert packages.main() == len(packages.PACKAGES)
    assert "package shared belongs to no distribution" in capsys.readouterr().err


# --- models, heads and policies ---


def test_the_packaged_model_matches_its_card() -> None:
    found = list(check_model(StreamSettings()))
    assert states(found) == [("model", "ok")] * 2
    assert load_card("minilm-l6-v2").fingerprint in found[0].detail


def test_other_weights_and_another_model_are_wrong(tmp_path: Path) -> None:
    card = load_card("minilm-l6-v2").model_dump(exclude={"key", "parts"}) | {"source": f"path:{tmp_path}"}
    tables = {name: card.pop(name) for name in ("preparation", "files")}
    lines = ["[mine]", *(f"{name} = {json.dumps(value)}" for name, value in card.items())]
    for table, rows in tables.items():
        lines += [f"[mine.{table}]", *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in rows.items())]
    (tmp_path / "models.toml").write_text("\n".join(lines))
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    settings = StreamSettings(embedding=EmbeddingSettings(model="mine", models_file=tmp_path / "models.toml"))
    found = findings_of(Check("model", lambda: check_model(settings)))
    assert states(found) == [("model", "ok"), ("model", "wrong")]
    assert "SHA-256" in found[1].detail
    [unknown] = findings_of(
        Check("model", lambda: check_model(StreamSettings(embedding=EmbeddingSettings(model="none"))))
    )
    assert (unknown.state, "there is no model none" in unknown.detail) == ("wrong", True)


def test_without_a_head_the_vote_decides() -> None:
    assert only(check_head(StreamSettings(), TICKETS)).state == "skipped"
    assert states(list(check_policy(StreamSettings()))) == [("policy", "ok")]


def test_a_head_of_another_model_and_a_policy_without_its_labels_are_wrong(tmp_path: Path) -> None:
    given = examples(support(labels=2))
    folder = tmp_path / "head"
    save_head(train(plan_training(given, None), WordModel.fingerprint, lambda: None).head, folder)
    settings = StreamSettings(decision=DecisionSettings(head=folder))
    found = findings_of(Check("head", lambda: check_head(settings, TICKETS)))
    assert states(found) == [("head", "ok"), ("head", "wrong")]
    assert "train the head again" in found[1].detail
    reported = findings_of(Check("policy", lambda: check_policy(settings)))
    assert states(reported) == [("policy", "ok"), ("policy", "wrong")]
    (folder / "routing.toml").write_text(
        "[default]\nauto_at = 0.8\nreview_at = 0.4\n[labels.account]\n[labels.card]\n[labels.crad]\n"
    )
    [_, beyond] = findings_of(Check("policy", lambda: check_policy(settings)))
    assert (beyond.state, "[labels.crad]" in beyond.detail) == ("warning", True)


def test_a_folder_without_a_head_is_wrong(tmp_path: Path) -> None:
    settings = StreamSettings(decision=DecisionSettings(head=tmp_path))
    [found] = findings_of(Check("head", lambda: check_head(settings, TICKETS)))
    assert (found.state, "holds no head" in found.detail) == ("wrong", True)


# --- this machine ---


@pytest.mark.parametrize(
    ("free_bytes", "state"), [(50 << 30, "ok"), (1 << 30, "ok"), (500 << 20, "warning"), (99 << 20, "wrong")]
)
def test_free_space_on_a_disk(free_bytes: int, state: State) -> None:
    assert free_space(Path(), free_bytes).state == state


def test_folders_that_exist_or_can_be_created(tmp_path: Path) -> None:
    inside = Settings(operation=OperationSettings(state_dir=tmp_path / "not" / "yet"))
    assert ("state", "ok") in states(list(check_disk(inside)))
    (tmp_path / "file").write_text("")
    below_a_file = Settings(operation=OperationSettings(state_dir=tmp_path / "file" / "state"))
    assert ("state", "wrong") in states(list(check_disk(below_a_file)))
    assert [each.name for each in tmp_path.iterdir()] == ["file"], "the check creates nothing"


AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from millrace.doctor import machine, services
from millrace.doctor.finding import Check, findings_of
from shared.settings import OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from millrace.streams import DEFAULT
state, store = map(Path, sys.argv[1:])
settings = Settings(operation=OperationSettings(state_dir=state), store=StoreSettings(path=store))
if os.getuid() == 0:  # nothing is closed to root
    os.setuid(65534)
for check in (lambda: machine.check_disk(settings), lambda: services._embedded(settings, StreamSettings(), DEFAULT)):
    for found in findings_of(Check("part", check)):
        print(found.part, found.state, found.detail, found.fix, sep="|")
"""


def findings_of_another_user(state: Path, store: Path) -> dict[str, list[str]]:
    """Return what a user who is not root finds, by part: state, detail and what to do."""
    command = [sys.executable, "-c", AS_SOMEBODY_ELSE, str(state), str(store)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {line.split("|")[0]: line.split("|")[1:] for line in ended.stdout.splitlines()}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder that only its owner may enter, inside one that everybody may; at the end the owner may not either."""
    with tempfile.TemporaryDirectory(prefix="millrace-doctor-") as made:
        folder = Path(made) / "closed"
        (folder / "inside").mkdir(parents=True)
        (folder / "inside" / "owner.pid").write_text("7")
        Path(made).chmod(0o755)
        folder.chmod(0o000)
        yield folder
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_read_is_reported_with_user_path_and_remedy(closed: Path) -> None:
    found = findings_of_another_user(closed / "inside" / "state", closed / "inside")
    user = 65534 if os.getuid() == 0 else os.getuid()
    for part, folder, name in (("state", "inside/state", "OPERATION__STATE_DIR"), ("store", "inside", "STORE__PATH")):
        state, detail, fix = found[part]
        assert state == "wrong"
        assert detail == f"{closed / folder} cannot be written: user {user} may not write or enter {closed}"
        assert f"MILLRACE_{name}, or change the folder's owner or permissions" in fix
    assert found["disk"][0] in ("ok", "warning", "wrong"), (
        "its free space is that of the nearest folder that can be read"
    )


def test_a_store_whose_owner_cannot_be_read_is_reported(closed: Path) -> None:
    closed.chmod(0o777)
    (closed / "inside").chmod(0o777)
    owner = closed / "inside" / "owner.pid"
    owner.chmod(0o000)
    state, detail, fix = findings_of_another_user(closed / "state", closed / "inside")["store"]
    assert (state, "cannot read" in detail, str(owner) in detail) == ("wrong", True, True)
    assert "change the folder's owner or permissions" in fix


def test_a_disk_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    settings = Settings(operation=OperationSettings(state_dir=tmp_path), store=StoreSettings(path=tmp_path / "store"))
    assert [part for part, _ in states(list(check_disk(settings)))] == ["state", "disk"]


def test_a_free_port_and_one_that_is_chosen_later() -> None:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port = probe.getsockname()[1]
        taken = only(check_port(OperationSettings(port=port)))  # bound, but nothing listens
    assert (taken.state, "cannot be bound" in taken.detail) == ("wrong", True)
    assert only(check_port(OperationSettings(port=port))).state == "ok"
    assert only(check_port(OperationSettings(port=0))).state == "skipped"


def test_a_worker_at_the_port_reports_its_state() -> None:
    lifecycle = Lifecycle(ManualClock(), 120)
    server = ProbeServer(HERE, 0, {"tickets": lifecycle}, Registry())
    try:
        lifecycle.set_ready("worker")
        settings = OperationSettings(port=server.port)
        assert "a worker answers" in only(check_port(settings)).detail
        assert only(check_port(settings)).state == "ok"
        lifecycle.set_not_ready("store", "away")
        paused = only(check_port(settings))
        assert (paused.state, "store: away" in paused.detail) == ("warning", True)
    finally:
        server.close()
