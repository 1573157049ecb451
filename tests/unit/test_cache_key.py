"""The cache key: two different texts, modalities or models never share one.

A green run does not prove SHA-256.
"""

import itertools

import pytest

from shared.cache.port import cache_key

KEYS = [
    ("text", b"ab", "c"),
    ("text", b"a", "bc"),
    ("text", b"abc", ""),
    ("text", b"", "abc"),
    ("texta", b"b", "c"),
    ("tex", b"tab", "c"),
    ("", b"textab", "c"),
    ("text", b"ab", "d"),
    ("image", b"ab", "c"),
    ("text", b"ab\x00", "c"),
]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(KEYS, 2)))
def test_no_boundary_is_ambiguous(one: tuple[str, bytes, str], other: tuple[str, bytes, str]) -> None:
    assert cache_key(*one) != cache_key(*other)


def test_a_key_is_deterministic_and_of_fixed_length() -> None:
    assert cache_key(*KEYS[0]) == cache_key(*KEYS[0])
    assert {len(cache_key(*key)) for key in KEYS} == {32}


def test_a_key_stays_the_same_between_releases() -> None:
    assert cache_key("text", b"ab", "c").hex() == "39af3928841a8a2f9658f39cf0bf711d1fca70b3c855380b9deafcefafa54523"
