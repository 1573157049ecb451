"""Fetching from servers that cheat, redirect, stall, flood and lie, over real sockets on loopback.

Each test asserts the reason, and that no server that is not allowed was connected to. A green run does not prove anything
about the public internet, real DNS servers or IPv6 routes.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from schemas.failures import FailureReason as Reason
from schemas.media import Media
from shared.clock import SystemClock
from shared.errors import Deferred, Fatal
from shared.media.fetching.fetcher import MediaFetcher
from tests.support.certificates import NAME, Certificates
from tests.support.fetching import FIELD, ending, fetcher_for, quick_settings
from tests.support.media_answers import ABSENT, ANSWERS, CONTENT, FAILED, FETCHED, TOO_LARGE, UNREADABLE
from tests.support.media_server import MediaServer, body, bomb, redirect, said_goodbye, silent
from tests.support.names import Names
from tests.support.ports import free_ports


@pytest.fixture(scope="module")
def server() -> Iterator[MediaServer]:
    with MediaServer(ANSWERS) as running:
        yield running


@pytest.fixture
def other() -> Iterator[MediaServer]:
    """Yield a server on an address that is not allowed; it must never be connected to."""
    with MediaServer({"/": body(CONTENT)}, address="127.0.0.2") as running:
        yield running
        assert running.connections == 0


@pytest.mark.parametrize("path", FETCHED)
def test_the_right_bytes_are_fetched(server: MediaServer, path: str) -> None:
    assert ending(fetcher_for(server), server.url(path)) == FETCHED[path]


def test_a_request_has_no_credentials_and_names_the_host(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    assert ending(fetcher_for(server), server.url("/right?a=b%2Fc&d=é e".replace(" ", "%20"))) == CONTENT
    head = server.requests[-1]
    assert head.startswith("GET /right?a=b%2Fc&d=%C3%A9%20e HTTP/1.1\r\n")
    names = [line.partition(":")[0] for line in head.strip().split("\r\n")[1:]]
    assert names == ["Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"]
    assert f"Host: 127.0.0.1:{server.port}\r\n" in head


@pytest.mark.parametrize("path", TOO_LARGE)
def test_what_is_too_large_is_not_read_to_its_end(server: MediaServer, path: str) -> None:
    assert ending(fetcher_for(server), server.url(path)) == Reason.MEDIA_TOO_LARGE


def test_a_bomb_is_measured_after_each_step(server: MediaServer) -> None:
    assert ending(fetcher_for(server, max_mib=64), server.url("/bomb")) == b"\0" * (64 << 20)
    assert ending(fetcher_for(server, max_mib=63), server.url("/bomb")) == Reason.MEDIA_TOO_LARGE
    # Not declared as compressed: it is content, and what decodes it has its own limits.
    assert ending(fetcher_for(server), server.url("/bomb-in-chunks")) == bomb(64)


@pytest.mark.parametrize("path", ABSENT)
def test_what_is_absent_may_come_later(server: MediaServer, path: str) -> None:
    assert ending(fetcher_for(server), server.url(path)) == Reason.MEDIA_NOT_FOUND


@pytest.mark.parametrize("path", UNREADABLE)
def test_empty_content_is_unreadable(server: MediaServer, path: str) -> None:
    assert ending(fetcher_for(server), server.url(path)) == Reason.MEDIA_UNREADABLE


@pytest.mark.parametrize("path", FAILED)
def test_what_fails_is_deferred_and_the_detail_says_why(server: MediaServer, path: str) -> None:
    with pytest.raises(Deferred, match=FAILED[path]) as caught:
        fetcher_for(server).fetch(Media(uri=server.url(path)), FIELD)
    assert (caught.value.reason, caught.value.attempted) == (Reason.MEDIA_FETCH_FAILED, True)


def test_every_answer_has_an_ending() -> None:
    endings = {path.partition("?")[0] for path in (*FETCHED, *TOO_LARGE, *ABSENT, *UNREADABLE, *FAILED)}
    assert ANSWERS.keys() - endings == {"/bomb-in-chunks"}


def test_the_digest_is_checked(server: MediaServer) -> None:
    right = sha256(CONTENT).hexdigest()
    fetcher = fetcher_for(server)
    assert ending(fetcher, server.url("/right"), right) == CONTENT
    assert ending(fetcher, server.url("/right"), right[::-1]) == Reason.MEDIA_WRONG_DIGEST
    assert fetcher.fetch(Media(inline="YWJj", sha256=sha256(b"abc").hexdigest()), FIELD) == b"abc"
    with pytest.raises(Exception, match="media_wrong_digest"):
        fetcher.fetch(Media(inline="YWJj", sha256=right), FIELD)


def test_redirects_are_counted(server: MediaServer) -> None:
    before = len(server.requests)
    assert ending(fetcher_for(server, max_redirects=3), server.url("/loop")) == Reason.MEDIA_FETCH_FAILED
    assert len(server.requests) - before == 4
    assert ending(fetcher_for(server, max_redirects=0), server.url("/relative")) == Reason.MEDIA_FETCH_FAILED


@pytest.mark.parametrize("listed", [True, False])
def test_a_redirect_to_a_private_address_is_refused(server: MediaServer, other: MediaServer, listed: bool) -> None:
    hosts = (f"127.0.0.2:{other.port}",) if listed else ()
    server.answers["/away"] = redirect(other.url("/"))
    assert ending(fetcher_for(server, hosts=hosts), server.url("/away")) == Reason.MEDIA_FORBIDDEN
    assert ending(fetcher_for(server, hosts=hosts), other.url("/")) == Reason.MEDIA_FORBIDDEN


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "//169.254.169.254/latest", "http://user@{own}/right",
     "http://{own}\\@127.0.0.2/", "gopher:x", "https://[::1", "javascript:1", "http://127.0.0.1:99999/", "s3://b/k"],
)  # fmt: skip
def test_a_redirect_to_what_is_not_allowed_is_refused(server: MediaServer, location: str) -> None:
    server.answers["/away"] = redirect(location.format(own=f"127.0.0.1:{server.port}"))
    assert ending(fetcher_for(server), server.url("/away")) == Reason.MEDIA_FORBIDDEN


def test_a_name_is_looked_up_once_and_its_address_is_pinned(server: MediaServer, other: MediaServer) -> None:
    names = Names(media_example_com=["127.0.0.1", "127.0.0.2"])
    hosts = (f"{NAME}:{server.port}",)
    fetcher = fetcher_for(server, resolver=names, hosts=hosts)
    assert ending(fetcher, server.url("/right", NAME)) == CONTENT
    assert names.asked == [NAME]
    assert f"Host: {NAME}:{server.port}\r\n" in server.requests[-1]
    assert ending(fetcher, server.url("/right", NAME)) == Reason.MEDIA_FORBIDDEN, "the next answer is another one"


def test_a_redirect_to_the_same_name_is_looked_up_and_checked_again(server: MediaServer) -> None:
    names = Names(media_example_com=["127.0.0.1", "127.0.0.2"])
    fetcher = fetcher_for(server, resolver=names, hosts=(f"{NAME}:{server.port}",))
    before = len(server.requests)
    assert ending(fetcher, server.url("/relative", NAME)) == Reason.MEDIA_FORBIDDEN
    assert len(server.requests) - before == 1


@pytest.mark.parametrize("answer", ["127.0.0.1 127.0.0.2", "::ffff:127.0.0.2", "64:ff9b::7f00:2", "10.0.0.1", "::1"])
def test_an_answer_with_one_private_address_is_refused(server: MediaServer, other: MediaServer, answer: str) -> None:
    fetcher = fetcher_for(resolver=Names(media_example_com=[answer]), hosts=(f"{NAME}:{server.port}",))
    before = server.connections
    assert ending(fetcher, server.url("/right", NAME)) == Reason.MEDIA_FORBIDDEN
    assert server.connections == before


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "[::1]", "[::]",
     "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::1%25lo]", "localhost", "LOCALHOST.",
     "user@127.0.0.1", "user:pass@127.0.0.1", "127.0.0.1@127.0.0.2", "%31%32%37.0.0.1", "①②⑦.0.0.1x", "127。0。0。2",
     "allowed.example.com.evil.example", "evil-allowed.example.com", "allowed.example.com%00.evil.example",
     "allowed.example.com%2eevil.example", "allowed_example.com", "", "..", "-a.example.com", "127.0.0.1.nip.example"],
)  # fmt: skip
def test_other_spellings_of_a_host_lead_nowhere(server: MediaServer, host: str) -> None:
    hosts = (f"allowed.example.com:{server.port}", "127.0.0.1")
    names = Names()
    fetcher = fetcher_for(resolver=names, hosts=hosts)
    before = server.connections
    assert ending(fetcher, f"http://{host}:{server.port}/right") == Reason.MEDIA_FORBIDDEN
    assert (server.connections, names.asked) == (before, [])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1.", "１２７.0.0.1", "127。0．0｡1", "MEDIA.example.COM", "media.example.com.", "ｍedia.example.com"],
)
def test_spellings_of_an_allowed_host_are_equal(server: MediaServer, host: str) -> None:
    names = Names(media_example_com=["127.0.0.1"])
    fetcher = fetcher_for(server, resolver=names, hosts=(f"{NAME}:{server.port}",))
    assert ending(fetcher, server.url("/right", host)) == CONTENT


def test_only_listed_ports_and_schemes_are_allowed(server: MediaServer) -> None:
    before = server.connections
    bare = fetcher_for(hosts=("127.0.0.1",))
    assert ending(bare, server.url("/right")) == Reason.MEDIA_FORBIDDEN, "without a port, the default one is meant"
    assert ending(fetcher_for(server), "http://127.0.0.1/right") == Reason.MEDIA_FORBIDDEN
    assert ending(fetcher_for(server, plain_http=False), server.url("/right")) == Reason.MEDIA_FORBIDDEN
    assert ending(MediaFetcher(quick_settings(), SystemClock()), server.url("/right")) == Reason.MEDIA_FORBIDDEN
    assert server.connections == before


def test_a_name_that_does_not_exist_and_a_closed_port_are_deferred() -> None:
    (port,) = free_ports(1)
    fetcher = fetcher_for(resolver=Names(), hosts=(f"127.0.0.1:{port}", "absent.example.com"))
    assert ending(fetcher, f"http://127.0.0.1:{port}/") == Reason.MEDIA_FETCH_FAILED
    assert ending(fetcher, "https://absent.example.com/") == Reason.MEDIA_FETCH_FAILED


def test_the_next_address_is_tried_if_one_does_not_answer(server: MediaServer) -> None:
    names = Names(media_example_com=["127.0.0.9 127.0.0.1"])
    settings: dict[str, Any] = {"private_addresses": ("127.0.0.0/28",), "hosts": (f"{NAME}:{server.port}",)}
    assert ending(fetcher_for(resolver=names, **settings), server.url("/right", NAME)) == CONTENT


def test_a_host_that_is_down_is_not_asked(server: MediaServer) -> None:
    fetcher = fetcher_for(server, breaker_failures=2, breaker_open_s=60)
    assert [ending(fetcher, server.url("/404")) for _ in range(3)] == [Reason.MEDIA_NOT_FOUND] * 3
    assert [ending(fetcher, server.url("/503")) for _ in range(2)] == [Reason.MEDIA_FETCH_FAILED] * 2
    before = server.connections
    with pytest.raises(Deferred) as caught:
        fetcher.fetch(Media(uri=server.url("/right")), FIELD)
    assert (caught.value.reason, caught.value.attempted) == (Reason.MEDIA_HOST_DOWN, False)
    assert server.connections == before


@pytest.fixture(scope="module")
def secure(certificates: Certificates) -> Iterator[MediaServer]:
    goodbye = {"/goodbye": said_goodbye(CONTENT)}
    with MediaServer(ANSWERS | goodbye, certificates) as running:
        yield running


def test_https_checks_the_certificate_for_the_name(secure: MediaServer, certificates: Certificates) -> None:
    names = Names(media_example_com=["127.0.0.1"], other_example_com=["127.0.0.1"])
    hosts = (f"{NAME}:{secure.port}", f"other.example.com:{secure.port}")
    fetcher = fetcher_for(secure, resolver=names, hosts=hosts, ca_file=certificates.authority, plain_http=False)
    assert ending(fetcher, secure.url("/right")) == CONTENT
    assert ending(fetcher, secure.url("/right", NAME)) == CONTENT
    before = len(secure.requests)
    assert ending(fetcher, secure.url("/right", "other.example.com")) == Reason.MEDIA_FETCH_FAILED
    stranger = fetcher_for(secure, ca_file=certificates.stranger)
    assert ending(stranger, secure.url("/right")) == Reason.MEDIA_FETCH_FAILED
    assert ending(fetcher_for(secure), secure.url("/right")) == Reason.MEDIA_FETCH_FAILED
    assert len(secure.requests) == before, "nothing was asked of a server whose certificate is not valid"


def test_https_never_becomes_http(secure: MediaServer, server: MediaServer, certificates: Certificates) -> None:
    fetcher = fetcher_for(secure, server, ca_file=certificates.authority)
    secure.answers["/down"] = redirect(server.url("/right"))
    server.answers["/up"] = redirect(secure.url("/right"))
    assert ending(fetcher, secure.url("/down")) == Reason.MEDIA_FORBIDDEN
    assert ending(fetcher, server.url("/up")) == CONTENT


@pytest.mark.parametrize(
    "path", ["/until-closed", "/silent", "/one-byte-a-time", "/slow-headers", "/shorter", "/reset"]
)
def test_https_has_the_same_limits(secure: MediaServer, certificates: Certificates, path: str) -> None:
    fetcher = fetcher_for(secure, ca_file=certificates.authority)
    assert ending(fetcher, secure.url(path)) == Reason.MEDIA_FETCH_FAILED
    assert ending(fetcher, secure.url("/goodbye")) == CONTENT, "an end without a length that TLS confirms"


def test_a_server_that_does_not_answer_the_handshake_is_given_up(certificates: Certificates) -> None:
    with MediaServer({"/": silent}) as plain:
        fetcher = fetcher_for(plain, ca_file=certificates.authority)
        assert ending(fetcher, f"https://127.0.0.1:{plain.port}/") == Reason.MEDIA_FETCH_FAILED


def test_a_file_without_certificates_is_fatal(certificates: Certificates) -> None:
    with pytest.raises(Fatal, match="MILLRACE_MEDIA__CA_FILE"):
        fetcher_for(ca_file=certificates.server_key)
