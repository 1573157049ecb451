"""The contenders, and how each is started."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.desk import Place

EMBEDDING = "MILLRACE_TICKETS__EMBEDDING__"
LEAST_AGREEMENT = 0.99
LEAST_AGREEMENT_OWN_MODEL = 0.97
"""Of a model of the user's, such as an int8 one, whose head is another one too."""

PACKAGED_MODEL = "minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the programs that are compared.

    Attributes:
        name: Its name, for `--only`.
        title: What tables and the picture call it.
        share: How many times as many tickets it gets as the naive loop, so that all work about as long.
        module: The module of a peer; empty for Millrace.
        encoder: `onnx` if a peer reads the model as ONNX.
        settings: Variables of Millrace.
        model: The model that its head must be trained for.
        least_agreement: The least share of tickets that must get the same label as by the first contender.
    """

    name: str
    title: str
    share: int
    module: str = ""
    encoder: str = "safetensors"
    settings: Mapping[str, str] = field(default_factory=dict)
    model: str = PACKAGED_MODEL
    least_agreement: float = LEAST_AGREEMENT

    @property
    def is_peer(self) -> bool:
        """Whether it is not Millrace."""
        return bool(self.module)

    def command(self) -> list[str]:
        """Return the command that starts it."""
        if self.is_peer:
            return [sys.executable, "-m", f"benchmarks.peers.{self.module}"]
        return [sys.executable, "-m", "millrace", "run", "tickets", "--port", "0"]

    def environment(self, place: Place) -> dict[str, str]:
        """Return the variables that it needs to work at a place."""
        if self.is_peer:
            return place.environment()
        return {
            "MILLRACE_BROKER__BOOTSTRAP": place.bootstrap,
            "MILLRACE_TICKETS__CONSUMER__GROUP": place.group,
            "MILLRACE_TICKETS__DECISION__HEAD": str(place.head),
            "MILLRACE_STORE__PATH": str(place.store),
            "MILLRACE_OPERATION__STATE_DIR": str(place.store.parent / "state"),
            "MILLRACE_CACHE__MEMORY_MIB": "0",
            **self.settings,
        }


NAIVE = Contender("naive", "naive loop, one by one", 1, "naive")
PEERS = (
    NAIVE,
    Contender("naive-batches", "naive loop, batches of 256", 2, "naive_batches"),
    Contender("faststream", "FastStream, batches", 2, "faststream_batches"),
    Contender("faust", "Faust, take()", 2, "faust_agent"),
    Contender("fastembed", "batches with fastembed", 2, "fastembed_batches", "onnx"),
)
MILLRACE = (
    Contender("millrace", "Millrace, by default", 6),
    Contender(
        "millrace-float32", "Millrace, OpenVINO float32", 4,
        settings={f"{EMBEDDING}BACKEND": "openvino", f"{EMBEDDING}DTYPE": "float32"},
    ),
    Contender("millrace-torch", "Millrace, torch", 3, settings={f"{EMBEDDING}BACKEND": "torch"}),
    Contender(
        "millrace-no-search", "Millrace, without similar tickets", 6,
        settings={"MILLRACE_TICKETS__SEARCH__LIMIT": "0"},
    ),
)  # fmt: skip


ALL = (*PEERS, *MILLRACE)


def own_model(key: str, models_file: Path) -> Contender:
    """Return Millrace with a model of the user's models.toml, such as one quantised to int8."""
    settings = {f"{EMBEDDING}MODEL": key, f"{EMBEDDING}MODELS_FILE": str(models_file.resolve())}
    return Contender(
        f"millrace-{key}", f"Millrace, {key}", 8,
        settings=settings, model=key, least_agreement=LEAST_AGREEMENT_OWN_MODEL,
    )  # fmt: skip


def model_settings(contender: Contender) -> dict[str, str]:
    """Return those of its variables that choose the encoder."""
    return {name: value for name, value in contender.settings.items() if name.startswith(EMBEDDING)}


def chosen(all_of: Sequence[Contender], names: Sequence[str]) -> list[Contender]:
    """Return the contenders with these names, in their own order; all of them if no name is given."""
    return [each for each in all_of if not names or each.name in names]
