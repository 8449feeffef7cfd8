"""Polymarket's readers against the running program: both official clients, Gamma, errors."""

import json
import time
from typing import Any

import pytest

from tests.compat.sdks import run_sdk
from tests.compat.town import KEYS, Town, check_hash, find_hidden_leg
from tests.e2e.people import wait_for

CLIENTS = {"py-clob-client": "py_clob_client", "py-clob-client-v2": "py_clob_client_v2"}
USED = (
    "id", "question", "conditionId", "slug", "description", "resolutionSource", "startDate",
    "endDate", "createdAt", "updatedAt", "outcomes", "outcomePrices", "clobTokenIds", "volume",
    "liquidity", "volumeNum", "liquidityNum", "volume24hr", "volumeClob", "liquidityClob",
    "active", "closed", "archived", "new", "featured", "restricted", "acceptingOrders",
    "enableOrderBook", "orderPriceMinTickSize", "orderMinSize", "bestBid", "bestAsk", "spread",
    "lastTradePrice", "questionID", "marketMakerAddress", "umaResolutionStatuses", "negRisk",
    "negRiskOther", "groupItemThreshold", "makerBaseFee", "takerBaseFee", "events",
)  # fmt: skip
"""The fields of a recorded market that readers use."""


@pytest.mark.parametrize("client", list(CLIENTS))
def test_every_read_of_the_official_clients_works(town: Town, client: str):
    (yes, no), condition = town.tokens(town.binary), town.market(town.binary)["conditionId"]
    host = f"{town.site.exchange.base_url}/poly/clob"
    read = run_sdk(client, "clob_reads", CLIENTS[client], host, yes, no, condition)
    assert read["get_ok"] == "OK"
    assert abs(read["get_server_time"] - time.time()) < 60
    assert read["get_midpoint"] == {"mid": "0.48"}
    assert read["get_midpoints"] == {yes: "0.48", no: "0.52"}
    assert read["get_price"] == [{"price": "0.4"}, {"price": "0.56"}]
    assert read["get_prices"] == {yes: {"BUY": "0.4"}, no: {"BUY": "0.44"}}
    assert read["get_spread"] == {"spread": "0.16"}
    assert read["get_spreads"] == {yes: "0.16", no: "0.16"}
    assert (read["get_tick_size"], read["get_neg_risk"], read["get_fee_rate_bps"]) == (
        "0.01",
        False,
        0,
    )
    book = read["get_order_book"]
    assert book["bids"] == [{"price": "0.4", "size": "7"}]
    assert [(level["price"], level["size"]) for level in book["asks"]] == [
        ("0.65", "5"), ("0.6", "7"), ("0.56", "4"),
    ]  # fmt: skip
    of_no = next(one for one in read["get_order_books"] if one["asset_id"] == no)
    assert [(level["price"], level["size"]) for level in of_no["bids"]] == [
        ("0.35", "5"), ("0.4", "7"), ("0.44", "4"),
    ]  # fmt: skip
    assert read["get_last_trade_price"] == {"price": "0.4", "side": "SELL"}
    assert {row["token_id"]: row["price"] for row in read["get_last_trades_prices"]} == {
        yes: "0.6", no: "0.4",
    }  # fmt: skip
    for name in (
        "markets",
        "simplified_markets",
        "sampling_markets",
        "sampling_simplified_markets",
    ):
        page = read[f"get_{name}"]
        assert condition in [market["condition_id"] for market in page["data"]]
        assert (page["next_cursor"], page["count"]) == ("LTE=", len(page["data"]))
    assert [token["token_id"] for token in read["get_market"]["tokens"]] == [yes, no]
    assert [token["price"] for token in read["get_market"]["tokens"]] == [0.6, 0.4]
    sent, computed = read["hashes"]
    assert sent == computed
    if client.endswith("v2"):
        assert read["get_clob_market_info"]["t"] == [{"t": yes, "o": "Yes"}, {"t": no, "o": "No"}]
        assert read["get_fee_exponent"] == 0
        assert read["get_prices_history"]["history"][-1]["p"] == 0.6
        assert read["calculate_market_price"] == 0.56


