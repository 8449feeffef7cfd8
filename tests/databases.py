"""Fresh databases for the program under test, cloned from one that was migrated once."""

import hashlib
import itertools
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.exchange import ROOT, program_environment, run_manage

_numbers = itertools.count(1)


def find_migrated(folder: Path) -> Path:
    """Return a migrated SQLite file in `folder`, made again only when migrations have changed."""
    digest = hashlib.sha256()
    for path in (*sorted(ROOT.glob("*/migrations/*.py")), ROOT / "requirements.txt"):
        digest.update(path.read_bytes())
    found = folder / f"{digest.hexdigest()}.sqlite3"
    if not found.exists():
        own = folder / f"{os.getpid()}.sqlite3"  # other workers may make it at the same time
        migrate_sqlite(own)
        own.replace(found)
        for stale in set(folder.glob("?" * 64 + ".sqlite3")) - {found}:
            stale.unlink(missing_ok=True)
    return found


def migrate_sqlite(path: Path) -> None:
    environment = program_environment(path.parent, database_url=f"sqlite:///{path}")
    run_manage("migrate", environment=environment)


class SqliteDatabases:
    """Makes migrated SQLite files by copying one: `template`, else one made here."""

    def __init__(self, folder: Path, *, template: Path | None = None) -> None:
        if template is not None:
            self.template = template
            return
        self.template = folder / "template.sqlite3"
        migrate_sqlite(self.template)

    def make(self, folder: Path) -> str:
        """Return the URL of a new migrated database file in `folder`."""
        path = folder / f"predex-{next(_numbers)}.sqlite3"
        shutil.copy(self.template, path)
        return f"sqlite:///{path}"

    def make_empty(self, folder: Path) -> str:
        """Return the URL of a database that is not there yet."""
        return f"sqlite:///{folder}/predex-{next(_numbers)}.sqlite3"


class PostgresDatabases:
    """Makes migrated databases on one server by CREATE DATABASE ... TEMPLATE; drops them all.

    `template` names a migrated database of that server, else one is made here.
    """

    def __init__(
        self, server_url: str, folder: Path, *, prefix: str, template: str | None = None
    ) -> None:
        self.server_url = server_url
        self.prefix = prefix
        self.names: list[str] = []
        if template is not None:
            self.template = template
            return
        self.template = self._create()
        environment = program_environment(folder, database_url=self._url(self.template))
        run_manage("migrate", environment=environment)

    def make(self, folder: Path) -> str:
        """Return the URL of a new migrated database (`folder` is SQLite's affair)."""
        return self._url(self._create(template=self.template))

    def make_empty(self, folder: Path) -> str:
        """Return the URL of a new database without tables."""
        return self._url(self._create())

    def drop_all(self) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            for name in self.names:
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )

    def _create(self, *, template: str = "template0") -> str:
        name = f"{self.prefix}_{next(_numbers)}"
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        self.names.append(name)
        return name

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.server_url)._replace(path=f"/{name}"))
