"""Which key an item is judged under: the configured tenants or queues by name, the rest together."""

from dataclasses import dataclass
from typing import Literal

from shared.records import Record

ALL, OTHER = "all", "other"


@dataclass(frozen=True, slots=True)
class Keys:
    """The configured keys.

    Attributes:
        keyed_by: What the names are of; `none` judges all items together.
        names: The tenants or queues that are judged by name.
    """

    keyed_by: Literal["none", "tenant", "queue"] = "none"
    names: frozenset[str] = frozenset()

    @property
    def every(self) -> tuple[str, ...]:
        """Every key that an item can belong to."""
        return (
            (ALL,) if self.keyed_by == "none" else (*(f"{self.keyed_by}:{name}" for name in sorted(self.names)), OTHER)
        )

    def of(self, tenant_id: str, queue: str | None) -> str:
        """Return the key of an item; without a queue it has abstained."""
        if self.keyed_by == "none":
            return ALL
        name = tenant_id if self.keyed_by == "tenant" else queue
        return f"{self.keyed_by}:{name}" if name in self.names else OTHER

    def of_record(self, record: Record) -> str:
        """Return the key of a record that has become no item: its tenant stands in front of the colon of its own key."""
        tenant_id = (record.key or b"").partition(b":")[0].decode("utf-8", "replace")
        return self.of(tenant_id, None)
