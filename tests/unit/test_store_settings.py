"""The address and the key of the Qdrant server: what is accepted, what is refused, and that a key is never shown.

A green run does not prove that a server listens at an address.
"""

import pytest
from pydantic import SecretStr, ValidationError

from shared.errors import Fatal
from shared.settings import StoreSettings
from shared.vectorstore.qdrant.store import connect


@pytest.mark.parametrize(
    "url", ["http://localhost:6333", "https://qdrant.example", "https://host/prefix", "http://[::1]:6333"]
)
def test_addresses_are_accepted(url: str) -> None:
    assert StoreSettings(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "qdrant:6333",
        "localhost",
        "ftp://host:6333",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://host:6333/?api-key=hidden",
        "http://host:6333/#hidden",
        "https://user:hidden@host:6333",
        "https://hidden@host:6333",
    ],
)
def test_an_invalid_address_or_one_with_a_secret_is_refused_unquoted(url: str) -> None:
    with pytest.raises(ValidationError, match="https://host:6333") as refused:
        StoreSettings(url=url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "tab\t", "umlaut-ü", "\x00"])
def test_a_key_that_is_no_valid_header_value_is_refused_unquoted(key: str) -> None:
    with pytest.raises(ValidationError, match="an HTTP header must not contain") as refused:
        StoreSettings(api_key=SecretStr(key))
    assert not key.strip() or key not in str(refused.value)


def test_a_key_is_never_shown() -> None:
    settings = StoreSettings(url="https://host", api_key=SecretStr("hidden"))
    assert "hidden" not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"


def test_without_an_address_no_server_is_used() -> None:
    with pytest.raises(Fatal, match="MILLRACE_STORE__URL"):
        connect(StoreSettings())
