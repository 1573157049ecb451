"""`millrace search evaluate`, run in this process over the real embedded store with fake models.

A green run does not prove that any search is good; the figures of the demo's collections are in docs/search.md.
"""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.learning.found_evaluation import TEXTS_AT_ONCE
from shared.errors import Fatal
from tests.support.findable import (
    ASKED,
    OTHERS,
    Fakes,
    call,
    fill,
    product,
    save_picture,
    small_shop,
    ticket,
    use_fakes,
)

UNFITTING = tuple(f"a matter that is not stored {number}" for number in range(8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Yield the folder of the store."""
    fill(tmp_path / "store", **small_shop())
    return tmp_path


@pytest.fixture
def fakes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """Yield the models that the command uses."""
    return use_fakes(monkeypatch, folder / "store")


def run(folder: Path, content: str, *options: str, name: str = "q.csv") -> Result:
    (folder / name).write_text(content, encoding="utf-8")
    return CliRunner().invoke(app, ["search", "evaluate", str(folder / name), *options])


def report(folder: Path, content: str, *options: str) -> dict[str, Any]:
    ended = run(folder, content, "--json", *options)
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def refused(folder: Path, content: str, *options: str, name: str = "q.csv") -> str:
    ended = run(folder, content, *options, name=name)
    assert isinstance(ended.exception, Fatal), ended.output
    return str(ended.exception)


def table(*rows: tuple[str, ...], columns: str = "query,relevant") -> str:
    """Return rows as CSV."""
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows([columns.split(","), *rows])
    return written.getvalue()


FITTING = table((ASKED, "T-1 C-1 products:P-1"), (OTHERS[4], "O-4 D-4"), *((text, "") for text in UNFITTING))


def test_the_report_has_all_figures(folder: Path, fakes: Fakes) -> None:
    found = report(folder, FITTING)
    assert (found["tenant_id"], found["limit"], found["searched"]) == ("acme", 100, ["tickets", "calls", "products"])
    assert (found["queries"], found["unanswerable"], found["unknown_relevant"], found["left_out"]) == (10, 0, 0, {})
    ranking = found["ranking"]
    assert ranking["queries"] == 2
    assert (ranking["recall_at_1"], ranking["recall_at_5"], ranking["mrr"]) == (1.0, 1.0, 1.0)
    for metric in ("recall_at_1", "recall_at_5", "recall_at_10", "precision_at_5", "mrr", "ndcg_at_10", "map"):
        low, high = ranking[f"{metric}_interval"]
        assert 0 <= low <= ranking[metric] <= high <= 1
    assert set(found["no_match"]) == {"words"}
    no_match = found["no_match"]["words"]
    assert (no_match["fitting"], no_match["unfitting"], no_match["stated_false_rate"]) == (2, 8, 0.05)
    assert (no_match["lost"], no_match["only_others_match"]) == (0.0, 0.0)
    assert 0 <= no_match["false_matches"] <= 0.5
    assert no_match["at_false_rate"]["lost"] == 0.0


def test_an_id_without_a_stream_stands_for_all_streams_and_with_one_for_that_alone(folder: Path, fakes: Fakes) -> None:
    """The text of D-3 and O-3 is the same, so that the first two ranks are theirs."""
    fill(folder / "store", tickets=[ticket("BOTH", ASKED)], calls=[call("BOTH", ASKED)])
    every = report(folder, table((OTHERS[3], "O-3 D-3"), (ASKED, "BOTH C-1 T-1 P-1")))
    assert {name: part["queries"] for name, part in every["streams"].items()} == {
        "calls": 2,
        "products": 1,
        "tickets": 2,
    }
    assert every["ranking"]["recall_at_5"] == 1.0, "all five are found"
    assert every["ranking"]["precision_at_5"] == pytest.approx((2 / 5 + 5 / 5) / 2)
    one = report(folder, table((ASKED, "tickets:BOTH")))
    assert set(one["streams"]) == {"tickets"}
    assert one["streams"]["tickets"]["recall_at_5"] == 1.0


def test_a_stream_is_measured_by_its_own_hits(folder: Path, fakes: Fakes) -> None:
    """In the one list, the item of the other stream is before it."""
    ended = CliRunner().invoke(app, ["search", "--text", ASKED, "--json"])
    second = json.loads(ended.stdout)["hits"][1]
    found = report(folder, table((ASKED, f"{second['stream']}:{second['source_id']}")))
    assert found["ranking"]["mrr"] == 0.5
    assert list(found["streams"]) == [second["stream"]]
    assert found["streams"][second["stream"]]["mrr"] == 1.0
    alone = report(folder, table((ASKED, second["source_id"])), "--stream", second["stream"])
    assert alone["ranking"] == alone["streams"][second["stream"]] == found["streams"][second["stream"]]


def test_the_figures_of_a_list_follow_the_order_of_the_search(folder: Path, fakes: Fakes) -> None:
    ended = CliRunner().invoke(app, ["search", "--text", OTHERS[5], "--json", "--limit", "100"])
    hits = [f"{hit['stream']}:{hit['source_id']}" for hit in json.loads(ended.stdout)["hits"]]
    for rank in (1, 4, 12):
        found = report(folder, table((OTHERS[5], hits[rank - 1])))["ranking"]
        assert found["map"] == pytest.approx(1 / rank)
        assert found["mrr"] == pytest.approx(1 / rank if rank <= 10 else 0.0)
    assert report(folder, table((OTHERS[5], hits[11])), "--limit", "10")["ranking"]["map"] == 0.0


def test_languages_are_those_of_the_column_or_detected(folder: Path, fakes: Fakes) -> None:
    rows = ((ASKED, "T-1 C-1 P-1", "fr"), ("I would like to know where the parcel with my shoes is now", "T-1", ""))
    found = report(folder, table(*rows, columns="query,relevant,language"))
    assert {name: part["queries"] for name, part in found["slices"].items()} == {"language fr": 1, "language en": 1}
    assert found["slices"]["language fr"]["mrr"] == 1.0


def test_unknown_relevant_ids_are_counted_and_named(folder: Path, fakes: Fakes) -> None:
    fill(
        folder / "store",
        tickets=[*small_shop("zeta")["tickets"], ticket("Z-1", "of zeta", tenant_id="zeta")],
        calls=[call("GONE", "a deleted call", event_version=2, deleted=True)],
    )
    content = table((ASKED, "T-1 nobody tickets:C-1"), (OTHERS[1], "Z-1 GONE"), (OTHERS[2], "notes:1"), ("what", ""))
    ended = run(folder, content, "--json", "--tenant", "acme")
    assert (
        "5 relevant ids are not in the store for tenant acme: nobody, tickets:C-1, Z-1, GONE, notes:1" in ended.stderr
    )
    assert "left out 2 queries: none of their relevant items can be found" in ended.stderr
    found = json.loads(ended.stdout)
    assert (found["queries"], found["unanswerable"], found["unknown_relevant"]) == (2, 2, 5)
    assert found["no_match"]["words"]["unfitting"] == 1, "a query whose items are unknown is not one that nothing fits"


def test_relevant_items_of_streams_that_are_not_searched_are_left_out(folder: Path, fakes: Fakes) -> None:
    ended = run(folder, table((ASKED, "T-1 calls:C-1"), ("x", "products:P-1")), "--json", "--stream", "tickets")
    assert "2 relevant ids are of streams that are not searched" in ended.stderr
    found = json.loads(ended.stdout)
    assert (found["unsearched_relevant"], found["unanswerable"], found["ranking"]["recall_at_1"]) == (2, 1, 1.0)


def test_pictures_are_measured_beside_words(folder: Path, fakes: Fakes) -> None:
    for colour in ("red", "blue"):
        save_picture(folder / f"{colour}.png", colour)
    rows = ((ASKED, "", "P-1"), ("", "red.png", "I-0"), ("", "blue.png", "products:I-2"), ("what", "", ""))
    found = report(folder, table(*rows, columns="query,image,relevant"))
    slices = {name: part["queries"] for name, part in found["slices"].items()}
    assert slices == {"language en": 1, "words": 1, "pictures": 2}
    assert found["slices"]["pictures"]["mrr"] == 1.0
    assert set(found["no_match"]) == {"words", "pictures"}
    assert (found["no_match"]["pictures"]["fitting"], found["no_match"]["pictures"]["lost"]) == (2, 0.0)
    assert fakes.pictures.sizes == [2], "both in one call"


def test_queries_are_embedded_in_batches(folder: Path, fakes: Fakes) -> None:
    count = 2 * TEXTS_AT_ONCE + 1
    report(folder, table(*((f"question {n}", "") for n in range(count))), "--stream", "tickets")
    calls = [len(call) for call in fakes.text.calls if any(text.startswith("question") for text in call)]
    assert calls == [TEXTS_AT_ONCE, TEXTS_AT_ONCE, 1]


def test_the_text_output_states_what_is_measured(folder: Path, fakes: Fakes) -> None:
    shown = run(folder, FITTING).stdout
    assert "10 queries over tickets, calls, products of tenant acme; 95 % intervals" in shown
    for title in ("recall@1", "recall@10", "precision@5", "MRR@10", "nDCG@10", "MAP@100", "all (2)", "tickets (2)"):
        assert title in shown
    assert "Nothing matches, words, at --false-rate 0.05:" in shown
    assert "lost: nothing matches 0.0% (0.0%-65.8%) of 2 queries that something fits" in shown
    assert "of 8 queries that nothing fits" in shown
    assert "0.0% false matches on these queries: 0.0% (0.0%-65.8%) lost" in shown
    assert "\x1b[" not in shown


def test_a_rate_that_is_exceeded_is_said_to_be(folder: Path, fakes: Fakes) -> None:
    """These queries are stated to fit nothing, although each finds its own text."""
    shown = run(folder, table(*((text, "") for text in OTHERS)), "--false-rate", "0.1").stdout
    assert "No query has anything relevant, so that no ranking can be measured." in shown
    assert "false matches: 100.0% (83.9%-100.0%) of 20 queries that nothing fits, more than stated" in shown


def test_without_queries_that_nothing_fits_the_false_rate_is_not_measured(folder: Path, fakes: Fakes) -> None:
    shown = run(folder, table((ASKED, "T-1"))).stdout
    assert "the false rate is not measured: no query has an empty cell `relevant`" in shown
    assert report(folder, table((ASKED, "T-1")))["no_match"]["words"]["false_matches"] is None


def test_a_list_of_ids_in_a_jsonl_file_may_hold_blanks(folder: Path, fakes: Fakes) -> None:
    fill(folder / "store", products=[product("a b", "a box", "words of the title")])
    content = json.dumps({"query": "words of the title", "relevant": ["a b"]}) + "\n"
    ended = run(folder, content, "--json", name="q.jsonl")
    assert json.loads(ended.stdout)["ranking"]["recall_at_1"] == 1.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("query,relevant\n", "holds no rows"),
        ("text,relevant\nx,T-1\n", "column query or image is missing; the columns are text, relevant"),
        ("query,ids\nx,T-1\n", "column relevant is missing; the columns are query, ids"),
        ("query,relevant\nx,T-1\n ,T-1\n", "row 2 (line 3): the query is empty"),
        ("query,image,relevant\nx,x.png,T-1\n", "row 1 (line 2): it has both a query and an image"),
        ("query,relevant\nx,T-1\ny\n", "row 2 (line 3)"),
        ("query,relevant\nx,T-1\n<br>,\n", "row 2 (line 3): preparation removes all of the query"),
        ("query,relevant\nx,nobody\n", "none of the 1 queries can be measured"),
        ("image,relevant\nmissing.png,I-1\n", "row 1 (line 2): No such file"),
        ("image,relevant\nfine.png,I-1\nq.csv,I-2\n", "row 2 (line 3): the content is text"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_the_row(
    folder: Path, fakes: Fakes, content: str, says: str
) -> None:
    save_picture(folder / "fine.png", "red")
    assert says in refused(folder, content)


def test_pictures_need_a_stream_that_has_some(folder: Path, fakes: Fakes) -> None:
    save_picture(folder / "fine.png", "red")
    said = refused(folder, "image,relevant\nfine.png,\n", "--stream", "calls")
    assert "row 1 (line 2): calls have no vectors of pictures" in said


def test_an_option_before_the_command_is_not_ignored(folder: Path, fakes: Fakes) -> None:
    for option in (["--tenant", "acme"], ["--all"]):
        ended = CliRunner().invoke(app, ["search", *option, "evaluate", str(folder / "q.csv")])
        assert ended.exit_code == 2
        assert f"{option[0]} must follow the command evaluate" in " ".join(ended.output.replace("│", " ").split())


def test_a_missing_file_and_a_wrong_option_are_errors(folder: Path, fakes: Fakes) -> None:
    ended = CliRunner().invoke(app, ["search", "evaluate", str(folder / "nowhere.csv")])
    assert isinstance(ended.exception, Fatal)
    assert run(folder, FITTING, "--stream", "notes").exit_code == 2
    assert run(folder, FITTING, "--limit", "9").exit_code == 2
    assert run(folder, FITTING, "--false-rate", "0").exit_code == 2
