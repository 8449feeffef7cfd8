"""Every order operation, through Django and the order app, against the real engine."""

import asyncio

from accounts.models import Account, Transfer
from tests.api.exchange import order
from trading.engine.types import MarketStatus
from trading.models import JournalRow, Order, Trade


async def test_a_limit_order_rests_and_its_answer_says_so(inside, alice):
    market = await inside.open_market()
    answer = await alice.place(market, "buy 10 YES @ 0.60", client_order_id="first")
    assert answer.status_code == 201
    shown = answer.json()
    assert shown["status"] == "open"
    assert shown["market"] == market.slug
    assert (shown["outcome"], shown["side"], shown["price"]) == ("YES", "buy", "0.6000")
    assert (shown["quantity"], shown["filled"], shown["remaining"]) == ("10.00", "0.00", "10.00")
    assert shown["average_price"] is None
    assert shown["hold"] == "6.000000"
    assert shown["trades"] == []
    assert shown["client_order_id"] == "first"
    assert await alice.book(market) == {
        "YES": ([["0.6000", "10.00"]], []),
        "NO": ([], [["0.4000", "10.00"]]),
    }


async def test_plain_numbers_and_strings_are_the_same_exact_decimals(inside, alice):
    market = await inside.open_market(lot_step_lots=1)
    body = b'{"market":"%s","side":"buy","price":0.29,"quantity":1.1}' % market.slug.encode()
    shown = (await alice.send("POST", "orders", body)).json()
    assert (shown["price"], shown["quantity"], shown["hold"]) == ("0.2900", "1.10", "0.319000")


async def test_buying_no_is_shown_as_entered_and_booked_as_selling_yes(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "buy 5 YES @ 0.60")
    shown = await alice.placed(market, "buy 8 NO @ 0.45")
    assert (shown["outcome"], shown["side"], shown["price"]) == ("NO", "buy", "0.4500")
    assert shown["booked"] == {"outcome": "YES", "side": "sell", "price": "0.5500"}
    assert shown["status"] == "partially_filled"
    assert (shown["filled"], shown["remaining"]) == ("5.00", "3.00")
    assert shown["average_price"] == "0.400000"
    [trade] = shown["trades"]
    assert (trade["price"], trade["quantity"]) == ("0.4000", "5.00")
    assert await alice.book(market) == {
        "YES": ([], [["0.5500", "3.00"]]),
        "NO": ([["0.4500", "3.00"]], []),
    }


async def test_a_trade_happens_at_the_resting_price_and_charges_fees(inside, alice, bob):
    fees = {"fee_kind": "quadratic", "fee_taker_rate": 70_000, "fee_unit_micros": 1}
    market = await inside.open_market(**fees)
    await bob.placed(market, "sell 10 YES @ 0.50")
    shown = await alice.placed(market, "buy 10 YES @ 0.70")
    assert shown["status"] == shown["reason"] == "filled"
    assert shown["average_price"] == "0.500000"
    assert shown["fees"] == "0.175000"
    [trade] = shown["trades"]
    assert trade["fee"] == "0.175000"
    account = await Account.objects.aget(pk=alice.account.pk)
    assert account.cash_micros == 1_000_000_000 - 5_000_000 - 175_000


