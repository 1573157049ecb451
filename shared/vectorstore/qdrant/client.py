"""The client for Qdrant's server, the certificates that it trusts, and the proxy, which only the settings can name.

The environment variables that name proxies are meant for traffic that leaves the network, and the store's seldom does.
A variable with an invalid value would end in a traceback from the client, so all of them are ignored.
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
"""By default a channel waits up to two minutes before it reconnects, and never notices that the other end has died."""

PROXY_VARIABLES = ("all_proxy", "http_proxy", "https_proxy", "grpc_proxy")
CERTIFICATES = "SSL_CERT_FILE"
CERTIFICATES_FOLDER = "SSL_CERT_DIR"


def client_of(settings: StoreSettings, environ: Mapping[str, str]) -> QdrantClient:
    """Return a client for the configured address; nothing is sent yet.

    Args:
        settings: The server's address, and how to connect to it.
        environ: The environment variables, for the certificates to trust if the settings name no file.

    Raises:
        Fatal: no address is configured, certificates cannot be read, or the proxy needs a package that is missing.
    """
    if settings.url is None:
        raise Fatal("MILLRACE_STORE__URL is not set: set it to the address of the Qdrant server")
    if proxy_of(settings).startswith("socks") and find_spec("socksio") is None:
        raise Fatal(
            "MILLRACE_STORE__PROXY names a SOCKS proxy, which needs the package socksio: "
            "install the package, or set a proxy that begins with http://"
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
    """Return the server's address for messages, with the proxy if one is configured."""
    proxy = proxy_of(settings)
    return f"{settings.url} through the proxy {proxy}" if proxy else str(settings.url)


def proxy_of(settings: StoreSettings) -> str:
    """Return the proxy's scheme, host and port, without its user; an empty string if no proxy is configured."""
    return "" if settings.proxy is None else str(settings.proxy)


def unused_proxies(environ: Mapping[str, str]) -> list[str]:
    """Return the environment variables that name a proxy; the store's client uses none of them."""
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
        _trusted(settings, environ)  # raises a clear error if the file is not valid
        options["root_certificates"] = named[1].read_bytes()
    return options


def _certificates(settings: StoreSettings, environ: Mapping[str, str]) -> tuple[str, Path] | None:
    """Return the variable that names a file of certificates, and the file; None if no variable is set."""
    if settings.ca_file is not None:
        return "MILLRACE_STORE__CA_FILE", settings.ca_file
    return (CERTIFICATES, Path(environ[CERTIFICATES])) if environ.get(CERTIFICATES) else None


def _trusted(settings: StoreSettings, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the certificates to trust: the file or folder that a variable names, else those that the client brings."""
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
        why = "which does not contain a PEM certificate"
    except OSError as error:
        why = f"which cannot be read ({error.strerror or type(error).__name__})"
    raise Fatal(f"{variable} names {file}, {why}: correct the variable, or unset it")
