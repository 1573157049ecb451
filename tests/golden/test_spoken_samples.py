"""The packaged recogniser understands the spoken samples of the demo: their words, languages and speakers.

The voices are synthetic, so a green run does not prove anything about how well people are understood, nor about long calls.
"""

import json
import tomllib
from collections.abc import Iterator

import pytest

from millrace.demo.run import Samples
from millrace.transcribing import FileTranscriber, SpeechOptions, file_transcriber
from shared.settings import Settings
from tests.support.sources import ROOT
from tests.support.spoken_samples import SpokenSample, read_samples, word_error_rate

FOLDER = ROOT / "millrace" / "demo" / "samples"
SAMPLES = read_samples(FOLDER)
MAX_WRONG = 0.3
"""The highest word error rate when the samples were made was 0.09; processors differ in their rounding."""

ROWS = [json.loads(line) for line in (FOLDER / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
SCRIPT = ROOT / "benchmarks" / "spoken_samples.toml"
MAX_BYTES = 900 * 1024


@pytest.fixture(scope="module")
def transcriber() -> Iterator[FileTranscriber]:
    """Yield what transcribes the samples with the packaged model."""
    with file_transcriber(SpeechOptions(), Settings()) as loaded:
        yield loaded


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.call_id)
def test_a_sample_is_understood(transcriber: FileTranscriber, sample: SpokenSample) -> None:
    transcript = transcriber.transcribe(transcriber.read(sample.file))
    assert word_error_rate(sample, transcript) <= MAX_WRONG, transcript.text
    assert {each.speaker for each in transcript.speakers} == set(sample.channels)
    assert {each.language for each in transcript.speakers} == {sample.language if sample.spoken else None}
    assert transcript.no_speech is not bool(sample.spoken)
    assert bool(transcript.text) is bool(sample.spoken)
    assert not transcript.is_dual_mono


def test_a_number_that_is_spelled_appears_in_digits(transcriber: FileTranscriber) -> None:
    sample = next(each for each in SAMPLES if "five five five" in each.words_of("customer"))
    assert "555" in transcriber.transcribe(transcriber.read(sample.file)).text


def test_each_call_is_about_a_solved_ticket_of_its_label_and_language() -> None:
    solved = {row["ticket_id"]: row for row in Samples.load().solved}
    for row in ROWS:
        if row["answered_by"] is None:
            assert (row["label"], row["spoken"]) == (None, [])
            continue
        ticket = solved[row["answered_by"]]
        assert (ticket["agent_label"], ticket["language"]) == (row["label"], row["language"])
        assert ticket["resolution"]


def test_the_rows_are_those_of_the_script() -> None:
    calls = tomllib.loads(SCRIPT.read_text(encoding="utf-8"))["calls"]
    for call, row in zip(calls, ROWS, strict=True):
        spoken = [{"speaker": turn["speaker"], "text": turn["text"]} for turn in call.get("spoken", ())]
        assert row == {name: call.get(name) for name in row} | {"spoken": spoken}


def test_the_rows_name_all_recordings_and_these_are_small() -> None:
    files = sorted((FOLDER / "calls").iterdir())
    assert files == sorted(each.file for each in SAMPLES)
    assert sum(file.stat().st_size for file in files) < MAX_BYTES
