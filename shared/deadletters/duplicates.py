"""Recognises dead letters of a record that was met before.

Each time a record fails, it gets another dead letter with the same key and bytes.
"""

from hashlib import blake2b

from shared.deadletters.envelope import DeadLetter

REMEMBERED = 200_000
"""Number of records remembered, about 30 MiB. Older ones count as new: the version guard absorbs repeated sends."""

DIGEST_BYTES = 16


class SeenRecords:
    """The records met so far.

    Args:
        most: Number of records to remember; the oldest are forgotten.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._met: dict[bytes, None] = {}
        self._most = most

    def meet(self, letter: DeadLetter) -> bool:
        """Return whether the record of this dead letter was met before, and remember it."""
        record = letter.record
        parts = (b"-" if part is None else b"%d:%b" % (len(part), part) for part in (record.key, record.value))
        digest = blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()
        if digest in self._met:
            return True
        self._met[digest] = None
        if len(self._met) > self._most:
            del self._met[next(iter(self._met))]
        return False
