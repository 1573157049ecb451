"""What every model's card has, whatever its modality: files and their digests, the fingerprint, names of collections."""

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.embedding.files import faults, is_inside, outside_references
from shared.embedding.sources import (
    FORMS,
    SOURCE,
    NotFetched,
    NotInstalled,
    check_parts,
    fetched_folder,
    locate,
    models_folder,
)
from shared.errors import Fatal

NAME_BYTES = 255
"""The longest collection name that Qdrant accepts, in bytes."""

NAME_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""A part of a collection's name, with characters that are safe in Qdrant, in a path and in an address."""

FAULTS_SHOWN = 5

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NamePart = Annotated[str, Field(pattern=f"^{NAME_PART}$")]


class ModelCard(BaseModel):
    """The fields of every row of models.toml, whatever its modality.

    Attributes:
        files: The SHA-256 of every file that the loader may read, by its path in the model's folder.
        parts: The files that are joined, and their parts; see `shared.embedding.sources.Parts`.
    """

    CHANGES_NO_VECTOR: ClassVar[frozenset[str]] = frozenset({"key", "source", "parts", "licence"})
    """The fields that are not part of the fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: NamePart
    modality: Literal["text", "audio", "image"]
    source: str
    files: dict[str, Digest] = Field(min_length=1)
    parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    dim: int = Field(ge=1)
    dtype: Literal["float32", "float16", "bfloat16", "int8"]
    backend: Literal["torch", "numpy", "openvino", "ctranslate2", "openai", "timm", "transformers"]
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
        relevant = self.model_dump(exclude=set(self.CHANGES_NO_VECTOR))
        return sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def folder(self) -> Path:
        """The folder that holds the model's files; see `locate`."""
        return self.locate()

    def locate(self, cache: Path | None = None) -> Path:
        """Return the folder with the model's files; files that come in parts are joined once.

        Args:
            cache: The folder of fetched and joined models; that of the settings by default.

        Raises:
            Fatal: a package is not installed, the folder is missing, or the joined parts differ from the card.
        """
        try:
            return locate(self.source, self.files, self.parts, cache)
        except NotInstalled as error:
            raise Fatal(f"model {self.key}: {error}; install millrace[{self.extra}]") from error
        except NotFetched as error:
            given = " --from FOLDER" if self.source.startswith("path:") else ""
            raise Fatal(f"model {self.key}: {error}; fetch it with: millrace models fetch {self.key}{given}") from error
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
            raise Fatal(f"model {self.key}: {_listed(found)}. {self._remedy(folder, cache)}")
        return folder

    def _remedy(self, folder: Path, cache: Path | None) -> str:
        """Return how to fix files that differ from the card."""
        fix = "install the files that the card was written for"
        if folder == fetched_folder(self.source, self.files, cache or models_folder()):
            fix = f"replace them with: millrace models fetch {self.key}"
        return f"Either {fix}, or write another card for the existing files (docs/models.md)"

    def collection(self, stream: str) -> str:
        """Return the physical name of the stream's collection for this model."""
        return collection_name(stream, [self])


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
