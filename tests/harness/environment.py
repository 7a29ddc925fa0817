"""The environment variables of a server under test."""

import os

IDENTIFIERS = {
    "LIVEAGENT_ORGANIZATION_ID": "00D000000000001",
    "LIVEAGENT_DEPLOYMENT_ID": "572000000000001",
    "LIVEAGENT_BUTTON_ID": "573000000000001",
}

DEFAULTS = {
    "LIVEAGENT_HOST": "http://127.0.0.1:8100",
    **IDENTIFIERS,
    "SECRET_KEY": "only-for-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
}

_KNOWN = {
    *DEFAULTS,
    "API_VERSION",
    "BOT_IDLE_SECONDS",
    "BRIDGE_TOKEN",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_URL",
    "DEBUG",
    "DISABLE_COLLECTSTATIC",
    "DJANGO_SETTINGS_MODULE",
    "HOST",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MAX_OPEN_CHATS",
    "PORT",
    "REQUESTS_CA_BUNDLE",
    "SSL",
    "USER_AGENT",
    "WEB_CONCURRENCY",
}


def service_environment(**changes: str | None) -> dict[str, str]:
    """Return an environment with the defaults and these changes (None: unset)."""
    environment = dict(os.environ)
    for name in _KNOWN:
        environment.pop(name, None)
    values: dict[str, str | None] = {
        **DEFAULTS,
        "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        **changes,
    }
    for name, value in values.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return environment
