"""Tickets with pictures through a whole worker and the redrive, on the embedded broker and Qdrant Edge.

Green shows what is stored, published and left after each order of events. It does not show how well text is read.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pictured import Studio, images, inline, studio_in, ticket


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Return a fresh broker and store."""
    with studio_in(tmp_path) as made:
        yield made


def test_a_picture_follows_its_ticket(studio: Studio) -> None:
    with studio.working():
        studio.produce(ticket(images=images(a=inline("error 4711, write to jo@example.com"), b=inline())))
        studio.settle()
    [result] = studio.results()
    point, other = studio.point("a"), studio.point("b")
    assert point is not None
    assert other is not None
    assert point.payload["read_text"] == "error 4711, write to [mail]"
    assert set(point.vectors) == {"image", "text"}
    assert set(other.vectors) == {"image"}
    findings = studio.audit()
    assert findings.clean, findings
    assert findings.foreign == 0
