"""Properties of the store on disk alone: reopening, crashes, one process per folder, aliases, and two models.

What it shows: an acknowledged write survives SIGKILL of its process, and a folder belongs to one process at a time.
A green run does not prove that a write survives a power cut (the operating system keeps the writes of a
killed process), nor anything about a full disk, a network file system, or a folder copied while it was open.
"""

import math
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge

from shared.errors import Fatal, StoreInUse
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.port import VERSION_FIELD, HybridQuery, Query
from tests.support.fakes import DIM
from tests.support.sources import ROOT
from tests.support.vectors import SPEC, drawn, ids, point, point_id, terms, tombstone, unit, worded

CHILD_TIMEOUT_S = 60.0
OTHER_MODEL = replace(SPEC, name="tickets__model-b__00000002", vectors={"text": 4})

PREAMBLE = """
import sys
from pathlib import Path
from shared.vectorstore.edge.store import EdgeStore
from tests.support.vectors import SPEC, point, tombstone
store = EdgeStore(Path(sys.argv[1]))
"""
AND_WAIT = """
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def child(folder: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a process of its own until it is ready; kill it by SIGKILL at the end in any case."""
    source = PREAMBLE + textwrap.dedent(script) + AND_WAIT
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(folder)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=CHILD_TIMEOUT_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "store"


@contextmanager
def opened(folder: Path) -> Iterator[EdgeStore]:
    store = EdgeStore(folder)
    try:
        yield store
    finally:
        store.close()


# --- reopening and crashes ---


def test_reopening_finds_everything(folder: Path) -> None:
    with opened(folder) as store:
        store.open(SPEC).upsert([*(point(number, 1 + number) for number in range(500)), tombstone(1_000, 7)])
    with opened(folder) as store:
        collection = store.open(SPEC)
        assert collection.versions([point_id(number) for number in range(500)]) == {
            point_id(n): 1 + n for n in range(500)
        }
        assert collection.versions([point_id(1_000)]) == {point_id(1_000): 7}
        found = collection.search([Query(drawn(77), "text", 1, equals={"tenant_id": "acme"}, payload=("number",))])
        assert [hit.payload["number"] for hit in found[0]] == [77]
        collection.upsert([point(5, 1), point(6, 100)])
        assert collection.versions([point_id(5), point_id(6)]) == {point_id(5): 6, point_id(6): 100}


def test_acknowledged_writes_survive_a_kill(folder: Path) -> None:
    script = """
        collection = store.open(SPEC)
        for first in range(0, 2_000, 250):
            collection.upsert([point(number) for number in range(first, first + 250)])
        collection.upsert([point(number, 2, says="again") for number in range(0, 2_000, 4)])
        collection.upsert([tombstone(number, 3) for number in range(0, 2_000, 8)])
    """
    with child(folder, script) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(CHILD_TIMEOUT_S) == -signal.SIGKILL
    expected = {number: 3 if number % 8 == 0 else 2 if number % 4 == 0 else 1 for number in range(2_000)}
    with opened(folder) as store:
        collection = store.open(SPEC)
        assert collection.versions([point_id(n) for n in expected]) == {point_id(n): v for n, v in expected.items()}
        assert len(list(collection.scroll((VERSION_FIELD,)))) == 2_000
        asked = list(range(0, 2_000, 97))
        answers = collection.search([Query(drawn(number), "text", 1, payload=("number",)) for number in asked])
        for number, hits in zip(asked, answers, strict=True):
            assert (hits[0].payload["number"] == number) == (expected[number] < 3), number


def test_a_process_killed_while_it_writes_leaves_a_folder_that_opens(folder: Path) -> None:
    script = """
        import threading
        def write():
            for version in range(1, 100_000):
                collection.upsert([point(number, version) for number in range(200)])
        collection = store.open(SPEC)
        collection.upsert([point(number) for number in range(200)])
        threading.Thread(target=write, daemon=True).start()
    """
    with child(folder, script) as process:
        process.send_signal(signal.SIGKILL)
    with opened(folder) as store:
        versions = store.open(SPEC).versions([point_id(number) for number in range(200)])
    assert len(versions) == 200


