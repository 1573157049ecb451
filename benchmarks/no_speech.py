"""How much is invented where nobody speaks: `python -m benchmarks.no_speech [--minutes 60] [--model whisper-base]`.

Silence, noise, music, ringing and the tones of a telephone are made and transcribed. Every word that appears is invented.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from millrace.transcribing import DEFAULT_MODEL, SpeechOptions, file_transcriber
from shared.settings import Settings
from tests.support.no_speech import MAKERS, no_speech_wav


def report(minutes: int, model: str) -> None:
    """Measure and print."""
    print(f"\n{model}, {minutes} minutes each{'speech found':>16}{'invented words per hour':>28}")
    with TemporaryDirectory() as folder, file_transcriber(SpeechOptions(model), Settings()) as transcriber:
        for kind in MAKERS:
            file = Path(folder) / f"{kind}.wav"
            file.write_bytes(no_speech_wav(kind, minutes * 60))
            transcript = transcriber.transcribe(transcriber.read(file))
            words, speech_s = len(transcript.text.split()), sum(each.speech_s for each in transcript.speakers)
            print(f"{kind:<32}{speech_s:>10.1f} s{words * 60 / minutes:>28.0f}  {transcript.text[:60]}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="length of each sound")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the model in models.toml")
    arguments = parser.parse_args()
    report(arguments.minutes, arguments.model)


if __name__ == "__main__":
    main()
