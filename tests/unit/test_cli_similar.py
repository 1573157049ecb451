"""`millrace similar` and its commands, run in this process over the real embedded store with a fake model.

A green run does not prove that the hits are good, nor that the command starts with the real model (the demo does that).
"""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.configured import collection_spec
from schemas.points import point_id
from shared.errors import Fatal
from shared.records import Point
from shared.stream_settings import StreamSettings
from shared.text.customers import CustomerIds
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.terms import Terms
from tests.support.fakes import DIM, FakeModel
from tests.support.stores import write_foreign
from workers.tickets.stages import TICKETS

QUESTION = "where is my parcel"
SPEC = collection_spec(StreamSettings(), TICKETS, {"text": DIM})


def solved(ticket_id: str, text: str, tenant: str = "acme") -> Point:
    """Return the point of a solved ticket."""
    payload: dict[str, object] = {
        "tenant_id": tenant, "ticket_id": ticket_id, "event_version": 1, "flags": ["solved"], "label": None,
        "satisfaction": 5, "subject": f"[b]{ticket_id}[/b]", "body": text, "resolution": "Parcel sent again.",
        "occurred_at": "2026-01-01T00:00:00Z", "text_digest": ticket_id,
    }  # fmt: skip
    vectors = {"text": FakeModel().embed([text]).vectors[0]}
    return Point(point_id(tenant, "tickets", ticket_id), 1, vectors, payload, {"terms": Terms().of_document(text)})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield the folder of a configured store with two tickets of one tenant."""
    folder = tmp_path / "store"
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(folder))
    monkeypatch.setattr("millrace.cli.similar.load_text_model", lambda _: FakeModel())
    fill(folder, solved("T-1", QUESTION), solved("T-2", "refund of the order"))
    return folder


def fill(folder: Path, *points: Point) -> None:
    with closing(EdgeStore(folder)) as opened:
        opened.open(SPEC).upsert(points)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["similar", *arguments])


def test_the_tickets_of_the_only_tenant_are_found_with_a_reply(store: Path) -> None:
    ended = run("--text", QUESTION, "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert found["tenant_id"] == "acme"
    assert [hit["ticket_id"] for hit in found["similar"]] == ["T-1", "T-2"]
    best = found["similar"][0]
    assert best["parts"]["dense"] == pytest.approx(1.0)
    assert best["shared_terms"] == ["parcel"]
    assert found["suggested_reply"]["sentences"] == [{"ticket_id": "T-1", "text": "Parcel sent again."}]


def test_the_text_output_shows_scores_parts_and_the_reply(store: Path) -> None:
    ended = run("--text", QUESTION, "--limit", "1")
    assert ended.exit_code == 0, ended.output
    assert "T-1  [b]T-1[/b]" in ended.stdout
    assert "shares parcel" in ended.stdout
    assert "Parcel sent again. (T-1)" in ended.stdout
    assert "T-2" not in ended.stdout
    assert "\x1b[" not in ended.stdout


def test_with_several_tenants_one_must_be_named(store: Path) -> None:
    fill(store, solved("T-3", QUESTION, tenant="zeta"))
    ended = run("--text", QUESTION)
    assert isinstance(ended.exception, Fatal)
    assert "acme, zeta" in str(ended.exception)
    found = json.loads(run("--text", QUESTION, "--tenant", "zeta", "--json").stdout)
    assert [hit["ticket_id"] for hit in found["similar"]] == ["T-3"]
    assert json.loads(run("--text", QUESTION, "--tenant", "none", "--json").stdout)["similar"] == []


def test_points_of_other_programs_are_neither_tenants_nor_hits(store: Path) -> None:
    foreign = solved("T-1", QUESTION, tenant="other")
    numbered: Any = 7  # a point whose id is an integer was never written by Millrace
    with closing(EdgeStore(store)) as opened:
        collection = opened.open(SPEC)
        for place, which in enumerate((numbered, uuid4(), point_id("acme", "tickets", "T-9"))):
            payload = dict(foreign.payload) | {"tenant_id": ("other", 7, "acme")[place], "body": None}
            write_foreign(collection, which, payload, foreign.vectors)
    ended = run("--text", QUESTION, "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert (found["tenant_id"], [hit["ticket_id"] for hit in found["similar"]]) == ("acme", ["T-1", "T-2"])


def test_when_nothing_is_found_it_states_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(tmp_path / "unrated"))
    monkeypatch.setattr("millrace.cli.similar.load_text_model", lambda _: FakeModel())
    unrated = [solved(f"T-{n}", f"question {n}") for n in range(3)]
    fill(tmp_path / "unrated", *[replace(p, payload={**p.payload, "satisfaction": None}) for p in unrated])
    ended = run("--text", QUESTION)
    assert ended.exit_code == 0, ended.output
    assert "no solved ticket was found: tenant acme has 3, but all are excluded" in ended.stdout
    assert (
        "3 without a rating (`satisfaction`): set MILLRACE_TICKETS__SEARCH__INCLUDE_UNRATED=true to include them"
        in ended.stdout
    )
    found = json.loads(run("--text", QUESTION, "--json").stdout)
    assert (found["similar"], found["similar_left_out"]) == ([], {"unrated": 3, "rated_too_low": 0})
    assert "the store has no solved ticket of tenant none" in run("--text", QUESTION, "--tenant", "none").stdout
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__INCLUDE_UNRATED", "true")
    assert len(json.loads(run("--text", QUESTION, "--json").stdout)["similar"]) == 3
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__LIMIT", "0")
    assert "MILLRACE_TICKETS__SEARCH__LIMIT is 0" in run("--text", QUESTION).stdout


@pytest.fixture
def planned(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield a store of tickets with attributes, of which two are indexed."""
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__INDEXED_ATTRIBUTES", '["plan", "seats:number"]')
    given = {"T-3": ("pro", 5), "T-4": ("free", 5), "T-5": ("pro", 50)}
    points = [solved(name, f"{QUESTION} {name}") for name in given]
    attributes = [{"plan": plan, "seats": seats} for plan, seats in given.values()]
    fill(store, *[replace(p, payload={**p.payload, "attributes": a}) for p, a in zip(points, attributes, strict=True)])
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [(["plan=pro"], {"T-3", "T-5"}), (["plan=pro", "seats>=10"], {"T-5"}), (["seats=5"], {"T-3", "T-4"})],
)
def test_only_tickets_that_meet_all_conditions_are_found(planned: Path, where: list[str], expected: set[str]) -> None:
    options = [part for each in where for part in ("--where", each)]
    ended = run("--text", QUESTION, "--json", *options)
    assert ended.exit_code == 0, ended.output
    assert {hit["ticket_id"] for hit in json.loads(ended.stdout)["similar"]} == expected


