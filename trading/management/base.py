"""The base of commands that use the exchange's database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class MigratedCommand(BaseCommand):
    """Refuses a database with missing migrations, on which any result would be wrong."""

    requires_migrations_checks = False

    def execute(self, *args: Any, **options: Any) -> str | None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("predex cannot start: run `manage.py migrate` first.")
        return super().execute(*args, **options)
