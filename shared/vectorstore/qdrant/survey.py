"""A survey of a stream's collection and alias on Qdrant's server. It creates nothing but a probe to test the guard."""

from dataclasses import dataclass

from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.alias import alias_target, may_ask
from shared.vectorstore.qdrant.client_errors import permitted
from shared.vectorstore.qdrant.limits import insufficient_limits
from shared.vectorstore.qdrant.setup import SCOPE, check_guard, check_version, differences
from shared.vectorstore.qdrant.store import QdrantStore


@dataclass(frozen=True, slots=True)
class ServerSurvey:
    """The result of a survey.

    Attributes:
        version: The version that the server reports.
        target: The collection that the alias points to; None if the alias does not exist or the key cannot see it.
        sees_alias: Whether the key may ask for the alias.
        exists: Whether the collection of the spec exists.
        faults: The differences of the collection from its spec.
        limits: The strict-mode limits of the collection that are too low for a worker.
    """

    version: str
    target: str | None
    sees_alias: bool
    exists: bool
    faults: tuple[str, ...]
    limits: tuple[str, ...]


def survey_server(store: QdrantStore, spec: CollectionSpec) -> ServerSurvey:
    """Return what the server has for a spec; the guard is tested only if the collection exists and fits.

    Raises:
        Unavailable: the server cannot be reached.
        Fatal: the server rejects the key, is too old, or does not honour the guard.
    """
    client, where = store.link.client, store.link.where
    version = check_version(client, where)
    faults: list[str] = []
    limits: list[str] = []
    with permitted(where, f"read collection {spec.name}", SCOPE):
        exists = client.collection_exists(spec.name)
        if exists:
            info = client.get_collection(spec.name)
            faults, limits = differences(info, spec), insufficient_limits(info, spec.conditions)
    if exists and not faults and not limits:
        check_guard(client, spec.name, where)
    target = alias_target(client, spec.alias, where, spec.name)
    sees = target is not None or may_ask(client, spec.alias, where)
    return ServerSurvey(version, target, sees, exists, tuple(faults), tuple(limits))
