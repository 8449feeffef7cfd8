"""Kalshi's API against the running program, by requests that a program signs itself."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.conftest import Site
from tests.compat.kalshi import PATH, Town, assert_fields
from tests.e2e.people import wait_for
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def town(site: Site) -> Town:
    return Town(site)


def candles(**query: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"start_ts": now - 3_600, "end_ts": now + 60, "period_interval": 1, **query}


def test_market_data_is_public_and_has_every_field_of_every_year(town: Town):
    http = httpx.Client(base_url=f"{town.site.exchange.base_url}{PATH}/", timeout=PATIENCE_SECONDS)

    def get(path: str, **query: Any) -> Any:
        answer = http.get(path, params=query or None)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    assert_fields("ExchangeStatus", get("exchange/status"))
    assert_fields("Schedule", get("exchange/schedule")["schedule"])
    assert_fields("WeeklySchedule", get("exchange/schedule")["schedule"]["standard_hours"][0])
    assert get("exchange/announcements") == {"announcements": []}
    assert get("exchange/user_data_timestamp")["as_of_time"].endswith("Z")
    assert get("historical/cutoff")["trades_created_ts"].startswith("1970")
    series = get("series")["series"]
    assert_fields("Series", series[-1])
    assert get(f"series/{series[-1]['ticker']}")["series"] == series[-1]
    events = get("events", with_nested_markets="true")
    assert_fields("GetEventsResponse", events)
    nominee = next(one for one in events["events"] if one["event_ticker"] == town.nominee)
    assert_fields("EventData", nominee)
    assert nominee["mutually_exclusive"] is True
    assert [one["yes_sub_title"] for one in nominee["markets"]] == ["Ann", "Bo", "Cy"]
    event = get(f"events/{town.nominee}")
    assert_fields("GetEventResponse", event)
    assert_fields("GetEventMetadataResponse", get(f"events/{town.nominee}/metadata"))
    found = get("markets", limit=2)
    assert_fields("GetMarketsResponse", found)
    tickers = [one["ticker"] for one in found["markets"]]
    while found["cursor"]:
        found = get("markets", limit=2, cursor=found["cursor"])
        tickers += [one["ticker"] for one in found["markets"]]
    assert len(tickers) == len(set(tickers)) == 6
    for shown in get("markets")["markets"]:
        assert_fields("Market", shown)
        assert_fields("PriceRange", shown["price_ranges"][0])
    assert [one["ticker"] for one in get("markets", series_ticker="OTHER")["markets"]] == tickers
    book = get(f"markets/{town.binary}/orderbook")
    assert_fields("GetMarketOrderbookResponse", book)
    assert_fields("Orderbook", book["orderbook"])
    assert_fields("OrderbookCountFp", book["orderbook_fp"])
    assert book["orderbook"] == {
        "yes": [[40, 7]], "no": [[40, 7]],
        "yes_dollars": [["0.4000", "7"]], "no_dollars": [["0.4000", "7"]],
    }  # fmt: skip
    assert book["orderbook_fp"]["no_dollars"] == [["0.4000", "7.00"]]
    both = get("markets/orderbooks", tickers=[town.binary, f"{town.nominee}_BO"])
    assert [one["ticker"] for one in both["orderbooks"]] == [town.binary, f"{town.nominee}_BO"]
    trades = get("markets/trades", ticker=f"{town.nominee}_BO")
    assert_fields("GetTradesResponse", trades)
    [trade] = trades["trades"]
    assert_fields("Trade", trade)
    assert (trade["yes_price"], trade["count"], trade["taker_side"]) == (60, 3, "yes")
    assert len(get("markets/trades")["trades"]) == 4
    for name in ("incentive_programs", "milestones", "structured_targets"):
        assert get(name)[name] == []


def test_candles_have_quotes_always_and_prices_where_there_was_a_trade(town: Town):
    get, name = town.alice.get, f"series/OTHER/markets/{town.binary}/candlesticks"
    wait_for(lambda: get(name, **candles())["candlesticks"])
    first = get(name, **candles())["candlesticks"][0]
    assert_fields("MarketCandlestick", first)
    assert_fields("BidAskDistribution", first["yes_bid"])
    assert (first["price"]["close"], first["yes_bid"]["close"], first["volume"]) == (60, 40, 3)
    together = get("markets/candlesticks", market_tickers=town.binary, **candles())["markets"]
    assert_fields("MarketCandlesticksResponse", together[0])
    assert together[0]["candlesticks"][0] == first
    of_event = get(f"series/OTHER/events/{town.nominee}/candlesticks", **candles())
    assert_fields("GetEventCandlesticksResponse", of_event)
    assert of_event["market_tickers"] == [f"{town.nominee}_{code}" for code in ("ANN", "BO", "CY")]
    later = int(time.time()) + 3_600
    after = get(name, start_ts=later, end_ts=later + 60, period_interval=1,
                include_latest_before_start="true")["candlesticks"]  # fmt: skip
    assert after[0]["price"]["close"] is None
    assert after[0]["price"]["previous"] == 60


def test_results_are_told_in_the_words_that_a_program_knows(town: Town):
    settled, void = town.market(town.settled), town.market(town.void)
    assert (settled["status"], settled["result"]) == ("finalized", "yes")
    assert (settled["settlement_value"], settled["settlement_value_dollars"]) == (100, "1.0000")
    assert (void["result"], void["settlement_value"]) == ("scalar", None)
    for agent in ("OpenAPI-Generator/2.1.0/python", "OpenAPI-Generator/3.2.0/python"):
        headers = {"User-Agent": agent}
        url = f"{town.site.exchange.base_url}{PATH}/markets/{town.void}"
        old = httpx.get(url, headers=headers, timeout=PATIENCE_SECONDS).json()["market"]
        assert (old["status"], old["result"]) == ("settled", "")
    [row] = town.bob.get("portfolio/settlements", ticker=town.settled)["settlements"]
    assert_fields("Settlement", row)
    assert (row["market_result"], row["yes_count"], row["revenue"]) == ("yes", 3, 300)
    assert row["yes_total_cost_dollars"] == "1.8000"
    results = {one["ticker"]: one for one in town.alice.get("portfolio/settlements")["settlements"]}
    assert results[town.void]["market_result"] == "scalar"
    assert results[town.settled]["no_count"] == 3


def test_an_account_sees_its_own_in_every_form(town: Town):
    balance = town.bob.get("portfolio/balance")
    assert_fields("GetBalanceResponse", balance)
    assert balance["balance_dollars"].startswith(str(balance["balance"] // 100))
    value = town.alice.get("portfolio/summary/total_resting_order_value")
    assert_fields("GetPortfolioRestingOrderTotalValueResponse", value)
    positions = town.alice.get("portfolio/positions", ticker=f"{town.nominee}_BO")
    assert_fields("GetPositionsResponse", positions)
    [position], [of_event] = positions["market_positions"], positions["event_positions"]
    assert_fields("MarketPosition", position)
    assert_fields("EventPosition", of_event)
    assert (position["position"], position["market_exposure_dollars"]) == (-3, "1.2000")
    assert of_event["event_ticker"] == town.nominee
    fills = town.bob.get("portfolio/fills", ticker=town.binary)
    assert_fields("GetFillsResponse", fills)
    [fill] = fills["fills"]
    assert_fields("Fill", fill)
    assert (fill["count"], fill["is_taker"], fill["action"], fill["side"]) == (
        3,
        True,
        "buy",
        "yes",
    )
    assert town.bob.get("portfolio/fills", order_id=fill["order_id"])["fills"] == [fill]
    orders = town.alice.get("portfolio/orders", ticker=town.binary, status="resting", limit=1)
    assert_fields("GetOrdersResponse", orders)
    assert_fields("Order", orders["orders"][0])
    rest = town.alice.get("portfolio/orders", ticker=town.binary, cursor=orders["cursor"])
    assert rest["orders"][0]["fill_count"] == 3
    limits = town.alice.get("account/limits")
    assert_fields("GetAccountApiLimitsResponse", limits)
    assert_fields("BucketLimit", limits["read"])
    assert town.alice.get("account/endpoint_costs")["default_cost"] == 1


def test_orders_of_2026_rest_fill_amend_decrease_and_end(town: Town):
    alice, bob, path = town.alice, town.bob, "portfolio/events/orders"
    market = f"{town.nominee}_CY"
    name = str(uuid.uuid4())
    placed = alice.place(market, "ask 10 @ 0.3000", client_order_id=name)
    assert_fields("CreateOrderV2Response", placed)
    assert (placed["fill_count"], placed["remaining_count"]) == ("0.00", "10.00")
    again = {"ticker": market, "side": "ask", "count": "10", "price": "0.3000",
             "time_in_force": "good_till_canceled", "client_order_id": name}  # fmt: skip
    assert alice.send("POST", path, again).status_code == 409
    taken = bob.place(market, "bid 4 @ 0.35", time_in_force="immediate_or_cancel")
    assert (taken["fill_count"], taken["average_fill_price"]) == ("4.00", "0.3000")
    own = f"{path}/{placed['order_id']}"
    amended = alice.call("POST", f"{own}/amend", {**again, "price": "0.31", "count": "12"},
                         expect=200)  # fmt: skip
    assert_fields("AmendOrderV2Response", amended)
    assert amended["remaining_count"] == "8.00"
    assert alice.order(placed["order_id"])["yes_price_dollars"] == "0.3100"
    less = alice.call("POST", f"{own}/decrease", {"reduce_by": "3"}, expect=200)
    assert_fields("DecreaseOrderV2Response", less)
    assert less["remaining_count"] == "5.00"
    less = alice.call("POST", f"{own}/decrease", {"reduce_to": "2"}, expect=200)
    assert less["remaining_count"] == "2.00"
    ended = alice.call("DELETE", own)
    assert_fields("CancelOrderV2Response", ended)
    assert (ended["reduced_by"], ended["fill_count"]) == ("2.00", "4.00")
    order = alice.order(placed["order_id"])
    assert (order["status"], order["fill_count"], order["remaining_count"]) == ("canceled", 4, 0)
    assert order["maker_fill_cost_dollars"] == "2.8000"
    assert alice.send("DELETE", own).status_code == 409
    batch = [again | {"client_order_id": str(uuid.uuid4()), "price": price}
             for price in ("0.40", "0.41", "7")]  # fmt: skip
    made = alice.call("POST", f"{path}/batched", {"orders": batch})["orders"]
    assert [one.get("error") is None for one in made] == [True, True, False]
    named = [{"order_id": one["order_id"]} for one in made[:2]] + [{"order_id": name}]
    gone = alice.call("DELETE", f"{path}/batched", {"orders": named})["orders"]
    assert_fields("BatchCancelOrdersV2ResponseOrdersInner", gone[0])
    assert [one["reduced_by"] for one in gone] == ["10.00", "10.00", "0.00"]
    later = int(time.time()) + 3_600
    kept = alice.place(market, "ask 1 @ 0.50", expiration_time=later)
    assert alice.order(kept["order_id"])["expiration_time"] is not None
    assert alice.call("DELETE", path, expect=204) is None
    assert alice.order(kept["order_id"])["status"] == "canceled"
    assert alice.get("portfolio/orders", status="resting")["orders"] == []


@pytest.mark.parametrize("is_categorical", [False, True])
def test_orders_of_2025_are_for_yes_or_no_in_cents_or_dollars(town: Town, is_categorical: bool):
    alice, path = town.alice, "portfolio/orders"
    ticker = town.open_three("Who was it?") + "_ANN" if is_categorical else town.open("Was it?")
    body = {"ticker": ticker, "side": "no", "action": "buy", "count": 5, "no_price": 30,
            "client_order_id": str(uuid.uuid4()), "type": "limit"}  # fmt: skip
    order = alice.call("POST", path, body)["order"]
    assert_fields("Order", order)
    shown = {name: order[name] for name in ("side", "action", "book_side", "yes_price", "no_price")}
    assert shown == {
        "side": "no", "action": "buy", "book_side": "ask", "yes_price": 70, "no_price": 30,
    }  # fmt: skip
    own = f"{path}/{order['order_id']}"
    change = {**body, "no_price_dollars": "0.31", "no_price": None, "count": 6}
    changed = alice.call("POST", f"{own}/amend", change, expect=200)
    assert_fields("AmendOrderResponse", changed)
    assert [changed[name]["no_price"] for name in ("old_order", "order")] == [30, 31]
    less = alice.call("POST", f"{own}/decrease", {"reduce_by": 1}, expect=200)
    assert less["order"]["remaining_count"] == 5
    dear = {**body, "side": "yes", "no_price": None, "client_order_id": str(uuid.uuid4())}
    bought = town.bob.call("POST", path, {**dear, "buy_max_cost": 200, "yes_price": 99})["order"]
    assert (bought["status"], bought["fill_count"]) == ("canceled", 0)
    taker = {**dear, "type": "market", "count": 2, "client_order_id": None}
    bought = town.bob.call("POST", path, taker)["order"]
    assert (bought["status"], bought["taker_fill_cost"]) == ("executed", 138)
    ended = alice.call("DELETE", own)
    assert_fields("CancelOrderResponse", ended)
    assert (ended["reduced_by"], ended["order"]["maker_fill_cost_dollars"]) == (3, "0.6200")
    batch = [{**body, "client_order_id": str(uuid.uuid4())} for _ in range(3)]
    made = alice.call("POST", f"{path}/batched", {"orders": [*batch, {}]})["orders"]
    assert [one["error"] is None for one in made] == [True] * 3 + [False]
    ids = [one["order"]["order_id"] for one in made[:3]]
    forms = [{"ids": [ids[0]]}, {"order_ids": [ids[1]]}, {"orders": [{"order_id": ids[2]}]}]
    for one in made[:3]:
        shown = {name: one["order"][name] for name in ("side", "action", "book_side", "no_price")}
        assert shown == {"side": "no", "action": "buy", "book_side": "ask", "no_price": 30}
    for form in forms:
        [gone] = alice.call("DELETE", f"{path}/batched", form)["orders"]
        assert_fields("BatchCancelOrdersIndividualResponse", gone)
        assert gone["order"]["status"] == "canceled"


def test_an_event_has_the_fees_of_its_market_and_quotes_of_before(town: Town):
    for fees, kind, multiplier in (
        ({"fee_kind": "quadratic", "fee_taker_rate": "0.035"}, "quadratic", 0.5),
        ({"fee_kind": "quadratic", "fee_taker_rate": "0.07", "fee_maker_rate": "0.0175"},
         "quadratic_with_maker_fees", 1),
        ({"fee_kind": "flat", "fee_taker_rate": "0.01"}, "flat", 1),
        ({"fee_kind": "none"}, "quadratic", 0),
    ):  # fmt: skip
        ticker = town.open(f"What does {len(str(fees))} cost?", **fees)
        event = town.alice.get(f"events/{ticker}")["event"]
        shown = (event["fee_type_override"], event["fee_multiplier_override"])
        assert shown == (kind, multiplier)
    town.alice.place(ticker, "bid 1 @ 0.30")
    wait_for(lambda: town.market(ticker)["yes_bid"] == 30)
    wait_for(lambda: town.market(ticker)["previous_yes_bid"] == 30)
    town.site.exchange.manage("shell", "-c", A_DAY_AGO.format(ticker.lower()))
    market = town.market(ticker)
    assert (market["previous_yes_bid_dollars"], market["previous_yes_ask"]) == ("0.2200", 44)


A_DAY_AGO = """
import time
from markets.models import Market
from trading.models import Candle
Candle.objects.create(market=Market.objects.get(slug={0!r}), outcome_index=0, seq=0,
    minute=int(time.time()) // 60 - 25 * 60, bid_pips=2200, ask_pips=4400)
"""


def test_the_lower_side_of_a_scalar_market_is_its_no(town: Town):
    title = "How warm is it?"
    ticker = town.open(title, kind="scalar", low="0", high="40", unit="C")
    assert town.market(ticker)["market_type"] == "scalar"
    body = {"ticker": ticker, "side": "no", "action": "buy", "count": 2, "no_price": 30,
            "type": "limit"}  # fmt: skip
    order = town.alice.call("POST", "portfolio/orders", body)["order"]
    assert (order["side"], order["yes_price"]) == ("no", 70)
    town.alice.call("DELETE", f"portfolio/orders/{order['order_id']}")
    for wrong in (f"{ticker}_NO", f"{ticker}_X", town.nominee, f"{town.nominee}_X", "NONE"):
        sent = town.alice.send("POST", "portfolio/orders", body | {"ticker": wrong})
        assert sent.status_code == 404, (wrong, sent.text)
    batch = {"orders": [body | {"ticker": town.nominee}]}
    [refused] = town.alice.call("POST", "portfolio/orders/batched", batch)["orders"]
    assert refused["error"]["code"] == "not_found"


ODD = ["", "0", "-1", "x", "NaN", "99999999999999999999", "%00", "é", "1e9", "[]", "a" * 300]


def test_odd_input_is_refused_and_never_fails(town: Town):
    alice = town.alice
    names = ("limit", "cursor", "ticker", "tickers", "event_ticker", "series_ticker", "status",
             "min_ts", "max_close_ts", "start_ts", "end_ts", "period_interval", "market_tickers",
             "order_id", "subaccount", "depth", "settlement_status", "market_ticker")  # fmt: skip
    lists = ("markets", "events", "markets/trades", "portfolio/orders", "portfolio/fills",
             "portfolio/positions", "portfolio/settlements", "markets/orderbooks", "series",
             "markets/candlesticks", f"markets/{town.binary}/orderbook")  # fmt: skip
    for path in lists:
        for name in names:
            answer = alice.send("GET", path, **{name: ODD[sum(map(ord, path + name)) % len(ODD)]})
            assert answer.status_code < 500, (path, name, answer.text)
    for odd in filter(None, ODD):
        for path in ("markets/{}", "events/{}", "series/{}", "markets/{}/orderbook"):
            answer = alice.http.get(f"{PATH}/{path.format(odd)}")
            assert answer.status_code in (200, 400, 404, 405), (path, odd, answer.text)
    for path in ("portfolio/orders", "portfolio/events/orders", "portfolio/orders/batched",
                 "portfolio/events/orders/batched", "api_keys", "api_keys/generate",
                 f"portfolio/orders/{uuid.uuid4()}/amend",
                 f"portfolio/events/orders/{uuid.uuid4()}/decrease"):  # fmt: skip
        for body in (None, [], {}, "x", {"orders": []}, {"orders": [None, 1, "x"]}, {"ticker": 1},
                     {"ticker": town.binary, "side": "bid", "count": "1e3", "price": []},
                     {"ticker": town.binary, "side": "yes", "action": "buy", "count": 2**70},
                     ):  # fmt: skip
            answer = alice.send("POST", path, body)
            assert 400 <= answer.status_code < 500 or path.endswith("batched"), (path, answer.text)
    assert alice.send("PATCH", "markets").status_code == 405
    assert alice.send("GET", "fcm/orders").status_code == 404


def test_a_group_stops_its_orders_and_an_order_knows_its_place(town: Town):
    alice, bob = town.alice, town.bob
    ticker = town.open("Does a group stop?")
    bob.place(ticker, "ask 4 @ 0.50")
    group = alice.call("POST", "portfolio/order_groups/create", {"contracts_limit": 5})
    assert_fields("CreateOrderGroupResponse", group)
    own = f"portfolio/order_groups/{group['order_group_id']}"
    placed = [
        alice.place(ticker, f"ask 5 @ {price}", order_group_id=group["order_group_id"])
        for price in ("0.50", "0.60")
    ]
    ids = [one["order_id"] for one in placed]
    shown = alice.get(own)
    assert_fields("GetOrderGroupResponse", shown)
    assert (shown["is_auto_cancel_enabled"], sorted(shown["orders"])) == (True, sorted(ids))
    place = alice.get(f"portfolio/orders/{ids[0]}/queue_position")
    assert_fields("GetOrderQueuePositionResponse", place)
    assert place == {"queue_position": 4, "queue_position_fp": "4.00"}
    places = alice.get("portfolio/orders/queue_positions", market_tickers=ticker)
    assert_fields("OrderQueuePosition", places["queue_positions"][0])
    by_id = {one["order_id"]: one["queue_position"] for one in places["queue_positions"]}
    assert by_id == {ids[0]: 4, ids[1]: 9}
    of_2025 = alice.call("POST", "portfolio/orders/queue_positions", {"order_ids": ids}, expect=200)
    assert of_2025["queue_positions"] == by_id
    bob.place(ticker, "bid 9 @ 0.50", self_trade_prevention_type="maker")
    wait_for(lambda: alice.order(ids[1])["status"] == "canceled")
    assert alice.get(own)["is_auto_cancel_enabled"] is False
    late = {"ticker": ticker, "side": "ask", "count": "1", "price": "0.9",
            "order_group_id": group["order_group_id"]}  # fmt: skip
    assert alice.send("POST", "portfolio/events/orders", late).status_code in (409, 422)
    assert alice.call("PUT", f"{own}/reset", {}) == {}
    assert alice.call("PUT", f"{own}/limit", {"contracts_limit_fp": "50.00"}) == {}
    again = alice.call("POST", "portfolio/events/orders", late)["order_id"]
    assert alice.order(again)["order_group_id"] == group["order_group_id"]
    assert alice.call("PUT", f"{own}/trigger", {}) == {}
    wait_for(lambda: alice.order(again)["status"] == "canceled")
    [row] = alice.get("portfolio/order_groups")["order_groups"]
    assert_fields("OrderGroup", row)
    assert row["contracts_limit_fp"] == "50.00"
    assert alice.call("DELETE", own) == {}
    assert alice.get("portfolio/order_groups")["order_groups"] == []
    assert bob.send("GET", own).status_code == 404


def shape(value: Any) -> Any:
    """Return the names and types of a reply; of a list those of its first row."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def assert_shape(recorded: Any, shown: Any, where: str) -> None:
    """Everything recorded is there with its type; what is null, or an empty list, may be either."""
    if isinstance(recorded, dict) and shown is not type(None):
        missing = recorded.keys() - shown.keys() - ABSENT
        assert not missing, (where, missing)
        for name in recorded.keys() - ABSENT:
            assert_shape(recorded[name], shown[name], f"{where}.{name}")
    elif isinstance(recorded, list) and shown is not type(None):
        for one in shown[:1] if recorded else []:
            assert_shape(recorded[0], one, where)
    elif type(None) not in (recorded, shown):
        assert recorded is shown or {recorded, shown} == {int, float}, (where, recorded, shown)


ABSENT = {
    "mve_collection_ticker", "mve_selected_legs", "primary_participant_key", "custom_strike",
    "floor_strike", "cap_strike", "product_metadata", "cursor",
}  # fmt: skip
"""What only markets of other kinds have."""


def test_replies_have_the_shapes_that_were_recorded(town: Town, data_dir: Path):
    alice, day = town.alice, {"start_ts": int(time.time()) - 3_600, "period_interval": 1}
    ticker = f"{town.nominee}_BO"
    range_ = {**day, "end_ts": int(time.time()) + 60}
    wait_for(lambda: alice.get(f"series/X/markets/{ticker}/candlesticks", **range_)["candlesticks"])
    series = alice.get(f"events/{town.nominee}")["event"]["series_ticker"]
    reads: dict[str, tuple[str, dict[str, Any]]] = {
        "exchange_status": ("exchange/status", {}),
        "exchange_schedule": ("exchange/schedule", {}),
        "exchange_announcements": ("exchange/announcements", {}),
        "user_data_timestamp": ("exchange/user_data_timestamp", {}),
        "series_single": (f"series/{series}", {}),
        "series_list": ("series", {}),
        "series_fee_changes": ("series/fee_changes", {}),
        "events_list": ("events", {}),
        "event_single": (f"events/{town.nominee}", {}),
        "event_metadata": (f"events/{town.nominee}/metadata", {}),
        "markets_list": ("markets", {}),
        "market_single": (f"markets/{ticker}", {}),
        "orderbook": (f"markets/{ticker}/orderbook", {}),
        "trades_list": ("markets/trades", {}),
        "series_candlesticks": (f"series/{series}/markets/{ticker}/candlesticks", range_),
        "candlesticks_batch": ("markets/candlesticks", {"market_tickers": ticker, **range_}),
        "event_candlesticks": (f"series/{series}/events/{town.nominee}/candlesticks", range_),
        "portfolio_balance": ("portfolio/balance", {}),
        "portfolio_positions": ("portfolio/positions", {}),
        "portfolio_orders": ("portfolio/orders", {}),
        "portfolio_fills": ("portfolio/fills", {}),
        "portfolio_settlements": ("portfolio/settlements", {}),
        "order_groups_list": ("portfolio/order_groups", {}),
        "order_queue_positions": ("portfolio/orders/queue_positions", {"market_tickers": ticker}),
        "incentive_programs": ("incentive_programs", {}),
    }
    for name, (path, query) in reads.items():
        file = data_dir / "kalshi_golden" / f"{name}_response.json"
        recorded = json.loads(file.read_text())["response"]
        assert_shape(shape(recorded), shape(alice.get(path, **query)), name)
