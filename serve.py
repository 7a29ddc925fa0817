#!/usr/bin/env python
"""The server's command line: gunicorn's own, after a look at the environment.

gunicorn reads WEB_CONCURRENCY before it reads any file of ours, and ends in a
traceback where that is no number.
"""

import os
import sys

from django.core.exceptions import ImproperlyConfigured


def main() -> None:
    """Serve, or say in one line what is wrong with the environment."""
    try:
        from liveagent_api import settings
    except ImproperlyConfigured as exc:
        sys.exit(f"liveagent-api cannot start: {exc}")
    os.environ["WEB_CONCURRENCY"] = str(settings.PROCESSES)
    from gunicorn.app.wsgiapp import run

    run(prog="serve.py")


if __name__ == "__main__":
    main()
