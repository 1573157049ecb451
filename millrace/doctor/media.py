"""Checks of what recordings and pictures need: the process that decodes them, and all that recognises speech."""

from collections.abc import Iterator
from contextlib import closing
from struct import pack
from zlib import compress, crc32

import numpy as np

from millrace.attached import load_text_reader
from millrace.doctor.finding import Finding
from shared.clock import SystemClock
from shared.embedding.backends import choose_for_pictures
from shared.embedding.registry import SpeechCard, load_image_card, load_speech_card
from shared.errors import Fatal
from shared.media.decoding.decoder import Decoder
from shared.model_settings import ImageSettings
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings

RATE_HZ = 8_000
SMALL_FOR_A_GPU_PIXELS = 3_000_000
NOT_INSTALLED = "{} is not installed"


def check_decoding(settings: Settings) -> Iterator[Finding]:
    """Start a process as a worker does, and let it decode a short sound and a small picture."""
    limits = settings.decoding.model_copy(update={"processes": 1})
    with closing(Decoder(limits, settings.media.max_mib << 20, SystemClock())) as decoder:
        try:
            decoder.start()
        except Fatal as error:
            yield Finding("decoding", "wrong", str(error), "a worker would not start: see docs/media.md, Decoding")
            return
        decoder.sound(_silence(), "a sound of this check", lambda window: None)
        decoder.picture(_dot(), "a picture of this check")
        is_filtered = decoder.children.is_filtered
    if is_filtered:
        yield Finding("decoding", "ok", "a process for it starts, is confined, and decodes a sound and a picture")
    else:
        yield Finding(
            "decoding",
            "warning",
            "a process for it starts and decodes a sound and a picture, but this system cannot filter its system calls",
            "run workers on Linux, or accept media from trusted senders only",
        )


def _silence() -> bytes:
    """Return a WAV file of a tenth of a second."""
    samples = bytes(RATE_HZ // 10 * 2)
    body = b"WAVEfmt " + pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16) + b"data" + pack("<I", len(samples))
    return b"RIFF" + pack("<I", len(body) + len(samples)) + body + samples


def _dot() -> bytes:
    """Return a PNG file of one grey pixel."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + name + body + pack(">I", crc32(name + body))

    header = chunk(b"IHDR", pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", compress(b"\x00\x80")) + chunk(b"IEND", b"")


def check_speech(own: StreamSettings) -> Iterator[Finding]:
    """Read the card of the model of speech, and compare the model's files with it."""
    card = load_speech_card(own.speech.model, own.speech.models_file)
    yield Finding("speech", "ok", f"{card.key}, fingerprint {card.fingerprint}, {card.languages}, by {card.backend}")
    folder = card.check_files()
    yield Finding("speech", "ok", f"the files in {folder} match the card")


def check_speech_device(own: StreamSettings) -> Iterator[Finding]:
    """Import the library that runs the model of speech, and find the device."""
    card = load_speech_card(own.speech.model, own.speech.models_file)
    try:
        device = _device_of(card, own.speech.device)
    except ImportError as error:
        fix = f"install millrace[{card.extra}]"
        yield Finding("speech device", "wrong", NOT_INSTALLED.format(error.name), fix)
        return
    yield Finding("speech device", "ok", f"{device} (configured: {own.speech.device})")


def check_pictures(own: StreamSettings) -> Iterator[Finding]:
    """Read the card of the model of pictures, and compare the model's files with it."""
    card = load_image_card(own.image.model, own.image.models_file)
    yield Finding(
        "pictures", "ok", f"{card.key}, fingerprint {card.fingerprint}, {card.dim} dimensions, by {card.backend}"
    )
    folder = card.check_files()
    yield Finding("pictures", "ok", f"the files in {folder} match the card")


def check_pictures_device(own: StreamSettings, stream: str) -> Iterator[Finding]:
    """Import the libraries of models of pictures, find the device, and check whether micro-batches are large enough."""
    try:
        from shared.embedding.device import choose_device
        from shared.embedding.image import loading  # noqa: F401  (whether it can be imported)
        from shared.media import perceptual

        perceptual.hash_picture(np.zeros((1, 1, 3), np.uint8))
        by_openvino = _openvino_format(own.image)
    except ImportError as error:
        fix = f"install millrace[{'openvino' if error.name == 'openvino' else 'images'}]"
        yield Finding("pictures device", "wrong", NOT_INSTALLED.format(error.name), fix)
        return
    if by_openvino is not None:
        found = f"cpu, by openvino {by_openvino} (configured: {own.image.device})"
        yield Finding("pictures device", "ok", found)
        return
    device = choose_device(own.image.device)
    yield Finding("pictures device", "ok", f"{device}, by torch (configured: {own.image.device})")
    pixels = own.image.micro_batch_pixels
    if device.type != "cpu" and pixels < SMALL_FOR_A_GPU_PIXELS:
        fix = f"set {variable(stream, 'image', 'micro_batch_pixels')} to 13000000"
        yield Finding("pictures device", "warning", f"micro-batches of {pixels} pixels leave a GPU idle", fix)


def _openvino_format(image: ImageSettings) -> str | None:
    """Return the number format in which OpenVINO will compute; None if torch computes.

    Raises:
        Fatal: OpenVINO cannot use the configured device.
    """
    if choose_for_pictures(image.backend, image.device) == "torch":
        return None
    from shared.embedding.openvino.device import check_device, has_bfloat16

    check_device(load_image_card(image.model, image.models_file), image.device)
    if image.dtype != "auto":
        return f"in {image.dtype}"
    return "in bfloat16 if the vectors are the same, else in float32" if has_bfloat16() else "in float32"


def check_text_reader() -> Iterator[Finding]:
    """Load what reads the text in attached pictures."""
    try:
        reader = load_text_reader()
    except Fatal as error:
        yield Finding("text reader", "wrong", str(error), "install millrace[reading]")
        return
    yield Finding("text reader", "ok", f"the reader of text in pictures is installed, fingerprint {reader.fingerprint}")


def _device_of(card: SpeechCard, configured: str) -> str:
    """Return the device that the card's backend would use; only the libraries of that backend are imported."""
    if card.backend == "openai":
        from shared.embedding.audio import openai_whisper  # noqa: F401  (whether it can be imported)
        from shared.embedding.device import choose_device

        return str(choose_device(configured))
    from shared.embedding.audio.whisper import device_of

    kind, number = device_of(configured)
    return f"{kind}:{number}" if kind == "cuda" else kind


def check_voice_activity() -> Iterator[Finding]:
    """Load the network that finds the speech in recordings."""
    try:
        from shared.speech.activity import load_network

        load_network()
    except ImportError as error:
        yield Finding("voice activity", "wrong", NOT_INSTALLED.format(error.name), "install millrace[speech]")
        return
    yield Finding("voice activity", "ok", "the network that finds speech is installed")
