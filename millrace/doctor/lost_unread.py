"""The check for input records that were deleted before the consumer group read them."""

from collections.abc import Iterator, Sequence

from millrace.doctor.finding import Finding
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.wording import counted

PART = "unread"
NAMED = 3
REMEDY = (
    "send these records again from their source; so that it does not happen again, run more workers or use a GPU, "
    "or increase the topic's retention.ms"
)


def check_lost_unread(bootstrap: Address, group: str, topics: Sequence[str]) -> Iterator[Finding]:
    """Compare the committed offsets with the low watermarks: records between the two were deleted and never read.

    Compaction deletes records from the middle of a log and does not move its low watermark, so it is not counted here.

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
        offsets = counted(sum(lost.values()), "offset")
        what = f"{offsets} deleted before {group} read them: {', '.join(places)}{more}"
        yield Finding(PART, "wrong", what, REMEDY)
