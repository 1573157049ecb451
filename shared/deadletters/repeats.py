"""Which letters hold a record that was met before: its failures are letters of their own, with the same key and bytes."""

from hashlib import blake2b

from shared.deadletters.envelope import DeadLetter

REMEMBERED = 200_000
"""Records remembered, about 30 MiB. What was met longer ago counts as new: the guard absorbs what is sent twice."""

DIGEST_BYTES = 16


class Repeats:
    """The records met so far.

    Args:
        most: Remember so many; the oldest are forgotten.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._met: dict[bytes, None] = {}
        self._most = most

    def meet(self, letter: DeadLetter) -> bool:
        """Return whether its record was met before, and remember it."""
        record = letter.record
        parts = (b"-" if part is None else b"%d:%b" % (len(part), part) for part in (record.key, record.value))
        digest = blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()
        if digest in self._met:
            return True
        self._met[digest] = None
        if len(self._met) > self._most:
            del self._met[next(iter(self._met))]
        return False
