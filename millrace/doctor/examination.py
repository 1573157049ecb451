"""`millrace doctor`: runs the checks in parallel within a bounded time, and judges the set-up by their findings."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from millrace.doctor.canaries import check_canaries
from millrace.doctor.configuration import changed, check_variables, read_settings, secrets_of
from millrace.doctor.finding import Check, Finding, exit_code, findings_of
from millrace.doctor.machine import check_disk, check_port
from millrace.doctor.media import (
    check_decoding,
    check_pictures,
    check_pictures_device,
    check_speech,
    check_speech_device,
    check_text_reader,
    check_voice_activity,
)
from millrace.doctor.models import check_device, check_head, check_model, check_policy
from millrace.doctor.packages import check_packages
from millrace.doctor.privacy import check_customer_key
from millrace.doctor.services import check_broker, check_cache, check_store
from shared.clock import Clock
from shared.embedding.port import IMAGE
from shared.engine.stream import Stream
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from shared.wording import counted

LIMIT_S = 60.0
"""Longest wait for all checks together; those that ask a server have timeouts of their own."""

HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Examination:
    """The configuration and the findings, without secrets.

    Attributes:
        configured: The settings that differ from their defaults, by variable.
        findings: The findings, in the order of the checks.
    """

    configured: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 if something is wrong, else 3 if something could not be reached, else 0."""
        return exit_code(self.findings)

    def as_json(self) -> str:
        """Return the report as one JSON object."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"exit_code": self.exit_code, "configured": self.configured, "findings": findings})


def examine(
    environ: Mapping[str, str],
    stream: Stream[Any, Any],
    timeout_s: float,
    clock: Clock,
    bootstrap: str | None = None,
) -> Examination:
    """Run all checks.

    Args:
        environ: The environment, to find variables that nothing reads.
        stream: The stream whose topics and collection are checked.
        timeout_s: How long to wait for each answer of a server.
        clock: Measures the limit of all checks together.
        bootstrap: Brokers to use instead of the configured ones.
    """
    settings, own, findings = read_settings(stream.name)
    findings += check_variables(environ)
    if settings is None or own is None:
        findings.append(Finding("other checks", "skipped", "not checked: correct the settings first"))
        return _report({}, findings, secrets_of(None, environ))
    if bootstrap is not None:
        settings = settings.model_copy(update={"broker": settings.broker.model_copy(update={"bootstrap": bootstrap})})
    configured = changed(settings, {stream.name: own})
    if not findings:
        findings = [Finding("settings", "ok", f"{counted(len(configured), 'setting')} not at the default")]
    findings += run(checks(settings, own, stream, timeout_s), clock, LIMIT_S)
    return _report(configured, findings, secrets_of(settings, environ))


def checks(settings: Settings, own: StreamSettings, stream: Stream[Any, Any], timeout_s: float) -> list[Check]:
    """Return the checks of a set-up; those of media, speech and pictures only for a stream that has them."""
    return [
        Check("packages", check_packages),
        Check("model", partial(check_model, own)),
        Check("device", partial(check_device, own, stream.name)),
        Check("head", partial(check_head, own, stream)),
        Check("policy", partial(check_policy, own)),
        *_checks_of_media(settings, own, stream),
        Check("canaries", partial(check_canaries, settings, own, stream)),
        Check("customer key", partial(check_customer_key, settings)),
        Check("broker", partial(check_broker, settings, own, stream, timeout_s)),
        Check("store", partial(check_store, settings, own, stream, timeout_s)),
        Check("cache", partial(check_cache, settings, own)),
        Check("disk", partial(check_disk, settings)),
        Check("port", partial(check_port, settings.operation)),
    ]


def _checks_of_media(settings: Settings, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Check]:
    """Yield the checks of what decodes the stream's media, recognises its speech, and embeds and reads its pictures."""
    follows = stream.attached is not None and own.attachments.read
    if stream.media is not None or follows:
        yield Check("decoding", partial(check_decoding, settings))
    if stream.recognises_speech:
        yield Check("speech", partial(check_speech, own))
        yield Check("speech device", partial(check_speech_device, own))
        yield Check("voice activity", check_voice_activity)
    if follows:
        yield Check("text reader", check_text_reader)
    if follows or any(each.modality is IMAGE for each in stream.inputs):
        yield Check("pictures", partial(check_pictures, own))
        yield Check("pictures device", partial(check_pictures_device, own, stream.name))


def run(wanted: Sequence[Check], clock: Clock, limit_s: float) -> list[Finding]:
    """Run checks in parallel; a check that does not end in time is abandoned and reported as unreachable."""
    found: list[list[Finding] | None] = [None] * len(wanted)
    ended = [threading.Event() for _ in wanted]

    def work(number: int) -> None:
        found[number] = findings_of(wanted[number])
        ended[number].set()

    for number in range(len(wanted)):
        threading.Thread(target=work, args=(number,), name=wanted[number].part, daemon=True).start()
    until_s = clock.monotonic_s() + limit_s
    for event in ended:
        clock.wait(event, max(0.0, until_s - clock.monotonic_s()))
    late = f"no answer within {limit_s:g} s"
    return [
        finding
        for check, findings in zip(wanted, found, strict=True)
        for finding in (findings if findings is not None else [Finding(check.part, "unreachable", late)])
    ]


def _report(configured: dict[str, str], findings: Sequence[Finding], secrets: Sequence[str]) -> Examination:
    """Build the report; remove secrets that messages of a server or a library contain."""

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return text

    shown = {name: hide(value) for name, value in configured.items()}
    return Examination(shown, tuple(Finding(f.part, f.state, hide(f.detail), hide(f.fix)) for f in findings))
