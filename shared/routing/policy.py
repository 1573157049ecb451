"""The routing policy: the rules of a routing.toml for each label, resolved for a tenant (`docs/routing.md`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.decisions import Priority
from shared.errors import Fatal
from shared.routing.policy_file import PolicyContent, read_policy_file
from shared.routing.toml_lines import dotted

POLICY_FILE = "routing.toml"
"""Name of the policy file in a head's folder."""

NAMES_SHOWN = 5
HEADS = "head's"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one label of one tenant, with all inherited values.

    Attributes:
        queue: The queue for items with this label.
        priority: The priority that they are raised to; None leaves it unchanged.
        auto_at: Confidence from which they are routed without review.
        review_at: Confidence from which the queue is proposed to a person; below it, no queue is proposed.
        never_auto: Whether they are never routed without review.
    """

    queue: str
    priority: Priority | None
    auto_at: float
    review_at: float
    never_auto: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """The validated contents of a routing.toml.

    Attributes:
        source: The file, as shown in errors.
        sha256: SHA-256 of the file's bytes, in hex; it identifies the policy that made a decision.
    """

    source: str
    sha256: str
    _content: PolicyContent

    @classmethod
    def load(cls, path: Path | None) -> "Policy":
        """Read a file; None reads the packaged one.

        Raises:
            Fatal: the file cannot be read or is not valid; the error names the line.
        """
        source = path or files("shared.config").joinpath("routing.toml")
        content, digest = read_policy_file(source)
        return cls(str(source), digest, content)

    @property
    def labels(self) -> frozenset[str]:
        """The labels that have a row for all tenants."""
        return frozenset(self._content.labels)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of these rows, in the order of the file; one may occur twice."""
        return tuple(self.rule(None, label).queue for label in self.labels_in_order)

    @property
    def labels_in_order(self) -> tuple[str, ...]:
        """The labels that have a row for all tenants, in the order of the file."""
        return tuple(self._content.labels)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a section of their own."""
        return frozenset(self._content.tenants)

    def rule(self, tenant_id: str | None, label: str) -> Rule:
        """Return the rule for a label; `tenant_id` None stands for a tenant that has no section of its own."""
        found: dict[str, Any] = {"queue": label, "priority": None, "never_auto": False}
        for _, row in reversed(self._content.chain(tenant_id, label)):
            found |= row.model_dump(exclude_none=True)
        return Rule(**found)

    def check_labels(self, labels: Iterable[str], whose: str = HEADS) -> None:
        """Check that each of these labels has a row: a misspelled label must not become a queue.

        Args:
            labels: The labels that can be answered.
            whose: What the labels belong to, as shown in the error.

        Raises:
            Fatal: some labels have no row.
        """
        missing = sorted(set(labels) - self.labels)
        if missing:
            tables = ", ".join(f"[{dotted(('labels', label))}]" for label in missing[:NAMES_SHOWN])
            more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
            other = ", or start from the routing.toml beside the head" if whose == HEADS else ""
            raise Fatal(
                f"{self.source} has no table for {len(missing)} of the {whose} labels: add {tables}{more}{other}"
            )

    def check_zero_shot(self, labels: Iterable[str]) -> None:
        """Check that labels that are judged by their names have rows, unless the policy has no rows at all.

        Raises:
            Fatal: the policy has rows, but none for some of these labels.
        """
        if self.labels:
            self.check_labels(labels, "zero-shot")

    def rows_beyond(self, labels: Iterable[str]) -> list[str]:
        """Return the table headers of the rows for labels other than these, as written in the file."""
        known = set(labels)
        sections = [((), self._content), *((("tenants", t), s) for t, s in self._content.tenants.items())]
        return [
            f"[{dotted((*place, 'labels', label))}]"
            for place, section in sections
            for label in section.labels
            if label not in known
        ]
