"""Public reads: trades, books, tickers, candles, prices."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from kernel.clock import format_time, from_datetime
from tests.api.exchange import derive, trade
from trading.models import Candle, Order
from trading.readmodels.market_data import _summaries

pytestmark = pytest.mark.parametrize("credential", ["session"], indirect=True)


async def test_trades_are_public_without_accounts(inside, alice, bob):
    market = await inside.open_market()
    await trade(market, alice, bob, "0.40", 10)
    await bob.placed(market, "buy 4 YES @ 0.35")
    await alice.placed(market, "buy 4 NO @ 0.65")
    stranger = inside.stranger()
    answer = (await stranger.get(f"markets/{market.slug}/trades")).json()
    shown = [(row["price"], row["quantity"], row["taker_side"]) for row in answer["results"]]
    assert shown == [("0.3500", "4.00", "sell"), ("0.4000", "10.00", "buy")]
    assert set(answer["results"][0]) == {
        "id", "outcome", "price", "quantity", "taker_side", "seq", "created_at", "match_id",
    }  # fmt: skip
    page = (await stranger.get(f"markets/{market.slug}/trades", limit=1)).json()
    assert len(page["results"]) == 1
    assert page["next_cursor"]


async def test_a_book_is_of_one_sequence_number_and_sums_its_levels(inside, alice, bob):
    market = await inside.open_market()
    await alice.placed(market, "buy 10 YES @ 0.40")
    await bob.placed(market, "buy 5 YES @ 0.40")
    last = await bob.placed(market, "sell 3 YES @ 0.45")
    answer = (await inside.stranger().get(f"markets/{market.slug}/book")).json()
    assert answer["seq"] == last["seq"]
    assert answer["books"] == [
        {"outcome": "YES", "bids": [["0.4000", "15.00"]], "asks": [["0.4500", "3.00"]]},
        {"outcome": "NO", "bids": [["0.5500", "3.00"]], "asks": [["0.6000", "15.00"]]},
    ]


async def test_what_the_other_outcomes_offer_is_shown_as_implied(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await alice.placed(market, "buy 10 O0 @ 0.30")
    await alice.placed(market, "buy 5 O0 @ 0.20")
    await bob.placed(market, "buy 8 O1 @ 0.40")
    stranger = inside.stranger()
    books = (await stranger.get(f"markets/{market.slug}/book")).json()["books"]
    assert books[2] == {
        "outcome": "O2",
        "bids": [],
        "asks": [],
        "implied_bids": [],
        # With both bids; then one of them is used up, and the other pays for a set alone.
        "implied_asks": [["0.3000", "8.00"], ["0.7000", "2.00"], ["0.8000", "5.00"]],
    }
    tickers = (await stranger.get("tickers", market=market.slug)).json()["results"]
    assert [(row["ask"], row["implied_ask"], row["implied_ask_quantity"]) for row in tickers] == [
        (None, "0.6000", "8.00"),
        (None, "0.7000", "10.00"),
        (None, "0.3000", "8.00"),
    ]
    order = {"market": market.slug, "outcome": "O2", "side": "buy", "price": "0.70", "quantity": 9}
    preview = (await bob.send("POST", "orders/preview", json=order)).json()
    assert (preview["filled"], preview["filled_across"]) == ("9.00", "9.00")
    placed = (await bob.send("POST", "orders", json=order)).json()
    assert [(row["price"], row["quantity"]) for row in placed["trades"]] == [
        ("0.3000", "8.00"),
        ("0.7000", "1.00"),
    ]
    trades = (await stranger.get(f"markets/{market.slug}/trades")).json()["results"]
    assert [(row["outcome"], row["price"], row["quantity"]) for row in trades] == [
        ("O0", "0.3000", "1.00"),
        ("O2", "0.7000", "1.00"),
        ("O1", "0.4000", "8.00"),
        ("O0", "0.3000", "8.00"),
        ("O2", "0.3000", "8.00"),
    ]
    assert {row["match_id"] for row in trades[2:]} == {trades[4]["id"]}
    assert {row["match_id"] for row in trades[:2]} == {trades[1]["id"]}


async def test_tickers_show_every_live_market_at_a_glance(inside, alice, bob):
    market, quiet = await inside.open_market(), await inside.open_market(outcomes=3)
    await trade(market, alice, bob, "0.40", 10)
    await trade(market, alice, bob, "0.45", 2)
    await alice.placed(market, "buy 7 YES @ 0.41")
    last = await bob.placed(market, "sell 8 YES @ 0.47")
    await derive(market)
    rows = (await inside.stranger().get("tickers")).json()["results"]
    assert rows[0] == {
        "market": market.slug,
        "outcome": "YES",
        "last": "0.4500",
        "bid": "0.4100",
        "bid_quantity": "7.00",
        "ask": "0.4700",
        "ask_quantity": "8.00",
        "implied_bid": None,
        "implied_bid_quantity": "0.00",
        "implied_ask": None,
        "implied_ask_quantity": "0.00",
        "maker_bid": None,
        "maker_ask": None,
        "volume_24h": "12.00",
        "change_24h": "0.0500",
        "open_interest": "12.00",
        "seq": last["seq"],
    }
    assert [(row["market"], row["outcome"]) for row in rows[1:]] == [
        (quiet.slug, "O0"),
        (quiet.slug, "O1"),
        (quiet.slug, "O2"),
    ]
    assert (rows[1]["last"], rows[1]["bid"], rows[1]["bid_quantity"]) == (None, None, "0.00")
    page = (await alice.get("tickers", limit=2)).json()
    rest = (await alice.get("tickers", limit=2, cursor=page["next_cursor"])).json()
    assert page["results"] + rest["results"] == rows
    assert rest["next_cursor"] is None
    [only] = (await alice.get("tickers", market=market.slug)).json()["results"]
    assert only == rows[0]


async def test_a_days_change_counts_from_the_price_a_day_ago(inside, alice, bob):
    market = await inside.open_market()
    await trade(market, alice, bob, "0.40", 10)
    await derive(market)
    await sync_to_async(add_candle)(market, minutes_ago=3_000, price_pips=2_500)
    _summaries.forget()
    [row] = (await alice.get("tickers", market=market.slug)).json()["results"]
    assert (row["change_24h"], row["volume_24h"]) == ("0.1500", "10.00")


def add_candle(market, *, minutes_ago, price_pips, **fields):
    minute = int(timezone.now().timestamp()) // 60 - minutes_ago
    prices = dict.fromkeys(("open_pips", "high_pips", "low_pips", "close_pips"), price_pips)
    values = {"volume_lots": 100, "trades": 1, "seq": 1, **prices, **fields}
    return Candle.objects.create(market=market, outcome_index=0, minute=minute, **values)


async def test_candles_are_put_together_by_interval(inside, alice):
    market = await inside.open_market()
    for minute, (opened, high, low, closed) in {
        6_000: (4_000, 4_500, 3_900, 4_200),
        6_003: (4_300, 4_400, 4_100, 4_400),
        6_004: (None, None, None, None),
        6_007: (4_600, 4_700, 4_600, 4_650),
    }.items():
        await Candle.objects.acreate(
            market=market, outcome_index=0, minute=minute, open_pips=opened, high_pips=high,
            low_pips=low, close_pips=closed, bid_pips=minute - 2_000, ask_pips=None,
            volume_lots=100, open_interest_lots=minute, trades=2, seq=minute,
        )  # fmt: skip
    path = f"markets/{market.slug}/candles"
    five = (await alice.get(path, interval="5m")).json()["results"]
    assert [bar["start"] for bar in five] == [
        "1970-01-05T04:05:00.000000Z",
        "1970-01-05T04:00:00.000000Z",
    ]
    assert five[1] == {
        "start": "1970-01-05T04:00:00.000000Z",
        "open": "0.4000",
        "high": "0.4500",
        "low": "0.3900",
        "close": "0.4400",
        "bid": "0.4004",
        "ask": None,
        "volume": "3.00",
        "trades": 6,
        "open_interest": "60.04",
        "seq": 6_004,
        "carried": False,
    }
    assert len((await alice.get(path)).json()["results"]) == 4
    [day] = (await alice.get(path, interval="1d")).json()["results"]
    assert (day["open"], day["high"], day["close"]) == ("0.4000", "0.4700", "0.4650")
    [no] = (await alice.get(path, interval="1d", outcome="NO")).json()["results"]
    assert (no["open"], no["high"], no["low"]) == ("0.6000", "0.6100", "0.5300")
    assert (no["bid"], no["ask"]) == (None, "0.5993")
    page = (await alice.get(path, interval="5m", limit=1)).json()
    rest = (await alice.get(path, interval="5m", limit=1, cursor=page["next_cursor"])).json()
    assert page["results"] + rest["results"] == five
    ranged = (
        await alice.get(path, start="1970-01-05T04:03:00Z", end="1970-01-05T04:07:00Z")
    ).json()
    assert [bar["seq"] for bar in ranged["results"]] == [6_004, 6_003]
    answer = await alice.get(path, interval="5m", cursor=page["next_cursor"].replace("M", "N"))
    assert answer.status_code in (200, 400)
    assert (await alice.get(path, interval="2m")).json()["code"] == "invalid_choice"


async def test_candles_of_a_quiet_window_carry_the_last_price_in(inside, alice):
    market = await inside.open_market()
    path, now = f"markets/{market.slug}/candles", timezone.now()
    hour = {"start": format_time(from_datetime(now - timedelta(hours=1)))}
    assert (await alice.get(path, **hour)).json()["results"] == []  # nothing is known yet
    await sync_to_async(add_candle)(
        market, minutes_ago=500, price_pips=6_200, open_interest_lots=700, seq=7
    )
    await sync_to_async(add_candle)(
        market, minutes_ago=400, price_pips=None, bid_pips=6_000, open_interest_lots=700,
        volume_lots=0, trades=0, seq=9,
    )  # fmt: skip
    [quiet] = (await alice.get(path, **hour)).json()["results"]
    assert [quiet[name] for name in ("open", "high", "low", "close")] == ["0.6200"] * 4
    assert (quiet["carried"], quiet["trades"], quiet["volume"]) == (True, 0, "0.00")
    assert (quiet["bid"], quiet["open_interest"], quiet["seq"]) == ("0.6000", "7.00", 9)
    assert hour["start"] <= quiet["start"] < format_time(from_datetime(now))
    [no] = (await alice.get(path, outcome="NO", **hour)).json()["results"]
    assert (no["close"], no["ask"], no["carried"]) == ("0.3800", "0.4000", True)
    await sync_to_async(add_candle)(market, minutes_ago=5, price_pips=6_500)
    both = (await alice.get(path, **hour)).json()["results"]
    assert [(bar["close"], bar["carried"]) for bar in both] == [("0.6500", False), ("0.6200", True)]
    page = (await alice.get(path, limit=1, **hour)).json()
    rest = (await alice.get(path, limit=1, cursor=page["next_cursor"], **hour)).json()
    assert (page["results"] + rest["results"], rest["next_cursor"]) == (both, None)
    quoted = (await alice.get(path)).json()["results"]  # of all time: nothing to carry in
    assert [(bar["close"], bar["carried"]) for bar in quoted] == [
        ("0.6500", False), ("0.6200", True), ("0.6200", False),
    ]  # fmt: skip
    later = format_time(from_datetime(now + timedelta(hours=1)))
    assert (await alice.get(path, start=later)).json()["results"] == []


async def test_prices_are_the_middle_or_the_last_or_null(inside, alice, bob):
    market = await inside.open_market()
    path = f"markets/{market.slug}/prices"

    async def price():
        yes, no = (await alice.get(path)).json()["prices"]
        return (yes["price"], no["price"], yes["source"], yes["spread_is_wide"])

    assert await price() == (None, None, None, True)
    await alice.placed(market, "buy 5 YES @ 0.30")
    await bob.placed(market, "sell 5 YES @ 0.70")
    assert await price() == (None, None, None, True)  # never a made-up 0.5
    await alice.placed(market, "buy 1 YES @ 0.70")
    assert await price() == ("0.700000", "0.300000", "last", True)
    await bob.placed(market, "sell 5 YES @ 0.35")
    assert await price() == ("0.325000", "0.675000", "mid", False)
    yes, no = (await alice.get(path)).json()["prices"]
    assert (yes["bid"], yes["ask"], yes["last"]) == ("0.3000", "0.3500", "0.7000")
    assert (no["bid"], no["ask"], no["last"]) == ("0.6500", "0.7000", "0.3000")


async def test_reads_of_orders_need_a_log_in_and_public_reads_do_not(inside):
    market, stranger = await inside.open_market(), inside.stranger()
    for path in ("orders", "fills", "positions", "portfolio", f"orders/{'0' * 32}"):
        assert (await stranger.get(path)).status_code == 401, path
    for path in ("tickers", *(f"markets/{market.slug}/{what}"
                              for what in ("book", "trades", "candles", "prices"))):  # fmt: skip
        assert (await stranger.get(path)).status_code == 200, path
    assert await Order.objects.acount() == 0
