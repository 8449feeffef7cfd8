"""Leaderboards by profit and by equity: exact integers, one statement for all accounts.

Ranked are users (not programs, house or makers) that have traded, are not closed, not suspended
and not opted out, each as their main account, with the sums of all of theirs. Profit in a period is

    equity now - equity at the period's start - (deposited now - deposited at the start)

where `deposited` is deposits minus withdrawals, and the start is a midnight UTC: today's, that of 6
or of 29 days ago, or the beginning. Equity and deposits at a midnight are the rows of
`readmodels.equity`; an account without one had nothing. Figures since the last recorded midnight
are live: cash, external transfers, and positions in markets that are not paid out yet at the marks
of the statistics, valued as in `readmodels.equity`.

Equal figures share a place; among them the older account comes first. All boards are built from one
read, cached for `FRESH_SECONDS`, which also has the viewer's own place beyond the top.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from operator import add
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Max, QuerySet
from django.utils import timezone

from accounts.actions import get_issuer_id
from accounts.models import Account, User
from kernel.cache import FreshCache
from trading.engine.types import PAYOUT_PIPS
from trading.models import DailyEquity
from trading.readmodels import equity
from trading.readmodels.marks import WIDE_PIPS

PERIOD_DAYS: Final = {"day": 1, "week": 7, "month": 30, "all": None}
"""The UTC days of a period, including today; None is all."""
ORDERS: Final = ("profit", "equity")
PLACES_SHOWN: Final = 50
FRESH_SECONDS: Final = 30.0
MEMBERS_MAX: Final = 10_000
"""Users of a separate board."""


class PeriodFigures(NamedTuple):
    """An account's figures in a period."""

    account_id: int
    profit_micros: int
    equity_micros: int


class LeaderboardPlace(NamedTuple):
    rank: int
    user: User
    profit_micros: int
    equity_micros: int


class Leaderboard(NamedTuple):
    """The top places, and the viewer's own (None: not ranked)."""

    period: str
    by: str
    since: datetime | None
    as_of: datetime
    places: list[LeaderboardPlace]
    own: LeaderboardPlace | None
    ranked: int


class Board(NamedTuple):
    """Every account's figures, best first."""

    since: datetime | None
    as_of: datetime
    account_ids: "array[int]"
    profits_micros: "array[int]"
    equities_micros: "array[int]"


class RankedAccounts(NamedTuple):
    """The source of all boards: rows of (account, equity now, deposited now, and per period equity
    minus deposits at its start), and the starts of the periods.
    """

    as_of: datetime
    starts: list[date | None]
    rows: list[tuple[int, ...]]


def get_leaderboard(period: str, by: str, *, user: Any = None) -> Leaderboard:
    """Return a board at most about `FRESH_SECONDS` old, with the place of `user`, if any."""
    board = _boards.get_shared((period, by))
    assert board is not None
    return _show(board, period, by, user)


def get_leaderboard_of(
    members: QuerySet[User], period: str, by: str, *, user: Any = None
) -> Leaderboard:
    """Return the current board of these users only, under the same rules."""
    ids = list(members.order_by("pk").values_list("pk", flat=True)[:MEMBERS_MAX])
    return _show(read_board(period, by, owner_ids=ids), period, by, user)


def read_board(period: str, by: str, *, owner_ids: list[int] | None = None) -> Board:
    return _build_board(_read_all(owner_ids), period, by)


