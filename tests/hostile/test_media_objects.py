"""Objects of a real S3 API on loopback: right bytes, absent and forbidden objects, sizes, digests, a store that is down.

Green does not show Amazon's own service, its credentials or Google's; a `gs:` reference is only seen to be refused.
"""

import json
import socket
from collections.abc import Iterator
from hashlib import sha256
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from schemas.failures import FailureReason as Reason
from schemas.media import Media
from shared.clock import SystemClock
from shared.errors import Deferred
from shared.media.fetching.fetcher import MediaFetcher
from tests.support.fetching import FIELD, LIMIT_BYTES, ending, quick_settings
from tests.support.ports import free_ports

CONTENT = b"recorded" * 1_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Yield the address of an S3 API with two buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for bucket in ("recordings", "others"):
        put(address, bucket, "", b"")
    put(address, "recordings", "calls/1.wav", CONTENT)
    put(address, "recordings", "Fotos%20M%C3%A4rz/%C3%A4%20b%2Bc%2520d.jpg", CONTENT)
    put(address, "recordings", "with%3Fquestion%23hash", CONTENT)
    put(address, "recordings", "fits", b"x" * LIMIT_BYTES)
    put(address, "recordings", "large", b"x" * (LIMIT_BYTES + 1))
    put(address, "recordings", "empty", b"")
    put(address, "others", "secret", CONTENT)
    yield address
    server.stop()


def put(address: str, bucket: str, key: str, content: bytes) -> None:
    """Write an object, or create a bucket if the key is empty."""
    path = f"{address}/{bucket}/{key}" if key else f"{address}/{bucket}"
    kind = {"Content-Type": "application/octet-stream"}  # urllib's default would make the server read a form
    with urlopen(Request(path, content, kind, method="PUT")) as answer:  # noqa: S310  (an address of this test)
        assert answer.status == 200


@pytest.fixture
def fetcher(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> MediaFetcher:
    """Return a fetcher that may read one of the two buckets."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "recognisable")
    return MediaFetcher(quick_settings(s3_buckets=("recordings", "absent-bucket"), s3_endpoint=endpoint), SystemClock())


@pytest.mark.parametrize("key", ["calls/1.wav", "Fotos März/ä b+c%20d.jpg", "with?question#hash"])
def test_the_right_bytes_are_fetched_and_the_key_is_taken_literally(fetcher: MediaFetcher, key: str) -> None:
    assert ending(fetcher, f"s3://recordings/{key}") == CONTENT


def test_the_size_is_limited_and_the_digest_checked(fetcher: MediaFetcher) -> None:
    assert ending(fetcher, "s3://recordings/fits") == b"x" * LIMIT_BYTES
    assert ending(fetcher, "s3://recordings/large") == Reason.MEDIA_TOO_LARGE
    assert ending(fetcher, "s3://recordings/empty") == Reason.MEDIA_UNREADABLE
    right = sha256(CONTENT).hexdigest()
    assert ending(fetcher, "s3://recordings/calls/1.wav", right) == CONTENT
    assert ending(fetcher, "s3://recordings/calls/1.wav", right[::-1]) == Reason.MEDIA_WRONG_DIGEST


@pytest.mark.parametrize("uri", ["s3://recordings/calls/2.wav", "s3://absent-bucket/1.wav"])
def test_what_is_absent_may_come_later(fetcher: MediaFetcher, uri: str) -> None:
    assert ending(fetcher, uri) == Reason.MEDIA_NOT_FOUND


@pytest.mark.parametrize(
    "uri",
    ["s3://others/secret", "s3://recordings", "s3://recordings/", "s3:///calls/1.wav", "s3:recordings/calls/1.wav/",
     "s3://recordings/../others/secret", "s3://recordings/calls/../../others/secret", "s3://RECORDINGS/calls/1.wav",
     "s3://user@recordings/calls/1.wav", "s3://recordings:80/calls/1.wav", "gs://recordings/calls/1.wav",
     "s3://recordings//others/secret"],
)  # fmt: skip
def test_other_buckets_and_keys_are_refused(fetcher: MediaFetcher, uri: str) -> None:
    assert ending(fetcher, uri) == Reason.MEDIA_FORBIDDEN


def test_an_object_that_comes_is_fetched(endpoint: str, fetcher: MediaFetcher) -> None:
    assert ending(fetcher, "s3://recordings/later") == Reason.MEDIA_NOT_FOUND
    put(endpoint, "recordings", "later", CONTENT)
    assert ending(fetcher, "s3://recordings/later") == CONTENT


def test_a_store_that_is_down_is_deferred_and_then_not_asked(fetcher: MediaFetcher) -> None:
    (port,) = free_ports(1)
    settings = quick_settings(
        s3_buckets=("recordings",), s3_endpoint=f"http://127.0.0.1:{port}", breaker_failures=2, breaker_open_s=60
    )
    down = MediaFetcher(settings, SystemClock())
    endings = []
    for _ in range(3):
        with pytest.raises(Deferred) as caught:
            down.fetch(Media(uri="s3://recordings/calls/1.wav"), FIELD)
        endings.append((caught.value.reason, caught.value.attempted))
        assert "recognisable" not in json.dumps(caught.value.detail)
    assert endings == [(Reason.MEDIA_FETCH_FAILED, True)] * 2 + [(Reason.MEDIA_HOST_DOWN, False)]


def test_a_store_that_does_not_answer_is_given_up(fetcher: MediaFetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hung = MediaFetcher(quick_settings(s3_buckets=("recordings",), s3_endpoint=endpoint), SystemClock())
        assert ending(hung, "s3://recordings/calls/1.wav") == Reason.MEDIA_FETCH_FAILED
