"""What searches of a stream can filter on, with its settings, and the preparation of the texts that are compared."""

from typing import Any

from millrace.configured import model_card
from shared.engine.stream import Stream
from shared.search.conditions import Fields
from shared.search.filterable import filterable_fields
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer


def fields_of(stream: Stream[Any, Any], own: StreamSettings) -> Fields:
    """Return what conditions can name in a stream; texts are prepared as its worker prepares the stored ones.

    Args:
        stream: The stream.
        own: The settings of the stream.

    Raises:
        Fatal: the configured text model does not exist, or its row is not valid.
    """
    return Fields(filterable_fields(stream.filters, own.search), Preparer(model_card(own).preparation).field)
