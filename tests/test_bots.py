"""The bots' decisions, as pure functions; and that errors never end a bot."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from bots import loop, maker, noise
from predex_client import ConnectionLostError, NotAuthenticatedError, TooManyRequestsError
from predex_client.models import Level, OutcomeBook

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BID, ASK = Level(Decimal("0.50"), Decimal(10)), Level(Decimal("0.53"), Decimal(10))
BOOK = OutcomeBook("YES", (BID,), (ASK,))


@pytest.mark.parametrize("tick", ["0.01", "0.001", "0.05"])
@pytest.mark.parametrize("fair", [0.001, 0.02, 0.5, 0.777, 0.999])
def test_quotes_lie_on_the_tick_around_the_fair_value_and_never_cross(fair, tick):
    quotes = maker.build_quotes(fair, tick=Decimal(tick), dice=random.Random(1))
    bids = [quote.price for quote in quotes if quote.side == "buy" and quote.price is not None]
    asks = [quote.price for quote in quotes if quote.side == "sell" and quote.price is not None]
    assert bids or asks
    assert all(0 < price < 1 and price % Decimal(tick) == 0 for price in bids + asks)
    assert all(bid < fair < ask for bid in bids for ask in asks)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)


def test_where_there_is_no_room_for_a_quote_none_is_wanted():
    quotes = maker.build_quotes(0.005, tick=Decimal("0.01"), dice=random.Random(1))
    assert [quote.price for quote in quotes[: maker.LEVELS]] == [None] * maker.LEVELS
    assert all(quote.price is not None for quote in quotes[maker.LEVELS :])


def test_fair_values_start_at_the_prices_that_are_known():
    weights = maker.start_weights(
        [Decimal(1) / 2, Decimal("0.3"), Decimal("0.2")], random.Random(1)
    )
    assert maker.find_fair(weights) == pytest.approx([0.5, 0.3, 0.2])
    unknown = maker.find_fair(maker.start_weights([None, Decimal("0.6")], random.Random(1)))
    assert unknown[1] > unknown[0] > 0


def test_fair_values_drift_and_always_add_up_to_one():
    dice = random.Random(7)
    weights = maker.start_weights([None] * 5, dice)
    first = maker.find_fair(weights)
    for _ in range(2_000):
        weights = maker.drift(weights, dice)
        fair = maker.find_fair(weights)
        assert sum(fair) == pytest.approx(1)
        assert min(fair) > 0.003
    assert fair != first


def test_a_noise_trader_sends_small_orders_of_every_style():
    dice = random.Random(3)
    chosen = [noise.choose_order("x", BOOK, dice, NOW) for _ in range(200)]
    orders = [order for order in chosen if order is not None]
    assert {order.side for order in orders} == {"buy", "sell"}
    assert {order.type or "limit" for order in orders} == {"limit", "market"}
    assert all(int(order.quantity or 1) <= noise.CONTRACTS[1] for order in orders)
    resting = [order for order in orders if order.price is not None]
    assert {(order.side, order.price) for order in resting} == {
        ("buy", BID.price),
        ("sell", ASK.price),
    }
    assert {order.expires_at for order in resting} == {NOW + timedelta(seconds=noise.REST_SECONDS)}


def test_a_noise_trader_leaves_a_one_sided_book_alone():
    one_sided = replace(BOOK, asks=())
    assert noise.choose_order("x", one_sided, random.Random(1), NOW) is None


class Script:
    """A bot whose steps are written down: seconds to wait, or what is raised."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.begun = 0

    def begin(self):
        self.begun += 1

    def step(self):
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step


@pytest.fixture
def pauses(monkeypatch):
    """Seconds that a bot would have slept."""
    seen: list[float] = []
    monkeypatch.setattr(loop.time, "sleep", seen.append)
    return seen


def test_trouble_makes_a_bot_wait_longer_and_start_over(pauses):
    busy = TooManyRequestsError(429, "rate_limited", "too fast", retry_after=7)
    lost = ConnectionLostError()
    bot = Script(0.1, lost, busy, 0.2, lost, KeyboardInterrupt())
    loop.run(bot)
    assert pauses == [0.1, 0.5, 7, 0.2, 0.5]
    assert bot.begun == 4


def test_pauses_are_bounded(pauses):
    loop.run(Script(*[ConnectionLostError()] * 12, KeyboardInterrupt()))
    assert max(pauses) == loop.PAUSE_SECONDS_MAX


def test_a_bot_whose_key_was_revoked_ends_with_a_sentence(pauses):
    with pytest.raises(SystemExit, match="invalid_credentials: no such key"):
        loop.run(Script(NotAuthenticatedError(401, "invalid_credentials", "no such key")))


def test_a_bot_ends_with_the_process_that_it_follows(pauses, monkeypatch):
    monkeypatch.setenv("PREDEX_FOLLOW", "1")
    monkeypatch.setattr(loop.os, "getppid", lambda: 2)
    bot = Script()
    loop.run(bot)
    assert bot.begun == 0


def test_a_maker_quotes_one_book_of_a_number_and_none_of_a_withdrawn_outcome():
    def quoted(kind, *withdrawn):
        outcomes = [
            SimpleNamespace(code=code, withdrawn_payout=Decimal(0) if code in withdrawn else None)
            for code in ("YES", "NO", "MAYBE")
        ]
        tick = Decimal("0.01")
        market = SimpleNamespace(slug="x", tick=tick, kind=kind, outcomes=outcomes)
        return maker.QuotedMarket(market, [], random.Random(1)).codes

    assert quoted("binary") == quoted("scalar") == ["YES"]
    assert quoted("categorical", "NO") == ["YES", "MAYBE"]
