"""What a text model is computed from: its safetensors file, or the graph that `millrace models build` stored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openvino as ov

from shared.embedding.openvino.graph import IDS, MASK, build_graph
from shared.embedding.openvino.layout import read_layout
from shared.embedding.openvino.weights import map_weights
from shared.embedding.registry import TextCard
from shared.errors import Fatal

GRAPH = "model.xml"
TOKENIZER = "tokenizer.json"
PART, POOLING, LONGEST = "millrace", "pooling", "longest_tokens"
"""Where a stored graph states what cannot be read from it."""

NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class Source:
    """A graph, and what is known about it.

    Attributes:
        graph: Computes vectors of token ids and mask; see `build_graph`.
        tokenizer: The file with the tokenizer.
        pooling: How the vectors of the tokens become one.
        longest_tokens: The longest input of one forward pass, in tokens; None if there is no limit.
        release: Gives memory back to the system that only building and compiling the graph needs.
    """

    graph: ov.Model
    tokenizer: Path
    pooling: str
    longest_tokens: int | None
    release: Callable[[], None] = lambda: None


def read_source(card: TextCard, folder: Path) -> Source:
    """Read the files of a model.

    Args:
        card: Its card; its backend decides which files these are.
        folder: The folder with the files, which have been compared with the card.

    Raises:
        Unsupported: OpenVINO does not know a part of the model.
        Fatal: a weight is missing, or the stored graph cannot be read.
    """
    if card.backend == "openvino":
        return _stored(card, folder)
    layout = read_layout(folder)
    weights = map_weights(layout.weights)
    graph = build_graph(layout, weights.tensors)
    return Source(graph, layout.tokenizer, layout.pooling, layout.longest_tokens, weights.release)


def label(graph: ov.Model, pooling: str, longest_tokens: int | None) -> None:
    """Write into a graph what cannot be read from it."""
    graph.set_rt_info(pooling, [PART, POOLING])
    graph.set_rt_info(NO_LIMIT if longest_tokens is None else str(longest_tokens), [PART, LONGEST])


def _stored(card: TextCard, folder: Path) -> Source:
    try:
        graph = ov.Core().read_model(folder / GRAPH)
        names = {name for each in graph.inputs for name in each.get_names()}
        pooling, longest = (str(graph.get_rt_info([PART, name]).astype(str)) for name in (POOLING, LONGEST))
        longest_tokens = None if longest == NO_LIMIT else int(longest)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[-1]
        raise Fatal(
            f"model {card.key}: {folder / GRAPH} is not one that `millrace models build` made: {first}"
        ) from error
    if names != {IDS, MASK}:
        raise Fatal(f"model {card.key}: the inputs of {folder / GRAPH} are {sorted(names)}, not {IDS} and {MASK}")
    return Source(graph, folder / TOKENIZER, pooling, longest_tokens)
