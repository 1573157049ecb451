"""No IBAN, card, phone number or mail address survives in any formatting that is drawn here; ordinary numbers do.

A green run does not prove it for a formatting that is not drawn here, nor anything about names and postal addresses,
which are not masked.
"""

import re
import string
import unicodedata
from datetime import date, datetime

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat
from stdnum import luhn

from shared.text.masking import mask
from shared.text.normalise import normalise
from shared.text.preparation import Preparation, Preparer

MANY = settings(max_examples=300, deadline=None)
FEW = settings(max_examples=60, deadline=None)
REGION = "US"
WORDS = (
    "please",
    "my parcel",
    "Danke,",
    "où est",
    "write to",
    "(urgent)",
    "it says:",
    "order 41155",
    "on 2026-05-01",
    "a,",
    "-",
)

around = st.sampled_from(WORDS)
gaps = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2011", "\u2009", " - ", "/"])
digit_sets = st.sampled_from(
    ["0123456789", "٠١٢٣٤٥٦٧٨٩", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19", "०१२३४५६७८९"]
)


def placed(found: str, before: str, after: str) -> str:
    return f"{before} {found} {after}"


def digits_of(text: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in text if char.isdecimal())


@st.composite
def grouped(draw: st.DrawFn, compact: str) -> str:
    """Draw a spelling of a number: in fours, single digits, mixed groups or whole, in the digits of some script."""
    gap = draw(gaps)
    even = [[4], [1], [2], [3], [len(compact)]]  # with more than one separator between them, groups are of equal size
    sizes = draw(st.sampled_from(even if len(gap) > 1 else [*even, [4, 6, 5]]))
    parts, at, turn = [], 0, 0
    while at < len(compact):
        size = sizes[turn % len(sizes)]
        parts.append(compact[at : at + size])
        at, turn = at + size, turn + 1
    return gap.join(parts).translate(str.maketrans("0123456789", draw(digit_sets)))


CARD_PREFIXES = {"4": (13, 16, 19), "51": (16,), "2221": (16,), "34": (15,), "37": (15,), "36": (14,), "6011": (16,),
                 "3530": (16,), "62": (16, 19), "6759": (16,)}  # fmt: skip


@st.composite
def cards(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(sorted(CARD_PREFIXES)))
    length = draw(st.sampled_from(CARD_PREFIXES[prefix]))
    body = prefix + draw(st.text("0123456789", min_size=length - 1 - len(prefix), max_size=length - 1 - len(prefix)))
    return body + luhn.calc_check_digit(body)


IBANS = {
    "DE": "18n", "FR": "10n11c2n", "GB": "4a14n", "ES": "20n", "NL": "4a10n", "NO": "11n", "CH": "5n12c",
    "MT": "4a5n18c", "PL": "24n", "IT": "1a10n12c",
}  # fmt: skip
"""Fields of digits, of alphabetic characters and of both, from the ISO 13616 registry."""

LETTERS = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(sorted(IBANS)))
    fields = re.findall(r"(\d+)([nac])", IBANS[country])
    account = "".join(draw(st.text(LETTERS[kind], min_size=int(n), max_size=int(n))) for n, kind in fields)
    rest = int("".join(str(int(char, 36)) for char in account + country + "00")) % 97
    return f"{country}{98 - rest:02}{account}"


@st.composite
def phones(draw: st.DrawFn) -> str:
    """Draw a number as it is written in its own country or from abroad."""
    country = draw(st.sampled_from(["US", "GB", "FR", "DE", "ES", "IT", "NL", "IN", "BR", "AU", "JP", "CH", "PL"]))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]))
    number = phonenumbers.example_number_for_type(country, kind)
    assert number is not None
    style = PhoneNumberFormat.INTERNATIONAL if country != REGION else draw(
        st.sampled_from([PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL])
    )  # fmt: skip
    written = phonenumbers.format_number(number, style)
    prefix = draw(st.sampled_from(["+", "+", "00"])) if written.startswith("+") else ""
    gap = draw(st.sampled_from([" ", "-", ".", "", "\u00a0", "\u2011", "/"]))
    return prefix + written.removeprefix("+").replace(" ", gap).replace("-", gap if gap != " " else "-")


atoms = st.text(string.ascii_letters + string.digits + "_+'-éüñøßжλ", min_size=1, max_size=12).filter(
    lambda text: text[0].isalnum() and text[-1].isalnum()
)
labels = st.text(string.ascii_lowercase + string.digits + "-éüж", min_size=1, max_size=10).filter(
    lambda text: text[0] not in "-" and text[-1] not in "-"
)


@st.composite
def mails(draw: st.DrawFn) -> str:
    """Draw a spelling of an address."""
    local = ".".join(draw(st.lists(atoms, min_size=1, max_size=3)))
    domain = ".".join(
        [*draw(st.lists(labels, min_size=1, max_size=3)), draw(st.sampled_from(["com", "fr", "co.uk", "museum", "рф"]))]
    )
    written = draw(
        st.sampled_from(
            ["{}@{}", "<{}@{}>", "mailto:{}@{}", "{}@{}.", "{}@{},", "({}@{})", "{}\uff20{}", "{} @ {}", "'{}@{}'"]
        )
    )
    return written.format(local, domain)


