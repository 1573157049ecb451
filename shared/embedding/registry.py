"""The models served: the cards of each modality, read from models.toml."""

import tomllib
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from typing_extensions import override

from shared.embedding.card import ModelCard
from shared.errors import Fatal
from shared.text.preparation import Preparation

WHISPER_WEIGHTS = {"ctranslate2": "model.bin", "openai": "model.pt"}
"""The name of the file with the weights of a Whisper model, by backend."""

IMAGE_WEIGHTS = {"timm": (".safetensors", ".pth", ".pt", ".bin"), "transformers": (".safetensors",)}
"""The suffixes of the file with the weights of a model of pictures, by backend."""

PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
"""File name suffixes of torch weights that are pickles; loading a pickle can run code."""

BUILT = frozenset({"model.xml", "model.bin", "tokenizer.json"})
"""The files of a model that `millrace models build` made; its weights are plain numbers, not a pickle."""

SIDE_MAX_PX = 4_096
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class TextCard(ModelCard):
    """A row for a text model: any sentence-transformers model on torch, or Universal Sentence Encoder on numpy.

    The backend openvino is that of models which `millrace models build` made.

    Attributes:
        bfloat16: Whether vectors computed in bfloat16 instead of float32 were measured to keep a cosine of at least 0.9999;
            None if a worker is to measure it at its start. It changes no vector.
    """

    CHANGES_NO_VECTOR: ClassVar[frozenset[str]] = ModelCard.CHANGES_NO_VECTOR | {"bfloat16"}
    modality: Literal["text"]
    dtype: Literal["float32", "float16", "bfloat16", "int8"]
    backend: Literal["torch", "numpy", "openvino"]
    window_tokens: int = Field(ge=8)
    pooling: Literal["mean", "cls", "mean_sqrt_len_tokens"]
    preparation: Preparation
    prompt: str
    bfloat16: Literal["faithful", "differs"] | None = None

    @model_validator(mode="after")
    def _refuse_pickles(self) -> Self:
        allowed = BUILT if self.backend == "openvino" else frozenset()
        for name in self.files:
            if PurePosixPath(name).suffix in PICKLED and name not in allowed:
                raise ValueError(f"files: {name} is a pickle, which can run code: use the model's safetensors files")
        return self

    @model_validator(mode="after")
    def _check_dtype(self) -> Self:
        if self.backend == "numpy" and self.dtype != "float32":
            raise ValueError(f"the backend numpy computes in float32, but dtype is {self.dtype}")
        if (self.backend == "openvino") != (self.dtype == "int8"):
            raise ValueError(
                f"dtype is {self.dtype} and the backend {self.backend}, but int8 and the backend openvino belong together: "
                "`millrace models build` makes such a model and its row; openvino computes rows of the backend torch too"
            )
        return self

    @model_validator(mode="after")
    def _check_built(self) -> Self:
        if self.backend == "openvino" and (missing := sorted(BUILT - self.files.keys())):
            raise ValueError(f"files must list {', '.join(missing)} for the backend openvino")
        return self

    @property
    @override
    def extra(self) -> str:
        return {"numpy": "multilingual", "openvino": "openvino"}.get(self.backend, "text")

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


