"""Quotes in a book: limits over all of them, venues that are away, refusals, restarts."""

import sqlite3
from pathlib import Path

import httpx
import pytest

from bots.engine.events import BUY, SELL, Key, TradePrint
from bots.engine.execution.kalshi import KalshiOrders
from bots.engine.execution.orders import (
    Executor,
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
)
from bots.engine.execution.quoter import Quoter
from bots.engine.execution.risk import Limits
from bots.engine.markets import MarketEvent
from bots.engine.signals import QuoteSet, WantedQuote
from bots.engine.venues.rest import build_http
from tests.bots.desk import Desk, build_market

RAIN = Key("v", "rain")
BUYS = tuple(WantedQuote(BUY, pips, 1_000) for pips in (4_000, 3_900, 3_800))
SELLS = tuple(WantedQuote(SELL, pips, 1_000) for pips in (6_000, 6_100, 6_200))


class Shelf(Executor):
    """A venue where orders rest until they are cancelled; it is away when `is_away`."""

    name = "live"

    def __init__(self) -> None:
        self.orders: dict[str, OrderReport] = {}
        self.cancelled: list[str] = []
        self.is_away = False

    async def place(self, ticket: OrderTicket) -> OrderReport:
        report = OrderReport(outcome=OrderOutcome.RESTING, venue_id=ticket.id)
        self.orders[ticket.id] = report
        if self.is_away:
            raise OutcomeUnknownAtVenueError("away")
        return report

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        if self.is_away:
            raise OutcomeUnknownAtVenueError("away")
        return self.orders.get(ticket.id)

    async def cancel(self, ticket: OrderTicket, venue_id: str) -> OrderReport:
        self.cancelled.append(venue_id)
        return OrderReport(outcome=OrderOutcome.CANCELLED)


def make_desk(folder: Path, **options) -> tuple[Desk, Quoter]:
    markets = [build_market("rain"), build_market("rain", venue="w")]
    desk = Desk(folder, [MarketEvent(id=m.venue, markets=(m,)) for m in markets], **options)
    desk.show(RAIN, bids=[(3_000, 100)], asks=[(7_000, 100)])
    return desk, Quoter(desk.bridge.executors, desk.ledger, desk.metrics, desk.kill)


async def quote(quoter: Quoter, *quotes: WantedQuote, key: Key = RAIN) -> list[int]:
    """Wish for quotes; return the lots of those that rest."""
    wish = QuoteSet(strategy="m", key=key, quotes=quotes, received_ns=1)
    await quoter._quote(("m", key), wish)
    return [one.ticket.lots for one in quoter.resting["m", key].values()]


async def test_quotes_of_one_side_are_within_the_limit_together(tmp_path: Path) -> None:
    desk, quoter = make_desk(tmp_path, limits=Limits(market_micros=6_000_000))
    assert await quote(quoter, *BUYS, *SELLS) == [1_000, 500, 1_000, 500]
    desk.close()


async def test_quotes_in_other_books_count_against_the_limit_of_their_venue(
    tmp_path: Path,
) -> None:
    desk, quoter = make_desk(tmp_path, limits=Limits(venue_micros=6_000_000))
    desk.ledger.risk.resting["other", RAIN, BUY] = 4_000_000
    assert await quote(quoter, BUYS[0]) == [500]
    desk.close()


async def test_what_only_closes_a_position_is_within_every_limit_of_what_is_held(
    tmp_path: Path,
) -> None:
    desk, quoter = make_desk(tmp_path, limits=Limits(market_micros=5_000_000))
    desk.portfolio.get("m", RAIN).trade(2_000, -8_000_000, 0)
    assert await quote(quoter, BUYS[0], WantedQuote(SELL, 6_000, 3_000)) == [2_000]
    desk.close()


async def test_a_quote_on_paper_that_fills_in_parts_is_counted_once(tmp_path: Path) -> None:
    desk, quoter = make_desk(tmp_path)
    await quote(quoter, BUYS[0])
    for lots in (400, 600):
        desk.paper.hear_trade(TradePrint(RAIN, SELL, 4_000, lots, 1))
        await quoter._review()
    await quoter._review()
    assert (desk.portfolio.get("m", RAIN).lots, quoter.resting["m", RAIN]) == (1_000, {})
    assert desk.metric("execution_fills_total", strategy="m", executor="paper") == 1
    desk.close()


async def test_a_quote_that_was_filled_when_it_should_change_is_counted_once(
    tmp_path: Path,
) -> None:
    desk, quoter = make_desk(tmp_path)
    await quote(quoter, BUYS[0])
    desk.paper.hear_trade(TradePrint(RAIN, SELL, 4_000, 1_000, 1))
    await quote(quoter, BUYS[1])
    desk.paper.hear_trade(TradePrint(RAIN, SELL, 3_900, 1_000, 1))
    await quote(quoter)
    assert desk.portfolio.get("m", RAIN).lots == 1_000
    desk.close()


