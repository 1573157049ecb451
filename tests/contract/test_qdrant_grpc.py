"""The adapter over gRPC: the guard and the key are in the requests, and each kind of refusal is understood.

The other end only records the requests and gives prepared answers. A green run proves nothing about how a server
handles them: the contract suite runs over gRPC against a real one if `MILLRACE_TEST_QDRANT_URL` names it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from qdrant_client import grpc as wire
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server

from shared.errors import Fatal, Unavailable
from shared.settings import StoreSettings
from shared.vectorstore.port import VERSION_FIELD
from shared.vectorstore.qdrant.store import QdrantCollection, connect
from tests.support.proxy import Proxy
from tests.support.vectors import SPEC, ids, point, point_id, worded
from tests.support.waiting import wait_until

TIMEOUT_S = 60.0
KEY = "a-key-of-the-test"


@dataclass
class Recorder(PointsServicer):
    """Records every request; holds given versions, and fails with a code if one is set."""

    held: dict[str, int] = field(default_factory=dict)
    upserts: list[Any] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    code: grpc.StatusCode | None = None
    retry_after_s: int = 0
    most_bytes: int = 0

    def Upsert(self, request: Any, context: Any) -> Any:
        """Record the request, and answer that it is stored."""
        self._begin(context)
        if self.most_bytes and request.ByteSize() > self.most_bytes:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "Error, decoded message length too large: found 9 bytes")
        self.upserts.append(request)
        self.held |= {each.id.uuid: each.payload[VERSION_FIELD].integer_value for each in request.points}
        return wire.PointsOperationResponse(result=wire.UpdateResult(status=wire.UpdateStatus.Completed))

    def Get(self, request: Any, context: Any) -> Any:
        """Return the versions held."""
        self._begin(context)
        held = [each.uuid for each in request.ids if each.uuid in self.held]
        return wire.GetResponse(
            result=[
                wire.RetrievedPoint(
                    id=wire.PointId(uuid=each), payload={VERSION_FIELD: wire.Value(integer_value=self.held[each])}
                )
                for each in held
            ]
        )

    def _begin(self, context: Any) -> None:
        self.keys |= {value for name, value in context.invocation_metadata() if name == "api-key"}
        if self.code is not None:
            if self.retry_after_s:
                context.set_trailing_metadata((("retry-after", str(self.retry_after_s)),))
            context.abort(self.code, "told to fail")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def proxy(recorder: Recorder) -> Iterator[Proxy]:
    """Yield a proxy in front of the recorder."""
    server = grpc.server(ThreadPoolExecutor(4))
    add_PointsServicer_to_server(recorder, server)  # type: ignore[no-untyped-call]  # generated code
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Proxy(port) as proxy:
        yield proxy
    server.stop(None).wait()


@pytest.fixture
def collection(proxy: Proxy) -> Iterator[QdrantCollection]:
    """Yield a collection whose server is the recorder."""
    settings = StoreSettings(
        url="http://127.0.0.1:1", grpc=True, grpc_port=proxy.port, api_key=SecretStr(KEY), timeout_s=2
    )
    store = connect(settings)
    yield QdrantCollection(store._link, SPEC.name, SPEC.vectors, SPEC.sparse)
    store.close()


def test_new_ids_are_insert_only_in_one_ordering_and_known_ones_guarded(
    recorder: Recorder, collection: QdrantCollection
) -> None:
    recorder.held = {str(point_id(1)): 4, str(point_id(2)): 9}
    collection.upsert([point(1, 5), point(2, 9), worded(3, {5: 1.0}, 2)])
    insert = next(each for each in recorder.upserts if each.points[0].id.uuid == str(point_id(3)))
    guarded = next(each for each in recorder.upserts if each is not insert)
    assert len(recorder.upserts) == 2
    assert insert.update_mode == wire.UpdateMode.InsertOnly
    assert insert.ordering.type == wire.WriteOrderingType.Medium
    assert set(insert.points[0].vectors.vectors.vectors) == {"text", "terms"}
    assert [each.id.uuid for each in guarded.points] == [str(point_id(1))]
    assert guarded.update_mode == wire.UpdateMode.Upsert
    (either,) = guarded.update_filter.should
    which, below = either.filter.must
    assert [each.uuid for each in which.has_id.has_id] == [str(point_id(1))]
    assert (below.field.key, below.field.range.lt) == (VERSION_FIELD, 5.0)
    assert all(each.wait for each in recorder.upserts)
    assert recorder.keys == {KEY}


def test_versions_are_read_back_whole(recorder: Recorder, collection: QdrantCollection) -> None:
    points = [point(number, 2**53 - number) for number in range(1, 500)]
    collection.upsert(points)
    assert collection.versions(ids(points)) == {each.id: each.version for each in points}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, Fatal),
        (grpc.StatusCode.NOT_FOUND, Fatal),
        (grpc.StatusCode.UNAUTHENTICATED, Fatal),
        (grpc.StatusCode.PERMISSION_DENIED, Fatal),
    ],
)
def test_refusals_are_understood_and_show_no_key(
    recorder: Recorder, collection: QdrantCollection, code: grpc.StatusCode, expected: type[Exception]
) -> None:
    recorder.code = code
    with pytest.raises(expected, match=code.name) as raised:
        collection.upsert([point(1)])
    assert KEY not in str(raised.value)


def test_a_message_that_is_too_long_is_split_and_a_single_point_that_is_too_long_is_named(
    recorder: Recorder, collection: QdrantCollection
) -> None:
    recorder.most_bytes = 4_000
    points = [point(number, text="x" * 200) for number in range(100)]
    collection.upsert(points)
    assert set(recorder.held) == {str(each.id) for each in points}
    with pytest.raises(Fatal, match=rf"point {point_id(200)} takes up to .*max_request_size_mb"):
        collection.upsert([point(200, text="x" * 5_000)])


def test_a_missing_right_is_reported_in_the_server_s_words(recorder: Recorder, collection: QdrantCollection) -> None:
    recorder.code = grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(Fatal, match=r"PERMISSION_DENIED: told to fail.*MILLRACE_STORE__API_KEY"):
        collection.upsert([point(1)])


def test_the_requested_wait_is_shown(recorder: Recorder, collection: QdrantCollection) -> None:
    recorder.code, recorder.retry_after_s = grpc.StatusCode.RESOURCE_EXHAUSTED, 7
    with pytest.raises(Unavailable, match="wait 7 s"):
        collection.versions([point_id(1)])


@pytest.mark.parametrize("mode", ["cut", "silent"])
def test_a_connection_that_is_cut_or_silent_is_an_outage_until_it_is_restored(
    proxy: Proxy, collection: QdrantCollection, mode: Any
) -> None:
    collection.upsert([point(1)])
    proxy.set_mode(mode)
    with pytest.raises(Unavailable, match=r"UNAVAILABLE|DEADLINE_EXCEEDED"):
        collection.upsert([point(2)])
    proxy.set_mode("open")

    def works() -> bool:
        try:
            collection.upsert([point(2)])
        except Unavailable:
            return False
        return True

    wait_until(works, TIMEOUT_S, "connected again")
    assert collection.versions([point_id(2)]) == {point_id(2): 1}


def test_a_port_where_nothing_listens_is_an_outage() -> None:
    store = connect(StoreSettings(url="http://127.0.0.1:1", grpc=True, grpc_port=1, timeout_s=1))
    with pytest.raises(Unavailable, match=r"UNAVAILABLE|DEADLINE_EXCEEDED"):
        store.open_alias("tickets")
    store.close()
