"""What the setting for attached pictures changes: the inputs, the collection, the models, and how pictures are read.

Green does not show how well text is read, nor that a worker starts with the packaged models.
"""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from millrace.attached import attached_reader, load_text_reader, with_attached
from millrace.configured import collection_spec, configured, model_card, model_cards
from millrace.doctor.examination import checks
from millrace.doctor.media import check_text_reader
from shared.attachment_settings import AttachmentSettings
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.port import Pixels
from shared.embedding.registry import load_image_card
from shared.errors import Fatal
from shared.media.decoding.decoder import Decoder
from shared.media.port import MediaContent
from shared.model_settings import ImageSettings
from shared.pictures import PictureReader, ReadPicture
from shared.reading.attached import AttachedPictureReader
from shared.reading.port import ReadLine, ReadText
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from tests.support.findings import only
from tests.support.picture_files import encoded
from workers.calls.stages import CALLS
from workers.tickets.stages import TICKETS

OFF, ON = StreamSettings(), StreamSettings(attachments=AttachmentSettings(read=True))


def test_without_the_setting_nothing_changes() -> None:
    assert configured(TICKETS, OFF) is TICKETS
    assert list(model_cards(TICKETS, OFF)) == ["text"]
    spec = collection_spec(OFF, TICKETS)
    assert set(spec.vectors) == {"text", "resolution"}
    assert with_attached(CALLS, ON) is CALLS


def test_with_the_setting_the_collection_is_another_that_can_be_found_by_its_text_model() -> None:
    stream, spec = configured(TICKETS, ON), collection_spec(ON, TICKETS)
    assert stream.follows
    assert set(spec.vectors) == {"text", "resolution", "image"}
    assert spec.name != collection_spec(OFF, TICKETS).name
    assert model_card(ON).fingerprint in spec.name
    assert load_image_card(ON.image.model, None).fingerprint in spec.name
    assert collection_spec(ON, stream) == spec, "it makes no difference whether the stream was configured before"
    assert configured(stream, ON) is stream
    assert list(model_cards(TICKETS, ON)) == ["text", "image"]


def test_another_model_of_pictures_is_another_collection(tmp_path: Path) -> None:
    packaged = Path("shared/config/models.toml").read_text(encoding="utf-8")
    models = tmp_path / "models.toml"
    models.write_text(packaged.replace('interpolation = "bicubic"', 'interpolation = "bilinear"'), encoding="utf-8")
    other = ON.model_copy(update={"image": ImageSettings(models_file=models)})
    assert collection_spec(other, TICKETS).name != collection_spec(ON, TICKETS).name


def test_a_missing_model_of_pictures_or_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fatal, match="model of pictures"):
        attached_reader(ON, None, None)

    def missing(name: str) -> object:
        raise ImportError(name="rapidocr")

    monkeypatch.setattr("millrace.attached.import_module", missing)
    with pytest.raises(Fatal, match=r"rapidocr: install millrace\[reading\]"):
        load_text_reader()


@dataclass
class Reads:
    """Returns lines, or fails; keeps the pixels that it was given."""

    lines: tuple[ReadLine, ...] = ()
    failure: Exception | None = None
    fingerprint: str = "4ead4ead"
    seen: list[Pixels] = field(default_factory=list)

    def read(self, pixels: Pixels) -> ReadText:
        """Return the lines."""
        self.seen.append(pixels)
        if self.failure is not None:
            raise self.failure
        return ReadText(self.lines)


@pytest.fixture(scope="module")
def pictures() -> Iterator[PictureReader]:
    with closing(Decoder(DecodingSettings(processes=1, side_px=256), 1 << 20, SystemClock())) as decoder:
        yield PictureReader(decoder, load_image_card("efficientnet-lite0", None))


def striped(width: int, height: int) -> bytes:
    """Return a PNG file whose every second column is white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, ::2] = 255
    return encoded(Image.fromarray(pixels), "PNG")


@pytest.mark.parametrize(
    ("size", "read_size"),
    [((200, 100), (200, 100)), ((256, 10), (256, 10)), ((900, 300), (900, 300)), ((5000, 50), (4096, 41))],
)
def test_text_is_read_in_finer_pixels_than_the_model_needs(
    pictures: PictureReader, size: tuple[int, int], read_size: tuple[int, int]
) -> None:
    texts, content = Reads(), striped(*size)
    read = AttachedPictureReader(pictures, texts, 1).read(content, "image")
    assert texts.seen[0].shape == (read_size[1], read_size[0], 3)
    assert np.array_equal(read.pixels, pictures.pixels(content, "image")), "the model sees what it sees of products"
    assert (read.width_px, read.height_px) == size


def test_the_text_of_a_picture_is_all_that_the_reader_has_kept(pictures: PictureReader) -> None:
    texts = Reads((ReadLine("error", 0.9), ReadLine("4711", 0.5)))
    assert AttachedPictureReader(pictures, texts, 1).read(striped(20, 10), "image").text == "error\n4711"


def test_a_picture_is_decoded_in_its_turn_and_not_after_the_reader_is_stopped(pictures: PictureReader) -> None:
    decoded = list[bool]()

    class Decodes(PictureReader):
        def read_with_pixels(self, content: MediaContent, field: str, side_px: int) -> tuple[ReadPicture, Pixels]:
            decoded.append(reader._turns.acquire(blocking=False))
            reader.stop()
            return pictures.read_with_pixels(content, field, side_px)

    reader = AttachedPictureReader(Decodes(None, None), Reads((ReadLine("error", 0.9),)), 1)  # type: ignore[arg-type]
    assert reader.read(striped(20, 10), "image").text == "error", "what has its turn is finished"
    with pytest.raises(CancelledError):
        reader.read(striped(20, 10), "image")
    assert decoded == [False], "nobody else has a turn meanwhile"


def test_the_reader_of_text_reads_as_many_pictures_as_the_setting_says(
    pictures: PictureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()

    def load_text_reader(at_once: int) -> Reads:
        asked.append(at_once)
        return Reads()

    monkeypatch.setattr("millrace.attached.import_module", lambda _: SimpleNamespace(load_text_reader=load_text_reader))
    three = ON.model_copy(update={"attachments": AttachmentSettings(read=True, at_once=3)})
    attached_reader(three, pictures, None)
    assert asked == [3]


def test_the_doctor_checks_what_reads_pictures_if_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"decoding", "pictures", "pictures device", "text reader"}
    for own, expected in ((OFF, set[str]()), (ON, parts)):
        found = checks(Settings(), own, TICKETS, 1)
        assert {check.part for check in found if check.part in parts} == expected
    monkeypatch.setattr("millrace.doctor.media.load_text_reader", Reads)
    assert only(check_text_reader()).state == "ok"

    def missing() -> object:
        raise Fatal("rapidocr is not installed")

    monkeypatch.setattr("millrace.doctor.media.load_text_reader", missing)
    found_wrong = only(check_text_reader())
    assert (found_wrong.state, found_wrong.fix) == ("wrong", "install millrace[reading]")
