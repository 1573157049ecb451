"""The check of what the input has lost before the group read it."""

from collections.abc import Iterator, Sequence

from millrace.doctor.finding import Finding
from shared.broker.reader import TopicReader
from shared.broker.security import Address

PART = "unread"
NAMED = 3
REMEDY = (
    "have the source send these records again; then let workers keep up (more of them, or a device), "
    "or lengthen the topic's retention.ms"
)


def check_unread(bootstrap: Address, group: str, topics: Sequence[str]) -> Iterator[Finding]:
    """Compare what is committed with the beginnings of the logs: what lies between was removed and never read.

    Compaction takes records out of the middle of a log and leaves its beginning where it is, so it is no loss here.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: they refuse this user.
    """
    reader = TopicReader(bootstrap, group)
    committed = reader.committed(topics)
    lows = {where: marks.low for topic in topics for where, marks in reader.watermarks(topic).items()}
    lost = {where: low - committed[where] for where, low in lows.items() if committed.get(where, low) < low}
    if lost:
        places = [f"{where.topic}/{where.partition} from {committed[where]} on" for where in list(lost)[:NAMED]]
        more = ", and more" if len(lost) > NAMED else ""
        what = f"{sum(lost.values())} records were removed before {group} read them: {', '.join(places)}{more}"
        yield Finding(PART, "wrong", what, REMEDY)
