"""Whisper by openai-whisper on torch: recognises pieces of several calls at once, with any checkpoint of that library.

The library's `transcribe` takes one recording, and the text of each window changes that of the next one. Here only its
model, its features, its tokens and its decoding are used, and each piece is recognised for itself.
"""

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from typing_extensions import override
from whisper.audio import CHUNK_LENGTH, HOP_LENGTH, N_FFT, N_FRAMES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import BeamSearchDecoder, DecodingOptions, DecodingTask, LogitFilter, detect_language
from whisper.model import Conv1d, Linear, ModelDimensions, Whisper
from whisper.tokenizer import LANGUAGES, get_tokenizer

from shared.embedding.audio.guarded import ENGLISH, NO_REPEAT_TOKENS, GuardedRecogniser
from shared.embedding.audio.port import RATE_HZ, Piece, Recognised, States, states_of
from shared.embedding.audio.tokens import Meaning, phrases_of
from shared.embedding.device import TORCH, choose_device
from shared.embedding.registry import SpeechCard
from shared.errors import Fatal

VOCABULARIES = {"english": (51_864,), "multilingual": (51_865, 51_866)}
"""The numbers of tokens for which the library has the tokens, by the card's `languages`."""


class OpenAiRecogniser(GuardedRecogniser):
    """A loaded Whisper model; the pieces of one language and one kind are decoded in one batch.

    Args:
        card: The row of the model.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        Fatal: the file differs from the card, or cannot be loaded on this device.
    """

    def __init__(self, card: SpeechCard, device: str) -> None:
        file = card.check_files() / card.weights
        super().__init__(card)
        self.device = choose_device(device)
        self._dtype = dtype_on(self.device, card)
        self._model = _moved(_loaded(card, file), self.device, self._dtype)
        self._is_multilingual = card.languages == "multilingual"
        codes = list(LANGUAGES)[: self._model.num_languages]
        self.languages = frozenset(codes if self._is_multilingual else (ENGLISH,))

    @staticmethod
    @override
    def _is_dead(error: RuntimeError) -> bool:
        return TORCH.is_dead(error)

    @override
    @torch.inference_mode()
    def _encode(self, pieces: Sequence[Piece]) -> list[States]:
        return [self._encoded(piece)[0, : states_of(piece)].float().cpu().numpy() for piece in pieces]

    @override
    @torch.inference_mode()
    def _recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        encoded = [self._encoded(piece) for piece in pieces]
        languages = [self._language(piece, states) for piece, states in zip(pieces, encoded, strict=True)]
        groups: dict[tuple[str, bool], list[int]] = {}
        for number, piece in enumerate(pieces):
            groups.setdefault((languages[number][0], piece.avoids_repetition), []).append(number)
        found: dict[int, Recognised] = {}
        for (language, avoids_repetition), numbers in groups.items():
            task = _Task(self._model, self._options(language), avoids_repetition)
            results = task.run(torch.cat([encoded[number] for number in numbers]))
            for number, result in zip(numbers, results, strict=True):
                found[number] = self._read(result, task, languages[number], pieces[number])
        return [found[number] for number in range(len(pieces))]

    def _encoded(self, piece: Piece) -> torch.Tensor:
        """Return the encoder's states of one piece, shape (1, 1500, width).

        As in the library's `transcribe`, the spectrogram is padded and not the samples. The silence behind the samples
        only completes the last window of the Fourier transform.
        """
        samples = torch.tensor(piece.samples, device=self.device)
        spectrogram = log_mel_spectrogram(samples, self._model.dims.n_mels, padding=N_FFT)
        own = spectrogram[:, : len(piece.samples) // HOP_LENGTH]
        states: torch.Tensor = self._model.encoder(pad_or_trim(own, N_FRAMES)[None].to(self._dtype))
        return states

    def _language(self, piece: Piece, encoded: torch.Tensor) -> tuple[str, float]:
        """Return the language of a piece with its probability; a given one has probability 1."""
        if not self._is_multilingual:
            return ENGLISH, 1.0
        if piece.language is not None:
            return piece.language, 1.0
        _, [shares] = detect_language(self._model, encoded, get_tokenizer(True, num_languages=len(self.languages)))
        language = max(shares, key=lambda code: float(shares[code]))
        return language, shares[language]

    def _options(self, language: str) -> DecodingOptions:
        beams = self._card.beams
        return DecodingOptions(language=language, beam_size=beams if beams > 1 else None, suppress_tokens="-1")

    def _read(self, result: Any, task: "_Task", language: tuple[str, float], piece: Piece) -> Recognised:
        tokenizer: Any = task.tokenizer

        def decode(tokens: list[int]) -> str:
            return str(tokenizer.decode([token for token in tokens if token < tokenizer.eot]))

        meaning = Meaning(tokenizer.timestamp_begin, CHUNK_LENGTH / self._model.dims.n_audio_ctx, decode)
        phrases = phrases_of(result.tokens, meaning, len(piece.samples) / RATE_HZ)
        is_cut = len(result.tokens) >= task.sample_len  # the token that ends the text is left out
        return Recognised(phrases, *language, result.no_speech_prob, result.avg_logprob, is_cut)


class _Task(DecodingTask):  # type: ignore[misc]  # the library has no types
    """Decodes the encoder's states of several pieces, also with beams.

    The library repeats the tokens of a piece for each of its beams, but not the states, so that it fails on more than
    one piece. It also takes states of float16 and float32 alone, while the model itself takes those of bfloat16 too.
    """

    def __init__(self, model: Whisper, options: DecodingOptions, avoids_repetition: bool) -> None:
        super().__init__(model, options)
        if options.beam_size is not None:
            self.decoder = _Beams(options.beam_size, self.tokenizer.eot, self.inference)
        if avoids_repetition:
            self.logit_filters.insert(0, _NoRepetition(self.sample_begin, self.tokenizer.eot))

    def _get_audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        return mel.repeat_interleave(self.n_group, dim=0)

    def _detect_language(self, audio_features: torch.Tensor, tokens: torch.Tensor) -> tuple[list[str], None]:
        return [self.options.language] * len(tokens), None


class _Beams(BeamSearchDecoder):  # type: ignore[misc]  # the library has no types
    """A search that takes what it has not finished in the order of its probability, as the library's own search does.

    The library lets numpy order a tensor, of which numpy warns that it will be an error.
    """

    def finalize(self, preceding_tokens: torch.Tensor, sum_logprobs: torch.Tensor) -> Any:
        for number, finished in enumerate(self.finished_sequences):
            for beam in sum_logprobs[number].argsort(descending=True).tolist():
                if len(finished) < self.beam_size:
                    finished[(*preceding_tokens[number, beam].tolist(), self.eot)] = sum_logprobs[number, beam].item()
        return super().finalize(preceding_tokens, sum_logprobs)


class _NoRepetition(LogitFilter):  # type: ignore[misc]  # the library has no types
    """Forbids each token with which `NO_REPEAT_TOKENS` text tokens would occur twice; time stamps between do not count.

    Args:
        begin: The number of tokens before the first sampled one.
        end_of_text: The first token that is no text.
    """

    def __init__(self, begin: int, end_of_text: int) -> None:
        self._begin, self._end_of_text = begin, end_of_text

    def apply(self, logits: torch.Tensor, tokens: torch.Tensor) -> None:
        for row, sampled in enumerate(tokens[:, self._begin :].tolist()):
            logits[row, repeating([token for token in sampled if token < self._end_of_text])] = -torch.inf


def repeating(tokens: Sequence[int]) -> list[int]:
    """Return the tokens with which the last `NO_REPEAT_TOKENS` tokens would be some that occurred before."""
    before = NO_REPEAT_TOKENS - 1
    last = tokens[-before:]
    return [tokens[at + before] for at in range(len(tokens) - before) if tokens[at : at + before] == last]


def dtype_on(device: torch.device, card: SpeechCard) -> torch.dtype:
    """Return what the model computes in: what its card states, but float32 on a CPU, where the others are slower."""
    found: torch.dtype = torch.float32 if device.type == "cpu" else getattr(torch, card.dtype)
    return found


def _loaded(card: SpeechCard, file: Path) -> Whisper:
    """Load a checkpoint on the CPU.

    The file is a pickle, but `weights_only` does not run what a pickle names: torch reads it with an interpreter of its
    own, which builds tensors, numbers, texts, lists and tables, and refuses everything else.
    """
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Fatal(
            f"model {card.key}: {file} is not a file of torch, or holds something other than weights. It was not "
            "loaded: use a checkpoint of openai-whisper from a source that you trust"
        ) from error
    try:
        dims = ModelDimensions(**checkpoint["dims"])
        weights = checkpoint["model_state_dict"]
    except (LookupError, TypeError) as error:
        raise Fatal(
            f"model {card.key}: {file} is not a checkpoint of openai-whisper, which holds `dims` and `model_state_dict`"
        ) from error
    _check(card, dims)
    model = Whisper(dims)
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise Fatal(f"model {card.key}: the weights in {file} do not fit its `dims`: {error}") from error
    return model


def _check(card: SpeechCard, dims: ModelDimensions) -> None:
    """Compare the sizes of a model with what its card states, and with what the library can compute."""
    compared = {
        "n_vocab": (dims.n_vocab, VOCABULARIES[card.languages], f"languages = {card.languages}"),
        "n_audio_state": (dims.n_audio_state, (card.dim,), f"dim = {card.dim}"),
        "n_mels": (dims.n_mels, (80, 128), "a Whisper model"),
        "n_audio_ctx": (dims.n_audio_ctx, (N_FRAMES // 2,), "a Whisper model"),
    }
    for name, (found, allowed, stated) in compared.items():
        if found not in allowed:
            expected = " or ".join(map(str, allowed))
            raise Fatal(f"model {card.key}: {stated} needs {name} = {expected}, but the checkpoint has {found}")


def _moved(model: Whisper, device: torch.device, dtype: torch.dtype) -> Whisper:
    """Move a model to its device, with the large weights in the format in which their layers use them.

    These layers convert their weights at each use if the formats differ. The others compute in float32.
    """
    for module in model.modules():
        if isinstance(module, Linear | Conv1d | torch.nn.Embedding):
            module.to(dtype)
    return model.to(device).eval()
