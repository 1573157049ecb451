"""`millrace embed` with the packaged models: the vectors are those of the model, in both lengths, and plots are drawn.

A green run does not prove that vectors on a GPU are the same, nor how long a large folder takes (`benchmarks/bulk.py`).
"""

import csv
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.resources import load_image_model, load_text_model
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import IMAGE
from shared.embedding.registry import load_image_card, load_text_card
from shared.media.decoding.decoder import Decoder
from shared.model_settings import ImageSettings
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")
SAME = 0.99999


def embedded(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, ["embed", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "rows.csv").open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_images_get_the_vectors_of_the_model_in_both_lengths(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "images" / "clothing" / "test"
    embedded(folder, "--out", tmp_path / "unit", "--device", "cpu", "--shard", "48")
    embedded(folder, "--out", tmp_path / "raw", "--device", "cpu", "--raw")
    card, model = load_image_card("efficientnet-lite0"), load_image_model(ImageSettings(device="cpu"))
    rows = rows_of(tmp_path / "unit")
    with closing(Decoder(DecodingSettings(), 1 << 25, SystemClock())) as decoder:
        contents = [(folder / row["file"]).read_bytes() for row in rows[:20]]
        prepared = [prepare_picture(decoder.picture(each, IMAGE.field).pixels, card) for each in contents]
    expected = model.embed(prepared).vectors
    unit, raw = (np.load(tmp_path / name / "vectors.npy") for name in ("unit", "raw"))
    assert unit.shape == raw.shape == (80, card.dim)
    assert (unit[:20] * expected).sum(axis=1).min() > SAME
    lengths = np.linalg.norm(raw, axis=1)
    assert ((unit * raw).sum(axis=1) / lengths).min() > SAME
    assert 4 < np.median(lengths) < 40, "features of this model are about as long as its card states"
    assert len(set(np.load(tmp_path / "unit/labels.npy").tolist())) == 10


def test_texts_get_the_vectors_of_the_model(data_dir: Path, tmp_path: Path) -> None:
    with (data_dir / "text/banking77/test.csv").open(encoding="utf-8", newline="") as opened:
        asked = list(csv.DictReader(opened))[::10]
    table = tmp_path / "texts.jsonl"
    table.write_text("".join(f"{json.dumps(each)}\n" for each in asked), encoding="utf-8")
    embedded(table, "--out", tmp_path / "out", "--label-column", "category", "--device", "cpu")
    preparer = Preparer(load_text_card("minilm-l6-v2").preparation)
    model = load_text_model(StreamSettings())
    expected = model.embed([preparer.message(each["text"]).embedded for each in asked]).vectors
    assert (np.load(tmp_path / "out/vectors.npy") * expected).sum(axis=1).min() > SAME
    facts = json.loads((tmp_path / "out/metadata.json").read_bytes())
    labels = np.load(tmp_path / "out/labels.npy")
    assert [facts["classes"][label] for label in labels] == [each["category"] for each in asked]
    result = CliRunner().invoke(app, ["plot", str(tmp_path / "out"), "--json"])
    assert json.loads(result.output)["silhouette"] > 0
    assert (tmp_path / "out/tsne.png").stat().st_size > 10_000


def test_recordings_get_vectors_of_their_sound_and_silence_none(data_dir: Path, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    for name in ("jfk.flac", "french.aiff"):
        (inside / name).write_bytes((data_dir / "speech/clips" / name).read_bytes())
    (inside / "silence.au").write_bytes(b".snd" + (24).to_bytes(4) + b"\xff\xff\xff\xff\0\0\0\3" + (16_000).to_bytes(4)
                                        + (1).to_bytes(4) + bytes(64_000))  # fmt: skip
    for name, options in (("unit", ()), ("raw", ("--raw",))):
        embedded(inside, "--out", tmp_path / name, "--device", "cpu", "--model", "whisper-tiny-en", *options)
    unit, raw = (np.load(tmp_path / name / "vectors.npy") for name in ("unit", "raw"))
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert unit.shape == (2, 384)
    assert np.allclose(raw / lengths, unit, atol=1e-6)
    assert lengths.min() > 2
    assert 'silence.au,,empty_value,"nobody speaks' in (tmp_path / "unit/rejects.csv").read_text(encoding="utf-8")
