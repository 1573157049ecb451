"""`millrace search`, run in this process over the real embedded store with fake models.

A green run does not prove that the hits are good, nor that the command starts with the real models.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Fatal
from tests.support.findable import ASKED, fill, open_store, save_picture, small_shop, ticket, use_fakes
from tests.support.search_command import answered, run, store

__all__ = ["store"]  # the fixture


def refused(*arguments: str) -> str:
    """Return the message of a search that fails with an error of Millrace."""
    ended = run(*arguments)
    assert isinstance(ended.exception, Fatal), ended.output
    return str(ended.exception)


def misused(*arguments: str) -> str:
    """Return the message of a search whose options are wrong."""
    ended = run(*arguments)
    assert ended.exit_code == 2, ended.output
    return " ".join(ended.output.replace("│", " ").split())


def ids(found: dict[str, Any], only_matching: bool = True) -> list[str]:
    return [hit["source_id"] for hit in found["hits"] if hit["matches"] or not only_matching]


# --- by words ---


def test_a_sentence_finds_a_ticket_a_call_and_a_product_of_the_only_tenant(store: Path) -> None:
    found = answered("--text", ASKED)
    assert set(found) == {"tenant_id", "matches", "hits", "searched", "left_out"}
    assert (found["tenant_id"], found["matches"], found["left_out"]) == ("acme", True, {})
    assert found["searched"] == ["tickets", "calls", "products"]
    assert set(ids(found)) == {"T-1", "C-1", "P-1"}
    assert len(found["hits"]) == 10
    [hit] = [each for each in found["hits"] if each["source_id"] == "T-1"]
    assert (hit["stream"], hit["title"], hit["method"]) == ("tickets", "[b]bold[/b]", "text+terms")
    assert hit["parts"] == [{"method": "text", "cosine": pytest.approx(1.0), "weight": 1.0}]
    assert hit["shared_terms"] == ["parcel"]
    assert 0 <= hit["chance"] < 0.01
    assert hit["occurred_at"] == "2026-01-01T00:00:00Z"


def test_the_text_output_shows_hits_with_reasons_and_titles_as_they_are(store: Path) -> None:
    ended = run("--text", ASKED)
    assert ended.exit_code == 0, ended.output
    assert "tickets  T-1  [b]bold[/b]" in ended.stdout
    assert "Its text is like the question (cosine 1.00, text model)." in ended.stdout
    assert "It contains the words: parcel." in ended.stdout
    assert "7 more do not match; --all shows them" in ended.stdout
    assert "O-1" not in ended.stdout
    assert "\x1b[" not in ended.stdout


def test_codes_of_emoji_in_a_title_are_shown_as_they_are(store: Path) -> None:
    fill(store, tickets=[ticket("T-2", "an unusual question", subject=":warning: [red]alarm")])
    assert "T-2  :warning: [red]alarm" in run("--text", "an unusual question").stdout


def test_all_hits_are_shown_on_request(store: Path) -> None:
    shown = run("--text", ASKED, "--all").stdout
    assert shown.count("(does not match)") == 7
    assert "--all shows them" not in shown


def test_nothing_matches_is_an_answer(store: Path) -> None:
    ended = run("--text", "the rings of another planet")
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.startswith("Nothing matches: no chance is 0.05 or less. The nearest is ")
    found = answered("--text", "the rings of another planet", "--limit", "3")
    assert (found["matches"], len(found["hits"]), ids(found)) == (False, 3, [])


def test_a_tenant_without_items_gets_nothing(store: Path) -> None:
    assert answered("--text", ASKED, "--tenant", "none")["hits"] == []
    shown = run("--text", ASKED, "--tenant", "none").stdout
    assert (
        shown
        == "Nothing matches: tickets, calls, products hold no item of this tenant, or no item that meets all conditions.\n"
    )


def test_with_several_tenants_one_must_be_named(store: Path) -> None:
    fill(store, tickets=small_shop("zeta")["tickets"])
    assert "acme, zeta" in refused("--text", ASKED)
    assert ids(answered("--text", ASKED, "--tenant", "zeta")) == ["T-1"]


@pytest.mark.parametrize("text", ["", "  ", "<br>", "\u200b"])
def test_a_text_of_which_nothing_is_left_is_wrong_usage(store: Path, text: str) -> None:
    assert "--text" in misused("--text", text)


@pytest.mark.parametrize("given", [[], ["--text", ASKED, "--image", "x.png"]])
def test_either_a_text_or_a_picture_is_needed(store: Path, given: list[str]) -> None:
    assert "give one of --text, --image and --like" in misused(*given)


# --- streams ---


def test_a_chosen_stream_alone_is_searched_however_often_it_is_named(store: Path) -> None:
    found = answered("--text", ASKED, "--stream", "calls, calls")
    assert (found["searched"], ids(found)) == (["calls"], ["C-1"])


@pytest.mark.parametrize(
    ("names", "says"), [("tickets,notes", "there is no stream notes"), (" , ", "name at least one of")]
)
def test_a_stream_that_does_not_exist_is_wrong_usage(store: Path, names: str, says: str) -> None:
    assert says in misused("--text", ASKED, "--stream", names)


@pytest.fixture
def partial_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield a store without a collection of products."""
    folder = tmp_path / "partial"
    use_fakes(monkeypatch, folder)
    with closing(open_store(folder, ("tickets", "calls"))) as opened:
        collection = opened.open_alias("tickets")
        assert collection is not None
        collection.upsert(small_shop()["tickets"])
    return folder


