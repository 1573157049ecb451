"""Small models of pictures with random weights from fixed seeds, of each backend and family, and their rows.

Their vectors mean nothing. The sizes that the real models have, such as the length of a vector, are kept where a model of
random weights is small enough.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModel, CLIPVisionModelWithProjection, PreTrainedModel

from shared.embedding.files import files_table

IMAGENET: Mapping[str, Any] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
HALF: Mapping[str, Any] = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
SMALL: Mapping[str, Any] = {"resize_px": 36, "crop_px": 32, "interpolation": "bicubic"}
WIDTH = 32
OMITTED = "omitted"
"""The value of a field that a row does not have."""

TOKENS: Mapping[str, Any] = {
    "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "initializer_range": 0.3,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """One family of models: how a small one is made, and the fields of its row.

    Attributes:
        name: Unique among the families.
        fields: The fields of the row that differ by family.
        config: The class of its configuration in transformers; None for timm.
        options: The arguments of the configuration, or of timm.
    """

    name: str
    fields: Mapping[str, Any]
    config: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, seed: int = 17) -> Path:
        """Write the files of a small model into a folder, and return the folder."""
        folder.mkdir(parents=True)
        torch.manual_seed(seed)
        if self.config is not None:
            _transformer(getattr(transformers, self.config)(**self.options)).save_pretrained(folder)
            return folder
        network = timm.create_model(self.fields["architecture"], pretrained=False, **self.options)
        has_norms = any(isinstance(each, torch.nn.BatchNorm2d) for each in network.modules())
        save_file((spread(network) if has_norms else network).state_dict(), folder / "model.safetensors")
        return folder

    def row(self, folder: Path, **changes: Any) -> str:
        """Return the row `small` of models.toml for the files in a folder."""
        fields = {
            "modality": "image",
            "source": f"path:{folder}",
            "weights": "model.safetensors",
            "licence": "made here",
        }
        fields |= {"dtype": "float16", **SMALL, **self.fields, **changes}
        lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value != OMITTED]
        return "\n".join(["[small]", *lines, "", "[small.files]", files_table(folder), ""])


def _transformer(config: Any) -> PreTrainedModel:
    is_clip = config.model_type == "clip_vision_model"
    make: Any = CLIPVisionModelWithProjection if is_clip else AutoModel.from_config  # the library has no types for them
    made: PreTrainedModel = make(config)
    spread(made)
    return made


def spread(network: torch.nn.Module) -> torch.nn.Module:
    """Give normalising layers the statistics of some noise, as training would; return the network.

    Without them, all pictures would have nearly the same vector, and comparisons would show nothing.
    """
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias, 0, 0.5)
            layer.momentum = None  # the average of all passes
    with torch.no_grad():
        network.train()(torch.randn(16, 3, SMALL["crop_px"], SMALL["crop_px"]))
    return network.eval()


def _timm(name: str, architecture: str, dim: int, **fields: Any) -> Family:
    options = {"num_classes": 1_000} if "feature_norm" not in fields else {"num_classes": 10}
    row = {"backend": "timm", "architecture": architecture, "dim": dim, "pooling": "average", "feature_norm": 5.0}
    return Family(name, row | dict(IMAGENET) | fields, None, options)


def _transformers(name: str, config: str, fields: Mapping[str, Any], **options: Any) -> Family:
    return Family(name, {"backend": "transformers", **fields}, config, options)


FAMILIES = (
    _timm("timm EfficientNet-B0", "efficientnet_b0", 1_280),
    _timm("timm EfficientNet-Lite0", "tf_efficientnet_lite0", 1_280, feature_norm=OMITTED),
    _timm("timm ResNet-50", "resnet50", 2_048, interpolation="bilinear"),
    _timm("timm ViT", "test_vit", 64, pooling="cls", resize_px=160, crop_px=160, **HALF),
    _transformers(
        "CLIP", "CLIPVisionConfig", {"dim": 16, "pooling": "projection", **HALF}, projection_dim=16, **TOKENS
    ),
    _transformers("ViT", "ViTConfig", {"dim": WIDTH, "pooling": "cls", **HALF}, **TOKENS),
    _transformers(
        "ResNet", "ResNetConfig", {"dim": 48, "pooling": "average", **IMAGENET},
        embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1],
    ),
    _transformers(
        "EfficientNet", "EfficientNetConfig", {"dim": 320, "pooling": "average", **IMAGENET},
        image_size=32, width_coefficient=0.25, depth_coefficient=0.1, hidden_dim=320, initializer_range=0.3,
    ),
)  # fmt: skip
