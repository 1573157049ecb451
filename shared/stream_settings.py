"""The settings of one stream. Each comes from `MILLRACE_<STREAM>__<PART>__<FIELD>`, or from its default.

Therefore one process can run several streams, each with its own batches, model, head and search.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator

from schemas.search import SIMILAR_LIMIT
from shared.attachment_settings import AttachmentSettings
from shared.model_settings import EmbeddingSettings, ImageSettings, SpeechSettings
from shared.settings import Variables
from shared.settings_part import Part

WaitSeconds = Annotated[float, Field(gt=0, le=86_400)]
MOST_WEIGHT = 1_000_000
"""A weight so large that its part alone decides the order."""

CostUnit = Literal["tokens", "seconds", "pictures", "records"]
"""The units in which streams count the cost of a record."""

NUMBER, TIME = ":number", ":time"
"""The endings of indexed attributes whose values are numbers, and times."""


class ConsumerSettings(Part):
    """The consumer group."""

    group: str | None = Field(
        default=None,
        description="Consumer group; empty: millrace-<stream>. A new group reads again all records that the "
        "topic still holds.",
    )


class BatchSettings(Part):
    """The limits of a poll batch. The first limit that is reached ends the batch."""

    max_records: int = Field(
        default=256,
        ge=1,
        description="Maximum number of records. A higher limit means fewer round trips; a lower limit means less "
        "repeated work after a crash.",
    )
    max_tokens: int = Field(
        default=65_536,
        ge=1,
        description="Maximum number of tokens, for streams of texts, estimated from the bytes; it limits how long a batch "
        "takes.",
    )
    max_sound_s: int = Field(
        default=600,
        ge=1,
        description="Maximum seconds of sound, for streams of recordings; a recording by reference counts as a minute. "
        "About 600 on a CPU, 10,000 on a GPU: it limits how much is recognised again after a crash.",
    )
    max_pictures: int = Field(
        default=512,
        ge=1,
        description="Maximum number of pictures, for streams of pictures; 512 bytes of title and description count as one "
        "more picture. It limits how much is embedded again after a crash.",
    )
    max_wait_s: float = Field(
        default=0.05, ge=0, description="Maximum time that the first record of a batch waits for others."
    )

    def max_cost(self, unit: CostUnit) -> int:
        """Return the largest cost of a batch, in the unit of a stream."""
        match unit:
            case "tokens":
                return self.max_tokens
            case "seconds":
                return self.max_sound_s
            case "pictures":
                return self.max_pictures
            case "records":
                return self.max_records


class RetrySettings(Part):
    """The retry lane: how long a record waits whose media cannot be fetched yet, and how often it is tried again."""

    tiers_s: tuple[WaitSeconds, WaitSeconds, WaitSeconds] = Field(
        default=(10.0, 120.0, 900.0),
        description="Waiting time of each of the three tiers, as `[10, 120, 900]`, ascending. Choose the first a little "
        "longer than uploads usually take, the last as long as a source is down in a bad hour.",
    )
    attempts_per_tier: int = Field(
        default=2,
        ge=1,
        le=10,
        description="Number of attempts after waiting in one tier. Each further one waits twice as long as the one "
        "before.",
    )
    give_up_after_s: float = Field(
        default=86_400.0,
        gt=0,
        description="A record that was deferred first this long ago is dead-lettered, even if attempts are left because "
        "its host was down.",
    )

    @field_validator("tiers_s")
    @classmethod
    def _is_ascending(cls, tiers_s: tuple[float, ...]) -> tuple[float, ...]:
        if list(tiers_s) != sorted(tiers_s):
            raise ValueError("must be ascending")
        return tiers_s


class DecisionSettings(Part):
    """How a queue is chosen."""

    routing: Path | None = Field(
        default=None,
        description="Your own routing.toml with queues and thresholds; empty: the one in the head's folder, or the "
        "packaged one.",
    )
    head: Path | None = Field(
        default=None,
        description="Folder of a trained head; empty: the labelled neighbours vote, and pictures without any are judged "
        "by `IMAGE__CLASSES`.",
    )
    neighbours: int = Field(default=10, ge=1, description="Number of labelled neighbours that vote.")


class SearchSettings(Part):
    """What is offered as similar of this stream, such as solved tickets, and the suggested reply; not for products."""

    limit: int = Field(default=5, ge=0, le=SIMILAR_LIMIT, description="Maximum number of similar items in a result.")
    candidates: int = Field(
        default=20,
        ge=5,
        le=500,
        description="How many hits each of the searches (by text, by resolution and by terms) returns; a higher number "
        "is slower. Raise it with a low age_floor, so that fresh hits are found behind old ones.",
    )
    bm25_weight: float = Field(
        default=0.018,
        ge=0,
        le=MOST_WEIGHT,
        description="Weight of shared terms in the score; `millrace similar tune` finds a good value.",
    )
    picture_weight: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Weight of the picture's cosine in `millrace search` where a product's text is compared too; the text "
        "has the rest.",
    )
    resolution_weight: float = Field(
        default=0.4,
        ge=0,
        le=MOST_WEIGHT,
        description="Weight of the similarity of a hit's resolution in the score; `millrace similar tune` finds a good "
        "value. 0: resolutions are not compared.",
    )
    half_life_days: float = Field(
        default=365,
        gt=0,
        description="Age at which a hit has lost half of what it can lose by age (see `age_floor`); docs/similar.md has a "
        "table of examples.",
    )
    age_floor: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="Share of its score that a very old hit keeps; 0: it keeps nothing; 1 switches ageing off.",
    )
    other_language_penalty: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of its score that a hit in another language than the item asked about loses; 0 ranks all "
        "languages alike.",
    )
    min_satisfaction: int = Field(
        default=4, ge=1, le=5, description="Lowest rating with which a solved ticket or a finished call is offered."
    )
    include_unrated: bool = Field(
        default=False, description="Whether solved tickets or finished calls without a rating are offered."
    )
    reply_at: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Lowest cosine similarity at which a hit's resolution may be quoted in a suggested reply.",
    )
    indexed_attributes: tuple[str, ...] = Field(
        default=(),
        description="Attributes that a search can filter on, as a JSON list; the store has an index for each. A name "
        "alone compares texts; with `:number` it compares numbers, with `:time` times: "
        '`["plan", "seats:number", "bought_at:time"]`. See docs/filters.md.',
    )

    @field_validator("indexed_attributes")
    @classmethod
    def _check_attributes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that cannot be indexed, and names that occur twice."""
        bare = [name.removesuffix(NUMBER if name.endswith(NUMBER) else TIME) for name in names]
        for name in bare:
            if not name or '"' in name or "\\" in name:
                raise ValueError(f"{name!r} is not the name of an attribute that can be indexed")
            if bare.count(name) > 1:
                raise ValueError(f"{name} occurs more than once")
        return names


