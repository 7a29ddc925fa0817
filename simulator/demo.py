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
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RUN = TOP / "run"
PORT = os.environ.get("PORT", "8000")
SIMULATOR_PORT = os.environ.get("SIMULATOR_PORT", "8100")
SERVICE = f"http://127.0.0.1:{PORT}"
SIMULATOR = f"http://127.0.0.1:{SIMULATOR_PORT}"
PATIENCE_SECONDS = 30.0
STOP_SECONDS = 10.0

ADMIN = """
from django.contrib.auth.models import User
user, _ = User.objects.get_or_create(username="admin")
user.is_staff = user.is_superuser = True
user.set_password(input())
user.save()
"""

WELCOME = """
Both are running. In another terminal, open a chat as the LINE bot does:

  curl -H 'Content-Type: application/json' {service}/init \\
       -d '{{"line_id": "U1", "display_name": "花子"}}'

accept it as the agent in a browser:  {simulator}/

and talk:

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
        "LIVEAGENT_HOST": SIMULATOR,
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
    manage = [sys.executable, "manage.py"]
    for arguments, typed in (
        (["migrate", "--verbosity", "0"], ""),
        (["shell", "--verbosity", "0", "-c", ADMIN], password),
    ):
        subprocess.run(  # noqa: S603  (our own commands)
            manage + arguments, cwd=TOP, env=env, input=typed, text=True, check=True
        )
    return password


@contextmanager
def running(arguments: list[str], env: dict[str, str], url: str) -> Iterator[None]:
    """Run a server in a session of its own until the block is left.

    Ctrl-C reaches this process alone, which then stops both in order.
    """
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(  # noqa: S603  (our own commands)
        command, cwd=TOP, env=env, start_new_session=True
    )
    try:
        wait_for(url, process)
        yield
    finally:
        stop(process)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until something answers at `url`; exits where the process did not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{url} could not be started; is the port in use?")
        try:
            urllib.request.urlopen(url, timeout=1)  # noqa: S310  (loopback)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{url} did not answer")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and whatever it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Start both, say how to try them, and wait for Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    env = environment()
    print("preparing the database ...", flush=True)
    password = prepare(env)
    simulator = ["simulator", "--port", SIMULATOR_PORT]
    service = ["gunicorn", "-c", "gunicorn.conf.py", "liveagent_api.wsgi"]
    try:
        with (
            running(simulator, env, f"{SIMULATOR}/"),
            running(service, env, f"{SERVICE}/healthz"),
        ):
            said = {"service": SERVICE, "simulator": SIMULATOR, "password": password}
            print(WELCOME.format(**said), flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        print("\nstopped")


if __name__ == "__main__":
    main()
