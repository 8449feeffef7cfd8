"""Invariants that can be checked on rows alone, as SQL for both databases.

A law selects rows, each with a `subject` as its name and a flag `broken`.
"""

# ruff: noqa: S608 - every statement is built from texts in this file

from typing import Final, NamedTuple

from django.db import connection

from kernel.database_clock import AHEAD_US_MAX, database_now_us
from markets.lifecycle import LEGAL
from trading.models import BookState
from trading.pipeline.snapshot import consistent_read
from trading.verify.findings import EXAMPLES_MAX, Finding


class Law(NamedTuple):
    invariant: str
    what: str
    rows: str
    broken: str


def check_law(law: Law) -> Finding:
    """Count the rows of a law, and those that violate it."""
    with consistent_read(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN {law.broken} THEN 1 ELSE 0 END), 0)"
            f" FROM ({law.rows}) AS checked"
        )
        checked, breaches = map(int, cursor.fetchone())
        examples = []
        if breaches:
            cursor.execute(
                f"SELECT subject FROM ({law.rows}) AS checked WHERE {law.broken}"
                f" ORDER BY subject LIMIT {EXAMPLES_MAX}"
            )
            examples = [f"{law.what}: {row[0]}" for row in cursor.fetchall()]
    return Finding(law.invariant, law.what, checked, breaches, examples)


def check_times() -> Finding:
    """Find markets whose books were written by a clock that was ahead."""
    latest_us = database_now_us() + AHEAD_US_MAX
    what = "no book's time lies ahead of the clock"
    ahead = BookState.objects.filter(ts_us__gt=latest_us).order_by("market_id")
    examples = [f"{what}: {key}" for key in ahead.values_list("pk", flat=True)[:EXAMPLES_MAX]]
    return Finding("k", what, BookState.objects.count(), ahead.count(), examples)


SIDES: Final = (
    "SELECT credit_account_id AS account_id, market_id, kind, amount_micros AS micros"
    " FROM accounts_transfer UNION ALL"
    " SELECT debit_account_id, market_id, kind, -amount_micros FROM accounts_transfer"
)
_FILLS: Final = (
    "SELECT taker_order_id AS order_id, taker_account_id AS account_id, market_id, outcome_index,"
    " taker_side * quantity_lots AS signed_lots, quantity_lots, amount_micros,"
    " taker_fee_micros AS fee_micros, taker_cash_micros AS cash_micros FROM trading_trade"
    " UNION ALL SELECT maker_order_id, maker_account_id, market_id, outcome_index,"
    " -taker_side * quantity_lots, quantity_lots, amount_micros, maker_fee_micros,"
    " maker_cash_micros FROM trading_trade"
)
# A market with its escrow and fees, the sum of its margins, and whether it is being voided.
MARKETS: Final = (
    "SELECT m.id AS subject, m.status, e.cash_micros AS escrow, f.cash_micros AS fees,"
    " COALESCE(g.collateral, 0) AS collateral, COALESCE(g.net, 0) AS net,"
    " COALESCE(g.paid, 0) AS paid, COALESCE(g.paid_net, 0) AS paid_net,"
    " COALESCE(g.fees_paid, 0) AS fees_paid, COALESCE(g.unpaid, 0) AS unpaid,"
    " COALESCE(g.margins, 0) - COALESCE(g.unpaid, 0) AS paid_margins,"
    " CASE WHEN r.id IS NOT NULL AND r.payout_pips IS NULL THEN 1 ELSE 0 END AS is_void"
    " FROM markets_market m"
    " JOIN accounts_account e ON e.id = m.escrow_account_id"
    " JOIN accounts_account f ON f.id = m.fees_account_id"
    " LEFT JOIN markets_resolution r ON r.market_id = m.id AND r.withdrawn_at IS NULL"
    " LEFT JOIN (SELECT market_id, SUM(collateral_lots) AS collateral, SUM(net_paid_micros) AS net,"
    "  SUM(payout_micros) AS paid, SUM(fees_micros) AS fees_paid, COUNT(*) AS margins,"
    "  SUM(CASE WHEN payout_micros IS NULL THEN 1 ELSE 0 END) AS unpaid,"
    "  SUM(CASE WHEN payout_micros IS NULL THEN 0 ELSE net_paid_micros END) AS paid_net"
    "  FROM trading_margin GROUP BY market_id) AS g ON g.market_id = m.id"
)
IS_FINAL: Final = "status IN ('settled', 'voided')"
_IS_BEING_VOIDED: Final = "status = 'resolving' AND is_void = 1"


