"""The network path to Qdrant's server: proxies, which only the settings can name, and trusted certificates.

A green run does not prove that every company's proxy lets gRPC through, nor that SOCKS works: its package is not
installed.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr, ValidationError
from qdrant_client import grpc as wire
from qdrant_client.grpc.qdrant_pb2_grpc import QdrantServicer, add_QdrantServicer_to_server

from shared.addresses import ProxyUrl
from shared.errors import Fatal, Unavailable
from shared.settings import StoreSettings
from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.setup import check_version
from shared.vectorstore.qdrant.store import QdrantStore, connect
from tests.support.certificates import Certificates
from tests.support.ports import free_ports
from tests.support.qdrant.http_proxy import ForwardProxy
from tests.support.qdrant.process import StandinProcess
from tests.support.vectors import point, point_id

VARIABLES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "GRPC_PROXY")
PASSWORD = "pw-that-nobody-should-read"  # noqa: S105  (recognisable, so that a leak is found)
NOWHERE = f"http://127.0.0.1:{free_ports(1)[0]}"
ODD = [
    {"ALL_PROXY": "socks5://127.0.0.1:1080"},
    {"ALL_PROXY": "socks4://127.0.0.1:1080"},
    {"HTTP_PROXY": "gopher://127.0.0.1:70", "HTTPS_PROXY": "gopher://127.0.0.1:70"},
    {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "GRPC_PROXY": NOWHERE},
    {"HTTP_PROXY": "http://[::1", "ALL_PROXY": "::"},
    {"HTTP_PROXY": NOWHERE, "NO_PROXY": "::1,[fe80::1]:80,10.0.0.0/8,fd00::/8"},
]


class Root(QdrantServicer):
    """Answers the health check as Qdrant does, and nothing else."""

    def HealthCheck(self, request: Any, context: Any) -> Any:
        """Return a version."""
        return wire.HealthCheckReply(title="qdrant", version="1.19.0")


@pytest.fixture
def grpc_port() -> Iterator[int]:
    """Yield the port of a gRPC server that answers the health check as Qdrant does."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_QdrantServicer_to_server(Root(), server)  # type: ignore[no-untyped-call]  # generated code
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def store_of(**settings: Any) -> QdrantStore:
    return connect(StoreSettings(timeout_s=5, **settings))


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, server: StandinProcess, spec: CollectionSpec, grpc_port: int, odd: dict[str, str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in odd.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    for host in ("127.0.0.1", "localhost"):
        store = store_of(url=server.url.replace("127.0.0.1", host))
        store.open(spec).upsert([point(1)])
        store.close()
    store = store_of(url=NOWHERE, grpc=True, grpc_port=grpc_port)
    assert check_version(store.link.client, "here") == "1.19.0"
    store.close()


@pytest.mark.parametrize("user", [None, f"someone:{PASSWORD}"])
def test_a_proxy_of_the_settings_is_used_for_both_protocols(
    server: StandinProcess, spec: CollectionSpec, grpc_port: int, user: str | None
) -> None:
    with ForwardProxy(user) as proxy:
        named = ProxyUrl(f"http://{user + '@' if user else ''}{proxy.place}")
        store = store_of(url=server.url, proxy=named)
        collection = store.open(spec)
        collection.upsert([point(1)])
        assert collection.versions([point_id(1)]) == {point_id(1): 1}
        store.close()
        assert f"GET {server.url}/" in proxy.passed
        store = store_of(url=NOWHERE, grpc=True, grpc_port=grpc_port, proxy=named)
        assert check_version(store.link.client, "here") == "1.19.0"
        store.close()
        assert f"CONNECT 127.0.0.1:{grpc_port}" in proxy.passed


def test_a_proxy_that_refuses_or_is_unavailable_is_named_without_its_password(
    server: StandinProcess, spec: CollectionSpec
) -> None:
    with ForwardProxy("someone:else") as proxy:
        for url in (server.url, "https://127.0.0.1:1"):
            store = store_of(url=url, proxy=ProxyUrl(f"http://someone:{PASSWORD}@{proxy.place}"))
            with pytest.raises(
                Fatal, match=f"through the proxy http://{proxy.place}.*MILLRACE_STORE__PROXY"
            ) as refused:
                store.open(spec)
            assert PASSWORD not in str(refused.value)
            store.close()
    store = store_of(url=server.url, proxy=ProxyUrl(f"http://someone:{PASSWORD}@{proxy.place}"))
    with pytest.raises(Unavailable, match=f"through the proxy http://{proxy.place}") as away:
        store.open(spec)
    assert PASSWORD not in str(away.value)
    store.close()


def test_a_socks_proxy_without_its_package_is_refused_with_the_remedy() -> None:
    with pytest.raises(Fatal, match=r"MILLRACE_STORE__PROXY .*socksio"):
        store_of(url=NOWHERE, proxy=ProxyUrl("socks5://127.0.0.1:1080"))


@pytest.mark.parametrize("proxy", ["", "proxy:3128", "socks4://host:1080", "ftp://host", "http://", "http://host:port"])
def test_an_invalid_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(ValidationError, match="http://host:3128"):
        StoreSettings(url=NOWHERE, proxy=ProxyUrl(proxy))


def test_a_proxy_and_certificates_that_would_have_no_effect_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("", encoding="utf-8")
    with pytest.raises(ValidationError, match=r"MILLRACE_STORE__PROXY must be used together with .*URL"):
        StoreSettings(proxy=ProxyUrl("http://host:3128"))
    with pytest.raises(ValidationError, match=r"MILLRACE_STORE__GRPC must be used together with .*PROXY"):
        StoreSettings(url=NOWHERE, grpc=True, proxy=ProxyUrl("https://host:3128"))
    with pytest.raises(ValidationError, match=r"MILLRACE_STORE__CA_FILE must be used together with .*URL"):
        StoreSettings(url=NOWHERE, ca_file=file)


def test_the_password_of_a_proxy_is_never_shown() -> None:
    settings = StoreSettings(url=NOWHERE, proxy=ProxyUrl(f"http://someone:{PASSWORD}@host:3128"))
    shown = f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    assert PASSWORD not in shown
    assert "http://host:3128" in shown


# --- certificates ---


class _Versioned(BaseHTTPRequestHandler):
    """Answers as Qdrant does when asked for its version, and nothing else."""

    def do_GET(self) -> None:
        content = json.dumps({"title": "qdrant", "version": "1.19.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def secured(certificates: Certificates) -> Iterator[str]:
    """Yield the address of a server with a certificate of an authority that is not trusted by default."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Versioned)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("by", ["CA_FILE", "SSL_CERT_FILE"])
def test_an_authority_named_by_the_settings_or_the_environment_is_trusted(
    monkeypatch: pytest.MonkeyPatch, secured: str, certificates: Certificates, by: str
) -> None:
    if by == "SSL_CERT_FILE":
        monkeypatch.setenv(by, str(certificates.authority))
    store = store_of(url=secured, ca_file=certificates.authority if by == "CA_FILE" else None)
    assert check_version(store.link.client, secured) == "1.19.0"
    store.close()


def test_an_unknown_authority_is_not_trusted(secured: str, certificates: Certificates) -> None:
    store = store_of(url=secured, ca_file=certificates.stranger)
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        check_version(store.link.client, secured)
    store.close()


@pytest.mark.parametrize("grpc_too", [False, True])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_certificates_that_cannot_be_read_are_named_with_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, grpc_too: bool
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
        with pytest.raises(
            Fatal, match=rf"MILLRACE_STORE__CA_FILE names {file}, which does not contain a PEM certificate"
        ):
            store_of(url="https://127.0.0.1:1", grpc=grpc_too, ca_file=file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(
        Fatal, match=rf"SSL_CERT_FILE names {file}, which (does not contain a PEM certificate|cannot be read)"
    ):
        store_of(url="https://127.0.0.1:1", grpc=grpc_too)


def test_a_missing_certificate_file_of_the_environment_does_not_matter_without_tls(
    monkeypatch: pytest.MonkeyPatch, server: StandinProcess, spec: CollectionSpec
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    store = store_of(url=server.url)
    store.open(spec)
    store.close()


def test_the_key_is_not_in_a_message_about_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x", encoding="utf-8")
    with pytest.raises(Fatal) as raised:
        store_of(url="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem", api_key=SecretStr(PASSWORD))
    assert PASSWORD not in str(raised.value)