async def test_a_venue_that_is_away_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    away, here = Shelf(), Shelf()
    desk, quoter = make_desk(tmp_path, executors={"v": away, "w": here})
    there = Key("w", "rain")
    await quote(quoter, BUYS[0])
    await quote(quoter, BUYS[0], key=there)
    away.is_away = True
    [order] = here.orders
    here.orders[order] = OrderReport(
        outcome=OrderOutcome.FILLED, lots=1_000, money_micros=-4_000_000
    )
    await quoter._review()
    assert desk.portfolio.get("m", there).lots == 1_000
    desk.close()


async def test_a_quote_whose_answer_was_lost_is_not_forgotten_while_it_may_arrive(
    tmp_path: Path,
) -> None:
    venue = Shelf()
    desk, quoter = make_desk(tmp_path, executors={"v": venue})
    venue.is_away = True
    await quote(quoter, BUYS[0])
    venue.is_away, arriving = False, dict(venue.orders)
    venue.orders.clear()
    await quoter._review()
    await quote(quoter, BUYS[1])  # nothing is known of it that could be amended
    venue.orders |= arriving
    await quoter._review()
    await quoter.stop()
    assert venue.cancelled == list(arriving)
    desk.close()


async def test_all_quotes_are_cancelled_when_nothing_can_be_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = Shelf()
    desk, quoter = make_desk(tmp_path, executors={"v": venue})
    await quote(quoter, *BUYS)

    async def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(desk.ledger, "record", fail)
    with pytest.raises(sqlite3.OperationalError):
        await quote(quoter, *BUYS, SELLS[0])
    assert len(venue.orders) == 4, "what could not be written any more rests there"
    with pytest.raises(sqlite3.OperationalError):
        await quoter.stop()
    assert sorted(venue.cancelled) == sorted(venue.orders)
    desk.close()


async def test_quotes_of_an_earlier_run_are_ended_once_their_venue_answers(
    tmp_path: Path,
) -> None:
    venue = Shelf()
    desk, quoter = make_desk(tmp_path, executors={"v": venue})
    await quote(quoter, BUYS[0])
    desk.close()
    again, after = make_desk(tmp_path, executors={"v": venue})
    find, asked = venue.find, []

    async def be_away_first(ticket: OrderTicket) -> OrderReport | None:
        asked.append(ticket.id)
        venue.is_away = len(asked) == 1
        return await find(ticket)

    venue.find = be_away_first  # type: ignore[method-assign]
    venue.settle_seconds = 0.01
    await after.recover()
    assert venue.cancelled == list(venue.orders)
    assert again.state.list_open_orders() == []
    again.close()


# --- Kalshi, as it answers -----------------------------------------------------------------------


def make_kalshi(desk: Desk, answers: dict[tuple[str, str], tuple[int, object]]) -> KalshiOrders:
    def answer(request: httpx.Request) -> httpx.Response:
        status, body = answers[request.method, request.url.path]
        return httpx.Response(status, json=body)

    http = build_http("https://kalshi.invalid")
    http._transport = httpx.MockTransport(answer)
    http._mounts = {}
    return KalshiOrders("v", http, desk.markets)


def ticket(terms: Terms) -> OrderTicket:
    return OrderTicket(
        id="c1", intent="i", role="x", strategy="m", key=RAIN, side=BUY, limit_pips=4_000,
        lots=1_000, terms=terms,
    )  # fmt: skip


async def test_an_order_whose_change_is_refused_is_cancelled(tmp_path: Path) -> None:
    desk, _ = make_desk(tmp_path)
    row = {"client_order_id": "c1", "order_id": "o1", "fill_count_fp": "0", "status": "canceled"}
    kalshi = make_kalshi(desk, {
        ("POST", "/portfolio/events/orders/o1/amend"): (400, {}),
        ("DELETE", "/portfolio/events/orders/o1"): (200, {}),
        ("GET", "/portfolio/orders"): (200, {"orders": [row]}),
    })  # fmt: skip
    report = await kalshi.amend(ticket(Terms.POST_ONLY), "o1", 0)
    assert report.outcome is OrderOutcome.CANCELLED
    desk.close()


@pytest.mark.parametrize("status", [403, 200])
async def test_fills_that_can_t_be_read_leave_the_outcome_open(tmp_path: Path, status: int) -> None:
    desk, _ = make_desk(tmp_path)
    kalshi = make_kalshi(desk, {
        ("POST", "/portfolio/events/orders"): (
            201, {"order_id": "o1", "fill_count": "10", "remaining_count": "0"}
        ),
        ("GET", "/portfolio/fills"): (status, {"fills": [], "cursor": "more"}),  # without an end
    })  # fmt: skip
    with pytest.raises(OutcomeUnknownAtVenueError):
        await kalshi.place(ticket(Terms.FOK))
    desk.close()
