"""Invariants of settlements, corrections of results and bonds, as laws over rows."""

# ruff: noqa: S608 - every statement is built from texts in this package

from typing import Final

from trading.verify.laws import IS_FINAL, MARKETS, SIDES, Law

# By margin: what the house paid for its account in the market's last correction, and what the
# correction that runs has moved.
_CORRECTED: Final = (
    " LEFT JOIN (SELECT market_id, MAX(CASE WHEN state = 'done' THEN number END) AS done,"
    " MAX(CASE WHEN state NOT IN ('done', 'withdrawn') THEN number END) AS running"
    " FROM markets_correction GROUP BY market_id) AS c ON c.market_id = g.market_id"
    " LEFT JOIN trading_settlement d ON d.market_id = g.market_id"
    " AND d.account_id = g.account_id AND d.number = c.done"
    " LEFT JOIN trading_settlement r ON r.market_id = g.market_id"
    " AND r.account_id = g.account_id AND r.number = c.running AND r.moved_at IS NOT NULL"
)
_MORE: Final = "COALESCE(d.lacking_micros, 0) + COALESCE(r.difference_micros + r.lacking_micros, 0)"
_MOVED_FOR_CORRECTIONS: Final = (
    "SELECT account_id, reference, kind, SUM(micros) AS micros, COUNT(*) AS transfers"
    " FROM (SELECT credit_account_id AS account_id, reference, kind, amount_micros AS micros"
    " FROM accounts_transfer UNION ALL"
    " SELECT debit_account_id, reference, kind, -amount_micros FROM accounts_transfer) AS sides"
    " GROUP BY account_id, reference, kind"
)

