"""Translation of the errors of Qdrant's client: `Unavailable` if waiting may fix the problem, `Fatal` if it cannot.

No message quotes a response that is not from Qdrant, or the request: both may contain a ticket's text or the key. For
the same reason no error is chained. The table and its sources: `docs/decisions/0010-qdrant-server.md`.
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

REASON_LIMIT_CHARS = 300

BAD_REQUEST, FORBIDDEN, PROXY_REFUSES, TOO_LARGE, TOO_MANY = 400, 403, 407, 413, 429
KEY_REFUSED = (401, FORBIDDEN)
PROXY_REFUSED = "the proxy rejects the user or the password in MILLRACE_STORE__PROXY: correct the setting"
PASSING = (408, 425, TOO_MANY)
"""The 4xx statuses that waiting can fix: request timeout, too early, too many requests."""

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
"""The collection is as large as its strict mode allows; as with a full disk, an operator frees space or allows more."""

CLIENT_ERRORS = (
    ApiException,
    QdrantException,
    grpc.RpcError,
    httpx.HTTPError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    AssertionError,  # the client raises this for an answer without a result
)
"""Errors that the client raises because of the server or the network; any other error is a bug and ends the worker."""


class Forbidden(Fatal):
    """The server knows the key, but the key lacks a right; `reason` is the server's reason."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where} forbids the request (status 403): {reason}; set MILLRACE_STORE__API_KEY to a key with this right"
        )
        self.where, self.reason = where, reason


class TooLarge(Fatal):
    """One request is larger than the server, or a proxy in front of it, accepts."""


class Throttled(Unavailable):
    """The server asks to try again later: a rate limit is used up, or is smaller than one request."""

    def __init__(self, detail: str) -> None:
        super().__init__("store", detail)


TOO_LARGE_WORDS = ("larger than allowed", "payload has exceeded limit", "payload too large")
"""Parts of the messages with which the server's web framework rejects a large request, with status 400."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Translate errors that the client raises in the `with` block into the errors of `shared.errors`.

    Args:
        where: The server's address, for the message.

    Raises:
        Unavailable: the server cannot be reached, is overloaded or out of space, or something else answers instead.
        Throttled: the server asks to wait.
        Fatal: waiting does not help: the server rejects the key or the request, or the collection was deleted.
        Forbidden: the key lacks a right.
        TooLarge: the request has to be split.
    """
    try:
        yield
    except CLIENT_ERRORS as error:
        if too_large(error):
            raise TooLarge(
                f"a request is larger than {where} accepts: raise service.max_request_size_mb of Qdrant, "
                "or the limit of the proxy in front of it"
            ) from None
        found = translate(error, where)
        if isinstance(found, Unavailable) and _throttled(error):
            raise Throttled(found.detail) from None
        raise found from None


@contextmanager
def permitted(where: str, act: str, remedy: str) -> Iterator[None]:
    """Translate errors as `translated` does, and state which right the key lacks if it lacks one.

    Args:
        where: The server's address, for the message.
        act: The action that the key must be allowed to do.
        remedy: How to give the key this right, or how to manage without it.

    Raises:
        Unavailable: as `translated`.
        Fatal: as `translated`.
    """
    try:
        with translated(where):
            yield
    except Forbidden as refusal:
        denied = f"the key in MILLRACE_STORE__API_KEY may not {act} at {where} ({refusal.reason})"
        raise Fatal(f"{denied}: {remedy}") from None


def too_large(error: Exception) -> bool:
    """Return whether a request was rejected only because of its size, by Qdrant or by a proxy in front of it."""
    if isinstance(error, UnexpectedResponse):
        reason = (_reason_in(error.content) or "").lower()
        return error.status_code == TOO_LARGE or (
            error.status_code == BAD_REQUEST and any(words in reason for words in TOO_LARGE_WORDS)
        )
    if isinstance(error, grpc.RpcError) and error.code() in (StatusCode.OUT_OF_RANGE, StatusCode.RESOURCE_EXHAUSTED):
        reason = (error.details() or "").lower()
        return "message length too large" in reason or "message larger than max" in reason
    return False


