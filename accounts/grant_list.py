"""Parses a list of grants from lines of text or a CSV file.

A line is a handle, or a handle, a comma (or semicolon or tab) and an amount; the first line may
contain column names. The account is the user's first. Nothing here writes to the database.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.actions import check_issue_by_operator
from accounts.models import Account, User
from kernel.errors import RefusedError, describe
from kernel.units import UnitError, format_amount, parse_amount_micros

ROWS_MAX = 500
TEXT_LENGTH_MAX = 64_000
_SEPARATOR = re.compile(r"[,;\t]")
_HEADINGS = frozenset({"handle", "user", "name"})


class GrantLine(NamedTuple):
    number: int
    handle: str
    amount_text: str  # "" if the line has none


class CheckedLine(NamedTuple):
    """`error` is the reason for people, "" if the line is valid."""

    number: int
    handle: str
    account: Account | None
    amount_micros: int
    error: str


def read_lines(text: str) -> list[GrantLine]:
    lines: list[GrantLine] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        handle, *rest = (cell.strip().strip('"') for cell in _SEPARATOR.split(line, maxsplit=1))
        handle = handle.removeprefix("@").lower()
        if handle and not (not lines and handle in _HEADINGS):
            lines.append(GrantLine(number, handle, rest[0].strip() if rest else ""))
    return lines


def check_lines(
    lines: Sequence[GrantLine], *, default_micros: int | None, by: User
) -> list[CheckedLine]:
    """Return each line with its account and amount, or with its error."""
    handles = {line.handle for line in lines}
    rows = Account.objects.filter(owner__handle__in=handles, number=1).select_related("owner")
    accounts = {row.owner.handle: row for row in rows if row.owner is not None}
    seen: set[str] = set()
    checked = []
    for line in lines:
        account, amount_micros, error = accounts.get(line.handle), 0, ""
        try:
            amount_micros = default_micros or 0
            if line.amount_text:
                amount_micros = parse_amount_micros(line.amount_text)
            if account is None:
                error = _("There is no user “%s”.") % line.handle
            elif line.handle in seen:
                error = _("This user is listed twice.")
            elif account.closed_at is not None:
                error = _("This account is closed.")
            else:
                check_issue_by_operator(account, amount_micros=amount_micros, by=by)
        except (RefusedError, UnitError) as refusal:
            error = describe(refusal)
        seen.add(line.handle)
        checked.append(CheckedLine(line.number, line.handle, account, amount_micros, error))
    return checked


def write_lines(checked: Iterable[CheckedLine]) -> str:
    """Return an equivalent list with an explicit amount on each line."""
    return "\n".join(f"{row.handle},{format_amount(row.amount_micros)}" for row in checked)
