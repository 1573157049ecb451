"""The faults of the stand-in, as a JSON object for the route `/standin/faults`, and the calls it has counted."""

import threading
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass
class Faults:
    """The faults in force; the defaults mean no fault.

    Attributes:
        delay_s: Delay of each answer.
        full: Whether writes are refused as on a full disk.
        fail_upsert: Every n-th upsert is answered with status 500; 0: never.
        written: What such an upsert has written nevertheless: nothing, the first half, or all of it.
        invalid: The replacement of each answer: a page of a proxy, a JSON text cut short, or JSON of another service.
        ignore: The fields of an upsert that are ignored, as behind a proxy that drops them.
        version: The version that it reports.
        status: Answer everything with this status and Qdrant's kind of error; 0 is off.
        retry_after_s: The header that accompanies status 429; 0: no header.
        acknowledge: Whether upserts are answered "acknowledged" and not "completed".
        strict: The strict mode of every collection, with the server's own names.
        minute_s: The length of the minute of a budget of requests.
        most_bytes: The largest body that is accepted; 0: any.
        scope: The collections and aliases that the key may read ("r") or write ("rw"); empty is a key for all.
        hide_aliases: Whether a scoped key is refused the list of all aliases, instead of getting a shorter list.
    """

    delay_s: float = 0
    full: bool = False
    fail_upsert: int = 0
    written: Literal["nothing", "half", "all"] = "nothing"
    invalid: Literal["", "html", "cut", "other"] = ""
    ignore: list[str] = field(default_factory=list)
    version: str = "1.19.0"
    status: int = 0
    retry_after_s: int = 0
    acknowledge: bool = False
    strict: dict[str, Any] = field(default_factory=dict)
    minute_s: float = 60
    most_bytes: int = 0
    scope: dict[str, str] = field(default_factory=dict)
    hide_aliases: bool = False


class Control:
    """The faults in force and the calls counted, shared by all requests."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: dict[str, int] = {}
        self.unknown: list[str] = []
        self.most_at_once = 0
        self._upserts = self._at_once = 0
        self._lock = threading.Lock()

    def set(self, wanted: dict[str, Any]) -> None:
        """Put these faults in force, and no others."""
        assert set(wanted) <= {each.name for each in fields(Faults)}, wanted
        with self._lock:
            self.faults = Faults(**wanted)
            self._upserts = 0

    def called(self, route: str) -> None:
        """Count a call."""
        with self._lock:
            self.calls[route] = self.calls.get(route, 0) + 1

    def upsert_begins(self) -> bool:
        """Count an upsert; return whether this one must fail."""
        with self._lock:
            self._upserts += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return bool(self.faults.fail_upsert) and self._upserts % self.faults.fail_upsert == 0

    def upsert_ends(self) -> None:
        """Record that an upsert has been answered."""
        with self._lock:
            self._at_once -= 1

    def report(self) -> dict[str, Any]:
        """Return the counts since the start, and reset them."""
        with self._lock:
            found = {"calls": self.calls, "unknown": self.unknown, "most_at_once": self.most_at_once}
            self.calls, self.unknown, self.most_at_once = {}, [], 0
            return found
