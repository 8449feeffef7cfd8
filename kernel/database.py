"""The database's exceptions on either backend: bulk statements raise the driver's own errors, all
others Django's.
"""

import sqlite3
from typing import Final

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError

DATABASE_AWAY: Final = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlite3.OperationalError,
    sqlite3.InterfaceError,
)
"""Temporary failures: a session that has ended, a lock timeout, an exhausted pool."""
DATABASE_FAULTS: Final = (DatabaseError, InterfaceError, psycopg.Error, sqlite3.Error)
"""These and errors of statements."""
