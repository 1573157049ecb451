"""The proposed routing.toml for a new head: a row for each label, and initial thresholds."""

from collections.abc import Iterable

from shared.routing.toml_lines import dotted, quoted

HEADING = """\
# A proposal: the queue of each label of the head, and the confidence it needs. `docs/routing.md` explains the file.
{check}
[default]
# At this confidence or above, {item} is routed without review.
auto_at = {auto_at}
# At this confidence or above, a queue is proposed to a person; below it, no queue is proposed.
review_at = {review_at}

# A label may also have: priority = "high" (raises it, never lowers it), auto_at, review_at, never_auto = true.
"""


CHECK = "# Test a change before you use it: millrace policy check FILE --model DIR --routing THIS_FILE\n"
"""That command reads texts only."""


def propose(labels: Iterable[str], auto_at: float, review_at: float, *, of_texts: bool = True) -> str:
    """Return the text of a routing.toml with a row for each label; the queue has the name of the label.

    Args:
        labels: Any texts of 1 to 128 characters.
        auto_at: Default confidence, 0 to 1, from which a ticket is routed without review.
        review_at: Default confidence, at most `auto_at`, from which a queue is proposed.
        of_texts: Whether the head decides by texts alone, such as those of tickets.
    """
    rows = (f"\n[{dotted(('labels', label))}]\nqueue = {quoted(label)}\n" for label in labels)
    check, item = (CHECK, "a ticket") if of_texts else ("", "an image")
    return HEADING.format(check=check, item=item, auto_at=float(auto_at), review_at=float(review_at)) + "".join(rows)
