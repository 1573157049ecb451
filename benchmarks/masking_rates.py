"""Rates of missed and needless masking, on the phone library's example numbers and on Millrace's own lists.

Numbers that must be masked: an example number of each kind of 20 regions, in five spellings, under its own
`phone_region`. Numbers that must stay: `ordinary_numbers.toml`, whose last list holds bare digits that are valid
numbers of the region and is counted separately. Phrases of calls: `spoken_phrases.toml`.
"""

import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from phonenumbers import PhoneNumberFormat, PhoneNumberType, example_number_for_type, format_number

from benchmarks import spoken_phrases
from shared.text.masking import mask
from shared.text.normalise import normalise

REGIONS = (
    "US",
    "CA",
    "GB",
    "IE",
    "FR",
    "DE",
    "AT",
    "CH",
    "ES",
    "IT",
    "NL",
    "BE",
    "DK",
    "SE",
    "PL",
    "PT",
    "BR",
    "IN",
    "AU",
    "JP",
)
KINDS = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
LISTS = Path(__file__).with_name("ordinary_numbers.toml")
APART = "bare_valid"
DECIMALS = 8_000
GROUP = re.compile(r"^\(?(\d{1,5})\)?(?=[ .-])")


def phones() -> Iterator[tuple[str, str, str]]:
    """Yield region, spelling and a sentence with one number."""
    for region in REGIONS:
        for kind in KINDS:
            number = example_number_for_type(region, kind)
            if number is None:
                continue
            national = format_number(number, PhoneNumberFormat.NATIONAL)
            yield region, "national", f"my number is {national}, thanks"
            yield region, "international", f"reach me: {format_number(number, PhoneNumberFormat.INTERNATIONAL)}"
            bracketed = GROUP.sub(r"(\1)", national)
            yield region, "bracketed", f"at {bracketed} please"
            yield region, "glued", f"data{national}"
            yield region, "extension", f"{national} ext. 45 in the morning"


def ordinary() -> dict[str, list[str]]:
    """Return texts whose numbers must stay, by kind; no rule can distinguish `bare_valid`."""
    return tomllib.loads(LISTS.read_text(encoding="utf-8"))


def missed() -> dict[str, list[str]]:
    """Return, by spelling, the sentences in which some digit of the number was left."""
    found: dict[str, list[str]] = {}
    for region, writing, text in phones():
        masked = mask(text, region)
        bad = "[phone]" not in masked or any(char.isdigit() for char in masked)
        found.setdefault(writing, []).extend([f"{region}: {text} => {masked}"] if bad else [])
    return found


def needlessly_masked() -> dict[str, list[str]]:
    """Return, by kind, the texts in which something was masked."""
    return {
        kind: [text for text in texts if mask(normalise(text), "US") != normalise(text)]
        for kind, texts in ordinary().items()
    }


def masked_decimals() -> int:
    """Return how many of 8,000 random decimals are masked, with seed 0."""
    draw = random.Random(0)  # noqa: S311  (not for secrets)
    return sum(
        "[" in mask(f"{draw.random() * 10 ** draw.randrange(-2, 4):.{draw.randrange(4, 12)}f}", "US")
        for _ in range(DECIMALS)
    )


def report() -> None:
    """Measure and print."""
    counts = {writing: sum(1 for _, each, _ in phones() if each == writing) for writing in missed()}
    print(f"\nMasking of {len(REGIONS)} regions' example numbers: missed")
    for writing, bad in missed().items():
        print(f"{writing:<34}{len(bad):>6} of {counts[writing]}")
    print("Ordinary numbers, region US: masked needlessly")
    lists = ordinary()
    for kind, bad in needlessly_masked().items():
        print(f"{kind + (', separately' if kind == APART else ''):<34}{len(bad):>6} of {len(lists[kind])}")
    print(f"{'random decimals':<34}{masked_decimals():>6} of {DECIMALS}")
    print("Phrases of calls, regions US and FR")
    spoken_phrases.report()


if __name__ == "__main__":
    report()