def test_the_hash_of_a_book_is_the_sha1_of_its_compact_json(town: Town):
    for slug in (town.binary, town.made, f"{town.nominee}_bo"):
        for token in town.tokens(slug):
            book = town.get("clob/book", token_id=token)
            assert tuple(book) == (*KEYS, "seq")
            check_hash(book)
            again = town.post("clob/books", [{"token_id": token}])
            assert again == [book]


def test_a_makers_levels_are_part_of_the_book(town: Town):
    yes, no = town.tokens(town.made)
    book, of_no = (town.get("clob/book", token_id=token) for token in (yes, no))
    assert book["bids"][-1]["price"] < "0.5" < book["asks"][-1]["price"]
    assert float(of_no["asks"][-1]["price"]) == pytest.approx(1 - float(book["bids"][-1]["price"]))
    assert len(book["asks"]) > 3


def test_a_market_of_several_outcomes_is_an_event_of_several_markets(town: Town):
    event = town.get(f"gamma/events/slug/{town.nominee}")
    assert event["negRisk"] is True
    assert [market["groupItemTitle"] for market in event["markets"]] == ["Ann", "Bo", "Cy"]
    assert {market["negRiskMarketID"] for market in event["markets"]} == {event["negRiskMarketID"]}
    assert [market["slug"] for market in event["markets"]] == [
        f"{town.nominee}_{name}" for name in ("ann", "bo", "cy")
    ]
    tokens = [token for one in event["markets"] for token in json.loads(one["clobTokenIds"])]
    assert len(set(tokens)) == 6
    assert town.get("clob/price", token_id=tokens[2], side="SELL") == {"price": "0.3"}
    assert town.get("clob/price", token_id=tokens[3], side="BUY") == {"price": "0.7"}
    assert town.get(f"gamma/events/{event['id']}")["slug"] == town.nominee
    market = event["markets"][1]
    assert town.get(f"gamma/markets/{market['id']}")["conditionId"] == market["conditionId"]
    assert town.get("gamma/markets", condition_ids=market["conditionId"])[0]["id"] == market["id"]
    assert town.get("gamma/markets", clob_token_ids=tokens[3])[0]["id"] == market["id"]


def test_lists_are_paged_filtered_and_sorted(town: Town):
    shown = [market["slug"] for market in town.get("gamma/markets")]
    assert shown == [
        town.binary,
        *(f"{town.nominee}_{name}" for name in ("ann", "bo", "cy")),
        town.made,
    ]
    assert [m["slug"] for m in town.get("gamma/markets", limit=2, offset=1)] == shown[1:3]
    assert town.get("gamma/markets", order="volumeNum", ascending="false")[0]["slug"] == town.binary
    assert [m["slug"] for m in town.get("gamma/markets", slug=[shown[0], shown[2]])] == [
        shown[0],
        shown[2],
    ]
    assert town.get("gamma/markets", closed="true") == []
    for kind, expected in (("markets", shown), ("events", [town.binary, town.nominee, town.made])):
        for ascending in ("true", "false"):
            found, cursor = [], {}
            while True:
                page = town.get(f"gamma/{kind}/keyset", limit=2, ascending=ascending, **cursor)
                assert "$schema" in page
                found += [row["slug"] for row in page[kind]]
                if not page.get("next_cursor"):
                    break
                cursor = {"after_cursor": page["next_cursor"]}
            assert sorted(found) == sorted(expected)
            assert len(found) == len(expected)
    assert [e["slug"] for e in town.get("gamma/public-search", q="nominated")["events"]] == [
        town.nominee
    ]
    assert town.get("gamma/public-search", q="secret")["events"] == []


def test_every_field_of_the_recorded_rows_that_readers_use_is_there(town: Town, data_dir: Any):
    folder = data_dir / "polymarket_fixtures"
    recorded = json.loads((folder / "gamma_market.json").read_text())
    shown = town.market(town.binary)
    assert len(USED) > 35
    for name in USED:
        assert kind_of(shown[name]) == kind_of(recorded[name]), name
    clob = json.loads((folder / "clob_market_closed_binary_accepting_false.json").read_text())
    own = town.get(f"clob/markets/{shown['conditionId']}")
    assert set(own) == set(clob)
    assert own["tokens"][0].keys() == clob["tokens"][0].keys()


def kind_of(value: Any) -> str:
    is_number = type(value) in (int, float)
    return "number" if is_number else type(value).__name__


