"""What the errors of Qdrant's client mean to us: `Unavailable` where waiting may mend it, `Fatal` where it cannot.

No message quotes an answer that is not Qdrant's own, nor what was sent: both may hold a ticket's words or the key. So
nothing is chained either. The table, and where it is from: `docs/decisions/0010-qdrant-server.md`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import httpx
from grpc import StatusCode
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from shared.errors import Fatal, Unavailable

SAID_LIMIT_CHARS = 300

BAD_REQUEST, FORBIDDEN, PROXY_REFUSES, TOO_LARGE, TOO_MANY = 400, 403, 407, 413, 429
KEY_REFUSED = (401, FORBIDDEN)
PROXY_REFUSED = "the proxy refuses the user or the password of MILLRACE_STORE__PROXY"
PASSING = (408, 425, TOO_MANY)
"""The 4xx statuses that waiting mends: timed out, too early, too many requests."""

GRPC_FATAL = frozenset(
    {
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.ALREADY_EXISTS,
        StatusCode.PERMISSION_DENIED,
        StatusCode.UNAUTHENTICATED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.OUT_OF_RANGE,
        StatusCode.DATA_LOSS,
    }
)
GRPC_PASSING = frozenset(
    {
        StatusCode.CANCELLED,
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.FAILED_PRECONDITION,
        StatusCode.ABORTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
    }
)

FULL = re.compile(r"^[^(]* limit of \S+ reached!")
"""A collection that holds as much as its strict mode allows, as on a full disk: an operator makes room or allows more."""

CLIENT_ERRORS = (
    ApiException,
    QdrantException,
    grpc.RpcError,
    httpx.HTTPError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    AssertionError,  # the client's own word for an answer without a result
)
"""Everything the client raises because of the server or the way to it; what else it raises is a bug and ends the worker."""


class Forbidden(Fatal):
    """The server knows the key, but the key lacks a right; `said` is the server's reason."""

    def __init__(self, where: str, said: str) -> None:
        super().__init__(
            f"{where} forbids it (status 403): {said}; set MILLRACE_STORE__API_KEY to a key that has this right"
        )
        self.where, self.said = where, said


class TooLarge(Fatal):
    """One request is larger than the server, or a proxy on the way to it, takes."""


class Throttled(Unavailable):
    """The server asks to come back later: a budget of requests is spent, or smaller than one request."""

    def __init__(self, detail: str) -> None:
        super().__init__("store", detail)


TOO_LARGE_WORDS = ("larger than allowed", "payload has exceeded limit", "payload too large")
"""How the server's web framework puts it, with status 400."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the client raises within into our errors.

    Args:
        where: The server's address, for the message.

    Raises:
        Unavailable: the server cannot be reached, is overloaded, out of space, or something else answers in its place.
        Throttled: the server asks to wait.
        Fatal: the server refuses for good: the key, the request, or a collection that is gone.
        Forbidden: the key lacks a right.
        TooLarge: the request has to be cut.
    """
    try:
        yield
    except CLIENT_ERRORS as error:
        if too_large(error):
            raise TooLarge(
                f"a request is larger than {where} takes: raise service.max_request_size_mb of Qdrant, "
                "or the limit of the proxy before it"
            ) from None
        found = translate(error, where)
        if isinstance(found, Unavailable) and _throttled(error):
            raise Throttled(found.detail) from None
        raise found from None


@contextmanager
def permitted(where: str, act: str, remedy: str) -> Iterator[None]:
    """Translate as `translated` does, and say which right is missing where one is.

    Args:
        where: The server's address, for the message.
        act: What the key has to be allowed to do.
        remedy: What gives it the right, or makes it needless.

    Raises:
        Unavailable: as `translated`.
        Fatal: as `translated`.
    """
    try:
        with translated(where):
            yield
    except Forbidden as refusal:
        raise Fatal(f"the key of MILLRACE_STORE__API_KEY may not {act} at {where} ({refusal.said}): {remedy}") from None


def too_large(error: Exception) -> bool:
    """Return whether a request was refused for its size alone, by Qdrant or by a proxy on the way."""
    if isinstance(error, UnexpectedResponse):
        said = (_said(error.content) or "").lower()
        return error.status_code == TOO_LARGE or (
            error.status_code == BAD_REQUEST and any(words in said for words in TOO_LARGE_WORDS)
        )
    if isinstance(error, grpc.RpcError) and error.code() in (StatusCode.OUT_OF_RANGE, StatusCode.RESOURCE_EXHAUSTED):
        said = (error.details() or "").lower()
        return "message length too large" in said or "message larger than max" in said
    return False


