"""The routing policy: what a routing.toml says of each label, resolved for a tenant (`docs/routing.md`)."""

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
"""Its name beside a head."""

NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one label of one tenant, with all that is inherited.

    Attributes:
        queue: Where its tickets go.
        priority: What their priority is raised to, if to anything.
        auto_at: Confidence from which they are routed unseen.
        review_at: Confidence from which the queue is proposed to a person; below it nobody is told one.
        never_auto: They are never routed unseen.
    """

    queue: str
    priority: Priority | None
    auto_at: float
    review_at: float
    never_auto: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """A routing.toml that has been checked.

    Attributes:
        source: The file, as errors name it.
        sha256: Of the file's bytes, in hex: which policy made a decision.
    """

    source: str
    sha256: str
    _content: PolicyContent

    @classmethod
    def load(cls, path: Path | None) -> "Policy":
        """Read a file, or the packaged one for None.

        Raises:
            Fatal: it cannot be read, or something in it is wrong; the error names the line.
        """
        source = path or files("shared.config").joinpath("routing.toml")
        content, digest = read_policy_file(source)
        return cls(str(source), digest, content)

    @property
    def labels(self) -> frozenset[str]:
        """The labels that have a row which holds for every tenant."""
        return frozenset(self._content.labels)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a section of their own."""
        return frozenset(self._content.tenants)

    def rule(self, tenant_id: str | None, label: str) -> Rule:
        """Return what holds for a label; None: for a tenant of whom nothing is said."""
        found: dict[str, Any] = {"queue": label, "priority": None, "never_auto": False}
        for _, row in reversed(self._content.chain(tenant_id, label)):
            found |= row.model_dump(exclude_none=True)
        return Rule(**found)

    def check_labels(self, labels: Iterable[str]) -> None:
        """Refuse a head's labels of which the policy says nothing: a typing error must not become a queue.

        Raises:
            Fatal: some have no row.
        """
        missing = sorted(set(labels) - self.labels)
        if missing:
            tables = ", ".join(f"[{dotted(('labels', label))}]" for label in missing[:NAMES_SHOWN])
            more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
            raise Fatal(
                f"{self.source} has no row for {len(missing)} of the head's labels: add {tables}{more}, "
                "or start from the routing.toml beside the head"
            )

    def rows_beyond(self, labels: Iterable[str]) -> list[str]:
        """Return the tables of rows for labels other than these, as the file writes them."""
        known = set(labels)
        sections = [((), self._content), *((("tenants", t), s) for t, s in self._content.tenants.items())]
        return [
            f"[{dotted((*place, 'labels', label))}]"
            for place, section in sections
            for label in section.labels
            if label not in known
        ]
