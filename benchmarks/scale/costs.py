"""What was measured, and where: the only numbers of the capacity model that are not assumptions of a user."""

from dataclasses import dataclass

BY_HAND = "measured once, by hand; no command repeats it"
CORES = 2
"""The cores that all rates were measured on: a shared cloud machine (AVX-512, no GPU)."""

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Cost:
    """A measured figure.

    Attributes:
        value: The figure.
        unit: Its unit.
        what: What it is.
        command: The command that measures it again.
        page: The page of docs that has it; empty for what no page has.
        quoted: The text of that page which has it, so that a test finds pages that have newer figures.
    """

    value: float
    unit: str
    what: str
    command: str
    page: str = ""
    quoted: str = ""


MEASURED_TOKENS = 50
"""The tokens of the texts that `TEXTS` was measured on: Millrace's sample tickets."""

BANKING_TOKENS = 14.2
"""Mean tokens of Banking77's questions, by the tokenizer of `minilm-l6-v2`."""

EDGE_SEARCHES_US = 149 + 777 + 37
"""Core microseconds of the embedded store's searches for a ticket (docs/performance.md, "Cost of each stage")."""

CACHED_NUMBERS = 384
"""The numbers of the vectors that `CACHED` was measured on."""

US = 1e-6
LONG_CALLS = "python -m benchmarks.long_calls"

TEXTS = Cost(
    130, "texts/s", "`minilm-l6-v2`, texts of 50 tokens, two cores", "python -m benchmarks.models", "models.md",
    "Millrace's samples (50 tokens) | 130 (",
)  # fmt: skip
ROUTING_US = Cost(
    705, "core microseconds/ticket", "a worker routes: all but the model and the searches of the store",
    "python -m benchmarks.run", "performance.md", "705: 1,418 tickets/s",
)  # fmt: skip
INDEXING_US = Cost(
    254, "core microseconds/ticket", "a worker indexes: all but the model", "python -m benchmarks.run", "performance.md",
    "254: 3,941 tickets/s",
)  # fmt: skip
CLIENT_US = Cost(1_400, "core microseconds/search", "the client of a Qdrant server, in the worker", BY_HAND)
SPEECH = Cost(
    0.037, "s/s of speech", "`whisper-base`, file to transcript, two cores; somebody speaks all the time",
    "python -m benchmarks.audio", "performance.md", "find speech, cut, recognise | 0.037 |",
)  # fmt: skip
TRANSCRIPT_S = Cost(
    13, "s/h of speech", "embedding the transcript, two cores", f"{LONG_CALLS} --stand-in", "performance.md",
    "| 1 hour | 28 s | 11 s | 13 s |",
)  # fmt: skip
HEARING_S = Cost(
    11, "s/h of speech", "decoding and finding speech, two cores", f"{LONG_CALLS} --stand-in", "performance.md",
    "| 1 hour | 28 s | 11 s | 13 s |",
)  # fmt: skip
WORDS = Cost(
    9_197, "words/h of speech", "words that the stand-in hears", f"{LONG_CALLS} --stand-in", "performance.md",
    "| 9,197 | 38 | 124 KiB |",
)  # fmt: skip
WORDS_KIB = Cost(
    124, "KiB", "the result of a call with these words", f"{LONG_CALLS} --stand-in", "performance.md",
    "| 9,197 | 38 | 124 KiB |",
)  # fmt: skip
PICTURES = Cost(
    42, "pictures/s", "a whole worker with `efficientnet-lite0`, two cores", "python -m benchmarks.images",
    "performance.md", "| **worker** | 42 (",
)  # fmt: skip
PREPARING_US = Cost(
    4_600, "core microseconds/picture", "a decoding child and its pipe, preparing and hashes",
    "python -m benchmarks.images", "performance.md", "take 2.4 ms, preparing\n1.7 ms, and the hashes 0.5 ms",
)  # fmt: skip
TICKET_MIB = Cost(
    990,
    "MiB",
    "a process with `minilm-l6-v2`, while it embeds",
    "python -m benchmarks.models",
    "models.md",
    "903; 990 |",
)
CALL_MIB = Cost(
    1_386 + 223, "MiB", "a worker of calls with its children", LONG_CALLS, "performance.md", "| 1,386 | 223 |"
)
PICTURE_MIB = Cost(
    872 + 75, "MiB", "a worker of products with its children", "python -m benchmarks.images --memory 20000",
    "performance.md", "829 to 872 MiB",
)  # fmt: skip
CACHED = Cost(
    2_000, "bytes/vector", "a vector of 384 numbers in Redis, float32", "python -m benchmarks.run", "performance.md",
    "float32 (2.0 KB a vector)",
)  # fmt: skip
SUMS = Cost(
    0.0148, "of the results' bytes", "sums and outliers for drift", "python -m benchmarks.drift_cost", "performance.md",
    "| 0.82 %; a smaller batch",
)  # fmt: skip
WRITES = Cost(7_400, "points/s", "guarded writes to a Qdrant server on two cores, a small collection", BY_HAND)

COSTS = (
    TEXTS, ROUTING_US, INDEXING_US, CLIENT_US, SPEECH, TRANSCRIPT_S, HEARING_S, WORDS, WORDS_KIB, PICTURES, PREPARING_US,
    TICKET_MIB, CALL_MIB, PICTURE_MIB, CACHED, SUMS, WRITES,
)  # fmt: skip

SIZES_COMMAND = "python -m benchmarks.scale.sizes"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a record: key, value and headers, and what is left of them in a broker's log, compressed by zstd."""

    raw_bytes: float
    disk_bytes: float


RECORDS = {
    "tickets": Size(634, 167),
    "tickets.routed": Size(3825, 722),
    "calls": Size(353, 61),
    "calls.routed": Size(5475, 1274),
    "products": Size(540, 103),
    "products.classified": Size(745, 85),
}
"""Mean bytes of the records of a topic, of the demo's samples."""

LEDGER = Size(257, 284)
"""Mean bytes of a record of the ledger; there is one for each partition of a batch."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a point consists of: bytes of its payload as JSON, numbers of its vectors, and terms."""

    payload_bytes: float
    numbers: int
    terms: float


POINTS = {
    "tickets": Stored(1108, 384 + 384, 17.8),
    "calls": Stored(1753, 384, 14.4),
    "products": Stored(999, 1280 + 384 + 384, 0),
}
"""Means of the demo's samples; the vectors are text and resolution, text, and picture, title and words."""
