"""The settings of the models of a stream: of texts, of speech and of pictures."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from schemas.decisions import Label
from shared.settings_part import Part


class EmbeddingSettings(Part):
    """The text model and the device it runs on."""

    model: str = Field(default="minilm-l6-v2", description="Name of the model: a table in models.toml.")
    models_file: Path | None = Field(default=None, description="Your own models.toml; empty: the packaged one.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...; auto uses the first GPU, if any.")
    backend: Literal["auto", "torch", "openvino"] = Field(
        default="auto",
        description="What computes the model: auto is openvino on a CPU if it is installed and knows the model, otherwise "
        "torch; models on numpy need auto.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="The number format in which openvino computes: auto is bfloat16 if the CPU has instructions for it and "
        "the vectors stay faithful (docs/models.md).",
    )
    streams: int | None = Field(
        default=None,
        ge=1,
        description="How many micro-batches openvino computes at once; empty: one for each core that the process may use, "
        "which is fastest; fewer need less memory.",
    )
    micro_batch_tokens: int = Field(
        default=1_024,
        ge=1,
        description="Padded tokens per forward pass: about 1,024 on a CPU, 65,536 and more on a GPU; models on numpy "
        "ignore it.",
    )


class SpeechSettings(Part):
    """The model of speech and the device it runs on; only for streams of recordings."""

    model: str = Field(
        default="whisper-base", description="Name of the model: a table in models.toml whose modality is `audio`."
    )
    models_file: Path | None = Field(default=None, description="Your own models.toml; empty: the packaged one.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...; auto uses the first GPU, if any.")
    batch_pieces: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Pieces of up to 30 seconds that are recognised at once: about 8 on a CPU, 16 to 32 on a GPU.",
    )
    sound_vector: bool = Field(
        default=False,
        description="Whether recordings have a vector of how they sound too, for `millrace similar --by sound`. Each is "
        "then encoded twice, and a change of the setting is a change of the collection.",
    )


class ImageSettings(Part):
    """The model of pictures and the device it runs on; only for streams of pictures."""

    model: str = Field(
        default="efficientnet-lite0", description="Name of the model: a table in models.toml whose modality is `image`."
    )
    models_file: Path | None = Field(default=None, description="Your own models.toml; empty: the packaged one.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...; auto uses the first GPU, if any.")
    backend: Literal["auto", "torch", "openvino"] = Field(
        default="auto",
        description="What computes the model: auto is openvino on a CPU if it is installed and can compute the model, "
        "otherwise torch.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="The number format in which openvino computes: auto is bfloat16 if the CPU has instructions for it and "
        "the vectors stay faithful, otherwise float32 (docs/models.md).",
    )
    streams: int | None = Field(
        default=None,
        ge=1,
        description="How many micro-batches openvino computes at once; empty: one for each core that the process may use, "
        "which is fastest; fewer need less memory.",
    )
    micro_batch_pixels: int = Field(
        default=401_408,
        ge=1,
        description="Pixels per forward pass, as the model sees them; a picture of 224 x 224 has 50,176. About 400,000 "
        "on a CPU, 13,000,000 on a GPU.",
    )
    classes: tuple[Label, ...] = Field(
        default=(),
        description='Labels to judge by their names alone where no head is trained and nothing is labelled: `["dress", '
        '"running shoe"]`. Choose concrete nouns in English that name what can be seen, as on a sign in a shop, and no '
        "codes or qualities; also name what else the pictures show. The result is only a proposal for a person "
        "(docs/models.md). Empty: none.",
    )

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that are blank, have blanks around them, or occur twice."""
        for name in classes:
            if name != name.strip() or not name:
                raise ValueError(f"{name!r} has blanks around it, or nothing between them")
            if classes.count(name) > 1:
                raise ValueError(f"{name} occurs more than once")
        return classes
