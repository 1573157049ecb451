"""Checks of the settings themselves: what the environment says, what it says in vain, and what must not be shown."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsError

from millrace.doctoring.finding import Finding
from shared.cache.address import RedisAddress
from shared.settings import Settings
from shared.vectorstore.proxy_url import ProxyUrl

PREFIX = "MILLRACE_"
OF_THE_TESTS = ("MILLRACE_DATA", "MILLRACE_FORBID_SKIPS")
"""Variables that only the checkout's tests and benchmarks read."""

SECRET_SHOWN = "set"  # noqa: S105  (what stands in a secret's place)
PART = "settings"


def parts() -> dict[str, type[BaseModel]]:
    """Return the branches of the settings, by name."""
    named = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: model for name, model in named.items() if isinstance(model, type) and issubclass(model, BaseModel)}


def known_variables() -> set[str]:
    """Return every variable that is read: each field's, and each part's, which takes a JSON object."""
    fields = {variable(part, name) for part, model in parts().items() for name in model.model_fields}
    return fields | {f"{PREFIX}{part.upper()}" for part in parts()}


def variable(*place: object) -> str:
    """Return the name of a setting's variable."""
    return PREFIX + "__".join(str(step) for step in place).upper()


def read_settings() -> tuple[Settings | None, list[Finding]]:
    """Read the settings; None where one is wrong. Values are not told: they may be secrets."""
    try:
        return Settings(), []
    except ValidationError as error:
        faults = [f"{variable(*each['loc'])}: {each['msg']}" for each in error.errors(include_input=False)]
    except SettingsError as error:
        faults = [str(error)]
    return None, [Finding(PART, "wrong", fault, "see docs/settings.md") for fault in faults]


def in_vain(environ: Iterable[str]) -> Iterator[Finding]:
    """Find variables that look like settings and are read by nobody."""
    known = known_variables()
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper in OF_THE_TESTS:
            continue
        if upper.split("__")[0] in known:  # a wrong field of a part that there is: reading the settings has said so
            continue
        near = get_close_matches(upper.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1)
        mend = f"did you mean {PREFIX}{near[0]}? " if near else ""
        yield Finding(PART, "warning", f"{name} is set and read by nobody", f"{mend}docs/settings.md lists them all")


def changed(settings: Settings) -> dict[str, str]:
    """Return what differs from the defaults, by variable; of a secret only that it is set."""
    told = {}
    for part, model in parts().items():
        branch: Any = getattr(settings, part)
        for name, field in model.model_fields.items():
            value = getattr(branch, name)
            if value != field.default:
                hidden = isinstance(value, SecretStr) and not isinstance(value, ProxyUrl)
                told[variable(part, name)] = SECRET_SHOWN if hidden else str(value)
    return told


def secrets_of(settings: Settings | None, environ: Mapping[str, str]) -> list[str]:
    """Return every secret that is configured, and the parts of one that is an address; the longest first.

    Where the settings cannot be read, what their variables hold counts.
    """
    names = [(part, name) for part, model in parts().items() for name in model.model_fields if _is_secret(model, name)]
    wanted = {variable(*place) for place in names}
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
    """Return the addresses of proxies: they are shown, but for the password that one may hold."""
    named = [value for name, value in environ.items() if name.upper() == "MILLRACE_STORE__PROXY"]
    held = None if settings is None else settings.store.proxy
    return named if held is None else [*named, held.get_secret_value()]


def _is_secret(model: type[BaseModel], name: str) -> bool:
    return "SecretStr" in str(model.model_fields[name].annotation)
