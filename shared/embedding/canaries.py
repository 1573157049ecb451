"""Canaries: fixed inputs whose vectors show whether a loaded model still answers as it did when they were stored.

A model is looked at when its worker starts, then in fixed intervals, and at once when vectors of other inputs seem wrong.
While it answers wrongly, nothing is embedded, and no record is blamed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np

from shared.clock import Clock
from shared.embedding.canary_answers import Answers
from shared.embedding.port import Matrix
from shared.embedding.sanity import judge
from shared.errors import Fatal, MillraceError, Stopped, Unavailable
from shared.logs import get_logger
from shared.observers import Observer

CANARY = "canary"
"""The part that is not ready while a model answers its canary inputs wrongly."""

LEAST_COSINE = 0.999
AGAIN_S = 60.0
"""How often a model is looked at that answered wrongly, and files that were changed."""

DOUBT_EVERY_S = 60.0
"""Within this time after a look, doubts are settled by the first canary alone, so that hostile inputs cost little."""

log = get_logger("canary")


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model and its canary inputs.

    Attributes:
        modality: The name of its modality.
        model: The key of its card.
        dim: Length of a vector.
        inputs: The canary inputs; the first one is the cheapest.
        embed: Returns a vector for each input.
        probe: Raises `DeviceLost` if the device is dead.
    """

    modality: str
    model: str
    dim: int
    inputs: Sequence[Any]
    embed: Callable[[Sequence[Any]], Matrix]
    probe: Callable[[], None]


class FilesCheck:
    """Compares the files of a model with its card, on a thread of its own, because large files take seconds.

    Args:
        check: Raises `Fatal` if a file differs from the card.

    Attributes:
        fault: Why the files are not those that were loaded; None if they are.
    """

    def __init__(self, check: Callable[[], object]) -> None:
        self._check = check
        self._thread: Thread | None = None
        self.fault: str | None = None

    def start(self) -> None:
        """Begin a comparison, unless one is in progress."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._compare, name="model files", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until the comparison in progress is done."""
        if self._thread is not None:
            self._thread.join()

    def _compare(self) -> None:
        try:
            self._check()
        except MillraceError as error:
            self.fault = f"the files of the model changed since they were loaded: {error}"
        except Exception as error:  # noqa: BLE001  (a thread that ended silently would look like unchanged files)
            self.fault = f"the files of the model cannot be compared with its card: {type(error).__name__}"
        else:
            self.fault = None


class Canaries:
    """The canaries of one model. Everything but the comparison of its files runs on the thread that uses the model.

    Args:
        subject: The model and the inputs.
        answers: The stored answers.
        files: Compares the files of the model.
        observer: Is notified of each look.
        clock: Measures the intervals.
        every_s: The interval between two looks; 0 for the look at the start alone.
    """

    def __init__(
        self, subject: Subject, answers: Answers, files: FilesCheck, observer: Observer, clock: Clock, every_s: float
    ) -> None:
        self._subject, self._answers, self.files = subject, answers, files
        self._observer, self._clock, self._every_s = observer, clock, every_s
        self._looked_s: float | None = None
        self._kept_s: float | None = None
        self._looked_at_s = self._cosine = 0.0
        self._fault: str | None = None
        self._files_fault: str | None = None
        self._files_asked_s = 0.0

    def keep(self) -> None:
        """Look at the model if it is time to; called between two batches, and before a batch is tried again.

        Raises:
            Unavailable: the model answers wrongly.
            DeviceLost: the device is dead.
        """
        if self._is_due():
            is_first = self._kept_s is None  # the files were compared before they were loaded
            self._look()
            self._kept_s = self._looked_s
            if not is_first:
                self._ask_files()
        self._report_files()
        self._raise_fault()

    def doubt(self) -> None:
        """Look at the model at once, because vectors of other inputs seem wrong; return if it answers rightly.

        Raises:
            Unavailable: the model answers wrongly.
            DeviceLost: the device is dead.
        """
        if self._was_right_just_now() and self._is_right_about_the_first():
            return
        self._look()
        if self._fault is not None:
            self._ask_files()
        self._raise_fault()

    def _was_right_just_now(self) -> bool:
        if self._looked_s is None or self._fault is not None:
            return False
        return self._clock.monotonic_s() - self._looked_s < DOUBT_EVERY_S

    def _is_right_about_the_first(self) -> bool:
        _, fault = self._judged(1)
        return fault is None

    def _is_due(self) -> bool:
        if self._kept_s is None or self._looked_s is None:
            return True
        now_s = self._clock.monotonic_s()
        if self._fault is not None:
            return now_s - self._looked_s >= AGAIN_S
        return self._every_s > 0 and now_s - self._kept_s >= self._every_s

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise Unavailable(CANARY, self._fault)

    def _look(self) -> None:
        """Embed all canary inputs, and report the cosine."""
        self._cosine, self._fault = self._judged(len(self._subject.inputs))
        self._looked_s, self._looked_at_s = self._clock.monotonic_s(), self._clock.now().timestamp()
        self._report()

    def _judged(self, count: int) -> tuple[float, str | None]:
        """Return the lowest cosine of the first canaries to their stored answers, and what is wrong with the model.

        The cosine is 0 if the model returns something that is no vector, or one vector for all.
        """
        subject = self._subject
        try:
            vectors = subject.embed(subject.inputs[:count])
        except (Fatal, Stopped):
            raise
        except Exception as error:  # noqa: BLE001  (a model may raise anything)
            subject.probe()
            return 0.0, f"{self._named} fails on a canary input: {type(error).__name__}"
        faults = judge(vectors, subject.dim).counted()
        if faults or len(vectors) != count:
            reasons = ", ".join(faults) or "too few vectors"
            return 0.0, f"{self._named} answers {count} canary inputs with what is no vector ({reasons}). {REMEDY}"
        if count > 1 and float((vectors @ vectors.T).min()) > LEAST_COSINE:
            return 0.0, f"{self._named} has one vector for all {count} canary inputs. {REMEDY}"
        return self._compared(vectors, count)

    def _compared(self, vectors: Matrix, count: int) -> tuple[float, str | None]:
        stored = self._answers.stored()
        if stored is None:
            if count == len(self._subject.inputs):
                self._answers.store(vectors)
            return 1.0, None
        cosine = float(np.einsum("ij,ij->i", vectors, stored[:count]).min())
        if cosine >= LEAST_COSINE:
            return min(cosine, 1.0), None
        return cosine, (
            f"{self._named} answers its canary inputs otherwise than before: the lowest cosine to {self._answers.where} is "
            f"{cosine:.4f}, expected at least {LEAST_COSINE}. {REMEDY}"
        )

    @property
    def _named(self) -> str:
        return f"model {self._subject.model} ({self._subject.modality})"

    def _ask_files(self) -> None:
        self._files_asked_s = self._clock.monotonic_s()
        self.files.start()

    def _report_files(self) -> None:
        """Report what the comparison of the files has found since, and repeat it while they differ."""
        fault = self.files.fault
        if fault != self._files_fault:
            self._files_fault = fault
            if fault is not None:
                log.error("model files changed", modality=self._subject.modality, detail=fault)
            self._report()
        if fault is not None and self._clock.monotonic_s() - self._files_asked_s >= AGAIN_S:
            self._ask_files()

    def _report(self) -> None:
        changed = self.files.fault is not None
        modality = self._subject.modality
        self._observer.canary_checked(modality, self._cosine, changed, self._looked_at_s, self._every_s)


REMEDY = (
    "Nothing is embedded until it answers rightly: restart the worker, and see docs/models.md, Canaries, if that fails"
)
