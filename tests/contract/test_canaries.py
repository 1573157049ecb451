"""The canaries of real models: a weight changed on disk or in memory is found, and what only rounds otherwise is not.

A green run does not prove anything about a GPU, nor that each changed weight moves a vector by enough: one weight of
millions mostly does not, and then the files show it.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from millrace.canaries import Upkeep, answers_file, upkeep_of
from millrace.resources import Process, load_recogniser, load_text_model
from millrace.stage_resources import Given
from shared.embedding.audio.port import Recogniser
from shared.embedding.canaries import AGAIN_S
from shared.embedding.canary_answers import read_answers
from shared.embedding.port import Model
from shared.embedding.registry import load_card
from shared.embedding.text import SentenceModel
from shared.errors import Unavailable
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings, SpeechSettings
from shared.operation.lifecycle import Lifecycle
from shared.settings import OperationSettings, Settings
from shared.stream_settings import StreamSettings
from tests.support.assembly import RecordingObserver
from tests.support.fakes import FakeCollection, FakeModel, ManualClock
from workers.calls.stages import CALLS
from workers.tickets.stages import TICKETS

HOUR_S = 3_600.0
MINILM, TINY = "minilm-l6-v2", "whisper-tiny-en"


@dataclass
class Kept:
    """The canaries of a worker that is not there, with a clock that the test moves."""

    folder: Path
    own: StreamSettings
    models: dict[str, Model[Any]]
    recogniser: Recogniser | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    reported: RecordingObserver = field(default_factory=RecordingObserver)

    def __post_init__(self) -> None:
        """Start."""
        self.settings = Settings(operation=OperationSettings(state_dir=self.folder))
        self.lifecycle = Lifecycle(self.clock, stuck_after_s=1e9)
        self.lifecycle.set_ready("worker")
        self.upkeep = self.restarted()

    def restarted(self) -> Upkeep:
        """Return the canaries as after a restart, after their first look."""
        stream = TICKETS if self.recogniser is None else CALLS
        process = Process(self.settings, "", cast(Any, FakeCollection()), Registry())
        given = Given(stream, self.own, process, self.models, self.recogniser)
        upkeep = upkeep_of(given, self.reported, self.lifecycle, self.clock)
        upkeep.keep()
        return upkeep

    def look(self) -> None:
        """Look as an hour later, and wait for the comparison of the files."""
        self.clock.seconds += HOUR_S
        self.upkeep.keep()
        for each in self.upkeep.each.values():
            each.files.wait()
        self.upkeep.keep()

    def lowest(self, modality: str) -> float:
        """Return the lowest cosine that was reported."""
        return min(
            cast(float, cosine) for name, cosine, *_ in self.reported.named("canary_checked") if name == modality
        )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamSettings]:
    """Yield settings with a copy of the packaged model in a folder, which the tests may change."""
    folder = tmp_path_factory.mktemp("copied")
    card = load_card(MINILM)
    for name in card.files:
        (folder / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(card.folder / name, folder / "model" / name)
    rows = folder / "models.toml"
    rows.write_text(_rows(MINILM, {"source": f'"path:{folder / "model"}"'}), encoding="utf-8")
    yield StreamSettings(embedding=EmbeddingSettings(model=MINILM, models_file=rows, backend="torch"))
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def model(copied: StreamSettings) -> SentenceModel:
    loaded = load_text_model(copied)
    assert isinstance(loaded, SentenceModel)
    return loaded


def _rows(key: str, changes: dict[str, str]) -> str:
    """Return the text of the packaged rows, with other values in one of them."""
    source = (Path(__file__).parents[2] / "shared" / "config" / "models.toml").read_text(encoding="utf-8")
    before, _, row = source.partition(f"\n[{key}]\n")
    lines, end = [], row.index("\n[")
    for line in row[:end].splitlines():
        name = line.split(" = ")[0]
        lines.append(f"{name} = {changes[name]}" if name in changes else line)
    return f"{before}\n[{key}]\n" + "\n".join(lines) + row[end:]


@pytest.mark.parametrize(("backend", "dtype"), [("torch", "auto"), ("openvino", "float32"), ("openvino", "bfloat16")])
def test_one_weight_changed_on_disk_is_found_at_the_next_look(
    copied: StreamSettings, backend: str, dtype: str, tmp_path: Path
) -> None:
    embedding = copied.embedding.model_copy(update={"backend": backend, "dtype": dtype})
    model = load_text_model(copied.model_copy(update={"embedding": embedding}))
    kept = Kept(tmp_path, copied, {"text": model})
    kept.look()
    assert kept.lifecycle.not_ready() == {}
    weights = load_card(MINILM, copied.embedding.models_file).folder / "model.safetensors"
    original = weights.read_bytes()
    _flip(weights, len(original) - 40)
    try:
        kept.look()
        reason = kept.lifecycle.not_ready()["model_files"]
        assert reason.startswith("the files of the model changed since they were loaded: ")
        assert str(weights) in reason
        assert kept.reported.named("canary_checked")[-1][2] is True
        assert kept.lowest("text") >= 0.9999, "the weights in memory have not changed"
        if backend == "openvino":  # on torch, a file that is cut short ends the process, because its weights are mapped
            weights.write_bytes(b"")
            kept.upkeep.each["text"].doubt()
    finally:
        weights.write_bytes(original)
    kept.look()
    assert kept.lifecycle.not_ready() == {}


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as opened:
        opened.seek(at)
        [byte] = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 0x40]))


def test_one_weight_changed_in_memory_is_found_at_the_next_look(
    copied: StreamSettings, model: SentenceModel, tmp_path: Path
) -> None:
    kept = Kept(tmp_path, copied, {"text": model})
    weight = dict(model._model.named_parameters())["0.model.encoder.layer.5.output.LayerNorm.weight"]
    original = weight.detach().clone()
    with torch.no_grad():
        weight[7] = 60
    try:
        with pytest.raises(Unavailable, match=r"model minilm-l6-v2 \(text\).*expected at least 0.999"):
            kept.look()
        with pytest.raises(Unavailable):
            kept.restarted()
    finally:
        with torch.no_grad():
            weight.copy_(original)
    kept.clock.seconds += AGAIN_S
    kept.upkeep.keep()


def test_other_threads_and_micro_batches_raise_no_alarm(
    copied: StreamSettings, model: SentenceModel, tmp_path: Path
) -> None:
    kept = Kept(tmp_path, copied, {"text": model})
    threads, limit = torch.get_num_threads(), model._passes.limit
    try:
        for changed, tokens in ((1, limit), (2, 300), (1, 700)):
            torch.set_num_threads(changed)
            model._passes.limit = tokens
            kept.look()
    finally:
        torch.set_num_threads(threads)
        model._passes.limit = limit
    assert kept.lowest("text") > 1 - 1e-5
    assert kept.lifecycle.not_ready() == {}


@pytest.fixture(scope="module")
def recognisers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[StreamSettings, Recogniser]]:
    """Return a function that loads the small model of speech in a number format."""
    folder, loaded = tmp_path_factory.mktemp("rows"), {}

    def load(dtype: str) -> tuple[StreamSettings, Recogniser]:
        rows = folder / f"{dtype}.toml"
        rows.write_text(_rows(TINY, {"dtype": f'"{dtype}"'}), encoding="utf-8")
        own = StreamSettings(speech=SpeechSettings(model=TINY, models_file=rows))
        if dtype not in loaded:
            loaded[dtype] = load_recogniser(TINY, rows, "cpu")
        return own, loaded[dtype]

    return load


def test_a_quantised_model_is_compared_with_its_own_answers(
    recognisers: Callable[[str], tuple[StreamSettings, Recogniser]], tmp_path: Path
) -> None:
    answers = {}
    for dtype in ("float32", "int8"):
        own, recogniser = recognisers(dtype)
        kept = Kept(tmp_path, own, {"text": FakeModel()}, recogniser)
        if dtype == "int8":
            kept.look()
            kept.restarted()
            assert kept.lowest("audio") > 1 - 1e-5
            assert kept.lifecycle.not_ready() == {}
        card = load_card(TINY, own.speech.models_file)
        found = read_answers(answers_file(tmp_path, card, "cpu"), (3, recogniser.dim))
        assert found is not None
        answers[dtype] = found
    between = float((answers["float32"] * answers["int8"]).sum(axis=1).min())
    assert between < 1 - 1e-5, "int8 computes what float32 does, so that this test shows nothing"
