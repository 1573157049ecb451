"""Puts together what a worker publishes for the watch for drift."""

from collections.abc import Callable

from millrace.configured import input_fingerprints
from millrace.customer_key import customer_key
from millrace.stage_resources import Given
from shared.clock import Clock
from shared.drift.keys import Keys
from shared.drift.reference import Reference, Subject
from shared.drift.references import References
from shared.drift.summing import BatchSummer, Provides
from shared.drift_settings import DriftSettings

REFRESH_S = 60.0


def keys_of(settings: DriftSettings) -> Keys:
    """Return the keys that the settings name."""
    return Keys(settings.keyed_by, frozenset(settings.keys))


def summer_of(given: Given, head: str | None, clock: Clock) -> BatchSummer | None:
    """Return what builds the sums of a worker; None if the settings switch them off.

    Args:
        given: What the worker is built from.
        head: Fingerprint of its head; None without one.
        clock: Says when the references are looked at again. A file of them that cannot be read is logged.
    """
    settings, stream = given.process.settings, given.stream
    if not settings.drift.sums:
        return None
    fingerprints = {name: model.fingerprint for name, model in given.models.items()}
    provides = Provides(
        stream=stream.name,
        models=input_fingerprints(stream, fingerprints),
        dims={each.name: given.models[each.modality.name].dim for each in stream.inputs if each.affects_result},
        head=head,
        keys=keys_of(settings.drift),
        customer_key=customer_key(settings),
        live_within_s=settings.drift.live_within_s,
        backfills=given.process.backfill is not None,
    )
    return BatchSummer(provides, refreshed(References(settings.drift.references, stream.name), clock))


def refreshed(references: References, clock: Clock) -> Callable[[Subject], Reference | None]:
    """Return what looks up a reference, and looks for changed files first if the last time is a minute ago."""
    looked_s = clock.monotonic_s()

    def reference_of(subject: Subject) -> Reference | None:
        nonlocal looked_s
        if clock.monotonic_s() - looked_s >= REFRESH_S:
            references.refresh()
            looked_s = clock.monotonic_s()
        return references.of(subject)

    return reference_of
