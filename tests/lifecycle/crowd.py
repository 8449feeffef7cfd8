"""A market in which very many accounts have traded, made by SQL: to measure and to kill."""

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Account
from markets.models import Market

LOTS = 100
PRICE_PIPS = 6_000


def make_crowd(market: Market, count: int) -> None:
    """Give `count` new accounts (even) a position: the odd ones sold 1 contract to the even ones.

    Everything fits together: transfers, balances, margins, positions, escrow. No user is behind
    the accounts, so they are the market makers' kind (of markets that do not exist).
    """
    seller_pays = (10_000 - PRICE_PIPS) * LOTS
    buyer_pays = PRICE_PIPS * LOTS
    with transaction.atomic():
        issuer = Account.objects.get(kind="issuer")
        first = (Account.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
        values = {
            "first": first,
            "count": count,
            "market": market.pk,
            "escrow": market.escrow_account_id,
            "issuer": issuer.pk,
            "lots": LOTS,
            "buyer": buyer_pays,
            "seller": seller_pays,
            "now": connection.ops.adapt_datetimefield_value(timezone.now()),
        }
        for statement in _STATEMENTS:
            _execute(statement, values)
        pairs = count // 2
        Account.objects.filter(kind="escrow", market_id=market.pk).update(
            cash_micros=F("cash_micros") + pairs * (buyer_pays + seller_pays)
        )
        Account.objects.filter(pk=issuer.pk).update(
            cash_micros=F("cash_micros") - pairs * (buyer_pays + seller_pays)
        )
        if connection.vendor == "postgresql":
            _execute(
                "SELECT setval(pg_get_serial_sequence('accounts_account', 'id'),"
                " (SELECT max(id) FROM accounts_account))",
                {},
            )
    if connection.vendor == "postgresql":
        _execute("ANALYZE", {})


def _execute(statement: str, values: dict) -> None:
    numbers = (
        "generate_series(0, %(count)s - 1) AS n"
        if connection.vendor == "postgresql"
        else "(WITH RECURSIVE up(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up"
        " WHERE n < %(count)s - 1) SELECT n FROM up) AS numbers"
    )
    new_id = "gen_random_uuid()" if connection.vendor == "postgresql" else "hex(randomblob(16))"
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("{n}", numbers).replace("{id}", new_id), values)


_PAYS = "CASE WHEN n %% 2 = 0 THEN %(buyer)s ELSE %(seller)s END"
_STATEMENTS = (
    "INSERT INTO accounts_account (id, number, kind, currency, market_id, cash_micros,"
    " held_micros, withdrawing_micros, created_at)"
    " SELECT %(first)s + n, 1, 'maker', 'CREDIT', 1000000000 + n, 0, 0, 0, %(now)s FROM {n}",
    "INSERT INTO accounts_transfer (id, debit_account_id, credit_account_id, amount_micros, kind,"
    " market_id, created_at)"
    f" SELECT {{id}}, %(issuer)s, %(first)s + n, {_PAYS}, 'grant', NULL, %(now)s FROM {{n}}",
    "INSERT INTO accounts_transfer (id, debit_account_id, credit_account_id, amount_micros, kind,"
    " market_id, created_at)"
    f" SELECT {{id}}, %(first)s + n, %(escrow)s, {_PAYS}, 'trade', %(market)s, %(now)s FROM {{n}}",
    "INSERT INTO trading_margin (market_id, account_id, collateral_lots, held_micros,"
    " net_paid_micros, fees_micros)"
    " SELECT %(market)s, %(first)s + n, CASE WHEN n %% 2 = 0 THEN 0 ELSE %(lots)s END, 0,"
    f" {_PAYS}, 0 FROM {{n}}",
    "INSERT INTO trading_position (market_id, account_id, outcome_index, net_lots, cost_micros,"
    " realised_micros)"
    " SELECT %(market)s, %(first)s + n, 0, CASE WHEN n %% 2 = 0 THEN %(lots)s ELSE -%(lots)s END,"
    " 0, 0 FROM {n}",
)
