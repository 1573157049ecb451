"""The graph of a BERT-like text encoder, built from its weights.

Sources: Devlin et al. 2019 (https://arxiv.org/abs/1810.04805) for the layers, Liu et al. 2019
(https://arxiv.org/abs/1907.11692) for RoBERTa, whose positions begin after the number of its padding token.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from shared.embedding.openvino.layout import ACTIVATIONS, ROBERTA, Layout
from shared.embedding.openvino.weights import Weights
from shared.errors import Fatal

HIDDEN = -1e4
"""Added to the attention on padding; small enough for half precision, and its exponential is 0."""

LEAST_NORM = 1e-12
IDS, MASK = "ids", "mask"


def build_graph(layout: Layout, weights: Weights) -> ov.Model:
    """Return the graph: token ids and mask, int32, shape (rows, tokens), to vectors of unit length, shape (rows, dim).

    Args:
        layout: What is known about the model.
        weights: Its tensors, whose memory the graph shares.

    Raises:
        Fatal: a weight is missing.
    """
    try:
        return _Builder(layout.config, _named(weights)).model(layout.pooling)
    except KeyError as error:
        raise Fatal(f"{layout.weights.name} has no tensor {error}") from error


def _named(weights: Weights) -> Weights:
    """Return the weights by their names without the name of the architecture, which some files put first."""
    return {name.removeprefix("bert.").removeprefix("roberta."): value for name, value in weights.items()}


class _Builder:
    """Builds the layers of one model."""

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        self._config, self._weights = config, weights
        self._width, self._heads = int(config["hidden_size"]), int(config["num_attention_heads"])

    def model(self, pooling: str) -> ov.Model:
        """Return the whole graph."""
        ids, mask = (op.parameter([-1, -1], ov.Type.i32, name=name) for name in (IDS, MASK))
        for each, name in ((ids, IDS), (mask, MASK)):
            each.output(0).set_names({name})
        attended = op.convert(mask, ov.Type.f32)
        bias = op.multiply(op.subtract(_floats(1.0), op.unsqueeze(attended, _ints(1, 2))), _floats(HIDDEN))
        states = self._embedded(ids)
        for layer in range(int(self._config["num_hidden_layers"])):
            states = self._layer(states, bias, f"encoder.layer.{layer}.")
        pooled = _mean(states, attended) if pooling == "mean" else op.gather(states, _ints(0), _ints(1))
        flat = op.reshape(pooled, _ints(-1, self._width), False)
        return ov.Model([op.normalize_l2(flat, _ints(1), LEAST_NORM, "max")], [ids, mask], "text")

    def _embedded(self, ids: Any) -> Any:
        first = int(self._config["pad_token_id"]) + 1 if self._config["model_type"] in ROBERTA else 0
        tokens = op.gather(op.shape_of(ids), _ints(1), _ints(0))
        words, positions, kinds = (
            self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        found = op.gather(_floats(words), ids, _ints(0))
        placed = op.add(found, op.slice(_floats(positions[first:]), _ints(0), tokens, _ints(1), _ints(0)))
        return self._normalised(op.add(placed, _floats(kinds[0])), "embeddings.LayerNorm")

    def _layer(self, states: Any, bias: Any, name: str) -> Any:
        query, key, value = (self._parted(states, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
        mixed = op.transpose(op.scaled_dot_product_attention(query, key, value, bias), _ints(0, 2, 1, 3))
        joined = self._linear(op.reshape(mixed, _ints(0, 0, self._width), True), f"{name}attention.output.dense")
        states = self._normalised(op.add(states, joined), f"{name}attention.output.LayerNorm")
        activation = ACTIVATIONS[self._config["hidden_act"]]
        inner = op.gelu(self._linear(states, f"{name}intermediate.dense"), activation)
        outer = self._linear(inner, f"{name}output.dense")
        return self._normalised(op.add(states, outer), f"{name}output.LayerNorm")

    def _parted(self, states: Any, name: str) -> Any:
        """Return a projection by heads: shape (rows, heads, tokens, width of a head)."""
        shape = _ints(0, 0, self._heads, self._width // self._heads)
        return op.transpose(op.reshape(self._linear(states, name), shape, True), _ints(0, 2, 1, 3))

    def _linear(self, states: Any, name: str) -> Any:
        product = op.matmul(states, _packed(self._weights[f"{name}.weight"]), False, True)
        return op.add(product, _floats(self._weights[f"{name}.bias"]))

    def _normalised(self, states: Any, name: str) -> Any:
        epsilon = float(self._config["layer_norm_eps"])
        scaled = op.multiply(
            op.mvn(states, _ints(-1), True, epsilon, "inside_sqrt"), _floats(self._weights[f"{name}.weight"])
        )
        return op.add(scaled, _floats(self._weights[f"{name}.bias"]))


def _mean(states: Any, attended: Any) -> Any:
    """Return the mean of the states of the tokens that are no padding, shape (rows, width)."""
    each = op.unsqueeze(attended, _ints(2))
    return op.divide(op.reduce_sum(op.multiply(states, each), _ints(1), False), op.reduce_sum(each, _ints(1), False))


def _floats(values: NDArray[np.float32] | float) -> Any:
    """Return a constant with memory of its own: each pass reads it, and a mapped file may be cut short meanwhile."""
    return op.constant(np.ascontiguousarray(values, dtype=np.float32))


def _packed(values: NDArray[np.float32]) -> Any:
    """Return a constant that shares the memory of a matrix, which is packed at the first pass and not read again."""
    return op.constant(np.ascontiguousarray(values, dtype=np.float32), shared_memory=True)


def _ints(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))