def _build_board(ranked: RankedAccounts, period: str, by: str) -> Board:
    index = list(PERIOD_DAYS).index(period)
    rows = [
        PeriodFigures(account_id, worth - deposited - starts[index], worth)
        for account_id, worth, deposited, *starts in ranked.rows
    ]
    rows.sort(
        key=lambda row: (-row.profit_micros if by == "profit" else -row.equity_micros, row[0])
    )
    since = ranked.starts[index]
    return Board(
        None if since is None else _midnight(since),
        ranked.as_of,
        array("q", [row.account_id for row in rows]),
        array("q", [row.profit_micros for row in rows]),
        array("q", [row.equity_micros for row in rows]),
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# --- places --------------------------------------------------------------------------------------


def _show(board: Board, period: str, by: str, user: Any) -> Leaderboard:
    indexes = list(range(min(PLACES_SHOWN, len(board.account_ids))))
    own_index = _find_own(board, user)
    if own_index is not None and own_index not in indexes:
        indexes.append(own_index)
    places = _build_places(board, by, indexes)
    own = None if own_index is None else places[indexes.index(own_index)]
    shown = [place for place in places[:PLACES_SHOWN] if place is not None]
    return Leaderboard(
        period, by, board.since, board.as_of, shown, own, ranked=len(board.account_ids)
    )


def _find_own(board: Board, user: Any) -> int | None:
    if user is None or not user.is_authenticated:
        return None
    account_id = Account.objects.filter(owner=user, number=1).values_list("pk", flat=True).first()
    try:
        return board.account_ids.index(account_id or 0)
    except ValueError:
        return None


def _build_places(board: Board, by: str, indexes: list[int]) -> list[LeaderboardPlace | None]:
    values = board.profits_micros if by == "profit" else board.equities_micros
    ids = [board.account_ids[index] for index in indexes]
    users = {
        account.pk: account.owner
        for account in _list_ranked().filter(pk__in=ids).select_related("owner")
    }
    return [
        _build_place(board, index, 1 + _count_above(values, values[index]), users.get(account_id))
        for index, account_id in zip(indexes, ids, strict=True)
    ]


def _build_place(board: Board, index: int, rank: int, user: User | None) -> LeaderboardPlace | None:
    """Return None for users who opted out or were suspended since the board was built."""
    if user is None:
        return None
    return LeaderboardPlace(rank, user, board.profits_micros[index], board.equities_micros[index])


def _count_above(values: "array[int]", value: int) -> int:
    """Return how many of the values, sorted descending, are greater."""
    return bisect_left(values, -value, key=lambda other: -other)


def _list_ranked() -> QuerySet[Account]:
    return Account.objects.filter(
        kind="user",
        number=1,
        closed_at=None,
        owner__is_active=True,
        owner__suspended_at=None,
        owner__on_leaderboards=True,
    )


# --- figures -------------------------------------------------------------------------------------

_PLAYERS: Final = """
    SELECT a.id, a.cash_micros, m.id AS main_id FROM accounts_account a
      JOIN accounts_account m ON m.owner_id = a.owner_id AND m.number = 1
      JOIN accounts_user u ON u.id = a.owner_id
     WHERE a.kind = 'user' AND m.closed_at IS NULL AND u.is_active
       AND u.suspended_at IS NULL AND u.on_leaderboards
       AND EXISTS (SELECT 1 FROM accounts_account s JOIN trading_position t ON t.account_id = s.id
                    WHERE s.owner_id = a.owner_id)
"""
_FIGURES: Final = """
    WITH players AS ({players}), marks AS (
        SELECT market_id, outcome_index, CASE
            WHEN ask_pips - bid_pips <= {wide} THEN bid_pips + ask_pips
            ELSE 2 * last_pips END AS half_pips
          FROM trading_outcomestats
    ), books AS (
        SELECT market_id, COUNT(*) AS books FROM markets_outcome GROUP BY market_id
    ), held AS (
        SELECT g.account_id, g.collateral_lots, SUM(p.net_lots * m.half_pips) AS bought,
               SUM(m.half_pips) AS set_half_pips, CASE
               WHEN COUNT(*) < MIN(b.books) THEN 0
               WHEN MIN(p.net_lots) > 0 THEN MIN(p.net_lots)
               WHEN MAX(p.net_lots) < 0 THEN MAX(p.net_lots)
               ELSE 0 END AS flat_lots
          FROM players CROSS JOIN trading_margin g
          JOIN trading_position p
            ON p.market_id = g.market_id AND p.account_id = g.account_id AND p.net_lots <> 0
          JOIN books b ON b.market_id = g.market_id
          LEFT JOIN marks m
            ON m.market_id = p.market_id AND m.outcome_index = p.outcome_index
         WHERE g.account_id = players.id AND g.payout_micros IS NULL
         GROUP BY g.id, g.account_id, g.collateral_lots
    ), worths AS (
        SELECT account_id, SUM(CAST(half_micros AS BIGINT) / 2) AS micros FROM (
            SELECT account_id, 2 * {payout} * (collateral_lots + flat_lots)
                   + COALESCE(bought, 0) - flat_lots * COALESCE(set_half_pips, 0) AS half_micros
              FROM held) AS halves
         WHERE half_micros > 0 GROUP BY account_id
    ), since AS (
        SELECT account_id, SUM(micros) AS micros FROM (
            SELECT credit_account_id AS account_id, amount_micros AS micros FROM accounts_transfer
             WHERE (debit_account_id = %(issuer)s OR kind = 'internal')
               AND id >= %(floor)s AND created_at >= %(recorded)s
            UNION ALL
            SELECT debit_account_id, -amount_micros FROM accounts_transfer
             WHERE (credit_account_id = %(issuer)s OR kind = 'internal')
               AND id >= %(floor)s AND created_at >= %(recorded)s
        ) AS outside GROUP BY account_id
    )
    SELECT players.main_id, players.cash_micros + COALESCE(worths.micros, 0),
           COALESCE(last.deposited_micros, 0) + COALESCE(since.micros, 0), {starts}
      FROM players
      LEFT JOIN worths ON worths.account_id = players.id
      LEFT JOIN since ON since.account_id = players.id
      LEFT JOIN trading_dailyequity last
        ON last.account_id = players.id AND last.day = %(last_day)s
      {joins}
"""
_START: Final = "COALESCE({name}.equity_micros - {name}.deposited_micros, 0)"
_JOIN: Final = (
    "LEFT JOIN trading_dailyequity {name}"
    " ON {name}.account_id = players.id AND {name}.day = %({name})s"
)


def _read_all(owner_ids: list[int] | None = None) -> RankedAccounts:
    now = timezone.now()
    today = now.astimezone(UTC).date()
    starts = [
        None if days is None else today - timedelta(days=days - 1) for days in PERIOD_DAYS.values()
    ]
    last_day = DailyEquity.objects.filter(day__lt=today).aggregate(day=Max("day"))["day"]
    recorded = _midnight(date(1970, 1, 2) if last_day is None else last_day + timedelta(days=1))
    names = [f"start_{index}" for index in range(len(starts))]
    values = {
        "issuer": get_issuer_id(),
        "floor": equity.floor_id(recorded),
        "recorded": equity.adapt(recorded),
        "last_day": last_day,
        **{name: _find_start(day, last_day) for name, day in zip(names, starts, strict=True)},
    }
    players = _PLAYERS
    if owner_ids is not None:
        players += f" AND a.owner_id IN ({', '.join(str(int(pk)) for pk in owner_ids) or 'NULL'})"
    statement = _FIGURES.format(
        players=players,
        wide=WIDE_PIPS,
        payout=PAYOUT_PIPS,
        starts=", ".join(_START.format(name=name) for name in names),
        joins=" ".join(_JOIN.format(name=name) for name in names),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = _add_up(tuple(map(int, row)) for row in cursor.fetchall())
    return RankedAccounts(now, starts, rows)


def _add_up(rows: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return one row for each main account: the sums of its owner's accounts."""
    sums: dict[int, tuple[int, ...]] = {}
    for main_id, *figures in rows:
        known = sums.get(main_id)
        sums[main_id] = tuple(figures if known is None else map(add, known, figures))
    return [(main_id, *figures) for main_id, figures in sums.items()]


def _find_start(since: date | None, last_day: date | None) -> date | None:
    """Return the recorded day at whose end the period starts.

    In the first minutes of a day the previous one is not recorded yet: use the last recorded.
    """
    if since is None or last_day is None:
        return None
    return min(since - timedelta(days=1), last_day)


_ranked: FreshCache[str, RankedAccounts] = FreshCache(
    lambda _key: _read_all(), seconds=FRESH_SECONDS
)
_boards: FreshCache[tuple[str, str], Board] = FreshCache(
    lambda key: _build_board(_get_ranked(), *key), seconds=FRESH_SECONDS
)


def _get_ranked() -> RankedAccounts:
    ranked = _ranked.get_shared("all")
    assert ranked is not None
    return ranked
