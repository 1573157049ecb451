"""What the drift application does with errors and with log lines of Faust. Green does not show that Faust raises these."""

import logging
import sys
from collections import Counter

import pytest
from structlog.testing import capture_logs

from shared.clock import SystemClock
from shared.errors import Fatal, MillraceError, Unavailable
from workers.services.drift import DriftApplication
from workers.services.drift_lanes import Wiring, changelog_topic, failure_of, forward_logs


class TopicAuthorizationFailedError(Exception):
    """Named like the client's."""


class NodeNotReadyError(Exception):
    """Named like the client's."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TopicAuthorizationFailedError(), Fatal),
        (NodeNotReadyError(), Unavailable),
        (OSError(), Unavailable),
        (Fatal("as it is"), Fatal),
        (Unavailable("broker", "as it is"), Unavailable),
    ],
)
def test_only_what_waiting_does_not_fix_is_fatal(error: Exception, kind: type[MillraceError]) -> None:
    assert type(failure_of(error)) is kind


def test_a_missing_faust_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faust", None)
    wiring = Wiring(
        "127.0.0.1:9", 6, (), (), lambda _: frozenset(), lambda *_: [], lambda _: {}, Counter(), SystemClock()
    )
    with pytest.raises(Fatal, match=r"pip install 'millrace\[drift\]'"):
        DriftApplication(wiring)


def test_what_faust_logs_is_cut_before_the_message_that_it_quotes_and_not_repeated() -> None:
    forward_logs()
    forward_logs()
    with capture_logs() as logs:
        for _ in range(3):
            logging.getLogger("faust.topics").warning("error for topic x message <FutureMessage: secret>")
        logging.getLogger("aiokafka").info("not a warning")
    assert [(each["text"], each["logger"]) for each in logs] == [("error for topic x", "faust.topics")]


def test_the_changelog_has_the_name_that_faust_gives_it() -> None:
    faust = pytest.importorskip("faust")
    app = faust.App("millrace-drift")
    assert app.Table("tickets.windows").changelog_topic.get_topic_name() == changelog_topic("tickets.windows")
