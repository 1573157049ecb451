"""`millrace search`: one search over tickets, calls and products."""

import json as jsonlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from millrace.cli.options import Json, load_settings, load_stream_settings, quiet, require_stream
from millrace.cli.where import Where, read_where
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
from millrace.resources import existing_store
from millrace.search_answers import only_tenant
from millrace.stored_items import StoredItem, stored_item
from millrace.streams import STREAMS
from schemas.found import FOUND_LIMIT
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.records import Vector
from shared.search.federated.federation import Answer, Question
from shared.settings import Settings, variable
from shared.vectorstore.port import VectorStore

FOUND_BY_DEFAULT = 10
FALSE_RATE = 0.05
SEARCHED = [name for name, stream in STREAMS.items() if stream.findable is not None]

Like = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="STREAM:ID",
        help="Search by a stored item, such as tickets:T-17: its text, and its pictures.",
    ),
]
FalseRate = Annotated[
    float,
    typer.Option(
        min=0.001,
        max=0.5,
        help="Words: how often a question that fits nothing may get a match. Pictures: what share of pairs of stored "
        "pictures may be as alike. A lower rate shows fewer hits, and loses more of those that fit; docs/search.md has "
        "figures.",
    ),
]

app = typer.Typer(
    rich_markup_mode="markdown",
    help="Search tickets, calls and products at once, by words or by a picture; measure such searches.",
)


@dataclass(frozen=True, slots=True)
class Given:
    """What is searched by: exactly one of the three."""

    text: str | None
    image: Path | None
    like: str | None

    def __post_init__(self) -> None:
        """Check that there is one question.

        Raises:
            typer.BadParameter: there is no question, or more than one, or the text is empty.
        """
        if sum(each is not None for each in (self.text, self.image, self.like)) != 1:
            raise typer.BadParameter("give one of --text, --image and --like")
        if self.text is not None and not self.text.strip():
            raise typer.BadParameter("the text is empty", param_hint="--text")


@app.callback(invoke_without_command=True)
def search(
    context: typer.Context,
    text: Annotated[str | None, typer.Option("--text", help="Search by these words, whole sentences too.")] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="Search by this picture (JPEG, PNG or WebP).", dir_okay=False)
    ] = None,
    like: Like = None,
    stream: Annotated[
        str, typer.Option("--stream", help="What is searched: one or more of these names, separated by commas.")
    ] = ",".join(SEARCHED),
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Tenant whose items to search; optional if the store has only one.")
    ] = None,
    where: Where = None,
    limit: Annotated[int, typer.Option(min=1, max=FOUND_LIMIT, help="Maximum number of hits.")] = FOUND_BY_DEFAULT,
    false_rate: FalseRate = FALSE_RATE,
    all_hits: Annotated[
        bool, typer.Option("--all", help="Show the nearest items too that do not match; --json always has them.")
    ] = False,
    json: Json = False,
) -> None:
    """Search tickets, calls and products at once; the hits of all of them are one list, and it may be empty."""
    quiet()
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return
    given = Given(text, image, like)
    settings, streams = load_settings(), chosen_streams(stream)
    with existing_store(settings) as store:
        opened, left_out = open_chosen(store, streams, is_chosen=stream != ",".join(SEARCHED))
        tenant_id = tenant or only_tenant([(each.stream, each.collection) for each in opened])
        conditions = read_where(where, {each.stream.name: each.own for each in opened})
        left_out |= conditions.left_out
        sources = [each for each in opened if each.stream.name in conditions.by_stream]
        if image is not None:
            left_out |= {each.stream.name: _without_pictures(each) for each in sources if not each.has_pictures}
        item = None if like is None else stored_item(opened, tenant_id, like)
        question = Question(tenant_id, {}, "", conditions.by_stream, limit, false_rate)
        answer = _answer(sources, settings, given, item, question)
    if json:
        typer.echo(jsonlib.dumps(_as_json(tenant_id, answer, left_out)))
    else:
        print_answer(Console(highlight=False, emoji=False), answer, left_out, false_rate, all_hits)


def _answer(
    sources: Sequence[OpenSource], settings: Settings, given: Given, item: StoredItem | None, question: Question
) -> Answer:
    """Return the answer to what was given.

    Raises:
        typer.BadParameter: nothing is left of the text.
        Fatal: the picture cannot be used, a model cannot be loaded, or there is nothing to ask by.
    """
    models = SearchModels()
    federation = federation_of(sources, models)
    if item is not None:
        return federation.find_like(item.questions(sources, models, question), (item.stream, item.source_id))
    text = given.text
    asked = "" if text is None else prepared(sources[0], text)
    if text is not None and not asked:
        raise typer.BadParameter("preparation removes all of the text", param_hint="--text")
    if text is not None and asked.split() != text.split():
        typer.echo(f"searched as: {asked}", err=True)
    vectors = _vectors(sources, models, settings, text, given.image)
    return federation.find(replace(question, vectors=vectors, text=asked))


def _refuse_options(context: typer.Context, command: str) -> None:
    """Refuse options that stand before a command, which does not read them.

    Raises:
        typer.BadParameter: there is such an option.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{option.opts[0]} must follow the command {command}, if it has this option")


def chosen_streams(names: str) -> list[Stream[Any, Any]]:
    """Return the streams of a list of names.

    Raises:
        typer.BadParameter: there is no name, or no stream of that name.
    """
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise typer.BadParameter(f"name at least one of: {', '.join(SEARCHED)}", param_hint="--stream")
    return [require_stream(name) for name in wanted]


def open_chosen(
    store: VectorStore, streams: Sequence[Stream[Any, Any]], is_chosen: bool
) -> tuple[list[OpenSource], dict[str, str]]:
    """Return the streams that can be searched, and why others cannot; a stream that was asked for must be one of them.

    Raises:
        Fatal: no stream can be searched, or one that was chosen cannot.
    """
    sources, left_out = open_sources(store, [(each, load_stream_settings(each)) for each in streams])
    if left_out and (is_chosen or not sources):
        raise Fatal("; ".join(f"{name} cannot be searched: {reason}" for name, reason in left_out.items()))
    return sources, left_out


def _vectors(
    sources: Sequence[OpenSource], models: SearchModels, settings: Settings, text: str | None, image: Path | None
) -> dict[str, dict[str, Vector]]:
    """Return the vectors of the question for each stream.

    Raises:
        Fatal: the picture cannot be used, a model cannot be loaded, or no stream has pictures.
    """
    if text is not None:
        return text_vectors(sources, models, text)
    if image is None:
        raise ValueError("there is no question")
    pictures = encode_picture(sources, models, image, settings)
    if not pictures:
        raise Fatal("; ".join(f"{each.stream.name} cannot be searched: {_without_pictures(each)}" for each in sources))
    return {name: {"picture": vector} for name, vector in pictures.items()}


def _without_pictures(source: OpenSource) -> str:
    """Return why a stream cannot be searched by a picture."""
    if source.stream.attached is None:
        return "they have no pictures"
    return f"their pictures are not read; {variable(source.stream.name, 'attachments', 'read')} switches it on"


def _as_json(tenant_id: str, answer: Answer, left_out: dict[str, str]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "matches": bool(answer.matching),
        "hits": [hit.model_dump(mode="json") for hit in answer.hits],
        "searched": list(answer.asked),
        "left_out": left_out,
    }
