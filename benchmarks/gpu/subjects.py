"""The models that the GPU benchmark measures, and the ways to compute each."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection, MPNetConfig, MPNetModel

from benchmarks.gpu.flops import counted_flops, encoder_flops
from benchmarks.texts import load_mix
from millrace.resources import load_recogniser
from shared.embedding.audio.port import RATE_HZ, Piece
from shared.embedding.canary_inputs import pictures
from shared.embedding.files import files_of
from shared.embedding.image.model import ImageModel
from shared.embedding.image.network import TorchLayers
from shared.embedding.port import Pixels
from shared.embedding.registry import ImageCard, TextCard, load_text_card
from shared.embedding.text import SentenceModel
from shared.embedding.tokens import Tokens
from shared.errors import Fatal

MICRO_BATCH_TOKENS, MICRO_BATCH_PIXELS = 65_536, 13_000_000
LARGE_BATCH = 512
SPEECH_S = 30
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, its items, and the ways to compute them.

    Attributes:
        name: The model.
        items: The number of items.
        units: Their tokens, pixels or seconds of sound.
        flops: The operations that they need without padding; None if they were not counted.
        ways: Each computes all items, and returns their vectors if these are to be compared; the last one is the base.
    """

    name: str
    items: int
    units: float
    flops: float | None
    ways: Mapping[str, Callable[[], Any]]


def text_subjects(device: torch.device, texts: int) -> Iterator[Subject]:
    """Yield MiniLM, and a model of the size of all-mpnet-base-v2."""
    packaged = load_text_card("minilm-l6-v2")
    mix = load_mix(texts)
    lengths = [len(each) + 2 for each in Tokens(packaged.folder / "tokenizer.json").of(mix)]
    with tempfile.TemporaryDirectory() as folder:
        for card, shape in ((packaged, (6, 384, 1_536)), (_mpnet(Path(folder), packaged), (12, 768, 3_072))):
            half = card.model_copy(update={"dtype": "bfloat16"})
            yield Subject(
                card.key,
                len(mix),
                sum(lengths),
                sum(encoder_flops(*shape, length) for length in lengths),
                {
                    "Millrace, bfloat16": _millrace(half, device, mix),
                    "Millrace, float32": _millrace(card, device, mix),
                    f"encode, bfloat16, batches of {LARGE_BATCH}": _encode(half, device, mix, LARGE_BATCH),
                    "encode, bfloat16": _encode(half, device, mix, 32),
                },
            )


def _mpnet(folder: Path, packaged: TextCard) -> TextCard:
    """Return the card of a new MPNet of base size with random weights; its tokens are those of MiniLM."""
    make: Any = MPNetModel  # the library has no types for it
    torch.manual_seed(22)
    make(MPNetConfig(pad_token_id=0)).save_pretrained(folder / "made")
    AutoTokenizer.from_pretrained(packaged.folder, local_files_only=True).save_pretrained(folder / "made")
    transformer = modules.Transformer(str(folder / "made"), max_seq_length=packaged.window_tokens)
    parts = [transformer, modules.Pooling(768, pooling_mode="mean"), modules.Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "saved"))
    changes = {"key": "mpnet-base", "source": f"path:{folder / 'saved'}", "dim": 768, "licence": "random weights"}
    return packaged.model_copy(update=changes | {"files": files_of(folder / "saved")})


def _millrace(card: TextCard, device: torch.device, texts: list[str]) -> Callable[[], Any]:
    model = SentenceModel(card, str(device), MICRO_BATCH_TOKENS if device.type == "cuda" else 1_024)
    return lambda: model.embed(texts).vectors


def _encode(card: TextCard, device: torch.device, texts: list[str], batch: int) -> Callable[[], Any]:
    model = SentenceTransformer(
        str(card.folder),
        device=str(device),
        local_files_only=True,
        model_kwargs={"dtype": getattr(torch, card.dtype), "use_safetensors": True},
    )
    model.max_seq_length = card.window_tokens
    return lambda: model.encode(texts, batch_size=batch, show_progress_bar=False)


def picture_subjects(device: torch.device, texts: int) -> Iterator[Subject]:
    """Yield EfficientNet-B0 and the vision tower of CLIP ViT-B/32, with random weights."""
    count = max(16, texts // 10)
    with tempfile.TemporaryDirectory() as folder:
        for card in (_efficientnet(Path(folder) / "efficientnet"), _clip(Path(folder) / "clip")):
            made = pictures(card.crop_px)
            given = [made[at % len(made)] for at in range(count)]
            layers = TorchLayers(card, str(device))
            fast = ImageModel(card, layers, MICRO_BATCH_PIXELS if device.type == "cuda" else 401_408)
            exact = card.model_copy(update={"dtype": "float32"})
            plain = ImageModel(exact, TorchLayers(exact, str(device)), 32 * card.pixels)
            one = torch.from_numpy(np.stack(given[:1])).to(device)
            yield Subject(
                card.key,
                count,
                float(count * card.pixels),
                count * counted_flops(layers.network, one),
                {
                    "Millrace, bfloat16": _embed(fast, given),
                    "float32, batches of 32": _embed(plain, given),
                },
            )


def _embed(model: ImageModel, given: Sequence[Pixels]) -> Callable[[], Any]:
    return lambda: model.embed(given).vectors


def _card(folder: Path, **fields: Any) -> ImageCard:
    row: dict[str, Any] = {
        "modality": "image",
        "source": f"path:{folder}",
        "files": files_of(folder),
        "weights": "model.safetensors",
    }
    row |= {
        "dtype": "bfloat16",
        "resize_px": 224,
        "crop_px": 224,
        "interpolation": "bicubic",
        "licence": "random weights",
    }
    return ImageCard.model_validate(row | IMAGENET | fields)


def _efficientnet(folder: Path) -> ImageCard:
    folder.mkdir()
    torch.manual_seed(22)
    save_file(timm.create_model("efficientnet_b0", num_classes=0).state_dict(), folder / "model.safetensors")
    return _card(
        folder, key="efficientnet-b0", backend="timm", architecture="efficientnet_b0", dim=1_280, pooling="average"
    )


def _clip(folder: Path) -> ImageCard:
    torch.manual_seed(22)
    make: Any = CLIPVisionModelWithProjection  # the library has no types for it
    make(CLIPVisionConfig()).save_pretrained(folder)
    return _card(folder, key="clip-vit-b32", backend="transformers", dim=512, pooling="projection")


def speech_subjects(device: torch.device, texts: int) -> Iterator[Subject]:
    """Yield the encoder of Whisper base, if its packages are installed."""
    count = max(2, texts // 100)
    try:
        recogniser = load_recogniser("whisper-base", None, str(device))
    except Fatal as error:
        print(f"Whisper is left out: {error}")
        return
    noise = np.random.default_rng(22).uniform(-0.1, 0.1, SPEECH_S * RATE_HZ).astype(np.float32)
    pieces = [Piece(noise)] * count

    def encode() -> None:
        for start in range(0, count, 16):
            recogniser.encode(pieces[start : start + 16])

    yield Subject("whisper-base, encoder", count, float(count * SPEECH_S), None, {"Millrace, pieces by 16": encode})
