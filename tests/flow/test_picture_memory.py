"""The memory of a worker of products over 500 pictures, with the real models and the real decoding children.

It shows that a worker keeps nothing of the pictures that it has settled. A green run does not prove it for days, for other
kinds of files than JPEG, or for a GPU; `python -m benchmarks.images --memory 20000` sends more.
"""

import pytest

from benchmarks.images import SAMPLES, memory

PICTURES = 500
WARM = SAMPLES * 3 // 10
"""By then the models, the threads and the first batches have taken what they need."""

OWN_GROWTH_MIB, CHILDREN_GROWTH_MIB = 60, 40
"""All decoded pictures together would take 130 MiB as the model sees them, and several times that as they were sent."""


@pytest.mark.timeout(600)
def test_the_memory_of_a_worker_is_flat_over_500_pictures() -> None:
    seen = memory(PICTURES)
    own, children = ([each[part] for each in seen[WARM:]] for part in (0, 1))
    assert min(own) > 0
    assert min(children) > 0
    assert max(own) - own[0] < OWN_GROWTH_MIB
    assert max(children) - children[0] < CHILDREN_GROWTH_MIB
