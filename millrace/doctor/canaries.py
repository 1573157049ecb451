"""Check of what workers of this machine have stored of their models' answers to canary inputs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from millrace.canaries import answers_file
from millrace.configured import model_cards
from millrace.doctor.finding import Finding
from shared.embedding.canary_answers import DamagedAnswers, read_answers
from shared.embedding.canary_inputs import COUNTS
from shared.embedding.card import ModelCard
from shared.embedding.registry import load_speech_card
from shared.engine.stream import Stream
from shared.settings import Settings
from shared.stream_settings import StreamSettings


def check_canaries(settings: Settings, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    """Read the stored answers of each model of a stream; whether it still gives them, its worker checks."""
    cards = list(model_cards(stream, own).values())
    if stream.recognises_speech:
        cards.append(load_speech_card(own.speech.model, own.speech.models_file))
    for card in cards:
        pattern = answers_file(settings.operation.state_dir, card, "*")
        found = sorted(pattern.parent.glob(pattern.name))
        if not found:
            yield Finding(
                "canaries", "ok", f"{card.key}: no answers in {pattern.parent} yet; the first worker stores them"
            )
        for path in found:
            yield _finding(path, card)


def _finding(path: Path, card: ModelCard) -> Finding:
    try:
        read_answers(path, (COUNTS[card.modality], card.dim))
        stored = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except DamagedAnswers as damage:
        fix = "the next worker that starts renames it, and stores its own answers: check first that they are right"
        return Finding("canaries", "warning", f"{card.key}: {path} is damaged: {damage}", fix)
    except OSError as error:
        fix = "change the owner or permissions: until then, workers compare only with their own first answers"
        return Finding("canaries", "warning", f"{card.key}: {path} cannot be read: {error.strerror}", fix)
    return Finding("canaries", "ok", f"{card.key}: answers of {stored:%Y-%m-%dT%H:%M:%SZ} in {path}")
