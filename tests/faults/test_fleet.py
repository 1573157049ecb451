"""Three workers of one group on one store and a real Kafka, killed by SIGKILL at moments nobody chose, and replaced.

Green shows that nothing is missing, stale or contradicted, and that little is repeated. It does not show a real Qdrant
server (the stand-in's docstring says what it is not), nor the full figures: `benchmarks/faults/kills.py` does those.
"""

from schemas.outcomes import Outcome
from tests.faults.fleet import Campaign, run_campaign
from tests.kafka.server import KafkaServer

CAMPAIGN = Campaign(records=3_000, kills=4, max_records=40)


def test_killed_at_random_moments_nothing_is_lost(own_kafka: KafkaServer) -> None:
    told = run_campaign(CAMPAIGN, own_kafka)
    findings = told.findings
    assert told.killed == CAMPAIGN.kills
    assert findings.clean, findings
    assert (findings.settled, findings.pending) == (CAMPAIGN.records, 0)
    assert findings.points == CAMPAIGN.records // 2
    assert findings.repeated <= CAMPAIGN.kills * CAMPAIGN.max_records
    assert Outcome.DEAD_LETTERED not in findings.outcomes