def test_private_markets_are_never_shown(town: Town):
    key = {"X-API-Key": town.site.world.operator.key}
    for headers in ({}, key):
        for path in ("gamma/markets", "gamma/events", "clob/markets", "clob/simplified-markets",
                     "gamma/markets/keyset", "gamma/public-search?q=secret"):  # fmt: skip
            text = town.http.get(path, headers=headers).text
            assert town.secret not in text
            assert town.unlisted not in text
        for path in (f"gamma/markets/slug/{town.secret}", f"gamma/events/slug/{town.secret}"):
            assert town.http.get(path, headers=headers).status_code == 404
    assert town.get("gamma/markets", slug=town.secret) == []
    leg = find_hidden_leg(town.secret)
    assert town.get("clob/book", 404, token_id=leg.token_ids[0])["code"] == "not_found"
    assert town.get(f"clob/markets/{leg.condition_id}", 404)["code"] == "not_found"
    assert town.get(f"gamma/markets/{leg.number}", 404)["code"] == "not_found"
    assert town.get("clob/last-trade-price", 404, token_id=leg.token_ids[1])
    assert town.get("clob/prices-history", 404, market=leg.token_ids[1], interval="1d")
    assert town.post("clob/books", [{"token_id": leg.token_ids[0]}]) == []
    assert town.market(town.unlisted)["question"] == "Is this one listed?"


def test_results_are_shown(town: Town):
    slug = town.open("Is this one over?")
    yes, no = town.tokens(slug)
    town.site.operator.call("POST", f"markets/{slug}/close", {})
    assert (town.market(slug)["acceptingOrders"], town.market(slug)["closed"]) == (False, False)
    town.site.operator.call(
        "POST", f"markets/{slug}/resolve", {"yes": "0", "evidence_text": "seen"}
    )
    wait_for(lambda: town.market(slug)["closed"])
    market = town.market(slug)
    assert market["outcomePrices"] == '["0", "1"]'
    assert market["umaResolutionStatus"] == "resolved"
    own = town.get(f"clob/markets/{market['conditionId']}")
    assert [(token["token_id"], token["winner"]) for token in own["tokens"]] == [
        (yes, False),
        (no, True),
    ]
    assert [m["slug"] for m in town.get("gamma/markets", closed="true")] == [slug]


def test_a_void_is_closed_without_a_price(town: Town):
    slug = town.open("Is this one void?")
    yes, _ = town.tokens(slug)
    maker, taker = town.site.trader(0), town.site.trader(1)
    maker.place(slug, "sell 5 YES @ 0.60")
    taker.place(slug, "buy 5 YES @ 0.60")
    town.site.operator.call("POST", f"markets/{slug}/void", {"reason": "unclear"})
    wait_for(lambda: town.market(slug)["closed"])
    market = town.market(slug)
    assert (market["outcomePrices"], market["umaResolutionStatus"]) == (None, "resolved")
    own = town.get(f"clob/markets/{market['conditionId']}")
    assert (own["closed"], own["accepting_orders"]) == (True, False)
    assert [(token["price"], token["winner"]) for token in own["tokens"]] == [(0, False)] * 2
    assert town.get("clob/last-trade-price", token_id=yes)["price"] == "0.6"


