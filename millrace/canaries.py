"""The canaries of a worker: which of its models are looked at, and where their answers are stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from millrace.configured import model_cards
from millrace.stage_resources import Given
from shared.clock import Clock
from shared.embedding.audio.port import Piece, Recogniser
from shared.embedding.canaries import Canaries, FilesCheck, Subject
from shared.embedding.canary_answers import Answers
from shared.embedding.canary_inputs import TEXTS, VERSION, pictures, sounds
from shared.embedding.card import ModelCard
from shared.embedding.port import Matrix, Model
from shared.embedding.registry import ImageCard, TextCard, load_speech_card
from shared.errors import Fatal
from shared.observers import Observer
from shared.operation.lifecycle import Lifecycle
from shared.speech.sound import SOUND

FOLDER = "canaries"
FILES = "model_files"
"""The part that is not ready while the files of a model are not those that were loaded; the worker does not pause."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The canaries of a worker's models, by modality.

    Attributes:
        each: The canaries.
        beat: Records a heartbeat of the worker thread.
    """

    each: Mapping[str, Canaries]
    beat: Callable[[], None]

    def keep(self) -> None:
        """Look at each model that is due; see `Canaries.keep`."""
        for canaries in self.each.values():
            self.beat()
            canaries.keep()

    def doubts(self) -> dict[str, Callable[[], None]]:
        """Return what to call if vectors of a modality seem wrong, by modality."""
        return {name: canaries.doubt for name, canaries in self.each.items()}

    def files_fault(self) -> str | None:
        """Return why the files of a model are not those that were loaded; None if they are."""
        faults = [each.files.fault for each in self.each.values()]  # read once: another thread sets them
        return "; ".join(fault for fault in faults if fault is not None) or None


def upkeep_of(given: Given, observer: Observer, lifecycle: Lifecycle, clock: Clock) -> Upkeep:
    """Return the canaries of all models of a worker, and register what readiness checks ask of them.

    Raises:
        Fatal: a card cannot be read.
    """
    operation = given.process.settings.operation
    found = dict[str, Canaries]()
    for subject, card, loaded in _subjects(given):
        # A stand-in for a model is not what the card describes, so its answers would be wrong for the model itself.
        is_known = loaded.fingerprint == card.fingerprint
        path = answers_file(operation.state_dir, card, device_of(loaded)) if is_known else None
        files = FilesCheck(card.check_files if is_known else lambda: None)
        answers = Answers(path, (len(subject.inputs), subject.dim))
        found[subject.modality] = Canaries(subject, answers, files, observer, clock, operation.canary_every_s)
    upkeep = Upkeep(found, partial(lifecycle.beat, "process"))
    lifecycle.ask(FILES, upkeep.files_fault)
    return upkeep


def answers_file(state_dir: Path, card: ModelCard, device: str) -> Path:
    """Return the file with the answers of a model on a kind of device, such as `cpu`; `*` for every kind."""
    name = f"{card.modality}-{card.fingerprint}-{card.backend}-{card.dtype}-{device}-v{VERSION}"
    return state_dir / FOLDER / name


def device_of(loaded: Model[Any] | Recogniser) -> str:
    """Return the kind of the device that a model computes on; numpy has only one, and no attribute for it."""
    device = getattr(loaded, "device", "cpu")
    return str(getattr(device, "type", device))


def _subjects(given: Given) -> Sequence[tuple[Subject, ModelCard, Model[Any] | Recogniser]]:
    """Return what is looked at of each model, with its card and the loaded model."""
    found: list[tuple[Subject, ModelCard, Model[Any] | Recogniser]] = []
    for name, card in model_cards(given.stream, given.own).items():
        model = given.models[name]
        embed = partial(_vectors, model)
        found.append((Subject(name, card.key, model.dim, _inputs_for(card), embed, model.probe), card, model))
    if given.recogniser is not None:
        speech, recogniser = given.own.speech, given.recogniser
        sound_card = load_speech_card(speech.model, speech.models_file)
        mean = partial(_means, recogniser)
        subject = Subject(SOUND.name, sound_card.key, recogniser.dim, sounds(), mean, recogniser.probe)
        found.append((subject, sound_card, recogniser))
    return found


def _inputs_for(card: ModelCard) -> Sequence[Any]:
    if isinstance(card, TextCard):
        return TEXTS
    if isinstance(card, ImageCard):
        return pictures(card.crop_px)
    raise Fatal(f"model {card.key}: there are no canary inputs of modality {card.modality}")


def _vectors(model: Model[Any], inputs: Sequence[Any]) -> Matrix:
    """Return the vector of each input, embedded alone: that of a quantised model depends on what is beside it."""
    return np.concatenate([model.embed([each]).vectors for each in inputs])


def _means(recogniser: Recogniser, pieces: Sequence[Piece]) -> Matrix:
    """Return the mean of the encoder's states of each piece, encoded alone, of unit length."""
    encoded = [states for piece in pieces for states in recogniser.encode([piece])]
    means = np.stack([states.mean(axis=0, dtype=np.float64) for states in encoded])
    with np.errstate(invalid="ignore", divide="ignore"):  # the caller checks each vector for NaN
        scaled: Matrix = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return scaled
