"""Each error of Qdrant's client becomes `Unavailable` or `Fatal`, without exception, and no message shows a secret.

A green run does not prove that a real server chooses its statuses and words as its public source does, nor that an
error which the client does not raise yet would be understood.
"""

import ast
import json
from pathlib import Path

import grpc
import httpx
import pytest
import qdrant_client
from pydantic import BaseModel, ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from shared.errors import Fatal, Unavailable
from shared.vectorstore.qdrant.client_errors import (
    CLIENT_ERRORS,
    GRPC_FATAL,
    GRPC_PASSING,
    Forbidden,
    Throttled,
    TooLarge,
    already_exists,
    translate,
    translated,
)

WHERE = "https://qdrant.example:6333"
CONFIDENTIAL = "the-words-of-a-ticket"

KNOWN = {
    ApiException,
    UnexpectedResponse,
    ResponseHandlingException,
    QdrantException,
    ResourceExhaustedResponse,
}
PASSING = {408, 425, 429, *range(500, 600)}


def answered(status: int, body: bytes | None = None) -> UnexpectedResponse:
    """Return the exception that the client raises for a status."""
    content = json.dumps({"status": {"error": "Wrong input: why"}}).encode() if body is None else body
    return UnexpectedResponse(status, "reason", content, httpx.Headers())


def rpc(code: grpc.StatusCode, details: str = "why") -> grpc.RpcError:
    """Return the exception that gRPC raises for a code."""

    class Failed(grpc.RpcError):  # type: ignore[misc]  # the library has no types
        def code(self) -> grpc.StatusCode:
            return code

        def details(self) -> str:
            return details

    return Failed()


def invalid() -> ValidationError:
    """Return the client's error about an invalid answer; its text quotes the answer."""

    class Model(BaseModel):
        field: int

    with pytest.raises(ValidationError) as raised:
        Model.model_validate({"field": CONFIDENTIAL})
    assert CONFIDENTIAL in str(raised.value)
    return raised.value


def exceptions_in(folder: Path) -> set[str]:
    """Return every class in a package's source that has, directly or not, a base that looks like an exception."""
    bases: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {ast.unparse(base).split(".")[-1] for base in node.bases}
                bases.setdefault(node.name, set()).update(names)
    found: set[str] = set()
    while True:
        more = {
            name
            for name, its in bases.items()
            if name not in found
            and any(base in found or base.endswith(("Exception", "Error", "ExceptionGroup")) for base in its)
        }
        if not more:
            return found
        found |= more


def subclasses(base: type[Exception]) -> set[type[Exception]]:
    """Return a class and its subclasses in the same library: other libraries derive from httpx's classes too."""
    library = base.__module__.split(".")[0]
    own = [each for each in base.__subclasses__() if each.__module__.split(".")[0] == library]
    return {base} | {deeper for each in own for deeper in subclasses(each)}


def test_every_exception_of_the_client_is_mapped_by_somebody() -> None:
    found = exceptions_in(Path(qdrant_client.__file__).parent)
    assert found == {each.__name__ for each in KNOWN}
    assert all(issubclass(each, CLIENT_ERRORS) for each in KNOWN)


def test_a_planted_exception_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("class Odd(ApiException): ...\nclass Odder(Odd): ...\nclass Model(BaseModel): ...")
    assert exceptions_in(tmp_path) == {"Odd", "Odder"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ApiException(), Unavailable),
        (answered(500), Unavailable),
        (ResponseHandlingException(httpx.ConnectError("refused")), Unavailable),
        (QdrantException("Retry-After header value is not a valid integer"), Unavailable),
        (ResourceExhaustedResponse("too many", 3), Unavailable),
    ],
)
def test_each_of_the_client_s_exceptions_is_mapped(error: Exception, expected: type[Exception]) -> None:
    assert type(translate(error, WHERE)) is expected


