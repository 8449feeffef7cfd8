"""The past of a whole exchange, on either database: markets, and all that lists and charts read.

Markets are created, opened and quoted by the program itself. Their trades, and the candles,
positions and statistics that follow from these, are rows made by the database, spread over 30 days
and very unevenly over the markets: of 2,000 the first has one trade in thirteen. Money did not
move: this is there to be looked at, not to be verified. `make` is called through `Stage.call`.
"""

# ruff: noqa: S608 - statements are built from numbers made here

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Account, User
from bench.seed import get_operator, make_traders
from kernel.clock import now_us
from kernel.ids import new_id
from markets.actions import do_create_market
from markets.models import Category, Market, MarketStats, Tag
from trading.engine.types import BUY, SELL, Configure, MarketStatus, Place
from trading.models import OutcomeStats
from trading.pipeline import lease
from trading.pipeline.config import config_of
from trading.pipeline.messages import Task
from trading.pipeline.shard import BATCH_TASKS_MAX, Shard
from trading.readmodels.projections import project_market, refresh_stats

DAYS: Final = 30
BOOKS_OF_A_CHOICE: Final = 5
CHOICE_EVERY: Final = 4
"""Every fourth market has several outcomes."""
CATEGORIES: Final = 8
TAGS: Final = 40
FEATURED: Final = 4
TRADERS_OF_A_SIDE: Final = 100
DEEP_LEVELS: Final = 20
"""So many on each side of the first market's books; the others have one."""
WORDS: Final = ("rain", "gold", "launch", "election", "earthquake", "album", "index", "release")
MAKER: Final = "bench_0"
FIRST_TRADER_ID: Final = 1_000_000

Book = tuple[int, int]
"""(market, outcome)."""


def make(*, markets: int, trades: int, traders: int) -> dict[str, Any]:
    """Make it all; return the slug of the busiest market and a session's cookie."""
    make_traders(count=1)
    rows = make_markets(markets)
    with transaction.atomic():
        make_accounts(traders)
        make_tape(rows[0].pk, markets=markets, trades=trades, traders=traders)
        lasts = read_lasts()
        open_and_quote(rows, lasts)
        for row in rows:
            project_market(row.pk)
        for statement in _STATEMENTS:
            execute(statement)
        store_statistics(rows)
        execute("DROP TABLE bench_tape")
    return {"slug": rows[0].slug, "session": make_session()}


