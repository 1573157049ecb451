"""The alias that readers use: reading and setting it as far as the API key allows, and noticing when it is moved."""

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
"""Time between two checks of the alias; including the wait for the next batch, a move is noticed within about 30 s."""

log = get_logger("store")


def alias_target(client: QdrantClient, alias: str, where: str, collection: str | None = None) -> str | None:
    """Return the collection that an alias points to; None if the alias does not exist or the key cannot see it.

    A key that is scoped to some collections sees only the aliases of these collections, and of those only the ones
    whose names it is also scoped to.

    Args:
        client: The server's client.
        alias: The alias.
        where: The server's address, for messages.
        collection: A collection that the key is scoped to; its aliases are listed if the key may not list all aliases.

    Raises:
        Unavailable: the server cannot be asked.
    """
    with suppress(Forbidden), translated(where):
        return _find(client.get_aliases(), alias)
    if collection is not None:
        with suppress(Forbidden), translated(where):
            return _find(client.get_collection_aliases(collection), alias)
    return None


def ensure_alias(client: QdrantClient, spec: CollectionSpec, where: str) -> str | None:
    """Set the alias if it does not exist, and return its collection; None if the key may neither see nor set the alias.

    Two workers that both find no alias set it to the same collection, unless they start with two models on an empty
    server: then the later one wins, as if it had started first.

    Raises:
        Fatal: the alias does not exist, and the key may not set it.
        Unavailable: the server cannot be asked.
    """
    target = alias_target(client, spec.alias, where, spec.name)
    if target is None:
        create = models.CreateAlias(collection_name=spec.name, alias_name=spec.alias)
        try:
            with translated(where):
                client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
        except Forbidden as refusal:
            _check_alias_exists(client, spec, where, refusal)
            return None
        return spec.name
    if target != spec.name:
        log.warning(
            "the alias points to another collection: readers do not see what this worker writes",
            alias=spec.alias,
            stands_for=target,
            collection=spec.name,
        )
    return target


def may_ask(client: QdrantClient, alias: str, where: str) -> bool:
    """Return whether the key may ask if a collection or alias of this name exists.

    Raises:
        Unavailable: the server cannot be asked.
    """
    with suppress(Forbidden), translated(where):
        client.collection_exists(alias)
        return True
    return False


def _check_alias_exists(client: QdrantClient, spec: CollectionSpec, where: str, refusal: Forbidden) -> None:
    """Raise `Fatal` if the alias does not exist; if the key may not even ask for it, log a warning and return."""
    with suppress(Forbidden):
        with translated(where):
            exists = client.collection_exists(spec.alias)
        if not exists:
            raise Fatal(
                f"the key in MILLRACE_STORE__API_KEY may not create the alias {spec.alias} at {where} "
                f"({refusal.reason}): create it for collection {spec.name} with a key that may manage the server"
            )
    log.warning(
        "the key cannot see the alias: extend the key's access to the alias, so that a move of the alias is noticed",
        alias=spec.alias,
        collection=spec.name,
    )


def _find(answer: models.CollectionsAliasesResponse, alias: str) -> str | None:
    return next((each.collection_name for each in answer.aliases if each.alias_name == alias), None)


@dataclass(frozen=True, slots=True)
class Opened:
    """A worker's collection when it was opened: its spec, the collection that the alias pointed to, and the clock."""

    spec: CollectionSpec
    stands_for: str | None
    clock: Clock


class AliasWatch:
    """Notices when an alias that pointed to a collection has moved or was deleted. It never moves the alias back.

    Args:
        look: Returns the collection that the alias points to.
        opened: What the alias pointed to when the collection was opened.
        name: The collection that the worker writes to.
    """

    def __init__(self, look: Callable[[], str | None], opened: Opened, name: str) -> None:
        self._look, self._alias, self._name, self._clock = look, opened.spec.alias, name, opened.clock
        self._pointed_here = opened.stands_for == name
        self._report: Callable[[bool], None] = lambda has_moved: None
        self._looked_at_s = self._clock.monotonic_s()
        self._turn = threading.Lock()
        self.fault: str | None = None

    def notify(self, notify: Callable[[bool], None]) -> None:
        """Call `notify` now and after every check: True if the alias has moved or was deleted, else False."""
        self._report = notify
        notify(self.fault is not None)

    def look_by(self, pool: Executor) -> None:
        """Start a check of the alias on a thread of the pool if one is due, without waiting for its result."""
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
        with suppress(MillraceError):  # the work itself notices a server that is unavailable
            target = self._look()
            self._pointed_here = self._pointed_here or target == self._name
            before, self.fault = self.fault, self._fault_of(target)
            self._report(self.fault is not None)
            if self.fault != before:
                log.warning("the alias was moved or deleted" if self.fault else "the alias is back", alias=self._alias)

    def _fault_of(self, target: str | None) -> str | None:
        if target == self._name or not self._pointed_here:
            return None
        change = f"points to {target}" if target else "was deleted"
        return (
            f"the alias {self._alias} {change}, but this worker writes to {self._name}: readers do not see what it "
            "writes; move the alias back, or start workers for the collection that the alias points to"
        )
