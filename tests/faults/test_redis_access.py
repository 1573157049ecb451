"""Redis with TLS, a password and access rules: only permitted clients get in, with no more rights than the docs list.

A green run does not prove anything about an attacker who controls the certificate authority, nor about other users of
Redis.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.cache.port import cache_key
from shared.cache.redis import RedisCache
from shared.errors import Fatal
from shared.records import Embedded
from tests.support.certificates import Certificates
from tests.support.redis.caches import RecordingObserver, redis_cache
from tests.support.redis.server import RedisServer
from tests.support.sources import ROOT

USER, PASSWORD = "millrace", "Rd6/redis@3Wn8Vc"
ENCODED = "Rd6%2Fredis%403Wn8Vc"
RULE = f"user {USER} on >{PASSWORD} ~millrace:v1:* resetchannels -@all +mget +set"
DIM = 8
KEY = cache_key("text", b"one", "00000001")
VECTOR = np.eye(DIM, dtype=np.float32)[0]


@pytest.fixture(scope="module")
def guarded(certificates: Certificates, _redis_can_run: None) -> Iterator[RedisServer]:
    with RedisServer(certificates, settings=("user default off", RULE)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(certificates: Certificates, _redis_can_run: None) -> Iterator[RedisServer]:
    with RedisServer(certificates, mutual=True) as server:
        yield server


def is_usable(cache: RedisCache) -> bool:
    """Return whether a stored vector comes back."""
    with closing(cache):
        cache.put_many({KEY: Embedded(VECTOR, 1)})
        return KEY in cache.get_many([KEY])


def url(server: RedisServer, who: str = f"{USER}:{ENCODED}@", scheme: str = "rediss") -> str:
    return f"{scheme}://{who}127.0.0.1:{server.port}"


def test_the_documented_rule_is_the_one_tested_here() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert RULE.replace(PASSWORD, "PASSWORD") in page


def test_tls_a_user_and_the_least_rights_are_enough(guarded: RedisServer, certificates: Certificates) -> None:
    reported = RecordingObserver()
    assert is_usable(redis_cache(url(guarded), DIM, reported=reported, ca_file=certificates.authority))
    assert reported.failures == []


def refusal(server: RedisServer, address: str, **changes: Any) -> tuple[str, str]:
    """Return kind and wording of the one line that is logged if a cache cannot be used."""
    reported = RecordingObserver()
    with capture_logs() as lines:
        assert not is_usable(redis_cache(address, DIM, reported=reported, **changes))
    assert lines
    assert reported.failures
    assert PASSWORD not in repr(lines)
    return reported.failures[0][1], str(lines[0]["error"])


def test_an_unknown_authority_is_not_trusted(guarded: RedisServer, certificates: Certificates) -> None:
    kind, said = refusal(guarded, url(guarded), ca_file=certificates.stranger)
    assert (kind, said) == ("connection", "CERTIFICATE_VERIFY_FAILED")


def test_a_server_with_another_name_is_not_trusted(guarded: RedisServer, certificates: Certificates) -> None:
    address = url(guarded).replace("127.0.0.1", "localhost")  # the certificate contains the address only
    kind, said = refusal(guarded, address, ca_file=certificates.authority)
    assert (kind, said) == ("connection", "CERTIFICATE_VERIFY_FAILED")


def test_a_connection_without_tls_is_refused(guarded: RedisServer) -> None:
    kind, _ = refusal(guarded, url(guarded, scheme="redis"))
    assert kind in ("connection", "protocol", "timeout")


@pytest.mark.parametrize(("who", "said"), [("millrace:wrong@", "WRONGPASS"), ("", "NOAUTH"), (":secret@", "WRONGPASS")])
def test_wrong_credentials_are_refused(guarded: RedisServer, certificates: Certificates, who: str, said: str) -> None:
    kind, reported = refusal(guarded, url(guarded, who), ca_file=certificates.authority)
    assert kind == "refused"
    assert said in reported or "Authentication" in reported


def test_a_server_that_requires_client_certificates(mutual: RedisServer, certificates: Certificates) -> None:
    own: dict[str, Any] = {"cert_file": certificates.client, "key_file": certificates.client_key}
    assert is_usable(redis_cache(url(mutual, ""), DIM, ca_file=certificates.authority, **own))
    kind, _ = refusal(mutual, url(mutual, ""), ca_file=certificates.authority)
    assert kind == "connection"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"ca_file": "server_key"}, "CA_FILE"),
        ({"cert_file": "client", "key_file": "server_key"}, "CERT_FILE"),
        ({"cert_file": "client", "key_file": "locked_key"}, "CERT_FILE"),
    ],
)
def test_wrong_certificate_files_stop_the_start(certificates: Certificates, files: dict[str, str], named: str) -> None:
    chosen = {setting: getattr(certificates, file) for setting, file in files.items()}
    with pytest.raises(Fatal, match=f"MILLRACE_CACHE__{named}"):
        redis_cache("rediss://127.0.0.1", DIM, **chosen)