def make_markets(count: int) -> list[Market]:
    """Create markets, the busiest first, of different ages and with different times to go."""
    now = timezone.now()
    categories = [
        Category.objects.create(slug=f"category-{n}", name=f"Category {n}", position=n)
        for n in range(CATEGORIES)
    ]
    tags = [Tag.objects.create(slug=f"tag-{n}", name=f"tag {n}") for n in range(TAGS)]
    markets = []
    with transaction.atomic():
        for number in range(count):
            is_choice = number % CHOICE_EVERY == CHOICE_EVERY - 1
            word = WORDS[number % len(WORDS)]
            fields = {
                "title": f"Will the {word} of which everybody speaks come, case {number}?",
                "description": f"Whether the {word} comes before the end. " * 12,
                "rules": "Two sources must say so. " * 20,
                "kind": "categorical" if is_choice else "binary",
                "close_at": now + timedelta(days=1 + number % 90, minutes=number),
                "category": categories[number % CATEGORIES],
                "tags": [tags[number % TAGS], tags[number * 7 % TAGS]],
                "featured": number % (count // FEATURED) == 1,
                "fee_kind": "none",
            }
            pairs = [(f"C{n}", f"Candidate {n}") for n in range(BOOKS_OF_A_CHOICE)]
            outcomes = pairs if is_choice else None
            markets.append(do_create_market(by=get_operator(), fields=fields, outcomes=outcomes))
    for number, market in enumerate(markets):
        market.created_at = now - timedelta(days=DAYS, minutes=-number)
    Market.objects.bulk_update(markets, ["created_at"], batch_size=500)
    return markets


def make_accounts(count: int) -> None:
    ids = range(FIRST_TRADER_ID, FIRST_TRADER_ID + count)
    users = [
        User(pk=n, email=f"trader_{n}@example.org", handle=f"trader_{n}", password="!")  # noqa: S106
        for n in ids
    ]
    User.objects.bulk_create(users, batch_size=1_000)
    Account.objects.bulk_create(
        [Account(pk=n, owner_id=n, cash_micros=10**9) for n in ids], batch_size=1_000
    )


def make_tape(first_market_id: int, *, markets: int, trades: int, traders: int) -> None:
    """Make the table of trades from which all other rows are made, numbered by time.

    `place` is a market's place among the busiest: the third power of an even distribution. `turn`
    counts the rounds in which each market comes by once, so that nothing else hangs on the place.
    """
    assert traders % 2 == 0, "else somebody would trade with themselves"
    end_us = now_us()
    step_us = DAYS * 24 * 3600 * 1_000_000 // trades
    even = f"(n * 7919 % {markets})"
    wave = f"ABS(n * 240 / {trades} % 40 - 20)"
    execute(
        "CREATE TABLE bench_tape AS WITH RECURSIVE numbers(n) AS (SELECT CAST(0 AS bigint)"
        f" UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {trades}),"
        f" placed AS (SELECT n, {even} * {even} * {even} / {markets * markets} AS place"
        " FROM numbers),"
        f" booked AS (SELECT n, n / {markets} AS turn, place, CASE WHEN place % {CHOICE_EVERY} ="
        f" {CHOICE_EVERY - 1} THEN n / {markets} % {BOOKS_OF_A_CHOICE} ELSE 0 END AS outcome"
        " FROM placed)"
        f" SELECT n, {first_market_id} + place AS market_id, outcome,"
        f" {end_us} - ({trades} - n) * {step_us} AS us,"
        f" ({end_us} - ({trades} - n) * {step_us}) / 60000000 AS minute,"
        f" 100 * (5 + (place * 37 + outcome * 11) % 70 + {wave} % 20) AS pips,"
        " 100 * (turn % 20 + 1) AS lots, 1 - 2 * (turn % 2) AS side,"
        f" {FIRST_TRADER_ID} + (place * 614 + turn % {TRADERS_OF_A_SIDE} * 2) % {traders} AS taker,"
        f" {FIRST_TRADER_ID} + (place * 614 + turn / 7 % {TRADERS_OF_A_SIDE} * 2 + 1) % {traders}"
        " AS maker FROM booked"
    )
    execute("CREATE INDEX bench_tape_n ON bench_tape (n)")


def read_lasts() -> dict[Book, int]:
    """Return the last price of each book that has traded."""
    statement = (
        "SELECT t.market_id, t.outcome, t.pips FROM bench_tape t JOIN (SELECT MAX(n) AS n"
        " FROM bench_tape GROUP BY market_id, outcome) AS ends ON ends.n = t.n"
    )
    return {(row[0], row[1]): row[2] for row in fetch(statement)}


def open_and_quote(markets: Sequence[Market], lasts: dict[Book, int]) -> None:
    """Open the markets and have one maker quote a cent around each last price."""
    maker = Account.objects.get(owner__handle=MAKER, number=1)
    for number in range(settings.ENGINE_SHARDS):
        mine = [market for market in markets if market.shard == number]
        tasks = [
            Task(0, market.pk, Configure(MarketStatus.OPEN, config_of(market))) for market in mine
        ]
        for market in mine:
            levels = DEEP_LEVELS if market == markets[0] else 1
            tasks += list_quotes(market, maker, lasts, levels=levels)
        with owning(number) as shard:
            while tasks:
                done = shard.run(tasks[:BATCH_TASKS_MAX])
                assert all(reply.status == "done" for reply in done.replies)
                del tasks[: len(done.replies)]


def list_quotes(
    market: Market, maker: Account, lasts: dict[Book, int], *, levels: int
) -> Iterator[Task]:
    for outcome in range(market.book_count):
        last_pips = lasts.get((market.pk, outcome), 5_000)
        for level in range(1, levels + 1):
            for side in (BUY, SELL):
                price_pips = last_pips - side * 100 * level
                if 0 < price_pips < 10_000:
                    order = Place(
                        new_id(), maker.pk, maker.owner_id or 0, outcome, side, price_pips, 10_000
                    )
                    yield Task(0, market.pk, order)


@contextmanager
def owning(number: int) -> Iterator[Shard]:
    epoch = lease.acquire(number, owner="bench", channel="")
    assert epoch is not None, "no engine may run yet"
    shard = Shard(number, epoch)
    shard.load()
    yield shard
    lease.release(number, epoch)


_SIDES: Final = (
    "(SELECT market_id, taker AS account_id, outcome, side * lots AS net, pips FROM bench_tape"
    " UNION ALL SELECT market_id, maker, outcome, -side * lots, pips FROM bench_tape) AS sides"
)
_STATEMENTS: Final = (
    "INSERT INTO trading_trade (id, market_id, seq, outcome_index, taker_side, price_pips,"
    " quantity_lots, amount_micros, kind, taker_account_id, maker_account_id, taker_order_id,"
    " maker_order_id, taker_cash_micros, maker_cash_micros, taker_fee_micros, maker_fee_micros,"
    " created_at_us) SELECT {trade_id}, market_id, 1, outcome, side, pips, lots, pips * lots, 1,"
    " taker, maker, {taking_id}, {making_id}, -pips * lots, -pips * lots, 0, 0, us"
    " FROM bench_tape",
    # A minute's first and last trades are those with its least and greatest numbers. The minute in
    # which the quotes were made has a candle already.
    "INSERT INTO trading_candle (market_id, outcome_index, minute, open_pips, high_pips, low_pips,"
    " close_pips, bid_pips, ask_pips, volume_lots, open_interest_lots, trades, seq)"
    " SELECT m.market_id, m.outcome, m.minute, f.pips, high, low, l.pips, l.pips - 100,"
    " l.pips + 100, volume, volume, count, 1 FROM (SELECT market_id, outcome, minute,"
    " MIN(n) AS first, MAX(n) AS last, MAX(pips) AS high, MIN(pips) AS low, SUM(lots) AS volume,"
    " COUNT(*) AS count FROM bench_tape GROUP BY market_id, outcome, minute) AS m"
    " JOIN bench_tape f ON f.n = m.first JOIN bench_tape l ON l.n = m.last"
    " WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO trading_position (market_id, account_id, outcome_index, net_lots, cost_micros,"
    f" realised_micros) SELECT market_id, account_id, outcome, SUM(net), SUM(net * pips), 0"
    f" FROM {_SIDES} GROUP BY market_id, account_id, outcome",
    "INSERT INTO trading_margin (market_id, account_id, collateral_lots, held_micros,"
    " net_paid_micros, fees_micros) SELECT market_id, account_id, 0, 0, SUM(cost_micros), 0"
    " FROM trading_position GROUP BY market_id, account_id ON CONFLICT DO NOTHING",
)


def store_statistics(markets: Sequence[Market]) -> None:
    figures = {
        (row[0], row[1]): row[2:]
        for row in fetch(
            "SELECT market_id, outcome, SUM(lots), COUNT(*) FROM bench_tape"
            " GROUP BY market_id, outcome"
        )
    }
    lasts = read_lasts()
    rows = list(OutcomeStats.objects.all())
    volumes: dict[int, int] = {}
    for row in rows:
        key = (row.market_id, row.outcome_index)
        row.last_pips = lasts.get(key)
        row.volume_lots, row.trades = (int(value) for value in figures.get(key, (0, 0)))
        row.open_interest_lots = row.volume_lots
        volumes[row.market_id] = volumes.get(row.market_id, 0) + row.volume_lots
    fields = ["last_pips", "volume_lots", "trades", "open_interest_lots"]
    OutcomeStats.objects.bulk_update(rows, fields, batch_size=200)
    totals = list(MarketStats.objects.all())
    for total in totals:
        total.volume_lots = volumes.get(total.market_id, 0)
        total.last_price_pips = lasts.get((total.market_id, 0))
    MarketStats.objects.bulk_update(totals, ["volume_lots", "last_price_pips"], batch_size=200)
    refresh_stats([market.pk for market in markets])


def make_session() -> str:
    """Log in the maker, who has orders in every market, and return the session's key."""
    user = User.objects.get(handle=MAKER)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_with_ids(statement).replace("%", "%%"), [])


def fetch(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def _with_ids(statement: str) -> str:
    """Put in SQL for ids that sort by `n`, apart for each kind, as the database stores them."""
    for name, kind in (("{trade_id}", "b"), ("{taking_id}", "c"), ("{making_id}", "d")):
        prefix = f"0190000000{kind}07"
        if connection.vendor == "sqlite":
            made = f"printf('{prefix}%019x', n)"
        else:
            made = f"('{prefix}' || lpad(to_hex(n), 19, '0'))::uuid"
        statement = statement.replace(name, made)
    return statement
