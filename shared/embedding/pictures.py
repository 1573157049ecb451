"""Loading a model of pictures by the configured backend. Only the libraries of that backend are imported."""

from shared.embedding.backends import choose_for_pictures
from shared.embedding.image.model import ImageModel, Layers
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.registry import ImageCard
from shared.logs import get_logger
from shared.model_settings import ImageSettings

log = get_logger("embedding")


def load_pictures(card: ImageCard, configured: ImageSettings) -> ImageModel:
    """Load the model of a card.

    With the backend `auto`, torch computes what OpenVINO cannot.

    Args:
        card: The card of the model.
        configured: The device, the backend, the number format and the size of micro-batches.

    Raises:
        Fatal: the model does not match its card, or cannot be computed as configured.
        ImportError: a library of the backend is missing.
    """
    return ImageModel(card, _layers(card, configured), configured.micro_batch_pixels)


def _layers(card: ImageCard, configured: ImageSettings) -> Layers:
    if choose_for_pictures(configured.backend, configured.device) == "openvino":
        from shared.embedding.openvino.pictures import OpenVinoLayers

        try:
            return OpenVinoLayers(card, configured.device, configured.dtype, configured.streams)
        except Unsupported as error:
            if configured.backend != "auto":
                raise
            log.warning("torch computes the model of pictures, not openvino", model=card.key, reason=str(error))
    from shared.embedding.image.network import TorchLayers

    return TorchLayers(card, configured.device)
