"""The settings show none of their secrets, and combinations that cannot work are refused by name.

A green run does not prove that the code behind keeps a secret: `tests/faults/test_secrets.py` searches the output.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from shared.settings import BrokerSettings, CacheSettings, Settings

SECRET = "St4-secret-9Hx6Jb"  # noqa: S105  (recognisable, so that a leak is found)
SASL = {"security_protocol": "sasl_ssl", "sasl_mechanism": "SCRAM-SHA-512", "username": "u", "password": SECRET}
MUST_BE_SECRET = ("password", "secret", "token", "api_key", "redis_url")


def fields() -> Iterator[tuple[str, str, Any]]:
    """Yield the part, name and type of every setting."""
    for part, branch in Settings.model_fields.items():
        assert isinstance(branch.annotation, type)
        assert issubclass(branch.annotation, BaseModel)
        for name, field in branch.annotation.model_fields.items():
            yield part, name, field.annotation


def secrets() -> list[tuple[str, str]]:
    return [(part, name) for part, name, kind in fields() if kind is SecretStr or SecretStr in get_args(kind)]


def test_a_setting_that_sounds_like_a_secret_is_stored_as_one() -> None:
    named = {(part, name) for part, name, _ in fields() if name.endswith(MUST_BE_SECRET)}
    assert named <= set(secrets())
    assert {("broker", "password"), ("broker", "key_password"), ("cache", "redis_url")} <= set(secrets())


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("x", encoding="utf-8")
    for name, value in SASL.items():
        monkeypatch.setenv(f"MILLRACE_BROKER__{name.upper()}", value)
    for name in ("CERT_FILE", "KEY_FILE"):
        monkeypatch.setenv(f"MILLRACE_BROKER__{name}", str(file))
    monkeypatch.setenv("MILLRACE_BROKER__KEY_PASSWORD", SECRET)
    monkeypatch.setenv("MILLRACE_CACHE__REDIS_URL", f"rediss://u:{SECRET}@host")
    settings = Settings()
    assert settings.broker.password is not None
    assert settings.broker.password.get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{SECRET}@host",
        f"redis://u:{SECRET}/x@host",
        f"redis://u:{SECRET}@host:port",
        f"redis://u:{SECRET}@host:99999",
        f"redis://u:{SECRET}@[host",
        f"redis://u:{SECRET}@",
        f"redis://u:{SECRET}@host/nine",
        f"redis://u:{SECRET}@host?ssl_cert_reqs=none",
        f"redis://u:#{SECRET}@host",
        f"redis://u:{SECRET}@ho\u2100st",
        SECRET,
        " ",
    ],
)
def test_an_invalid_address_of_redis_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MILLRACE_CACHE__REDIS_URL", url)
    with pytest.raises(ValidationError) as caught:
        Settings()
    [error] = caught.value.errors()
    assert error["loc"] == ("cache", "redis_url")
    assert SECRET not in error["msg"]
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"security_protocol": "sasl_ssl"}, "SASL_MECHANISM"),
        ({"security_protocol": "sasl_ssl", "sasl_mechanism": "PLAIN"}, "USERNAME"),
        ({"security_protocol": "sasl_ssl", "sasl_mechanism": "PLAIN", "username": "u"}, "PASSWORD"),
        ({"password": SECRET}, "PASSWORD"),
        ({"security_protocol": "ssl", "username": "u"}, "USERNAME"),
        (SASL | {"security_protocol": "sasl_plaintext", "sasl_mechanism": "PLAIN"}, "SASL_MECHANISM"),
        ({"ca_file": __file__}, "CA_FILE"),
        ({"security_protocol": "ssl", "cert_file": __file__}, "CERT_FILE"),
        ({"security_protocol": "ssl", "key_file": __file__}, "CERT_FILE"),
        ({"security_protocol": "ssl", "key_password": SECRET}, "KEY_PASSWORD"),
    ],
)
def test_settings_that_cannot_work_with_kafka_are_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(
        ValidationError, match=f"MILLRACE_BROKER__{named} must be used together with MILLRACE_BROKER__"
    ) as caught:
        BrokerSettings.model_validate(given)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ca_file": __file__}, "CA_FILE"),
        ({"redis_url": "redis://host", "ca_file": __file__}, "CA_FILE"),
        ({"redis_url": "rediss://host", "cert_file": __file__}, "CERT_FILE"),
    ],
)
def test_settings_that_cannot_work_with_redis_are_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=f"MILLRACE_CACHE__{named} must be used together with MILLRACE_CACHE__"):
        CacheSettings.model_validate(given)


def test_a_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        BrokerSettings.model_validate({"security_protocol": "ssl", "ca_file": "gone.pem"})
    assert caught.value.errors()[0]["loc"] == ("ca_file",)


def test_user_and_password_are_decoded() -> None:
    settings = CacheSettings.model_validate({"redis_url": "rediss://u%40x:a%2Fb%3A@host:7000/3"})
    assert settings.redis_url is not None
    from shared.addresses import RedisAddress

    address = RedisAddress.parse(settings.redis_url.get_secret_value())
    assert (address.host, address.port, address.database, address.tls) == ("host", 7000, 3, True)
    assert (address.username, address.password) == ("u@x", "a/b:")
    assert "a/b:" not in repr(address)
