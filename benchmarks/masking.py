"""CPU microseconds per text of preparation and masking: almost nothing for a text without digits or `@`.

`prepare` is every step of a message; `mask` is the masking alone. The made-up texts have about 300 characters.
"""

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.texts import load_texts
from shared.clock import SystemClock
from shared.text.masking import mask
from shared.text.preparation import Preparation, Preparer

REGION = "US"
PROSE = "The parcel has not arrived although the tracking page says that it was handed over, and nobody answers. "
MADE = {
    "no digits": PROSE * 3,
    "order numbers and dates": PROSE * 2
    + "Order ORD-2026-004411 of 2026-05-01 10:30, invoice 204411, 1,249.00 EUR, #41155.",
    "phone, IBAN, card, mail": PROSE
    + "Call (212) 555-0123 or write to jo@example.com; refund to DE89 3704 0044 0532 0130 00 "
    "or 4111 1111 1111 1111, and please do it soon because I have waited for three weeks now.",
    "digits only": "7 41 5529 3 118 64 20 " * 14,
    "a mail with a quoted reply": PROSE
    + "\n\nBest regards,\nJo\n\nOn Mon, 4 May 2026 at 10:00 Shop <help@example.com> wrote:\n"
    "> We are sorry.\n> Please wait.\n",
    "a mail in HTML": f"<html><body><p>{PROSE}</p><p>{PROSE}</p><div>Regards<br>Jo</div></body></html>",
}


def cpu_us(do: Callable[[str], object], texts: Sequence[str], rounds: int) -> float:
    """Return the median over the rounds of the CPU time per text."""
    clock, found = SystemClock(), []
    for _ in range(rounds):
        start_s = clock.cpu_s()
        for text in texts:
            do(text)
        found.append((clock.cpu_s() - start_s) / len(texts) * 1e6)
    return median(found)


def report(texts_wanted: int, rounds: int) -> None:
    """Measure and print."""
    where, real = load_texts(texts_wanted)
    preparer = Preparer(Preparation(version=3))
    print(f"\nCPU microseconds per text, one thread, median of {rounds} rounds")
    print(f"{'texts':<34}{'characters':>12}{'mask':>10}{'prepare':>10}")
    for name, texts in [
        *((name, [text] * 200) for name, text in MADE.items()),
        (f"{len(real)} texts of {where}", real),
    ]:
        masking = cpu_us(lambda text: mask(text, REGION), texts, rounds)
        preparing = cpu_us(preparer.message, texts, rounds)
        chars = sum(map(len, texts)) / len(texts)
        print(f"{name:<34}{chars:>12.0f}{masking:>10.1f}{preparing:>10.1f}")
