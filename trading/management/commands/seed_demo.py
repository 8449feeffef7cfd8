"""`manage.py seed_demo`: demo markets, users and traders; prints the log-ins.

It is idempotent and prints the same again. Only while DEBUG is on, as it prints secrets.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.management.base import CommandError

from accounts.models import User
from kernel.errors import ApiError
from markets.models import Market
from trading.demo.catalogue import TAG
from trading.demo.secrets_file import Demo, Person, get_path
from trading.demo.seed import OPERATOR, do_seed_demo
from trading.management.base import MigratedCommand


class Command(MigratedCommand):
    help = "Make demo markets, users and traders, once; print the log-ins and an API key."

    def handle(self, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("seed_demo is for trying predex out: it refuses while DEBUG is off.")
        try:
            demo = do_seed_demo()
        except ApiError as refusal:
            raise CommandError(f"the demo could not be made: {refusal.message}") from None
        self.stdout.write("\n".join(describe(demo)))


def describe(demo: Demo) -> list[str]:
    """Return lines that describe the demo and how to log in."""
    count = Market.objects.filter(tags__slug=TAG).count()
    lines = [f"{count} demo markets, {len(demo.traders)} demo traders. Log in as:"]
    lines += [
        f"  {'operator' if person.handle == OPERATOR else 'trader':<9}{person.email:<20}"
        f" {show_password(person)}"
        for person in demo.people
    ]
    lines += [f"  API key of {person.handle}: {person.key}" for person in demo.people if person.key]
    return [*lines, f"  (kept in {get_path()}, readable by you alone)"]


def show_password(person: Person) -> str:
    """Return the password, or a note if it was changed on the site."""
    encoded = User.objects.values_list("password", flat=True).get(handle=person.handle)
    return person.password if check_password(person.password, encoded) else "(changed since)"
