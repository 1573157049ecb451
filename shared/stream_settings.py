"""The settings of one stream. Each comes from `MILLRACE_<STREAM>__<PART>__<FIELD>`, or from its default.

So one process can run several streams, each with its own batches, model, head and search.
"""

from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from shared.settings import Part, Variables


class ConsumerSettings(Part):
    """The consumer group."""

    group: str | None = Field(
        default=None, description="Consumer group; default millrace-<stream>. Another group replays."
    )


class BatchSettings(Part):
    """When a poll batch is full. The first limit reached ends it."""

    max_records: int = Field(
        default=256, ge=1, description="More: fewer round trips. Fewer: less repeated after a crash."
    )
    max_tokens: int = Field(
        default=65_536, ge=1, description="Estimated from bytes; bounds the time a batch is in hand."
    )
    max_wait_s: float = Field(default=0.05, ge=0, description="The longest a first record waits for others.")


class EmbeddingSettings(Part):
    """The model and the device it runs on."""

    model: str = Field(default="minilm-l6-v2", description="A row of models.toml.")
    models_file: Path | None = Field(
        default=None, description="A models.toml of your own in place of the packaged one."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...; auto takes the first GPU there is.")
    micro_batch_tokens: int = Field(
        default=1_024,
        ge=1,
        description="Padded tokens per forward pass: about 1,024 on a CPU, 65,536 and more on a GPU.",
    )


class DecisionSettings(Part):
    """What chooses a queue."""

    routing: Path | None = Field(
        default=None,
        description="A routing.toml of your own: queues and thresholds; empty: the one beside the head, or the packaged.",
    )
    head: Path | None = Field(
        default=None, description="Folder of a trained head; empty: the vote of labelled neighbours."
    )
    neighbours: int = Field(default=10, ge=1, description="How many labelled neighbours vote.")


class SearchSettings(Part):
    """The similar solved tickets and the suggested reply."""

    limit: int = Field(default=5, ge=0, le=5, description="How many similar solved tickets a result carries.")
    candidates: int = Field(
        default=20, ge=5, le=500, description="How many are found by vector and how many by terms; more is slower."
    )
    bm25_weight: float = Field(
        default=0.018, ge=0, le=1_000_000, description="What shared terms count; `millrace similar tune` finds it."
    )
    half_life_days: float = Field(
        default=365, gt=0, description="Age at which a hit has lost half of what age can take."
    )
    age_floor: float = Field(
        default=0.9, ge=0, le=1, description="What is left of the score of a very old hit; 1 switches ageing off."
    )
    min_satisfaction: int = Field(
        default=4, ge=1, le=5, description="The rating from which a solved ticket is offered."
    )
    include_unrated: bool = Field(default=False, description="Whether solved tickets without a rating are offered.")
    reply_at: float = Field(
        default=0.5, ge=0, le=1, description="Cosine from which a hit's resolution may be quoted in a suggested reply."
    )


class StreamSettings(Part):
    """What one stream has of its own."""

    consumer: ConsumerSettings = Field(default_factory=ConsumerSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    search: SearchSettings = Field(default_factory=SearchSettings)


def read_stream_settings(stream: str) -> StreamSettings:
    """Return the settings of a stream.

    Raises:
        pydantic.ValidationError: a value is wrong; the place of the error begins with the stream.
        pydantic_settings.SettingsError: a variable cannot be read.
    """
    fields: dict[str, Any] = {stream: (StreamSettings, StreamSettings())}
    model: Any = create_model(stream, __base__=Variables, **fields)
    read: StreamSettings = getattr(model(), stream)
    return read
