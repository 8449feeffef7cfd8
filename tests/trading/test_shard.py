"""Batches against a real database: what is answered is committed, what fails leaves no trace."""

import msgspec
import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from accounts.models import Account, Transfer
from kernel import bulk
from kernel.database import DATABASE_FAULTS
from kernel.ids import new_id
from markets.models import Exchange
from tests.trading import world
from tests.trading.world import CREDIT, buy, cancel, run, sell
from trading.engine.commands import CancelAll, Configure, Place
from trading.engine.events import Fired
from trading.engine.types import (
    BUY,
    Leg,
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Trigger,
    TriggerKind,
)
from trading.models import BookState, JournalRow, Margin, Order, Position, Receipt, Trade
from trading.pipeline.config import config_of
from trading.pipeline.journal import decode_body
from trading.pipeline.loading import load_engine
from trading.pipeline.messages import Task, decode_publication
from trading.pipeline.publication import build_publication
from trading.pipeline.replay import replay
from trading.pipeline.shard import Shard
from trading.pipeline.tables import RECEIPTS
from trading.pipeline.writer import LeaseLostError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob():
    return world.make_account()


def balances(account):
    account.refresh_from_db()
    return account.cash_micros, account.held_micros


def total_cash():
    return sum(Account.objects.values_list("cash_micros", flat=True))


def test_opening_a_market_is_a_journalled_command_that_sets_its_status(shard, market):
    market.refresh_from_db()
    assert market.status == "open"
    assert BookState.objects.get().status == MarketStatus.OPEN
    assert JournalRow.objects.get().seq_first == 1


def test_a_resting_order_holds_what_it_can_cost(shard, market, alice):
    [result] = run(shard, buy(market, alice, 60, 1000))
    assert result.order.status == OrderStatus.OPEN
    assert balances(alice) == (10_000 * CREDIT, 6 * CREDIT)
    row = Order.objects.get()
    assert (row.id.hex, row.price_pips, row.remaining_lots) == (result.order.order_id, 6000, 1000)


def test_a_trade_moves_money_to_escrow_and_positions_sum_to_zero(shard, market, alice, bob):
    run(shard, sell(market, alice, 60, 1000))
    [result] = run(shard, buy(market, bob, 70, 1000))
    assert result.order.status == OrderStatus.FILLED
    assert [fill.trade.price_pips for fill in result.fills] == [6000]
    assert balances(bob) == (9_994 * CREDIT, 0)
    assert balances(alice) == (9_996 * CREDIT, 0)
    escrow = Account.objects.get(kind="escrow")
    assert escrow.cash_micros == 10 * CREDIT
    assert dict(Position.objects.values_list("account_id", "net_lots")) == {
        alice.id: -1000,
        bob.id: 1000,
    }
    assert Trade.objects.get().id.hex == result.fills[0].trade_id
    assert total_cash() == 0
    assert Transfer.objects.filter(kind="trade").count() == 2


def test_a_batch_gives_every_task_its_own_state_and_one_commit(shard, market, alice, bob):
    tasks = [sell(market, alice, 60, 1000), buy(market, bob, 60, 400), buy(market, bob, 60, 600)]
    first, second, third = run(shard, *tasks)
    assert (first.order.remaining_lots, first.seq) == (1000, 2)
    assert (second.order.filled_lots, third.order.filled_lots) == (400, 600)
    assert Order.objects.get(id=first.order.order_id).status == OrderStatus.FILLED
    assert JournalRow.objects.filter(market=market).count() == 2


def test_a_key_is_answered_once_and_for_ever(shard, market, alice):
    task = buy(market, alice, 60, 1000, key="order:a")
    again = buy(market, alice, 60, 1000, key="order:a")
    first, second = run(shard, task, again)
    third = run(world.own_shard(), buy(market, alice, 60, 1000, key="order:a"))[0]
    assert first.order.order_id == second.order.order_id == third.order.order_id
    assert Order.objects.count() == Receipt.objects.count() == 1


def test_a_key_with_another_body_is_refused(shard, market, alice):
    run(shard, buy(market, alice, 60, 1000, key="order:a"))
    assert run(shard, buy(market, alice, 61, 1000, key="order:a")) == ["key_reused"]


def test_a_rejection_is_remembered_under_its_key(shard, market, alice):
    poor = buy(market, alice, 60, 10_000_000, key="order:a")
    [first] = run(shard, poor)
    assert (first.reason, first.missing_micros) == ("insufficient_funds", 50_000 * CREDIT)
    world.do_grant(alice, amount_micros=100_000 * CREDIT, by=None)
    [again] = run(shard, buy(market, alice, 60, 10_000_000, key="order:a"))
    assert again.reason == "insufficient_funds"
    assert Order.objects.count() == 0


