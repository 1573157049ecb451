"""The way to Qdrant's server: its client, whom it trusts, and the proxy, which the settings alone can name.

The variables of the environment that name proxies are for what leaves the network; the store seldom does. One of them that
cannot be read would end in a traceback of the client, so none is read.
"""

import ssl
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from qdrant_client import QdrantClient

from shared.errors import Fatal
from shared.settings import StoreSettings

GRPC_OPTIONS = {
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
}
"""A channel by itself waits up to two minutes before it connects again, and never notices that the other end has died."""

PROXY_VARIABLES = ("all_proxy", "http_proxy", "https_proxy", "grpc_proxy")
CERTIFICATES = "SSL_CERT_FILE"
CERTIFICATES_FOLDER = "SSL_CERT_DIR"


def client_of(settings: StoreSettings, environ: Mapping[str, str]) -> QdrantClient:
    """Return a client for the configured address; nothing is sent yet.

    Args:
        settings: Where the server is, and how to speak to it.
        environ: The environment, for the certificates to trust where the settings name none.

    Raises:
        Fatal: no address is configured, certificates cannot be read, or the proxy needs a package that is missing.
    """
    if settings.url is None:
        raise Fatal("MILLRACE_STORE__URL names no server")
    if proxy_of(settings).startswith("socks") and find_spec("socksio") is None:
        raise Fatal(
            "MILLRACE_STORE__PROXY names a SOCKS proxy, which needs the package socksio: "
            "install it, or name a proxy that begins with http://"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # `connect` logs it
        return QdrantClient(
            url=settings.url,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            prefer_grpc=settings.grpc,
            grpc_port=settings.grpc_port,
            grpc_options=_grpc_options(settings, environ),
            timeout=settings.timeout_s,
            check_compatibility=False,  # it only warns, from a thread of its own; `check_version` refuses
            **_rest_options(settings, environ),
        )


def where(settings: StoreSettings) -> str:
    """Return the server's address for messages, with the proxy on the way there if one is configured."""
    proxy = proxy_of(settings)
    return f"{settings.url} by the proxy {proxy}" if proxy else str(settings.url)


def proxy_of(settings: StoreSettings) -> str:
    """Return the proxy's scheme, host and port, without its user; empty if none is configured."""
    return "" if settings.proxy is None else str(settings.proxy)


def unused_proxies(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of the environment that name a proxy which the store's client does not use."""
    return sorted(name for name, value in environ.items() if name.lower() in PROXY_VARIABLES and value)


def _rest_options(settings: StoreSettings, environ: Mapping[str, str]) -> dict[str, Any]:
    proxy = "" if settings.proxy is None else settings.proxy.get_secret_value()
    tls = "https:" in (str(settings.url)[:6], proxy[:6])
    trusted = _trusted(settings, environ) if tls else None
    options: dict[str, Any] = {"trust_env": False, "verify": trusted or False}  # without TLS there is nothing to verify
    if proxy:
        options["proxy"] = httpx.Proxy(proxy, ssl_context=trusted if proxy.startswith("https:") else None)
    return options


def _grpc_options(settings: StoreSettings, environ: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = dict(GRPC_OPTIONS)  # a copy, since the client adds to it
    options["grpc.enable_http_proxy"] = int(settings.proxy is not None)
    if settings.proxy is not None:
        options["grpc.http_proxy"] = settings.proxy.get_secret_value()
    named = _certificates(settings, environ)
    if settings.grpc and named is not None and str(settings.url).startswith("https:"):
        _trusted(settings, environ)  # for its words, where the file is not what it should be
        options["root_certificates"] = named[1].read_bytes()
    return options


def _certificates(settings: StoreSettings, environ: Mapping[str, str]) -> tuple[str, Path] | None:
    """Return the variable that names a file of certificates, and the file; None if no variable does."""
    if settings.ca_file is not None:
        return "MILLRACE_STORE__CA_FILE", settings.ca_file
    return (CERTIFICATES, Path(environ[CERTIFICATES])) if environ.get(CERTIFICATES) else None


def _trusted(settings: StoreSettings, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return whom to trust: a file of certificates or a folder where a variable names one, else what the client brings."""
    named = _certificates(settings, environ)
    if named is None:
        folder = environ.get(CERTIFICATES_FOLDER)
        if folder and Path(folder).is_dir():
            return ssl.create_default_context(capath=folder)
        return httpx.create_ssl_context(trust_env=False)
    variable, file = named
    try:
        return ssl.create_default_context(cafile=str(file))
    except ssl.SSLError:
        why = "which holds no certificate in PEM"
    except OSError as error:
        why = f"which cannot be read ({error.strerror or type(error).__name__})"
    raise Fatal(f"{variable} names {file}, {why}: correct it, or unset it")