@MANY
@given(cards().flatmap(lambda card: st.tuples(st.just(card), grouped(card))), around, around)
def test_no_card_survives(card: tuple[str, str], before: str, after: str) -> None:
    compact, written = card
    masked = mask(placed(written, before, after), REGION)
    assert compact not in digits_of(masked), masked
    assert len(digits_of(masked)) <= len(digits_of(before + after)), masked


@MANY
@given(ibans().flatmap(lambda iban: st.tuples(st.just(iban), grouped(iban))), around, around, st.booleans())
def test_no_iban_survives(iban: tuple[str, str], before: str, after: str, lower: bool) -> None:
    _, written = iban
    text = placed(written.lower() if lower else written, before, after)
    masked = mask(text, REGION)
    assert "[iban]" in masked, (text, masked)
    assert len(digits_of(masked)) <= len(digits_of(before + after)), masked


@MANY
@given(phones(), around, around)
def test_no_phone_number_survives(phone: str, before: str, after: str) -> None:
    masked = mask(placed(phone, before, after), REGION)
    assert "[phone]" in masked, (phone, masked)
    assert len(digits_of(masked)) <= len(digits_of(before + after)), (phone, masked)


@MANY
@given(mails(), around, around)
def test_no_mail_address_survives(written: str, before: str, after: str) -> None:
    masked = mask(normalise(placed(written, before, after)), REGION)
    assert "[mail]" in masked, (written, masked)
    assert "@" not in masked
    assert "\uff20" not in masked


integers = st.integers(0, 999_999).map(str)
DATE_FORMS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y/%m/%d", "%Y%m%d", "%d %B %Y"]
dates = st.dates(date(1900, 1, 1), date(2099, 12, 31)).flatmap(
    lambda day: st.sampled_from(DATE_FORMS).map(day.strftime)
)
times = st.times().flatmap(
    lambda time: st.sampled_from(["%H:%M", "%H:%M:%S", "%H.%M", "%I:%M %p", "%H:%M:%S.%f"]).map(time.strftime)
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001  (the zone is written behind it)
    lambda moment: moment.isoformat() + "+02:00"
)
amounts = st.tuples(
    st.integers(0, 99_999_999),
    st.sampled_from([",", ".", " ", "'", ""]),
    st.sampled_from(["{} EUR", "€{}", "${}", "{} €", "USD {}"]),
).map(lambda drawn: drawn[2].format(f"{drawn[0]:,}".replace(",", drawn[1])))
ID_FORMS = [
    "ORD-2026-{:06}",
    "#{:05}",
    "T-{:04}",
    "INV/{:08}",
    "order {:09}",
    "case no. {:010}",
    "ref: {:07}",
    "SKU_{:06}",
]
ids = st.tuples(st.sampled_from(ID_FORMS), st.integers(0, 999_999)).map(lambda drawn: drawn[0].format(drawn[1]))
versions = st.lists(st.integers(0, 30), min_size=3, max_size=3).map(lambda parts: "v" + ".".join(map(str, parts)))
machines = st.ip_addresses(v=4).map(str)
ordinary = st.one_of(
    integers,
    dates,
    times,
    moments,
    amounts,
    ids,
    versions,
    machines,
    st.uuids().map(str),
    st.integers(0, 100).map("{}%".format),
)


@MANY
@given(st.lists(ordinary, min_size=1, max_size=4), around)
def test_ordinary_numbers_dates_and_ids_survive(numbers: list[str], word: str) -> None:
    text = f" {word} ".join(numbers)
    assert mask(text, REGION) == text


SCRAPS = [
    "%40",
    "&#64;",
    "\\u0040",
    "\\n",
    " ext. 4",
    "data",
    "[",
    "] ",
    "=",
    "/",
    "1 2 3 4 5 ",
    "0.",
    "@",
    " ",
    "",
    "+",
    "-",
    "tel ",
    "order ",
    "00",
    "(",
    "[phone]",
    "[mail]",
    " (at) ",
    " dot ",
    "1",
    ".",
]
numbers = [cards().flatmap(grouped), ibans().flatmap(grouped), phones(), ordinary]
pieces = st.one_of(st.text(max_size=12), mails(), *numbers, st.sampled_from(SCRAPS))
texts = st.lists(pieces, max_size=8).map("".join)


@MANY
@given(texts)
def test_masking_twice_changes_nothing_and_no_mask_is_longer_than_the_text_it_replaces(text: str) -> None:
    masked = mask(text, REGION)
    assert mask(masked, REGION) == masked
    assert len(masked) <= len(text)


@MANY
@given(texts)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@FEW
@given(
    texts,
    st.sampled_from(
        ["<p>{}</p>", "{}\n-- \nJo", "{}\n> a\n> b\n> c", "<div>{}<br>x<br></div>", "{}\r\n\r\nBest regards,\nJo"]
    ),
)
def test_a_prepared_message_contains_nothing_that_would_be_masked(text: str, frame: str) -> None:
    prepared = Preparer(Preparation(version=3)).message(frame.format(text))
    assert mask(prepared.kept, REGION) == prepared.kept
    assert mask(prepared.embedded, REGION) == prepared.embedded


@pytest.mark.parametrize("region", ["US", "FR", "DE", "GB"])
@FEW
@given(text=st.text(max_size=200))
def test_any_text_can_be_masked(region: str, text: str) -> None:
    assert len(mask(text, region)) <= len(text)
