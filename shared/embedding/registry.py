"""Model cards: what is served, read from models.toml, and the fingerprint of everything that changes a vector."""

import json
import tomllib
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import Fatal
from shared.text.preparation import Preparation


class ModelCard(BaseModel):
    """One row of models.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    modality: Literal["text"]
    source: str = Field(pattern=r"^(package|path):.+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    dim: int = Field(ge=1)
    window_tokens: int = Field(ge=8)
    pooling: Literal["mean", "cls"]
    preparation: Preparation
    prompt: str
    dtype: Literal["float32", "float16", "bfloat16"]
    backend: Literal["torch"]
    licence: str

    @property
    def fingerprint(self) -> str:
        """8 hex digits of SHA-256 over all that changes a vector; where the weights lie and the licence do not."""
        relevant = self.model_dump(exclude={"key", "source", "licence"})
        return sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def folder(self) -> Path:
        """The folder that holds the model's files.

        Raises:
            Fatal: the package is not installed, or the folder is missing.
        """
        kind, _, where = self.source.partition(":")
        if kind == "path":
            folder = Path(where)
        else:
            try:
                folder = Path(import_module(where).MODEL_DIR)
            except (ImportError, AttributeError) as error:
                raise Fatal(f"model {self.key}: package {where} is not installed; install millrace[text]") from error
        if not folder.is_dir():
            raise Fatal(f"model {self.key}: there is no folder {folder}")
        return folder

    def collection(self, stream: str) -> str:
        """Return the physical name of the stream's collection under this model."""
        return f"{stream}__{self.key}__{self.fingerprint}"

    def check_weights(self) -> None:
        """Compare the weights with the card.

        Raises:
            Fatal: they are other weights, so that the fingerprint would lie.
        """
        weights = self.folder / "model.safetensors"
        if not weights.is_file():
            raise Fatal(f"model {self.key}: there is no {weights}")
        with weights.open("rb") as opened:
            digest = sha256()
            while block := opened.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != self.sha256:
            raise Fatal(f"model {self.key}: {weights} has SHA-256 {digest.hexdigest()}, its card says {self.sha256}")


def load_card(key: str, models_file: Path | None = None) -> ModelCard:
    """Return the card of a model.

    Args:
        key: The row's name.
        models_file: A models.toml in place of the packaged one.

    Raises:
        Fatal: the file cannot be read, or it has no such row, or the row is wrong; the error names the field.
    """
    source = models_file or files("shared.config").joinpath("models.toml")
    try:
        rows = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"{source} cannot be read: {error}") from error
    if key not in rows:
        raise Fatal(f"there is no model {key} in {source}; it has: {', '.join(sorted(rows))}")
    if not isinstance(rows[key], dict) or "key" in rows[key]:
        raise Fatal(f"{source}, [{key}] must be a table without a key of its own")
    try:
        return ModelCard.model_validate(rows[key] | {"key": key})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Fatal(f"{source}, [{key}] {where}: {first['msg']}") from error