class ImageCard(ModelCard):
    """A row for a model of pictures, run by timm or by transformers.

    Attributes:
        architecture: The name of the model in timm; None for transformers, which reads it from `config.json`.
        weights: The file of `files` with the weights: safetensors or, for timm, a state dict that needs no code to be read.
        matched_by: Whether a tensor of that file belongs to the model's tensor of the same name, or to the one at the same
            position, with the same shape and the same last part of its name.
        resize_px: The length that the shorter side of a picture is scaled to.
        crop_px: The side of the square in the middle of the scaled picture that the model sees.
        interpolation: How pixels are computed when a picture is scaled; when it is scaled down, always with antialiasing.
        mean: What is subtracted from red, green and blue, of 0 to 1.
        std: What they are divided by then.
        pooling: What becomes the vector: the average over the picture, the first token, or CLIP's projection of it.
        feature_norm: The median length of the pooled features, for models whose weights have ImageNet's 1,000 classes; None
            if the model names no classes. It changes no vector.
    """

    CHANGES_NO_VECTOR: ClassVar[frozenset[str]] = ModelCard.CHANGES_NO_VECTOR | {"feature_norm"}
    modality: Literal["image"]
    dtype: Literal["float32", "float16", "bfloat16"]
    backend: Literal["timm", "transformers"]
    architecture: str | None = None
    weights: str
    matched_by: Literal["name", "position"] = "name"
    resize_px: int = Field(ge=1, le=SIDE_MAX_PX)
    crop_px: int = Field(ge=1, le=SIDE_MAX_PX)
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[Share, Share, Share]
    std: tuple[Share, Share, Share]
    pooling: Literal["average", "cls", "projection"]
    feature_norm: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @field_validator("std")
    @classmethod
    def _check_std(cls, std: tuple[float, ...]) -> tuple[float, ...]:
        if min(std) <= 0:
            raise ValueError("each of the three numbers must be greater than 0")
        return std

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.weights not in self.files:
            raise ValueError(f"files must list the weights, {self.weights}")
        suffix = PurePosixPath(self.weights).suffix
        if suffix not in IMAGE_WEIGHTS[self.backend]:
            raise ValueError(f"weights must be a file {' or '.join(IMAGE_WEIGHTS[self.backend])} for {self.backend}")
        if self.matched_by == "position" and suffix == ".safetensors":
            raise ValueError("the tensors of a safetensors file have no order: matched_by must be name")
        unread = [each for each in self.files if PurePosixPath(each).suffix in PICKLED and each != self.weights]
        if unread:
            raise ValueError(f"{unread[0]} is a pickle that is not the weights: remove it")
        return self

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        is_timm = self.backend == "timm"
        if is_timm != (self.architecture is not None):
            raise ValueError("architecture is the name of a model of timm: only the backend timm needs and allows it")
        if not is_timm and (self.matched_by, self.feature_norm) != ("name", None):
            raise ValueError("matched_by and feature_norm are for the backend timm only")
        if not is_timm and (self.weights, "config.json" in self.files) != ("model.safetensors", True):
            raise ValueError("the backend transformers reads model.safetensors and config.json: list both")
        if is_timm and self.pooling == "projection":
            raise ValueError("pooling = projection is for the backend transformers only")
        if self.crop_px > self.resize_px:
            raise ValueError(f"crop_px, {self.crop_px}, must not exceed resize_px, {self.resize_px}")
        return self

    @property
    @override
    def extra(self) -> str:
        return "images,weights" if self.source.startswith("package:") else "images"

    @property
    def pixels(self) -> int:
        """The number of pixels that the model sees of each picture."""
        return self.crop_px**2

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a prepared picture."""
        return (self.crop_px, self.crop_px, 3)

    def check_loaded(self, dim: int, pooling: str) -> None:
        """Compare the card with the loaded model.

        Args:
            dim: The length of the model's vectors.
            pooling: The model's pooling.

        Raises:
            Fatal: they differ.
        """
        for name, stated, found in (("dim", self.dim, dim), ("pooling", self.pooling, pooling)):
            if stated != found:
                raise Fatal(f"model {self.key}: its card states {name} = {stated}, but the loaded model has {found}")


CardT = TypeVar("CardT", bound=ModelCard)
CARDS: dict[str, type[ModelCard]] = {"text": TextCard, "audio": SpeechCard, "image": ImageCard}
"""The card class of each modality whose models can be served."""


def load_card(key: str, models_file: Path | None = None) -> ModelCard:
    """Return the card of a model.

    Args:
        key: The row's name.
        models_file: A models.toml to use instead of the packaged one.

    Raises:
        Fatal: the file cannot be read, it has no such row, or the row is not valid; the error names the field.
    """
    source, rows = _rows(models_file)
    if key not in rows:
        raise Fatal(f"there is no model {key} in {source}; its models are: {', '.join(sorted(rows))}")
    return _card(key, rows[key], source)


def load_cards(models_file: Path | None = None) -> list[ModelCard]:
    """Return the cards of all models of a file.

    Raises:
        Fatal: as in `load_card`.
    """
    source, rows = _rows(models_file)
    return [_card(key, row, source) for key, row in rows.items()]


def _rows(models_file: Path | None) -> tuple[str, dict[str, Any]]:
    source = models_file or package_files("shared.config").joinpath("models.toml")
    try:
        return str(source), tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"{source} cannot be read: {error}") from error


def _card(key: str, row: Any, source: str) -> ModelCard:
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
    return _of_kind(load_card(key, models_file), SpeechCard, "a model of speech")


def load_image_card(key: str, models_file: Path | None = None) -> ImageCard:
    """Return the card of a model of pictures.

    Raises:
        Fatal: as in `load_card`, or the model has another modality.
    """
    return _of_kind(load_card(key, models_file), ImageCard, "a model of pictures")


def load_text_card(key: str, models_file: Path | None = None) -> TextCard:
    """Return the card of a text model.

    Raises:
        Fatal: as in `load_card`, or the model has another modality.
    """
    return _of_kind(load_card(key, models_file), TextCard, "a text model")


def _of_kind(card: ModelCard, kind: type[CardT], needed: str) -> CardT:
    if not isinstance(card, kind):
        raise Fatal(f"model {card.key} has modality {card.modality}, but {needed} is needed: choose another model")
    return card
