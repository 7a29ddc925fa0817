"""What is this deployment like? Everything comes from the environment.

The variables are described in docs/deploy.md and app.json. A missing or malformed
one raises `ImproperlyConfigured` with a line that names it.
"""

import os
import sys
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from liveagent_api import env

BASE_DIR = Path(__file__).resolve().parent.parent

IS_COMMAND = Path(sys.argv[0]).name == "manage.py" and "runserver" not in sys.argv

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY", "only-for-debugging" if DEBUG else None)
ALLOWED_HOSTS = env.texts("HOST", "*")

PORT = env.number("PORT", 8000)
# Heroku's buildpack puts a guess of its own where the operator left it unset.
PROCESSES = (
    1 if "WEB_CONCURRENCY_SET_BY" in os.environ else env.number("WEB_CONCURRENCY", 1)
)

# --- Salesforce ---------------------------------------------------------------

LIVEAGENT_HOST = env.chat_endpoint("LIVEAGENT_HOST")
LIVEAGENT_ORGANIZATION_ID = env.salesforce_id("LIVEAGENT_ORGANIZATION_ID")
LIVEAGENT_DEPLOYMENT_ID = env.salesforce_id("LIVEAGENT_DEPLOYMENT_ID")
LIVEAGENT_BUTTON_ID = env.salesforce_id("LIVEAGENT_BUTTON_ID")
API_VERSION = str(env.number("API_VERSION", 52))
USER_AGENT = env.text("USER_AGENT", "Liveagent API")
CA_BUNDLE = env.text("REQUESTS_CA_BUNDLE", "")

# --- Limits -------------------------------------------------------------------

BRIDGE_TOKENS = env.texts("BRIDGE_TOKEN")
BOT_IDLE_SECONDS = env.number("BOT_IDLE_SECONDS", 600)
DATABASE_MAX_CONNECTIONS = env.number("DATABASE_MAX_CONNECTIONS", 8, least=2)
MAX_OPEN_CHATS = env.optional_number("MAX_OPEN_CHATS", least=0)

# --- Database -----------------------------------------------------------------

SQLITE_OPTIONS = {
    "timeout": 5,  # seconds to wait for another process's write
    # A transaction that reads first and writes later fails at once unless it
    # begins as a writer; readers and a writer get along in WAL mode.
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}
POSTGRESQL_OPTIONS = {
    # A connection whose other end has vanished is noticed within half a minute.
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


def _database() -> dict[str, object]:
    url = env.text("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
    try:
        config = dict(dj_database_url.parse(url))
    except ValueError as exc:
        raise ImproperlyConfigured(
            "DATABASE_URL is malformed: write postgres://user:password@host/name."
        ) from exc
    engine = str(config["ENGINE"]).rpartition(".")[2]
    if engine not in {"sqlite3", "postgresql"}:
        raise ImproperlyConfigured(
            "DATABASE_URL is malformed: PostgreSQL and SQLite are supported."
        )
    ours = SQLITE_OPTIONS if engine == "sqlite3" else POSTGRESQL_OPTIONS
    given = config.get("OPTIONS") or {}
    assert isinstance(given, dict)
    config["OPTIONS"] = {**ours, **given}
    # The database threads keep their connections; see bridge/storage/database.py.
    config["CONN_MAX_AGE"] = None
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django -------------------------------------------------------------------

INSTALLED_APPS = [
    "bridge",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "bridge.api.access_log.AccessLog",
    "bridge.api.head.HeadersAlone",
    "bridge.api.probes.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bridge.api.pages.PagesOnDatabaseThreads",
    "bridge.api.pages.PageSession",
    "bridge.api.pages.PageLocale",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "bridge.api.pages.PageAuthentication",
    "bridge.api.pages.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "liveagent_api.urls"
WSGI_APPLICATION = "liveagent_api.wsgi.application"
APPEND_SLASH = False

PASSWORD_HASHERS = ["bridge.api.logins.Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Commands speak their operator's language; pages follow the browser, or else this.
LANGUAGE_CODE = env.operators_language() if IS_COMMAND else "ja"
LANGUAGES = [("ja", "日本語"), ("en", "English")]
TIME_ZONE = "Asia/Tokyo"
USE_TZ = True

# The admin's files are served from the installed packages, so that a build with
# DISABLE_COLLECTSTATIC=1 needs nothing more.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- https behind a router ----------------------------------------------------

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.flag("SSL")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    # To be put on browsers' preload lists is for a domain's owner to ask for.
    "security.W021",
    # What follows from SSL is said once, by bridge.W002.
    *("security.W004", "security.W008", "security.W010", "security.W016"),
]

# --- Logs ---------------------------------------------------------------------

# A command's output is for reading, or for a pipe; its log is for who types it.
LOG_LEVEL = env.choice(
    "LOG_LEVEL",
    "WARNING" if IS_COMMAND else "INFO",
    ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
)
LOG_FORMAT = env.choice(
    "LOG_FORMAT", "text" if DEBUG or IS_COMMAND else "json", ["json", "text"]
)

_STDOUT = {"class": "bridge.telemetry.stdout.Stdout", "formatter": LOG_FORMAT}
_STDERR = {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "bridge.telemetry.logs.JsonLine"},
        "text": {"()": "bridge.telemetry.logs.TextLine"},
    },
    "filters": {"errors": {"()": "bridge.telemetry.logs.ErrorsOnly"}},
    "handlers": {"out": _STDERR if IS_COMMAND else _STDOUT},
    # Only our own lines are of use below INFO; those of urllib3 hold session keys.
    "root": {
        "handlers": ["out"],
        "level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL,
    },
    "loggers": {
        "bridge": {"level": LOG_LEVEL},
        # In place of Django's own handlers, which write exceptions out.
        "django": {"handlers": []},
        "django.server": {"handlers": [], "level": "CRITICAL"},
        # Each answer has a line of bridge.api.access_log; here only what broke.
        "django.request": {"level": "ERROR", "filters": ["errors"]},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "gunicorn.error": {"handlers": ["out"]},
        # A connection that Salesforce closed while idle is opened again.
        "urllib3": {"level": "ERROR"},
    },
}
