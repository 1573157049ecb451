"""Creating a collection on Qdrant's server, comparing an existing one, and checking version, limits and guard.

Several workers may run each step at the same time, and a worker may run it again after a crash.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID, uuid4

from qdrant_client import QdrantClient, models

from shared.errors import Fatal, MillraceError, Unavailable
from shared.vectorstore.port import VERSION_FIELD, CollectionSpec, IndexKind
from shared.vectorstore.qdrant.client_errors import CLIENT_ERRORS, already_exists, permitted, translated
from shared.vectorstore.qdrant.limits import insufficient_limits

TENANT_FIELD = "tenant_id"
"""The field whose index makes Qdrant store the points of a tenant together."""

INDEXES: Mapping[IndexKind, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "datetime": models.PayloadSchemaType.DATETIME,
}
PROBE_PREFIX = 0x6D696C6C_72618365
"""The first half of the ids of probes ("millrace" in ASCII). Its version nibble is 8, so no ticket's uuid5 has it."""

SCOPE = "give the key the right to read and write this collection"
OLDEST_SERVER = (1, 19)
"""The oldest supported version. Older servers keep the vectors of a point that is written without vectors, so that a
deleted ticket would still be found."""


def check_done(result: models.UpdateResult, where: str) -> None:
    """Check that a write was applied, and not only queued.

    Raises:
        Unavailable: the write has not been applied yet.
    """
    if result.status is not models.UpdateStatus.COMPLETED:
        raise Unavailable(
            "store",
            f"{where} accepted a write but has not applied it yet (status {result.status}); the write is repeated",
        )


def ensure_collection(client: QdrantClient, spec: CollectionSpec, where: str) -> models.CollectionInfo:
    """Create the collection and its payload indexes if they are missing, and return the server's description of it.

    Raises:
        Fatal: the collection exists with other vectors or indexes, its strict mode allows too little, or the key lacks
            a right; the message states which.
        Unavailable: the server cannot be asked.
    """
    with permitted(where, f"read collection {spec.name}", SCOPE):
        exists = client.collection_exists(spec.name)
    if not exists:
        with permitted(where, f"create collection {spec.name}", "create it with a key that may manage the server"):
            _create(client, spec)
    with permitted(where, f"read collection {spec.name}", SCOPE):
        info = client.get_collection(spec.name)
    faults = differences(info, spec)
    if faults:
        raise Fatal(
            f"collection {spec.name} at {where} was created with other parameters: {'; '.join(faults)}; "
            "if its points are needed, make a snapshot; then delete the collection and send all items again"
        )
    check_limits(info, spec, where)
    missing = {name: kind for name, kind in _indexes(spec).items() if name not in info.payload_schema}
    for name, kind in missing.items():
        with permitted(where, f"create index {name} on collection {spec.name}", SCOPE):
            check_done(client.create_payload_index(spec.name, name, _index(name, kind), wait=True), where)
    if not missing:
        return info
    with permitted(where, f"read collection {spec.name}", SCOPE):
        return client.get_collection(spec.name)


def check_limits(info: models.CollectionInfo, spec: CollectionSpec, where: str) -> None:
    """Check that the collection's strict mode allows a worker's requests, if only in small parts.

    Raises:
        Fatal: some limits are too low; the message names them.
    """
    found = insufficient_limits(info, spec.conditions)
    if found:
        raise Fatal(
            f"the strict mode of collection {spec.name} at {where} allows too little: {'; '.join(found)}; "
            "raise these limits"
        )


def differences(info: models.CollectionInfo, spec: CollectionSpec) -> list[str]:
    """Return how an existing collection differs from the spec, apart from missing indexes, which can be created."""
    found = {name: index.data_type for name, index in info.payload_schema.items()}
    return _differences(info.config.params, spec) + [
        f"field {name} is indexed as {found[name].value}, not {kind.value}"
        for name, kind in _indexes(spec).items()
        if name in found and found[name] is not kind
    ]


