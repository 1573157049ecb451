"""Answers of a server that cheats, redirects, stalls, floods and lies, and how the fetch of each ends."""

import gzip
import zlib

from tests.support.fetching import LIMIT_BYTES
from tests.support.media_server import BLOCK, END, OK, body, bomb, raw, redirect, repeated, reset, silent, status

CONTENT = b"RIFF" + bytes(range(256)) * 40
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH_10 = OK + b"Content-Length: 10\r\n"
EMPTY_MEMBER = gzip.compress(b"", mtime=0)
STATUSES = (204, 206, 304, 400, 401, 403, 416, 429, 500, 503)
ANSWERS = {
    "/right": body(CONTENT),
    "/empty": body(b""),
    "/chunked": raw(CHUNKED, b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"),
    "/until-closed": raw(OK + END + b"abc"),
    "/gzip": body(gzip.compress(CONTENT), b"Content-Encoding: gzip"),
    "/two-members": body(gzip.compress(b"ab") + gzip.compress(b"cd"), b"Content-Encoding: GZIP"),
    "/deflate": body(zlib.compress(CONTENT), b"Content-Encoding: deflate"),
    "/exactly-the-limit": body(b"x" * LIMIT_BYTES),
    # Redirects
    "/relative": redirect("right?secret=1"),
    "/loop": redirect("/loop", 301),
    "/long-way": redirect("/long-way-2", 307),
    "/long-way-2": redirect("/long-way", 308),
    "/no-location": status(302),
    "/two-locations": status(302, b"Location: /right", b"Location: /empty"),
    "/damaged-location": status(302, b"Location: /\xff"),
    # Statuses
    **{f"/{code}": status(code) for code in (*STATUSES, 404, 410)},
    # Lies and floods
    "/endless": repeated(OK + END, BLOCK),
    "/endless-chunks": repeated(CHUNKED, b"10000\r\n" + BLOCK + END),
    "/endless-headers": repeated(OK, b"X-Filler: " + b"y" * 1_000 + END),
    "/one-long-header": repeated(OK + b"X-Filler: ", BLOCK.replace(b"\0", b"y")),
    "/endless-interim": repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "/says-too-large": raw(OK + f"Content-Length: {LIMIT_BYTES + 1}\r\n\r\n".encode()),
    "/one-byte-too-large": body(b"x" * (LIMIT_BYTES + 1)),
    "/hides-its-size": raw(OK + END, b"x" * (LIMIT_BYTES + 1)),
    "/shorter": body(b"abc", length=10),
    "/two-lengths": raw(LENGTH_10 + b"Content-Length: 3\r\n\r\nabc"),
    "/length-not-a-number": raw(OK + b"Content-Length: 1e3\r\n\r\nabc"),
    "/chunks-cut": raw(CHUNKED, b"5\r\nabc"),
    "/longer": body(CONTENT + b"more", length=len(CONTENT)),
    "/bomb": body(bomb(64), b"Content-Encoding: gzip"),
    "/bomb-in-chunks": raw(CHUNKED + b"%x\r\n" % len(bomb(64)) + bomb(64) + b"\r\n0\r\n\r\n"),
    "/bomb-of-bombs": body(gzip.compress(bomb(2)), b"Content-Encoding: gzip, gzip"),
    "/empty-members": body(EMPTY_MEMBER * (LIMIT_BYTES // len(EMPTY_MEMBER)), b"Content-Encoding: gzip"),
    "/more-empty-members": repeated(OK + b"Content-Encoding: gzip\r\n\r\n", EMPTY_MEMBER * 1_000),
    "/gzip-cut": body(gzip.compress(CONTENT)[:-9], b"Content-Encoding: gzip"),
    "/gzip-then-more": body(gzip.compress(CONTENT) + b"more", b"Content-Encoding: gzip"),
    "/not-gzip": body(CONTENT, b"Content-Encoding: gzip"),
    "/brotli": body(CONTENT, b"Content-Encoding: br"),
    "/not-http": raw(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "/old-http": raw(b"<html>hello</html>"),
    "/nothing": raw(),
    "/upgrade": raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "/reset": reset,
    # Slow
    "/silent": silent,
    "/slow-headers": repeated(OK, b"x", every_s=0.1),
    "/one-byte-a-time": repeated(OK + b"Content-Length: 100000\r\n\r\n", b"x", every_s=0.1),
    "/stalls": repeated(OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 50_000, b"", every_s=0.1),
    "/quick-but-long": repeated(OK + b"Content-Length: 1000000\r\n\r\n", b"x" * 500, every_s=0.05),
}  # fmt: skip
FETCHED = {
    "/right": CONTENT,
    "/right?secret=%2F%20#part": CONTENT,
    "/chunked": b"abcde",
    "/until-closed": b"abc",
    "/gzip": CONTENT,
    "/two-members": b"abcd",
    "/deflate": CONTENT,
    "/exactly-the-limit": b"x" * LIMIT_BYTES,
    "/relative": CONTENT,
    "/longer": CONTENT,
}
TOO_LARGE = (
    "/endless", "/endless-chunks", "/says-too-large", "/one-byte-too-large", "/hides-its-size", "/bomb",
    "/more-empty-members",
)  # fmt: skip
ABSENT = ("/404", "/410", "/no-such-path")
UNREADABLE = ("/empty", "/empty-members")
FAILED = {
    **{f"/{code}": f"status {code}" for code in STATUSES},
    "/bomb-of-bombs": "not asked for",
    "/brotli": "not asked for",
    "/chunks-cut": "incomplete chunked read",
    "/damaged-location": "one valid Location",
    "/endless-headers": "buffer too long",
    "/endless-interim": "took too long",
    "/gzip-cut": "incomplete",
    "/gzip-then-more": "followed by other bytes",
    "/length-not-a-number": "bad Content-Length",
    "/long-way": "more than 5 times",
    "/long-way-2": "more than 5 times",
    "/loop": "more than 5 times",
    "/no-location": "one valid Location",
    "/not-gzip": "not valid gzip",
    "/not-http": "not valid",
    "/nothing": "without sending",
    "/old-http": "not valid",
    "/one-byte-a-time": "less than 1000 bytes/s",
    "/one-long-header": "buffer too long",
    "/quick-but-long": "the body took too long",
    "/reset": "connection broke",
    "/shorter": "received 3 bytes, expected 10",
    "/silent": "the response took too long",
    "/slow-headers": "the response took too long",
    "/stalls": "less than 1000 bytes/s",
    "/two-lengths": "conflicting Content-Length",
    "/two-locations": "one valid Location",
    "/upgrade": "not valid",
}
"""What is deferred as failed, with what the detail says."""
