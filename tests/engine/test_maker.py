"""Markets with an automated maker: equal to the step-by-step reference, and within every law."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.generate import (
    BYTES_PER_STEP,
    CREDIT,
    Choices,
    make_config,
)
from tests.engine.lmsr_reference import BlendedMarket, Fill
from tests.engine.maker_market import (
    FUNDER,
    MAKER,
    RICH,
    STEP_LOTS,
    STRANGER,
    TICK_PIPS,
    Market,
    binary,
    market_order,
    place,
    terms,
)
from trading.engine.commands import (
    Amend,
    CancelAll,
    ChangeLiquidity,
    Configure,
)
from trading.engine.engine import Engine
from trading.engine.events import (
    Ended,
    LiquidityChanged,
    Rejected,
    Rested,
    Traded,
)
from trading.engine.lmsr import compute_worst_loss_micros
from trading.engine.types import (
    BUY,
    PAYOUT_PIPS,
    SELL,
    Config,
    FeeKind,
    Fees,
    MarketStatus,
    OrderStatus,
    Reason,
    Tif,
    TradeKind,
)

RUNS = [60, pytest.param(2_000, marks=pytest.mark.soak)]


# --- equal to the reference ----------------------------------------------------------------------


@pytest.mark.parametrize("runs", RUNS)
def test_the_engine_trades_as_the_market_that_goes_step_by_step(runs: int) -> None:
    swept = blended = 0
    for seed in range(runs):
        randomness = random.Random(seed)
        priors = randomness.choice(((1, 1), (3, 1), (1, 1, 1), (5, 3, 1, 1), (1,) * 6))
        b_lots = randomness.choice((100, 300, 1_000))
        is_binary = len(priors) == 2 and seed % 2 == 0
        config = Config(is_binary, len(priors), TICK_PIPS, STEP_LOTS, maker=terms(b_lots, priors))
        slow = BlendedMarket(b_lots, priors, tick_pips=TICK_PIPS, step_lots=STEP_LOTS)
        engine = Engine(7)
        funds = dict.fromkeys((*range(1, 20), FUNDER, MAKER), RICH)
        engine.execute(Configure(MarketStatus.OPEN, config), 1, funds)
        for number in range(12):
            outcome = 0 if is_binary else randomness.randrange(len(priors))
            side = randomness.choice((BUY, SELL))
            limit_pips = (slow.shown_pips(outcome, side) or 5_000) + 100 * randomness.randrange(
                -6, 7
            )
            limit_pips = min(max(limit_pips, TICK_PIPS), PAYOUT_PIPS - TICK_PIPS)
            lots = randomness.randrange(1, 20) * STEP_LOTS
            slow.fills = []
            slow.place(str(number), outcome, side, limit_pips, lots)
            order = place(str(number), number + 1, side, limit_pips, lots, outcome=outcome)
            events = engine.execute(order, 1, funds)
            fills = [show(event) for event in events if isinstance(event, Traded)]
            assert fills == slow.fills, (seed, number)
            assert engine.maker is not None
            assert list(engine.maker.lmsr.state.sold_lots) == slow.sold_lots
            resting = {order.order_id: order.lots for order in slow.orders}
            assert {o.order_id: o.remaining_lots for o in engine.orders.values()} == resting
            swept += any(fill.taker_id is None for fill in fills)
            blended += len({fill.against is None for fill in fills}) == 2
    assert swept > runs // 6
    assert blended > runs // 2


def show(trade: Traded) -> Fill:
    side = trade.taker_side if trade.taker_order_id else -trade.taker_side
    return Fill(
        trade.taker_order_id or None,
        trade.maker_order_id or None,
        trade.outcome,
        side,
        trade.quantity_lots,
        trade.paid_micros,
    )


# --- every law, every kind of order ---------------------------------------------------------------


def make_config_with_maker(choices: Choices, randomness: random.Random) -> Config:
    config = replace(make_config(choices), house_account_id=None)
    priors = tuple(randomness.choice((1, 1, 2, 7)) for _ in range(config.outcomes))
    b_lots = randomness.choice((100, 1_000, 20_000))
    return replace(config, maker=terms(b_lots, priors, rests_refused=randomness.random() < 0.1))


@pytest.mark.parametrize("seed", range(40))
def test_random_markets_with_a_maker_keep_every_law(seed: int) -> None:
    randomness = random.Random(seed)
    choices = Choices(randomness.randbytes(BYTES_PER_STEP))
    market = Market(make_config_with_maker(choices, randomness))
    for number in range(150):
        market.step(randomness)
        if number % 50 == 49:
            market.assert_equal_in_every_way()
            market.engine = Engine.restore(market.engine.snapshot())


def test_random_markets_with_a_maker_reach_what_matters() -> None:
    met: set[object] = set()
    for seed in range(100, 130):
        randomness = random.Random(seed)
        market = Market(make_config_with_maker(Choices(randomness.randbytes(20)), randomness))
        for _ in range(120):
            market.step(randomness)
        met |= {getattr(event, "reason", type(event)) for event in market.events}
        trades = [event for event in market.events if isinstance(event, Traded)]
        met |= {(trade.kind, bool(trade.taker_order_id)) for trade in trades}
    wanted = {
        (TradeKind.MAKER, True), (TradeKind.MAKER, False), LiquidityChanged, Rested,
        Reason.RESTING_REFUSED, Reason.LIQUIDITY_INVALID, Reason.BUDGET_SPENT, Reason.SELF_TRADE,
        Reason.FOK_NOT_FILLABLE, Reason.POST_ONLY_WOULD_CROSS, Reason.REDUCE_ONLY,
        Reason.INSUFFICIENT_FUNDS, Reason.POSITION_LIMIT,
    }  # fmt: skip
    assert wanted <= met


# --- one by one -----------------------------------------------------------------------------------


def test_a_market_with_a_maker_opens_when_its_funder_pays_the_worst_loss() -> None:
    worst_loss_micros = compute_worst_loss_micros(10_000, (1, 1))
    engine, funds = Engine(7), {FUNDER: worst_loss_micros - 1, MAKER: 0}
    opening = Configure(MarketStatus.OPEN, binary())
    assert engine.execute(opening, 1, funds) == [Rejected("", Reason.INSUFFICIENT_FUNDS, 1)]
    assert engine.status is None
    funds[FUNDER] += 1
    assert engine.execute(opening, 2, funds)[1:] == [
        LiquidityChanged(FUNDER, MAKER, 10_000, worst_loss_micros)
    ]
    assert funds == {FUNDER: 0, MAKER: worst_loss_micros}


@pytest.mark.parametrize(
    "wrong",
    [
        {"house_account_id": 99},
        {"maker": terms(99)},
        {"maker": terms(10_000, (1, 1, 1))},
        {"maker": terms(10_000, (1, 0))},
    ],
    ids=["matched across books", "too little liquidity", "a prior too many", "a prior of nothing"],
)
def test_what_a_maker_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    config = replace(binary(), **wrong)
    [event] = Engine(7).execute(Configure(MarketStatus.OPEN, config), 1, {FUNDER: RICH, MAKER: 0})
    assert event == Rejected("", Reason.CONFIGURATION_INVALID)


def test_a_market_order_is_filled_by_the_maker_at_its_exact_cost() -> None:
    market = Market(binary())
    [trade, end] = market.apply(market_order("1", 11, BUY, 2_000))
    assert isinstance(trade, Traded)
    assert (trade.kind, trade.maker_order_id, trade.maker_account_id) == (
        TradeKind.MAKER, "", MAKER,
    )  # fmt: skip
    # 10,000 pips x 10,000 lots x ln((e^0.2 + 1) / 2) = 10,499,168.9 micros, 5,249.6 pips a lot
    assert (trade.amount_micros, trade.price_pips) == (10_499_169, 5_250)
    assert trade.taker_cash_micros == -trade.amount_micros
    assert trade.maker_cash_micros == trade.amount_micros - PAYOUT_PIPS * 2_000
    assert end == Ended("1", OrderStatus.FILLED, Reason.FILLED, 0)
    market.assert_equal_in_every_way()


def test_the_book_wins_ties_and_the_maker_fills_up_to_it() -> None:
    market = Market(binary())
    market.apply(place("ask", 21, SELL, 5_300, 500))
    events = market.apply(place("buy", 11, BUY, 5_600, 3_000))
    trades = [event for event in events if isinstance(event, Traded)]
    assert [(t.kind is TradeKind.MAKER, t.maker_order_id) for t in trades] == [
        (True, ""), (False, "ask"), (True, ""),
    ]  # fmt: skip
    assert trades[0].price_pips < 5_300 == trades[1].price_pips < trades[2].price_pips


def test_buying_one_outcome_sells_to_the_bids_for_the_others() -> None:
    config = Config(False, 3, 100, 100, maker=terms(10_000, (1, 1, 1)))
    market = Market(config)
    market.apply(place("bid", 21, BUY, 3_200, 300, outcome=1))
    events = market.apply(place("buy", 11, BUY, 5_000, 2_000, outcome=0))
    swept = [e for e in events if isinstance(e, Traded) and not e.taker_order_id]
    assert {(trade.maker_order_id, trade.price_pips) for trade in swept} == {("bid", 3_200)}
    assert sum(trade.quantity_lots for trade in swept) == 300
    assert Ended("bid", OrderStatus.FILLED, Reason.FILLED, 0) in events
    market.assert_equal_in_every_way()


def test_a_swept_order_that_only_reduces_is_clipped() -> None:
    config = Config(False, 3, 100, 100, maker=terms(1_000, (1, 1, 1)))
    market = Market(config)
    market.apply(place("short", 21, SELL, 2_000, 200, outcome=1))
    market.apply(place("cover", 21, BUY, 2_500, 200, outcome=1, reduce_only=True))
    market.apply(place("again", 21, BUY, 2_400, 200, outcome=1, reduce_only=True))
    events = market.apply(market_order("buy", 11, BUY, 2_000, outcome=0))
    events += market.apply(market_order("more", 11, BUY, 2_000, outcome=0))
    ends = {e.order_id: e.reason for e in events if isinstance(e, Ended)}
    assert ends["cover"] == Reason.FILLED
    assert ends["again"] == Reason.REDUCE_ONLY


def test_fill_or_kill_counts_the_maker() -> None:
    market = Market(binary(1_000))
    killed = market.apply(place("1", 11, BUY, 5_300, 2_000, tif=Tif.FOK))
    assert killed == [Ended("1", OrderStatus.CANCELLED, Reason.FOK_NOT_FILLABLE, 2_000)]
    [trade, _] = market.apply(place("2", 11, BUY, 5_300, 100, tif=Tif.FOK))
    assert isinstance(trade, Traded)


def test_post_only_is_refused_where_the_maker_would_fill_it() -> None:
    market = Market(binary())
    [refused] = market.apply(place("1", 11, BUY, 5_100, 100, post_only=True))
    assert refused == Rejected("1", Reason.POST_ONLY_WOULD_CROSS)
    [rested] = market.apply(place("2", 11, BUY, 4_900, 100, post_only=True))
    assert isinstance(rested, Rested)
    [amended] = market.apply(Amend("2", 11, 5_100))
    assert amended == Rejected("2", Reason.POST_ONLY_WOULD_CROSS)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_budget_buys_the_most_that_it_pays_for(side: int) -> None:
    fees = Fees(FeeKind.QUADRATIC, 0, 70_000, 10_000)
    market = Market(binary(fees=fees))
    options = {"is_market": True, "budget_micros": 10 * CREDIT}
    [trade, end] = market.apply(place("1", 11, side, None, None, tif=Tif.IOC, **options))
    assert isinstance(trade, Traded)
    spent = (
        trade.paid_micros
        if side == BUY
        else PAYOUT_PIPS * trade.quantity_lots - (trade.paid_micros)
    )
    spent += trade.taker_fee_micros
    assert 10 * CREDIT - 600_000 < spent <= 10 * CREDIT
    assert end == Ended("1", OrderStatus.FILLED, Reason.BUDGET_SPENT, 0)


def test_reduce_only_is_clipped_to_the_position() -> None:
    market = Market(binary())
    market.apply(market_order("1", 11, BUY, 500))
    [trade, end] = market.apply(market_order("2", 11, SELL, 900, reduce_only=True))
    assert isinstance(trade, Traded)
    assert trade.quantity_lots == 500
    assert end == Ended("2", OrderStatus.CANCELLED, Reason.REDUCE_ONLY, 400)


def test_a_taker_that_can_not_pay_the_maker_stops() -> None:
    market = Market(binary())
    market.set_available(11, CREDIT)
    [end] = market.apply(market_order("1", 11, BUY, 300))
    assert end == Ended("1", OrderStatus.CANCELLED, Reason.INSUFFICIENT_FUNDS, 300)


def test_an_own_order_behind_the_maker_stops_the_taker() -> None:
    market = Market(binary())
    market.apply(place("own", 11, SELL, 5_300, 500))
    events = market.apply(place("buy", 11, BUY, 5_600, 3_000))
    assert [type(event) for event in events] == [Traded, Ended]
    assert events[-1].reason == Reason.SELF_TRADE


def test_a_market_order_reaches_ten_cents_from_the_makers_price() -> None:
    market = Market(binary(1_000))
    [trade, end] = market.apply(market_order("1", 11, BUY, 5_000))
    assert isinstance(trade, Traded)
    assert trade.price_pips < 6_200
    lots = market.maker.count_lots(0, BUY, 6_200)
    assert lots == 0
    assert isinstance(end, Ended)
    assert end.reason == Reason.IMMEDIATE_REMAINDER


def test_alone_no_order_may_rest() -> None:
    market = Market(binary(rests_refused=True))
    assert market.apply(place("1", 11, BUY, 4_000, 100)) == [Rejected("1", Reason.RESTING_REFUSED)]
    [trade, _] = market.apply(place("2", 11, BUY, 5_500, 100, tif=Tif.IOC))
    assert isinstance(trade, Traded)
    assert not market.engine.orders


def test_the_maker_pays_no_fee_and_the_taker_its_own_at_the_average_price() -> None:
    fees = Fees(FeeKind.QUADRATIC, 70_000, 70_000, 1)
    market = Market(binary(fees=fees))
    [trade, _] = market.apply(market_order("1", 11, BUY, 1_000))
    assert isinstance(trade, Traded)
    price = trade.price_pips
    assert trade.taker_fee_micros == -(-70_000 * price * (10_000 - price) * 1_000 // 10**10)
    assert trade.maker_fee_micros == 0


# --- liquidity ------------------------------------------------------------------------------------


def test_anybody_may_add_liquidity_and_has_back_what_is_free() -> None:
    market = Market(binary())
    market.apply(market_order("1", 11, BUY, 2_000))
    price_pips = market.maker.find_price(0, BUY, 100)
    [added] = market.apply(ChangeLiquidity(STRANGER, 5_000))
    assert isinstance(added, LiquidityChanged)
    assert added.b_lots == 15_000
    assert market.maker.find_price(0, BUY, 100) == price_pips
    [taken] = market.apply(ChangeLiquidity(STRANGER, -5_000))
    assert taken == LiquidityChanged(STRANGER, MAKER, 10_000, -added.amount_micros)
    assert market.maker.save().funded_micros == ((FUNDER, market.maker.funded_micros[FUNDER]),)
    market.assert_equal_in_every_way()


def test_nobody_takes_out_what_another_paid_in() -> None:
    market = Market(binary())
    refused = Rejected("", Reason.LIQUIDITY_INVALID)
    assert market.apply(ChangeLiquidity(STRANGER, -100)) == [refused]
    assert market.apply(ChangeLiquidity(FUNDER, -9_901)) == [refused]  # fewer than the least
    assert market.apply(ChangeLiquidity(FUNDER, 0)) == [refused]
    [taken] = market.apply(ChangeLiquidity(FUNDER, -9_900))
    assert isinstance(taken, LiquidityChanged)


def test_liquidity_is_paid_for_or_refused() -> None:
    market = Market(binary())
    [refused] = market.apply(ChangeLiquidity(11, 10**9))
    assert isinstance(refused, Rejected)
    assert refused.reason == Reason.INSUFFICIENT_FUNDS
    assert refused.missing_micros > 0


def test_more_liquidity_meets_the_orders_that_its_narrower_prices_reach() -> None:
    market = Market(binary(100, priors=(1, 1)))
    ask_pips = market.maker.find_price(0, BUY, 100)
    assert ask_pips == 6_300  # one contract of a maker with b = 1
    market.apply(place("bid", 11, BUY, 5_500, 200))
    events = market.apply(ChangeLiquidity(STRANGER, 100_000))
    assert [type(event) for event in events] == [LiquidityChanged, Traded, Ended]
    market.assert_equal_in_every_way()


def test_liquidity_of_a_market_without_a_maker_or_not_open_is_refused() -> None:
    engine = Engine(7)
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 100)), 1, {})
    [event] = engine.execute(ChangeLiquidity(11, 100), 1, {11: RICH})
    assert event == Rejected("", Reason.LIQUIDITY_INVALID)
    market = Market(binary())
    market.apply(Configure(MarketStatus.HALTED, binary()))
    assert market.apply(ChangeLiquidity(FUNDER, 100)) == [Rejected("", Reason.MARKET_NOT_OPEN)]


def test_the_maker_stays_as_it_is_when_the_market_is_configured() -> None:
    market = Market(binary())
    market.apply(market_order("1", 11, BUY, 2_000))
    before = market.maker.save()
    market.apply(Configure(MarketStatus.HALTED, binary()))
    market.apply(Configure(MarketStatus.HALTED, replace(binary(), tick_pips=50)))
    [refused] = market.apply(Configure(MarketStatus.HALTED, binary(20_000)))
    assert refused == Rejected("", Reason.CONFIGURATION_INVALID)
    market.apply(CancelAll(11))
    assert market.maker.save() == before


def test_a_market_without_a_maker_has_the_state_hash_that_it_had() -> None:
    engine = Engine(7)
    engine.execute(Configure(MarketStatus.OPEN, Config(True, 2, 100, 100)), 1, {})
    assert len(engine.dump()) == 6
