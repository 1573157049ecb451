"""Loading the weights of a model of pictures. This module is the only one that imports timm or models of transformers.

Nothing is downloaded, and no code of a checkpoint is run: files are safetensors, or state dicts that torch reads with
`weights_only`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from timm.data.imagenet_info import ImageNetInfo
from transformers import AutoConfig, AutoModel, CLIPVisionModelWithProjection
from transformers.utils import logging as transformers_logging

from shared.embedding.image.classes import ClassHead
from shared.embedding.registry import ImageCard
from shared.errors import Fatal

Tensors = dict[str, torch.Tensor]

IMAGENET_CLASSES = 1_000
TIMM_POOLING = {"avg": "average", "token": "cls"}
"""The cards' names of timm's kinds of pooling."""

CLIP = frozenset({"clip", "clip_vision_model"})
POOLERS = ("pooler.", "vit.pooler.")
"""The layers of a transformer that its vectors do not pass through, so that they may be missing in its weights."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model whose weights are in memory, in float32 on the CPU.

    Attributes:
        network: The layers.
        features: Returns the pooled features, shape (n, dim), of normalised pictures, shape (n, 3, height, width).
        pooling: How the features are pooled, as cards name it.
        class_head: The classes that it was trained on, if its card names them.
    """

    network: torch.nn.Module
    features: Callable[[torch.Tensor], torch.Tensor]
    pooling: str
    class_head: ClassHead | None


def load(card: ImageCard) -> Loaded:
    """Compare the files of a card, and load its model.

    Raises:
        Fatal: a file differs from the card, or its weights do not fit the model that the card names.
    """
    folder = card.check_files()
    return _load_by_timm(card, folder) if card.backend == "timm" else _load_by_transformers(card, folder)


def _load_by_timm(card: ImageCard, folder: Path) -> Loaded:
    architecture = str(card.architecture)
    if not timm.is_model(architecture):  # other names would be looked up in the hub
        raise Fatal(f"model {card.key}: timm has no architecture {architecture}")
    has_classes = card.feature_norm is not None
    network = timm.create_model(architecture, pretrained=False, num_classes=IMAGENET_CLASSES if has_classes else 0)
    tensors = _read(card, folder / card.weights)
    if not has_classes:
        unused = _classifier_names(network)
        tensors = {name: each for name, each in tensors.items() if not name.startswith(unused)}
    network.load_state_dict(_matched(card, tensors, network.state_dict()))
    return Loaded(network, _timm_features(network), _timm_pooling(network), _class_head(card, network))


def _read(card: ImageCard, path: Path) -> Tensors:
    """Return the tensors of a file, in its order."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Fatal(f"model {card.key}: {path} is not a state dict that can be read without running code") from error
    if not isinstance(content, dict) or not all(isinstance(each, torch.Tensor) for each in content.values()):
        raise Fatal(f"model {card.key}: {path} is not a table of tensors")
    return dict(content)


def _matched(card: ImageCard, tensors: Tensors, expected: Tensors) -> Tensors:
    """Return the tensors of a file by the names that the model has for them."""
    if card.matched_by == "position":
        if len(tensors) != len(expected):
            raise Fatal(f"model {card.key}: {card.weights} has {len(tensors)} tensors, the model {len(expected)}")
        kinds = zip(tensors, expected, strict=True)
        differing = [(mine, its) for mine, its in kinds if mine.rpartition(".")[2] != its.rpartition(".")[2]]
        if differing:
            raise Fatal(f"model {card.key}: {differing[0][0]} of {card.weights} is in the place of {differing[0][1]}")
        tensors = dict(zip(expected, tensors.values(), strict=True))
    for name, its in expected.items():
        if name not in tensors:
            raise Fatal(f"model {card.key}: {card.weights} has no tensor {name}")
        if tensors[name].shape != its.shape:
            shapes = f"the shape {tuple(tensors[name].shape)}, but the model has {tuple(its.shape)}"
            raise Fatal(f"model {card.key}: tensor {name} of {card.weights} has {shapes}")
    unknown = sorted(set(tensors) - set(expected))
    if unknown:
        raise Fatal(f"model {card.key}: {card.weights} has a tensor {unknown[0]}, which the model does not have")
    return tensors


def _classifier_names(network: Any) -> tuple[str, ...]:
    names = network.pretrained_cfg.get("classifier", ())
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _timm_features(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def features(pictures: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, network.forward_head(network.forward_features(pictures), pre_logits=True))

    return features


def _timm_pooling(network: Any) -> str:
    pool = getattr(network, "global_pool", None) or network.head.global_pool
    kind = str(getattr(pool, "pool_type", pool))
    return TIMM_POOLING.get(kind, kind)


def _class_head(card: ImageCard, network: Any) -> ClassHead | None:
    if card.feature_norm is None:
        return None
    layer = network.get_classifier()
    if not isinstance(layer, torch.nn.Linear):
        raise Fatal(f"model {card.key}: its classifier is not linear: leave out feature_norm")
    names = tuple(ImageNetInfo().label_descriptions())
    weight, bias = (np.array(each.detach().numpy(), np.float32) for each in (layer.weight, layer.bias))
    return ClassHead(names, weight, bias, card.feature_norm)


def read_checkpoint(kind: Any, folder: Path) -> tuple[Any, Any]:
    """Return a model of transformers from a folder, in float32, and what its weights lack.

    Args:
        kind: The class of the model, for which the library has no types.
        folder: The folder of the checkpoint, with weights as safetensors.
    """
    # The progress bar would be written to standard error, even if logs are JSON lines. The function has no types.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network, info = kind.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    return network, info


def _load_by_transformers(card: ImageCard, folder: Path) -> Loaded:
    is_clip = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).model_type in CLIP
    kind: Any = CLIPVisionModelWithProjection if is_clip else AutoModel
    network, info = read_checkpoint(kind, folder)
    # The library draws missing weights at random.
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(POOLERS))
    if missing or info["mismatched_keys"]:
        differing = missing or sorted(str(each) for each in info["mismatched_keys"])
        raise Fatal(f"model {card.key}: {card.weights} does not fit config.json, first in {differing[0]}")
    if is_clip:
        return Loaded(network, lambda pictures: network(pixel_values=pictures).image_embeds, "projection", None)
    pooled = {"cls": _first_token, "average": _averaged}[card.pooling] if card.pooling != "projection" else None
    if pooled is None:
        raise Fatal(f"model {card.key}: pooling = projection is for CLIP only")
    return Loaded(
        network, lambda pictures: pooled(network(pixel_values=pictures).last_hidden_state), card.pooling, None
    )


def _first_token(states: torch.Tensor) -> torch.Tensor:
    if states.dim() != 3:
        raise ValueError("the model has no tokens, so pooling = cls cannot be computed")
    return states[:, 0]


def _averaged(states: torch.Tensor) -> torch.Tensor:
    if states.dim() != 4:
        raise ValueError("the model has tokens, so pooling = average cannot be computed")
    return states.mean(dim=(2, 3))