def test_a_quote_says_what_would_happen_and_changes_nothing(shard, market, alice, bob):
    run(shard, sell(market, alice, 60, 1000))
    before = JournalRow.objects.count()
    [quoted] = run(shard, buy(market, bob, 65, 1500, quote=True))
    assert (quoted.order.filled_lots, quoted.order.remaining_lots) == (1000, 500)
    assert JournalRow.objects.count() == before
    assert balances(bob) == (10_000 * CREDIT, 0)
    [real] = run(shard, buy(market, bob, 65, 1500))
    assert quoted.held_change_micros == real.held_change_micros
    assert [fill.trade.quantity_lots for fill in quoted.fills] == [
        fill.trade.quantity_lots for fill in real.fills
    ]


def test_an_engine_that_starts_again_has_the_same_state(shard, market, alice, bob):
    run(shard, sell(market, alice, 60, 1000), sell(market, alice, 60, 500), buy(market, bob, 50, 3))
    order_id = run(shard, buy(market, bob, 50, 300))[0].order.order_id
    run(shard, buy(market, bob, 60, 1200), cancel(market, bob, order_id))
    loaded = load_engine(market.id)
    replayed, journal_hash, _, _ = replay(market.id)
    assert loaded.state_hash() == replayed.state_hash()
    assert loaded.state_hash() == shard.markets[market.id].engine.state_hash()
    assert bytes(BookState.objects.get().journal_hash) == journal_hash


def test_an_engine_without_the_lease_commits_nothing(shard, market, alice):
    newer = world.own_shard()
    with pytest.raises(LeaseLostError):
        shard.run([buy(market, alice, 60, 1000)])
    assert Order.objects.count() == 0
    assert run(newer, buy(market, alice, 60, 1000))[0].seq == 2


