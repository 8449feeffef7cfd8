"""Legs in sequence, the rule for a failed one, limits, the kill switch; paper that is honest."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from bots.engine.events import BUY, SELL, Key, TradePrint
from bots.engine.execution.bridge import Rule, build_ticket
from bots.engine.execution.orders import (
    Executor,
    OrderOutcome,
    OrderReport,
    OrderTicket,
    OutcomeUnknownAtVenueError,
    Terms,
    name_order,
)
from bots.engine.execution.portfolio import StrategyHolding
from bots.engine.execution.risk import Limits
from bots.engine.execution.state import Intent
from bots.engine.fees import FeeSchedule
from bots.engine.markets import MarketEvent, UnknownMarketError
from bots.engine.program import Executors
from bots.engine.signals import Signal
from bots.engine.strategies.cross_outcome import CrossOutcome
from tests.bots.desk import Desk, build_market

INTENT = "0" * 32


def make_desk(folder: Path, *, is_exhaustive: bool = True, **options) -> Desk:
    """Three outcomes that are sold for 1.20 together, 10 contracts of each."""
    markets = tuple(build_market(name) for name in "abc")
    event = MarketEvent(id="e", markets=markets, is_exhaustive=is_exhaustive)
    desk = Desk(folder, [event], **options)
    for market in markets:
        desk.show(market.yes, bids=[(4_000, 1_000)], asks=[(4_200, 1_000)])
    return desk


def find_signal(desk: Desk) -> Signal:
    [signal] = desk.find(CrossOutcome("s", desk.markets), Key("v", "a"))
    return signal


async def execute(desk: Desk, signal: Signal):
    return await desk.bridge.execute(signal, time.monotonic_ns())


async def test_each_leg_is_filled_and_positions_and_profit_are_known(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    done = await execute(desk, find_signal(desk))
    assert [one.report.outcome for one in done.orders] == [OrderOutcome.FILLED] * 3
    assert (done.state, done.profit_micros) == ("done", 2_000 * 1_000)
    # What is owed for a complete set is certain, so it is settled: nothing is at risk.
    assert desk.portfolio.get("s", Key("v", "a")).lots == 0
    assert desk.portfolio.count_at_risk() == 0
    assert desk.portfolio.compute_profit("s", desk.cache) == (2_000 * 1_000, 0)
    assert desk.metric("execution_fills_total", strategy="s", executor="paper") == 3
    assert desk.metric("execution_e2e_latency_us_count", strategy="s") == 1
    desk.close()


async def lose_last_leg(desk: Desk, signal: Signal):
    """Execute a signal whose last book empties while it is carried out."""
    place = desk.paper.place

    async def empty_first(ticket: OrderTicket) -> OrderReport:
        if ticket.key.token == "c":
            desk.show(ticket.key, asks=[(4_200, 1_000)])
        return await place(ticket)

    desk.paper.place = empty_first  # type: ignore[method-assign]
    return await execute(desk, signal)


async def test_what_a_failed_leg_leaves_is_unwound_at_once_within_the_bound(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, rule=Rule("unwind", 300))
    done = await lose_last_leg(desk, find_signal(desk))
    shown = [(one.ticket.role, one.ticket.side, one.report.outcome) for one in done.orders]
    assert shown == [
        ("leg", SELL, OrderOutcome.FILLED),
        ("leg", SELL, OrderOutcome.FILLED),
        ("leg", SELL, OrderOutcome.REJECTED),
        ("unwind", BUY, OrderOutcome.FILLED),
        ("unwind", BUY, OrderOutcome.FILLED),
    ]
    assert [one.ticket.limit_pips for one in done.orders[3:]] == [4_300, 4_300]
    assert (done.state, done.profit_micros) == ("unwound", -2 * 200 * 1_000)
    assert desk.portfolio.get("s", Key("v", "a")).lots == 0
    assert desk.portfolio.compute_profit("s", desk.cache) == (-400_000, 0)
    desk.close()


@pytest.mark.parametrize("rule", [Rule("unwind", 100), Rule("hold", 300)])
async def test_what_can_t_or_should_not_be_unwound_is_held_and_told(
    tmp_path: Path, rule: Rule
) -> None:
    desk = make_desk(tmp_path, rule=rule)
    done = await lose_last_leg(desk, find_signal(desk))
    assert (done.state, done.profit_micros) == ("held", None)
    assert desk.portfolio.get("s", Key("v", "a")).lots == -1_000
    assert desk.metric("execution_incomplete_total", strategy="s", outcome="held") == 1
    desk.close()


async def test_legs_after_a_failed_one_are_not_attempted(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    signal = find_signal(desk)
    desk.paper.count_available = lambda leg: leg.lots  # type: ignore[method-assign]
    desk.show(Key("v", "a"), asks=[(4_200, 1_000)])
    done = await execute(desk, signal)
    outcomes = [one.report.outcome for one in done.orders]
    assert outcomes == [
        OrderOutcome.REJECTED,
        OrderOutcome.NOT_ATTEMPTED,
        OrderOutcome.NOT_ATTEMPTED,
    ]
    assert (done.state, done.profit_micros) == ("done", 0)
    desk.close()


class Silent(Executor):
    """A venue that carries orders out and does not answer; it is asked in vain at first."""

    name = "live"
    settle_seconds = 0.05

    def __init__(self, *, knows: bool) -> None:
        self.placed: dict[str, OrderTicket] = {}
        self.knows = knows
        self.asked = 0

    async def place(self, ticket: OrderTicket) -> OrderReport:
        self.placed[ticket.id] = ticket
        raise OutcomeUnknownAtVenueError("no answer")

    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        self.asked += 1
        if self.asked == 1:
            raise OutcomeUnknownAtVenueError("still none")
        if not self.knows:
            return None
        money = -ticket.side * ticket.limit_pips * ticket.lots
        return OrderReport(outcome=OrderOutcome.FILLED, lots=ticket.lots, money_micros=money)


@pytest.mark.parametrize("knows", [True, False])
async def test_the_venue_is_asked_what_became_of_an_order_that_is_not_answered(
    tmp_path: Path, *, knows: bool
) -> None:
    venue = Silent(knows=knows)
    desk = make_desk(tmp_path, executors={"v": venue})
    done = await execute(desk, find_signal(desk))
    assert done.state == "done"
    assert done.profit_micros == (2_000 * 1_000 if knows else 0)
    assert len(venue.placed) == (3 if knows else 1)
    desk.close()


class Picky(Executor):
    """A venue that refuses the first order, and then fills all."""

    name = "live"

    def __init__(self) -> None:
        self.placed: list[str] = []

    async def place(self, ticket: OrderTicket) -> OrderReport:
        self.placed.append(ticket.key.token)
        if len(self.placed) == 1:
            return OrderReport(outcome=OrderOutcome.REJECTED)
        money = -ticket.side * ticket.limit_pips * ticket.lots
        return OrderReport(outcome=OrderOutcome.FILLED, lots=ticket.lots, money_micros=money)

    async def find(self, ticket: OrderTicket) -> None:
        return None


async def test_a_book_that_was_acted_on_is_not_believed_until_it_changes(tmp_path: Path) -> None:
    venue = Picky()
    desk = make_desk(tmp_path, executors={"v": venue})
    assert (await execute(desk, find_signal(desk))).profit_micros == 0
    assert await execute(desk, find_signal(desk)) is None
    desk.show(Key("v", "a"), bids=[(4_000, 900)])  # those of the others were not acted on
    assert (await execute(desk, find_signal(desk))).state == "done"
    assert venue.placed == ["a", "a", "b", "c"]
    desk.close()


async def test_on_paper_a_signal_counts_on_nothing_that_was_taken_before(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.show(Key("v", "a"), bids=[(4_000, 600), (3_500, 5_000)])
    await desk.paper.place(ticket(SELL, 4_000, 400))
    signal = find_signal(desk)
    assert signal.lots == 1_000
    done = await execute(desk, signal)
    assert [one.report.lots for one in done.orders] == [200, 200, 200]
    assert done.profit_micros == 2_000 * 200
    desk.close()


async def test_limits_make_a_signal_smaller_or_refuse_it(tmp_path: Path) -> None:
    # What is sold at 0.40 can lose 0.60 a contract.
    limits = Limits(order_micros=5_000_000, market_micros=7_000_000)
    desk = make_desk(tmp_path, limits=limits, is_exhaustive=False)
    signal = find_signal(desk)
    assert (signal.lots, (await execute(desk, signal)).orders[0].report.lots) == (1_000, 800)
    for name in "abc":
        desk.show(Key("v", name), bids=[(4_000, 2_000)])
    again = await execute(desk, find_signal(desk))
    assert again.orders[0].report.lots == 300
    for name in "abc":
        desk.show(Key("v", name), bids=[(4_000, 3_000)])
    assert await execute(desk, find_signal(desk)) is None
    desk.close()


async def test_a_day_that_loses_too_much_throws_the_kill_switch(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, rule=Rule("unwind", 300), limits=Limits(day_loss_micros=400_000))
    await lose_last_leg(desk, find_signal(desk))
    assert desk.kill.is_thrown
    assert desk.metric("execution_kill_switch") == 1
    desk.close()


async def test_a_restart_does_not_give_back_what_the_day_has_lost(tmp_path: Path) -> None:
    limits = Limits(day_loss_micros=400_000)
    desk = make_desk(tmp_path, rule=Rule("unwind", 300), limits=limits)
    await lose_last_leg(desk, find_signal(desk))
    desk.close()
    again = make_desk(tmp_path, limits=limits)
    assert again.kill.is_thrown
    again.close()


async def test_what_was_traded_yesterday_is_not_counted_today(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, limits=Limits(day_turnover_micros=12_000_000))
    await execute(desk, find_signal(desk))
    for name in "abc":
        desk.show(Key("v", name), bids=[(4_000, 3_000)])
    assert await execute(desk, find_signal(desk)) is None
    desk.risk._date -= timedelta(days=1)
    assert (await execute(desk, find_signal(desk))).state == "done"
    desk.close()


async def test_a_leg_whose_market_is_over_after_a_crash_is_held_and_told(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    intent = Intent(INTENT, "s", 0, 0)
    tickets = [build_ticket(intent, number, find_signal(desk)) for number in range(3)]
    desk.state.begin(intent, tickets)
    desk.state.send(tickets[0])
    filled = OrderReport(outcome=OrderOutcome.FILLED, lots=1_000, money_micros=4_000_000)
    await desk.ledger.record(tickets[0], filled)
    desk.close()
    other = MarketEvent(id="z", markets=(build_market("z"),))
    again = Desk(tmp_path, [other])
    again.bridge.executors = {"v": again.paper}
    [done] = await again.bridge.recover()
    assert (done.state, again.portfolio.get("s", Key("v", "a")).lots) == ("held", -1_000)
    again.close()


async def test_a_venue_that_an_earlier_run_has_orders_at_has_to_be_configured(
    tmp_path: Path,
) -> None:
    desk = make_desk(tmp_path)
    intent = Intent(INTENT, "s", 0, 0)
    planned = build_ticket(intent, 0, find_signal(desk))
    desk.state.begin(intent, [planned])
    desk.state.send(planned)
    desk.bridge.executors = Executors()
    with pytest.raises(UnknownMarketError, match="orders at v: add this venue again"):
        await desk.bridge.recover()
    desk.close()


async def test_the_kill_switch_is_a_file_too(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.kill_file.touch()
    assert await execute(desk, find_signal(desk)) is None
    desk.kill_file.unlink()
    assert (await execute(desk, find_signal(desk))).state == "done"
    desk.close()


async def test_positions_and_the_day_survive_a_restart(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    await execute(desk, find_signal(desk))
    holdings = dict(desk.portfolio.holdings)
    day = desk.risk.day
    desk.close()
    again = make_desk(tmp_path)
    assert again.portfolio.holdings == holdings
    assert again.state.load_day() == day
    assert day.turnover_micros == 3 * 4_000 * 1_000
    again.close()


async def test_what_is_counted_is_written_also_when_the_engine_stops_meanwhile(
    tmp_path: Path,
) -> None:
    desk = make_desk(tmp_path)
    key = desk.markets.markets[0].yes
    desk.portfolio.get("s", key).trade(1_000, -4_000_000, 0)
    before = asyncio.create_task(desk.ledger.write(time.sleep, 0.2))
    settling = asyncio.create_task(desk.ledger.settle(key, 10_000))
    await asyncio.sleep(0.05)
    settling.cancel()
    await before
    desk.close()
    again = make_desk(tmp_path)
    assert again.state.load_holdings()["s", key].realised_micros == 6_000_000
    again.close()


def test_realised_profit_is_exact_whatever_the_parts() -> None:
    holding = StrategyHolding()
    holding.trade(300, -1_000_000, 7)
    holding.trade(-100, 400_001, 3)
    holding.trade(-400, 1_600_000, 0)  # closes the rest, and sells 200 short
    holding.trade(200, -900_000, 0)
    assert (holding.lots, holding.open_micros) == (0, 0)
    assert holding.realised_micros == -1_000_000 + 400_001 + 1_600_000 - 900_000
    assert holding.fees_micros == 10


# --- paper ---------------------------------------------------------------------------------------


def ticket(
    side: int, pips: int, lots: int, terms: Terms = Terms.FOK, number: int = 0
) -> OrderTicket:
    return OrderTicket(
        id=name_order(INTENT, "x", number), intent=INTENT, role="x", strategy="s",
        key=Key("v", "a"), side=side, limit_pips=pips, lots=lots, terms=terms,
    )  # fmt: skip


async def test_paper_takes_what_is_displayed_once(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    key = Key("v", "a")
    desk.show(key, asks=[(4_200, 1_000), (4_300, 500)])
    first = await desk.paper.place(ticket(BUY, 4_300, 1_200))
    assert (first.lots, first.money_micros) == (1_200, -(4_200 * 1_000 + 4_300 * 200))
    assert (await desk.paper.place(ticket(BUY, 4_300, 400))).outcome is OrderOutcome.REJECTED
    desk.show(key, asks=[(4_200, 1_000), (4_300, 500)])  # nothing was added
    assert (await desk.paper.place(ticket(BUY, 4_300, 400))).outcome is OrderOutcome.REJECTED
    desk.show(key, asks=[(4_200, 1_100), (4_300, 500)])
    part = await desk.paper.place(ticket(BUY, 4_300, 1_000, Terms.IOC))
    assert (part.lots, part.money_micros) == (400, -(4_200 * 100 + 4_300 * 300))
    desk.show(key)
    desk.show(key, asks=[(4_200, 1_000)])  # others have come instead
    assert (await desk.paper.place(ticket(BUY, 4_300, 1_000))).lots == 1_000
    desk.close()


async def test_paper_decides_on_the_book_as_it_is_after_its_latency(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, latency_ms=50)
    placing = asyncio.create_task(desk.paper.place(ticket(BUY, 4_200, 1_000)))
    await asyncio.sleep(0.01)
    desk.show(Key("v", "a"), asks=[(4_300, 1_000)])
    assert (await placing).outcome is OrderOutcome.REJECTED
    desk.close()


async def test_what_is_taken_of_no_is_taken_of_yes(tmp_path: Path) -> None:
    market = build_market("m", one_book=False)
    desk = Desk(tmp_path, [MarketEvent(id="m", markets=(market,))])
    desk.show(market.yes, bids=[(4_000, 1_000)])
    desk.show(market.no, asks=[(6_000, 1_000)])
    buy_no = OrderTicket(
        id=INTENT, intent=INTENT, role="x", strategy="s", key=market.no, side=BUY,
        limit_pips=6_000, lots=800,
    )  # fmt: skip
    report = await desk.paper.place(buy_no)
    assert report.lots == 800
    await desk.ledger.write(desk.state.send, buy_no)
    await desk.ledger.record(buy_no, report)
    holding = desk.portfolio.get("s", market.yes)
    assert (holding.lots, holding.open_micros) == (-800, -4_000 * 800)
    sell_yes = OrderTicket(
        id="1" * 32, intent=INTENT, role="x", strategy="s", key=market.yes, side=SELL,
        limit_pips=4_000, lots=1_000, terms=Terms.IOC,
    )  # fmt: skip
    assert (await desk.paper.place(sell_yes)).lots == 200
    desk.close()


async def test_a_paper_order_waits_behind_what_was_displayed_before_it(tmp_path: Path) -> None:
    fees = FeeSchedule(rate_ppm=70_000, maker_rate_ppm=0)
    market = build_market("a", fees=fees)
    desk = Desk(tmp_path, [MarketEvent(id="m", markets=(market,))])
    desk.show(market.yes, bids=[(4_000, 1_000)], asks=[(4_200, 1_000)])
    crossing = ticket(BUY, 4_200, 100, Terms.POST_ONLY, 1)
    assert (await desk.paper.place(crossing)).outcome is OrderOutcome.REJECTED
    order = ticket(BUY, 4_000, 500, Terms.POST_ONLY)
    placed = await desk.paper.place(order)
    assert placed.outcome is OrderOutcome.RESTING
    for side, pips, lots in (
        (SELL, 4_000, 600),  # before it
        (BUY, 4_200, 600),  # the other side
        (SELL, 4_000, 500),  # 400 before it, 100 of it
    ):
        desk.paper.hear_trade(TradePrint(market.yes, side, pips, lots, 1))
    assert (await desk.paper.find(order)).lots == 100
    desk.show(market.yes, bids=[(3_800, 1_000)], asks=[(3_900, 150)])  # moved through it
    found = await desk.paper.find(order)
    assert (found.lots, found.fee_micros, found.money_micros) == (250, 0, -4_000 * 250)
    desk.paper.hear_trade(TradePrint(market.yes, SELL, 3_700, 900, 1))
    assert (await desk.paper.find(order)).outcome is OrderOutcome.FILLED
    assert await desk.paper.find(order) is None, "what has ended is told once"
    desk.close()
