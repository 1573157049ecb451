"""What Qdrant's server has of ours. Nothing is created; the guard is tried with a probe where the collection is there."""

from dataclasses import dataclass

from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant import QdrantStore
from shared.vectorstore.qdrant_errors import translated
from shared.vectorstore.qdrant_setup import alias_target, check_guard, check_version, differences


@dataclass(frozen=True, slots=True)
class ServerSurvey:
    """What was found.

    Attributes:
        version: The server's, as it says.
        target: The collection that the alias stands for; None where there is no alias.
        exists: Whether the wanted collection is there.
        faults: How it differs from what is wanted.
    """

    version: str
    target: str | None
    exists: bool
    faults: tuple[str, ...]


def survey(store: QdrantStore, spec: CollectionSpec) -> ServerSurvey:
    """Look at the server.

    Raises:
        Unavailable: it cannot be reached.
        Fatal: it refuses the key, is too old, or does not honour the guard.
    """
    client, where = store.link.client, store.link.where
    version = check_version(client, where)
    with translated(where):
        exists = client.collection_exists(spec.name)
        faults = differences(client.get_collection(spec.name), spec) if exists else []
    if exists and not faults:
        check_guard(client, spec.name, where)
    return ServerSurvey(version, alias_target(client, spec.alias, where), exists, tuple(faults))
