"""The routing.toml that is proposed beside a new head: a row for each label, and thresholds to start from."""

from collections.abc import Iterable

from shared.routing.toml_lines import dotted, quoted

HEADING = """\
# A proposal: which queue each label of the head goes to, and how sure it must be. `docs/routing.md` explains the file.
# Try a change before it is used: millrace policy check FILE --model DIR --routing THIS_FILE

[default]
# From this confidence a ticket is routed unseen.
auto_at = {auto_at}
# From this confidence a queue is proposed to a person; below it none is.
review_at = {review_at}

# A label may also have: priority = "high" (raises it, never lowers it), auto_at, review_at, never_auto = true.
"""


def propose(labels: Iterable[str], auto_at: float, review_at: float) -> str:
    """Return the text of a routing.toml with a row for each label, whose queue is the label itself.

    Args:
        labels: Any texts of 1 to 128 characters.
        auto_at: Default confidence, 0 to 1, from which a ticket is routed unseen.
        review_at: Default confidence, at most `auto_at`, from which a queue is proposed.
    """
    rows = (f"\n[{dotted(('labels', label))}]\nqueue = {quoted(label)}\n" for label in labels)
    return HEADING.format(auto_at=float(auto_at), review_at=float(review_at)) + "".join(rows)