def test_a_stream_without_a_collection_is_left_out_with_the_reason(partial_store: Path) -> None:
    found = answered("--text", ASKED)
    assert (found["searched"], ids(found)) == (["tickets", "calls"], ["T-1"])
    assert "the store has no collection of them" in found["left_out"]["products"]
    assert "products were not searched: the store has no collection of them" in run("--text", ASKED).stdout


def test_a_chosen_stream_without_a_collection_is_an_error(partial_store: Path) -> None:
    said = refused("--text", ASKED, "--stream", "tickets,products")
    assert said.startswith("products cannot be searched: the store has no collection of them")


def test_vectors_of_another_model_are_not_compared(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_CALLS__EMBEDDING__MODEL", "use-multilingual-v3")
    found = answered("--text", ASKED)
    assert set(found["left_out"]) == {"calls"}
    assert "change the settings back" in found["left_out"]["calls"]
    assert set(ids(found)) == {"T-1", "P-1"}


def test_without_a_store_or_items_it_states_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, tmp_path / "nowhere")
    assert "there is no store" in refused("--text", ASKED)
    assert not (tmp_path / "nowhere").exists()
    open_store(tmp_path / "nowhere").close()
    assert refused("--text", ASKED) == "the store contains no tickets, calls, products yet"


# --- by a picture ---


def test_a_picture_finds_products(store: Path, tmp_path: Path) -> None:
    found = answered("--image", str(save_picture(tmp_path / "p.png", "green")))
    first = found["hits"][0]
    assert (first["source_id"], first["stream"], first["method"], first["matches"]) == (
        "I-1",
        "products",
        "image",
        True,
    )
    assert found["searched"] == ["products"]
    shown = run("--image", str(tmp_path / "p.png")).stdout
    assert "Its picture is like the given one (cosine 1.00)." in shown


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "0 bytes; a picture has 1 to"),
        (b"this is no picture", "media_wrong_kind"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "media_unreadable"),
        (bytes((1 << 20) + 1), "1048577 bytes; a picture has 1 to 1048576 bytes (MILLRACE_MEDIA__MAX_MIB)"),
    ],
)
def test_a_file_that_is_no_picture_is_an_error_that_names_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
) -> None:
    monkeypatch.setenv("MILLRACE_MEDIA__MAX_MIB", "1")
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    said = refused("--image", str(path))
    assert said.startswith(f"{path}: ")
    assert says in said


def test_streams_without_pictures_cannot_be_searched_by_one(store: Path, tmp_path: Path) -> None:
    path = save_picture(tmp_path / "p.png", "red")
    assert refused("--image", str(path), "--stream", "calls") == "calls cannot be searched: they have no pictures"
