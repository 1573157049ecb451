"""One frozen tree of settings. Each comes from `MILLRACE_<PART>__<FIELD>`, or from its default; each says how to choose it.

Durations are in seconds unless the name says otherwise. Secrets are read from the environment and never printed.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Part(BaseModel):
    """Base of the branches of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BrokerSettings(Part):
    """The broker and the consumer group."""

    bootstrap: str | None = Field(default=None, description="host:port,... of the brokers; empty: the embedded broker.")
    group: str | None = Field(
        default=None, description="Consumer group; default millrace-<stream>. Another group replays."
    )
    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="`consumer` (KIP-848) from Kafka 4 on; `classic` for older brokers."
    )
    session_timeout_s: float = Field(
        default=45,
        ge=1,
        description="How soon a killed worker is noticed, `classic` only; else a setting of the broker.",
    )
    max_poll_interval_s: float = Field(
        default=300, ge=10, description="The broker evicts a worker that has not polled for so long."
    )
    delivery_timeout_s: float = Field(
        default=15, ge=1, description="How long a produced message may take to be confirmed."
    )
    commit_timeout_s: float = Field(default=10, ge=0.1, description="How long a commit may take to be confirmed.")
    buffered_records: int = Field(
        default=2_000, ge=1, description="Records read ahead; more costs memory, less stalls."
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
    cache_mib: int = Field(default=64, ge=0, description="In-process cache of vectors; 0 switches it off.")


class StoreSettings(Part):
    """The vector store."""

    path: Path = Field(default=Path(".millrace/store"), description="Folder of the embedded store, for one process.")


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


class SimilarSettings(Part):
    """The similar solved tickets and the suggested reply."""

    limit: int = Field(default=5, ge=0, le=5, description="How many similar solved tickets a result carries.")
    candidates: int = Field(
        default=20, ge=5, le=500, description="How many are found by vector and how many by terms; more is slower."
    )
    bm25_weight: float = Field(
        default=0.016, ge=0, le=1_000_000, description="What shared terms count; `millrace similar tune` finds it."
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


class OperationSettings(Part):
    """Probes, shutdown and logs."""

    port: int = Field(
        default=9400, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz; 0 picks a free one."
    )
    host: str = Field(default="127.0.0.1", description="Address the port is bound to; 0.0.0.0 inside a container.")
    drain_timeout_s: float = Field(default=25, gt=0, description="Time to finish the batch in hand after SIGTERM.")
    stuck_after_s: float = Field(
        default=120, gt=0, description="A thread without a heartbeat for so long is not alive."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    state_dir: Path = Field(default=Path(".millrace"), description="Where ingest keeps its progress.")


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    similar: SimilarSettings = Field(default_factory=SimilarSettings)
    operation: OperationSettings = Field(default_factory=OperationSettings)
