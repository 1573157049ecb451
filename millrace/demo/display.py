"""What the demo shows: the table of routed tickets, the actions chosen, and how they compare with the intended queues."""

from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from millrace.streams import DEFAULT
from schemas.decisions import Action

ROWS_SHOWN = 15
PIPED_COLUMNS = 140
RATIOS = {"ticket": 3, "subject": 10, "queue": 8, "action": 3, "reason": 4, "sure": 2, "most similar solved ticket": 11}
"""Columns of the table and their relative widths."""


def open_console() -> Console:
    """Return a console that is wide enough for the table even if the output is piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)


def show_actions(console: Console, results: list[Any], subjects: dict[str, str]) -> None:
    """Show how often each action was chosen for each reason, with an example."""
    console.print(f"\n{len(results)} routed by the head:")
    for action in get_args(Action):
        chosen = [result for result in results if result.decision.action == action]
        for reason in sorted({result.decision.action_reason for result in chosen}):
            reported = [result for result in chosen if result.decision.action_reason == reason]
            example = f'{reported[0].ticket_id} "{subjects[reported[0].ticket_id]}"'
            console.print(f"  {action:<8} {reason:<13} {len(reported):>3}   such as {example}", markup=False)


def judgement(results: list[Any], intended: dict[str, str | None]) -> str:
    """Compare the queues with those that the author of the samples intended; null if no queue fits."""
    known = [result for result in results if intended[result.ticket_id] is not None]
    queued = [result for result in known if result.decision.queue is not None]
    right = sum(result.decision.queue == intended[result.ticket_id] for result in queued)
    unfit = [result for result in results if intended[result.ticket_id] is None]
    automatic = sum(result.decision.action == "auto" for result in unfit)
    return (
        f"{len(queued)} tickets got a queue, {right} of them the intended one; {len(known) - len(queued)} were left to a "
        f"person. Of the {len(unfit)} that fit no queue, {automatic} were routed without a person."
    )


def routed_table(results: list[Any], subjects: dict[str, str], total: int) -> Table:
    """Return the table of the newest results, of `total` so far."""
    title = f"{DEFAULT.result_topic} ({total}; the newest {ROWS_SHOWN} are shown)"
    table = Table(title=title, title_justify="left", expand=True)
    for column in RATIOS:
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=RATIOS[column])
    for result in results:
        decision = result.decision
        sure = "" if decision.confidence is None else f"{decision.confidence:.2f}"
        similar = f"{result.similar[0].ticket_id} {result.similar[0].subject}" if result.similar else "none"
        decided = (decision.queue or "-", decision.action, decision.action_reason, sure)
        table.add_row(result.ticket_id, subjects[result.ticket_id], *decided, similar)
    return table
