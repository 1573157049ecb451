"""A server on loopback that replaces Redis and gives the answers that the test wants."""

import socketserver
import threading
from collections.abc import Callable
from types import TracebackType

Say = Callable[[bytes], None]
Answer = Callable[["Liar", bytes, Say], None]

DRIP_S = 0.01


class Liar:
    """Answers until the context is closed.

    Args:
        answer: Called with the client's bytes and a function that sends; it may wait until `ended` is set.
    """

    def __init__(self, answer: Answer) -> None:
        self.ended = threading.Event()
        self.requests: list[bytes] = []
        liar = self

        class Handler(socketserver.BaseRequestHandler):
            """One connection."""

            def handle(self) -> None:
                """Answer each request, until the client disconnects or the server ends."""
                self.request.settimeout(60)
                try:
                    while (asked := self.request.recv(1 << 20)) and not liar.ended.is_set():
                        liar.requests.append(asked)
                        answer(liar, asked, self.request.sendall)
                except OSError:
                    return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Liar":
        """Return itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop the server."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


def says(answer: bytes) -> Answer:
    """Return a function that gives the same answer to every request."""
    return lambda liar, asked, say: say(answer)


def silent(liar: Liar, asked: bytes, say: Say) -> None:
    """Never answer."""
    liar.ended.wait()


def drips(liar: Liar, asked: bytes, say: Say) -> None:
    """Announce a value and send it byte by byte, each byte well within any socket's time-out."""
    say(b"*1\r\n$100000000\r\n")
    while not liar.ended.wait(DRIP_S):
        say(b"x")


def floods(liar: Liar, asked: bytes, say: Say) -> None:
    """Announce a value without end and send it as fast as it is read."""
    say(b"*1\r\n$99999999999\r\n")
    while not liar.ended.is_set():
        say(b"x" * 65_536)


def hangs_up(liar: Liar, asked: bytes, say: Say) -> None:
    """Close the connection without an answer."""
    raise OSError("gone")


def quotes(liar: Liar, asked: bytes, say: Say) -> None:
    """Refuse as servers do that do not know a command: with all its arguments in the error."""
    words = [line for line in asked.split(b"\r\n") if line and line[:1] not in b"*$"]
    quoted = b" ".join(b"'" + word + b"'" for word in words[1:] if word.isascii())[:500]
    say(b"-ERR unknown command '" + words[0] + b"', with args beginning with: " + quoted + b"\r\n")
