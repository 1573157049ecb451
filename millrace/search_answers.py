"""Searches the configured store for similar items, such as solved tickets, and prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.search import SimilarItem, SimilarTicket
from shared.clock import SystemClock
from shared.embedding.port import TextModel
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.search.similar import Found, Question, SimilarSearch
from shared.search.tuning.weights import TOLERANCE
from shared.settings import variable
from shared.stream_settings import SearchSettings
from shared.text.language import detect_language
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import Collection

TENANTS_NAMED = 5
RANKINGS = {
    "fused": "fused",
    "without_resolutions": "fused, no resolutions",
    "dense": "dense",
    "bm25": "bm25",
    "resolution": "resolution",
}
"""The rankings of a report, in the order in which they are printed, each with the name that is shown."""


@dataclass(frozen=True, slots=True)
class TextAsked:
    """What a person asks.

    Attributes:
        tenant_id: The tenant whose items are searched; None if the store has only one.
        text: The prepared text.
        customer_id: The customer it is about, as stored; None if unknown.
        where: Conditions that each hit must meet; see `shared.search.conditions.read_condition`.
        limit: Maximum number of hits, 1 to 10; None for the limit of the settings.
    """

    tenant_id: str | None
    text: str
    customer_id: str | None = None
    where: tuple[Condition, ...] = ()
    limit: int | None = None


def searching(stream: Stream[Any, Any], collection: Collection, settings: SearchSettings) -> SimilarSearch[Any]:
    """Return the search for similar items of a stream.

    Raises:
        Fatal: nothing of this stream is searched.
    """
    if stream.searchable is None:
        raise Fatal(f"nothing of the stream {stream.name} is searched")
    return SimilarSearch(collection, stream.searchable, settings, stream.points.is_ours)


def ask(search: SimilarSearch[Any], model: TextModel, asked: TextAsked) -> Found[Any]:
    """Return the items similar to a prepared text, with its detected language and the current time.

    Raises:
        Unavailable: the store cannot be read.
    """
    if asked.tenant_id is None:
        raise ValueError("the tenant must be known before the search")
    vector = model.embed([asked.text]).vectors[0]
    question = Question(
        asked.tenant_id,
        asked.text,
        vector,
        SystemClock().now(),
        language=detect_language(asked.text),
        customer_id=asked.customer_id,
        where=asked.where,
        limit=asked.limit,
    )
    [found] = search.find([question])
    return found


def only_tenant(collections: Sequence[tuple[Stream[Any, Any], Collection]]) -> str:
    """Return the tenant of a store that contains items of only one tenant.

    Args:
        collections: The streams that are searched, each with its collection.

    Raises:
        Fatal: the store has no items, or items of several tenants; the error names some tenants.
    """
    names = ", ".join(stream.name for stream, _ in collections)
    tenants: set[str] = set()
    for stream, collection in collections:
        for which, payload in collection.scroll(("tenant_id", stream.id_field)):
            if stream.points.is_ours(which, payload):  # else another program wrote it
                tenants.add(str(payload["tenant_id"]))
            if len(tenants) > TENANTS_NAMED:
                break
    if not tenants:
        raise Fatal(f"the store contains no {names} yet")
    if len(tenants) > 1:
        raise Fatal(
            f"the store contains {names} of several tenants, such as {', '.join(sorted(tenants))}: choose one with --tenant"
        )
    return tenants.pop()


def print_found(
    console: Console, found: Found[Any], settings: SearchSettings, asked: TextAsked, stream: Stream[Any, Any]
) -> None:
    """Print the hits, best first, with the parts of their scores, and the suggested reply; without hits, the reason."""
    if not found.similar:
        console.print(f"  {escape(why_nothing(found, settings, asked, stream))}", soft_wrap=True)
        return
    for hit in found.similar:
        console.print(f"  [bold]{hit.score:.3f}[/bold]  {escape(hit.shown_id)}  {escape(hit.shown_title)}")
        console.print(f"         {_parts(hit)}", style="dim")
        if isinstance(hit, SimilarTicket) and hit.resolution:
            console.print(f"         {escape(hit.resolution)}")
    if found.reply is not None:
        console.print("\nSuggested reply, quoted from these resolutions:")
        for sentence in found.reply.sentences:
            console.print(f"  {escape(sentence.text)} [dim]({escape(sentence.ticket_id)})[/dim]")


def why_nothing(found: Found[Any], settings: SearchSettings, asked: TextAsked, stream: Stream[Any, Any]) -> str:
    """Return why nothing was found: the search is off, nothing can be offered, or rules or conditions exclude all."""
    tenant_id, counts = asked.tenant_id, found.offerable
    what = "item" if stream.searchable is None else stream.searchable.what
    if not settings.limit and asked.limit is None:
        return f"the search for similar {stream.name} is off, because {variable(stream.name, 'search', 'limit')} is 0"
    if counts is None:
        return f"no {what} was found, and the store did not answer when asked for the reason: try again"
    if not counts.total:
        return f"no {what} was found: the store has no {what} of tenant {tenant_id}"
    if counts.offered and asked.where:
        return (
            f"no {what} was found: none of the {counts.offered} {what}s of tenant {tenant_id} that can be offered meets "
            "the conditions of --where"
        )
    if counts.offered:
        return (
            f"no {what} was found, although {counts.offered} {what}s of tenant {tenant_id} can be offered: try again, or "
            "run `millrace doctor` to look for points of other programs"
        )
    reasons = "".join(f"\n    {reason}" for reason in counts.reasons(settings, stream.name))
    return f"no {what} was found: tenant {tenant_id} has {counts.total}, but all are excluded{reasons}"


def print_metrics(console: Console, report: dict[str, Any], title: str) -> None:
    """Print the metrics of each ranking, overall and for each slice; then the slices that are worse than the whole."""
    table = Table(title=title, title_justify="left")
    for column in ("", "ranking", "MRR", "recall@1", "recall@5", "nDCG@10"):
        table.add_column(column, no_wrap=True, justify="left" if column in ("", "ranking") else "right")
    for name, part in (("all", report), *report["slices"].items()):
        for place, (ranking, values) in enumerate((name, part[name]) for name in RANKINGS if name in part):
            cells = [_cell(values, metric) for metric in ("mrr", "recall_at_1", "recall_at_5", "ndcg_at_10")]
            table.add_row(f"{name} ({part['queries']})" if place == 0 else "", RANKINGS[ranking], *cells)
        table.add_section()
    console.print(table)
    for name, part in (("all queries", report), *report["slices"].items()):
        if part["shortfall"] > TOLERANCE:
            below = f"the MRR of fused is {part['shortfall']:.4f} below that of {part['best_part']} alone"
            console.print(f"{escape(name)} ({part['queries']}): {below}")
    worse = [f"{name} (p = {part['chance']:.4f})" for name, part in report["slices"].items() if part["worse"]]
    console.print(f"worse than the whole by more than chance explains: {escape(', '.join(worse)) or 'no slice'}")


def _parts(hit: SimilarItem) -> str:
    parts = hit.parts
    rated = "unrated" if hit.satisfaction is None else f"rated {hit.satisfaction}"
    shared = f"; shares {escape(', '.join(hit.shared_terms))}" if hit.shared_terms else ""
    resolution = "" if parts.resolution_cosine is None else f" + {parts.resolution:.3f}"
    language = f" * {parts.language:.2f}" if hit.other_language else ""
    marked = f", in another language ({escape(hit.language or '')})" if hit.other_language else ""
    same = ", same customer" if hit.same_customer else ""
    return (
        f"({parts.dense:.3f} + {parts.lexical:.3f}{resolution}) * {parts.decay:.2f}{language}; "
        f"{hit.occurred_at:%Y-%m-%d}, {rated}{marked}{same}{shared}"
    )


def _cell(values: dict[str, Any], metric: str) -> str:
    low, high = values[f"{metric}_interval"]
    return f"{values[metric]:.4f} ({low:.3f}-{high:.3f})"
