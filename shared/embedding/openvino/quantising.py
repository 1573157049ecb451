"""Static int8 quantisation of a text model by NNCF: weights and activations of its products of matrices are bytes.

Sources: Xiao et al. 2023 (https://arxiv.org/abs/2211.10438) for the smoothing, by which channels with large activations
are scaled down and their weights up; the scales of activations are measured on sample texts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from shared.embedding.microbatch import cut_padded
from shared.embedding.openvino.graph import IDS, MASK
from shared.embedding.openvino.source import GRAPH, Source, label
from shared.embedding.registry import TextCard
from shared.embedding.tokens import Tokens
from shared.embedding.windows import Windows, fill_rows

SMOOTHING = 0.7
"""How far smoothing moves the difficulty from activations to weights; 0.95, the library's default, loses more
(`docs/performance.md`)."""

BATCH_TOKENS = 512
"""Padded tokens of one forward pass while the scales are measured: texts of about the same length, as in a worker."""


OUTPUT = "vectors"
NO_TEXT = ""
"""Its special tokens alone have activations like no other text's: without it, its cosine is 0.95, and short texts lose."""


def quantise(source: Source, card: TextCard, texts: Sequence[str], folder: Path) -> None:
    """Write a quantised copy of a graph, labelled for `read_source`.

    Args:
        source: The model in float32.
        card: Its card.
        texts: Sample texts, prepared as tickets are; the scales of the activations are measured on them.
        folder: The folder to write it to.

    Raises:
        ImportError: nncf is not installed.
    """
    batches = list(_batches(source, card, [*texts, NO_TEXT]))
    with _silent():
        import nncf
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        parameters = nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING),
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        )
        graph: ov.Model = nncf.quantize(
            source.graph.clone(),
            nncf.Dataset(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(batches),
            advanced_parameters=parameters,
        )
    # Their own names are numbered by process, so that the file would differ each time.
    for number, each in enumerate(graph.get_ordered_ops()):
        each.set_friendly_name(f"{each.get_type_name()}-{number}")
    graph.output(0).set_names({OUTPUT})
    label(graph, source.pooling, source.longest_tokens)
    ov.save_model(graph, folder / GRAPH, compress_to_fp16=False)


def quantisation() -> dict[str, Any]:
    """Return the parameters of the quantisation, and the versions of the libraries, for the record of a model."""
    return {
        "nncf": version("nncf"),
        "openvino": version("openvino"),
        "preset": "mixed",
        "smoothing": SMOOTHING,
        "range": "minmax",
        "batch_tokens": BATCH_TOKENS,
    }


def _batches(source: Source, card: TextCard, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    tokens = Tokens(source.tokenizer)
    windows = Windows.of(tokens.of([card.prompt + text for text in texts]), card.window_tokens, tokens.special)
    for group in cut_padded(windows.lengths, BATCH_TOKENS):
        ids, mask = fill_rows([windows.pieces[each] for each in group], tokens.padding, np.int32)
        yield {IDS: ids, MASK: mask}


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the library from writing to standard output."""
    with redirect_stdout(StringIO()):
        yield