def _legal_pairs() -> str:
    pairs = [("", "draft"), *((a, b) for a, after in LEGAL.items() for b in sorted(after))]
    return ", ".join(f"('{a}', '{b}')" for a, b in pairs)


LAWS: Final = (
    Law(
        "a",
        "a balance is the sum of its transfers",
        "SELECT a.id AS subject, a.cash_micros, COALESCE(t.micros, 0) AS moved"
        " FROM accounts_account a LEFT JOIN (SELECT account_id, SUM(micros) AS micros"
        f" FROM ({SIDES}) AS sides GROUP BY account_id) AS t ON t.account_id = a.id",
        "cash_micros <> moved",
    ),
    Law(
        "a",
        "credits are what was issued less what was withdrawn",
        "SELECT a.currency AS subject, SUM(a.cash_micros) AS total FROM accounts_account a"
        " GROUP BY a.currency",
        "total <> 0",
    ),
    Law(
        "a",
        "only grants, deposits and withdrawals reach the issuer",
        "SELECT CAST(t.id AS text) AS subject, t.kind, d.kind AS debit, c.kind AS credit"
        " FROM accounts_transfer t JOIN accounts_account d ON d.id = t.debit_account_id"
        " JOIN accounts_account c ON c.id = t.credit_account_id"
        " WHERE 'issuer' IN (d.kind, c.kind) OR t.kind IN ('grant', 'deposit', 'withdrawal')",
        "NOT (kind IN ('grant', 'deposit') AND debit = 'issuer')"
        " AND NOT (kind = 'withdrawal' AND credit = 'issuer')",
    ),
    Law(
        "a",
        "transfers between own accounts are of one owner, and sum to nothing for each",
        "SELECT owner_id AS subject, SUM(micros) AS total FROM ("
        " SELECT a.owner_id, t.amount_micros AS micros FROM accounts_transfer t"
        "  JOIN accounts_account a ON a.id = t.credit_account_id WHERE t.kind = 'internal'"
        " UNION ALL SELECT a.owner_id, -t.amount_micros FROM accounts_transfer t"
        "  JOIN accounts_account a ON a.id = t.debit_account_id WHERE t.kind = 'internal'"
        ") AS moved GROUP BY owner_id",
        "subject IS NULL OR total <> 0",
    ),
    Law(
        "b",
        "an account is suspended with its owner",
        "SELECT a.id AS subject, a.owner_suspended, u.suspended_at FROM accounts_account a"
        " LEFT JOIN accounts_user u ON u.id = a.owner_id",
        "owner_suspended <> (suspended_at IS NOT NULL)",
    ),
    Law(
        "b",
        "available is never negative",
        "SELECT id AS subject, kind, cash_micros, held_micros, withdrawing_micros"
        " FROM accounts_account",
        "held_micros < 0 OR withdrawing_micros < 0 OR (kind NOT IN ('issuer', 'house')"
        " AND cash_micros < held_micros + withdrawing_micros)",
    ),
    Law(
        "b",
        "an account holds what its markets hold",
        "SELECT a.id AS subject, a.held_micros, COALESCE(m.held, 0) AS markets_hold"
        " FROM accounts_account a LEFT JOIN (SELECT account_id, SUM(held_micros) AS held FROM"
        " (SELECT account_id, held_micros FROM trading_margin"
        "  UNION ALL SELECT account_id, held_micros FROM trading_settlement) AS holds"
        " GROUP BY account_id) AS m ON m.account_id = a.id",
        "held_micros <> markets_hold",
    ),
    Law(
        "b",
        "what is set aside are the open withdrawals",
        "SELECT a.id AS subject, a.withdrawing_micros, COALESCE(w.asked, 0) AS asked"
        " FROM accounts_account a LEFT JOIN (SELECT account_id, SUM(amount_micros) AS asked"
        " FROM accounts_withdrawalrequest WHERE status = 'requested' GROUP BY account_id) AS w"
        " ON w.account_id = a.id",
        "withdrawing_micros <> asked",
    ),
    Law(
        "c",
        "escrow is 1 credit per contract of collateral, less what was paid",
        MARKETS,
        f"NOT ({_IS_BEING_VOIDED}) AND NOT ({IS_FINAL}) AND escrow <> 10000 * collateral - paid",
    ),
    Law(
        "c",
        "a market's pots hold what was paid in less what was paid out",
        MARKETS,
        f"NOT ({IS_FINAL}) AND escrow + fees <>"
        " net - CASE WHEN is_void = 1 THEN paid_net ELSE paid END",
    ),
    Law(
        "c",
        "a market's fees wait on their account",
        MARKETS,
        f"NOT ({_IS_BEING_VOIDED}) AND NOT ({IS_FINAL}) AND fees <> fees_paid",
    ),
    Law(
        "c",
        "positions sum to 0",
        "SELECT market_id AS subject, outcome_index, SUM(net_lots) AS total FROM trading_position"
        " GROUP BY market_id, outcome_index",
        "total <> 0",
    ),
    Law(
        "c",
        "collateral covers the worst position",
        "SELECT g.id AS subject, g.collateral_lots, CASE WHEN p.lowest < 0 OR"
        " (m.kind = 'categorical' AND p.outcomes = o.outcomes) THEN -p.lowest ELSE 0 END AS wanted,"
        " CASE WHEN a.kind = 'house' THEN 1 ELSE 0 END AS is_house"
        " FROM trading_margin g JOIN accounts_account a ON a.id = g.account_id"
        " JOIN markets_market m ON m.id = g.market_id"
        " JOIN (SELECT market_id, COUNT(*) AS outcomes FROM markets_outcome GROUP BY market_id)"
        "  AS o ON o.market_id = g.market_id"
        " LEFT JOIN (SELECT market_id, account_id, MIN(net_lots) AS lowest, COUNT(*) AS outcomes"
        "  FROM trading_position GROUP BY market_id, account_id) AS p"
        "  ON p.market_id = g.market_id AND p.account_id = g.account_id",
        # The house, between books that are matched with one another, keeps its contracts as they
        # are: sets among them are paid with the result.
        "collateral_lots <> wanted AND NOT (collateral_lots > wanted AND is_house = 1)",
    ),
    Law(
        "c",
        "a position is the sum of its trades",
        "SELECT account_id AS subject, market_id, outcome_index, SUM(lots) AS rest FROM ("
        " SELECT account_id, market_id, outcome_index, net_lots AS lots FROM trading_position"
        f" UNION ALL SELECT account_id, market_id, outcome_index, -signed_lots FROM ({_FILLS})"
        "  AS fills) AS sides GROUP BY account_id, market_id, outcome_index",
        "rest <> 0",
    ),
    Law(
        "c",
        "an account has paid in what its trades cost",
        "SELECT account_id AS subject, market_id, SUM(micros) AS rest, SUM(fee) AS fee_rest FROM ("
        " SELECT account_id, market_id, net_paid_micros AS micros, fees_micros AS fee"
        "  FROM trading_margin"
        " UNION ALL SELECT account_id, market_id, cash_micros - fee_micros, -fee_micros"
        f"  FROM ({_FILLS}) AS fills) AS sides GROUP BY account_id, market_id",
        "rest <> 0 OR fee_rest <> 0",
    ),
    Law(
        "d",
        "sequence numbers have no gap",
        "SELECT market_id AS subject, seq_first, LAG(seq_last, 1, 0) OVER"
        " (PARTITION BY market_id ORDER BY seq_first) AS before FROM trading_journalrow",
        "seq_first <> before + 1",
    ),
    Law(
        "d",
        "a book stands where its journal ends",
        "SELECT b.market_id AS subject, b.seq, b.ts_us, j.seq_last, j.last_us"
        " FROM trading_bookstate b LEFT JOIN (SELECT market_id, MAX(seq_last) AS seq_last,"
        " MAX(ts_us) AS last_us FROM trading_journalrow GROUP BY market_id) AS j"
        " ON j.market_id = b.market_id",
        "seq <> COALESCE(seq_last, -1) OR ts_us <> COALESCE(last_us, -1)",
    ),
    Law(
        "f",
        "books are not crossed",
        "SELECT market_id AS subject, outcome_index,"
        " MAX(CASE WHEN side = 1 THEN price_pips END) AS bid,"
        " MIN(CASE WHEN side = -1 THEN price_pips END) AS ask"
        " FROM trading_order WHERE status IN (0, 1) GROUP BY market_id, outcome_index",
        "bid >= ask",
    ),
    Law(
        "f",
        "books that are matched with one another leave no set",
        "SELECT m.id AS subject, SUM(b.bid) AS bids, SUM(b.ask) AS asks, COUNT(b.ask) AS asked,"
        " (SELECT COUNT(*) FROM markets_outcome o WHERE o.market_id = m.id) AS outcomes"
        " FROM markets_market m LEFT JOIN (SELECT market_id, outcome_index,"
        " MAX(CASE WHEN side = 1 THEN price_pips END) AS bid,"
        " MIN(CASE WHEN side = -1 THEN price_pips END) AS ask"
        " FROM trading_order WHERE status IN (0, 1) GROUP BY market_id, outcome_index) AS b"
        " ON b.market_id = m.id WHERE m.kind = 'categorical' AND m.matches_across_outcomes"
        " GROUP BY m.id",
        "bids >= 10000 OR (asked = outcomes AND asks <= 10000)",
    ),
    Law(
        "f",
        "an order is filled and left as its status says",
        "SELECT CAST(id AS text) AS subject, status, reason, quantity_lots, filled_lots,"
        " remaining_lots FROM trading_order",
        "filled_lots + remaining_lots <> quantity_lots OR filled_lots < 0 OR remaining_lots < 0"
        " OR (status = 0 AND filled_lots <> 0) OR (status = 1 AND filled_lots = 0)"
        " OR (status = 2 AND remaining_lots <> 0)"
        " OR (status IN (0, 1, 6) AND (remaining_lots = 0 OR reason IS NOT NULL))"
        " OR (status = 6 AND filled_lots <> 0)"
        " OR (status NOT IN (0, 1, 6) AND reason IS NULL) OR status NOT IN (0, 1, 2, 3, 4, 5, 6)",
    ),
    Law(
        "f",
        "an order is filled by its trades",
        "SELECT CAST(o.id AS text) AS subject, o.filled_lots, o.filled_micros, o.fee_micros,"
        " COALESCE(t.lots, 0) AS lots, COALESCE(t.micros, 0) AS micros, COALESCE(t.fee, 0) AS fee"
        " FROM trading_order o LEFT JOIN (SELECT order_id, SUM(quantity_lots) AS lots,"
        f" SUM(amount_micros) AS micros, SUM(fee_micros) AS fee FROM ({_FILLS}) AS fills"
        " GROUP BY order_id) AS t ON t.order_id = o.id",
        "filled_lots <> lots OR filled_micros <> micros OR fee_micros <> fee",
    ),
    Law(
        "f",
        "a trade is between two orders that may meet",
        "SELECT CAST(t.id AS text) AS subject, CASE WHEN"
        " (a.market_id = t.market_id AND a.outcome_index = t.outcome_index"
        "  AND a.account_id = t.taker_account_id AND a.side = t.taker_side OR a.id IS NULL)"
        " AND (b.market_id = t.market_id AND b.outcome_index = t.outcome_index"
        "  AND b.account_id = t.maker_account_id AND b.side = -t.taker_side OR b.id IS NULL)"
        " AND (a.id IS NOT NULL OR t.taker_order_id IS NULL)"
        " AND (b.id IS NOT NULL OR t.maker_order_id IS NULL)"
        " AND (a.owner_id <> b.owner_id OR"
        "  t.kind <> 0 AND (t.taker_order_id IS NULL OR t.maker_order_id IS NULL))"
        " AND (t.amount_micros = t.price_pips * t.quantity_lots OR t.kind = 3 AND"
        "  ABS(t.amount_micros - t.price_pips * t.quantity_lots) < t.quantity_lots)"
        " THEN 1 ELSE 0 END AS fits"
        " FROM trading_trade t LEFT JOIN trading_order a ON a.id = t.taker_order_id"
        " LEFT JOIN trading_order b ON b.id = t.maker_order_id",
        "fits = 0",
    ),
    Law(
        "f",
        "the legs of a match across outcomes make whole sets, and the house nothing",
        "SELECT CAST(match_id AS text) AS subject, SUM(price_pips) AS pips,"
        " MIN(quantity_lots) AS least, MAX(quantity_lots) AS most, SUM(CASE WHEN"
        " taker_order_id IS NULL THEN taker_cash_micros ELSE maker_cash_micros END) AS house"
        " FROM trading_trade WHERE kind <> 3"
        " AND (taker_order_id IS NULL OR maker_order_id IS NULL)"
        " GROUP BY match_id",
        "pips <> 10000 OR least <> most OR house <> 0",
    ),
    Law(
        "c",
        "a maker has what it was funded with less what its trades cost, and in the end nothing",
        "SELECT a.id AS subject, m.status, a.cash_micros, COALESCE((SELECT SUM(CASE WHEN"
        " t.credit_account_id = a.id THEN t.amount_micros ELSE -t.amount_micros END)"
        " FROM accounts_transfer t WHERE t.kind = 'liquidity' AND t.market_id = m.id"
        " AND a.id IN (t.credit_account_id, t.debit_account_id)), 0)"
        " - COALESCE(g.net_paid_micros, 0) + COALESCE(g.payout_micros, 0) AS left_over"
        " FROM accounts_account a JOIN markets_market m ON m.id = a.market_id"
        " LEFT JOIN trading_margin g ON g.market_id = m.id AND g.account_id = a.id"
        " WHERE a.kind = 'maker'",
        f"cash_micros <> left_over OR ({IS_FINAL} AND cash_micros <> 0)",
    ),
    Law(
        "g",
        "a change of status starts where the last one ended, and is legal",
        "SELECT c.market_id AS subject, c.from_status, c.to_status, LAG(c.to_status, 1, '') OVER"
        " (PARTITION BY c.market_id ORDER BY c.id) AS before FROM markets_statuschange c",
        f"from_status <> before OR (from_status, to_status) NOT IN (VALUES {_legal_pairs()})",
    ),
    Law(
        "g",
        "a market has the status of its last change",
        "SELECT m.id AS subject, m.status, (SELECT c.to_status FROM markets_statuschange c"
        " WHERE c.market_id = m.id ORDER BY c.id DESC LIMIT 1) AS last_status"
        " FROM markets_market m",
        "status <> COALESCE(last_status, '')",
    ),
    Law(
        "g",
        "a market trades in the status that its engine has",
        "SELECT m.id AS subject, m.status, b.status AS engine_status FROM markets_market m"
        " LEFT JOIN trading_bookstate b ON b.market_id = m.id",
        "COALESCE(engine_status, -1) <> CASE status WHEN 'draft' THEN -1 WHEN 'proposed' THEN -1"
        " WHEN 'open' THEN 0 WHEN 'halted' THEN 1 ELSE 2 END",
    ),
    Law(
        "i",
        "epochs only grow",
        "SELECT market_id AS subject, epoch, LAG(epoch, 1, 0) OVER"
        " (PARTITION BY market_id, shard ORDER BY seq_first) AS before FROM trading_journalrow",
        "epoch < before",
    ),
    Law(
        "i",
        "nobody wrote under an epoch that has not begun",
        "SELECT j.shard AS subject, j.epoch, COALESCE(l.epoch, 0) AS current FROM ("
        " SELECT shard, MAX(epoch) AS epoch FROM trading_journalrow GROUP BY shard) AS j"
        " LEFT JOIN trading_lease l ON l.shard = j.shard",
        "epoch > current",
    ),
)
