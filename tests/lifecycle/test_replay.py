"""A journal replays to the database's state, whatever rules version wrote its rows."""

import pytest
from django.core.management import CommandError, call_command

from kernel.ids import new_id
from markets.models import Market
from tests.trading import world
from tests.trading.world import buy, cancel, run, sell
from trading import actions
from trading.engine.commands import Amend, Place
from trading.engine.events import Ended
from trading.engine.types import BUY, OrderOptions, OrderStatus, Reason, Tif
from trading.models import BookState, JournalRow, Position
from trading.pipeline.journal import chain_hash, decode_body, encode_body
from trading.pipeline.loading import load_engine
from trading.pipeline.messages import Task
from trading.pipeline.replay import compare_with_live, replay

pytestmark = pytest.mark.django_db


@pytest.fixture
def traded(shard, alice, bob):
    market = world.make_market(
        outcomes=3, fee_kind="quadratic", fee_maker_rate=10_000, fee_taker_rate=70_000
    )
    world.open_market(shard, market)
    for cents in (60, 55, 40):
        run(shard, sell(market, bob, cents, 700, outcome=1))
        run(shard, buy(market, alice, cents, 300, outcome=1))
    [resting] = run(shard, buy(market, alice, 30, 500))
    amend = Amend(resting.order.order_id, alice.pk, price_pips=3_500)
    run(shard, Task(0, market.pk, amend), buy(market, alice, 20, 100))
    [last] = run(shard, buy(market, bob, 10, 100, outcome=2))
    run(shard, cancel(market, bob, last.order.order_id))
    return market


def differences(market):
    return compare_with_live(replay(market.pk), load_engine(market.pk))


def test_a_journal_replays_to_the_live_state(traded):
    replayed = replay(traded.pk)
    assert (replayed.commands, replayed.folded) == (BookState.objects.get().seq, 0)
    assert replayed.journal_hash == bytes(BookState.objects.get().journal_hash)
    assert differences(traded) == []


def test_rows_of_an_older_rules_version_are_folded_from_their_events(traded):
    JournalRow.objects.filter(market=traded).update(rules_version=0)
    replayed = replay(traded.pk)
    assert replayed.folded == replayed.commands > 0
    assert differences(traded) == []


def test_a_market_that_saw_two_rules_versions_replays_too(traded):
    half = JournalRow.objects.filter(market=traded).order_by("seq_first")[5].seq_first
    JournalRow.objects.filter(market=traded, seq_first__lt=half).update(rules_version=0)
    replayed = replay(traded.pk)
    assert 0 < replayed.folded < replayed.commands
    assert differences(traded) == []


def test_a_budget_s_end_under_the_first_rules_replays_to_the_same_hash(traded, shard, alice, bob):
    """Then a budget that was spent on the last offer ended as an `immediate_remainder`."""
    ask = sell(traded, bob, 30, 100, outcome=2)
    options = OrderOptions(is_market=True, budget_micros=320_000)
    order = Place(new_id(), alice.pk, alice.owner_id, 2, BUY, None, None, Tif.IOC, options=options)
    budget = Task(0, traded.pk, order)
    [_, bought] = run(shard, ask, budget)
    assert bought.order.reason is Reason.BUDGET_SPENT
    expected = load_engine(traded.pk).state_hash()
    row, before = JournalRow.objects.filter(market=traded).order_by("-seq_first")[:2]
    body = decode_body(bytes(row.body))
    ended = Ended(bought.order.order_id, OrderStatus.CANCELLED, Reason.IMMEDIATE_REMAINDER, 0)
    assert body.entries[-1].events[-1].order_id == ended.order_id
    body.entries[-1].events[-1] = ended
    text = encode_body(body)
    JournalRow.objects.filter(pk=row.pk).update(
        body=text, hash=chain_hash(bytes(before.hash), text), rules_version=1
    )
    BookState.objects.update(journal_hash=chain_hash(bytes(before.hash), text))
    assert replay(traded.pk).engine.state_hash() == expected
    assert differences(traded) == []


def test_a_closed_market_replays_too(traded, operator):
    actions.do_halt_market(traded, by=operator, reason="x")
    actions.do_refine_tick(traded, by=operator, tick_pips=10, reason="x")
    actions.do_close_market(traded, by=operator)
    assert differences(traded) == []


def test_a_state_that_differs_is_named(traded, alice):
    Position.objects.filter(account=alice).update(net_lots=1)
    [difference] = differences(traded)
    assert "differ in accounts" in difference
    BookState.objects.update(journal_hash=b"\0" * 32)
    assert len(differences(traded)) == 2


def test_the_command_says_what_it_replayed_and_fails_when_it_differs(traded, draft, capsys):
    call_command("replay")
    printed = capsys.readouterr().out
    hashed = load_engine(traded.pk).state_hash()[:16]
    assert printed.count(hashed) == 2
    assert "2 of 2 markets replay to their live state" in printed
    row = JournalRow.objects.filter(market=traded).order_by("seq_first")[3]
    JournalRow.objects.filter(pk=row.pk).update(body=bytes(row.body)[:-1] + b"\x2a")
    with pytest.raises(SystemExit) as ended:
        call_command("replay", traded.slug)
    assert ended.value.code == 1
    assert "the hash does not follow" in capsys.readouterr().out


def test_the_command_refuses_a_market_that_is_not_there(db):
    with pytest.raises(CommandError, match="there is no market no-such"):
        call_command("replay", "no-such")
    assert not Market.objects.exists()
