"""Normal forms of hosts and entries of the list of allowed hosts; servers are asked in `tests/hostile`."""

import pytest

from shared.hosts import HostEntry, normal_host


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("CDN.Example.COM.", "cdn.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("example\u3002com", "example.com"),
        ("my_store.internal", "my_store.internal"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0:0::0:1", "::1"),
        ("::FFFF:127.0.0.1", "::ffff:7f00:1"),
    ],
)
def test_a_host_has_one_form(text: str, normal: str) -> None:
    assert normal_host(text) == normal


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", "-a.b", "a-.b", "a b", "a/b", "a\\b", "a@b", "a%2eb", "a?b", "a#b", "*.a", "a" * 64, "a." * 130,
     "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5", "a.1", "a.0x1", "256.0.0.1", "1.2.3.0x",
     "::1%lo", "fe80::1%25eth0", ":::", "a:b", "\u2100.com", "\u202e.com", "\ud800.com"],
)  # fmt: skip
def test_what_is_not_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normal_host(text)


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        ("a.example.com", ("https a.example.com 443", "http a.example.com 80"), ("https a.example.com 80",)),
        ("a.example.com", ("https a.example.com 443",), ("https b.a.example.com 443", "https example.com 443")),
        ("a.example.com:8443", ("https a.example.com 8443", "http a.example.com 8443"), ("https a.example.com 443",)),
        ("*.Example.com", ("https a.example.com 443",), ("https example.com 443", "https xexample.com 443")),
        ("*.example.com", ("https b.a.example.com 443",), ("https a.example.com.evil.example 443",)),
        ("*.example.com:81", ("http a.example.com 81",), ("http a.example.com 80",)),
        ("[0::1]:8080", ("http ::1 8080",), ("http ::1 80",)),
        ("[::1]", ("http ::1 80",), ("http ::1 8080",)),
        ("10.0.5.7", ("https 10.0.5.7 443",), ("https 10.0.5.70 443",)),
    ],
)  # fmt: skip
def test_an_entry_allows_one_host_and_port(entry: str, allowed: tuple[str, ...], refused: tuple[str, ...]) -> None:
    def answer(text: str) -> bool:
        scheme, host, port = text.split()
        return HostEntry.parse(entry).allows(scheme, host, int(port))

    assert all(answer(text) for text in allowed)
    assert not any(answer(text) for text in refused)


@pytest.mark.parametrize(
    "entry",
    ["*", "*.com", "*.", "*.5", "*.0.0.1", "a.*.com", "https://a.com", "a.com/", "a.com:0", "a.com:65536", "a.com:x",
     "u@a.com", "", "a b", "::1", "[::1", "[a]:1"],
)  # fmt: skip
def test_an_entry_that_is_not_valid_or_too_wide_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is not a host|too wide|the host|a port"):
        HostEntry.parse(entry)
