#!/usr/bin/env python
"""Runs predex's commands: `manage.py serve` is the whole exchange in one process."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as fault:
        sys.exit(f"predex cannot start: {fault}")


if __name__ == "__main__":
    main()
