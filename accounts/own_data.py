"""The export of a user's data, as a zip of CSV and JSON files.

Amounts are exact decimals, times UTC. Tables are streamed in chunks, so a long history needs no
more memory than a short one. Other apps add their tables through `accounts.registry`.
"""

import csv
import io
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db.models import Model, QuerySet

from accounts.models import (
    Account,
    ApiKey,
    AuditEvent,
    DepositRequest,
    LoginSession,
    User,
    WithdrawalRequest,
)
from accounts.queries import list_transfers, read_reasons
from accounts.registry import DataTable, list_data_tables, name_markets
from kernel.clock import format_time, from_datetime
from kernel.spreadsheets import as_cell
from kernel.units import format_amount

CHUNK_ROWS = 2_000
README = """\
Everything that this exchange keeps of you. Each table is there twice, as CSV and as JSON.
Amounts, prices and quantities are exact decimals; times are UTC (ISO 8601).
Passwords and the secrets of API keys and second factors are not given out.
"""

_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?", re.ASCII)


def write_archive(target: IO[bytes], user: User) -> None:
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("profile.json", json.dumps(show_profile(user), indent=1))
        for table in (*TABLES, *list_data_tables()):
            _write_table(archive, table, user.pk)


def _write_table(archive: ZipFile, table: DataTable, user_id: int) -> None:
    """Write both files in one pass: the JSON is buffered in a temporary file."""
    with tempfile.TemporaryFile("w+b") as waiting:
        with archive.open(f"{table.name}.csv", "w", force_zip64=True) as entry:
            text = io.TextIOWrapper(entry, encoding="utf-8", newline="")
            writer = csv.DictWriter(text, table.columns)
            writer.writeheader()
            separator = "["
            for row in table.rows(user_id):
                writer.writerow({name: _as_cell(row[name]) for name in table.columns})
                waiting.write(f"{separator}\n{json.dumps(row)}".encode())
                separator = ","
            waiting.write(b"[]\n" if separator == "[" else b"\n]\n")
            text.flush()
            text.detach()
        waiting.seek(0)
        with archive.open(f"{table.name}.json", "w", force_zip64=True) as entry:
            shutil.copyfileobj(waiting, entry)


def _as_cell(value: Any) -> Any:
    """Return a cell's value; a text that would be a formula gets a leading apostrophe."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return as_cell(value) if isinstance(value, str) and not _NUMBER.fullmatch(value) else value


def read_in_chunks(rows: QuerySet) -> Iterator[Any]:
    """Yield rows by primary key, one query per chunk, without a cursor that stays open."""
    rows = rows.order_by("pk")
    chunk = list(rows[:CHUNK_ROWS])
    while chunk:
        yield from chunk
        chunk = list(rows.filter(pk__gt=chunk[-1].pk)[:CHUNK_ROWS])


def show_profile(user: User) -> dict[str, Any]:
    addresses = EmailAddress.objects.filter(user=user).order_by("pk")
    factors = Authenticator.objects.filter(user=user).order_by("pk")
    elsewhere = SocialAccount.objects.filter(user=user).order_by("pk")
    return {
        **_pick(user, "handle", "display_name", "bio", "email"),
        **_pick(user, "public_profile", "on_leaderboards", "shares_positions"),
        **_pick(user, "is_staff", "created_at", "last_login", "suspended_at"),
        "email_addresses": [_pick(row, "email", "primary", "verified") for row in addresses],
        "second_factors": [_pick(row, "type", "created_at", "last_used_at") for row in factors],
        "single_sign_on": [_pick(row, "provider", "uid", "extra_data") for row in elsewhere],
        "accounts": [_show_account(row) for row in user.accounts.order_by("number")],
    }


def _show_account(account: Account) -> dict[str, Any]:
    micros = ("cash_micros", "held_micros", "withdrawing_micros", "available_micros")
    amounts = {
        name.removesuffix("_micros"): format_amount(getattr(account, name)) for name in micros
    }
    return {**_pick(account, "number", "kind", "currency", "created_at", "closed_at"), **amounts}


def _pick(row: Model, *names: str) -> dict[str, Any]:
    return {name: show_value(getattr(row, name)) for name in names}


def show_value(value: Any) -> Any:
    """Return an id or a time as the API shows it, anything else as it is."""
    if isinstance(value, uuid.UUID):
        return value.hex
    return format_time(from_datetime(value)) if isinstance(value, datetime) else value


def simple_table(name: str, rows: Any, *columns: str) -> DataTable:
    """A table whose columns are its model's fields; `rows(user_id)` is a query set."""
    return DataTable(
        name,
        columns,
        lambda user_id: (_pick(row, *columns) for row in read_in_chunks(rows(user_id))),
    )


# --- this app's tables ----------------------------------------------------------------------------

TRANSFER_COLUMNS = (
    "id",
    "account",
    "kind",
    "amount",
    "market",
    "reference",
    "reason",
    "created_at",
)
REQUEST_COLUMNS = ("id", "amount", "note", "status", "reason", "requested_at", "decided_at")


def _list_transfers(user_id: int) -> Iterator[Mapping[str, Any]]:
    """Newest first, the order in which both indexes can be merged."""
    for account in Account.objects.filter(owner=user_id).order_by("number"):
        before = None
        while chunk := list_transfers(account.pk, before=before, count=CHUNK_ROWS):
            slugs = name_markets({row.market_id for row in chunk if row.market_id is not None})
            reasons = read_reasons(chunk)
            for row in chunk:
                sign = 1 if row.credit_account_id == account.pk else -1
                yield {
                    **_pick(row, "id", "kind", "reference", "created_at"),
                    "account": account.number,
                    "amount": format_amount(sign * row.amount_micros),
                    "market": slugs.get(row.market_id or 0),
                    "reason": reasons.get(row.id, ""),
                }
            before = chunk[-1].id


def _list_requests(model: Any) -> Any:
    def rows(user_id: int) -> Iterator[Mapping[str, Any]]:
        for row in read_in_chunks(model.objects.filter(account__owner=user_id)):
            names = [name for name in REQUEST_COLUMNS if name != "amount"]
            yield {**_pick(row, *names), "amount": format_amount(row.amount_micros)}

    return rows


TABLES = (
    DataTable("transfers", TRANSFER_COLUMNS, _list_transfers),
    DataTable("withdrawals", REQUEST_COLUMNS, _list_requests(WithdrawalRequest)),
    DataTable("deposits", REQUEST_COLUMNS, _list_requests(DepositRequest)),
    simple_table(
        "api_keys",
        lambda user_id: ApiKey.objects.filter(account__owner=user_id),
        "id", "prefix", "name", "scopes", "networks", "created_at", "expires_at", "last_used_at",
        "revoked_at",
    ),
    simple_table(
        "program_log_ins",
        lambda user_id: LoginSession.objects.filter(user=user_id),
        "id", "address", "user_agent", "created_at", "expires_at", "revoked_at",
    ),
    simple_table(
        "browser_log_ins",
        lambda user_id: UserSession.objects.filter(user=user_id),
        "ip", "user_agent", "created_at", "last_seen_at",
    ),
    simple_table(
        "audit_events",
        lambda user_id: AuditEvent.objects.filter(actor=user_id),
        "id", "action", "subject_type", "subject_id", "before", "after", "reason", "created_at",
    ),
)  # fmt: skip
