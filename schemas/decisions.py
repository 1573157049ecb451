"""The decision in every stream's result: where an event should go, and how certain that is."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.base import Frozen

SCORE_DIGITS = 9
"""Scores are rounded because a store may change the last bit of a 17-digit number, and a decision published again must
be identical."""


def rounded(value: float) -> float:
    """Return a score rounded as it is published and stored."""
    return round(value, SCORE_DIGITS)


Score = Annotated[float, AfterValidator(rounded)]
Share = Annotated[float, Field(ge=0, le=1), AfterValidator(rounded)]
Priority = Literal["low", "normal", "high", "urgent"]
Label = Annotated[str, Field(min_length=1, max_length=128)]
Action = Literal["auto", "review", "abstain"]


class LabelScore(Frozen):
    """A label with its share of the vote, or with the head's probability."""

    label: str
    share: Share


class Decision(Frozen):
    """Where an event should go, and how certain that is."""

    action: Action
    action_reason: str = Field(description="Reason for the action, as a fixed word such as `no_labelled_neighbours`.")
    label: str | None = None
    queue: str | None = None
    priority: Priority = Field(description="The item's own priority, or a higher one that the policy gives this label.")
    confidence: Share | None = Field(
        default=None,
        description="Share of the vote for the first label, or its probability by the head or by its name.",
    )
    top: tuple[LabelScore, ...] = ()
    previous_queue: str | None = Field(
        default=None, description="The queue of the item's earlier result, if it had one."
    )
    policy: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the routing.toml that was used.")
    head: str | None = Field(
        default=None,
        description="Fingerprint of the trained head; null if no head is configured.",
    )
    scope: Score | None = Field(
        default=None,
        description="The head's score of whether any label fits; below the head's threshold, the decision is to "
        "abstain.",
    )

    @model_validator(mode="after")
    def _abstention_names_no_queue(self) -> "Decision":
        if (self.action == "abstain") != (self.queue is None):
            raise ValueError("a decision must have a queue, unless it abstains: then it must have none")
        return self