def test_an_unfinished_collection_is_created_again(folder: Path) -> None:
    with opened(folder) as store:
        store.open(SPEC).upsert([point(1)])
    (folder / f"{SPEC.name}.json").unlink()
    with opened(folder) as store:
        collection = store.open(SPEC)
        assert collection.versions([point_id(1)]) == {}
        collection.upsert([point(1, 1, unit(1)), point(2, 1, unit(0, 1))])
        assert len(collection.search([Query(unit(1), "text", 10)])[0]) == 2


def test_invalid_files_of_an_unfinished_collection_are_removed(folder: Path) -> None:
    (folder / SPEC.name / "segments" / "half").mkdir(parents=True)
    (folder / SPEC.name / "edge_config.json").write_text("{")
    with opened(folder) as store:
        store.open(SPEC).upsert([point(1)])
        assert store.open(SPEC).versions([point_id(1)]) == {point_id(1): 1}


def test_a_broken_collection_is_fatal_and_named(folder: Path) -> None:
    with opened(folder) as store:
        store.open(SPEC)
    for path in sorted((folder / SPEC.name).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with opened(folder) as store, pytest.raises(Fatal, match=SPEC.name):
        store.open(SPEC)


def test_terms_survive_a_kill_and_those_of_a_tombstone_stay_deleted(folder: Path) -> None:
    script = """
        from tests.support.vectors import worded
        collection = store.open(SPEC)
        collection.upsert([worded(number, {5: 1.0, number + 10: 2.0}) for number in range(300)])
        collection.upsert([tombstone(number, 2) for number in range(0, 300, 3)])
    """
    with child(folder, script) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(CHILD_TIMEOUT_S)
    idf = math.log((200 - 1 + 0.5) / (1 + 0.5) + 1)
    with opened(folder) as store:
        collection = store.open(SPEC)
        for number, expected in ((1, 2 * idf), (3, 0.0)):
            query = HybridQuery(Query(drawn(9_999), "text", 5), terms({number + 10: 1.0}), "terms")
            found = {hit.id: hit.bm25 for hit in collection.candidates([query])[0]}
            assert found.get(point_id(number), 0.0) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("other", [{"sparse": ()}, {"sparse": ("words",)}, {"vectors": {"text": DIM}}])
def test_a_collection_of_other_vectors_under_the_same_name_is_refused(folder: Path, other: dict[str, Any]) -> None:
    with opened(folder) as store:
        store.open(SPEC)
    with opened(folder) as store, pytest.raises(Fatal, match="other vectors"):
        store.open(replace(SPEC, **other))


# --- one process per folder ---


def test_another_process_is_refused_with_the_owner_s_name_until_that_one_is_dead(folder: Path) -> None:
    with child(folder, "store.open(SPEC).upsert([point(1)])") as process:
        with pytest.raises(StoreInUse, match=str(process.pid)) as refused:
            EdgeStore(folder)
        assert refused.value.owner_pid == process.pid
        assert str(folder) in str(refused.value)
        process.send_signal(signal.SIGKILL)
        process.wait(CHILD_TIMEOUT_S)
        with opened(folder) as store:
            assert store.open(SPEC).versions([point_id(1)]) == {point_id(1): 1}


def test_a_refused_process_changes_neither_the_owner_nor_its_name(folder: Path) -> None:
    with opened(folder) as store:
        for _ in range(2):
            with pytest.raises(StoreInUse, match="in use by process"):
                EdgeStore(folder)
        store.open(SPEC).upsert([point(1)])
        assert store.open(SPEC).versions([point_id(1)]) == {point_id(1): 1}
    with opened(folder) as store:
        assert store.open(SPEC).versions([point_id(1)]) == {point_id(1): 1}


def test_folders_of_two_processes_are_independent(folder: Path, tmp_path: Path) -> None:
    with child(folder, "store.open(SPEC).upsert([point(1)])"), opened(tmp_path / "other") as store:
        assert store.open(SPEC).versions([point_id(1)]) == {}


# --- aliases and models ---


def test_an_alias_that_was_never_set_points_to_nothing(folder: Path) -> None:
    with opened(folder) as store:
        assert store.open_alias("tickets") is None


def test_the_alias_is_set_once_and_a_second_model_does_not_move_it(folder: Path) -> None:
    with opened(folder) as store:
        store.open(SPEC).upsert([point(1)])
        store.open(OTHER_MODEL)
        assert store.open_alias("tickets") is store.open(SPEC)
    with opened(folder) as store:
        store.open(OTHER_MODEL)
        readers = store.open_alias("tickets")
        assert readers is not None
        assert readers.versions([point_id(1)]) == {point_id(1): 1}
        assert store.open_alias("calls") is None


def test_each_stream_has_its_own_alias(folder: Path) -> None:
    calls = replace(SPEC, alias="calls", name="calls__model-a__00000001")
    with opened(folder) as store:
        store.open(SPEC).upsert([point(1)])
        store.open(calls).upsert([point(2)])
        assert store.open_alias("tickets") is store.open(SPEC)
        assert store.open_alias("calls") is store.open(calls)


def test_collections_of_two_models_stay_separate(folder: Path) -> None:
    short = np.array([1, 0, 0, 0], np.float32)
    with opened(folder) as store:
        ours, theirs = store.open(SPEC), store.open(OTHER_MODEL)
        ours.upsert([point(1, 5, unit(1)), point(2)])
        theirs.upsert([point(1, 3, short)])
        assert (ours.versions([point_id(1)]), theirs.versions([point_id(1)])) == ({point_id(1): 5}, {point_id(1): 3})
        assert [hit.id for hit in theirs.search([Query(short, "text", 10)])[0]] == [point_id(1)]
        with pytest.raises(ValueError, match="shape"):
            theirs.upsert([point(3)])
    with opened(folder) as store:
        assert len(list(store.open(SPEC).scroll(()))) == 2
        assert len(list(store.open(OTHER_MODEL).scroll(()))) == 1
        with pytest.raises(ValueError, match="shape"):
            store.open(OTHER_MODEL).upsert([point(3)])


def test_points_that_are_overwritten_many_times_stay_one_each(folder: Path) -> None:
    with opened(folder) as store:
        collection = store.open(SPEC)
        for version in range(1, 21):
            collection.upsert([point(number, version) for number in range(100)])
        assert collection.versions(ids([point(n) for n in range(100)])) == {point_id(n): 20 for n in range(100)}
        assert len(list(collection.scroll(()))) == 100


def test_a_newer_version_of_an_optimised_point_keeps_no_vector_of_the_older(tmp_path: Path) -> None:
    """Older engines kept one, so that a deleted ticket was found; see docs/decisions/0010-qdrant-server.md."""
    dense = {name: edge.EdgeVectorParams(size=DIM, distance=edge.Distance.Cosine) for name in SPEC.vectors}
    sparse = {"terms": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
    tiny = edge.EdgeOptimizersConfig(indexing_threshold=1)
    shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors=dense, sparse_vectors=sparse, optimizers=tiny))
    with closing(EdgeCollection(shard, SPEC.vectors, SPEC.sparse)) as collection:
        collection.upsert([worded(number, {5: 1.0}) for number in range(1_000)])
        assert shard.optimize(), "there was nothing to optimise"
        collection.upsert([tombstone(7, 2), point(8, 2, unit(1))])
        stored = collection.lookup([point_id(7), point_id(8), point_id(9)])
        assert [sorted(stored[point_id(number)].vectors) for number in (7, 8, 9)] == [[], ["text"], ["text"]]
        by_terms = collection.candidates([HybridQuery(Query(unit(1), "text", 1_000), terms({5: 1.0}), "terms")])[0]
        without = {hit.id for hit in by_terms if hit.bm25 == 0}
        assert without == {point_id(8)}
        assert point_id(7) not in {hit.id for hit in by_terms}


def test_the_log_is_flushed_after_a_number_of_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it grows while the process lives, and a process that opens the folder after a kill replays it."""
    monkeypatch.setattr("shared.vectorstore.edge.store.FLUSH_POINTS", 100)
    flushed: list[int] = []

    class Counted:
        def __init__(self, shard: edge.EdgeShard) -> None:
            self._shard = shard

        def __getattr__(self, name: str) -> Any:
            if name == "flush":
                flushed.append(written)
            return getattr(self._shard, name)

    with opened(folder) as store:
        collection = store.open(SPEC)
        shard: Any = Counted(collection._shard)
        collection._shard = shard
        for written in range(30, 301, 30):
            collection.upsert([point(number, written) for number in range(30)])
        assert flushed == [120, 240]
