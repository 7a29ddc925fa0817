#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run a command, or say in one line what is wrong with the environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveagent_api.settings")
    try:
        import liveagent_api.settings  # noqa: F401
    except ImproperlyConfigured as exc:
        sys.exit(f"liveagent-api cannot start: {exc}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
