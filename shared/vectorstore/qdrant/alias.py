"""The alias that readers use, as far as a key may see and set it, and what becomes of it while a worker runs."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass

from qdrant_client import QdrantClient, models

from shared.clock import Clock
from shared.errors import Fatal, MillraceError
from shared.logs import get_logger
from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.client_errors import Forbidden, translated

LOOK_EVERY_S = 20.0
"""How often the alias is looked at; with the time until the next batch it is noticed within about half a minute."""

log = get_logger("store")


def alias_target(client: QdrantClient, alias: str, where: str, ours: str | None = None) -> str | None:
    """Return the collection an alias stands for; None if the key is shown no such alias.

    A key that is scoped to some collections is shown their aliases alone, and those only where it is scoped to the alias's
    name too.

    Args:
        client: Of the server.
        alias: Which.
        where: The server's address, for messages.
        ours: A collection that the key is scoped to; its own aliases are asked for where all of them are forbidden.

    Raises:
        Unavailable: the server cannot be asked.
    """
    with suppress(Forbidden), translated(where):
        return _find(client.get_aliases(), alias)
    if ours is not None:
        with suppress(Forbidden), translated(where):
            return _find(client.get_collection_aliases(ours), alias)
    return None


def ensure_alias(client: QdrantClient, spec: CollectionSpec, where: str) -> str | None:
    """Set the alias where none is set, and return where it stands; None if the key may neither see nor set it.

    Two workers that both find none set it to the same name, unless they start with two models on an empty server: then
    the later one wins, as if it had started first.

    Raises:
        Fatal: there is no such alias, and the key may not set it.
        Unavailable: the server cannot be asked.
    """
    target = alias_target(client, spec.alias, where, spec.name)
    if target is None:
        create = models.CreateAlias(collection_name=spec.name, alias_name=spec.alias)
        try:
            with translated(where):
                client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
        except Forbidden as refusal:
            _check_there(client, spec, where, refusal)
            return None
        return spec.name
    if target != spec.name:
        log.warning(
            "the alias stands for another collection: readers do not see what this worker writes",
            alias=spec.alias,
            stands_for=target,
            collection=spec.name,
        )
    return target


def may_ask(client: QdrantClient, alias: str, where: str) -> bool:
    """Return whether the key may ask for what has this name.

    Raises:
        Unavailable: the server cannot be asked.
    """
    with suppress(Forbidden), translated(where):
        client.collection_exists(alias)
        return True
    return False


def _check_there(client: QdrantClient, spec: CollectionSpec, where: str, refusal: Forbidden) -> None:
    """Refuse to start where the alias is surely missing; where the key may not even ask for it, say so and go on."""
    with suppress(Forbidden):
        with translated(where):
            there = client.collection_exists(spec.alias)
        if not there:
            raise Fatal(
                f"the key of MILLRACE_STORE__API_KEY may not set the alias {spec.alias} at {where} ({refusal.said}): "
                f"somebody whose key may manage the server sets it to {spec.name}"
            )
    log.warning(
        "the key cannot see where the alias stands: scope it to the alias too, so that a move is noticed",
        alias=spec.alias,
        collection=spec.name,
    )


def _find(answer: models.CollectionsAliasesResponse, alias: str) -> str | None:
    return next((each.collection_name for each in answer.aliases if each.alias_name == alias), None)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a worker found when it opened a collection: what it wanted, where the alias stood, and the time since."""

    spec: CollectionSpec
    stands_for: str | None
    clock: Clock


class AliasWatch:
    """Notices when an alias that stood for a collection stands elsewhere, or is gone. It is never moved back.

    Args:
        look: Returns where the alias stands.
        opened: Where it stood before.
        name: The collection.
    """

    def __init__(self, look: Callable[[], str | None], opened: Opened, name: str) -> None:
        self._look, self._alias, self._name, self._clock = look, opened.spec.alias, name, opened.clock
        self._stood = opened.stands_for == name
        self._report: Callable[[bool], None] = lambda elsewhere: None
        self._looked_at_s = self._clock.monotonic_s()
        self._turn = threading.Lock()
        self.fault: str | None = None

    def notify(self, notify: Callable[[bool], None]) -> None:
        """Call this from now on with what is found."""
        self._report = notify
        notify(self.fault is not None)

    def look_by(self, pool: Executor) -> None:
        """Look on a thread of a pool, if it is time; nobody waits for it."""
        if self._is_time():
            with suppress(RuntimeError):  # the pool has been shut down
                pool.submit(self._look_now)

    def _is_time(self) -> bool:
        with self._turn:
            now_s = self._clock.monotonic_s()
            due = now_s - self._looked_at_s >= LOOK_EVERY_S
            if due:
                self._looked_at_s = now_s
            return due

    def _look_now(self) -> None:
        with suppress(MillraceError):  # a server that is away is noticed by the work itself
            target = self._look()
            self._stood = self._stood or target == self._name
            before, self.fault = self.fault, self._judged(target)
            self._report(self.fault is not None)
            if self.fault != before:
                log.warning("the alias has been moved" if self.fault else "the alias is back", alias=self._alias)

    def _judged(self, target: str | None) -> str | None:
        if target == self._name or not self._stood:
            return None
        place = f"stands for {target}" if target else "is gone"
        return (
            f"the alias {self._alias} {place}, but this worker writes {self._name}: readers do not see what is written; "
            "move the alias back, or start workers for the collection that it stands for"
        )
