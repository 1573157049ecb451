"""Who we are to the brokers and how we know them, and what is said when they refuse us.

Passwords are handed to the client and to nobody else; its own words never hold them, and a broker's are those of Kafka.
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
"""How long one question for metadata waits; between two of them a refusal is heard, which no waiting would mend."""

REFUSED_CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The user is known and may not do this: nothing that waiting mends."""

log = get_logger("broker")
ClientT = TypeVar("ClientT")


@dataclass(frozen=True, slots=True)
class Brokers:
    """Addresses of brokers, host:port,..., and how to speak to them."""

    addresses: str
    settings: BrokerSettings

    def __str__(self) -> str:
        """Return the addresses alone."""
        return self.addresses


Address = str | Brokers
"""A bare string is spoken to in the open, as the embedded broker and most tests are."""


def security_config(address: Address) -> dict[str, Any]:
    """Return what every client is configured with to reach these brokers and be let in."""
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
    """Return a client.

    Raises:
        Fatal: it cannot even be made: a file that cannot be read, a key that stays locked.
    """
    try:
        return make(config)
    except KafkaException as error:
        reported = _one_line(error.args[0])
        raise Fatal(f"the broker's settings cannot be used: {reported}; see docs/security.md") from error


def failure(error: KafkaError, doing: str = "", needs: str = "") -> MillraceError:
    """Return what a broker's answer is raised as: `Fatal` where only an operator can mend it, else `Unavailable`.

    Args:
        error: The answer.
        doing: What was asked for, said in front of the answer.
        needs: The access rule that the user lacks if the answer is a refusal, as `Write on topic tickets.routed`.
    """
    answer = _one_line(error).rstrip(".")
    reported = f"{doing}: {answer}" if doing else answer
    if error.code() in REFUSED_CODES:
        return Fatal(
            f"the brokers refuse this user: {reported}; it needs {needs or 'more rights'}, see docs/security.md"
        )
    if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
        return Fatal(reported)
    return Unavailable("broker", reported)


def group_failure(consumer: Consumer, error: KafkaError, group: str) -> MillraceError:
    """Return what an unanswered question for a group's offsets is raised as.

    That the group is refused is told by polling alone; the question itself only times out.
    """
    event = consumer.poll(0)  # nothing is assigned: this brings errors and no records
    reported = None if event is None else event.error()
    refusal = reported if reported is not None and reported.code() in REFUSED_CODES else error
    return failure(refusal, f"group {group}", f"Describe on group {group}")


class Heard:
    """A client's `error_cb`: logs what it reports, and keeps what tells why the brokers cannot be reached.

    Attributes:
        reason: The latest such report; None where there was none.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._refused = False
        self._last_code: int | None = None

    def __call__(self, error: KafkaError) -> None:
        """Log it; a lost connection and a refusal come several times a second for as long as they last."""
        code = error.code()
        notify = log.debug if code in (KafkaError._TRANSPORT, self._last_code) else log.warning
        notify("client error", code=error.name(), error=_one_line(error))
        if code != KafkaError._ALL_BROKERS_DOWN:
            self._last_code, self.reason = code, _one_line(error)
            self._refused |= code == KafkaError._AUTHENTICATION

    def forget(self) -> None:
        """The brokers have answered."""
        self.reason = self._last_code = None

    @property
    def refusal(self) -> Fatal | None:
        """What to raise once the brokers have refused us: other credentials need another process."""
        if not self._refused:
            return None
        return Fatal(
            f"the brokers refuse this user: {self.reason}; it comes from MILLRACE_BROKER__USERNAME, "
            "MILLRACE_BROKER__PASSWORD and MILLRACE_BROKER__SASL_MECHANISM"
        )

    def failure(self, error: KafkaError) -> MillraceError:
        """Return what an answer that did not come is raised as, with the reason behind it where there is one."""
        if self.refusal is None and self.reason is not None and error.code() not in REFUSED_CODES:
            return Unavailable("broker", self.reason)
        return self.refusal or failure(error)


def reach(client: Consumer | AdminClient, heard: Heard, topic: str | None, timeout_s: float) -> Any:
    """Return the metadata of a topic, or of all; a refusal is not waited out.

    Raises:
        Unavailable: no answer in time.
        Fatal: the brokers refuse us.
    """
    steps = max(1, round(timeout_s / STEP_S))
    for step in range(steps):
        try:
            return client.list_topics(topic, timeout=STEP_S) if topic else client.list_topics(timeout=STEP_S)
        except KafkaException as error:
            client.poll(0)  # serves the callbacks
            if heard.refusal or step == steps - 1:
                raise heard.failure(error.args[0]) from error
    raise AssertionError("unreachable")


def _one_line(error: KafkaError) -> str:
    return " ".join(error.str().split())
