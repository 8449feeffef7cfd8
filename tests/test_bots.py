"""The bots' decisions, as pure functions; and that errors never end a bot."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bots import client, maker, noise
from bots.client import RequestRefusedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOK = {"outcome": "YES", "bids": [["0.5000", "10.00"]], "asks": [["0.5300", "10.00"]]}


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
    weights = maker.start_weights(["0.5000", "0.3000", "0.2000"], random.Random(1))
    assert maker.find_fair(weights) == pytest.approx([0.5, 0.3, 0.2])
    unknown = maker.find_fair(maker.start_weights([None, "0.6000"], random.Random(1)))
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
    orders = [noise.choose_order(BOOK, dice, NOW) or {} for _ in range(200)]
    assert {order["side"] for order in orders} == {"buy", "sell"}
    assert {order.get("type", "limit") for order in orders} == {"limit", "market"}
    assert all(order.get("quantity", 1) <= noise.CONTRACTS[1] for order in orders)
    resting = [order for order in orders if "price" in order]
    assert {(order["side"], order["price"]) for order in resting} == {
        ("buy", "0.5000"),
        ("sell", "0.5300"),
    }
    assert all(datetime.fromisoformat(order["expires_at"]) > NOW for order in resting)


def test_a_noise_trader_leaves_a_one_sided_book_alone():
    assert noise.choose_order({**BOOK, "asks": []}, random.Random(1), NOW) is None


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
    monkeypatch.setattr(client.time, "sleep", seen.append)
    return seen


def test_trouble_makes_a_bot_wait_longer_and_start_over(pauses):
    busy = RequestRefusedError(429, "rate_limited", "too fast", retry_after_seconds=7)
    bot = Script(0.1, ConnectionRefusedError(), busy, 0.2, OSError(), KeyboardInterrupt())
    client.run(bot)
    assert pauses == [0.1, 0.5, 7, 0.2, 0.5]
    assert bot.begun == 4


def test_pauses_are_bounded(pauses):
    client.run(Script(*[OSError()] * 12, KeyboardInterrupt()))
    assert max(pauses) == client.PAUSE_SECONDS_MAX


def test_a_bot_whose_key_was_revoked_ends_with_a_sentence(pauses):
    with pytest.raises(SystemExit, match="401 invalid_credentials: no such key"):
        client.run(Script(RequestRefusedError(401, "invalid_credentials", "no such key")))


def test_a_bot_ends_with_the_process_that_it_follows(pauses, monkeypatch):
    monkeypatch.setenv("PREDEX_FOLLOW", "1")
    monkeypatch.setattr(client.os, "getppid", lambda: 2)
    bot = Script()
    client.run(bot)
    assert bot.begun == 0


def test_a_maker_quotes_one_book_of_a_number_and_none_of_a_withdrawn_outcome():
    def quoted(kind, *withdrawn):
        outcomes = [
            {"code": code, "withdrawn_payout": "0.0000" if code in withdrawn else None}
            for code in ("YES", "NO", "MAYBE")
        ]
        market = {"slug": "x", "tick": "0.01", "kind": kind, "outcomes": outcomes}
        return maker.QuotedMarket(market, [], random.Random(1)).codes

    assert quoted("binary") == quoted("scalar") == ["YES"]
    assert quoted("categorical", "NO") == ["YES", "MAYBE"]
