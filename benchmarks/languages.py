"""Rates, time and memory of language detection, on texts written for it, on the demo's samples and on Banking77.

`language_texts.toml` holds the texts. A text whose language is not reported counts as an error, and is shown apart.
"""

import csv
import json
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median

from benchmarks.masking import cpu_us
from shared.clock import SystemClock
from shared.text.language import detect_language

TEXTS = Path(__file__).with_name("language_texts.toml")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Texts = Mapping[str, Sequence[str]]
"""Texts by their language."""


def resident_mb() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6


def samples(field: str) -> Texts:
    """Return the texts of one field of the demo's tickets, by language."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in files("millrace.demo").joinpath("samples", "tickets.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get(field):
            found[row["language"]].append(row[field])
    return found


def written() -> dict[str, dict[str, list[str]]]:
    """Return the texts of `language_texts.toml`: by kind, then by language."""
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))


def banking(data: Path) -> Texts:
    """Return the questions of Banking77 in the folder of public data; all are English."""
    found: list[str] = []
    for part in ("train", "test"):
        with (data / "text" / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as opened:
            found += [row["text"] for row in csv.DictReader(opened)]
    return {"en": found}


def rates(texts: Texts) -> tuple[int, int, int]:
    """Return the number of texts, how many were detected correctly, and for how many no language was reported."""
    answers = [(language, detect_language(text)) for language, several in texts.items() for text in several]
    right = sum(language == found for language, found in answers)
    return len(answers), right, sum(found is None for _, found in answers)


def show(name: str, texts: Texts) -> None:
    """Print the rates of some texts in one line."""
    total, right, unknown = rates(texts)
    wrong = total - right - unknown
    print(f"{name:<44}{total:>7}{right:>8}{unknown:>9}{wrong:>7}{right / total:>10.2%}{wrong / total:>9.2%}")


def report(rounds: int) -> None:
    """Measure and print."""
    clock, before_mb, lists = SystemClock(), resident_mb(), written()
    start_s = clock.monotonic_s()
    detect_language("")
    print(
        f"\nLanguage detection: read in {clock.monotonic_s() - start_s:.2f} s, {resident_mb() - before_mb:.0f} MB more"
    )
    print(f"{'texts':<44}{'texts':>7}{'right':>8}{'unknown':>9}{'wrong':>7}{'right':>10}{'wrong':>9}")
    for kind in ("short", "long"):
        for language, texts in lists[kind].items():
            show(f"{kind}, {language}", {language: texts})
        show(f"{kind}, all", lists[kind])
    show("short, 17 other languages", lists["short_of_other_languages"])
    for field in ("subject", "body", "resolution"):
        show(f"samples, {field}", samples(field))
    if named := os.environ.get("MILLRACE_DATA"):
        show("Banking77", banking(Path(named)))
    reported = [text for text in lists["unknown"]["texts"] if detect_language(text) is not None]
    print(f"{len(lists['unknown']['texts'])} texts without a language: one was reported for {len(reported)}")
    for name, texts in (("short", flat(lists["short"])), ("long", flat(lists["long"]))):
        characters = median(map(len, texts))
        print(
            f"{name}: {cpu_us(detect_language, texts, rounds):.0f} microseconds per text of {characters:.0f} characters"
        )


def flat(texts: Texts) -> list[str]:
    """Return the texts of all languages."""
    several: Iterable[Sequence[str]] = texts.values()
    return [text for each in several for text in each]


if __name__ == "__main__":
    report(rounds=9)