ODD = (
    ("gamma/markets", {"cursor": "x"}, "unknown_field"),
    ("gamma/markets/keyset", {"cursor": "x"}, "unknown_field"),
    ("gamma/markets/keyset", {"after_cursor": "x"}, "bad_cursor"),
    ("gamma/markets/keyset", {"limit": "101"}, "wrong_type"),
    ("gamma/events/keyset", {"after_cursor": "gqFhAQ"}, "bad_cursor"),
    ("gamma/events/keyset", {"order": "volume"}, "invalid_choice"),
    ("gamma/markets", {"limit": "x"}, "wrong_type"),
    ("gamma/markets", {"limit": ["1", "2"]}, "repeated_field"),
    ("gamma/markets", {"offset": "-1"}, "wrong_type"),
    ("gamma/markets", {"order": "beauty"}, "invalid_choice"),
    ("gamma/markets", {"id": "9" * 30}, "wrong_type"),
    ("gamma/markets", {"closed": "perhaps"}, "wrong_type"),
    ("gamma/markets", {"end_date_min": "2026-01-01T00:00:00"}, "invalid_time"),
    ("gamma/markets", {"end_date_min": "soon"}, "invalid_value"),
    ("gamma/events", {"end_date_min": "9999-12-31T23:59:59-23:59"}, "invalid_time"),
    ("gamma/events", {"slug": "\x00"}, "invalid_value"),
    ("gamma/events", {"tag_slug": "\x00"}, "invalid_value"),
    ("gamma/public-search", {"q": "\x00"}, "invalid_value"),
    ("gamma/events/slug/a%00b", {}, "not_found"),
    ("gamma/tags/slug/a%00b", {}, "not_found"),
    ("gamma/events/slug/%ff", {}, "not_found"),
    ("gamma/public-search", {}, "missing_field"),
    ("gamma/tags/1", {}, "not_found"),
    ("gamma/markets/99999999999999999999999999", {}, "not_found"),
    ("gamma/nothing", {}, "not_found"),
    ("nothing", {}, "not_found"),
    ("clob/book", {}, "missing_field"),
    ("clob/book", {"token_id": "1"}, "not_found"),
    ("clob/book", {"token_id": "\x00"}, "invalid_value"),
    ("clob/book", {"token_id": "1", "depth": "1"}, "unknown_field"),
    ("clob/price", {"token_id": "1", "side": "MIDDLE"}, "invalid_choice"),
    ("clob/markets", {"next_cursor": "x"}, "bad_cursor"),
    ("clob/markets", {"next_cursor": "LTE="}, "bad_cursor"),
    ("clob/markets", {"next_cursor": "é"}, "bad_cursor"),
    ("clob/markets/0xabc", {}, "not_found"),
    ("clob/markets/%00", {}, "not_found"),
    ("clob/prices-history", {"market": "1"}, "not_found"),
    ("clob/prices-history", {"market": "1", "fidelity": "0"}, "wrong_type"),
    ("clob/prices-history", {"market": "1", "startTs": "-5"}, "wrong_type"),
)


@pytest.mark.parametrize(("path", "query", "code"), ODD)
def test_odd_queries_are_refused_and_never_a_500(town: Town, path: str, query: Any, code: str):
    answer = town.http.get(path, params=query)
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()
    assert error["code"] == code
    assert error.keys() == {"error", "code"}


def test_odd_bodies_and_methods_are_refused_and_never_a_500(town: Town):
    for path in (
        "books",
        "prices",
        "midpoints",
        "spreads",
        "last-trades-prices",
        "batch-prices-history",
    ):
        for body in (b"", b"{", b"{}", b"[1]", b'[{"token":"1"}]', b'[{"token_id":1}]', b"\xff",
                     b"[" * 10_000, json.dumps([{"token_id": "1"}] * 101).encode()):  # fmt: skip
            answer = town.http.post(
                f"clob/{path}", content=body, headers={"Content-Type": "application/json"}
            )
            assert 400 <= answer.status_code < 500, (path, body[:50], answer.text)
            assert answer.json()["error"]
        assert town.http.post(f"clob/{path}", content=b"[]").status_code == 415
        assert town.http.get(f"clob/{path}").status_code == 405
    for method in ("POST", "DELETE", "PUT", "PATCH"):
        answer = town.http.request(method, "clob/book")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert town.http.get("clob/ok", headers={"X-API-Key": "nonsense"}).status_code == 401
    assert town.post("clob/prices", [{"token_id": "1"}], 400)["code"] == "missing_field"


def test_history_is_of_the_token(town: Town):
    yes, no = town.tokens(town.binary)
    for token, price in ((yes, 0.6), (no, 0.4)):
        for query in ({"interval": "max"}, {"interval": "1d", "fidelity": 5}, {"startTs": 1}):
            points = town.get("clob/prices-history", market=token, **query)["history"]
            assert points[-1]["p"] == price
            assert abs(points[-1]["t"] - time.time()) < 600
    both = town.post("clob/batch-prices-history", {"markets": [yes, no], "interval": "1h"})
    assert both["history"][no][-1]["p"] == 0.4
    bad = {"market": yes, "interval": "1d", "startTs": 1}
    assert town.get("clob/prices-history", 400, **bad)["code"] == "invalid_value"


def test_openapi_knows_nothing_of_other_venues_paths(town: Town):
    schema = town.site.exchange.get("/api/schema/?format=json").json()
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
