"""The writer's tables besides orders, with their columns in the order of its rows."""

from typing import Final

from kernel import bulk

TRADES: Final = bulk.Table(
    "trading_trade",
    {
        "id": "uuid",
        "market_id": "bigint",
        "seq": "bigint",
        "outcome_index": "smallint",
        "taker_side": "smallint",
        "price_pips": "smallint",
        "quantity_lots": "bigint",
        "amount_micros": "bigint",
        "kind": "smallint",
        "taker_account_id": "bigint",
        "maker_account_id": "bigint",
        "taker_order_id": "uuid",
        "maker_order_id": "uuid",
        "taker_cash_micros": "bigint",
        "maker_cash_micros": "bigint",
        "taker_fee_micros": "bigint",
        "maker_fee_micros": "bigint",
        "created_at_us": "bigint",
        "match_id": "uuid",
    },
)
MARGINS: Final = bulk.Table(
    "trading_margin",
    {
        "market_id": "bigint",
        "account_id": "bigint",
        "collateral_lots": "bigint",
        "held_micros": "bigint",
        "net_paid_micros": "bigint",
        "fees_micros": "bigint",
    },
    key=("market_id", "account_id"),
)
POSITIONS: Final = bulk.Table(
    "trading_position",
    {
        "market_id": "bigint",
        "account_id": "bigint",
        "outcome_index": "smallint",
        "net_lots": "bigint",
        "cost_micros": "bigint",
        "realised_micros": "bigint",
    },
    key=("market_id", "account_id", "outcome_index"),
)
RECEIPTS: Final = bulk.Table(
    "trading_receipt",
    {
        "account_id": "bigint",
        "key": "text",
        "body_hash": "bytea",
        "answer": "bytea",
        "created_at_us": "bigint",
    },
)
ORDER_GROUP_FILLS: Final = bulk.Table(
    "trading_ordergroupfill",
    {"group_id": "uuid", "filled_at_us": "bigint", "lots": "bigint"},
)
STOPPED_GROUPS: Final = bulk.Table("trading_ordergroup", {"id": "uuid", "stopped_at_us": "bigint"})
JOURNAL: Final = bulk.Table(
    "trading_journalrow",
    {
        "market_id": "bigint",
        "seq_first": "bigint",
        "seq_last": "bigint",
        "shard": "smallint",
        "epoch": "bigint",
        "ts_us": "bigint",
        "rules_version": "smallint",
        "schema_version": "smallint",
        "body": "bytea",
        "hash": "bytea",
    },
)
BOOK_STATES: Final = bulk.Table(
    "trading_bookstate",
    {
        "market_id": "bigint",
        "seq": "bigint",
        "ts_us": "bigint",
        "status": "smallint",
        "config": "bytea",
        "maker": "bytea",
        "journal_hash": "bytea",
    },
    key=("market_id",),
)