def _throttled(error: Exception) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code == TOO_MANY
    exhausted = isinstance(error, grpc.RpcError) and error.code() is StatusCode.RESOURCE_EXHAUSTED
    return exhausted or isinstance(error, ResourceExhaustedResponse)


def translate(error: Exception, where: str) -> Unavailable | Fatal:
    """Return the error of `shared.errors` for an error of the client."""
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
    """Return whether the server refused to create something because it already exists."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 409 and _reason_in(error.content) is not None
    return isinstance(error, grpc.RpcError) and error.code() is StatusCode.ALREADY_EXISTS


def _of_status(error: UnexpectedResponse, where: str) -> Unavailable | Fatal:
    status, reason = error.status_code or 0, _reason_in(error.content)
    if reason is not None and reason.startswith("Storage locked"):
        return Unavailable("store", f"{where} answered with status {status}: {reason}")
    if status == PROXY_REFUSES:
        return Fatal(f"{where}: {PROXY_REFUSED} (status {status})")
    if status == FORBIDDEN and reason is not None:
        return Forbidden(where, reason)
    if status in KEY_REFUSED:
        return Fatal(
            f"{where} rejects the key (status {status}): set MILLRACE_STORE__API_KEY to a valid key; a "
            "worker needs one that may read and write"
        )
    if reason is None:
        return Unavailable(
            "store",
            f"{where} answered with status {status}, but not as Qdrant does: perhaps a proxy answers in "
            "its place; check MILLRACE_STORE__URL",
        )
    if 400 <= status < 500 and status not in PASSING and not FULL.search(reason):
        return Fatal(f"{where} rejects the request (status {status}): {reason}")
    return Unavailable("store", f"{where} answered with status {status}: {reason}")


def _of_code(error: grpc.RpcError, where: str) -> Unavailable | Fatal:
    code = error.code()
    if code is StatusCode.PERMISSION_DENIED and error.details():
        return Forbidden(where, f"{code.name}: {_short(error.details())}")
    if code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
        return Fatal(
            f"{where} rejects the key ({code.name}): set MILLRACE_STORE__API_KEY to a valid key; a worker "
            "needs one that may read and write"
        )
    reason = f"{code.name}: {_short(error.details() or '')}"
    if code in GRPC_FATAL and not FULL.search(reason):
        return Fatal(f"{where} rejects the request, {reason}")
    return Unavailable("store", f"{where} answered with {reason}")


def _of_source(source: Exception, where: str) -> Unavailable | Fatal:
    """Translate an error that occurred before a response arrived, or while the response was read."""
    name = type(source).__name__
    if isinstance(source, httpx.UnsupportedProtocol):
        return Fatal(f"{where} is not an http or https address: correct MILLRACE_STORE__URL")
    if isinstance(source, httpx.TimeoutException):
        return Unavailable("store", f"{where} did not answer in time ({name})")
    if isinstance(source, httpx.ProxyError) and str(source).startswith(str(PROXY_REFUSES)):
        return Fatal(f"{where}: {PROXY_REFUSED}")
    if isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ProxyError):
        return Unavailable("store", f"{where} cannot be reached ({name}: {_short(str(source))})")
    if isinstance(source, httpx.HTTPError | httpx.StreamError | OSError):
        return Unavailable("store", f"{where} cannot be reached ({name})")
    if isinstance(source, ValueError | AssertionError | ApiException | QdrantException):
        return Unavailable(
            "store",
            f"{where} sent an answer that is not Qdrant's ({name}): perhaps a proxy answers in its place; "
            "check MILLRACE_STORE__URL",
        )
    return Fatal(f"the Qdrant client for {where} failed with an unexpected error ({name}); report this as a bug")


def _reason_in(content: bytes) -> str | None:
    """Return the reason in the body of an error response; None if the body is not from Qdrant."""
    try:
        status = json.loads(content)["status"]
        return _short(str(status["error"]))
    except (ValueError, TypeError, KeyError):
        return None


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= REASON_LIMIT_CHARS else one_line[:REASON_LIMIT_CHARS] + " ..."
