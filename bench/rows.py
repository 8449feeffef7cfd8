"""Millions of rows made by PostgreSQL itself, as the exchange would have left them.

Ids of generated rows begin at FIRST_ID, far above those of the few rows made in the ordinary way.
Every account has had a grant of GRANT_MICROS, and what it paid since has its transfers, so that the
ledger's invariants hold. Foreign keys are not looked up one by one: the statements are made to fit.
"""

# ruff: noqa: S608 - statements are built from numbers made here

from typing import Final

from bench.stage import Stage

FIRST_ID: Final = 1_000_000
ACCOUNTS_AN_OWNER: Final = 1_000
GRANT_MICROS: Final = 10**9
PRICE_PIPS: Final = 5_000
UNCHECKED: Final = "SET session_replication_role = replica"
"""Triggers, foreign keys among them, don't fire in this session."""

_LOTS: Final = "((pair % 20 + 1) * 100)"
_PAIRS: Final = "generate_series(0, {pairs} - 1) AS pair, LATERAL (VALUES (0), (1)) AS half(short)"


def make_accounts(stage: Stage, count: int) -> None:
    """Make `count` accounts with a grant each, under one owner per thousand."""
    owners = -(-count // ACCOUNTS_AN_OWNER)
    issuer = stage.read_number("SELECT id FROM accounts_account WHERE kind = 'issuer'")
    stage.execute(
        UNCHECKED,
        "INSERT INTO accounts_user (id, password, is_superuser, email, handle, display_name,"
        " bio, is_active, is_staff, public_profile, on_leaderboards, shares_positions, created_at)"
        " SELECT n, '!', false, 'owner_' || n || '@example.org', 'owner_' || n, '', '', true,"
        " false, true, true, false, now()"
        f" FROM generate_series({FIRST_ID}, {FIRST_ID + owners - 1}) AS n",
        "INSERT INTO accounts_account (id, owner_id, number, kind, currency, cash_micros,"
        f" held_micros, withdrawing_micros, created_at) SELECT {FIRST_ID} + n,"
        f" {FIRST_ID} + n / {ACCOUNTS_AN_OWNER}, n % {ACCOUNTS_AN_OWNER} + 1, 'user', 'CREDIT',"
        f" {GRANT_MICROS}, 0, 0, now() FROM generate_series(0, {count} - 1) AS n",
        "INSERT INTO accounts_transfer (id, debit_account_id, credit_account_id, amount_micros,"
        f" kind, created_at) SELECT {_id('a', 'n')}, {issuer}, {FIRST_ID} + n, {GRANT_MICROS},"
        f" 'grant', now() FROM generate_series(0, {count} - 1) AS n",
        f"UPDATE accounts_account SET cash_micros = cash_micros - {count * GRANT_MICROS}"
        f" WHERE id = {issuer}",
    )


def make_positions(stage: Stage, market_id: int, count: int) -> None:
    """Let each two of `count` accounts have made one trade at 50 cents, and paid for it."""
    pairs = count // 2
    several = _PAIRS.format(pairs=pairs)
    account = f"{FIRST_ID} + 2 * pair + short"
    lots = f"{_LOTS} * (1 - 2 * short)"
    escrow = f"(SELECT escrow_account_id FROM markets_market WHERE id = {market_id})"
    collateral = f"(SELECT SUM({_LOTS}) FROM generate_series(0, {pairs} - 1) AS pair)"
    stage.execute(
        UNCHECKED,
        "INSERT INTO trading_trade (id, market_id, seq, outcome_index, taker_side, price_pips,"
        " quantity_lots, amount_micros, kind, taker_account_id, maker_account_id, taker_order_id,"
        " maker_order_id, taker_cash_micros, maker_cash_micros, taker_fee_micros,"
        f" maker_fee_micros, created_at_us) SELECT {_id('b', 'pair')}, {market_id}, pair + 1, 0, 1,"
        f" {PRICE_PIPS}, {_LOTS}, {PRICE_PIPS} * {_LOTS}, 1, {FIRST_ID} + 2 * pair,"
        f" {FIRST_ID} + 2 * pair + 1, {_id('c', '2 * pair')}, {_id('c', '2 * pair + 1')},"
        f" -{PRICE_PIPS} * {_LOTS}, -{PRICE_PIPS} * {_LOTS}, 0, 0, 1"
        f" FROM generate_series(0, {pairs} - 1) AS pair",
        "INSERT INTO accounts_transfer (id, debit_account_id, credit_account_id, amount_micros,"
        f" kind, reference, market_id, created_at) SELECT {_id('d', '2 * pair + short')},"
        f" {account}, {escrow}, {PRICE_PIPS} * {_LOTS}, 'trade', {_id('b', 'pair')}, {market_id},"
        f" now() FROM {several}",
        "INSERT INTO trading_position (market_id, account_id, outcome_index, net_lots,"
        f" cost_micros, realised_micros) SELECT {market_id}, {account}, 0, {lots},"
        f" {PRICE_PIPS} * {lots}, 0 FROM {several}",
        "INSERT INTO trading_margin (market_id, account_id, collateral_lots, held_micros,"
        f" net_paid_micros, fees_micros) SELECT {market_id}, {account}, {_LOTS} * short, 0,"
        f" {PRICE_PIPS} * {_LOTS}, 0 FROM {several}",
        "UPDATE accounts_account a SET cash_micros = a.cash_micros - m.net_paid_micros"
        f" FROM trading_margin m WHERE m.account_id = a.id AND m.market_id = {market_id}",
        f"UPDATE accounts_account SET cash_micros = 10000 * {collateral} WHERE id = {escrow}",
    )


def make_resting_orders(stage: Stage, market_id: int, *, orders: int, accounts: int) -> None:
    """Let `orders` rest in an open market without trades, shared out over `accounts`.

    Half of each account's orders buy at 1 to 48 cents, half sell at 52 to 99.
    """
    is_buy = f"n / {accounts} % 2 = 0"
    cents = "(n::bigint * 7919 % 48)"
    lots = "((n % 20 + 1) * 100)"
    stage.execute(
        UNCHECKED,
        "INSERT INTO trading_order (id, account_id, market_id, owner_id, outcome_index, side,"
        " as_no, tif, stp, fee_free, price_pips, quantity_lots,"
        " remaining_lots, filled_lots, filled_micros, fee_micros, maker_basis, taker_basis, status,"
        f" priority, created_at_us, updated_at_us, updated_seq) SELECT {_id('e', 'n')},"
        f" {FIRST_ID} + n % {accounts}, {market_id},"
        f" {FIRST_ID} + n % {accounts} / {ACCOUNTS_AN_OWNER}, 0,"
        f" CASE WHEN {is_buy} THEN 1 ELSE -1 END, false, 0, 0, false,"
        f" 100 * ({cents} + CASE WHEN {is_buy} THEN 1 ELSE 52 END), {lots}, {lots}, 0, 0, 0, 0, 0,"
        f" 0, n + 2, 1, 1, n + 2 FROM generate_series(0, {orders} - 1) AS n",
        "INSERT INTO trading_margin (market_id, account_id, collateral_lots, held_micros,"
        f" net_paid_micros, fees_micros) SELECT {market_id}, account_id, 0, GREATEST("
        "SUM(CASE WHEN side = 1 THEN price_pips * remaining_lots ELSE 0 END),"
        " SUM(CASE WHEN side = 1 THEN 0 ELSE (10000 - price_pips) * remaining_lots END)), 0, 0"
        f" FROM trading_order WHERE market_id = {market_id} GROUP BY account_id",
        "UPDATE accounts_account a SET held_micros = m.held_micros FROM trading_margin m"
        f" WHERE m.account_id = a.id AND m.market_id = {market_id}",
        f"UPDATE trading_bookstate SET seq = {orders} + 1 WHERE market_id = {market_id}",
    )


def tidy(stage: Stage) -> None:
    """Leave the tables as a database has them that did not get all its rows a moment ago."""
    stage.execute("VACUUM (ANALYZE)", "CHECKPOINT")


def _id(kind: str, number: str) -> str:
    """Return SQL for an id of 32 hex digits that sorts by `number`, apart for each kind."""
    return f"('0190000000{kind}07' || lpad(to_hex({number}), 19, '0'))::uuid"
