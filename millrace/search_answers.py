"""Searches the configured store for similar solved tickets, and prints them."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.streams import DEFAULT
from schemas.search import SimilarTicket
from shared.clock import SystemClock
from shared.embedding.port import TextModel
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.search.similar import Found, Question, SimilarSearch
from shared.settings import variable
from shared.stream_settings import SearchSettings
from shared.text.language import detect_language
from shared.vectorstore.port import Collection

TENANTS_NAMED = 5


def searching(stream: Stream[Any, Any], collection: Collection, settings: SearchSettings) -> SimilarSearch:
    """Return the search for similar items of a stream."""
    return SimilarSearch(collection, stream.rules.affecting[0], settings, stream.points.is_ours)


def ask(search: SimilarSearch, model: TextModel, tenant_id: str, text: str) -> Found:
    """Return the tickets similar to a prepared text, with its detected language and the current time.

    Raises:
        Unavailable: the store cannot be read.
    """
    vector, language = model.embed([text]).vectors[0], detect_language(text)
    [found] = search.find([Question(tenant_id, text, vector, SystemClock().now(), language=language)])
    return found


def only_tenant(stream: Stream[Any, Any], collection: Collection) -> str:
    """Return the tenant of a store that contains items of only one tenant.

    Raises:
        Fatal: the store has no items, or items of several tenants; the error names some tenants.
    """
    tenants: set[str] = set()
    for which, payload in collection.scroll(("tenant_id", stream.id_field)):
        if stream.points.is_ours(which, payload):  # else another program wrote it
            tenants.add(str(payload["tenant_id"]))
        if len(tenants) > TENANTS_NAMED:
            break
    if not tenants:
        raise Fatal(f"the store contains no {stream.name} yet")
    if len(tenants) > 1:
        raise Fatal(
            f"the store contains {stream.name} of several tenants, such as {', '.join(sorted(tenants))}: choose one "
            "with --tenant"
        )
    return tenants.pop()


def print_found(console: Console, found: Found, settings: SearchSettings, tenant_id: str) -> None:
    """Print the hits, best first, with the parts of their scores, and the suggested reply; without hits, the reason."""
    if not found.similar:
        console.print(f"  {escape(why_nothing(found, settings, tenant_id))}", soft_wrap=True)
        return
    for ticket in found.similar:
        console.print(f"  [bold]{ticket.score:.3f}[/bold]  {escape(ticket.ticket_id)}  {escape(ticket.subject)}")
        console.print(f"         {_parts(ticket)}", style="dim")
        if ticket.resolution:
            console.print(f"         {escape(ticket.resolution)}")
    if found.reply is not None:
        console.print("\nSuggested reply, quoted from these resolutions:")
        for sentence in found.reply.sentences:
            console.print(f"  {escape(sentence.text)} [dim]({escape(sentence.ticket_id)})[/dim]")


def why_nothing(found: Found, settings: SearchSettings, tenant_id: str) -> str:
    """Return why nothing was found: the search is off, the tenant has no solved tickets, or rules exclude them all."""
    if not settings.limit:
        return f"the search for similar tickets is off, because {variable(DEFAULT.name, 'search', 'limit')} is 0"
    if found.solved is None:
        return "no solved ticket was found, and the store did not answer when asked for the reason: try again"
    if not found.solved.total:
        return f"no solved ticket was found: the store has no solved ticket of tenant {tenant_id}"
    if found.solved.offered:
        return (
            f"no solved ticket was found, although {found.solved.offered} solved tickets of tenant "
            f"{tenant_id} can be offered: try again, or run `millrace doctor` to look for points of other programs"
        )
    reasons = "".join(f"\n    {reason}" for reason in found.solved.reasons(settings, DEFAULT.name))
    total = found.solved.total
    return f"no solved ticket was found: tenant {tenant_id} has {total}, but all are excluded{reasons}"


def print_metrics(console: Console, report: dict[str, Any], title: str) -> None:
    """Print the metrics of the three rankings, overall and for each slice."""
    table = Table(title=title, title_justify="left")
    for column in ("", "ranking", "MRR", "recall@1", "recall@5", "nDCG@10"):
        table.add_column(column, no_wrap=True, justify="left" if column in ("", "ranking") else "right")
    for name, part in (("all", report), *report["slices"].items()):
        for place, ranking in enumerate(("fused", "dense", "bm25")):
            values = part[ranking]
            cells = [_cell(values, metric) for metric in ("mrr", "recall_at_1", "recall_at_5", "ndcg_at_10")]
            table.add_row(f"{name} ({part['queries']})" if place == 0 else "", ranking, *cells)
        table.add_section()
    console.print(table)


def _parts(ticket: SimilarTicket) -> str:
    parts = ticket.parts
    rated = "unrated" if ticket.satisfaction is None else f"rated {ticket.satisfaction}"
    shared = f"; shares {escape(', '.join(ticket.shared_terms))}" if ticket.shared_terms else ""
    language = f" * {parts.language:.2f}" if ticket.other_language else ""
    marked = f", in another language ({escape(ticket.language or '')})" if ticket.other_language else ""
    return (
        f"({parts.dense:.3f} + {parts.lexical:.3f}) * {parts.decay:.2f}{language}; "
        f"{ticket.occurred_at:%Y-%m-%d}, {rated}{marked}{shared}"
    )


def _cell(values: dict[str, Any], metric: str) -> str:
    low, high = values[f"{metric}_interval"]
    return f"{values[metric]:.4f} ({low:.3f}-{high:.3f})"
