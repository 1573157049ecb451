"""The vector of how a recording sounds: from the encoder's states of the packaged models, up to the command that asks it.

A green run does not prove that people find these recordings alike.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.configured import configured
from millrace.resources import load_recogniser
from millrace.transcribing import FileTranscriber, SpeechOptions, file_transcriber
from shared.broker.embedded import EmbeddedBroker
from shared.embedding.audio.port import RATE_HZ, Piece, Recogniser
from shared.model_settings import SpeechSettings
from shared.settings import Settings, StoreSettings
from shared.speech.sound import SoundModel, sound_fingerprint
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.golden.test_speech import samples_of, stereo
from tests.support.converted_whisper import converted_base
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.no_speech import no_speech_wav
from workers.calls.stages import CALLS

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")
WIDTHS = {"whisper-base": 512, "whisper-tiny-en": 384}
CLIPS = ("jfk.flac", "french.aiff", "spk1_snt4.wav")


@pytest.fixture(scope="module")
def base() -> Iterator[FileTranscriber]:
    with file_transcriber(SpeechOptions(batch_pieces=3), Settings()) as transcriber:
        yield transcriber


@pytest.fixture(scope="module")
def clips(data_dir: Path) -> Path:
    return data_dir / "speech" / "clips"


@pytest.mark.parametrize("model", WIDTHS)
def test_a_piece_has_a_state_for_each_fiftieth_of_a_second_alone_as_in_a_batch(model: str, clips: Path) -> None:
    recogniser = load_recogniser(model, None, "cpu")
    pieces = [Piece(samples_of(clips / name)) for name in CLIPS]
    together = recogniser.encode(pieces)
    for piece, states in zip(pieces, together, strict=True):
        assert states.shape == (-(-len(piece.samples) * 50 // RATE_HZ), WIDTHS[model])
        assert states.dtype == np.float32
        [alone] = recogniser.encode([piece])
        assert np.abs(alone - states).max() < 1e-3
    assert recogniser.dim == WIDTHS[model]
    assert recogniser.encode([]) == []


def test_both_backends_have_the_same_states(clips: Path) -> None:
    piece = Piece(samples_of(clips / CLIPS[0]))
    with TemporaryDirectory() as folder:
        models = converted_base(Path(folder))
        found: Mapping[str, Recogniser] = {
            backend: load_recogniser(backend, models, "cpu") for backend in ("ctranslate2", "openai")
        }
        [[one], [other]] = (recogniser.encode([piece]) for recogniser in found.values())
    assert one.shape == other.shape
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosines.min() > 0.99
    assert cosines.mean() > 0.9999


def test_the_vector_is_the_mean_over_speech_whatever_is_beside_it(base: FileTranscriber, clips: Path) -> None:
    model = SoundModel(base.reader, base.recogniser, 2)
    jfk, other = (samples_of(clips / name) for name in (CLIPS[0], CLIPS[2]))
    pause = np.zeros(40 * RATE_HZ, np.float32)
    contents = [
        stereo(jfk, jfk),
        stereo(np.concatenate([pause, jfk, pause]), np.zeros(1, np.float32)),
        stereo(jfk, other),
    ]
    once, paused, both = [base.reader.analyse(content, "audio") for content in contents]
    [reference, *found] = model.embed([once, paused, both]).vectors
    assert reference.shape == (512,)
    assert np.linalg.norm([reference, *found], axis=1) == pytest.approx(1, abs=1e-5)
    [stranger] = model.embed([base.reader.analyse(stereo(other, other), "audio")]).vectors
    assert reference @ found[0] > 0.98, "silence around speech changes little"
    assert reference @ stranger < 0.75
    [alone] = model.embed([both]).vectors
    assert alone @ found[1] == pytest.approx(1, abs=1e-5)
    silent = base.reader.analyse(no_speech_wav("silence", 5), "audio")
    assert not model.embed([silent]).vectors.any()


def test_calls_are_found_by_their_sound(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = StreamSettings(speech=SpeechSettings(model="whisper-tiny-en", sound_vector=True))
    seen, recogniser = Seen(), load_recogniser("whisper-tiny-en", None, "cpu")
    contents = {name: (clips / name).read_bytes() for name in ("arctic_a0024.wav", "spk1_snt4.wav")}
    contents["nobody"] = no_speech_wav("ringing, US", 10)
    events: list[dict[str, Any]] = [
        {
            "schema_version": 1, "event_id": "e", "tenant_id": "acme", "event_version": 1, "call_id": name,
            "occurred_at": "2026-05-01T10:00:00Z", "reason": "recorded",
            "audio": {"inline": b64encode(content).decode()},
        }
        for name, content in contents.items()
    ]  # fmt: skip
    events.append(events[0] | {"call_id": "going-on", "reason": "progress"})
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create([topic.name for topic in CALLS.topics()])
        produce(broker.bootstrap, *events, stream=CALLS)
        process = process_of(Settings(store=StoreSettings(path=tmp_path)), broker.bootstrap, store)
        with running_worker(process, FakeModel(), [seen], own, CALLS, recogniser):
            seen.wait_settled(len(events))
            produce(
                broker.bootstrap, events[1] | {"event_version": 2, "reason": "rated", "satisfaction": 2}, stream=CALLS
            )
            seen.wait_settled(len(events) + 1)
        collection = store.open_alias("calls")
        assert collection is not None
        stored = collection.lookup({CALLS.point_id("acme", each["call_id"]) for each in events})
        vectors = {str(each.payload["call_id"]): each.vectors.get("sound") for each in stored.values()}
        assert f"sound-{sound_fingerprint(recogniser.fingerprint)}" in configured(CALLS, own).variants
    assert {name for name, vector in vectors.items() if vector is None} == {"nobody", "going-on"}
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(tmp_path))
    assert "MILLRACE_CALLS__SPEECH__SOUND_VECTOR is off" in str(asked(clips / "spk1_snt4.wav").exception)
    monkeypatch.setenv("MILLRACE_CALLS__SPEECH__SOUND_VECTOR", "true")
    assert "but the settings ask for calls__" in str(asked(clips / "spk1_snt4.wav").exception)
    monkeypatch.setenv("MILLRACE_CALLS__SPEECH__MODEL", "whisper-tiny-en")
    answer = json.loads(asked(clips / "spk1_snt4.wav", "--json").stdout)
    assert [hit["call_id"] for hit in answer["similar"]] == ["spk1_snt4.wav", "arctic_a0024.wav"]
    assert answer["similar"][0]["score"] == pytest.approx(1, abs=1e-4)
    shown = asked(clips / "spk1_snt4.wav", "--limit", "1").stdout
    assert "1.000  spk1_snt4.wav" in shown
    assert "arctic" not in shown
    (tmp_path / "silent.wav").write_bytes(no_speech_wav("silence", 3))
    assert "nobody speaks in it" in str(asked(tmp_path / "silent.wav").exception)
    assert "are no recordings" in str(asked(clips / "spk1_snt4.wav", "--stream", "tickets").exception)
    assert asked(clips / "spk1_snt4.wav", "--customer", "C-1").exit_code == 2
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(tmp_path / "absent"))
    assert "there is no store" in str(asked(clips / "spk1_snt4.wav").exception)
    assert not (tmp_path / "absent").exists()


def asked(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["similar", "--by", "sound", "--file", str(file), *options])


@pytest.mark.parametrize(
    "options", [("--by", "sound"), ("--by", "sound", "--text", "a"), ("--text", "a", "--file", "b.wav"), ()]
)
def test_what_is_compared_must_be_given(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["similar", *options])
    assert result.exit_code == 2
    assert "--file" in result.output
