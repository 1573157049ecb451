"""Which addresses a fetch may connect to. A green run does not prove that a network has no other private addresses."""

from ipaddress import ip_address

import pytest

from shared.media.fetching.addresses import AddressRules

PUBLIC = (
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.3.1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
)  # fmt: skip
PRIVATE = (
    # This machine, its network, and what routers do not forward
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.0.1", "100.64.0.1", "100.127.255.254", "192.0.0.1", "198.18.0.1", "198.19.255.255", "192.88.99.1",
    "::", "::1", "fe80::1", "fe80::1%2", "febf::1", "fec0::1", "fc00::1", "fdff::1",
    # Groups, documentation and what nobody has
    "224.0.0.1", "239.255.255.255", "233.252.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1",
    "203.0.113.1", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "4000::1", "5f00::1", "::2",
    # Metadata of clouds
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
    "fd20:ce::254",
    # Addresses that contain one of these: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "::ffff:0:7f00:1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2001:0:808:808::80ff:fffe", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_allowed(text: str) -> None:
    assert AddressRules(()).allows(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_other_addresses_are_refused(text: str) -> None:
    assert not AddressRules(()).allows(ip_address(text))


def test_the_settings_can_allow_an_address_in_each_of_its_forms() -> None:
    rules = AddressRules(("10.0.5.7", "127.0.0.0/8", "fd12::/64"))
    allowed = ("10.0.5.7", "::ffff:10.0.5.7", "64:ff9b::a00:507", "127.9.9.9", "fd12::1", "8.8.8.8")
    assert all(rules.allows(ip_address(text)) for text in allowed)
    refused = ("10.0.5.8", "::ffff:10.0.5.8", "fd12:0:0:1::1", "::1", "192.168.0.1")
    assert not any(rules.allows(ip_address(text)) for text in refused)


@pytest.mark.parametrize("text", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16"])
def test_metadata_services_are_never_allowed(text: str) -> None:
    rules = AddressRules(("0.0.0.0/0", "::/0", "169.254.169.254", "fd00:ec2::254"))
    assert rules.allows(ip_address("10.0.0.1"))
    assert not rules.allows(ip_address(text))
