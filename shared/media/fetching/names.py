"""Looking up names of hosts, with a time limit. Knows nothing of what is allowed."""

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from typing import Protocol

from typing_extensions import override

from shared.media.fetching.failures import Failed


class Resolver(Protocol):
    """Looks up names."""

    def addresses(self, host: str, timeout_s: float) -> tuple[str, ...]:
        """Return the IP addresses of a name as text, at least one, in the order in which they are to be tried.

        Raises:
            Failed: the name does not exist, or the answer took longer than `timeout_s`.
        """
        ...


class SystemResolver(Resolver):
    """The operating system's resolver, which has no time limit of its own: it runs in threads that may be left waiting.

    Args:
        parallel: Names that are looked up at the same time.
    """

    def __init__(self, parallel: int) -> None:
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="media-names")

    @override
    def addresses(self, host: str, timeout_s: float) -> tuple[str, ...]:
        asked = self._threads.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        try:
            found = asked.result(timeout_s)
        except LateError:
            asked.cancel()
            raise Failed(f"the name {host} was not looked up within {timeout_s:.3g} s") from None
        except (OSError, UnicodeError) as error:
            raise Failed(f"the name {host} has no address: {error}") from None
        addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses:
            raise Failed(f"the name {host} has no address")
        return addresses

    def close(self) -> None:
        """End the threads that wait for nothing; does not wait for the others."""
        self._threads.shutdown(wait=False, cancel_futures=True)
