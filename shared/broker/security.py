"""Authentication with the brokers, TLS, and the errors that are raised when the brokers refuse Millrace.

Passwords are passed only to the client. The client's own messages never contain them, and a broker's messages are
Kafka's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from shared.errors import Fatal, MillraceError, Unavailable
from shared.logs import get_logger
from shared.settings import BrokerSettings

STEP_S = 3.0
"""How long one metadata request waits; between two requests, a refusal is noticed, which waiting does not fix."""

REFUSED_CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The user is authenticated but lacks a permission; waiting does not fix this."""

log = get_logger("broker")
ClientT = TypeVar("ClientT")


@dataclass(frozen=True, slots=True)
class Brokers:
    """Addresses of brokers, as host:port,..., and the settings for connecting to them."""

    addresses: str
    settings: BrokerSettings

    def __str__(self) -> str:
        """Return the addresses alone."""
        return self.addresses


Address = str | Brokers
"""A plain string means a connection without TLS and SASL, as for the embedded broker and most tests."""


def security_config(address: Address) -> dict[str, Any]:
    """Return the client configuration for connecting to these brokers and authenticating with them."""
    if isinstance(address, str):
        return {"bootstrap.servers": address}
    settings = address.settings
    config = {
        "bootstrap.servers": address.addresses,
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.username,
        "sasl.password": settings.password and settings.password.get_secret_value(),
        "ssl.ca.location": settings.ca_file and str(settings.ca_file),
        "ssl.certificate.location": settings.cert_file and str(settings.cert_file),
        "ssl.key.location": settings.key_file and str(settings.key_file),
        "ssl.key.password": settings.key_password and settings.key_password.get_secret_value(),
        "ssl.endpoint.identification.algorithm": "https",
    }
    return {name: value for name, value in config.items() if value is not None}


def opened(make: Callable[[dict[str, Any]], ClientT], config: dict[str, Any]) -> ClientT:
    """Create a client and return it.

    Raises:
        Fatal: the client cannot be created, for example because a file is not readable or a key's password is wrong.
    """
    try:
        return make(config)
    except KafkaException as error:
        reported = _one_line(error.args[0])
        raise Fatal(f"the broker settings cannot be used: {reported}; see docs/security.md") from error


def failure(error: KafkaError, context: str = "", needs: str = "") -> MillraceError:
    """Return the exception for a broker's error: `Fatal` if only an operator can fix it, otherwise `Unavailable`.

    Args:
        error: The broker's error.
        context: The failed operation or its object; put in front of the error's text.
        needs: The access rule that the user lacks if the error is a refusal, such as `Write on topic tickets.routed`.
    """
    answer = _one_line(error).rstrip(".")
    reported = f"{context}: {answer}" if context else answer
    if error.code() in REFUSED_CODES:
        return Fatal(
            f"the brokers refuse this user: {reported}; the user needs {needs or 'more rights'}, see docs/security.md"
        )
    if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
        return Fatal(reported)
    return Unavailable("broker", reported)


def group_failure(consumer: Consumer, error: KafkaError, group: str) -> MillraceError:
    """Return the exception for a failed request for a group's offsets.

    If the brokers refuse access to the group, the request itself only times out, so this function polls to find out.
    """
    event = consumer.poll(0)  # nothing is assigned: this brings errors and no records
    reported = None if event is None else event.error()
    refusal = reported if reported is not None and reported.code() in REFUSED_CODES else error
    return failure(refusal, f"group {group}", f"Describe on group {group}")


class ClientErrors:
    """A client's `error_cb`: logs the reported errors, and keeps the reason why the brokers cannot be reached.

    Attributes:
        reason: The text of the latest such error; None if none was reported.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._refused = False
        self._last_code: int | None = None

    def __call__(self, error: KafkaError) -> None:
        """Log an error; while a connection is lost or refused, its error is reported several times a second."""
        code = error.code()
        notify = log.debug if code in (KafkaError._TRANSPORT, self._last_code) else log.warning
        notify("client error", code=error.name(), error=_one_line(error))
        if code != KafkaError._ALL_BROKERS_DOWN:
            self._last_code, self.reason = code, _one_line(error)
            self._refused |= code == KafkaError._AUTHENTICATION

    def forget(self) -> None:
        """Clear the reason because the brokers have answered."""
        self.reason = self._last_code = None

    @property
    def refusal(self) -> Fatal | None:
        """The exception to raise if the brokers refused the credentials, else None; new credentials need a restart."""
        if not self._refused:
            return None
        return Fatal(
            f"the brokers refuse this user: {self.reason}; check MILLRACE_BROKER__USERNAME, "
            "MILLRACE_BROKER__PASSWORD and MILLRACE_BROKER__SASL_MECHANISM"
        )

    def failure(self, error: KafkaError) -> MillraceError:
        """Return the exception for a request without an answer, with the underlying reason if it is known."""
        if self.refusal is None and self.reason is not None and error.code() not in REFUSED_CODES:
            return Unavailable("broker", self.reason)
        return self.refusal or failure(error)


def reach(client: Consumer | AdminClient, client_errors: ClientErrors, topic: str | None, timeout_s: float) -> Any:
    """Return the metadata of one topic, or of all topics; a refusal ends the wait at once.

    Raises:
        Unavailable: the brokers did not answer in time.
        Fatal: the brokers refuse this user.
    """
    steps = max(1, round(timeout_s / STEP_S))
    for step in range(steps):
        try:
            return client.list_topics(topic, timeout=STEP_S) if topic else client.list_topics(timeout=STEP_S)
        except KafkaException as error:
            client.poll(0)  # serves the callbacks
            if client_errors.refusal or step == steps - 1:
                raise client_errors.failure(error.args[0]) from error
    raise AssertionError("unreachable")


def _one_line(error: KafkaError) -> str:
    return " ".join(error.str().split())
