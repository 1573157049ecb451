"""The settings of topics that say how long records are kept, and whether records may be removed from their middle.

They are asked for every few minutes. What is not known counts as compacted, so that no answer about such a topic is used
for long.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import admin as kafka_admin

from shared.clock import Clock

library: Any = kafka_admin  # its type stubs leave out `ConfigResource`

SETTINGS_FOR_S = 300.0
SILENT_CODES = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})
"""The errors of a request that was not answered; another one may be."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long the records of a topic are kept.

    Attributes:
        retention_ms: The time; infinite if time deletes none; None if not known.
        is_compacted: Whether records may be removed from the middle of the log; true if that is not known.
    """

    retention_ms: float | None = None
    is_compacted: bool = True


UNSURE = Kept()


class Retention:
    """Remembers how long topics keep their records. Used by one thread.

    Args:
        timeout_s: For each request.
        clock: Says when the settings are asked for again.
    """

    def __init__(self, timeout_s: float, clock: Clock) -> None:
        self._timeout_s, self._clock = timeout_s, clock
        self._known: dict[str, Kept] = {}
        self._answered: set[str] = set()
        self._until_s = 0.0

    def of(self, topic: str) -> Kept:
        """Return what is known about a topic."""
        return self._known.get(topic, UNSURE)

    def refresh(self, admin: Any, topics: set[str]) -> None:
        """Ask for the settings of topics that are not known or were asked for long ago.

        A topic without an answer is asked for again at the next call, and keeps its earlier settings until then. A
        refusal is an answer: the user may lack the right.

        Args:
            admin: The client for this request.
            topics: The topics; all others are forgotten.
        """
        now_s = self._clock.monotonic_s()
        if now_s >= self._until_s:
            self._answered, self._until_s = set(), now_s + SETTINGS_FOR_S
            self._known = {topic: kept for topic, kept in self._known.items() if topic in topics}
        missing = sorted(topics - self._answered)
        if not missing:
            return
        resources = [library.ConfigResource(library.ResourceType.TOPIC, topic) for topic in missing]
        for resource, answer in admin.describe_configs(resources, request_timeout=self._timeout_s).items():
            try:
                found = answer.result(self._timeout_s + 1)
            except KafkaException as error:
                if error.args[0].code() in SILENT_CODES:
                    continue
                self._known[resource.name] = UNSURE
            else:
                self._known[resource.name] = _kept({name: each.value for name, each in found.items()})
            self._answered.add(resource.name)


def _kept(found: Mapping[str, str]) -> Kept:
    """Return what settings say; a broker may leave some of them out."""
    if "cleanup.policy" not in found:
        return UNSURE
    policies = found["cleanup.policy"].split(",")
    retention_ms = int(found["retention.ms"]) if "retention.ms" in found else None
    if "delete" not in policies or (retention_ms is not None and retention_ms < 0):
        return Kept(math.inf, "compact" in policies)
    return Kept(retention_ms, "compact" in policies)
