"""Every invalid request gets one JSON error with a code and a field, never a 500."""

from typing import Any

import pytest

from tests.api.exchange import order
from trading.models import JournalRow, Order

BASE = {"side": "buy", "price": "0.50", "quantity": "10"}
HUGE = 10**18

# What is changed in a right order (None: left out) -> status, code, field.
BAD_ORDERS: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
    ({"price": "0.505"}, (422, "price_off_tick", "price")),
    ({"price": "0"}, (422, "price_out_of_range", "price")),
    ({"price": "1"}, (422, "price_out_of_range", "price")),
    ({"price": "-0.5"}, (422, "price_out_of_range", "price")),
    ({"price": "55"}, (422, "price_out_of_range", "price")),
    ({"price": str(HUGE)}, (400, "number_too_large", "price")),
    ({"price": "9" * 14}, (422, "price_out_of_range", "price")),
    ({"price": "0.50505"}, (400, "too_many_decimals", "price")),
    ({"price": "NaN"}, (400, "not_a_number", "price")),
    ({"price": "Infinity"}, (400, "not_a_number", "price")),
    ({"price": "5e-1"}, (400, "not_a_number", "price")),
    ({"price": 5e-05}, (400, "not_a_number", "price")),
    ({"price": "\u0660.\u0665"}, (400, "not_a_number", "price")),
    ({"price": "\uff10.5"}, (400, "not_a_number", "price")),
    ({"price": "+0.5"}, (400, "not_a_number", "price")),
    ({"price": " 0.5"}, (400, "not_a_number", "price")),
    ({"price": "0,5"}, (400, "not_a_number", "price")),
    ({"price": ".5"}, (400, "not_a_number", "price")),
    ({"price": "1_0"}, (400, "not_a_number", "price")),
    ({"price": ""}, (400, "not_a_number", "price")),
    ({"price": True}, (400, "not_a_number", "price")),
    ({"price": [0.5]}, (400, "not_a_number", "price")),
    ({"price": {"a": 1}}, (400, "not_a_number", "price")),
    ({"price": None}, (422, "price_missing", "price")),
    ({"price": "9" * 5000}, (400, "number_too_large", "price")),
    ({"quantity": "0"}, (422, "quantity_not_positive", "quantity")),
    ({"quantity": "-1"}, (422, "quantity_not_positive", "quantity")),
    ({"quantity": "0.5"}, (422, "quantity_off_step", "quantity")),
    ({"quantity": "0.001"}, (400, "too_many_decimals", "quantity")),
    ({"quantity": HUGE}, (400, "number_too_large", "quantity")),
    ({"quantity": 10**16}, (422, "quantity_too_large", "quantity")),
    ({"quantity": 10**30}, (400, "number_too_large", "quantity")),
    ({"quantity": "10000001"}, (422, "quantity_too_large", "quantity")),
    ({"quantity": 1e30}, (400, "not_a_number", "quantity")),
    ({"quantity": None}, (400, "missing_field", "quantity")),
    ({"budget": "5"}, (422, "budget_invalid", "budget")),
    ({"budget": "5", "quantity": None}, (422, "budget_invalid", "budget")),
    ({"budget": "0", "quantity": None, "type": "market"}, (422, "budget_invalid", "budget")),
    ({"side": "hold"}, (400, "invalid_choice", "side")),
    ({"side": "BUY"}, (400, "invalid_choice", "side")),
    ({"side": 1}, (400, "wrong_type", "side")),
    ({"side": None}, (400, "missing_field", "side")),
    ({"type": "stop"}, (400, "invalid_choice", "type")),
    ({"time_in_force": "day"}, (400, "invalid_choice", "time_in_force")),
    ({"time_in_force": "gtd"}, (422, "expiry_invalid", "expires_at")),
    ({"time_in_force": "gtd", "expires_at": "2001-01-01T00:00:00Z"},
     (422, "expiry_invalid", "expires_at")),
    ({"expires_at": "2999-01-01T00:00:00Z"}, (422, "expiry_invalid", "expires_at")),
    ({"expires_at": "tomorrow"}, (400, "invalid_time", "expires_at")),
    ({"expires_at": "2999-13-01T00:00:00Z"}, (400, "invalid_time", "expires_at")),
    ({"expires_at": "2999-01-01T00:00:00"}, (400, "invalid_time", "expires_at")),
    ({"expires_at": "0001-01-01T00:00:00+23:59"}, (400, "invalid_time", "expires_at")),
    ({"expires_at": 1}, (400, "wrong_type", "expires_at")),
    ({"valid_until": "2001-01-01T00:00:00Z"}, (422, "too_late", "valid_until")),
    ({"post_only": "yes"}, (400, "wrong_type", "post_only")),
    ({"post_only": 1}, (400, "wrong_type", "post_only")),
    ({"post_only": True, "time_in_force": "ioc"}, (422, "post_only_invalid", "post_only")),
    ({"post_only": True, "type": "market"}, (422, "post_only_invalid", "post_only")),
    ({"reduce_only": True}, (422, "reduce_only_no_position", "reduce_only")),
    ({"trigger": {"kind": "stop"}}, (422, "trigger_invalid", "trigger")),
    ({"trigger": {"kind": "stop", "price": "0.455"}}, (422, "trigger_invalid", "trigger")),
    ({"trigger": {"kind": "stop", "price": "x"}}, (400, "not_a_number", "trigger.price")),
    ({"trigger": {"kind": "stop", "price": "0.4", "trail": "0.1"}},
     (422, "trigger_invalid", "trigger")),
    ({"trigger": {"kind": "trailing_stop", "trail": 0}}, (422, "trigger_invalid", "trigger")),
    ({"trigger": {"kind": "limit", "price": "0.4"}}, (400, "invalid_choice", "trigger.kind")),
    ({"trigger": {"kind": "stop", "price": "0.4", "on": "mid"}},
     (400, "invalid_choice", "trigger.on")),
    ({"trigger": {"price": "0.4"}}, (400, "missing_field", "trigger.kind")),
    ({"trigger": {"kind": "stop", "at": "0.4"}}, (400, "unknown_field", "trigger.at")),
    ({"trigger": "stop"}, (400, "wrong_type", "trigger")),
    ({"self_trade_prevention": "none"}, (400, "invalid_choice", "self_trade_prevention")),
    ({"client_order_id": ""}, (400, "bad_client_order_id", "client_order_id")),
    ({"client_order_id": "x" * 65}, (400, "bad_client_order_id", "client_order_id")),
    ({"client_order_id": "caf\u00e9"}, (400, "bad_client_order_id", "client_order_id")),
    ({"client_order_id": "a\n"}, (400, "bad_client_order_id", "client_order_id")),
    ({"client_order_id": "a\x00"}, (400, "bad_client_order_id", "client_order_id")),
    ({"client_order_id": 7}, (400, "wrong_type", "client_order_id")),
    ({"currency": "USD"}, (422, "wrong_currency", "currency")),
    ({"outcome": "MAYBE"}, (422, "outcome_unknown", "outcome")),
    ({"outcome": "yes"}, (422, "outcome_unknown", "outcome")),
    ({"outcome": "x" * 33}, (400, "too_long", "outcome")),
    ({"outcome": 0}, (400, "wrong_type", "outcome")),
    ({"market": "no-such-market"}, (404, "not_found", None)),
    ({"market": "../../etc"}, (404, "not_found", None)),
    ({"market": "a\x00b"}, (404, "not_found", None)),
    ({"market": "x" * 81}, (400, "too_long", "market")),
    ({"market": 1}, (400, "wrong_type", "market")),
    ({"market": None}, (400, "missing_field", "market")),
    ({"qty": 1}, (400, "unknown_field", "qty")),
    ({"x" * 500: 1}, (400, "unknown_field", "x" * 60)),
    ({"account": 1}, (400, "unknown_field", "account")),
    ({"quantity": "2001"}, (422, "insufficient_funds", None)),
]  # fmt: skip

