"""Prints the answer of one search over several streams."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from schemas.found import FoundItem
from shared.search.federated.federation import Answer


def print_answer(
    console: Console, answer: Answer, left_out: Mapping[str, str], false_rate: float, all_hits: bool
) -> None:
    """Print the hits that match, best first, with the reasons; if nothing matches, the nearest item.

    Args:
        console: Where it is printed.
        answer: The answer.
        left_out: Why other streams were not searched.
        false_rate: How often a question that fits nothing may get a match.
        all_hits: Whether hits that do not match are printed too.
    """
    matching, shown = answer.matching, answer.hits if all_hits else answer.matching
    if not matching:
        console.print(_nothing(answer, false_rate), soft_wrap=True, markup=False)
    for hit in shown:
        mark = "" if hit.matches else " [dim](does not match)[/dim]"
        console.print(
            f"  [bold]{_chance(hit)}[/bold]  {hit.stream}  {escape(hit.source_id)}  {escape(hit.title)}{mark}"
        )
        for reason in hit.reasons:
            console.print(f"           {escape(reason)}", style="dim", soft_wrap=True)
    others = len(answer.hits) - len(shown)
    if matching and others:
        console.print(f"  {others} more do not match; --all shows them", style="dim")
    for name, reason in left_out.items():
        console.print(f"{name} were not searched: {reason}", style="dim", markup=False, soft_wrap=True)


def _nothing(answer: Answer, false_rate: float) -> str:
    """Return why there is no match, with the nearest item."""
    if not answer.hits:
        where = ", ".join(answer.asked) or "the store"
        return f"Nothing matches: {where} hold no item of this tenant, or no item that meets all conditions."
    nearest = answer.hits[0]
    named = f"The nearest is {nearest.source_id} of {nearest.stream}, {nearest.title!r}."
    if nearest.chance is None:
        return f"It cannot be judged whether anything matches, because there are too few items. {named}"
    return f"Nothing matches: no chance is {false_rate:g} or less. {named} {nearest.reasons[-1]}"


def _chance(hit: FoundItem) -> str:
    return "  ?   " if hit.chance is None else f"{hit.chance:.4f}"
