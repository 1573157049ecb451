"""Collections of the stand-in: Edge shards in a folder, used through the JSON of Qdrant's REST interface.

Each collection is a shard and a file with its parameters, which is written last. Calls on one shard run one at a time.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge

Json = dict[str, Any]

MODES = {"insert_only": edge.UpdateMode.InsertOnly, "update_only": edge.UpdateMode.UpdateOnly}
KINDS = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "datetime": edge.PayloadSchemaType.Datetime,
}
SCROLL_POINTS = 10


class Refused(Exception):
    """An answer of the server with a status other than 200, and its text."""

    def __init__(self, status: int, error: str, retry_after_s: int = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.retry_after_s = status, error, retry_after_s


class Shard:
    """One collection."""

    def __init__(self, folder: Path, params: Json) -> None:
        self._folder, self.params = folder, params
        self.schema: Json = params.setdefault("schema", {})
        self.strict: Json = {}
        self._lock = threading.Lock()
        made = (folder / "params.json").exists()
        self._shard = edge.EdgeShard.load(str(folder / "shard")) if made else self._create()

    def _create(self) -> edge.EdgeShard:
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "shard").mkdir(parents=True)
        vectors = {
            name: edge.EdgeVectorParams(size=each["size"], distance=getattr(edge.Distance, each["distance"]))
            for name, each in self.params["vectors"].items()
        }
        sparse = {
            name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if each.get("modifier") == "idf" else None)
            for name, each in self.params["sparse_vectors"].items()
        }
        shard = edge.EdgeShard.create(
            str(self._folder / "shard"), edge.EdgeConfig(vectors=vectors, sparse_vectors=sparse)
        )
        shard.flush()
        self._save()
        return shard

    def _save(self) -> None:
        part = self._folder / "params.part"
        part.write_text(json.dumps(self.params), encoding="utf-8")
        part.replace(self._folder / "params.json")

    def index(self, field: str, schema: Any) -> None:
        """Index a payload field."""
        kind = schema if isinstance(schema, str) else schema["type"]
        with self._lock:
            self._shard.update(edge.UpdateOperation.create_field_index(field, KINDS[kind]))
            params = None if isinstance(schema, str) else schema
            self.schema[field] = {"data_type": kind, "points": 0} | ({"params": params} if params else {})
            self._save()

    def upsert(self, points: list[Json], condition: Json | None, mode: str | None) -> None:
        """Write points, all or none of them as far as that can be checked beforehand."""
        for point in points:
            for name, vector in point["vector"].items():
                self._check(name, vector)
        made = [edge.Point(to_id(point["id"]), _vectors(point["vector"]), point.get("payload")) for point in points]
        guard = None if condition is None else to_filter(condition)
        with self._lock:
            self._shard.update(edge.UpdateOperation.upsert_points(made, guard, MODES.get(mode or "")))

    def _check(self, name: str, vector: Any) -> None:
        if isinstance(vector, dict):
            if name not in self.params["sparse_vectors"]:
                raise Refused(400, f"Wrong input: Not existing vector name error: {name}")
        elif name not in self.params["vectors"]:
            raise Refused(400, f"Wrong input: Not existing vector name error: {name}")
        elif len(vector) != self.params["vectors"][name]["size"]:
            raise Refused(400, f"Wrong input: Vector dimension error: got {len(vector)}")

    def delete(self, ids: list[Any]) -> None:
        """Remove points."""
        with self._lock:
            self._shard.update(edge.UpdateOperation.delete_points([to_id(each) for each in ids]))

    def retrieve(self, body: Json) -> list[Json]:
        """Return points by id."""
        with self._lock:
            found = self._shard.retrieve(
                [to_id(each) for each in body["ids"]], body.get("with_payload", True), body.get("with_vector", False)
            )
            return [_record(each) for each in found]

    def scroll(self, body: Json) -> Json:
        """Return a page of points and the start of the next page."""
        request = edge.ScrollRequest(
            offset=None if body.get("offset") is None else to_id(body["offset"]),
            limit=body.get("limit", SCROLL_POINTS),
            filter=None if body.get("filter") is None else to_filter(body["filter"]),
            with_payload=body.get("with_payload", True),
            with_vector=body.get("with_vector", False),
        )
        with self._lock:
            found, following = self._shard.scroll(request)
            return {
                "points": [_record(each) for each in found],
                "next_page_offset": None if following is None else _id(following),
            }

    def count(self, body: Json) -> Json:
        """Count points, exactly."""
        condition = None if body.get("filter") is None else to_filter(body["filter"])
        with self._lock:
            return {"count": self._shard.count(edge.CountRequest(exact=True, filter=condition))}

    def query(self, searches: list[Json]) -> list[Json]:
        """Answer searches by the nearest dense or sparse vector, and no other kind."""
        requests = [
            edge.QueryRequest(
                limit=each["limit"],
                offset=each.get("offset"),
                query=edge.Query.Nearest(_vectors({"": each["query"]["nearest"]})[""], using=each["using"]),
                filter=None if each.get("filter") is None else to_filter(each["filter"]),
                with_payload=each.get("with_payload", False),
            )
            for each in searches
        ]
        with self._lock:
            answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
            return [
                {"points": [_record(hit) | {"score": hit.score, "version": 0} for hit in answer]} for answer in answers
            ]

    def info(self, strict: Json) -> Json:
        """Return the parameters as `GET /collections/...` does; values that the adapter does not read are made up."""
        params = {name: self.params[name] for name in ("vectors", "sparse_vectors")}
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "config": {
                "params": params,
                "strict_mode_config": {"enabled": bool(strict or self.strict), **self.strict, **strict},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
            },
            "payload_schema": self.schema,
        }

    def close(self) -> None:
        """Close the shard."""
        with self._lock:
            self._shard.close()


class Shards:
    """All collections of a folder, and the aliases."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._shards: dict[str, Shard] = {}
        for path in sorted(folder.glob("*/params.json")):
            params = json.loads(path.read_text(encoding="utf-8"))
            self._shards[params["name"]] = Shard(path.parent, params)
        kept = folder / "aliases.json"
        self.aliases: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}

    def has(self, name: str) -> bool:
        """Return whether a collection exists, by its own name or an alias."""
        return self.aliases.get(name, name) in self._shards

    def get(self, name: str) -> Shard:
        """Return a collection by its own name or an alias."""
        try:
            return self._shards[self.aliases.get(name, name)]
        except KeyError:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!") from None

    def create(self, name: str, body: Json) -> None:
        """Create a collection."""
        with self._lock:
            if name in self._shards:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            params = {
                "name": name,
                "vectors": body["vectors"],
                "sparse_vectors": body.get("sparse_vectors") or {},
            }
            self._shards[name] = Shard(self._folder / name, params)

    def remove(self, name: str) -> bool:
        """Remove a collection with its aliases."""
        with self._lock:
            shard = self._shards.pop(name, None)
            if shard is None:
                return False
            shard.close()
            shutil.rmtree(self._folder / name)
            with self._changed_aliases() as aliases:
                for alias in [alias for alias, target in aliases.items() if target == name]:
                    del aliases[alias]
            return True

    def remove_alias(self, alias: str) -> None:
        """Remove an alias."""
        with self._lock, self._changed_aliases() as aliases:
            aliases.pop(alias, None)

    def set_alias(self, alias: str, name: str) -> None:
        """Point an alias at a collection, wherever it pointed before."""
        with self._lock, self._changed_aliases() as aliases:
            if name not in self._shards:
                raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
            aliases[alias] = name

    @contextmanager
    def _changed_aliases(self) -> Iterator[dict[str, str]]:
        changed = dict(self.aliases)
        yield changed
        part = self._folder / "aliases.part"
        part.write_text(json.dumps(changed), encoding="utf-8")
        part.replace(self._folder / "aliases.json")
        self.aliases = changed


