"""The invariants that need nothing but rows: stated again, apart from the program's own `verify`.

Each law is a statement that returns the rows which break it.
"""

from tests.faults.rows import Database

LAWS = {
    "the cash of all accounts sums to 0": """
        SELECT sum(cash_micros) FROM accounts_account HAVING sum(cash_micros) <> 0""",
    "cash is the sum of an account's transfers": """
        SELECT a.id, a.cash_micros, coalesce(t.micros, 0) FROM accounts_account a LEFT JOIN (
            SELECT account_id, sum(micros) AS micros FROM (
                SELECT credit_account_id AS account_id, amount_micros AS micros
                FROM accounts_transfer
                UNION ALL SELECT debit_account_id, -amount_micros FROM accounts_transfer) moved
            GROUP BY account_id) t ON t.account_id = a.id
        WHERE a.cash_micros <> coalesce(t.micros, 0)""",
    "nobody has less than nothing available": """
        SELECT id, cash_micros, held_micros, withdrawing_micros FROM accounts_account
        WHERE kind NOT IN ('issuer', 'house')
        AND cash_micros - held_micros - withdrawing_micros < 0""",
    "an account holds what its markets hold": """
        SELECT a.id, a.held_micros, coalesce(m.micros, 0) FROM accounts_account a LEFT JOIN (
            SELECT account_id, sum(held_micros) AS micros FROM trading_margin GROUP BY account_id
        ) m ON m.account_id = a.id WHERE a.held_micros <> coalesce(m.micros, 0)""",
    "an escrow holds 1 credit per contract of collateral": """
        SELECT a.market_id, a.cash_micros, coalesce(m.lots, 0) FROM accounts_account a LEFT JOIN (
            SELECT market_id, sum(collateral_lots) AS lots FROM trading_margin
            WHERE payout_micros IS NULL GROUP BY market_id) m ON m.market_id = a.market_id
        WHERE a.kind = 'escrow' AND a.cash_micros <> 10000 * coalesce(m.lots, 0)""",
    "positions sum to 0": """
        SELECT market_id, outcome_index, sum(net_lots) FROM trading_position
        GROUP BY market_id, outcome_index HAVING sum(net_lots) <> 0""",
    "a client order id names one order": """
        SELECT account_id, client_order_id, count(*) FROM trading_order
        WHERE client_order_id IS NOT NULL GROUP BY account_id, client_order_id
        HAVING count(*) > 1""",
    "an order is filled by its trades": """
        SELECT o.id, o.filled_lots, coalesce(t.lots, 0) FROM trading_order o LEFT JOIN (
            SELECT order_id, sum(quantity_lots) AS lots FROM (
                SELECT taker_order_id AS order_id, quantity_lots FROM trading_trade
                UNION ALL SELECT maker_order_id, quantity_lots FROM trading_trade) legs
            GROUP BY order_id) t ON t.order_id = o.id
        WHERE o.filled_lots <> coalesce(t.lots, 0)""",
    "the journal has no gaps and its epochs only grow": """
        SELECT * FROM (
            SELECT market_id, seq_first, epoch,
                lag(seq_last, 1, 0) OVER w AS last_before, lag(epoch, 1, 0) OVER w AS epoch_before
            FROM trading_journalrow WINDOW w AS (PARTITION BY market_id ORDER BY seq_first)) j
        WHERE seq_first <> last_before + 1 OR epoch < epoch_before""",
    "a book stands where its journal ends": """
        SELECT b.market_id, b.seq, j.seq_last FROM trading_bookstate b JOIN (
            SELECT market_id, max(seq_last) AS seq_last FROM trading_journalrow GROUP BY market_id
        ) j ON j.market_id = b.market_id WHERE b.seq <> j.seq_last""",
}
SHOWN_MAX = 5


def find_breaches(database: Database) -> dict[str, str]:
    """Return the laws that do not hold, each with some rows that show it."""
    found = {law: database.rows(statement) for law, statement in LAWS.items()}
    return {law: f"{len(rows)}: {rows[:SHOWN_MAX]}" for law, rows in found.items() if rows}
