"""How does one try the service out on one machine, without Salesforce?

`python -m simulator.demo` starts the simulator and, as a process of its own, the
service on a SQLite file in `run/`, and says what to type. Ctrl-C stops both.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from simulator.processes import ROOT, SERVICE, SIMULATOR, NotStarted, Server

RUN = Path(os.environ.get("RUN_FOLDER", ROOT / "run"))
PORT = os.environ.get("PORT", "8000")
SIMULATOR_PORT = os.environ.get("SIMULATOR_PORT", "8100")
SERVICE_URL = f"http://127.0.0.1:{PORT}"
SIMULATOR_URL = f"http://127.0.0.1:{SIMULATOR_PORT}"
GREETING = "お問い合わせありがとうございます。ご用件をどうぞ。"

PREPARE = """
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
user, _ = User.objects.get_or_create(username="admin")
user.is_staff = user.is_superuser = True
user.set_password(input())
user.save()
"""

WELCOME = """
Both are running. In another terminal, open a chat as the LINE bot does, and fetch
what the agent says first:

  curl -H 'Content-Type: application/json' {service}/init \\
       -d '{{"line_id": "U1", "display_name": "花子"}}'
  curl -H 'Content-Type: application/json' {service}/messages -d '{{"line_id": "U1"}}'

Answer; the agent reads it, and writes back, in a browser:  {simulator}/

  curl -H 'Content-Type: application/json' {service}/send \\
       -d '{{"line_id": "U1", "message": "こんにちは"}}'
  curl -H 'Content-Type: application/json' {service}/messages -d '{{"line_id": "U1"}}'
  curl -H 'Content-Type: application/json' {service}/close -d '{{"line_id": "U1"}}'

The admin:  {service}/admin/   user: admin   password: {password}

Ctrl-C stops everything.
"""


def environment() -> dict[str, str]:
    """Return what a deployment would set, with made-up ids."""
    return {
        **os.environ,
        "LIVEAGENT_HOST": SIMULATOR_URL,
        "LIVEAGENT_ORGANIZATION_ID": "00D000000000001",
        "LIVEAGENT_DEPLOYMENT_ID": "572000000000001",
        "LIVEAGENT_BUTTON_ID": "573000000000001",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "DATABASE_URL": f"sqlite:///{RUN / 'db.sqlite3'}",
        "PORT": PORT,
        "LOG_FORMAT": "text",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{PORT} --log-level warning",
    }


def prepare(env: dict[str, str]) -> str:
    """Bring the database up to date; returns the admin's password for this run."""
    RUN.mkdir(exist_ok=True)
    password = secrets.token_urlsafe(9)
    subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", PREPARE],
        cwd=ROOT,
        env=env,
        input=password,
        text=True,
        check=True,
    )
    return password


def main() -> None:
    """Start both, say how to try them, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    env = environment()
    options = ("--port", SIMULATOR_PORT, "--auto-accept", "--greeting", GREETING)
    simulator = Server([*SIMULATOR, *options], env, url=SIMULATOR_URL)
    service = Server(SERVICE, env, url=f"{SERVICE_URL}/healthz")
    try:
        with ExitStack() as running:
            print("preparing the database ...", flush=True)
            password = prepare(env)
            # Without the simulator no poll is held that the service would wait for.
            for server in (service, simulator):
                running.callback(server.stop)
            simulator.start()
            service.start()
            said = {"service": SERVICE_URL, "simulator": SIMULATOR_URL}
            print(WELCOME.format(**said, password=password), flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        print("\nstopped")
    except NotStarted as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
