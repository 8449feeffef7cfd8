"""The database's exceptions on either backend: bulk statements raise the driver's own errors, all
others Django's.
"""

import sqlite3
from typing import Final

import psycopg
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError

DATABASE_AWAY: Final = (
    OperationalError,
    InterfaceError,
    InternalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    sqlite3.OperationalError,
    sqlite3.InterfaceError,
)
"""Temporary failures: a session that has ended, a lock timeout, an exhausted pool.

A session that PostgreSQL ends for its time in a transaction is an InternalError (25P03, 25P04).
"""
DATABASE_FAULTS: Final = (DatabaseError, InterfaceError, psycopg.Error, sqlite3.Error)
"""These and errors of statements."""
