"""Files of a model on a hub that has the addresses of the Hugging Face Hub: `ENDPOINT/ORG/NAME/resolve/REVISION/FILE`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

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
        Fatal: `HF_ENDPOINT` or `HF_TOKEN` is not valid.
    """

    def __init__(self, where: str, environ: Mapping[str, str], timeout_s: float, clock: Clock) -> None:
        repository, _, revision = where.partition("@")
        endpoint = (environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        if not is_http_address(endpoint):
            raise Fatal("HF_ENDPOINT is not a URL like https://hub.example.com, without a user and a password")
        self._folder, self._clock = f"{endpoint}/{repository}/resolve/{revision}", clock
        limits = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        self._client = httpx.Client(headers=PLAIN | _authorization(environ), timeout=limits)

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
            if response.has_redirect_location:
                return _number(response.headers.get("X-Linked-Size"))
            self._check(response, name)
            return _number(response.headers.get("X-Linked-Size") or response.headers.get("Content-Length"))

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
                yield Opened(start, total, self._blocks(response))
                return
        with self.open(name, 0) as opened:  # the answer began elsewhere
            yield opened

    @contextmanager
    def _answer(self, method: str, name: str, headers: Mapping[str, str], **how: Any) -> Iterator[httpx.Response]:
        request = self._client.build_request(method, f"{self._folder}/{quote(name)}", headers=headers)
        try:
            response = self._client.send(request, stream=True, **how)
        except httpx.TransportError as error:
            raise self._broken(error) from error
        except httpx.HTTPError as error:
            raise Fatal(f"{self._place(name)}: {type(error).__name__}: {error}") from error
        try:
            yield response
        finally:
            response.close()

    def _blocks(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()  # in blocks of its own size, it would lose a last part block
        except httpx.TransportError as error:
            raise self._broken(error) from error
        except httpx.DecodingError as error:
            raise Interrupted(f"{self._host} sent content that cannot be decoded") from error

    def _broken(self, error: httpx.TransportError) -> Interrupted:
        if isinstance(error, httpx.TimeoutException):
            return Interrupted(f"{self._host} did not answer in time")
        return Interrupted(f"the connection to {self._host} broke: {str(error) or type(error).__name__}")

    def _check(self, response: httpx.Response, name: str) -> None:
        """Raise unless the status is one of success."""
        code = response.status_code
        if code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            return
        if code in TEMPORARY:
            raise Interrupted(f"{self._host} answered with status {code}", self._wait_s(response))
        reason = REASONS.get(code, "the hub did not send it")
        raise Fatal(f"{self._place(name)}: status {code}: {reason}")

    def _wait_s(self, response: httpx.Response) -> float | None:
        """Return how long the server asks to wait: a number of seconds, or a time."""
        text = response.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}", text):
            return float(text)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self._clock.now()).total_seconds())

    @property
    def _host(self) -> str:
        return urlsplit(self._folder).netloc

    def _place(self, name: str) -> str:
        return f"{self._folder}/{name}"


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header with the token, which the library does not send to the host of a redirect."""
    token = environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise Fatal("HF_TOKEN contains a space or a non-ASCII character, which an HTTP header must not contain")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _position(response: httpx.Response) -> tuple[int, int | None]:
    """Return the position of an answer's first byte, and the size of the whole file if it is stated."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            return -1, None
        return int(found[1]), _number(found[2])
    is_plain = response.headers.get("Content-Encoding", "identity") == "identity"
    return 0, _number(response.headers.get("Content-Length")) if is_plain else None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,15}", text) else None
