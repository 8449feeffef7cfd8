"""Books and tickers as the API answers them: whole, of one moment each, never naming an account.

A book is as of the last commit. Tickers are built once a second at most, for all callers; who
may see which of them is decided by `Market.objects`.
"""

from collections.abc import Mapping
from typing import Any, Final

from kernel.cache import FreshCache, SharedRead
from kernel.errors import ApiError
from kernel.units import format_quantity
from trading.feed.reads import book_from_database, read_live_listed
from trading.feed.relays import LADDER_MAX
from trading.pipeline import instruments
from trading.pipeline.instruments import Instrument
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import DepthLevel, Sides
from trading.pipeline.snapshot import consistent_read
from trading.readmodels import queries
from trading.readmodels.queries import OutcomeSummary
from trading.wire.levels import split_levels
from trading.wire.reading import read_limit
from trading.wire.render import show_book, show_price
from trading.wire.schema import BookAnswer, Ticker, TickerPage
from web.pagination import build_page, decode_cursor

FRESH_SECONDS: Final = 0.9
TICKERS_MAX: Final = 1_000
_ORDER: Final = ("market", "outcome")
_ALL: Final = "all"
Book = tuple[int, int, list[DepthLevel]]
"""(seq, ts_us, levels) as of the last commit."""

_books: SharedRead[int, Book] = SharedRead(book_from_database)


async def read_book(market_id: int) -> Book:
    return await _books.get(market_id)


async def get_book(instrument: Instrument) -> BookAnswer:
    """Return the book; beside it, where there is one, the automated maker's ladder."""
    if not instrument.has_maker:
        seq, ts_us, levels = await read_book(instrument.id)
        return show_book(instrument, seq, ts_us, split_levels(levels, instrument.book_count))
    (seq, ts_us, levels), ladders = await _blended.get(instrument.id)
    books = split_levels(levels, instrument.book_count)
    return show_book(instrument, seq, ts_us, books, ladders)


def _read_blended(market_id: int) -> tuple[Book, list[Sides]]:
    with consistent_read():
        ladders = read_ladders([market_id], levels_max=LADDER_MAX)
        return book_from_database(market_id), ladders.get(market_id, [])


_blended: SharedRead[int, tuple[Book, list[Sides]]] = SharedRead(_read_blended)


async def get_tickers(params: Mapping[str, str], user_id: int | None) -> TickerPage:
    """Return tickers by market and outcome; of one market (also an unlisted one) if it is named."""
    limit = read_limit(params.get("limit"), default=TICKERS_MAX, most=TICKERS_MAX)
    everything = await _summaries.get(_ALL)
    assert everything is not None
    market_ids = await _find_markets(params.get("market"), user_id)
    after = _read_cursor(params.get("cursor"))
    rows = [row for row in everything if row.instrument.id in market_ids and _key(row) > after]
    page = build_page(rows[: limit + 1], limit, lambda row: list(_key(row)), _ORDER)
    return TickerPage(results=[show_ticker(row) for row in page.rows], next_cursor=page.next_cursor)


async def _find_markets(slug: str | None, user_id: int | None) -> frozenset[int]:
    if slug is not None:
        return frozenset({(await instruments.get_instrument(slug, user_id)).id})
    return await _listed.get(user_id) or frozenset()


def show_ticker(row: OutcomeSummary) -> Ticker:
    top, day = row.top, row.day
    return Ticker(
        market=row.instrument.slug,
        outcome=row.instrument.codes[top.outcome],
        last=show_price(day.last_pips),
        bid=show_price(top.bid_pips),
        bid_quantity=format_quantity(top.bid_lots),
        ask=show_price(top.ask_pips),
        ask_quantity=format_quantity(top.ask_lots),
        implied_bid=show_price(row.implied.bid_pips),
        implied_bid_quantity=format_quantity(row.implied.bid_lots),
        implied_ask=show_price(row.implied.ask_pips),
        implied_ask_quantity=format_quantity(row.implied.ask_lots),
        maker_bid=show_price(top.maker_bid_pips),
        maker_ask=show_price(top.maker_ask_pips),
        volume_24h=format_quantity(day.volume_lots),
        change_24h=show_price(day.change_pips),
        open_interest=format_quantity(day.open_interest_lots),
        seq=row.seq,
    )


def list_summaries() -> list[OutcomeSummary]:
    """Return the rows behind the tickers, of private markets too, for sync code."""
    return _summaries.get_shared(_ALL) or []


def _key(row: OutcomeSummary) -> tuple[int, int]:
    return row.instrument.id, row.top.outcome


def _read_cursor(cursor: str | None) -> tuple[int, int]:
    if not cursor:
        return (0, -1)
    values: Any = decode_cursor(cursor, _ORDER)
    if not all(type(value) is int for value in values):
        raise ApiError("bad_cursor")
    return values[0], values[1]


def _read_listed(user_id: int | None) -> frozenset[int]:
    return frozenset(read_live_listed(user_id))


_summaries: FreshCache[str, list[OutcomeSummary]] = FreshCache(
    lambda _: queries.list_outcome_summaries(), seconds=FRESH_SECONDS
)
_listed: FreshCache[int | None, frozenset[int]] = FreshCache(_read_listed, seconds=FRESH_SECONDS)
