"""What servers answer to `fetch` that is allowed but unusual, or wrong, and settings of a network that cannot be used.

A green run does not prove that the real hub, its storage and proxies behave as this server does.
"""

import fcntl
import gzip
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.embedding.fetching import fetch as fetching
from shared.embedding.fetching import transfer
from shared.embedding.fetching.fetch import Found, Request, fetch
from shared.embedding.fetching.staging import staging
from shared.embedding.registry import load_cards
from shared.errors import Fatal, Unavailable
from tests.support import certificates
from tests.support.fetched_models import FILES, HALF, PLACE, WEIGHTS, content, row
from tests.support.hub_server import HubServer, breaks, status
from tests.support.hub_server import Request as Asked

NAME = "model.safetensors"
SECRET = "hf_secret_of_a_proxy"  # noqa: S105  (made for this test)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Yield a hub with the model."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HubServer(FILES) as serving:
        yield serving


def fetched(folder: Path, hub: HubServer, patience_s: float = 2.0, **environ: str) -> tuple[Found, bool]:
    """Fetch the model in this process."""
    [card] = load_cards(row(folder))
    request = Request(folder / "models", patience_s, {"HF_ENDPOINT": hub.url} | environ)
    return fetch(card, request, SystemClock(), lambda key, total: nullcontext(lambda count: None))


# --- answers that are allowed ---


def pieces(most_bytes: int) -> Callable[[Asked, bytes], None]:
    """Send at most this size of what is asked for, as some storage does."""

    def answer(asked: Asked, whole: bytes) -> None:
        end = min(asked.start_bytes + most_bytes, len(whole))
        stated = f"bytes {asked.start_bytes}-{end - 1}/{len(whole)}"
        asked.send(206, Content_Length=str(end - asked.start_bytes), Content_Range=stated)
        asked.wfile.write(whole[asked.start_bytes : end])

    return answer


def test_a_server_that_sends_pieces_is_asked_for_the_next(tmp_path: Path, hub: HubServer) -> None:
    hub.faults[NAME] = [pieces(200_000)] * 9
    assert fetched(tmp_path, hub)[1]
    assert [start for name, start in hub.gets if name == NAME] == [0, 200_000, 400_000]
    assert content(tmp_path) == FILES


def unstated_end(asked: Asked, whole: bytes) -> None:
    """Send half of the file, whose end only the end of the connection shows."""
    asked.send_response(200)
    asked.end_headers()
    asked.wfile.write(whole[:HALF])


def test_an_answer_without_a_length_is_continued_by_the_size_that_the_hub_stated(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "UNSTATED_BYTES", 1_000)
    hub.faults[NAME] = [unstated_end]
    assert fetched(tmp_path, hub)[1]
    assert [start for name, start in hub.gets if name == NAME] == [0, HALF]


def compressed(asked: Asked, whole: bytes) -> None:
    """Send a compressed answer, whose positions are those of the compressed bytes."""
    packed = gzip.compress(whole)
    start = min(asked.start_bytes, len(packed) - 1)
    ranged = {"Content_Range": f"bytes {asked.start_bytes}-{len(packed) - 1}/{len(packed)}"} if start else {}
    asked.send(206 if start else 200, Content_Encoding="gzip", Content_Length=str(len(packed) - start), **ranged)
    asked.wfile.write(packed[start:])


def test_a_range_of_a_compressed_answer_is_not_a_range_of_the_file(tmp_path: Path, hub: HubServer) -> None:
    hub.faults[NAME] = [breaks(500), compressed, compressed]
    assert fetched(tmp_path, hub)[1]
    assert [start for name, start in hub.gets if name == NAME] == [0, 500, 0]


@pytest.mark.parametrize("code", [405, 501])
def test_a_server_without_head_is_asked_for_the_files_at_once(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(Asked, "do_HEAD", lambda self: self.send(code))
    assert fetched(tmp_path, hub)[1]
    assert content(tmp_path) == FILES


def test_a_token_is_not_sent_to_the_host_of_a_redirect(tmp_path: Path, hub: HubServer) -> None:
    with HubServer(FILES) as storage:
        hub.faults[NAME] = [lambda asked, whole: asked.send(302, Location=f"{storage.url}{asked.path}")]
        assert fetched(tmp_path, hub, HF_TOKEN=SECRET)[1]
        assert (storage.gets, storage.authorizations) == ([(NAME, 0)], [None])
    assert hub.authorizations == [f"Bearer {SECRET}"] * len(FILES)


# --- answers that are wrong ---


def not_asked_for(asked: Asked, whole: bytes) -> None:
    """Send a part to a request for the whole."""
    asked.send(206, Content_Length=str(HALF), Content_Range=f"bytes {HALF}-{len(whole) - 1}/{len(whole)}")
    asked.wfile.write(whole[HALF:])


def trickle(asked: Asked, whole: bytes) -> None:
    """Send a byte from time to time."""
    asked.send(200, Content_Length=str(len(whole)))
    for at in range(len(whole)):
        asked.wfile.write(whole[at : at + 1])
        if asked.hub.stopping.wait(0.02):
            return


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (not_asked_for, "sent a part of the file that was not asked for"),
        (trickle, "it arrives too slowly"),
        (status(429, Retry_After="0"), "answered with status 429"),
        (status(503, Retry_After="Fri, 31 Dec 99999999999 23:59:59 GMT"), "answered with status 503"),
    ],
)
def test_a_server_that_sends_nothing_useful_is_given_up_and_not_asked_without_pause(
    tmp_path: Path, hub: HubServer, fault: Any, said: str
) -> None:
    hub.faults[NAME] = [fault] * 10_000
    with pytest.raises(Unavailable, match=said):
        fetched(tmp_path, hub, patience_s=1.0)
    assert len(hub.gets) < 20


