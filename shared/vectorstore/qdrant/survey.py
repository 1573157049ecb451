"""What Qdrant's server has of ours. Nothing is created; the guard is tried with a probe where the collection is there."""

from dataclasses import dataclass

from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.alias import alias_target, may_ask
from shared.vectorstore.qdrant.client_errors import permitted
from shared.vectorstore.qdrant.limits import unfit
from shared.vectorstore.qdrant.setup import SCOPE, check_guard, check_version, differences
from shared.vectorstore.qdrant.store import QdrantStore


@dataclass(frozen=True, slots=True)
class ServerSurvey:
    """What was found.

    Attributes:
        version: The server's, as it says.
        target: The collection that the alias stands for; None if there is no alias, or the key is not shown it.
        sees_alias: Whether the key may ask for the alias.
        exists: Whether the wanted collection is there.
        faults: How it differs from what is wanted.
        limits: What of its strict mode allows a worker too little.
    """

    version: str
    target: str | None
    sees_alias: bool
    exists: bool
    faults: tuple[str, ...]
    limits: tuple[str, ...]


def survey_server(store: QdrantStore, spec: CollectionSpec) -> ServerSurvey:
    """Look at the server.

    Raises:
        Unavailable: it cannot be reached.
        Fatal: it refuses the key, is too old, or does not honour the guard.
    """
    client, where = store.link.client, store.link.where
    version = check_version(client, where)
    faults: list[str] = []
    limits: list[str] = []
    with permitted(where, f"look at collection {spec.name}", SCOPE):
        exists = client.collection_exists(spec.name)
        if exists:
            info = client.get_collection(spec.name)
            faults, limits = differences(info, spec), unfit(info, spec.conditions)
    if exists and not faults and not limits:
        check_guard(client, spec.name, where)
    target = alias_target(client, spec.alias, where, spec.name)
    sees = target is not None or may_ask(client, spec.alias, where)
    return ServerSurvey(version, target, sees, exists, tuple(faults), tuple(limits))