def test_every_grpc_code_is_mapped() -> None:
    assert set(grpc.StatusCode) - {grpc.StatusCode.OK} == GRPC_FATAL | GRPC_PASSING
    assert not GRPC_FATAL & GRPC_PASSING
    for code in GRPC_FATAL:
        assert isinstance(translate(rpc(code), WHERE), Fatal), code
    for code in GRPC_PASSING:
        assert isinstance(translate(rpc(code), WHERE), Unavailable), code


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_is_mapped(status: int) -> None:
    error = translate(answered(status), WHERE)
    assert isinstance(error, Unavailable if status in PASSING else Fatal)
    assert WHERE in str(error)
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 405, 413, 422, 500, 502, 503, 504])
def test_an_answer_that_is_not_from_qdrant_is_unavailable(status: int) -> None:
    for body in (b"<html>" + CONFIDENTIAL.encode(), b"", b"[]", b'{"status": "ok"}', b"\xff\xfe"):
        error = translate(answered(status, body), WHERE)
        assert isinstance(error, Unavailable), body
        assert CONFIDENTIAL not in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_fatal_whatever_the_words(status: int) -> None:
    error = translate(answered(status, b"Invalid API key or JWT"), WHERE)
    assert isinstance(error, Fatal)
    assert "MILLRACE_STORE__API_KEY" in str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(413), TooLarge),
        (answered(413, b"<html>"), TooLarge),
        (
            answered(400, b'{"status": {"error": "JSON payload (9 bytes) is larger than allowed (limit: 8 bytes)."}}'),
            TooLarge,
        ),
        (answered(400), Fatal),
        (rpc(grpc.StatusCode.OUT_OF_RANGE, "Error, decoded message length too large: found 9"), TooLarge),
        (rpc(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 8)"), TooLarge),
        (rpc(grpc.StatusCode.RESOURCE_EXHAUSTED), Throttled),
        (answered(429), Throttled),
        (ResourceExhaustedResponse("too many", 3), Throttled),
        (answered(403), Forbidden),
        (rpc(grpc.StatusCode.PERMISSION_DENIED), Forbidden),
        (answered(407, b"who are you?"), Fatal),
    ],
)
def test_refusals_that_smaller_requests_a_wait_or_a_right_would_fix_are_distinguished(
    error: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as raised, translated(WHERE):
        raise error
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    "said",
    [
        "Bad request: Max points count limit of 10 reached!",
        "Bad request: Max vector storage size limit of 1.5MB reached!",
        "Bad request: Max payload storage size limit of 20MB reached!",
    ],
)
def test_a_full_collection_is_unavailable(said: str) -> None:
    body = json.dumps({"status": {"error": said}}).encode()
    for error in (answered(400, body), rpc(grpc.StatusCode.INVALID_ARGUMENT, said)):
        assert isinstance(translate(error, WHERE), Unavailable)
        assert said in str(translate(error, WHERE))
    refused = b'{"status": {"error": "Bad request: Filter condition limit reached (5 > 4). Help: Reduce it."}}'
    assert isinstance(translate(answered(400, refused), WHERE), Fatal)


def test_a_locked_storage_is_unavailable() -> None:
    body = b'{"status": {"error": "Storage locked: write operations are forbidden"}}'
    assert isinstance(translate(answered(403, body), WHERE), Unavailable)


@pytest.mark.parametrize("source", sorted(subclasses(httpx.HTTPError), key=str))
def test_every_transport_error_is_mapped_and_quotes_no_header(source: type[httpx.HTTPError]) -> None:
    if source is httpx.HTTPStatusError:
        request = httpx.Request("GET", WHERE)
        error: Exception = httpx.HTTPStatusError(CONFIDENTIAL, request=request, response=httpx.Response(500))
    else:
        error = source(f"Illegal header value {CONFIDENTIAL}" if source is httpx.LocalProtocolError else "why")
    mapped = translate(ResponseHandlingException(error), WHERE)
    assert isinstance(mapped, Fatal if source is httpx.UnsupportedProtocol else Unavailable)
    assert CONFIDENTIAL not in str(mapped)


def test_an_invalid_answer_is_never_quoted() -> None:
    for error in (
        ResponseHandlingException(invalid()),
        json.JSONDecodeError("Expecting value", CONFIDENTIAL, 0),
        UnicodeDecodeError("utf-8", CONFIDENTIAL.encode(), 0, 1, "invalid start byte"),
        AssertionError("Upsert returned None result"),
    ):
        with pytest.raises(Unavailable, match="not Qdrant's") as raised, translated(WHERE):
            raise error
        assert CONFIDENTIAL not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__


def test_a_bug_in_the_adapter_is_no_outage() -> None:
    assert isinstance(translate(ResponseHandlingException(TypeError("oops")), WHERE), Fatal)
    with pytest.raises(TypeError), translated(WHERE):
        raise TypeError("oops")


def test_the_requested_wait_is_shown() -> None:
    assert "wait 17 s" in str(translate(ResourceExhaustedResponse("slow down", 17), WHERE))


def test_a_long_answer_is_truncated_to_one_line() -> None:
    body = json.dumps({"status": {"error": "a\nb " * 1_000}}).encode()
    said = str(translate(answered(500, body), WHERE))
    assert len(said) < 500
    assert "\n" not in said


def test_a_lost_race_to_create_is_distinguished_from_other_refusals() -> None:
    body = b'{"status": {"error": "Wrong input: Collection `tickets` already exists!"}}'
    assert already_exists(answered(409, body))
    assert not already_exists(answered(400, body)), "an alias has the name"
    assert already_exists(rpc(grpc.StatusCode.ALREADY_EXISTS))
    assert not already_exists(answered(400))
    assert not already_exists(answered(500, body))
    assert not already_exists(rpc(grpc.StatusCode.INVALID_ARGUMENT))
    assert not already_exists(ApiException())
