"""Names of hosts as a test wants them to be looked up."""

from typing_extensions import override

from shared.media.fetching.failures import Failed
from shared.media.fetching.names import Resolver


class Names(Resolver):
    """Answers from a table; each name has its answers in order, and the last one is repeated.

    Args:
        answers: The answers of each name, each a list of addresses in one text, separated by spaces.
    """

    def __init__(self, **answers: list[str]) -> None:
        self._answers = {name.replace("_", "."): list(texts) for name, texts in answers.items()}
        self.asked: list[str] = []

    @override
    def addresses(self, host: str, timeout_s: float) -> tuple[str, ...]:
        self.asked.append(host)
        left = self._answers.get(host)
        if left is None:
            raise Failed(f"the name {host} has no address")
        return tuple((left.pop(0) if len(left) > 1 else left[0]).split())