class DuplicateSettings(Part):
    """When two pictures are near-duplicates; only for streams of pictures.

    The defaults were measured for `efficientnet-lite0` on photos of clothes. For another model or other pictures,
    `python -m benchmarks.near_duplicates FOLDER` chooses them on pictures of yours; see docs/near-duplicates.md.
    """

    same_picture_at: float = Field(
        default=0.65,
        ge=0,
        le=1,
        description="Lowest cosine similarity of the same picture, whose hashes must be near too. The default was measured "
        "for `efficientnet-lite0`; for another model, choose it with `benchmarks/near_duplicates.py`. Raise it if "
        "different pictures are called the same; lower it if small copies are missed.",
    )
    max_distance_bits: int = Field(
        default=8,
        ge=0,
        le=63,
        description="Largest number of differing bits, of 64, of the perceptual hashes of the same picture. 4 finds what "
        "was encoded again or scaled, 8 also slight edits; from 10 on, different pictures are found too, "
        "unless `same_picture_at` is raised to 0.8.",
    )
    same_product_at: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Lowest cosine similarity of the same product, whatever the hashes are; most crops are found by it. "
        "The default was measured for `efficientnet-lite0`. Raise it, such as to 0.9, in a large catalogue of products "
        "that look alike: the number of false alarms grows with that of the pictures.",
    )
    candidates: int = Field(
        default=50,
        ge=10,
        le=500,
        description="Number of nearest pictures that are compared. Raise it if a tenant has many pictures whose cosine "
        "similarity is above `same_picture_at`: a small copy can be behind them.",
    )


class StreamSettings(Part):
    """The settings of one stream."""

    consumer: ConsumerSettings = Field(default_factory=ConsumerSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    speech: SpeechSettings = Field(default_factory=SpeechSettings)
    image: ImageSettings = Field(default_factory=ImageSettings)
    attachments: AttachmentSettings = Field(default_factory=AttachmentSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    search: SearchSettings = Field(default_factory=SearchSettings)
    duplicates: DuplicateSettings = Field(default_factory=DuplicateSettings)


def read_stream_settings(stream: str) -> StreamSettings:
    """Return the settings of a stream.

    Raises:
        pydantic.ValidationError: a value is not valid; the location in the error begins with the stream.
        pydantic_settings.SettingsError: a variable cannot be read.
    """
    fields: dict[str, Any] = {stream: (StreamSettings, StreamSettings())}
    model: Any = create_model(stream, __base__=Variables, **fields)
    read: StreamSettings = getattr(model(), stream)
    return read
