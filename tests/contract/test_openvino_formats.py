"""The number format in which OpenVINO computes: the fastest one whose vectors are faithful on this machine.

A green run on a CPU without instructions for bfloat16 does not prove anything about bfloat16.
"""

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from millrace.doctor.models import check_device
from shared.embedding import cpu
from shared.embedding.openvino import model as openvino_model
from shared.embedding.openvino.device import has_bfloat16
from shared.embedding.openvino.model import FAITHFUL_COSINE, OpenVinoModel
from shared.embedding.registry import TextCard, load_text_card
from shared.errors import Fatal
from shared.model_settings import EmbeddingSettings
from shared.stream_settings import StreamSettings

TEXTS = ["Where is my order?", "The parcel was broken, please refund my money. " * 3, "", "?!"]


@pytest.fixture
def card() -> TextCard:
    return load_text_card("minilm-l6-v2")


def unmeasured(card: TextCard) -> TextCard:
    """Return a card that does not state whether bfloat16 is faithful."""
    return card.model_copy(update={"bfloat16": None})


def test_the_packaged_model_is_as_its_card_states(card: TextCard) -> None:
    exact, fast = (OpenVinoModel(card, "cpu", 1_024, dtype) for dtype in ("float32", "bfloat16"))
    assert float((exact.embed(TEXTS).vectors * fast.embed(TEXTS).vectors).sum(axis=1).min()) >= FAITHFUL_COSINE
    assert card.bfloat16 == "faithful"


def test_a_format_that_is_not_stated_is_measured(card: TextCard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenVinoModel(unmeasured(card), "auto", 1_024).dtype == ("bfloat16" if has_bfloat16() else "float32")
    monkeypatch.setattr(openvino_model, "FAITHFUL_COSINE", 0.9999999)
    with capture_logs() as logs:
        rough = OpenVinoModel(unmeasured(card), "auto", 1_024)
    assert rough.dtype == "float32", "bfloat16 rounds by more than this"
    if has_bfloat16():
        [entry] = [each for each in logs if each["event"] == "number format chosen"]
        assert 0.9999 < entry["bfloat16_cosine"] < 0.9999999


def test_a_cpu_without_instructions_computes_in_float32(card: TextCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_model, "has_bfloat16", lambda: False)
    for each in (card, unmeasured(card)):
        assert OpenVinoModel(each, "cpu", 1_024).dtype == "float32"


@pytest.mark.parametrize("streams", [1, 2, 1_000])
def test_streams_change_no_vector(card: TextCard, streams: int) -> None:
    one = OpenVinoModel(card, "cpu", 64, "float32", streams=1).embed(TEXTS * 5).vectors
    np.testing.assert_allclose(
        OpenVinoModel(card, "cpu", 64, "float32", streams).embed(TEXTS * 5).vectors, one, atol=1e-6
    )


def test_a_gpu_is_refused(card: TextCard) -> None:
    with pytest.raises(Fatal, match="the backend openvino runs on the CPU, not on cuda:1: configure the device cpu"):
        OpenVinoModel(card, "cuda:1", 1_024)


def found(**settings: str) -> list[tuple[str, str]]:
    """Return what `millrace doctor` finds about the device."""
    own = StreamSettings(embedding=EmbeddingSettings.model_validate(settings))
    return [(each.state, each.detail) for each in check_device(own, "tickets")]


def test_doctor_names_library_and_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cpu, "DEVICES", tmp_path)  # a machine without a GPU
    fastest = "bfloat16" if has_bfloat16() else "float32"
    assert found() == [("ok", f"cpu, by openvino in {fastest} (configured: auto)")]
    assert found(dtype="float32") == [("ok", "cpu, by openvino in float32 (configured: auto)")]
    assert found(backend="torch", device="cpu") == [("ok", "cpu, by torch (configured: cpu)")]


def test_doctor_advises_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("shared.embedding.backends", "millrace.doctor.models"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    assert found(device="cpu") == [
        ("ok", "cpu, by torch (configured: cpu)"),
        ("warning", "torch is several times slower on a CPU than OpenVINO"),
    ]


def test_padding_and_time_are_reported(card: TextCard) -> None:
    model = OpenVinoModel(card, "cpu", 1 << 20)
    found = model.embed(["a", "a b c d e f g"])  # 3 and 9 tokens
    assert (found.cost, found.padding) == (12, 6)
    assert 0 < found.busy_s < 10
    assert OpenVinoModel(card, "cpu", 1).embed(["a", "a b c d e f g"]).padding == 0
