"""Checks of the settings and of unknown variables; also finds the secrets that the report must hide."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsError

from millrace.doctor.finding import Finding
from millrace.streams import STREAMS
from shared.addresses import ProxyUrl, RedisAddress
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings, read_stream_settings
from shared.variables import branches, places, replacements, unknown_variables

ReadT = TypeVar("ReadT")
SECRET_SHOWN = "set"  # noqa: S105  (shown instead of a secret)
PART = "settings"


def read_settings(stream: str) -> tuple[Settings | None, StreamSettings | None, list[Finding]]:
    """Read the settings of the process and of a stream; return None for those that are wrong. No value is reported."""
    findings: list[Finding] = []
    settings, own = _read(Settings, findings), _read(lambda: read_stream_settings(stream), findings)
    return settings, own, findings


def _read(read: Callable[[], ReadT], findings: list[Finding]) -> ReadT | None:
    try:
        return read()
    except ValidationError as error:
        named = [(variable(*each["loc"]), each["msg"]) for each in error.errors(include_input=False)]
        faults = [f"{name}: {why}" for name, why in named if not replacements(name, list(STREAMS))]
    except SettingsError as error:
        faults = [str(error)]
    findings += [Finding(PART, "wrong", fault, "see docs/settings.md") for fault in faults]
    return None


def check_variables(environ: Iterable[str]) -> Iterator[Finding]:
    """Find variables that look like settings but that nothing reads: `millrace run` refuses them."""
    for each in unknown_variables(environ, list(STREAMS)):
        meant = f"did you mean {each.instead[0]}? " if each.instead and not each.is_replaced else ""
        yield Finding(PART, "wrong", str(each), f"{meant}docs/settings.md lists all settings")


def changed(settings: Settings, own: Mapping[str, StreamSettings]) -> dict[str, str]:
    """Return the settings that differ from their defaults, by variable; a secret is shown only as "set"."""
    reported = {}
    for place, model in places(list(own)).items():
        branch = _branch(settings, own, place)
        for name, field in model.model_fields.items():
            value = getattr(branch, name)
            if value != field.default:
                hidden = isinstance(value, SecretStr) and not isinstance(value, ProxyUrl)
                reported[variable(*place, name)] = SECRET_SHOWN if hidden else str(value)
    return reported


def _branch(settings: Settings, own: Mapping[str, StreamSettings], place: tuple[str, ...]) -> BaseModel:
    tree: BaseModel = settings if len(place) == 1 else own[place[0]]
    branch: BaseModel = getattr(tree, place[-1])
    return branch


def secrets_of(settings: Settings | None, environ: Mapping[str, str]) -> list[str]:
    """Return every configured secret, and the password inside a secret that is an address; the longest first.

    If the settings cannot be read, the values of their variables are returned.
    """
    parts = places(list(STREAMS))
    wanted = {
        variable(*at, name) for at, model in parts.items() for name in model.model_fields if _is_secret(model, name)
    }
    shared = branches(Settings)
    names = [(part, name) for part, model in shared.items() for name in model.model_fields if _is_secret(model, name)]
    found = {value for name, value in environ.items() if name.upper() in wanted}
    for part, name in names:
        held = getattr(getattr(settings, part, None), name, None)
        found |= {held.get_secret_value()} if held is not None else set()
    for each in list(found):
        with suppress(ValueError):
            found.add(RedisAddress.parse(each).password or "")
    for proxy in _proxies(settings, environ):
        found |= {form for written in re.findall(r":([^:/@]+)@", proxy) for form in (written, unquote(written))}
    return sorted(found - {""}, key=len, reverse=True)


def _proxies(settings: Settings | None, environ: Mapping[str, str]) -> list[str]:
    """Return the addresses of proxies: they are shown, but without the password that an address may contain."""
    named = [value for name, value in environ.items() if name.upper() == "MILLRACE_STORE__PROXY"]
    held = None if settings is None else settings.store.proxy
    return named if held is None else [*named, held.get_secret_value()]


def _is_secret(model: type[BaseModel], name: str) -> bool:
    return "SecretStr" in str(model.model_fields[name].annotation)
