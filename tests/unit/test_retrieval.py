"""Reading labelled files and turning hits into a table, with random vectors in the real embedded store.

A green run does not prove that the ranking is good: the vectors carry no information here.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from millrace.learning.labelled_files import embed
from millrace.learning.search_weights import (
    build_table,
    distinct_texts,
    evaluate_search,
    read_corpus,
    read_queries,
    tune_search,
)
from shared.errors import Fatal
from shared.search.tuning.weights import Weights
from tests.support.fakes import FakeModel

CORPUS = "id,text,label\na,my card is lost,card\nb,the card was stolen,card\nc,refund my order,refund\nd,parcel late,\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def same(text: str) -> str:
    return text


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    return written(tmp_path / "corpus.csv", CORPUS)


def test_labels_define_relevance_and_a_query_is_not_relevant_to_itself(corpus_file: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_file, str.upper)
    assert corpus.texts[0] == "MY CARD IS LOST"
    rows = "id,text,label,language\na,my card is lost,card,en\n,lost card,card,fr\n,other,nothing,\n,unlabelled,,\n"
    queries = read_queries(written(tmp_path / "q.csv", rows), corpus, same)
    assert list(queries.relevant) == [frozenset({1}), frozenset({0, 1})]
    assert queries.ids == ["a", None]
    assert queries.columns == {"language": ["en", "fr"]}
    assert (queries.unanswerable, list(queries.unknown)) == (2, [])


def test_relevant_ids_are_separated_by_blanks_and_unknown_ones_are_named(corpus_file: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_file, same)
    rows = [{"text": "x", "relevant": "a  c zz"}, {"text": "y", "relevant": "zz yy"}, {"text": "z", "relevant": ["b"]}]
    path = written(tmp_path / "q.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    queries = read_queries(path, corpus, same)
    assert list(queries.relevant) == [frozenset({0, 2}), frozenset({1})]
    assert (queries.unanswerable, list(queries.unknown)) == (1, ["zz", "yy"])


def test_relevant_ids_win_over_labels(corpus_file: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "q.csv", "text,relevant,label\nx,c,card\n")
    assert read_queries(path, read_corpus(corpus_file, same), same).relevant[0] == frozenset({2})


@pytest.mark.parametrize(
    ("corpus", "queries", "says"),
    [
        ("id,body\na,x\n", "text,label\nx,card\n", "column text is missing; the columns are id, body"),
        ("text\nx\n", "text,label\nx,card\n", "column id is missing; the columns are text"),
        ("id,text\na,x\na,y\n", "text,label\nx,card\n", "id a occurs more than once"),
        ("id,text\n", "text,label\nx,card\n", "holds no rows"),
        (CORPUS, "question\nx\n", "column text is missing; the columns are question"),
        (CORPUS, "text,intent\nx,card\n", "column relevant or label is missing; the columns are text, intent"),
        (CORPUS, "text,relevant\nx,zz\n", "nothing in the corpus is relevant"),
        ("id,text\na,x\n", "text,label\nx,card\n", "the corpus has no labels: add a column label"),
    ],
)
def test_faults_of_a_file_are_reported(corpus: str, queries: str, says: str, tmp_path: Path) -> None:
    one, other = written(tmp_path / "c.csv", corpus), written(tmp_path / "q.csv", queries)
    with pytest.raises(Fatal, match=says):
        read_queries(other, read_corpus(one, same), same)


def test_each_text_is_embedded_once_and_progress_is_reported(corpus_file: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_file, same)
    queries = read_queries(written(tmp_path / "q.csv", "text,label\nparcel late,card\nnew,card\n"), corpus, same)
    texts = distinct_texts(corpus, queries)
    assert texts == [*corpus.texts, "new"]
    model, reported = FakeModel(), list[int]()
    assert set(embed(model, texts, reported.append)) == set(texts)
    assert (sum(reported), model.calls) == (5, [texts])


def test_a_query_does_not_find_itself_and_scores_are_the_store_s(corpus_file: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_file, same)
    queries = read_queries(
        written(tmp_path / "q.csv", "id,text,label\na,my card is lost,card\nq,refund,refund\n"), corpus, same
    )
    vectors = embed(FakeModel(), distinct_texts(corpus, queries), lambda _: None)
    table = build_table(corpus, queries, vectors, candidates=20)
    assert table.is_hit.sum(1).tolist() == [3, 4]
    assert table.wanted.tolist() == [1, 1]
    assert table.terms.tolist() == [2, 1]
    for row, places in enumerate(([1, 2, 3], [0, 1, 2, 3])):
        asked = vectors[queries.texts[row]]
        expected = [float(vectors[corpus.texts[place]] @ asked) for place in places]
        np.testing.assert_allclose(table.dense[row, : len(places)], expected, atol=1e-5)
    assert (table.bm25[0, :3] > 0).tolist() == [True, False, False]
    assert (table.bm25[1] > 0).tolist() == [False, False, True, False]
    assert table.relevant.tolist() == [[True, False, False, False], [False, False, True, False]]


def test_the_cosine_of_a_resolution_is_in_the_table_and_missing_for_texts_without_one(tmp_path: Path) -> None:
    rows = "id,text,resolution\na,login fails,allow cookies\nb,login fails too,unlock the account\nc,login broken,\n"
    corpus = read_corpus(written(tmp_path / "c.csv", rows), str.upper)
    assert corpus.resolutions == ["ALLOW COOKIES", "UNLOCK THE ACCOUNT", ""]
    queries = read_queries(written(tmp_path / "q.csv", "text,relevant\ncookies are off,a\n"), corpus, str.upper)
    texts = distinct_texts(corpus, queries)
    assert texts == [*corpus.texts, "ALLOW COOKIES", "UNLOCK THE ACCOUNT", "COOKIES ARE OFF"]
    vectors = embed(FakeModel(), texts, lambda _: None)
    table = build_table(corpus, queries, vectors, candidates=20)
    expected = [float(vectors[text] @ vectors["COOKIES ARE OFF"]) for text in ("ALLOW COOKIES", "UNLOCK THE ACCOUNT")]
    assert table.resolution[0].tolist() == pytest.approx([*expected, np.nan], abs=1e-5, nan_ok=True)
    assert table.parts == ("dense", "bm25", "resolution")
    assert evaluate_search(table, corpus, queries, Weights(0.5, 0.2))["resolution_weight"] == 0.2
    with pytest.raises(Fatal, match="one query cannot be split"):
        tune_search(table, corpus, queries)


def test_columns_and_attributes_form_slices(corpus_file: Path, tmp_path: Path) -> None:
    rows = [
        {"text": "x", "relevant": "a", "channel": "mail", "Plan": "pro", "attributes": {"region": "north", "size": 7}},
        {"text": "y", "relevant": "b", "tenant": "acme", "attributes": {"region": None}},
    ]
    path = written(tmp_path / "q.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    queries = read_queries(path, read_corpus(corpus_file, same), same, ["plan", "region", "size", "channel"])
    assert queries.columns == {
        "tenant": [None, "acme"],
        "channel": ["mail", None],
        "plan": ["pro", None],
        "region": ["north", None],
        "size": ["7", None],
        "language (detected)": [None, None],
    }
    with pytest.raises(Fatal, match="no row has a value in the column product; the columns are text, relevant"):
        read_queries(path, read_corpus(corpus_file, same), same, ["product"])


def test_the_language_is_detected_only_if_there_is_no_such_column(corpus_file: Path, tmp_path: Path) -> None:
    french, english = "Je n'arrive plus à me connecter à mon compte", "I cannot log in to my account any more"
    corpus = read_corpus(corpus_file, same)
    rows = f"text,relevant\n{french},a\n{english},b\n4711,c\n"
    detected = read_queries(written(tmp_path / "q.csv", rows), corpus, same)
    assert detected.columns == {"language (detected)": ["fr", "en", None]}
    rows = f"text,relevant,language\n{french},a,de\n{english},b,\n"
    given = read_queries(written(tmp_path / "given.csv", rows), corpus, same)
    assert given.columns == {"language": ["de", None]}


def test_the_answers_have_the_promised_keys(corpus_file: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_file, same)
    rows = "text,label,language\nlost card,card,en\nmoney back for my order,refund,fr\n" * 4
    queries = read_queries(written(tmp_path / "q.csv", rows), corpus, same)
    vectors = embed(FakeModel(), distinct_texts(corpus, queries), lambda _: None)
    table = build_table(corpus, queries, vectors, candidates=20)
    for found in (evaluate_search(table, corpus, queries, Weights(0.5, 0.0)), tune_search(table, corpus, queries)):
        assert (found["queries"], found["corpus"]) == (8, 4)
        assert found["resolution_weight"] is None, "the corpus has no resolutions"
        assert set(found["slices"]) == {"short", "language en", "language fr"}
        for part in (found, *found["slices"].values()):
            for ranking in ("fused", "dense", "bm25"):
                assert {"mrr", "recall_at_1", "recall_at_5", "ndcg_at_10", "mrr_interval"} <= set(part[ranking])
        json.dumps(found, allow_nan=False)
    assert evaluate_search(table, corpus, queries, Weights(0.5, 0.0))["bm25_weight"] == 0.5
    assert {"held_out", "never_below", "bm25_weight"} <= set(tune_search(table, corpus, queries))
