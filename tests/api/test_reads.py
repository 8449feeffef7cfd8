"""Reads of an account's own data."""

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from kernel import cache
from markets.models import Group, Market
from tests.api.exchange import derive, trade
from trading.api.own import OLDEST_CHANGE_FIRST
from trading.models import Order

pytestmark = pytest.mark.parametrize("credential", ["session"], indirect=True)


@sync_to_async
def hide(market):
    """Let a group have the market to itself."""
    group = Group.objects.create(name=f"Others {market.pk}", slug=f"others-{market.pk}")
    Market.objects.filter(pk=market.pk).update(visibility=Market.Visibility.GROUP, group=group)
    cache.forget_all()


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
    expected = {
        name: value for name, value in placed.items() if name not in ("trades", "hold", "legs")
    }
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


def test_what_changed_since_is_found_by_index(db, credential):
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


async def test_an_unknown_price_is_null_and_never_invented(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "sell 5 O0 @ 0.30")
    await alice.placed(market, "buy 5 O0 @ 0.30")
    mine = (await alice.get("portfolio")).json()
    assert mine["positions_value"] == "1.500000"  # the last price, before any statistics
    his = (await bob.get("portfolio")).json()  # owns O1 and O2 now, which never traded
    assert (his["positions_value"], his["equity"]) == (None, None)
    assert (await bob.get("account")).json()["equity"] is None
