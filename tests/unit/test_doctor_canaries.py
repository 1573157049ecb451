"""What `millrace doctor` says of the stored answers to canary inputs.

A green run does not prove that a worker writes these files: `tests/contract/test_canaries.py` shows it.
"""

from pathlib import Path

import numpy as np

from millrace.canaries import answers_file
from millrace.doctor.canaries import check_canaries
from shared.embedding.canary_answers import write_answers
from shared.embedding.canary_inputs import COUNTS
from shared.embedding.registry import load_card
from shared.settings import OperationSettings, Settings
from shared.stream_settings import StreamSettings
from workers.calls.stages import CALLS
from workers.tickets.stages import TICKETS

OWN = StreamSettings()


def stored(folder: Path, key: str) -> Path:
    """Store answers of a packaged model, and return the file."""
    card = load_card(key)
    path = answers_file(folder, card, "cpu")
    write_answers(path, np.eye(COUNTS[card.modality], card.dim, dtype=np.float32))
    return path


def test_each_model_of_a_stream_is_named_with_its_answers(tmp_path: Path) -> None:
    settings = Settings(operation=OperationSettings(state_dir=tmp_path))
    [text, speech] = check_canaries(settings, OWN, CALLS)
    assert (text.state, speech.state) == ("ok", "ok")
    assert text.detail.startswith(f"{OWN.embedding.model}: no answers in ")
    assert speech.detail.startswith(f"{OWN.speech.model}: no answers in ")
    path = stored(tmp_path, OWN.speech.model)
    [text, speech] = check_canaries(settings, OWN, CALLS)
    assert "no answers" in text.detail
    assert speech.detail.endswith(f"Z in {path}")


def test_damaged_answers_are_a_warning(tmp_path: Path) -> None:
    path = stored(tmp_path, OWN.embedding.model)
    path.write_bytes(path.read_bytes()[:-1])
    [found] = check_canaries(Settings(operation=OperationSettings(state_dir=tmp_path)), OWN, TICKETS)
    assert found.state == "warning"
    assert f"{path} is damaged" in found.detail


def test_a_damaged_file_that_was_put_aside_is_not_read(tmp_path: Path) -> None:
    path = stored(tmp_path, OWN.embedding.model)
    path.rename(path.with_name(path.name + ".damaged"))
    [found] = check_canaries(Settings(operation=OperationSettings(state_dir=tmp_path)), OWN, TICKETS)
    assert "no answers" in found.detail
