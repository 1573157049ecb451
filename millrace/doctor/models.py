"""Checks of what produces vectors and decisions: the model and its weights, the device, the head, the policy."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from millrace.configured import input_fingerprints, model_card, model_cards
from millrace.doctor.finding import Finding
from millrace.resources import load_policy
from shared.embedding.backends import choose_backend
from shared.embedding.openvino.layout import read_layout
from shared.embedding.registry import TextCard
from shared.engine.stream import Stream
from shared.model_settings import EmbeddingSettings
from shared.settings import variable
from shared.stream_settings import StreamSettings

SMALL_FOR_A_GPU_TOKENS = 16_384


def check_model(own: StreamSettings) -> Iterator[Finding]:
    """Read the model's card, and compare the model's files with it."""
    card = model_card(own)
    yield Finding("model", "ok", f"{card.key}, fingerprint {card.fingerprint}, {card.dim} dimensions")
    folder = card.check_files()
    yield Finding("model", "ok", f"the files in {folder} match the card")


def check_device(own: StreamSettings, stream: str) -> Iterator[Finding]:
    """Find what computes the model, and check whether micro-batches are large enough for it."""
    embedding, card = own.embedding, model_card(own)
    configured = f"(configured: {embedding.device})"
    backend = choose_backend(card, embedding.backend, embedding.device)
    try:
        if backend == "numpy":
            from shared.embedding.universal import check_cpu

            check_cpu(card, embedding.device)
            yield Finding("device", "ok", f"cpu, by numpy {configured}")
            return
        if backend == "openvino":
            yield Finding("device", "ok", f"cpu, by openvino {_format(card, embedding)} {configured}")
            return
        from shared.embedding.device import choose_device
    except ImportError as error:
        extra = "openvino" if backend == "openvino" else card.extra
        yield Finding("device", "wrong", f"{error.name} is not installed", f"install millrace[{extra}]")
        return
    device = choose_device(embedding.device)
    yield Finding("device", "ok", f"{device}, by torch {configured}")
    if device.type != "cpu" and embedding.micro_batch_tokens < SMALL_FOR_A_GPU_TOKENS:
        fix = f"set {variable(stream, 'embedding', 'micro_batch_tokens')} to 65536"
        yield Finding(
            "device", "warning", f"micro-batches of {embedding.micro_batch_tokens} tokens leave a GPU idle", fix
        )
    if device.type == "cpu" and embedding.backend == "auto" and find_spec("openvino") is None:
        fix = "install millrace[openvino], which computes the same vectors"
        yield Finding("device", "warning", "torch is several times slower on a CPU than OpenVINO", fix)


def _format(card: TextCard, embedding: EmbeddingSettings) -> str:
    """Return the number format in which OpenVINO will compute.

    Raises:
        Fatal: it cannot compute the model on the configured device.
    """
    from shared.embedding.openvino.device import check_device as check_openvino
    from shared.embedding.openvino.model import stated_format

    check_openvino(card, embedding.device)
    if card.backend == "openvino":
        return f"in {card.dtype}"
    read_layout(card.locate())
    stated = stated_format(card) if embedding.dtype == "auto" else embedding.dtype
    return (
        f"in {stated}" if stated else "in bfloat16 if a comparison at the start shows the same vectors, else in float32"
    )


def check_head(own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    """Load the head, and compare it with the model."""
    folder = own.decision.head
    if folder is None:
        yield Finding("head", "skipped", "no head is configured: the vote of labelled neighbours decides")
        return
    if own.image.classes:
        yield Finding(
            "head", "warning", "the head decides, so that the names in IMAGE__CLASSES are not used", "unset them"
        )
    from shared.routing.head_files import load_head  # takes seconds, so imported only if a head is configured

    head = load_head(folder)
    yield Finding("head", "ok", f"{head.fingerprint}, {len(head.labels)} labels, in {folder}")
    cards = model_cards(stream, own)
    head.check_model(input_fingerprints(stream, {name: card.fingerprint for name, card in cards.items()}))
    yield Finding("head", "ok", "it was trained on vectors of the configured model")


def check_policy(own: StreamSettings) -> Iterator[Finding]:
    """Load the policy, and compare it with the head's labels."""
    policy = load_policy(own)
    yield Finding("policy", "ok", f"{policy.source}, {len(policy.labels)} labels, SHA-256 {policy.sha256[:12]}...")
    if own.decision.head is None:
        policy.check_zero_shot(own.image.classes)
        return
    from shared.routing.head_files import load_head

    labels = load_head(own.decision.head).labels
    policy.check_labels(labels)
    beyond = policy.rows_beyond(labels)
    if beyond:
        said = f"{', '.join(beyond[:5])}{' and more' if len(beyond) > 5 else ''}"
        yield Finding(
            "policy", "warning", f"tables for labels that the head does not know: {said}", "correct or remove them"
        )
