"""The dashboards of `monitoring/dashboards`. They use metrics of the catalogue and recorded ones of `monitoring/rules`.

`tests/repo/test_dashboards.py` checks each query; how Grafana draws them is not tested.
"""

from tests.repo.dashboards.delivery import DELIVERY
from tests.repo.dashboards.drift import DRIFT
from tests.repo.dashboards.lag import LAG
from tests.repo.dashboards.one_stream import ONE_STREAM
from tests.repo.dashboards.overview import OVERVIEW

DASHBOARDS = (OVERVIEW, ONE_STREAM, DELIVERY, LAG, DRIFT)