SETTLEMENT_LAWS: Final = (
    Law(
        "c",
        "the pots of a final market are empty but for what a correction has collected",
        "SELECT m.*, COALESCE(s.moved, 0) - CASE WHEN c.state = 'paying' AND c.payout_pips IS NULL"
        " THEN (SELECT SUM(g.fees_micros) FROM trading_margin g WHERE g.market_id = m.subject)"
        f" ELSE 0 END AS moved FROM ({MARKETS}) AS m"
        " LEFT JOIN markets_correction c ON c.market_id = m.subject"
        " AND c.state NOT IN ('done', 'withdrawn')"
        " LEFT JOIN (SELECT market_id, number, SUM(difference_micros + liquidity_micros) AS moved"
        " FROM trading_settlement WHERE moved_at IS NOT NULL GROUP BY market_id, number) AS s"
        " ON s.market_id = m.subject AND s.number = c.number",
        f"{IS_FINAL} AND (escrow <> -moved OR fees <> 0)",
    ),
    Law(
        "j",
        "everybody in a final market is paid, nobody before its result",
        MARKETS,
        f"({IS_FINAL} AND unpaid > 0)"
        f" OR (status <> 'resolving' AND NOT ({IS_FINAL}) AND paid_margins > 0)",
    ),
    Law(
        "j",
        "a position is paid what its outcomes are worth",
        "SELECT g.id AS subject, g.payout_micros, 10000 * g.collateral_lots + COALESCE("
        "(SELECT SUM(p.net_lots * o.payout_pips) FROM trading_position p JOIN markets_outcome o"
        ' ON o.market_id = p.market_id AND o."index" = p.outcome_index'
        " WHERE p.market_id = g.market_id AND p.account_id = g.account_id), 0)"
        f" + {_MORE} AS worth"
        f" FROM trading_margin g JOIN markets_market m ON m.id = g.market_id{_CORRECTED}"
        " WHERE m.status = 'settled'",
        "payout_micros <> worth",
    ),
    Law(
        "j",
        "a void pays back what was paid in",
        f"SELECT g.id AS subject, g.payout_micros - ({_MORE}) AS payout_micros, g.net_paid_micros,"
        " c.done AS done FROM trading_margin g JOIN markets_market m ON m.id = g.market_id"
        f"{_CORRECTED} WHERE m.status = 'voided'",
        "payout_micros <> net_paid_micros AND NOT (done IS NULL"
        " AND payout_micros > net_paid_micros AND payout_micros <= 0)",
    ),
    Law(
        "j",
        "a payout is moved exactly once",
        "SELECT g.id AS subject, COALESCE(g.payout_micros, 0) AS payout,"
        " COALESCE(t.micros, 0) AS moved, COALESCE(t.transfers, 0) AS transfers"
        " FROM trading_margin g LEFT JOIN (SELECT account_id, market_id, SUM(micros) AS micros,"
        " SUM(CASE WHEN kind = 'correction' THEN 0 ELSE 1 END) AS transfers"
        f" FROM ({SIDES}) AS sides WHERE kind IN ('settlement', 'void', 'correction')"
        " GROUP BY account_id, market_id) AS t"
        " ON t.account_id = g.account_id AND t.market_id = g.market_id",
        "payout <> moved OR transfers > 1",
    ),
    Law(
        "j",
        "a settled market pays exactly 1 credit for a set",
        "SELECT m.id AS subject, SUM(COALESCE(o.payout_pips, -10000)) AS total"
        " FROM markets_market m JOIN markets_outcome o ON o.market_id = m.id"
        " WHERE m.status = 'settled' GROUP BY m.id",
        "total <> 10000",
    ),
    Law(
        "j",
        "a correction moves each account's difference exactly once",
        "SELECT s.id AS subject, s.held_micros, CASE WHEN s.moved_at IS NULL THEN 0"
        " ELSE s.difference_micros + s.lacking_micros END AS paid, CASE WHEN s.moved_at IS NULL"
        " THEN 0 ELSE s.liquidity_micros END AS shared, COALESCE(t.micros, 0) AS moved,"
        " COALESCE(l.micros, 0) AS moved_liquidity, c.state AS state,"
        " COALESCE(t.transfers, 0) AS transfers FROM trading_settlement s"
        " JOIN markets_correction c ON c.market_id = s.market_id AND c.number = s.number"
        f" LEFT JOIN ({_MOVED_FOR_CORRECTIONS}) AS t ON t.account_id = s.account_id"
        " AND t.reference = c.id AND t.kind = 'correction'"
        f" LEFT JOIN ({_MOVED_FOR_CORRECTIONS}) AS l ON l.account_id = s.account_id"
        " AND l.reference = c.id AND l.kind = 'liquidity'",
        "paid <> moved OR shared <> moved_liquidity OR transfers > 1"
        " OR (state = 'done' AND held_micros <> 0) OR state = 'withdrawn'",
    ),
    Law(
        "j",
        "a bond is taken once, and returned or lost once",
        "SELECT CAST(d.id AS text) AS subject, d.bond_micros, d.decision,"
        " CASE WHEN d.decision <> 'dismissed' AND (d.decision = 'upheld'"
        "  OR r.withdrawn_at IS NOT NULL) THEN d.bond_micros ELSE 0 END AS returned,"
        " CASE WHEN d.decision = 'dismissed' THEN d.bond_micros ELSE 0 END AS lost,"
        " COALESCE(t.taken, 0) AS moved_in, COALESCE(t.returned, 0) AS moved_back,"
        " COALESCE(t.lost, 0) AS moved_on FROM markets_dispute d"
        " JOIN markets_resolution r ON r.id = d.resolution_id LEFT JOIN (SELECT reference,"
        " SUM(CASE WHEN kind = 'bond' THEN amount_micros ELSE 0 END) AS taken,"
        " SUM(CASE WHEN kind = 'bond_return' THEN amount_micros ELSE 0 END) AS returned,"
        " SUM(CASE WHEN kind = 'bond_loss' THEN amount_micros ELSE 0 END) AS lost"
        " FROM accounts_transfer WHERE kind IN ('bond', 'bond_return', 'bond_loss')"
        " GROUP BY reference) AS t ON t.reference = d.id",
        "moved_in <> bond_micros OR moved_back <> returned OR moved_on <> lost",
    ),
    Law(
        "j",
        "a market's account of bonds has the bonds of undecided disputes",
        "SELECT a.id AS subject, a.cash_micros, COALESCE((SELECT SUM(d.bond_micros)"
        " FROM markets_dispute d JOIN markets_resolution r ON r.id = d.resolution_id"
        " WHERE r.market_id = a.market_id AND r.withdrawn_at IS NULL AND d.decision = ''), 0)"
        " AS bonds FROM accounts_account a WHERE a.kind = 'bonds'",
        "cash_micros <> bonds",
    ),
)
