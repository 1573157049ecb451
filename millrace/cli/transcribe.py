"""`millrace transcribe`."""

import json as jsonlib
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from millrace.bars import bar
from millrace.cli.options import Json, load_settings, quiet
from millrace.cli.speech_options import Batch, Device, Model, ModelsFile
from millrace.transcribing import DEFAULT_MODEL, FileTranscriber, SpeechOptions, file_transcriber
from schemas.speech import Transcript
from shared.errors import Fatal
from shared.speech.subtitles import as_srt, as_text, as_vtt


class Format(StrEnum):
    """How a transcript is written."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


SUFFIXES = {Format.TEXT: ".txt", Format.JSON: ".json", Format.SRT: ".srt", Format.VTT: ".vtt"}
WRITERS: dict[Format, Callable[[Transcript], str]] = {
    Format.TEXT: as_text,
    Format.JSON: lambda transcript: transcript.model_dump_json(indent=2),
    Format.SRT: as_srt,
    Format.VTT: as_vtt,
}


def transcribe(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings: WAV, FLAC, OGG, MP3, M4A, AIFF, AU.")
    ],
    format_: Annotated[Format, typer.Option("--format", help="How transcripts are written.")] = Format.TEXT,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for one transcript per recording; by default, they are printed."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="Language of the recordings, such as `fr`; used where the detected one is uncertain."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    models_file: ModelsFile = None,
    device: Device = "auto",
    batch: Batch = 8,
    json: Json = False,
) -> None:
    """Transcribe recordings: who says what and when, in which language.

    The two channels of a stereo recording are two speakers, `left` and `right`. Silence is cut out before recognition, so
    that nothing is made up for it. The JSON states how much of the speech the text accounts for (`coverage`). If a
    recording cannot be transcribed, the others are, and the exit code is 1. The command needs no broker and no store.
    """
    quiet()
    if out is not None and not out.is_dir():
        raise typer.BadParameter(f"folder {out} does not exist")
    _refuse_same_names(files, out)
    found: list[dict[str, object]] = []
    failures = 0
    with file_transcriber(SpeechOptions(model, models_file, device, batch), load_settings()) as transcriber:
        for file in files:
            try:
                transcript = _transcribed(transcriber, file, language)
            except Fatal as error:
                failures += 1
                found.append({"file": str(file), "error": str(error)})
                sys.stderr.write(f"error: {error}\n")
                continue
            found.append({"file": str(file), **transcript.model_dump(mode="json")})
            _write(transcript, file, format_, out, is_printed=not json, has_title=len(files) > 1)
    if json:
        typer.echo(jsonlib.dumps({"files": found}, ensure_ascii=False))
    if failures:
        raise typer.Exit(1)


def _refuse_same_names(files: list[Path], out: Path | None) -> None:
    stems = [file.stem for file in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if out is not None and twice is not None:
        raise typer.BadParameter(f"two recordings are named {twice}: their transcripts would be one file in {out}")


def _transcribed(transcriber: FileTranscriber, file: Path, language: str | None) -> Transcript:
    recording = transcriber.read(file)
    speech_s = sum(voice.speech_s for voice in recording.analysed.voices)
    with bar(file.name, max(1, round(speech_s))) as advance:
        left_s = 0.0

        def progress(seconds: float) -> None:
            nonlocal left_s
            whole, left_s = divmod(left_s + seconds, 1)
            advance(int(whole))

        return transcriber.transcribe(recording, language, progress)


def _write(
    transcript: Transcript, file: Path, format_: Format, out: Path | None, *, is_printed: bool, has_title: bool
) -> None:
    text = WRITERS[format_](transcript)
    if out is not None:
        (out / f"{file.stem}{SUFFIXES[format_]}").write_text(f"{text}\n", encoding="utf-8")
    elif is_printed:
        if has_title:
            typer.echo(f"# {file}")
        typer.echo(text if text or format_ is not Format.TEXT else "(no speech)")
