"""What about this deployment should its operator know before it serves?

`python manage.py check --deploy` says it. Each finding has an id that stays the
same and a hint that names the variable to set; no value is shown, since some are
secrets.

That the site is not https-only is said once, by `bridge.W002`. Django would say it
four times (security.W004, W008, W010, W016), each time naming a setting that an
operator cannot reach: here all four follow from `SSL`. So the settings silence
these, and W002 looks at the four settings themselves.
"""

import ipaddress
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from bridge.upstreams.registry import is_salesforces

SHORTEST_TOKEN = 22  # characters: 128 random bits in base64
FEWEST_DIFFERENT = 8  # characters of a token

# What the ids of an organisation, a deployment and a button begin with.
# Source: Salesforce help, "Standard Field Record ID Prefix Decoder".
PREFIXES = {
    "LIVEAGENT_ORGANIZATION_ID": "00D",
    "LIVEAGENT_DEPLOYMENT_ID": "572",
    "LIVEAGENT_BUTTON_ID": "573",
}
SHORT_ID = 15  # characters, case-sensitive; three more make it case-insensitive
CHUNK = 5
SUFFIX_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

GENERATE = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


security = register(Tags.security, deploy=True)


@security
def check_bridge_token(**kwargs: Any) -> Iterator[CheckMessage]:
    """W001: anybody may call. W008: a token can be guessed."""
    if not settings.BRIDGE_TOKENS:
        yield Warning(
            "BRIDGE_TOKEN is not set: whoever finds the service can use it.",
            hint=f"Set BRIDGE_TOKEN to what this prints: {GENERATE}",
            id="bridge.W001",
        )
    if any(map(_is_weak, settings.BRIDGE_TOKENS)):
        yield Warning(
            "BRIDGE_TOKEN holds a token that is short or repeats itself.",
            hint=f"Set each token to what this prints: {GENERATE}",
            id="bridge.W008",
        )


def _is_weak(token: str) -> bool:
    return len(token) < SHORTEST_TOKEN or len(set(token)) < FEWEST_DIFFERENT


@security
def check_ssl(**kwargs: Any) -> Iterator[CheckMessage]:
    """W002: chats and passwords may travel as plain http."""
    needed = (
        settings.SECURE_SSL_REDIRECT,
        settings.SECURE_HSTS_SECONDS,
        settings.SESSION_COOKIE_SECURE,
        settings.CSRF_COOKIE_SECURE,
    )
    if not all(needed):
        yield Warning(
            "SSL is off: plain http is served, and the admin's cookies go over it.",
            hint="Set SSL=True, behind a router that sets X-Forwarded-Proto itself.",
            id="bridge.W002",
        )


@security
def check_host(**kwargs: Any) -> Iterator[CheckMessage]:
    """W003: every Host header is taken."""
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            "HOST is not set or is *: requests for any host name are answered.",
            hint="Set HOST to the name under which the service is called, "
            "such as my-bridge-0123456789ab.herokuapp.com.",
            id="bridge.W003",
        )


@security
def check_liveagent_host(**kwargs: Any) -> Iterator[CheckMessage]:
    """W004: plain http to elsewhere. W005: not Salesforce's.

    A stand-in on this machine needs no TLS, but in a deployment it is worth a word
    all the same: no agent sits behind it.
    """
    address = urlsplit(settings.LIVEAGENT_HOST)
    name = address.hostname or ""
    if address.scheme == "http" and not _is_loopback(name):
        yield Warning(
            "LIVEAGENT_HOST is plain http: chats can be read on the way.",
            hint="Set LIVEAGENT_HOST without http://, which makes it https.",
            id="bridge.W004",
        )
    if not is_salesforces(name):
        yield Warning(
            "LIVEAGENT_HOST is not one of Salesforce's chat servers.",
            hint="Set LIVEAGENT_HOST to the Chat API endpoint that Setup shows "
            "in Chat Settings, such as d.la1-c1-xxx.salesforceliveagent.com.",
            id="bridge.W005",
        )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@security
def check_salesforce_ids(**kwargs: Any) -> Iterator[CheckMessage]:
    """W006: the id of something else. W007: an id that was copied wrongly.

    Ids of another length or with other characters never come so far: the settings
    refuse them at start.
    """
    for name, prefix in PREFIXES.items():
        value = getattr(settings, name)
        if not value.startswith(prefix):
            yield Warning(
                f"{name} does not begin with {prefix}.",
                hint=f"Set {name} to the id that Setup shows; its case matters.",
                id="bridge.W006",
            )
        suffix = value[SHORT_ID:]
        if suffix and suffix.upper() != suffix_of(value[:SHORT_ID]):
            yield Warning(
                f"{name} is mistyped: its last three characters do not fit.",
                hint=f"Copy {name} again, with its 15 or its 18 characters.",
                id="bridge.W007",
            )


def suffix_of(short_id: str) -> str:
    """Return the three characters that make an id of 15 one of 18.

    One for each five: a bit is set where the character is upper-case, the lowest
    bit for the first. Source: Salesforce help, "CASESAFEID", with an example.
    """
    chunks = (short_id[at : at + CHUNK] for at in range(0, SHORT_ID, CHUNK))
    return "".join(
        SUFFIX_DIGITS[sum(c.isupper() << bit for bit, c in enumerate(chunk))]
        for chunk in chunks
    )


@register(Tags.database, Tags.security, deploy=True)
def check_database(**kwargs: Any) -> Iterator[CheckMessage]:
    """E001: chats on a disk that is thrown away at each restart."""
    is_sqlite = str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3")
    if is_sqlite and "DYNO" in os.environ:
        yield Error(
            "The database is SQLite on a Heroku dyno, whose disk does not last.",
            hint="Set DATABASE_URL to a PostgreSQL: "
            "heroku addons:create heroku-postgresql:essential-0",
            id="bridge.E001",
        )
