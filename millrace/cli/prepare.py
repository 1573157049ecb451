"""`millrace prepare`."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from millrace.cli.options import Json, load_stream_settings, quiet
from millrace.configured import model_card
from millrace.streams import DEFAULT
from schemas.base import TEXT_LIMIT_CHARS
from shared.errors import Fatal
from shared.text.language import detect_language
from shared.text.preparation import Prepared, Preparer

STANDARD_INPUT = "-"
LIMIT_BYTES = 4 * TEXT_LIMIT_CHARS
"""A character takes at most four bytes in UTF-8."""


def prepare(
    file: Annotated[str, typer.Argument(help="File with a message in UTF-8, plain or HTML; - reads standard input.")],
    subject: Annotated[
        str, typer.Option(help="Subject of the message; a subject such as `Fwd: ...` marks a forwarded mail.")
    ] = "",
    json: Json = False,
) -> None:
    """Show how a message is prepared: what is kept, embedded, left out (and why) and masked; and its language.

    The message is prepared like the body of a ticket, with the settings of the configured model. The part "kept" is
    stored and shown to agents; the part "embedded" is what the model and the routing head read. The command needs no
    broker, no store and no model.
    """
    quiet()
    text = _read(file, "standard input" if file == STANDARD_INPUT else file)
    preparer = Preparer(model_card(load_stream_settings(DEFAULT)).preparation)
    prepared = preparer.message(text, subject)
    language = detect_language(preparer.embedded(subject, text))
    if json:
        typer.echo(jsonlib.dumps(_as_dict(prepared, language), ensure_ascii=False))
    else:
        _print(Console(highlight=False, soft_wrap=True), prepared, language)


def _read(file: str, name: str) -> str:
    """Return the text of a file or of standard input.

    Raises:
        Fatal: the file cannot be read, is not UTF-8, is empty, or exceeds the length limit for the text of an event.
    """
    try:
        if file == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LIMIT_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise Fatal(f"{name} cannot be read: {error.strerror or type(error).__name__}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) <= LIMIT_BYTES:
            line = content.count(b"\n", 0, error.start) + 1
            raise Fatal(f"{name} is not UTF-8: byte {error.start}, in line {line}; convert it with iconv") from error
        text = content.decode(errors="ignore")
    if len(text) > TEXT_LIMIT_CHARS:
        raise Fatal(f"{name} is too long: the text of an event may have at most {TEXT_LIMIT_CHARS:,} characters")
    if not text.strip():
        raise Fatal(f"{name} contains no text")
    return text


def _as_dict(prepared: Prepared, language: str | None) -> dict[str, object]:
    pieces = [{"reason": piece.reason, "text": piece.text} for piece in prepared.cut]
    masked = {mask.strip("[]"): count for mask, count in prepared.masked.items()}
    texts = {"kept": prepared.kept, "embedded": prepared.embedded}
    return {**texts, "cut": pieces, "masked": masked, "language": language}


def _print(console: Console, prepared: Prepared, language: str | None) -> None:
    def section(title: str, text: str) -> None:
        console.print(f"[bold]{title}[/bold]")
        console.print(f"{escape(text)}\n")

    section("kept", prepared.kept)
    section("embedded", "all of it" if prepared.embedded == prepared.kept else prepared.embedded)
    for piece in prepared.cut:
        section(f"cut: {piece.reason}", piece.text)
    counts = ", ".join(f"{mask.strip('[]')} {count}" for mask, count in sorted(prepared.masked.items()))
    console.print(f"[bold]masked[/bold]\n{counts or 'nothing'}\n")
    console.print(f"[bold]language[/bold]\n{language or 'uncertain'}")
