"""Small checkpoints of openai-whisper with random weights, their rows of models.toml, and sounds for them."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from whisper.model import ModelDimensions, Whisper

from shared.embedding.audio.port import RATE_HZ, Samples

WIDTH = 16
MULTILINGUAL, ENGLISH = 51_865, 51_864
LONGEST_TOKENS = 24


def small_dims(vocabulary: int = MULTILINGUAL, **changes: int) -> ModelDimensions:
    """Return the sizes of a model of one layer that ends each piece after `LONGEST_TOKENS` tokens."""
    sizes = {"n_mels": 80, "n_audio_ctx": 1_500, "n_audio_state": WIDTH, "n_audio_head": 2, "n_audio_layer": 1}
    sizes |= {"n_text_ctx": 2 * LONGEST_TOKENS, "n_text_state": WIDTH, "n_text_head": 2, "n_text_layer": 1}
    return ModelDimensions(n_vocab=vocabulary, **(sizes | changes))


def small_whisper(dims: ModelDimensions, seed: int = 14) -> Whisper:
    """Return a model with weights drawn from a fixed seed, large enough that what it hears changes what it says.

    With this seed, it ends some pieces early and repeats itself in others.
    """
    model, generator = Whisper(dims), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.normal_(0, 3 if "cross_attn." in name else 0.6, generator=generator)
        model.decoder.token_embedding.weight[50_256 + model.is_multilingual] *= 2  # the end of the text
    return model.eval()


def save(folder: Path, model: Whisper) -> Path:
    """Save a model as openai-whisper publishes its own, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, folder / "model.pt")
    return folder / "model.pt"


def row(file: Path, **changes: Any) -> Path:
    """Write a models.toml with a row `small` for a checkpoint, and return it."""
    fields = {"modality": "audio", "source": f"path:{file.parent}", "dim": WIDTH, "languages": "multilingual"}
    fields |= {"beams": 1, "dtype": "float32", "backend": "openai", "licence": "made here"} | changes
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    digest = sha256(file.read_bytes()).hexdigest()
    models = file.parent.parent / "models.toml"
    models.write_text("\n".join(["[small]", *lines, "[small.files]", f'"model.pt" = "{digest}"']), encoding="utf-8")
    return models


def sound(seed: int, seconds: float) -> Samples:
    """Return a sound that changes several times a second."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.uniform(0.01, 1, round(seconds * 5) + 1), RATE_HZ // 5)[: round(seconds * RATE_HZ)]
    return np.asarray(0.3 * loud * rng.normal(0, 1, len(loud)), np.float32)