def test_a_redirect_to_what_is_no_http_is_refused_at_once(tmp_path: Path, hub: HubServer) -> None:
    hub.faults[NAME] = [status(302, Location="ftp://127.0.0.1/model")] * 9
    with pytest.raises(Fatal, match="leads to an address that cannot be used"):
        fetched(tmp_path, hub)


def test_an_interrupted_host_is_named_even_if_the_hub_redirected_to_it(tmp_path: Path, hub: HubServer) -> None:
    hub.faults[NAME] = [status(302, Location="http://127.0.0.1:9/model")] * 9
    with pytest.raises(Unavailable, match=r"the connection to 127.0.0.1:9 broke"):
        fetched(tmp_path, hub, patience_s=0.5)


def test_a_download_that_begins_again_has_the_whole_patience(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that were there before the damage was found do not count."""
    partial = tmp_path / "models" / f".{PLACE}.partial" / NAME
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * (len(WEIGHTS) - 1))
    hub.pause_s = 0.05  # 1.6 s for the file
    hub.faults[NAME] = [breaks(len(WEIGHTS)), breaks(400_000)]
    assert fetched(tmp_path, hub, patience_s=1.0)[1]
    assert content(tmp_path) == FILES


# --- settings of the network ---


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HF_ENDPOINT", "http://hub.\x01example.com", "HF_ENDPOINT is not a URL"),
        ("HF_ENDPOINT", f"http://{'a' * 70}.com", "HF_ENDPOINT is not a URL"),
        ("HF_ENDPOINT", "http://hub example.com", "HF_ENDPOINT is not a URL"),
        ("ALL_PROXY", f"socks4://user:{SECRET}@proxy:1080", "ALL_PROXY or NO_PROXY is not valid"),
        ("HTTP_PROXY", f"http://user:{SECRET}@[::1", "ALL_PROXY or NO_PROXY is not valid"),
        ("SSL_CERT_FILE", "/no/such/file", "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"),
    ],
)
def test_a_setting_of_the_network_that_cannot_be_used_is_named_without_its_secret(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    if variable == "HF_ENDPOINT":
        monkeypatch.setattr(HubServer, "url", value)
    with pytest.raises(Fatal, match=said) as raised:
        fetched(tmp_path, hub)
    assert SECRET not in str(raised.value)


@pytest.mark.skipif(bool(certificates.why_unavailable()), reason=certificates.why_unavailable())
def test_a_certificate_of_an_unknown_authority_is_refused_at_once_and_accepted_if_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "pki").mkdir()
    made = certificates.make(tmp_path / "pki")
    with HubServer(FILES, made.server_both) as hub:
        with pytest.raises(Fatal, match=r"refused .*name that authority's file by SSL_CERT_FILE"):
            fetched(tmp_path, hub)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        assert fetched(tmp_path, hub)[1]


# --- several processes ---


def test_those_that_waited_compare_files_without_the_lock(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comparison of gigabytes takes long: one after the other, the last of many pods would give up."""
    fetched(tmp_path, hub)
    place = tmp_path / "models" / PLACE
    away = place.rename(tmp_path / "away")
    looks: list[bool] = []
    look = fetching.look

    def noted(*given: Any) -> Found:
        looks.append(is_locked(place))
        return look(*given)

    monkeypatch.setattr(fetching, "look", noted)
    done: list[tuple[Found, bool]] = []
    waiting = threading.Thread(target=lambda: done.append(fetched(tmp_path, hub, 20.0)), daemon=True)
    with staging(place, 1.0, SystemClock()):
        waiting.start()
        while not looks:
            SystemClock().wait(threading.Event(), 0.01)
        SystemClock().wait(threading.Event(), 0.2)
        away.rename(place)
    waiting.join(20)
    assert [(found.state, is_new) for found, is_new in done] == [("present", False)]
    assert looks == [True, False]


def is_locked(place: Path) -> bool:
    """Return whether any process has the lock of a model's place."""
    with open_lock(place) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def open_lock(place: Path) -> Iterator[int]:
    lock = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR)
    try:
        yield lock
    finally:
        os.close(lock)