BAD_AMENDS: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
    ({}, (422, "nothing_to_amend", None)),
    ({"price": "0.40", "quantity": 10}, (422, "nothing_to_amend", None)),
    ({"price": None}, (422, "nothing_to_amend", None)),
    ({"price": "0.405"}, (422, "price_off_tick", "price")),
    ({"price": "1.5"}, (422, "price_out_of_range", "price")),
    ({"price": "x"}, (400, "not_a_number", "price")),
    ({"quantity": "0"}, (422, "quantity_not_positive", "quantity")),
    ({"quantity": "4000"}, (422, "insufficient_funds", None)),
    ({"valid_until": "2001-01-01T00:00:00Z"}, (422, "too_late", "valid_until")),
    ({"side": "sell"}, (400, "unknown_field", "side")),
    ({"trigger_price": "0.50"}, (422, "trigger_invalid", "trigger")),
    ({"trigger_price": "x"}, (400, "not_a_number", "trigger_price")),
]

BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "bad_json"),
    (b"{", "bad_json"),
    (b"{'market': 'a'}", "bad_json"),
    (b"\xff\xfe{}", "bad_json"),
    (b"[]", "wrong_type"),
    (b'"text"', "wrong_type"),
    (b"null", "wrong_type"),
    (b"1", "wrong_type"),
]

# Which error comes first depends on the operation's fields.
BROKEN_BODIES = [
    b'{"market": "a"} x',
    b'{"market": "\xff"}',
    b'{"market": "\\ud800"}',
    b'{"price": NaN}',
    b'{"price": Infinity}',
    b'{"orders": ' + b"[" * 50_000,
    b'{"orders": [' + b'{"a":' * 50_000,
    b'{"price": "\\u0660"}',
]