def _throttled(error: Exception) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code == TOO_MANY
    exhausted = isinstance(error, grpc.RpcError) and error.code() is StatusCode.RESOURCE_EXHAUSTED
    return exhausted or isinstance(error, ResourceExhaustedResponse)


def translate(error: Exception, where: str) -> Unavailable | Fatal:
    """Return our error for one of the client's."""
    if isinstance(error, UnexpectedResponse):
        return _of_status(error, where)
    if isinstance(error, ResponseHandlingException):
        return _of_source(error.source, where)
    if isinstance(error, ResourceExhaustedResponse):
        return Unavailable("store", f"{where} asks to wait {error.retry_after_s} s: {_short(error.message)}")
    if isinstance(error, grpc.RpcError):
        return _of_code(error, where)
    return _of_source(error, where)


def already_exists(error: Exception) -> bool:
    """Return whether the server refused to create something because somebody else has."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 409 and _said(error.content) is not None
    return isinstance(error, grpc.RpcError) and error.code() is StatusCode.ALREADY_EXISTS


def _of_status(error: UnexpectedResponse, where: str) -> Unavailable | Fatal:
    status, said = error.status_code or 0, _said(error.content)
    if said is not None and said.startswith("Storage locked"):
        return Unavailable("store", f"{where} answered {status}: {said}")
    if status == PROXY_REFUSES:
        return Fatal(f"{where}: {PROXY_REFUSED} (status {status})")
    if status == FORBIDDEN and said is not None:
        return Forbidden(where, said)
    if status in KEY_REFUSED:
        return Fatal(f"{where} refuses the key (status {status}): set MILLRACE_STORE__API_KEY to one that may write")
    if said is None:
        return Unavailable("store", f"{where} answered {status}, and not in Qdrant's words: something is in between")
    if 400 <= status < 500 and status not in PASSING and not FULL.search(said):
        return Fatal(f"{where} refuses the request (status {status}): {said}")
    return Unavailable("store", f"{where} answered {status}: {said}")


def _of_code(error: grpc.RpcError, where: str) -> Unavailable | Fatal:
    code = error.code()
    if code is StatusCode.PERMISSION_DENIED and error.details():
        return Forbidden(where, f"{code.name}: {_short(error.details())}")
    if code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
        return Fatal(f"{where} refuses the key ({code.name}): set MILLRACE_STORE__API_KEY to one that may write")
    said = f"{code.name}: {_short(error.details() or '')}"
    if code in GRPC_FATAL and not FULL.search(said):
        return Fatal(f"{where} refuses the request, {said}")
    return Unavailable("store", f"{where} answered {said}")


def _of_source(source: Exception, where: str) -> Unavailable | Fatal:
    """Map what went wrong before there was an answer, or while it was read."""
    name = type(source).__name__
    if isinstance(source, httpx.UnsupportedProtocol):
        return Fatal(f"{where} is no address for http or https")
    if isinstance(source, httpx.TimeoutException):
        return Unavailable("store", f"{where} did not answer in time ({name})")
    if isinstance(source, httpx.ProxyError) and str(source).startswith(str(PROXY_REFUSES)):
        return Fatal(f"{where}: {PROXY_REFUSED}")
    if isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ProxyError):
        return Unavailable("store", f"{where} cannot be reached ({name}: {_short(str(source))})")
    if isinstance(source, httpx.HTTPError | httpx.StreamError | OSError):
        return Unavailable("store", f"{where} cannot be reached ({name})")
    if isinstance(source, ValueError | AssertionError | ApiException | QdrantException):
        return Unavailable("store", f"{where} sent an answer that is not Qdrant's ({name}): something is in between?")
    return Fatal(f"the client of {where} failed: {name}")


def _said(content: bytes) -> str | None:
    """Return the reason Qdrant gives in an error's body; None where the body is not Qdrant's."""
    try:
        status = json.loads(content)["status"]
        return _short(str(status["error"]))
    except (ValueError, TypeError, KeyError):
        return None


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= SAID_LIMIT_CHARS else one_line[:SAID_LIMIT_CHARS] + " ..."
