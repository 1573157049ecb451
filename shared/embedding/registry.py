"""Model cards: the models served, read from models.toml, and the fingerprint of everything that changes a vector."""

import json
import re
import tomllib
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import override

from shared.embedding.files import faults, is_inside, outside_references
from shared.embedding.sources import FORMS, SOURCE, NotInstalled, check_parts, is_joined, locate
from shared.errors import Fatal
from shared.text.preparation import Preparation

NAME_BYTES = 255
"""The longest collection name that Qdrant accepts, in bytes."""

NAME_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""A part of a collection's name, with characters that are safe in Qdrant, in a path and in an address."""

FAULTS_SHOWN = 5
WHISPER_WEIGHTS = {"ctranslate2": "model.bin", "openai": "model.pt"}
"""The name of the file with the weights of a Whisper model, by backend."""

PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
"""File name suffixes of torch weights that are pickles; loading a pickle can run code."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NamePart = Annotated[str, Field(pattern=f"^{NAME_PART}$")]


class ModelCard(BaseModel):
    """The fields of every row of models.toml, whatever its modality.

    Attributes:
        files: The SHA-256 of every file that the loader may read, by its path in the model's folder.
        parts: The files that are joined, and their parts; see `shared.embedding.sources.Parts`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: NamePart
    modality: Literal["text", "audio", "image"]
    source: str
    files: dict[str, Digest] = Field(min_length=1)
    parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    dim: int = Field(ge=1)
    dtype: Literal["float32", "float16", "bfloat16", "int8"]
    backend: Literal["torch", "numpy", "ctranslate2", "openai"]
    licence: str

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        if not SOURCE.fullmatch(source):
            raise ValueError(f"{source} does not have one of the forms {FORMS}")
        return source

    @field_validator("files")
    @classmethod
    def _check_paths(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not is_inside(name):
                raise ValueError(f"{name!r} is not the path of a file in the model's folder")
        return files

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        check_parts(self.source, self.files, self.parts)
        return self

    @property
    def extra(self) -> str:
        """The extra of this distribution that installs what the model needs."""
        return "weights"

    @property
    def fingerprint(self) -> str:
        """8 hex digits of SHA-256 over everything that changes a vector; the source and the licence do not."""
        relevant = self.model_dump(exclude={"key", "source", "parts", "licence"})
        return sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def folder(self) -> Path:
        """The folder that holds the model's files; see `locate`."""
        return self.locate()

    def locate(self, cache: Path | None = None) -> Path:
        """Return the folder with the model's files; files that come in parts are joined once.

        Args:
            cache: The folder for joined files; `millrace/models` in the user's cache by default.

        Raises:
            Fatal: a package is not installed, the folder is missing, or the joined parts differ from the card.
        """
        try:
            return locate(self.source, self.files, self.parts, cache)
        except NotInstalled as error:
            raise Fatal(f"model {self.key}: {error}; install millrace[{self.extra}]") from error
        except Fatal as error:
            raise Fatal(f"model {self.key}: {error}") from error

    def check_files(self, cache: Path | None = None) -> Path:
        """Compare all files with the card, and return their folder.

        Args:
            cache: As in `locate`.

        Raises:
            Fatal: a file differs from the card, is missing or is not listed, so that the fingerprint would be wrong.
        """
        folder = self.locate(cache)
        try:
            found = faults(folder, self.files) or outside_references(folder, self.files)
        except Fatal as error:
            raise Fatal(f"model {self.key}: {error}") from error
        if found:
            raise Fatal(f"model {self.key}: {_listed(found)}. {self._remedy(folder)}")
        return folder

    def _remedy(self, folder: Path) -> str:
        """Return how to fix files that differ from the card."""
        fix = "install the files that the card was written for"
        if is_joined(self.source, self.parts):
            fix = f"delete {folder}; its files are then joined again from the packages"
        return f"Either {fix}, or write another card for the existing files (docs/models.md)"

    def collection(self, stream: str) -> str:
        """Return the physical name of the stream's collection for this model."""
        return collection_name(stream, [self])


class TextCard(ModelCard):
    """A row for a text model: any sentence-transformers model on torch, or Universal Sentence Encoder on numpy."""

    modality: Literal["text"]
    dtype: Literal["float32", "float16", "bfloat16"]
    backend: Literal["torch", "numpy"]
    window_tokens: int = Field(ge=8)
    pooling: Literal["mean", "cls", "mean_sqrt_len_tokens"]
    preparation: Preparation
    prompt: str

    @field_validator("files")
    @classmethod
    def _refuse_pickles(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if PurePosixPath(name).suffix in PICKLED:
                raise ValueError(f"{name} is a pickle, which can run code: use the model's safetensors files")
        return files

    @model_validator(mode="after")
    def _check_dtype(self) -> Self:
        if self.backend == "numpy" and self.dtype != "float32":
            raise ValueError(f"the backend numpy computes in float32, but dtype is {self.dtype}")
        return self

    @property
    @override
    def extra(self) -> str:
        return "multilingual" if self.backend == "numpy" else "text"

    def check_loaded(self, dim: int | None, pooling: str | None, longest_tokens: int | None) -> None:
        """Compare the card with the loaded model.

        Args:
            dim: The length of the model's vectors; None if it does not know it.
            pooling: The name of the model's pooling; None if it has none.
            longest_tokens: The longest input of one forward pass, in tokens; None if there is no limit.

        Raises:
            Fatal: they differ; a shorter window than the model's is allowed.
        """
        is_shorter = longest_tokens is None or self.window_tokens <= longest_tokens
        compared = {
            "dim": (self.dim, dim),
            "window_tokens": (self.window_tokens, self.window_tokens if is_shorter else longest_tokens),
            "pooling": (self.pooling, pooling),
        }
        for name, (stated, found) in compared.items():
            if stated != found:
                raise Fatal(
                    f"model {self.key}: its card states {name} = {stated}, but the loaded model has {found}: "
                    "correct the card, or the files of the model"
                )


class SpeechCard(ModelCard):
    """A row for a Whisper model, run by faster-whisper (CTranslate2) or by openai-whisper.

    Attributes:
        languages: Whether it recognises English alone, or all languages of Whisper.
        beams: Number of hypotheses that are kept while a piece is recognised; 1 is fastest.
    """

    modality: Literal["audio"]
    backend: Literal["ctranslate2", "openai"]
    languages: Literal["english", "multilingual"]
    beams: int = Field(ge=1, le=16)

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        name = WHISPER_WEIGHTS[self.backend]
        if sum(PurePosixPath(each).name == name for each in self.files) != 1:
            raise ValueError(f"files must list one {name}")
        if self.backend == "openai" and self.dtype == "int8":
            raise ValueError("the backend openai does not compute in int8: choose another dtype")
        return self

    @property
    @override
    def extra(self) -> str:
        return "speech,openai" if self.backend == "openai" else "speech,weights"

    @property
    def weights(self) -> str:
        """The path of the weights in the card's folder."""
        return next(each for each in self.files if PurePosixPath(each).name == WHISPER_WEIGHTS[self.backend])


CARDS: dict[str, type[ModelCard]] = {"text": TextCard, "audio": SpeechCard}
"""The card class of each modality whose models can be served."""


def _listed(found: Sequence[str]) -> str:
    more = len(found) - FAULTS_SHOWN
    return "; ".join(found[:FAULTS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def collection_name(stream: str, cards: Sequence[ModelCard], *extra: str) -> str:
    """Return the physical name of a collection that holds vectors of these models.

    With one model, the name contains its fingerprint and every extra; with several, one digest of 8 hex digits over
    all of them. Model keys are cut if they leave no room for the rest: the fingerprint or digest identifies the
    collection.

    Args:
        stream: The stream that the collection belongs to.
        cards: The models, in the order in which the stream names them.
        extra: Names of everything else that vectors or terms depend on.

    Raises:
        ValueError: there is no card, a part contains a character that is not allowed in the name of a collection, or
            the stream and the digest are too long.
    """
    if not cards:
        raise ValueError("the name of a collection needs at least one model")
    for part in (stream, *extra):
        if not re.fullmatch(NAME_PART, part):
            raise ValueError(f"{part!r} cannot be part of a collection's name: it must match {NAME_PART}")
    fingerprints = [card.fingerprint for card in cards]
    tail = "__".join([*fingerprints, *extra])
    if len(cards) > 1:
        tail = sha256(json.dumps([fingerprints, extra]).encode()).hexdigest()[:8]
    room = NAME_BYTES - len(f"{stream}____{tail}")
    if room < 1:
        raise ValueError(f"{stream} and {tail} leave no room for a model in a collection name of {NAME_BYTES} bytes")
    return f"{stream}__{'+'.join(card.key for card in cards)[:room]}__{tail}"


def load_card(key: str, models_file: Path | None = None) -> ModelCard:
    """Return the card of a model.

    Args:
        key: The row's name.
        models_file: A models.toml to use instead of the packaged one.

    Raises:
        Fatal: the file cannot be read, it has no such row, or the row is not valid; the error names the field.
    """
    source = models_file or package_files("shared.config").joinpath("models.toml")
    try:
        rows = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"{source} cannot be read: {error}") from error
    if key not in rows:
        raise Fatal(f"there is no model {key} in {source}; its models are: {', '.join(sorted(rows))}")
    row = rows[key]
    if not isinstance(row, dict) or "key" in row:
        raise Fatal(f"{source}, [{key}] must be a table, without a field named key")
    modality = row.get("modality")
    if not isinstance(modality, str) or modality not in CARDS:
        raise Fatal(f"{source}, [{key}] modality: {modality!r} is not one of: {', '.join(sorted(CARDS))}")
    try:
        return CARDS[modality].model_validate(row | {"key": key})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Fatal(f"{source}, [{key}] {where}: {first['msg']}") from error


def load_speech_card(key: str, models_file: Path | None = None) -> SpeechCard:
    """Return the card of a model of speech.

    Raises:
        Fatal: as in `load_card`, or the model has another modality.
    """
    card = load_card(key, models_file)
    if not isinstance(card, SpeechCard):
        raise Fatal(f"model {key} has modality {card.modality}, but a model of speech is needed: choose another model")
    return card


def load_text_card(key: str, models_file: Path | None = None) -> TextCard:
    """Return the card of a text model.

    Raises:
        Fatal: as in `load_card`, or the model has another modality.
    """
    card = load_card(key, models_file)
    if not isinstance(card, TextCard):
        raise Fatal(f"model {key} has modality {card.modality}, but a text model is needed: choose another model")
    return card
