"""Three workers of one group on one store and a real Kafka, killed or frozen at random moments.

Green shows that nothing is missing, stale or contradicted, and that little is repeated; and that a version has one
decision even if two workers process it while the votes change. It does not show a real Qdrant server (the docstring of
the stand-in states what it does not show), nor the full figures: `benchmarks/faults/kills.py` and `frozen.py` give
those.
"""

from schemas.outcomes import Outcome
from tests.support.fleet import Campaign, run_campaign
from tests.support.kafka.config import SHORT_SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer

CAMPAIGN = Campaign(records=3_000, kills=4, max_records=40)


def test_killed_at_random_moments_nothing_is_lost(own_kafka: KafkaServer) -> None:
    reported = run_campaign(CAMPAIGN, own_kafka)
    findings = reported.findings
    assert reported.killed == CAMPAIGN.kills
    assert findings.clean, findings
    assert (findings.settled, findings.pending) == (CAMPAIGN.records, 0)
    assert findings.points == CAMPAIGN.records // 2
    assert findings.repeated <= CAMPAIGN.kills * CAMPAIGN.max_records
    assert Outcome.DEAD_LETTERED not in findings.outcomes


VOTES = Campaign(
    records=1_000,
    partitions=3,
    freezes=2,
    slow_s=0.8,
    votes=True,
    max_records=12,
    session_s=SHORT_SESSION_TIMEOUT_S,
)


def test_a_worker_frozen_past_its_session_publishes_no_decision_of_its_own(own_kafka: KafkaServer) -> None:
    reported = run_campaign(VOTES, own_kafka)
    assert reported.frozen == VOTES.freezes
    assert reported.findings.clean, reported.findings
    assert (reported.findings.settled, reported.findings.pending) == (reported.records, 0)