def layout(params: models.CollectionParams) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the dimension of each named vector, and the names of the sparse ones."""
    vectors = params.vectors if isinstance(params.vectors, dict) else {}
    return {name: vector.size for name, vector in vectors.items()}, tuple(params.sparse_vectors or ())


def is_probe(point_id: UUID | int) -> bool:
    """Return whether a point is a probe that a killed worker left behind."""
    return isinstance(point_id, UUID) and point_id.int >> 64 == PROBE_PREFIX


def check_version(client: QdrantClient, where: str) -> str:
    """Return the server's version; a version that does not begin with numbers is a custom build and is accepted.

    Raises:
        Fatal: the version is too old.
        Unavailable: the server cannot be asked.
    """
    with translated(where):
        version = client.info().version
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise Fatal(
            f"the server at {where} is Qdrant {version}: upgrade it to {oldest} or newer, "
            "because with older versions searches still find deleted tickets"
        )
    return version


def check_guard(client: QdrantClient, collection: str, where: str) -> None:
    """Check that the server honours the guard, with a probe: a point that is written and then deleted.

    The probe is in the collection itself, so a key that may write there is enough.

    Raises:
        Fatal: the server overwrites a point although the guard forbids it, or does not write one that the guard allows.
        Unavailable: the server cannot be asked.
    """
    probe = _Probe(client, collection, where)
    try:
        with permitted(where, f"write points into collection {collection}", SCOPE):
            probe.write(2, models.UpdateMode.INSERT_ONLY, None)
        probe.write(1, models.UpdateMode.INSERT_ONLY, None)
        probe.write(1, None, 1)
        kept = probe.version() == 2
        probe.write(3, None, 3)
        kept = kept and probe.version() == 3
    finally:
        with suppress(MillraceError):  # `scroll` skips probes that are left behind
            probe.remove()
    if not kept:
        raise Fatal(
            f"the server at {where} ignores the condition of a write, so an older version could overwrite "
            "a newer one (update_filter, update_mode): "
            "it is not Qdrant, or a proxy removes fields from requests; check MILLRACE_STORE__URL and the proxy"
        )


class _Probe:
    """One point with only a version."""

    def __init__(self, client: QdrantClient, collection: str, where: str) -> None:
        self._client, self._collection, self._where = client, collection, where
        self._id = str(UUID(int=(PROBE_PREFIX << 64) | (uuid4().int & (2**64 - 1))))

    def write(self, version: int, mode: models.UpdateMode | None, below: int | None) -> None:
        """Write a version; if `below` is given, only over a stored version below it."""
        stored_below = models.FieldCondition(key=VERSION_FIELD, range=models.Range(lt=below))
        has_id = models.HasIdCondition(has_id=[self._id])
        guard = None if below is None else models.Filter(should=[models.Filter(must=[has_id, stored_below])])
        point = models.PointStruct(id=self._id, vector={}, payload={VERSION_FIELD: version})
        with translated(self._where):
            done = self._client.upsert(self._collection, [point], wait=True, update_filter=guard, update_mode=mode)
        check_done(done, self._where)

    def version(self) -> object:
        """Return the stored version."""
        with translated(self._where):
            found = self._client.retrieve(self._collection, [self._id], with_payload=True)
        return (found[0].payload or {}).get(VERSION_FIELD) if found else None

    def remove(self) -> None:
        """Delete the point."""
        with translated(self._where):
            self._client.delete(self._collection, [self._id], wait=True)


def _create(client: QdrantClient, spec: CollectionSpec) -> None:
    try:
        client.create_collection(
            spec.name,
            vectors_config={
                name: models.VectorParams(size=size, distance=models.Distance.COSINE)
                for name, size in spec.vectors.items()
            },
            sparse_vectors_config={
                name: models.SparseVectorParams(modifier=models.Modifier.IDF) for name in spec.sparse
            },
        )
    except CLIENT_ERRORS as error:
        if not already_exists(error):  # another worker was faster; its collection is compared like any other
            raise


def _indexes(spec: CollectionSpec) -> dict[str, models.PayloadSchemaType]:
    return {VERSION_FIELD: INDEXES["integer"], **{name: INDEXES[kind] for name, kind in spec.indexes.items()}}


def _index(name: str, kind: models.PayloadSchemaType) -> models.PayloadSchemaType | models.KeywordIndexParams:
    if name == TENANT_FIELD and kind is models.PayloadSchemaType.KEYWORD:
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    return kind


def _differences(params: models.CollectionParams, spec: CollectionSpec) -> list[str]:
    vectors = params.vectors if isinstance(params.vectors, dict) else {}
    sparse = params.sparse_vectors or {}
    found = {name: _dense(each) for name, each in vectors.items()}
    found |= {name: _sparse(each) for name, each in sparse.items()}
    expected = {name: f"{size} dimensions by {models.Distance.COSINE.value}" for name, size in spec.vectors.items()}
    expected |= dict.fromkeys(spec.sparse, f"sparse with modifier {models.Modifier.IDF.value}")
    return [
        f"vector {name} is {found.get(name, 'missing')}, expected {expected.get(name, 'none')}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


EXACT_TYPES = (None, models.Datatype.FLOAT32, models.Datatype.FLOAT16)
"""The number formats allowed: the rounding of float16 changes no decision, every other format loses more."""


def _dense(params: models.VectorParams) -> str:
    many = " as a multivector" if params.multivector_config is not None else ""
    return f"{params.size} dimensions by {params.distance.value}{many}{_coarse(params.datatype)}"


def _sparse(params: models.SparseVectorParams) -> str:
    datatype = None if params.index is None else params.index.datatype
    return f"sparse with modifier {getattr(params.modifier, 'value', None)}{_coarse(datatype)}"


def _coarse(datatype: models.Datatype | None) -> str:
    return "" if datatype in EXACT_TYPES else f" stored as {getattr(datatype, 'value', datatype)}"