def test_a_failed_commit_leaves_no_trace_and_the_books_are_loaded_again(
    shard, market, alice, bob, monkeypatch
):
    run(shard, sell(market, alice, 60, 1000))
    with monkeypatch.context() as patch:
        patch.setattr("trading.pipeline.shard.writer.write", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            shard.run([buy(market, bob, 60, 1000)])
    assert shard.markets == {}
    assert balances(bob) == (10_000 * CREDIT, 0)
    [result] = run(shard, buy(market, bob, 60, 1000))
    assert (result.seq, result.order.filled_lots) == (3, 1000)


def test_a_commit_that_the_database_refuses_leaves_no_trace(shard, market, alice, bob, monkeypatch):
    """A receipt of an account that is not there is found out by the COMMIT itself."""
    run(shard, sell(market, alice, 60, 1000))

    def spoil(*args, **named):
        RECEIPTS.insert(bulk.open_cursor(), [(10**9, "nobody's", b"", b"", 1)])
        return build_publication(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr("trading.pipeline.shard.build_publication", spoil)
        with pytest.raises(DATABASE_FAULTS):
            shard.run([buy(market, bob, 60, 1000)])
    assert shard.markets == {}
    assert (Order.objects.count(), Receipt.objects.count()) == (1, 0)
    assert balances(bob) == (10_000 * CREDIT, 0)
    [result] = run(shard, buy(market, bob, 60, 1000))
    assert (result.seq, result.order.filled_lots) == (3, 1000)


def test_what_cannot_be_encoded_is_not_committed(shard, market, alice, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("trading.pipeline.shard.build_publication", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            shard.run([buy(market, alice, 60, 1000)])
    assert Order.objects.count() == 0
    assert run(shard, buy(market, alice, 60, 1000))[0].seq == 2


def test_a_batch_inside_a_transaction_leaves_the_commit_to_it(shard, market, alice):
    with transaction.atomic():
        run(shard, buy(market, alice, 60, 1000))
        assert Order.objects.count() == 1
        transaction.set_rollback(True)
    assert Order.objects.count() == 0


def test_a_transaction_that_is_to_be_rolled_back_is_never_committed(shard):
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError), bulk.committing_pipeline():
            pass


def test_a_batch_leaves_the_session_as_it_was(shard, market, alice):
    for price in (60, 61):
        run(shard, buy(market, alice, price, 100))
        assert connection.get_autocommit()
        assert not connection.in_atomic_block
    if bulk.is_postgresql():
        assert connection.connection.autocommit
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('enable_seqscan')")
            assert cursor.fetchone() == ("on",)
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE from_sql IS FALSE")
            assert cursor.fetchone()[0] > 0


def test_a_task_that_reaches_further_than_was_locked_waits_for_the_next_batch(shard, market):
    """Cancels ahead of it in the batch let a taker go deeper than could be seen at the start."""
    makers = [world.make_account() for _ in range(3)]
    taker = world.make_account()
    results = run(shard, *(sell(market, maker, 50 + i, 100) for i, maker in enumerate(makers)))
    cancels = [
        cancel(market, maker, result.order.order_id)
        for maker, result in list(zip(makers, results, strict=True))[:2]
    ]
    committed = shard.run([*cancels, buy(market, taker, 60, 100)])
    assert len(committed.replies) == 2
    [result] = run(shard, buy(market, taker, 60, 100))
    assert [fill.trade.price_pips for fill in result.fills] == [5200]


def test_cancel_all_reaches_every_market_of_the_shard(shard, market, alice):
    other = world.make_market(outcomes=3)
    world.open_market(shard, other)
    run(shard, buy(market, alice, 60, 1000), buy(other, alice, 30, 1000, outcome=2))
    [result] = run(shard, Task(0, None, CancelAll(alice.id)))
    assert len(result.order_ids) == 2
    assert balances(alice) == (10_000 * CREDIT, 0)
    assert Margin.objects.filter(held_micros__gt=0).count() == 0


def test_cancel_all_reaches_every_market_after_a_failed_commit_too(
    shard, market, alice, monkeypatch
):
    run(shard, buy(market, alice, 60, 1000))
    with monkeypatch.context() as patch:
        patch.setattr("trading.pipeline.shard.writer.write", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            shard.run([buy(market, alice, 60, 1000)])
    [result] = run(shard, Task(0, None, CancelAll(alice.id)))
    assert len(result.order_ids) == 1


def test_commands_for_unknown_markets_and_other_shards_are_named(shard, market, alice):
    missing = Task(0, 999_999, Place("0" * 32, alice.id, alice.owner_id, 0, BUY, 5000, 100))
    assert run(shard, missing) == ["market_unknown"]


def test_only_the_house_may_go_below_zero(shard, market, bob):
    house = Account.objects.get(kind="house")
    run(shard, sell(market, bob, 60, 1000))
    task = buy(market, bob, 60, 1000)
    task.command = Place(task.command.order_id, house.id, 0, 0, BUY, 6000, 1000, fee_free=True)
    [result] = run(shard, task)
    assert result.order.filled_lots == 1000
    assert balances(house) == (-6 * CREDIT, 0)


def test_a_shard_loads_only_its_own_markets(shard, market):
    world.Market.objects.filter(pk=market.pk).update(shard=3)
    other = Shard(0, shard.epoch)
    other.load()
    assert other.markets == {}


def test_a_level_that_empties_while_the_tick_is_refined_is_published(shard, market, alice):
    order_id = run(shard, buy(market, alice, 60, 1000))[0].order.order_id
    config = config_of(market)
    finer = msgspec.structs.replace(config, tick_pips=10)
    run(shard, Task(0, market.id, Configure(MarketStatus.HALTED, config)))
    committed = shard.run(
        [
            cancel(market, alice, order_id),
            Task(0, market.id, Configure(MarketStatus.HALTED, finer)),
        ]
    )
    [change] = decode_publication(committed.publication).markets
    assert [(level.price_pips, level.bid_lots) for level in change.levels] == [(6000, 0)]
    assert [(top.outcome, top.bid_pips) for top in change.tops] == [(0, None)]


# Triggers.


def stop(market, account, price, lots, *, at, **options):
    """A buy stop-limit on the last trade."""
    trigger = Trigger(TriggerKind.STOP, at * 100, **options)
    return buy(market, account, price, lots, options=OrderOptions(trigger=trigger))


def trade_at(shard, market, price, maker, taker):
    return run(shard, sell(market, maker, price, 100), buy(market, taker, price, 100))


def test_an_order_that_waits_has_a_row_holds_nothing_and_is_loaded_again(shard, market, alice):
    [result] = run(shard, stop(market, alice, 70, 500, at=60))
    assert result.order.status == OrderStatus.UNTRIGGERED
    assert balances(alice) == (10_000 * CREDIT, 0)
    row = Order.objects.get()
    assert (row.status, row.trigger_pips, row.priority) == (OrderStatus.UNTRIGGERED, 6000, 0)
    loaded = load_engine(market.id, all_accounts=False)
    assert list(loaded.untriggered) == [row.id.hex]
    assert loaded.state_hash() == shard.markets[market.id].engine.state_hash()
    assert loaded.state_hash() == replay(market.id).engine.state_hash()


def test_what_a_trade_triggers_is_fired_by_the_shard_and_told(shard, market, alice, bob):
    carol = world.make_account()
    [waiting] = run(shard, stop(market, carol, 70, 500, at=60))
    trade_at(shard, market, 60, alice, bob)
    while shard.due:  # its account was not locked by the trade's batch
        publication = decode_publication(shard.run([]).publication)
    row = Order.objects.get(pk=waiting.order.order_id)
    assert (row.status, row.trigger_pips, row.price_pips) == (OrderStatus.OPEN, None, 7000)
    assert balances(carol) == (10_000 * CREDIT, 350 * CREDIT // 100)
    [told] = [change for change in publication.accounts if change.account_id == carol.id]
    assert told.held_micros == 350 * CREDIT // 100
    assert [change.order.status for change in told.orders] == [OrderStatus.OPEN]
    assert load_engine(market.id).state_hash() == replay(market.id).engine.state_hash()


def test_the_legs_of_a_bracket_survive_a_restart_and_cancel_one_another(shard, market, alice, bob):
    carol = world.make_account()
    profit = Leg(new_id(), Trigger(TriggerKind.TAKE_PROFIT, 7_000), 6_900)
    loss = Leg(new_id(), Trigger(TriggerKind.STOP, 3_000))
    options = OrderOptions(legs=(profit, loss))
    [result] = run(shard, buy(market, carol, 50, 1_000, options=options))
    assert [leg.remaining_lots for leg in result.legs] == [0, 0]
    run(shard, sell(market, bob, 50, 400))
    loaded = load_engine(market.id)
    assert loaded.brackets == {result.order.order_id: {profit.order_id, loss.order_id}}
    assert loaded.state_hash() == replay(market.id).engine.state_hash()
    shard = world.own_shard()
    trade_at(shard, market, 70, alice, bob)  # fires the take-profit, which rests
    while shard.due:
        shard.run([])
    rows = {row.id.hex: row for row in Order.objects.filter(account=carol)}
    assert rows[profit.order_id].status == OrderStatus.OPEN
    assert rows[result.order.order_id].reason == "leg_fired"
    assert rows[loss.order_id].remaining_lots == 400
    shard = world.own_shard()
    run(shard, buy(market, alice, 69, 400))
    rows = {row.id.hex: row for row in Order.objects.filter(account=carol)}
    assert rows[profit.order_id].status == OrderStatus.FILLED
    ended = rows[loss.order_id]
    assert (ended.status, ended.reason) == (OrderStatus.CANCELLED, "reduce_only")
    assert load_engine(market.id).state_hash() == replay(market.id).engine.state_hash()
    assert load_engine(market.id).brackets == {}


def test_a_shard_that_starts_again_fires_once_what_was_due(shard, market, alice, bob):
    """As after a kill -9: some of a thousand are fired already, some are due, some still wait."""
    watchers = [world.make_account(100) for _ in range(5)]
    stops = [
        stop(market, watchers[number % 5], 70, 100, at=60 if number % 3 else 90)
        for number in range(300)
    ]
    run(shard, *stops)
    trade_at(shard, market, 60, alice, bob)
    shard.run([])
    fired = Order.objects.exclude(priority=0).filter(status=OrderStatus.OPEN).count()
    assert 0 < fired < 200
    restarted = world.own_shard()
    assert restarted.due == {market.id}
    while restarted.due:
        restarted.run([])
    assert Order.objects.untriggered().count() == 100
    assert Order.objects.filter(id__in=[task.command.order_id for task in stops]).count() == 300
    fires = [
        event.order_id
        for row in JournalRow.objects.filter(market=market)
        for entry in decode_body(bytes(row.body)).entries
        for event in entry.events
        if isinstance(event, Fired)
    ]
    assert len(fires) == len(set(fires)) == 200
    assert load_engine(market.id).state_hash() == replay(market.id).engine.state_hash()


def test_a_triggered_order_whose_account_is_locked_waits_and_stops_nobody(
    shard, market, alice, bob
):
    carol = world.make_account()
    run(shard, stop(market, carol, 70, 500, at=60))
    shard.busy.add(carol.id)  # as if it had just been waited for in vain
    trade_at(shard, market, 60, alice, bob)
    assert shard.due == {market.id}
    [result] = run(shard, buy(market, bob, 10, 100))
    assert result.order.status == OrderStatus.OPEN
    while shard.due:
        shard.run([])
    assert balances(carol)[1] == 350 * CREDIT // 100


def test_nothing_is_fired_while_the_whole_exchange_is_halted(shard, market, alice, bob):
    carol = world.make_account()
    run(shard, stop(market, carol, 70, 500, at=60))
    trade_at(shard, market, 60, alice, bob)
    Exchange.objects.update_or_create(pk=1, defaults={"trading_halted": True})
    shard.run([])
    assert (shard.due, shard.is_stuck) == ({market.id}, True)
    assert Order.objects.untriggered().count() == 1
    Exchange.objects.update(trading_halted=False)
    shard.run([])
    assert (shard.due, Order.objects.untriggered().count()) == (set(), 0)


def test_a_cancel_of_all_reaches_what_waits_in_every_market(shard, market, alice):
    run(shard, stop(market, alice, 70, 500, at=60))
    [result] = run(shard, Task(0, None, CancelAll(alice.id)))
    assert len(result.order_ids) == 1
    row = Order.objects.get()
    assert (row.status, row.reason) == (OrderStatus.CANCELLED, "cancelled_by_owner")
