"""What the watch for drift sends: sums of batches, outliers, alerts and spikes. docs/drift.md explains them."""

from base64 import b64decode, b64encode
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import Frozen, TenantId, UtcDatetime

Traffic = Literal["live", "replayed", "backfilled"]
LARGEST = 2**53
"""Larger counts are no counts: floating-point numbers do not have all of them."""

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Counts = dict[str, Annotated[int, Field(ge=1, le=LARGEST)]]
Centroid = Annotated[int, Field(ge=0, le=999_999)]
ByCentroid = dict[Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,5})$")], Annotated[int, Field(ge=1, le=LARGEST)]]
PackedHalf = Annotated[str, Field(description="Little-endian float16 numbers in base64: three decimal digits.")]
Packed = Annotated[str, Field(description="Little-endian float32 numbers in base64.")]


def packed(vector: NDArray[np.floating]) -> str:
    """Return the numbers of a vector, shape (dim,), as `Packed`."""
    return b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def unpacked(text: str) -> NDArray[np.float32]:
    """Return the vector, shape (dim,), that `packed` wrote.

    Raises:
        ValueError: it is not base64 of such numbers.
    """
    return np.frombuffer(b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def packed_half(vector: NDArray[np.floating]) -> str:
    """Return the numbers of a vector, shape (dim,), as `PackedHalf`."""
    return b64encode(np.asarray(vector, dtype="<f2").tobytes()).decode("ascii")


def unpacked_half(text: str) -> NDArray[np.float32]:
    """Return the vector, shape (dim,), that `packed_half` wrote.

    Raises:
        ValueError: it is not base64 of such numbers.
    """
    return np.frombuffer(b64decode(text, validate=True), dtype="<f2").astype(np.float32)


class Example(Frozen):
    """One item of a batch, as an example of what a window holds."""

    item_id: str
    tenant_id: TenantId
    centroid: Centroid | None = None
    is_far: bool = False
    is_empty: bool = False
    label: str | None = None
    action: str | None = None
    confidence: str | None = Field(default=None, description="The class of the decision's confidence.")
    language: str | None = None
    channel: str | None = None
    length: str


class BatchSums(Frozen):
    """The sums of the items of one settled batch that belong to one key. It contains no text of a customer.

    The items are those whose result was published for the first time. `key` is `all`, `tenant:NAME`, `queue:NAME` or
    `other`, which is the rest where names are configured.
    """

    schema_version: Literal[1] = 1
    stream: str
    input: str = Field(description="The name of the vector, such as `text`.")
    model: str = Field(description="Fingerprint of the model that made the vectors, 8 hex digits.")
    key: str
    traffic: Traffic
    reference: str | None = Field(
        default=None, description="Id of the reference that the centroids belong to; null without a reference."
    )
    head: str | None = None
    policy: str | None = Field(default=None, description="SHA-256 of the policy that decided the last item.")
    settled_at: UtcDatetime
    items: Count
    vector_sum: Packed = Field(description="The sum of the vectors, shape (dim,).")
    squared_norms: float = Field(ge=0, description="Sum of the squared lengths of the vectors.")
    cosines: float = Field(default=0.0, description="Sum of the items' cosine similarities to their nearest centroids.")
    centroids: ByCentroid = Field(default_factory=dict, description="Items by the number of the nearest centroid.")
    far: ByCentroid = Field(
        default_factory=dict,
        description="The items among them that lie further from it than nine tenths of the reference's.",
    )
    outliers: Count = Field(default=0, description="Items beyond the reference's 99th percentile.")
    labels: Counts = Field(default_factory=dict)
    actions: Counts = Field(default_factory=dict)
    languages: Counts = Field(default_factory=dict)
    channels: Counts = Field(default_factory=dict)
    lengths: Counts = Field(default_factory=dict)
    confidences: Counts = Field(default_factory=dict)
    empty: Count = Field(default=0, description="Items with nothing to embed.")
    failed: Count = Field(default=0, description="Records that became dead letters; they are not among the items.")
    agreed: Count = Field(default=0, description="Decisions that a person confirmed by giving the same label.")
    overridden: Count = Field(default=0, description="Decisions that a person replaced by another label.")
    examples: tuple[Example, ...] = ()


class Outlier(Frozen):
    """An item that lies beyond the reference's 99th percentile."""

    schema_version: Literal[1] = 1
    stream: str
    input: str
    model: str
    key: str
    reference: str
    tenant_id: TenantId
    item_id: str
    event_version: int = Field(ge=1)
    customer: str | None = Field(default=None, description="A digest of the customer's id; null without one.")
    occurred_at: UtcDatetime
    settled_at: UtcDatetime
    vector: PackedHalf
    centroid: Centroid
    cosine: float = Field(description="Cosine similarity to the nearest centroid.")
    label: str | None = None
    terms: tuple[str, ...] = Field(default=(), description="Characteristic words of its masked text.")


Answer = Literal["no_drift", "drift", "too_few", "no_reference"]
CauseKind = Literal[
    "head", "policy", "failed", "empty", "length", "language", "channel",
    "novelty", "topic", "label", "action", "confidence", "outputs",
]  # fmt: skip


class Cause(Frozen):
    """What has changed between the reference and a window.

    A new model, or a new preparation of its input, is a new fingerprint and so another subject: it is no cause.
    """

    kind: CauseKind
    name: str = Field(description="What it is about: a label, a language, the words of a centroid.")
    reference_share: float | None = Field(default=None, description="Its share of the reference's items.")
    window_share: float | None = Field(default=None, description="Its share of the window's items.")
    since: UtcDatetime | None = Field(default=None, description="Start of the first window in which it had grown.")
    examples: tuple[str, ...] = Field(default=(), max_length=10, description="Up to ten of its items, as `tenant:id`.")


class DriftAlert(Frozen):
    """Two windows in a row that differ from the reference, with an effect above the gate."""

    schema_version: Literal[1] = 1
    alert_id: str = Field(description="The same for the same window, however often it is judged.")
    stream: str
    input: str
    model: str
    key: str
    reference: str
    window_start: UtcDatetime
    window_end: UtcDatetime
    items: int = Field(ge=0)
    p_value: float = Field(gt=0, le=1)
    level: float = Field(gt=0, lt=1, description="The level of significance, from the wanted rate of false alarms.")
    effect: float = Field(ge=0, le=1, description="Share of the items that would have to change to undo the drift.")
    causes: tuple[Cause, ...] = Field(min_length=1, description="The likeliest first.")
    judged: int = Field(ge=0, description="Decisions that a person confirmed or replaced in the window.")
    override_share: float | None = Field(default=None, description="The share that was replaced; null without any.")
    override_share_before: float | None = Field(default=None, description="The same in the windows without drift.")
    harm: Literal["unknown", "none_seen", "overrides_grew"]


class Spike(Frozen):
    """Several customers with the same new problem within a short time. A later message of the same id replaces it."""

    schema_version: Literal[1] = 1
    spike_id: str
    state: Literal["open", "closed"]
    stream: str
    key: str
    name: str = Field(description="The words that its items share.")
    items: int = Field(ge=1)
    customers: int = Field(ge=1)
    first_at: UtcDatetime
    last_at: UtcDatetime
    per_hour: float = Field(ge=0, description="Items per hour since the last message, or since the first item.")
    examples: tuple[str, ...] = Field(default=(), description="Ids of its items, the first ones first.")
