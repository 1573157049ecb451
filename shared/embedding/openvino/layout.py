"""The folder of a sentence-transformers model, read without that library and without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Fatal

MODULES = ("Transformer", "Pooling", "Normalize")
"""The modules whose computation is known here, by the last part of their types."""

ROBERTA = ("roberta", "xlm-roberta", "camembert")
"""The types of transformers whose positions begin after the number of their padding token."""

MODEL_TYPES = ("bert", *ROBERTA)
ACTIVATIONS = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
"""The approximations of the activations that are known here, by their names in config.json."""

WEIGHTS = "model.safetensors"


class Unsupported(Fatal):
    """This backend cannot compute the model; another one may."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is needed to compute a model.

    Attributes:
        transformer: The folder of the transformer: its configuration, weights and tokenizer.
        config: The configuration of the transformer, as in config.json.
        pooling: How the vectors of the tokens become one: `mean` or `cls`.
        longest_tokens: The longest input of one forward pass, in tokens; None if there is no limit.
    """

    transformer: Path
    config: Mapping[str, Any]
    pooling: str
    longest_tokens: int | None

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.transformer / WEIGHTS

    @property
    def tokenizer(self) -> Path:
        """The file with the tokenizer."""
        return self.transformer / "tokenizer.json"


def read_layout(folder: Path) -> Layout:
    """Read the files of a model.

    Raises:
        Unsupported: a module or a setting is unknown here, or a file is missing.
    """
    try:
        modules = {_kind(each): folder / each["path"] for each in _read(folder / "modules.json")}
        if unknown := sorted(modules.keys() - set(MODULES)):
            raise Unsupported(f"modules.json names {', '.join(unknown)}, which only the backend torch can compute")
        transformer = modules["Transformer"]
        config = _read(transformer / "config.json")
        pooling = _pooling(_read(modules["Pooling"] / "config.json"))
        found = Layout(transformer, config, pooling, _longest(transformer, config))
    except (KeyError, TypeError, ValueError) as error:
        raise Unsupported(f"the files in {folder} are not those of a sentence-transformers model: {error}") from error
    _check(config)
    for path in (found.weights, found.tokenizer):
        if not path.is_file():
            raise Unsupported(f"{path.name} is missing; without it, only the backend torch can compute the model")
    return found


def _check(config: Mapping[str, Any]) -> None:
    kind, activation = config.get("model_type"), config.get("hidden_act")
    if kind not in MODEL_TYPES or activation not in ACTIVATIONS:
        raise Unsupported(f"only the backend torch can compute a transformer {kind} with the activation {activation}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise Unsupported("only the backend torch can compute relative positions")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unsupported(f"{path.name} cannot be read: {error.strerror}") from error


def _kind(module: Mapping[str, str]) -> str:
    return module["type"].rpartition(".")[2]


def _pooling(config: Mapping[str, Any]) -> str:
    """Return the pooling: newer files name it, older ones have a switch for each kind."""
    known = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
    chosen = [str(config["pooling_mode"])] if "pooling_mode" in config else _switched(config)
    if len(chosen) != 1 or chosen[0] not in known.keys() | known.values():
        raise Unsupported(f"the pooling {', '.join(chosen)} is one that only the backend torch can compute")
    return next(name for name, switch in known.items() if chosen[0] in (name, switch))


def _switched(config: Mapping[str, Any]) -> list[str]:
    return [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]


def _longest(transformer: Path, config: Mapping[str, Any]) -> int | None:
    own = transformer / "sentence_bert_config.json"
    stated = _read(own).get("max_seq_length") if own.is_file() else None
    limit = stated if stated is not None else config.get("max_position_embeddings")
    return None if limit is None else int(limit)