async def test_a_market_order_by_budget_spends_at_most_the_budget(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.30")
    await bob.placed(market, "sell 100 YES @ 0.35")
    body = {"market": market.slug, "side": "buy", "type": "market", "budget": "20"}
    shown = (await alice.send("POST", "orders", body)).json()
    assert shown["filled"] == "58.00"  # 10 at 0.30 and 48 at 0.35 cost 19.80
    assert (shown["budget"], shown["reason"]) == ("20.000000", "budget_spent")
    assert shown["time_in_force"] == "ioc"


async def test_a_market_order_never_rests_and_stops_at_its_collar(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 1 YES @ 0.30")
    await bob.placed(market, "sell 1 YES @ 0.41")
    shown = await alice.placed(market, "buy 2 YES")
    assert (shown["filled"], shown["status"]) == ("1.00", "cancelled")
    assert (shown["reason"], shown["price"]) == ("immediate_remainder", "0.4000")


async def test_a_killed_fill_or_kill_is_an_answer_and_not_an_error(inside, alice):
    market = await inside.open_market()
    shown = await alice.placed(market, "buy 2 YES @ 0.50", time_in_force="fok")
    assert (shown["status"], shown["reason"]) == ("cancelled", "fok_not_fillable")


async def test_categorical_markets_trade_every_outcome_by_its_code(inside, alice, bob):
    market = await inside.open_market(outcomes=3)
    await bob.placed(market, "sell 4 O2 @ 0.20")
    shown = await alice.placed(market, "buy 4 O2 @ 0.20")
    assert (shown["outcome"], shown["status"]) == ("O2", "filled")
    assert list(await alice.book(market)) == ["O0", "O1", "O2"]
    answer = await alice.send(
        "POST", "orders", {"market": market.slug, "side": "buy", "price": 0.2, "quantity": 1}
    )
    assert (answer.status_code, answer.json()["field"]) == (400, "outcome")


async def test_gtd_orders_echo_their_expiry(inside, alice):
    market = await inside.open_market()
    expires_at = "2999-01-01T00:00:00Z"
    shown = await alice.placed(
        market, "buy 1 YES @ 0.5", time_in_force="gtd", expires_at=expires_at
    )
    assert shown["expires_at"] == "2999-01-01T00:00:00.000000Z"
    assert shown["time_in_force"] == "gtd"


# --- changing ---------------------------------------------------------------------------------


async def test_an_amend_takes_the_price_of_the_outcome_as_entered(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 10 NO @ 0.40")
    shown = (await alice.amend(placed["id"], price="0.45", quantity="12")).json()
    assert (shown["price"], shown["quantity"]) == ("0.4500", "12.00")
    assert shown["booked"]["price"] == "0.5500"
    assert (await alice.book(market))["NO"][0] == [["0.4500", "12.00"]]
    assert shown["seq"] > placed["seq"]


async def test_an_amend_that_crosses_trades(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 5 YES @ 0.60")
    placed = await alice.placed(market, "buy 5 YES @ 0.50")
    shown = (await alice.amend(placed["id"], price=0.6)).json()
    assert shown["status"] == "filled"
    assert len(shown["trades"]) == 1


async def test_a_cancelled_order_is_shown_and_gone_from_the_book(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 10 YES @ 0.40")
    answer = await alice.cancel(placed["id"])
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["reason"] == "cancelled_by_owner"
    assert (await alice.book(market))["YES"] == ([], [])


async def test_what_has_ended_can_be_neither_cancelled_nor_amended(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 5 YES @ 0.60")
    placed = await alice.placed(market, "buy 5 YES @ 0.60")
    for answer in (await alice.cancel(placed["id"]), await alice.amend(placed["id"], price=0.5)):
        assert answer.status_code == 409
        assert answer.json()["code"] == "order_not_open"
        assert "filled" in answer.json()["message"]


async def test_other_peoples_orders_and_unknown_ones_are_answered_alike(inside, alice, bob):
    market = await inside.open_market()
    placed = await bob.placed(market, "buy 5 YES @ 0.60")
    for order_id in (placed["id"], "0" * 32, "no-id"):
        answers = [
            await alice.cancel(order_id),
            await alice.amend(order_id, price=0.5),
            await alice.get(f"orders/{order_id}"),
        ]
        for answer in answers:
            assert answer.status_code == 404
            assert answer.json()["message"] == "this order was not found"
    assert (await bob.get(f"orders/{placed['id']}")).json()["status"] == "open"


async def test_cancel_all_takes_own_orders_of_one_market_or_of_all(inside, alice, bob):
    here, there = await inside.open_market(), await inside.open_market()
    mine = [await alice.placed(market, "buy 1 YES @ 0.4") for market in (here, here, there)]
    await bob.placed(here, "buy 1 YES @ 0.4")
    answer = await alice.send("DELETE", "orders", params={"market": here.slug})
    assert answer.json() == {"cancelled": [mine[0]["id"], mine[1]["id"]], "count": 2}
    answer = await alice.send("DELETE", "orders")
    assert answer.json() == {"cancelled": [mine[2]["id"]], "count": 1}
    assert (await alice.book(here))["YES"][0] == [["0.4000", "1.00"]]


async def test_a_body_that_meant_to_name_the_market_does_not_cancel_everything(inside, alice):
    market = await inside.open_market()
    await alice.placed(market, "buy 1 YES @ 0.4")
    answer = await alice.send("DELETE", "orders", {"market": market.slug})
    assert (answer.status_code, answer.json()["code"]) == (400, "unexpected_body")
    answer = await alice.send("DELETE", "orders", params={"markets": market.slug})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")
    assert await Order.objects.open().acount() == 1


async def test_cancelling_works_while_the_market_is_halted_and_placing_does_not(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 1 YES @ 0.4")
    await inside.configure(market, MarketStatus.HALTED)
    answer = await alice.place(market, "buy 1 YES @ 0.4")
    assert (answer.status_code, answer.json()["code"]) == (409, "market_not_open")
    assert (await alice.cancel(placed["id"])).status_code == 200
    await inside.configure(market, MarketStatus.CLOSED)
    answer = await alice.place(market, "buy 1 YES @ 0.4")
    assert (answer.status_code, answer.json()["code"]) == (409, "market_closed")


# --- batches ----------------------------------------------------------------------------------


async def test_a_batch_answers_each_order_by_itself(inside, alice):
    market = await inside.open_market()
    orders = [
        order(market, "buy 1 YES @ 0.40"),
        order(market, "buy 1 YES @ 0.405"),
        {"market": market.slug, "side": "buy", "nonsense": 1},
        order(market, "sell 1 NO @ 0.55"),
        order(market, "buy 1 YES @ 0.40") | {"market": "unknown"},
    ]
    answer = await alice.send("POST", "orders/batch", {"orders": orders})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 422, 400, 201, 404]
    assert results[0]["order"]["price"] == "0.4000"
    assert results[0]["error"] is None
    assert results[1]["error"]["code"] == "price_off_tick"
    assert results[2]["error"] == {
        "code": "unknown_field",
        "message": "this field is unknown",
        "field": "nonsense",
    }
    assert results[3]["order"]["booked"] == {"outcome": "YES", "side": "buy", "price": "0.4500"}
    assert await Order.objects.acount() == 2


async def test_each_order_of_a_batch_is_read_with_the_seq_it_was_answered_with(inside, alice, bob):
    market = await inside.open_market()
    texts = ("buy 1 YES @ 0.30", "buy 2 YES @ 0.31", "buy 3 YES @ 0.32")
    answer = await alice.send("POST", "orders/batch", {"orders": [order(market, t) for t in texts]})
    placed = [item["order"] for item in answer.json()["results"]]
    assert [one["seq"] for one in placed] == [2, 3, 4]
    read = [(await alice.get(f"orders/{one['id']}")).json() for one in placed]
    assert [one["seq"] for one in read] == [2, 3, 4]
    taken = await bob.placed(market, "sell 1 YES @ 0.32")
    assert taken["seq"] == 5
    listed = (await alice.get("orders")).json()["results"]
    assert [one["seq"] for one in listed] == [5, 3, 2]


async def test_a_batch_has_1_to_100_orders(inside, alice):
    market = await inside.open_market()
    one = order(market, "buy 1 YES @ 0.40")
    for orders, code in (([], "too_short"), ([one] * 101, "too_long"), ("x", "wrong_type")):
        answer = await alice.send("POST", "orders/batch", {"orders": orders})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["field"] == "orders"
    answer = await alice.send("POST", "orders/batch", {"orders": [one] * 100})
    assert {result["status"] for result in answer.json()["results"]} == {201}


# --- once and for ever ------------------------------------------------------------------------


async def test_a_repeated_client_order_id_gets_the_first_answer(inside, alice):
    market = await inside.open_market()
    first = await alice.place(market, "buy 10 YES @ 0.60", client_order_id="a")
    await alice.cancel(first.json()["id"])
    again = await alice.send(
        "POST",
        "orders",
        {"client_order_id": "a", "quantity": 10.0, "price": 0.6, "side": "buy",
         "market": market.slug},
    )  # fmt: skip
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert await Order.objects.acount() == 1


async def test_a_rejection_is_repeated_too(inside, alice, bob):
    market = await inside.open_market()
    first = await alice.place(market, "buy 2000 YES @ 0.60", client_order_id="a")
    assert first.status_code == 422
    assert first.json()["code"] == "insufficient_funds"
    assert first.json()["message"] == "200.000000 more is needed"
    await bob.placed(market, "sell 1000 YES @ 0.01")
    await alice.placed(market, "buy 1000 YES @ 0.01")
    again = await alice.place(market, "buy 2000 YES @ 0.60", client_order_id="a")
    assert again.status_code == 422
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.json()["message"] == first.json()["message"]


async def test_the_same_client_order_id_with_another_body_is_refused(inside, alice, bob):
    market, other = await inside.open_market(), await inside.open_market()
    await alice.placed(market, "buy 10 YES @ 0.60", client_order_id="a")
    for where, text in ((market, "buy 11 YES @ 0.60"), (other, "buy 10 YES @ 0.60")):
        answer = await alice.place(where, text, client_order_id="a")
        assert (answer.status_code, answer.json()["code"]) == (409, "client_order_id_reused")
        assert answer.json()["field"] == "client_order_id"
    await bob.placed(market, "buy 11 YES @ 0.60", client_order_id="a")
    assert await Order.objects.acount() == 2


async def test_32_concurrent_retries_make_one_order(inside, alice):
    market = await inside.open_market()
    answers = await asyncio.gather(
        *(alice.place(market, "buy 1 YES @ 0.60", client_order_id="a") for _ in range(32))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await Order.objects.acount() == 1


async def test_an_idempotency_key_makes_an_amend_happen_once(inside, alice, bob):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 10 YES @ 0.40")
    first = await alice.amend(placed["id"], price="0.50", key="k")
    await alice.amend(placed["id"], price="0.30")
    again = await alice.amend(placed["id"], price="0.5000", key="k")
    assert again.json() == first.json()
    assert (await alice.get(f"orders/{placed['id']}")).json()["price"] == "0.3000"
    for answer in (
        await alice.amend(placed["id"], price="0.51", key="k"),
        await alice.cancel(placed["id"], key="k"),
        await alice.send("DELETE", "orders", key="k", params={"market": market.slug}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_an_idempotency_key_repeats_the_answer_to_a_cancel(inside, alice):
    market = await inside.open_market()
    placed = await alice.placed(market, "buy 10 YES @ 0.40")
    first = await alice.cancel(placed["id"], key="k")
    again = await alice.cancel(placed["id"], key="k")
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await alice.cancel(placed["id"])).status_code == 409


async def test_an_idempotency_key_repeats_the_answer_to_cancel_all(inside, alice):
    market = await inside.open_market()
    await alice.placed(market, "buy 10 YES @ 0.40")
    for options in ({}, {"params": {"market": market.slug}}):
        key = "k" + "m" * len(options)
        first = await alice.send("DELETE", "orders", key=key, **options)
        kept = await alice.placed(market, "buy 10 YES @ 0.40")
        again = await alice.send("DELETE", "orders", key=key, **options)
        assert again.json() == first.json()
        assert (await alice.get(f"orders/{kept['id']}")).json()["status"] == "open"


async def test_an_idempotency_key_makes_a_batch_happen_once(inside, alice):
    market = await inside.open_market()
    orders = [order(market, "buy 1 YES @ 0.40"), order(market, "buy 1 YES @ 0.405")]
    named = order(market, "buy 2 YES @ 0.40") | {"client_order_id": "a"}
    body = {"orders": [*orders, named]}
    first = await alice.send("POST", "orders/batch", body, key="k")
    again = await alice.send("POST", "orders/batch", body, key="k")
    assert again.json() == first.json()
    assert await Order.objects.acount() == 2
    answer = await alice.send("POST", "orders/batch", {"orders": orders}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    answer = await alice.place(market, "buy 2 YES @ 0.40", client_order_id="a")
    assert answer.headers["Idempotent-Replayed"] == "true"


async def test_a_bad_idempotency_key_is_refused(inside, alice):
    for key in ("k" * 65, "two words", "caf\u00e9".encode("latin-1").decode("latin-1")):
        answer = await alice.send(
            "DELETE", "orders", headers={"Idempotency-Key": key.encode("latin-1")}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


# --- preview ----------------------------------------------------------------------------------


async def test_a_preview_says_what_would_happen_and_changes_nothing(inside, alice, bob):
    fees = {"fee_kind": "flat", "fee_taker_rate": 10_000, "fee_unit_micros": 1}
    market = await inside.open_market(**fees)
    await bob.placed(market, "sell 10 YES @ 0.40")
    await bob.placed(market, "sell 10 YES @ 0.48")
    await bob.placed(market, "buy 10 YES @ 0.10")
    rows = await JournalRow.objects.acount()
    answer = await alice.send("POST", "orders/preview", order(market, "buy 15 YES @ 0.48"))
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["status"] == shown["reason"] == "filled"
    assert shown["average_price"] == "0.426667"
    assert (shown["cost"], shown["fees"]) == ("6.550000", "0.150000")
    assert (shown["hold"], shown["pays_if_right"]) == ("0.000000", "15.000000")
    assert (shown["best_bid"], shown["best_ask"]) == ("0.1000", "0.4800")
    assert [warning["code"] for warning in shown["warnings"]] == ["price_impact"]
    assert await JournalRow.objects.acount() == rows
    assert await Trade.objects.acount() == 0
    assert await Transfer.objects.filter(kind="trade").acount() == 0


async def test_a_preview_of_no_is_in_prices_of_no(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "buy 10 YES @ 0.70")
    answer = await alice.send("POST", "orders/preview", order(market, "buy 4 NO @ 0.35"))
    shown = answer.json()
    assert (shown["outcome"], shown["average_price"]) == ("NO", "0.300000")
    assert (shown["cost"], shown["pays_if_right"]) == ("1.200000", "4.000000")
    assert (shown["best_bid"], shown["best_ask"]) == (None, "0.3000")


async def test_a_preview_of_a_resting_order_shows_its_marginal_hold(inside, alice):
    market = await inside.open_market()
    await alice.placed(market, "buy 10 YES @ 0.40")
    answer = await alice.send("POST", "orders/preview", order(market, "sell 5 YES @ 0.50"))
    assert answer.json()["hold"] == "0.000000"  # the larger side is held, not the sum
    answer = await alice.send("POST", "orders/preview", order(market, "buy 5 YES @ 0.50"))
    shown = answer.json()
    assert (shown["status"], shown["hold"]) == ("open", "2.500000")
    assert shown["pays_if_right"] == "5.000000"


async def test_a_preview_of_selling_what_is_owned_pays_nothing_later(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "sell 10 YES @ 0.40")
    await alice.placed(market, "buy 10 YES @ 0.40")
    await bob.placed(market, "buy 20 YES @ 0.30")
    answer = await alice.send("POST", "orders/preview", order(market, "sell 12 YES @ 0.30"))
    shown = answer.json()
    assert shown["cost"] == "-1.600000"  # 12 x 0.30 received, 2 x 1 locked
    assert shown["pays_if_right"] == "2.000000"


async def test_a_preview_is_refused_as_the_order_would_be(inside, alice):
    market = await inside.open_market()
    answer = await alice.send("POST", "orders/preview", order(market, "buy 5000 YES @ 0.50"))
    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
    answer = await alice.send("POST", "orders/preview", order(market, "buy 5 YES"))
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["not_filled"]


# Triggers.


# Closing positions.
