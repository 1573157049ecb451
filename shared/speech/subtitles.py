"""A transcript as text, as subtitles of SubRip (SRT), and as WebVTT."""

from html import escape

from schemas.speech import Transcript, TranscriptSegment


def as_text(transcript: Transcript) -> str:
    """Return one line for each segment, with the speaker if there are several."""
    return "\n".join(
        segment.text if segment.speaker is None else f"{segment.speaker}: {segment.text}"
        for segment in transcript.segments
    )


def as_srt(transcript: Transcript) -> str:
    """Return the transcript in the format of SubRip."""
    blocks = [
        f"{number}\n{_time(segment.start_s, ',')} --> {_time(segment.end_s, ',')}\n{_named(segment)}\n"
        for number, segment in enumerate(transcript.segments, 1)
    ]
    return "\n".join(blocks)


def as_vtt(transcript: Transcript) -> str:
    """Return the transcript as WebVTT (W3C), whose voice spans name the speakers."""
    blocks = ["WEBVTT\n"]
    for segment in transcript.segments:
        voice = "" if segment.speaker is None else f"<v {escape(segment.speaker)}>"
        text = escape(segment.text, quote=False)
        blocks.append(f"{_time(segment.start_s, '.')} --> {_time(segment.end_s, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _named(segment: TranscriptSegment) -> str:
    return segment.text if segment.speaker is None else f"{segment.speaker}: {segment.text}"


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, minutes = divmod(milliseconds // 60_000, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000 % 60:02}{mark}{milliseconds % 1000:03}"