def check_error(answer: Any, status: int, code: str, field: str | None, what: Any) -> None:
    body = answer.json()
    assert set(body) == {"code", "message", "field", "request_id"}, what
    assert (answer.status_code, body["code"], body["field"]) == (status, code, field), what
    assert body["request_id"] == answer.headers["X-Request-ID"], what
    assert body["message"], what


async def test_every_bad_order_is_named_and_changes_nothing(inside, alice):
    market = await inside.open_market()
    for changes, (status, code, field) in BAD_ORDERS:
        body = {"market": market.slug, **BASE, **changes}
        body = {name: value for name, value in body.items() if value is not None}
        for path in ("orders", "orders/preview"):
            answer = await alice.send("POST", path, body)
            check_error(answer, status, code, field, (path, changes))
    assert await Order.objects.acount() == 0


async def test_every_bad_order_of_a_batch_is_named_by_itself(inside, alice):
    market = await inside.open_market()
    orders = []
    for changes, _ in BAD_ORDERS:
        body = {"market": market.slug, **BASE, **changes}
        orders.append({name: value for name, value in body.items() if value is not None})
    answer = await alice.send("POST", "orders/batch", {"orders": orders})
    results = answer.json()["results"]
    shown = [(r["status"], r["error"]["code"], r["error"]["field"]) for r in results]
    assert shown == [expected for _, expected in BAD_ORDERS]
    assert await Order.objects.acount() == 0


async def test_bad_json_is_named_on_every_operation_with_a_body(inside, alice):
    for body, code in BAD_BODIES:
        for method, path in (
            ("POST", "orders"),
            ("POST", "orders/batch"),
            ("POST", "orders/preview"),
            ("PATCH", f"orders/{'0' * 32}"),
        ):
            answer = await alice.send(method, path, body)
            check_error(answer, 400, code, None, (method, path, body[:40]))


async def test_broken_bodies_are_400_whatever_the_operation(inside, alice):
    for body in BROKEN_BODIES:
        for method, path in (
            ("POST", "orders"),
            ("POST", "orders/batch"),
            ("POST", "orders/preview"),
            ("PATCH", f"orders/{'0' * 32}"),
        ):
            answer = await alice.send(method, path, body)
            assert answer.status_code == 400, (method, path, body[:40])


async def test_bad_amends_are_named(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 10 NO @ 0.40")
    for changes, (status, code, field) in BAD_AMENDS:
        answer = await alice.amend(placed["id"], **changes)
        check_error(answer, status, code, field, changes)
    assert (await alice.get(f"orders/{placed['id']}")).json() == {
        name: value for name, value in placed.items() if name not in ("trades", "hold", "legs")
    }


async def test_post_only_orders_that_would_cross_are_refused(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.40")
    answer = await alice.place(market, "buy 10 YES @ 0.40", post_only=True)
    check_error(answer, 422, "post_only_would_cross", "price", None)


async def test_a_wrong_content_type_is_refused(inside, alice):
    market = await inside.open_market()
    body = order(market, "buy 10 YES @ 0.40")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        answer = await alice.send("POST", "orders", body, headers={"Content-Type": content_type})
        check_error(answer, 415, "wrong_content_type", None, content_type)
    answer = await alice.send(
        "POST", "orders", body, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status_code == 201


async def test_a_body_over_the_limit_is_refused_also_when_it_does_not_say_its_length(
    inside, alice, settings
):
    body = b'{"market": "' + b"x" * settings.BODY_BYTES_MAX + b'"}'
    answer = await alice.send("POST", "orders", body)
    check_error(answer, 413, "body_too_large", None, None)

    async def chunks():
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    answer = await alice.http.post(
        "orders", content=chunks(), headers={"Content-Type": "application/json"}
    )
    check_error(answer, 413, "body_too_large", None, None)


@pytest.mark.parametrize("query", ["?foo=1", "?market=a&market=b", "?Market=a"])
async def test_unknown_and_repeated_query_fields_are_refused(inside, alice, query):
    for method, path in (("POST", "orders"), ("DELETE", "orders"), ("GET", "tickers")):
        answer = await alice.send(method, path + query, {} if method == "POST" else None)
        assert answer.status_code == 400, (method, path)
        assert answer.json()["code"] in ("unknown_field", "repeated_field"), (method, path)


async def test_methods_that_a_path_does_not_have_are_refused_alike(inside, alice):
    for method, path in (
        ("PUT", "orders"),
        ("PATCH", "orders/batch"),
        ("DELETE", "orders/preview"),
        ("POST", "tickers"),
    ):
        answer = await alice.send(method, path, {})
        check_error(answer, 405, "method_not_allowed", None, (method, path))


async def test_a_refused_order_costs_no_journal_row_when_the_body_says_enough(inside, alice):
    market = await inside.open_market()
    rows = await JournalRow.objects.acount()
    for changes in ({"price": "x"}, {"qty": 1}, {"currency": "USD"}, {"outcome": "MAYBE"}):
        await alice.send("POST", "orders", {"market": market.slug, **BASE, **changes})
    assert await JournalRow.objects.acount() == rows