def test_a_condition_that_no_ticket_meets_is_the_reason_that_is_given(planned: Path) -> None:
    shown = run("--text", QUESTION, "--where", "seats>99").stdout
    assert "none of the 5 solved tickets of tenant acme that can be offered meets the conditions of --where" in shown


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("region=north", "fields: plan (text), seats (number), occurred_at (time)"),
        ("seats=many", "is not a number"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_an_error(planned: Path, where: str, says: str) -> None:
    ended = run("--text", QUESTION, "--where", where)
    assert ended.exit_code == 2
    assert says in " ".join(ended.output.replace("│", " ").split())


def test_up_to_ten_tickets_can_be_requested_whatever_the_setting(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, *[solved(f"N-{n}", f"{QUESTION} {n}") for n in range(12)])
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__LIMIT", "0")
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__CANDIDATES", "5")
    assert len(json.loads(run("--text", QUESTION, "--json", "--limit", "10").stdout)["similar"]) == 10
    assert run("--text", QUESTION, "--limit", "11").exit_code == 2


def test_tickets_of_the_same_customer_are_marked_also_if_their_id_is_masked(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "a key that only the tests have, 32 bytes"
    monkeypatch.setenv("MILLRACE_PRIVACY__CUSTOMER_KEY", key)
    known = CustomerIds(key.encode(), "US").stored("acme", "kim@example.org")
    assert known.startswith("customer-")
    masked = solved("T-9", QUESTION + " again")
    fill(store, replace(masked, payload={**masked.payload, "customer_id": known}))
    found = json.loads(run("--text", QUESTION, "--json", "--customer", "KIM@example.org").stdout)
    assert {hit["ticket_id"] for hit in found["similar"] if hit["same_customer"]} == {"T-9"}
    assert "same customer" in run("--text", QUESTION, "--customer", "kim@example.org").stdout
    assert "same customer" not in run("--text", QUESTION).stdout


def test_without_a_text_it_states_what_to_give(store: Path) -> None:
    ended = run()
    assert ended.exit_code == 2
    assert "--text" in ended.output


def test_without_a_store_it_states_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(tmp_path / "nowhere"))
    ended = run("--text", QUESTION)
    assert isinstance(ended.exception, Fatal)
    assert "there is no store" in str(ended.exception)
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Yield the options that name a corpus and queries."""
    texts = [f"text number {n} about {('cards', 'refunds', 'parcels')[n % 3]}" for n in range(30)]
    rows = "".join(f"{n},{text},{n % 3}\n" for n, text in enumerate(texts))
    (tmp_path / "both.csv").write_text("id,text,label\n" + rows, encoding="utf-8")
    return ["--corpus", str(tmp_path / "both.csv"), "--queries", str(tmp_path / "both.csv")]


def test_evaluate_prints_one_json_object_to_stdout_and_progress_elsewhere(store: Path, files: list[str]) -> None:
    ended = run("evaluate", *files, "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert {"queries", "corpus", "bm25_weight", "fused", "dense", "bm25", "slices"} <= set(found)
    assert (found["queries"], found["corpus"], found["bm25_weight"]) == (30, 30, 0.018)
    assert set(found["slices"]) == {"short", "language (detected) en"}
    assert found["bm25"]["mrr"] > 0.9, "each label has its own word"


def test_the_configured_weight_is_evaluated(store: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__BM25_WEIGHT", "0")
    found = json.loads(run("evaluate", *files, "--json").stdout)
    assert found["fused"] == found["dense"]


def test_tune_prints_the_line_to_set(store: Path, files: list[str]) -> None:
    ended = run("tune", *files)
    assert ended.exit_code == 0, ended.output
    assert "RESOLUTION_WEIGHT" not in ended.stdout, "the corpus has no resolutions"
    weight = ended.stdout.strip().splitlines()[-1].removeprefix("MILLRACE_TICKETS__SEARCH__BM25_WEIGHT=")
    assert float(weight) > 0.018, "the random vectors carry no information, the words carry all of it"
    assert json.loads(run("tune", *files, "--json").stdout)["bm25_weight"] == float(weight)


def test_a_slice_that_is_worse_by_more_than_chance_is_named(store: Path, tmp_path: Path) -> None:
    rows = "".join(f"{n},zeta{n} number {n},l{n % 20}\n" for n in range(40))
    (tmp_path / "c.csv").write_text("id,text,label\n" + rows, encoding="utf-8")
    asked = "".join(f"zeta{n} number {n},{n},pro,en\nnothing{n},{n},free,en\n" for n in range(40))
    (tmp_path / "q.csv").write_text("text,relevant,plan,language\n" + asked, encoding="utf-8")
    files = ["--corpus", str(tmp_path / "c.csv"), "--queries", str(tmp_path / "q.csv"), "--slice", "plan"]
    found = json.loads(run("evaluate", *files, "--json").stdout)
    assert set(found["slices"]) == {"short", "language en", "plan free", "plan pro"}
    assert (found["slices"]["plan free"]["worse"], found["slices"]["plan pro"]["worse"]) == (True, False)
    shown = run("evaluate", *files).stdout
    assert "worse than the whole by more than chance explains: plan free (p = 0.0002)" in shown


def test_resolutions_are_tuned_if_the_corpus_has_them(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{n},login fails again,solution {n}\n" for n in range(30))
    (tmp_path / "c.csv").write_text("id,text,resolution\n" + rows, encoding="utf-8")
    (tmp_path / "q.csv").write_text(
        "text,relevant\n" + "".join(f"solution {n},{n}\n" for n in range(30)), encoding="utf-8"
    )
    files = ["--corpus", str(tmp_path / "c.csv"), "--queries", str(tmp_path / "q.csv")]
    lines = run("tune", *files).stdout.strip().splitlines()
    name, weight = lines[-1].split("=")
    assert name == "MILLRACE_TICKETS__SEARCH__RESOLUTION_WEIGHT"
    assert float(weight) > 0, "the texts carry no information, the resolutions carry all of it"
    shown = run("evaluate", *files).stdout
    assert "fused, no resolutions" in shown
    assert "below that of" not in shown
    monkeypatch.setenv("MILLRACE_TICKETS__SEARCH__RESOLUTION_WEIGHT", "0")
    assert "below that of resolution alone" in run("evaluate", *files).stdout


def test_relevant_ids_that_are_unknown_are_counted_and_named(store: Path, files: list[str], tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("text,relevant\nx,1 77\ny,88\n", encoding="utf-8")
    ended = run("evaluate", *files[:2], "--queries", str(tmp_path / "q.csv"), "--json")
    assert "2 relevant ids are not in the corpus: 77, 88" in ended.stderr
    assert "left out 1 queries" in ended.stderr
    assert json.loads(ended.stdout)["queries"] == 1
