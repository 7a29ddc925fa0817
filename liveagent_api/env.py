"""How is one environment variable read?

Each reader returns a typed value or raises `ImproperlyConfigured` with one line
that names the variable and says what it should hold. Values are never part of
the message: some of them are secrets.
"""

import os
import re
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"true", "1", "yes", "on"})
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
ENDPOINT = re.compile(
    r"((?P<scheme>https?)://)?"
    rf"(?P<host>(?=[^:/]{{1,200}}(:|/|$))({LABEL}\.)*{LABEL}|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?"
    r"(/chat(/rest)?)?/?",
    re.IGNORECASE | re.ASCII,
)
FALSE = frozenset({"false", "0", "no", "off", ""})


def text(name: str, default: str | None = None) -> str:
    """Return the variable, stripped; without a `default` it has to be there."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is missing: set it in the environment.")
    return default


def texts(name: str, default: str = "") -> list[str]:
    """Return the parts of a comma separated variable, none where it is unset.

    Set to commas alone it is a mistake: a list meant to shut somebody out, and empty,
    would let everybody in.
    """
    value = text(name, default)
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if value and not parts:
        raise ImproperlyConfigured(f"{name} is malformed: there is nothing in it.")
    return parts


def flag(name: str) -> bool:
    """Return a switch; unset is off."""
    value = text(name, "").lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is malformed: write True or False.")


def number(name: str, default: int, *, least: int = 1) -> int:
    """Return a whole number of at least `least`, or `default` when unset."""
    given = optional_number(name, least=least)
    return default if given is None else given


def optional_number(name: str, *, least: int = 1) -> int | None:
    """Return a whole number of at least `least`, or None when unset."""
    value = text(name, "")
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} is malformed: write a whole number from {least} up."
        )
    return int(value)


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """Return one of `choices`, written in any case, or `default` when unset."""
    value = text(name, default)
    for each in choices:
        if value.lower() == each.lower():
            return each
    raise ImproperlyConfigured(
        f"{name} is malformed: write one of {', '.join(choices)}."
    )


def operators_language() -> str:
    """Return `ja` where the locale of who types commands says so, else `en`."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts
    locale = next(filter(None, map(os.environ.get, names)), "")
    return "ja" if locale.startswith("ja") else "en"


def salesforce_id(name: str) -> str:
    """Return a Salesforce record id: 15 or 18 letters and digits."""
    value = text(name)
    if re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", value):
        return value
    raise ImproperlyConfigured(
        f"{name} is malformed: a Salesforce id has 15 or 18 letters and digits."
    )


def chat_endpoint(name: str) -> str:
    """Return scheme and host of the Chat API endpoint, without a path.

    Setup in Salesforce shows it as `https://<host>/chat/rest/`; the bare host
    and the whole address are both taken. `https` unless it says `http://`.
    """
    found = ENDPOINT.fullmatch(text(name))
    if found and 0 < int(found["port"] or 443) < 65536:
        scheme = (found["scheme"] or "https").lower()
        port = f":{found['port']}" if found["port"] else ""
        return f"{scheme}://{found['host'].lower()}{port}"
    raise ImproperlyConfigured(
        f"{name} is malformed: write the host of the Chat API endpoint, "
        "such as d.la1-c1-xxx.salesforceliveagent.com."
    )
