"""How many contracts trade before an own order: what the book says, and the naive engine."""

import random

import msgspec
import pytest

from kernel.ids import new_id
from tests.engine.generate import BYTES_PER_STEP, OWNER_OF, Choices, make_amend, make_place
from tests.engine.naive import NaiveEngine
from tests.trading import world
from trading.engine.commands import Cancel, Configure
from trading.engine.types import BUY, SELL, MarketStatus, Tif
from trading.pipeline.config import config_of
from trading.pipeline.messages import Task
from trading.readmodels.queue_positions import QueuePosition, list_queue_positions

PLENTY = 10**15


@pytest.mark.parametrize("credential", ["key"], indirect=True)
async def test_ahead_of_an_order_is_what_is_cheaper_or_came_earlier(inside, alice, bob):
    market = await inside.open_market()
    await bob.placed(market, "buy 5 YES @ 0.41")
    await bob.placed(market, "buy 7 YES @ 0.40")
    mine = await alice.placed(market, "buy 10 YES @ 0.40")
    await bob.placed(market, "buy 9 YES @ 0.40")
    last = await alice.placed(market, "sell 1 NO @ 0.60")  # as booked, it buys YES at 0.40
    await bob.placed(market, "sell 3 YES @ 0.90")
    first = {"order_id": mine["id"], "ahead": "12.00", "ahead_at_price": "7.00"}
    second = {"order_id": last["id"], "ahead": "31.00", "ahead_at_price": "26.00"}
    assert (await alice.get(f"orders/{mine['id']}/queue-position")).json() == first
    listed = (await alice.get("orders/queue-positions", market=market.slug)).json()
    assert listed == {"results": [second, first]}
    await alice.placed(market, "sell 5 YES @ 0.41")
    moved = (await alice.get(f"orders/{mine['id']}/queue-position")).json()
    assert (moved["ahead"], moved["ahead_at_price"]) == ("7.00", "7.00")


@pytest.mark.parametrize("credential", ["key"], indirect=True)
async def test_what_does_not_rest_or_is_not_ones_own_has_no_place_in_a_queue(inside, alice, bob):
    market = await inside.open_market()
    other = await bob.placed(market, "buy 5 YES @ 0.41")
    waiting = await alice.placed(market, "buy 1 YES", trigger={"kind": "stop", "price": "0.60"})
    for name in (other["id"], "0" * 32):
        assert (await alice.get(f"orders/{name}/queue-position")).status_code == 404
    refused = await alice.get(f"orders/{waiting['id']}/queue-position")
    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_resting")
    assert (await alice.get("orders/queue-positions")).json()["code"] == "missing_field"
    assert (await alice.get("orders/queue-positions", market="unknown")).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outcomes", [2, 3])
def test_queue_positions_are_the_naive_engines_after_random_commands(outcomes):
    shard, market = world.own_shard(), world.make_market(outcomes=outcomes)
    world.open_market(shard, market)
    config, randomness = config_of(market), random.Random(outcomes)
    accounts = {name: world.make_account(1_000_000).pk for name in OWNER_OF}
    naive = NaiveEngine(market.pk)
    funds = dict.fromkeys((*accounts.values(), 0), PLENTY)
    naive.execute(Configure(MarketStatus.OPEN, config), 1, funds)
    for step in range(300):
        choices = Choices(randomness.randbytes(BYTES_PER_STEP))
        command = _choose(naive, config, choices, accounts)
        world.run(shard, Task(0, market.pk, command))
        naive.execute(command, shard.markets[market.pk].engine.ts_us, funds)
        if step % 10 == 9:
            for account_id in accounts.values():
                expected = _find_expected(naive, account_id)
                assert list_queue_positions(market.pk, account_id) == expected


def _choose(naive, config, choices, accounts):
    """A random command, of real accounts and with real ids; nothing that depends on the clock."""
    open_orders = [
        (order.place.order_id, order.place.account_id, order.quantity_lots)
        for order in naive.orders
    ]
    if open_orders and choices.one_in(5):
        return Cancel(*choices.pick(open_orders)[:2])
    if open_orders and choices.one_in(4):
        amend = make_amend(choices, config, 0, open_orders)
        lots = _bound(amend.quantity_lots)
        plain = {"valid_until_us": None, "quantity_lots": lots, "legs": (), "removed": ()}
        return msgspec.structs.replace(amend, **plain)
    place = make_place(choices, config, 0, lambda *_: 0)
    owner = accounts[place.account_id]
    return msgspec.structs.replace(
        place,
        order_id=new_id(),
        account_id=owner,
        quantity_lots=_bound(place.quantity_lots),
        options=None,
        tif=Tif.GTC if place.tif is Tif.GTD else place.tif,
        fee_free=False,
    )


def _bound(lots):
    """So much that nobody lacks funds for it: the naive engine knows of none."""
    return None if lots is None else min(lots, 100_000)


def _find_expected(naive, account_id):
    expected = {}
    for outcome in range(naive._books()):
        for side in (BUY, SELL):
            queue = naive._queue(outcome, side)
            for place, order in enumerate(queue):
                if order.place.account_id == account_id:
                    ahead = queue[:place]
                    same = [other for other in ahead if other.price_pips == order.price_pips]
                    expected[order.place.order_id] = QueuePosition(
                        sum(other.remaining_lots for other in ahead),
                        sum(other.remaining_lots for other in same),
                    )
    return expected
