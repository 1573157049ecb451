"""Files of a model on a hub that has the addresses of the Hugging Face Hub: `ENDPOINT/ORG/NAME/resolve/REVISION/FILE`."""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
from typing_extensions import override

from shared.addresses import is_http_address
from shared.clock import Clock
from shared.embedding.fetching.origins import Interrupted, Opened, Origin
from shared.errors import Fatal

DEFAULT_ENDPOINT = "https://huggingface.co"
CONNECT_S = 10.0
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
PLAIN = {"Accept-Encoding": "identity"}
"""A compressed answer has no length and cannot be continued."""

NO_HEAD = frozenset({405, 501})
"""Answers of servers that do not know HEAD; GET shows whether the file is there."""

RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
REASONS = {
    401: "the hub asks for a token: set HF_TOKEN to one that may read this model",
    403: "the hub refuses access: accept the model's terms on its page, and set HF_TOKEN to a token that may read it",
    404: "it does not exist there: compare name, file and revision with the model's page; "
    "a private model needs HF_TOKEN to be seen",
}


class HubOrigin(Origin):
    """A model on a hub, at one commit.

    Args:
        where: `ORG/NAME@REVISION`, as in a card.
        environ: Where `HF_ENDPOINT` and `HF_TOKEN` are read from; proxies and authorities are read by the library.
        timeout_s: How long to wait for the next byte.
        clock: Reads the time, for servers that state until when to wait.

    Raises:
        Fatal: `HF_ENDPOINT`, `HF_TOKEN`, or the variable of a proxy or of authorities is not valid.
    """

    def __init__(self, where: str, environ: Mapping[str, str], timeout_s: float, clock: Clock) -> None:
        repository, _, revision = where.partition("@")
        endpoint = (environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        if not (is_http_address(endpoint) and _has_host(endpoint)):
            raise Fatal("HF_ENDPOINT is not a URL like https://hub.example.com, without a user and a password")
        self._folder, self._clock = f"{endpoint}/{repository}/resolve/{revision}", clock
        self._sizes: dict[str, int] = {}
        limits = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        self._client = _client(PLAIN | _authorization(environ), limits)

    def __enter__(self) -> "HubOrigin":
        """Keep connections until the block ends."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close them."""
        self._client.close()

    @override
    def size_bytes(self, name: str) -> int | None:
        """Return the size that the hub states before it redirects: storage often refuses HEAD."""
        with self._answer("HEAD", name, {}, follow_redirects=False) as response:
            size = _number(response.headers.get("X-Linked-Size"))
            if not response.has_redirect_location and response.status_code not in NO_HEAD:
                self._check(response, name)
                size = _position(response)[1] if size is None else size
        if size is not None:
            self._sizes[name] = size
        return size

    @override
    @contextmanager
    def open(self, name: str, start_bytes: int) -> Iterator[Opened]:
        headers = {"Range": f"bytes={start_bytes}-"} if start_bytes else {}
        with self._answer("GET", name, headers, follow_redirects=True) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start_bytes:
                yield Opened(start_bytes, start_bytes, iter(()))
                return
            self._check(response, name)
            start, total = _position(response)
            if start in (0, start_bytes):
                yield Opened(start, self._sizes.get(name) if total is None else total, self._blocks(response))
                return
        if not start_bytes:
            raise Interrupted(f"{_host(response)} sent a part of the file that was not asked for")
        with self.open(name, 0) as opened:
            yield opened

    @contextmanager
    def _answer(self, method: str, name: str, headers: Mapping[str, str], **how: Any) -> Iterator[httpx.Response]:
        request = self._client.build_request(method, f"{self._folder}/{quote(name)}", headers=headers)
        try:
            response = self._client.send(request, stream=True, **how)
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, UnicodeError) as error:
            raise Fatal(f"{self._place(name)} leads to an address that cannot be used: {error}") from error
        except httpx.TransportError as error:
            raise _broken(error) from error
        try:
            yield response
        finally:
            response.close()

    def _blocks(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()  # in blocks of its own size, it would lose a last part block
        except httpx.TransportError as error:
            raise _broken(error) from error
        except httpx.DecodingError as error:
            raise Interrupted(f"{_host(response)} sent content that cannot be decoded") from error

    def _check(self, response: httpx.Response, name: str) -> None:
        """Raise unless the status is one of success."""
        code = response.status_code
        if code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            return
        if code in TEMPORARY:
            raise Interrupted(f"{_host(response)} answered with status {code}", self._wait_s(response))
        reason = REASONS.get(code, "the hub did not send it")
        raise Fatal(f"{self._place(name)}: status {code}: {reason}")

    def _wait_s(self, response: httpx.Response) -> float | None:
        """Return how long the server asks to wait: a number of seconds, or a time."""
        text = response.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}", text):
            return float(text)
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self._clock.now()).total_seconds())

    def _place(self, name: str) -> str:
        return f"{self._folder}/{name}"


def _client(headers: Mapping[str, str], limits: httpx.Timeout) -> httpx.Client:
    """Return a client, which reads the variables of proxies and authorities; an error quotes no proxy's password."""
    try:
        return httpx.Client(headers=headers, timeout=limits)
    except OSError as error:
        raise Fatal(f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}") from error
    except (httpx.InvalidURL, ValueError, ImportError):
        raise Fatal(
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY is not valid: name a proxy by a URL like http://host:3128; "
            "a SOCKS proxy cannot be used"
        ) from None


def _has_host(endpoint: str) -> bool:
    """Return whether the host of a URL is one that can be looked up."""
    try:
        httpx.URL(endpoint).raw_host.decode("idna").encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return " " not in endpoint


def _broken(error: httpx.TransportError) -> Exception:
    """Return the error for a connection; its host may be another one than the hub, which redirects."""
    host = error.request.url.netloc.decode("ascii")
    if isinstance(error, httpx.TimeoutException):
        return Interrupted(f"{host} did not answer in time")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Fatal(
                f"the certificate of {host} is refused ({cause.verify_message}): if an authority of your own signed it, "
                "name that authority's file by SSL_CERT_FILE"
            )
        cause = cause.__cause__ or cause.__context__
    return Interrupted(f"the connection to {host} broke: {str(error) or type(error).__name__}")


def _host(response: httpx.Response) -> str:
    return response.url.netloc.decode("ascii")


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header with the token, which the library does not send to the host of a redirect."""
    token = environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise Fatal("HF_TOKEN contains a space or a non-ASCII character, which an HTTP header must not contain")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _position(response: httpx.Response) -> tuple[int, int | None]:
    """Return the position of an answer's first byte, and the size of the whole file if it is stated.

    Ranges and lengths of a compressed answer count its compressed bytes.
    """
    is_plain = response.headers.get("Content-Encoding", "identity") == "identity"
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return (int(found[1]), _number(found[2])) if found and is_plain else (-1, None)
    return 0, _number(response.headers.get("Content-Length")) if is_plain else None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,15}", text) else None
