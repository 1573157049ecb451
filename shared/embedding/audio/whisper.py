"""Whisper by CTranslate2, with the features and tokens of faster-whisper: recognises pieces of several calls at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens
from typing_extensions import override

from shared.embedding.audio.guarded import ENGLISH, NO_REPEAT_TOKENS, GuardedRecogniser
from shared.embedding.audio.port import RATE_HZ, Piece, Recognised, States, states_of
from shared.embedding.audio.tokens import Meaning, phrases_of
from shared.embedding.registry import SpeechCard
from shared.errors import Fatal

CPU_TYPES = {"int8": "int8", "float32": "float32", "float16": "float32", "bfloat16": "float32"}
GPU_TYPES = {"int8": "int8_float16", "float32": "float32", "float16": "float16", "bfloat16": "bfloat16"}
"""What CTranslate2 computes in, by the card's dtype."""

REPETITION_PENALTY = 1.2
"""How a piece is recognised of which the first attempt repeated itself, besides `NO_REPEAT_TOKENS`."""


class WhisperRecogniser(GuardedRecogniser):
    """A loaded Whisper model.

    Args:
        card: The row of the model.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: Threads of one call on a CPU; 0 lets the library choose.

    Raises:
        Fatal: the files differ from the card, or cannot be loaded on this device.
    """

    def __init__(self, card: SpeechCard, device: str, threads: int = 0) -> None:
        folder = (card.check_files() / card.weights).parent
        super().__init__(card)
        self.model = _loaded(card, folder, device, threads)
        self._whisper: Any = self.model.model
        if self._whisper.is_multilingual != (card.languages == "multilingual"):
            raise Fatal(f"model {card.key}: its card states {card.languages}, but the files are of another kind")
        self.languages = frozenset(self._known_languages())
        self._tokenizers: dict[str, Tokenizer] = {}
        self._suppressed = get_suppressed_tokens(self._tokenizer(ENGLISH), [-1])

    def _known_languages(self) -> Iterator[str]:
        """Yield the languages of which the model has a token; an older model lacks some of the library's."""
        for language in _LANGUAGE_CODES if self._whisper.is_multilingual else (ENGLISH,):
            if not self._whisper.is_multilingual or self.model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None:
                yield language

    @property
    def device(self) -> str:
        """The kind of the device that it computes on: `cpu` or `cuda`."""
        return str(self._whisper.device)

    @staticmethod
    @override
    def _is_dead(error: RuntimeError) -> bool:
        return "CUDA" in str(error) and "out of memory" not in str(error)

    @override
    def _encode(self, pieces: Sequence[Piece]) -> list[States]:
        encoded = self._whisper.encode(ctranslate2.StorageView.from_array(self._stacked(pieces)), to_cpu=True)
        states = np.asarray(encoded.to(ctranslate2.DataType.float32))
        return [own[: states_of(piece)] for own, piece in zip(states, pieces, strict=True)]

    @override
    def _recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        features = self._stacked(pieces)
        encoded = self._whisper.encode(ctranslate2.StorageView.from_array(features))
        languages = self._languages(pieces, encoded)
        found: dict[int, Recognised] = {}
        for avoids in (False, True):
            group = [number for number, piece in enumerate(pieces) if piece.avoids_repetition is avoids]
            if len(group) == len(pieces):
                some = encoded
            elif group:
                some = self._whisper.encode(ctranslate2.StorageView.from_array(features[group]))
            else:
                continue
            for number, result in zip(
                group, self._generate(some, [languages[n][0] for n in group], avoids), strict=True
            ):
                found[number] = self._read(result, *languages[number], pieces[number])
        return [found[number] for number in range(len(pieces))]

    def _stacked(self, pieces: Sequence[Piece]) -> Any:
        return np.stack([self._features(piece) for piece in pieces])

    def _features(self, piece: Piece) -> Any:
        """Return the log mel spectrogram of a piece, float32, shape (mels, 3000)."""
        return np.ascontiguousarray(pad_or_trim(self.model.feature_extractor(piece.samples)[..., :-1]))

    def _languages(self, pieces: Sequence[Piece], encoded: Any) -> list[tuple[str, float]]:
        """Return the language of each piece with its probability; a given one has probability 1."""
        if not self._whisper.is_multilingual:
            return [(ENGLISH, 1.0)] * len(pieces)
        detected: Any = None
        if any(piece.language is None for piece in pieces):
            detected = self._whisper.detect_language(encoded)
        found = []
        for number, piece in enumerate(pieces):
            if piece.language is not None:
                found.append((piece.language, 1.0))
            else:
                token, share = detected[number][0]
                found.append((token.strip("<|>"), float(share)))
        return found

    def _generate(self, encoded: Any, languages: Sequence[str], avoids_repetition: bool) -> Any:
        return self._whisper.generate(
            encoded,
            [self._tokenizer(language).sot_sequence for language in languages],
            beam_size=self._card.beams,
            max_length=self.model.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=round(1.0 / self.model.time_precision),
            repetition_penalty=REPETITION_PENALTY if avoids_repetition else 1,
            no_repeat_ngram_size=NO_REPEAT_TOKENS if avoids_repetition else 0,
        )

    def _read(self, result: Any, language: str, share: float, piece: Piece) -> Recognised:
        tokenizer, tokens = self._tokenizer(language), result.sequences_ids[0]
        meaning = Meaning(tokenizer.timestamp_begin, self.model.time_precision, tokenizer.decode)
        phrases = phrases_of(tokens, meaning, len(piece.samples) / RATE_HZ)
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        # The library samples at most half of `max_length`, and leaves out the token that ends the text.
        is_cut = len(tokens) >= self.model.max_length // 2
        return Recognised(phrases, language, share, result.no_speech_prob, log_probability, is_cut)

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            is_multilingual = self._whisper.is_multilingual
            self._tokenizers[language] = Tokenizer(
                self.model.hf_tokenizer, is_multilingual, "transcribe" if is_multilingual else None, language
            )
        return self._tokenizers[language]


def device_of(configured: str) -> tuple[str, int]:
    """Return the kind and the number of a device; `auto` chooses a GPU if CTranslate2 finds one.

    Args:
        configured: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        Fatal: CTranslate2 cannot find this device.
    """
    kind, _, number = configured.partition(":")
    gpus = ctranslate2.get_cuda_device_count()
    if kind == "auto":
        kind = "cuda" if gpus else "cpu"
    is_number = number.isdecimal() or not number
    if kind not in ("cpu", "cuda") or not is_number or (kind == "cuda" and int(number or 0) >= gpus):
        raise Fatal(f"device {configured} cannot be used: CTranslate2 runs on cpu and finds {gpus} GPUs")
    return kind, int(number or 0)


def _loaded(card: SpeechCard, folder: Path, device: str, threads: int) -> WhisperModel:
    """Load a model on a device."""
    kind, number = device_of(device)
    types = GPU_TYPES if kind == "cuda" else CPU_TYPES
    try:
        return WhisperModel(str(folder), kind, number, types[card.dtype], cpu_threads=threads, local_files_only=True)
    except (RuntimeError, ValueError) as error:
        raise Fatal(f"model {card.key} cannot be loaded on {device}: {error}") from error