def to_filter(body: Json) -> edge.Filter:
    """Return Edge's filter for a filter in JSON; a condition that the adapter does not use is refused."""
    if unknown := set(body) - {"must", "should", "must_not"}:
        raise Refused(400, f"the stand-in does not know {sorted(unknown)} in a filter")
    parts: dict[str, Any] = {name: [_condition(each) for each in body[name]] for name in body if body[name] is not None}
    return edge.Filter(**parts)


def _condition(body: Json) -> Any:
    if "has_id" in body:
        return edge.HasIdCondition({to_id(each) for each in body["has_id"]})
    if "is_empty" in body:
        return edge.IsEmptyCondition(body["is_empty"]["key"])
    if "key" not in body:
        return to_filter(body)
    ways: dict[str, Callable[[Json], Json]] = {
        "match": lambda found: {"match": edge.MatchValue(found["value"])},
        "range": lambda found: {"range": _range(found)},
    }
    (way,) = set(body) - {"key"}
    return edge.FieldCondition(body["key"], **ways[way](body[way]))


def _range(bounds: Json) -> Any:
    return (edge.RangeDateTime if any(isinstance(each, str) for each in bounds.values()) else edge.RangeFloat)(**bounds)


def to_id(value: Any) -> Any:
    """Return an id in JSON as Edge's type."""
    return value if isinstance(value, int) else UUID(value)


def _id(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def _vectors(body: Json) -> Json:
    return {
        name: edge.SparseVector(each["indices"], each["values"]) if isinstance(each, dict) else each
        for name, each in body.items()
    }


def _record(record: Any) -> Json:
    made: Json = {"id": _id(record.id)}
    if record.payload is not None:
        made["payload"] = record.payload
    if isinstance(record.vector, dict):
        made["vector"] = {
            name: {"indices": each.indices, "values": each.values} if isinstance(each, edge.SparseVector) else each
            for name, each in record.vector.items()
        }
    return made
