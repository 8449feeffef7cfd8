"""What accounts read of themselves and everybody of markets."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from kernel import cache
from kernel.clock import format_time, from_datetime
from markets.models import Group, Market
from trading.api.own import OLDEST_CHANGE_FIRST
from trading.models import Candle, Order
from trading.readmodels.market_data import _listed, _summaries
from trading.readmodels.projections import project_market

pytestmark = pytest.mark.parametrize("door", ["session"], indirect=True)


async def trade(market, buyer, seller, price, quantity):
    await seller.placed(market, f"sell {quantity} YES @ {price}")
    return await buyer.placed(market, f"buy {quantity} YES @ {price}")


@sync_to_async
def hide(market):
    """Let a group have the market to itself."""
    group = Group.objects.create(name=f"Others {market.pk}", slug=f"others-{market.pk}")
    Market.objects.filter(pk=market.pk).update(visibility=Market.Visibility.GROUP, group=group)
    cache.forget_all()


@sync_to_async
def derive(market):
    project_market(market.pk)
    _summaries.forget()
    _listed.forget()


# --- own orders and fills ---------------------------------------------------------------------


async def test_orders_are_listed_newest_first_by_market_and_status(inside, alice, bob):
    here, there = await inside.open_market(), await inside.open_market()
    first = await alice.placed(here, "buy 1 YES @ 0.40", client_order_id="one")
    second = await alice.placed(there, "buy 2 NO @ 0.40")
    await bob.placed(here, "sell 1 YES @ 0.40")
    await bob.placed(here, "buy 1 YES @ 0.10")

    async def ids(**query):
        answer = (await alice.get("orders", **query)).json()
        assert answer["next_cursor"] is None
        return [row["id"] for row in answer["results"]]

    assert await ids() == [second["id"], first["id"]]
    assert await ids(market=here.slug) == [first["id"]]
    assert await ids(status="open") == [second["id"]]
    assert await ids(status="filled") == [first["id"]]
    assert await ids(client_order_id="one") == [first["id"]]
    answer = (await alice.get("orders", limit=1)).json()
    assert [row["id"] for row in answer["results"]] == [second["id"]]
    answer = (await alice.get("orders", limit=1, cursor=answer["next_cursor"])).json()
    assert [row["id"] for row in answer["results"]] == [first["id"]]


async def test_an_order_is_read_as_it_was_answered(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "buy 3 YES @ 0.60")
    placed = await alice.placed(market, "buy 5 NO @ 0.40", client_order_id="my order/7?")
    by_id = await alice.get(f"orders/{placed['id']}")
    by_name = await alice.get("orders/by-client-id/my%20order%2F7%3F")
    expected = {name: value for name, value in placed.items() if name not in ("trades", "hold")}
    assert by_id.json() == by_name.json() == expected
    assert (await bob.get("orders/by-client-id/my%20order%2F7%3F")).status_code == 404
    for path in ("a%00b", "x" * 65, "caf%C3%A9", "other"):
        assert (await alice.get(f"orders/by-client-id/{path}")).status_code == 404, path


async def test_fills_show_both_sides_as_each_entered_it(inside, alice, bob):
    market = await inside.open_market(fee_kind="flat", fee_taker_rate=10_000, fee_maker_rate=0)
    maker = await bob.placed(market, "buy 3 YES @ 0.60", client_order_id="m")
    taker = await alice.placed(market, "buy 3 NO @ 0.40")
    [mine] = (await alice.get("fills")).json()["results"]
    [his] = (await bob.get("fills")).json()["results"]
    assert mine["id"] == his["id"] == taker["trades"][0]["id"]
    assert (mine["outcome"], mine["side"], mine["price"]) == ("NO", "buy", "0.4000")
    assert (his["outcome"], his["side"], his["price"]) == ("YES", "buy", "0.6000")
    assert (mine["role"], mine["fee"]) == ("taker", "0.030000")
    assert (his["role"], his["fee"]) == ("maker", "0.000000")
    assert (his["order_id"], his["client_order_id"]) == (maker["id"], "m")
    assert mine["seq"] == taker["seq"]


async def test_fills_are_paged_over_both_roles_in_order(inside, alice, bob):
    market = await inside.open_market()
    for _ in range(3):
        await trade(market, alice, bob, "0.40", 1)
        await trade(market, bob, alice, "0.40", 1)
    pages, cursor = [], ""
    while cursor is not None:
        answer = (await alice.get("fills", limit=4, cursor=cursor)).json()
        pages.append([row["id"] for row in answer["results"]])
        cursor = answer["next_cursor"]
    assert [len(page) for page in pages] == [4, 2]
    everything = [*pages[0], *pages[1]]
    assert everything == sorted(set(everything), reverse=True)
    order = (await alice.get("orders", limit=1)).json()["results"][0]
    [only] = (await alice.get("fills", order_id=order["id"])).json()["results"]
    assert only["order_id"] == order["id"]


async def test_a_market_or_an_order_that_is_unknown_is_refused_alike_by_every_list(
    inside, alice, bob
):
    market = await inside.open_market(outcomes=3)
    theirs = await bob.placed(market, "buy 1 O1 @ 0.40")
    hidden = await inside.open_market()
    await hide(hidden)
    for slug in ("no-such-market", "NO SUCH", hidden.slug):
        for method, path in (("GET", "orders"), ("GET", "fills"), ("GET", "positions"),
                             ("GET", "tickers"), ("DELETE", "orders")):  # fmt: skip
            answer = await alice.send(method, path, params={"market": slug})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (path, slug)
    for order_id in (theirs["id"], "0" * 32):
        answer = await alice.get("fills", order_id=order_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for path in ("trades", "candles"):
        answer = await alice.get(f"markets/{market.slug}/{path}", outcome="NOPE")
        assert (answer.status_code, answer.json()["code"]) == (422, "outcome_unknown")


async def test_own_orders_in_a_market_that_is_hidden_now_are_still_found(inside, alice, bob):
    market = await inside.open_market()
    await alice.placed(market, "buy 1 YES @ 0.40")
    await hide(market)
    assert len((await alice.get("orders", market=market.slug)).json()["results"]) == 1
    assert (await bob.get("orders", market=market.slug)).status_code == 404
    cancelled = await alice.send("DELETE", "orders", params={"market": market.slug})
    assert cancelled.json()["count"] == 1


async def test_what_changed_since_is_listed_by_the_time_of_the_last_change(inside, alice, bob):
    market = await inside.open_market()
    first, second, third = [
        await alice.placed(market, f"buy 1 YES @ 0.4{digit}") for digit in (1, 2, 3)
    ]
    since = third["updated_at"]
    assert await walk(alice, "orders", since) == [third["id"]]
    await alice.cancel(second["id"])
    await bob.placed(market, "sell 2 YES @ 0.41")  # fills both of them in one commit
    ended = [second["id"], first["id"], third["id"]]
    assert await walk(alice, "orders", since) == ended
    assert await walk(alice, "orders", since, status="cancelled") == [second["id"]]
    assert await walk(alice, "orders", since, market=market.slug, status="open") == []
    assert await walk(alice, "orders", "1950-01-01T00:00:00Z") == ended
    assert await walk(alice, "orders", "2999-01-01T00:00:00Z") == []
    answer = await alice.get("orders", updated_since="yesterday")
    assert (answer.status_code, answer.json()["field"]) == (400, "updated_since")


async def test_fills_since_a_time_are_listed_oldest_first(inside, alice, bob):
    market = await inside.open_market()
    for _ in range(2):
        await trade(market, alice, bob, "0.40", 1)
        await trade(market, bob, alice, "0.40", 1)
    everything = [row["id"] for row in reversed((await alice.get("fills")).json()["results"])]
    first, second = reversed((await alice.get("fills")).json()["results"][2:])
    assert await walk(alice, "fills", first["created_at"]) == everything
    assert await walk(alice, "fills", second["created_at"]) == everything[1:]
    assert await walk(alice, "fills", "1950-01-01T00:00:00Z") == everything
    assert await walk(alice, "fills", "2999-01-01T00:00:00Z") == []
    cursor = (await alice.get("fills", limit=1)).json()["next_cursor"]
    answer = await alice.get("fills", updated_since=first["created_at"], cursor=cursor)
    assert answer.json()["code"] == "bad_cursor"


def test_what_changed_since_is_found_by_index(db, door):
    if connection.vendor != "sqlite":
        return  # there the planner reads a table of no rows as it likes
    orders = Order.objects.filter(account=1, updated_at_us__gte=5)
    plan = orders.order_by(*OLDEST_CHANGE_FIRST)[:50].explain()
    assert "orders_by_last_change" in plan
    assert "TEMP B-TREE" not in plan


async def walk(caller, path, since, **query):
    """Return the ids of a list since a time, page by page."""
    ids, cursor = [], ""
    while cursor is not None:
        answer = await caller.get(path, updated_since=since, limit=1, cursor=cursor, **query)
        assert answer.status_code == 200, answer.text
        ids += [row["id"] for row in answer.json()["results"]]
        cursor = answer.json()["next_cursor"]
    return ids


async def test_bad_cursors_and_filters_are_400(inside, alice):
    market = await inside.open_market()
    for path in ("orders", "fills", "positions", "tickers", f"markets/{market.slug}/trades",
                 f"markets/{market.slug}/candles"):  # fmt: skip
        for query, code in (
            ({"cursor": "nonsense"}, "bad_cursor"),
            ({"cursor": "k6EtaWShYQ"}, "bad_cursor"),
            ({"limit": "0"}, "too_small"),
            ({"limit": "100000"}, "too_large"),
            ({"limit": "\u0661"}, "wrong_type"),
            ({"offset": "3"}, "unknown_field"),
        ):
            answer = await alice.get(path, **query)
            assert (answer.status_code, answer.json()["code"]) == (400, code), (path, query)
    assert (await alice.get("orders", status="odd")).json()["code"] == "invalid_choice"
    assert (await alice.get("portfolio", a=1)).json()["code"] == "unknown_field"


# --- own positions ----------------------------------------------------------------------------


async def test_a_position_shows_what_it_cost_and_what_it_is_worth(inside, alice, bob):
    market = await inside.open_market()
    await trade(market, alice, bob, "0.40", 10)
    await bob.placed(market, "buy 1 YES @ 0.50")
    await bob.placed(market, "sell 1 YES @ 0.54")
    await derive(market)
    [position] = (await alice.get("positions")).json()["results"]
    assert position["market"] == market.slug
    assert (position["locked_collateral"], position["value"]) == ("0.000000", "5.200000")
    assert position["unrealised_profit"] == "1.200000"
    assert position["outcomes"] == [
        {
            "outcome": "YES",
            "position": "10.00",
            "average_price": "0.400000",
            "cost": "4.000000",
            "realised_profit": "0.000000",
            "unrealised_profit": "1.200000",
            "price": "0.520000",
            "price_source": "mid",
        }
    ]
    [short] = (await bob.get("positions")).json()["results"]
    assert (short["locked_collateral"], short["value"]) == ("10.000000", "4.800000")
    assert short["outcomes"][0]["position"] == "-10.00"
    assert short["unrealised_profit"] == "-1.200000"
    shown = (await bob.get("portfolio")).json()
    assert shown["cash"] == "994.000000"  # 4 received, 10 locked
    assert (shown["positions_value"], shown["equity"]) == ("4.800000", "998.800000")
    assert shown["locked_collateral"] == "10.000000"
    assert (shown["open_orders"], shown["markets"]) == (2, 1)
    account = (await bob.get("account")).json()
    assert (account["equity"], account["locked_collateral"]) == ("998.800000", "10.000000")


async def test_complete_sets_are_flat_and_the_worst_short_locks(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    for code in ("O0", "O1", "O2"):
        await bob.placed(market, f"sell 5 {code} @ 0.30")
        await alice.placed(market, f"buy 5 {code} @ 0.30")
    assert [row["position"] for row in await positions(alice)] == ["0.00"] * 3
    await bob.placed(market, "sell 2 O1 @ 0.30")
    await alice.placed(market, "buy 2 O1 @ 0.30")
    assert [row["position"] for row in await positions(alice)] == ["0.00", "2.00", "0.00"]
    assert [row["position"] for row in await positions(bob)] == ["0.00", "-2.00", "0.00"]
    [shown] = (await bob.get("positions")).json()["results"]
    assert shown["locked_collateral"] == "2.000000"


async def positions(caller):
    [shown] = (await caller.get("positions")).json()["results"]
    return shown["outcomes"]


async def test_a_price_nobody_knows_is_null_and_never_made_up(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "sell 5 O0 @ 0.30")
    await alice.placed(market, "buy 5 O0 @ 0.30")
    mine = (await alice.get("portfolio")).json()
    assert mine["positions_value"] == "1.500000"  # the last price, before any statistics
    his = (await bob.get("portfolio")).json()  # owns O1 and O2 now, which never traded
    assert (his["positions_value"], his["equity"]) == (None, None)
    assert (await bob.get("account")).json()["equity"] is None


# --- markets ----------------------------------------------------------------------------------


async def test_trades_are_public_and_name_nobody(inside, alice, bob):
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
    implied: dict[str, list] = {"implied_bids": [], "implied_asks": []}
    assert answer["seq"] == last["seq"]
    assert answer["books"] == [
        {"outcome": "YES", "bids": [["0.4000", "15.00"]], "asks": [["0.4500", "3.00"]], **implied},
        {"outcome": "NO", "bids": [["0.5500", "3.00"]], "asks": [["0.6000", "15.00"]], **implied},
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
