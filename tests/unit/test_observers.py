"""Observers: hooks that do nothing, and an observer that passes every hook on.

A green run does not prove that the engine calls them at the right moments; the tests of its parts check that.
"""

import inspect

import pytest

from schemas.outcomes import Outcome
from shared.observers import Observer, Observers, SettleStep
from tests.support.assembly import RecordingObserver

HOOKS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


def values_for(hook: str) -> tuple[object, ...]:
    """Return one distinct value for each parameter of the hook."""
    return tuple(range(len(inspect.signature(getattr(Observer, hook)).parameters) - 1))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_does_nothing_by_default(hook: str) -> None:
    assert getattr(Observer(), hook)(*values_for(hook)) is None


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_passed_on_to_each_observer_in_order(hook: str) -> None:
    reported: list[tuple[int, tuple[object, ...]]] = []

    def listener(number: int) -> Observer:
        made = Observer()
        setattr(made, hook, lambda *values: reported.append((number, values)))
        return made

    getattr(Observers([listener(1), listener(2)]), hook)(*values_for(hook))
    assert reported == [(1, values_for(hook)), (2, values_for(hook))]


def test_values_are_passed_on_unchanged() -> None:
    reported = RecordingObserver()
    Observers([reported]).batch_settled({Outcome.ROUTED: 1}, 5)
    Observers([reported]).settle_step_done(SettleStep.FLUSH)
    assert reported.hooks == [("batch_settled", {Outcome.ROUTED: 1}, 5), ("settle_step_done", SettleStep.FLUSH)]


def test_no_observers_is_no_error() -> None:
    assert Observers([]).paused("store") is None  # returning without an error is what is tested


def test_the_steps_are_in_the_documented_order() -> None:
    assert [step.name for step in SettleStep] == ["UPSERT", "LOOK_AGAIN", "PRODUCE", "FLUSH", "COMMIT", "NOTIFY"]
    assert list(SettleStep) == sorted(SettleStep)
