#!/usr/bin/env python
"""Runs predex's commands: `manage.py serve` is the whole exchange in one process."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, InterfaceError
from psycopg_pool import PoolTimeout

from kernel.database import DATABASE_AWAY


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as fault:
        sys.exit(f"predex cannot start: {fault}")
    except (DatabaseError, InterfaceError, PoolTimeout) as fault:
        if "--traceback" in sys.argv or not is_unusable(fault):
            raise
        reason = str(fault).partition("\n")[0].rstrip(".")
        sys.exit(
            f"predex cannot go on: the database of DATABASE_URL can't be used ({reason}). "
            "Does it run, and are its address and password right?"
        )


def is_unusable(fault: Exception) -> bool:
    """Whether the database is away or no database, and not something that we asked of it wrong."""
    is_corrupt = type(fault) is DatabaseError  # SQLite's
    return isinstance(fault, DATABASE_AWAY) or is_corrupt


if __name__ == "__main__":
    main()
