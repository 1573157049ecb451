"""Customer ids that are addresses or numbers become keyed digests: two customers remain two, one remains one.

A green run does not prove that a key is kept secret; anybody who has it can test guesses.
"""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from millrace.customer_key import customer_key, key_file
from millrace.doctor.privacy import check_customer_key
from shared.errors import Fatal
from shared.settings import PrivacySettings, Settings, StoreSettings
from shared.text.customers import PREFIX, CustomerIds
from tests.support.assembly import Assembly
from tests.support.tickets import event, record

KEY = b"a key that only the tests have, 32 bytes"
CUSTOMERS = CustomerIds(KEY, "US")
JO, AL = "jo@example.com", "al@example.com"


def stored(customer_id: str, tenant_id: str = "acme") -> str:
    return CUSTOMERS.stored(tenant_id, customer_id)


@pytest.mark.parametrize(
    "customer_id",
    [JO, "+33612345678", "(212) 555-0123", "06 12 34 56 78", "Jo <jo@example.com>", "whatsapp:+4915112345678",
     "tel:+1-212-555-0123", "DE89370400440532013000", "4111 1111 1111 1111", "4111111111111111", "jo%40example.com"],
)  # fmt: skip
def test_an_id_that_identifies_a_person_becomes_a_digest(customer_id: str) -> None:
    digest = stored(customer_id)
    assert digest.startswith(PREFIX)
    assert len(digest) == len(PREFIX) + 32
    assert customer_id not in digest
    assert stored(customer_id) == digest


@pytest.mark.parametrize("customer_id", ["C-41155", "2125550123", "é \u200b", "0000123456", "cus_9s6XKzkNRiz8i3", "jo"])
def test_every_other_id_stays_as_it_is(customer_id: str) -> None:
    assert stored(customer_id) == customer_id


def test_two_customers_have_two_digests_and_another_tenant_has_different_ones() -> None:
    ids = [JO, AL, "+33612345678", "+33612345679", "Jo <jo@example.com>, Al <al@example.com>", "Jo jo@example.com, 2",
           "+1 650 253 0000 ext 5", "+1 650 253 0000 ext 6", "shop1:jo@example.com", "shop2:jo@example.com"]  # fmt: skip
    assert len({stored(each) for each in ids}) == len(ids)
    assert stored(JO) != stored(JO, "other")
    assert CustomerIds(b"another" * 8, "US").stored("acme", JO) != stored(JO)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (JO, "Jo@Example.COM"),
        (JO, "mailto:jo@example.com"),
        (JO, "jo%40example.com"),
        (JO, "\uff4a\uff4f\uff20example.com"),
        ("+33612345678", "0033 6 12 34 56 78"),
        ("+33612345678", "+33 6 12 34 56 78"),
        ("+12125550123", "(212) 555-0123"),
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
    ],
)
def test_two_spellings_of_one_customer_have_one_digest(one: str, other: str) -> None:
    assert stored(one) == stored(other)


def test_a_worker_stores_digests() -> None:
    parts = Assembly()
    parts.settle(
        *(record(event(ticket_id=f"T-{n}", customer_id=who), n) for n, who in enumerate([JO, AL, JO.upper(), "C-1"]))
    )
    ids = {str(p.payload["ticket_id"]): str(p.payload["customer_id"]) for p in parts.collection.points.values()}
    assert ids["T-0"] == ids["T-2"] != ids["T-1"]
    assert ids["T-3"] == "C-1"
    assert "@" not in "".join(ids.values())


def settings(folder: Path, key: str | None = None, url: str | None = None) -> Settings:
    return Settings(
        privacy=PrivacySettings(customer_key=None if key is None else SecretStr(key)),
        store=StoreSettings(url=url, path=folder / "state" / "store"),
    )


def test_the_configured_key_is_used_and_no_file_is_created(tmp_path: Path) -> None:
    assert customer_key(settings(tmp_path, "k" * 32, "http://qdrant:6333")) == b"k" * 32
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_store_has_its_own_key_that_stays_the_same(tmp_path: Path) -> None:
    key = customer_key(settings(tmp_path))
    assert len(key) == 64
    assert customer_key(settings(tmp_path)) == key
    [made] = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_server_needs_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="MILLRACE_PRIVACY__CUSTOMER_KEY"):
        customer_key(settings(tmp_path, url="http://qdrant:6333"))


def test_a_file_that_is_no_valid_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    key_file(settings(tmp_path)).write_text("short")
    with pytest.raises(Fatal, match="contains no key"):
        customer_key(settings(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(Fatal, match="cannot be read or created"):
        customer_key(settings(tmp_path / "file"))


def test_a_short_key_is_refused_without_being_shown() -> None:
    with pytest.raises(ValidationError, match="shorter than 32") as caught:
        PrivacySettings(customer_key=SecretStr("hunter2"))
    assert "hunter2" not in str(caught.value)


def test_doctor_checks_the_key(tmp_path: Path) -> None:
    def states(wanted: Settings) -> list[str]:
        return [finding.state for finding in check_customer_key(wanted)]

    assert states(settings(tmp_path, "k" * 32)) == ["ok"]
    assert states(settings(tmp_path, url="http://qdrant:6333")) == ["wrong"]
    assert states(settings(tmp_path)) == ["ok"]
    assert not (tmp_path / "state").exists()
    (tmp_path / "state" / "store").mkdir(parents=True)
    assert states(settings(tmp_path)) == ["warning"]
    customer_key(settings(tmp_path))
    assert states(settings(tmp_path)) == ["ok"]
    key_file(settings(tmp_path)).chmod(0o644)
    assert states(settings(tmp_path)) == ["warning"]
