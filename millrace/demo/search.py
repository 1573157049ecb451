"""The part of the demo with one search: a sentence, a question that fits nothing, and a picture."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from millrace.federated import (
    OpenSource,
    SearchModels,
    encode_picture,
    federation_of,
    open_sources,
    prepared,
    text_vectors,
)
from millrace.found_display import print_answer
from shared.engine.stream import Stream
from shared.model_settings import EmbeddingSettings
from shared.search.federated.federation import Federation, Question
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import VectorStore

SENTENCE = "running shoes in the wrong size"
IN_A_SCREENSHOT = "error code PAY-4031"
UNFIT = "how do I bake sourdough bread"
PICTURE = "products/lamp-table-cream.jpg"
SHOWN = 5


class DemoSearch:
    """Searches what the other parts of the demo have stored.

    Args:
        console: Where it is shown.
        store: The store.
        streams: The streams, each with its settings.
        models: The models that are loaded already.
        tenant: The tenant of all samples.
    """

    def __init__(
        self,
        console: Console,
        store: VectorStore,
        streams: Sequence[tuple[Stream[Any, Any], StreamSettings]],
        models: SearchModels,
        tenant: str,
    ) -> None:
        self._console, self._models, self._tenant = console, models, tenant
        self._sources, _ = open_sources(store, streams)
        self._federation: Federation = federation_of(self._sources, models)

    def show(self, settings: Settings) -> None:
        """Search by a sentence, by words of a screenshot, by a question that fits nothing, and by a picture."""
        for text in (SENTENCE, IN_A_SCREENSHOT, UNFIT):
            self._by_text(text)
        self._by_picture(PICTURE, settings)

    def _by_text(self, text: str) -> None:
        streams = ", ".join(each.stream.name for each in self._sources)
        self._console.print(f'\nOne search over {streams}: "{text}"')
        vectors = text_vectors(self._sources, self._models, text)
        self._answer(Question(self._tenant, vectors, prepared(self._sources[0], text), limit=SHOWN))

    def _by_picture(self, name: str, settings: Settings) -> None:
        pictured: list[OpenSource] = [each for each in self._sources if each.has_pictures]
        if not pictured:
            return
        self._console.print(f"\nThe same by a picture, {name}:")
        with as_file(files("millrace.demo").joinpath("samples").joinpath(name)) as path:
            encoded = encode_picture(pictured, self._models, path, settings)
        vectors = {stream: {"picture": vector} for stream, vector in encoded.items()}
        self._answer(Question(self._tenant, vectors, limit=SHOWN))

    def _answer(self, question: Question) -> None:
        print_answer(self._console, self._federation.find(question), {}, question.false_rate, all_hits=False)


def say_how_to_search(
    console: Console, folder: Path, streams: Sequence[tuple[Stream[Any, Any], StreamSettings]]
) -> None:
    """Print how to search the store of the demo afterwards, with the settings that are not the defaults."""
    lines = [f"export MILLRACE_STORE__PATH={quote(str(folder.resolve()))}"]
    for stream, own in streams:
        if own.embedding.model != EmbeddingSettings().model:
            lines.append(f"export {variable(stream.name, 'embedding', 'model')}={own.embedding.model}")
        if own.attachments.read and stream.attached is not None:
            lines.append(f"export {variable(stream.name, 'attachments', 'read')}=true")
    console.print("\nTo search this store:")
    for each in (*lines, f'millrace search --text "{SENTENCE}"'):
        console.print(f"  {each}", markup=False, soft_wrap=True)
