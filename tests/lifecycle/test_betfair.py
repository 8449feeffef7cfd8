"""Eight recorded streams of another exchange, played as markets of ours: suspended, resumed,
with runners removed and with several winners, to the recorded result, and nothing lost or made."""

import itertools

import pytest
from django.db.models import Sum

from accounts.models import Account
from markets.actions import do_create_market_group, do_set_outcomes
from markets.lifecycle import binary_payout
from markets.models import Market
from simulator.recordings.betfair import read_file
from tests.lifecycle.results import end_window, status_of
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.engine.types import Reason
from trading.models import Trade
from trading.settlement.payments import settle_market
from trading.verify import check_everything

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

# What is known of each file: markets, changes, removed runners and paid pips, as recorded.
FILES = {
    "bfparser_1.164917629.bz2": (1, 0, 0, None),
    "flumine_1.197931750.jsonl.gz": (1, 2, 0, [10_000]),
    "flumine_1.197931751.jsonl.gz": (1, 2, 0, [5_000, 5_000]),
    "flumine_BASIC-1.132153978.jsonl.gz": (1, 4, 2, [10_000]),
    "nautilus_1-166564490.bz2": (1, 0, 0, None),
    "nautilus_1-166811431.bz2": (1, 4, 0, [10_000]),
    "nautilus_1-180305278.bz2": (1, 2, 0, [10_000]),
}
MANY = "bfparser_1.242971311.bz2"
CENTS = 5
LOTS = 300


def total_micros():
    return Account.objects.aggregate(total=Sum("cash_micros"))["total"]


def trade_all(shard, market, alice, bob):
    """Trade in each outcome; a withdrawn one takes no orders. Some orders stay."""
    for outcome in market.outcomes.all():
        tasks = [
            sell(market, bob, CENTS, LOTS, outcome=outcome.index),
            buy(market, alice, CENTS, LOTS, outcome=outcome.index),
            buy(market, bob, 1, LOTS, outcome=outcome.index),
        ]
        reasons = {result.reason for result in run(shard, *tasks)}
        is_out = outcome.withdrawn_at is not None
        assert reasons == {Reason.OUTCOME_WITHDRAWN if is_out else None}


def play_step(market, step, operator):
    if step.kind == "halt":
        actions.do_halt_market(market, by=operator, reason="suspended")
    elif step.kind == "resume":
        actions.do_resume_market(market, by=operator)
    elif step.kind == "close":
        actions.do_close_market(market, by=operator)
    else:
        outcome = market.outcomes.get(index=step.outcome)
        actions.do_withdraw_outcome(
            market, by=operator, outcome=outcome, pays_pips=0, reason="removed"
        )
    market.refresh_from_db()


def make(recorded):
    """An approved market with the recorded runners as its outcomes."""
    market = world.make_market(outcomes=3, kind=recorded.kind, dispute_seconds=0)
    do_set_outcomes(market, by=market.creator, outcomes=recorded.outcomes)
    market.refresh_from_db()
    return market


@pytest.mark.parametrize("name", FILES)
def test_a_recorded_market_ends_with_its_recorded_result(
    data_dir, shard, operator, alice, bob, name
):
    count, changes, removed, paid = FILES[name]
    [recorded] = read_file(data_dir / "betfair" / name)
    assert (1, len(recorded.steps)) == (count, changes)
    assert sum(step.kind == "withdraw" for step in recorded.steps) == removed
    market = make(recorded)
    world.open_market(shard, market)
    market.refresh_from_db()
    before = total_micros()
    for step in recorded.steps:
        if market.status == Market.Status.OPEN:
            trade_all(shard, market, alice, bob)
        play_step(market, step, operator)
    if recorded.payout_pips is None:
        trade_all(shard, market, alice, bob)
        assert (paid, status_of(market)) == (None, Market.Status.OPEN)
    else:
        assert [pips for pips in recorded.payout_pips if pips] == paid
        actions.do_resolve_market(
            market, by=operator, payout_pips=recorded.payout_pips, evidence_text="the recording"
        )
        end_window(market)
        settle_market(market.pk)
        assert status_of(market) == Market.Status.SETTLED
        pips = list(market.outcomes.values_list("payout_pips", flat=True))
        assert pips == recorded.payout_pips
        pots = Account.objects.filter(market_id=market.pk)
        assert not any(pots.values_list("cash_micros", flat=True))
    assert Trade.objects.filter(market=market).exists()
    assert total_micros() == before
    assert [finding for finding in check_everything() if finding.breaches] == []


def test_two_hundred_markets_of_one_stream_are_markets_of_ours(
    data_dir, shard, operator, alice, bob
):
    """A hundred have three outcomes; the others are lines of handicaps, each a binary market."""
    recorded = read_file(data_dir / "betfair" / MANY)
    odds = [market for market in recorded if market.outcomes]
    handicaps = [market for market in recorded if market.lines]
    assert len(recorded) == 200 == len(odds) + len(handicaps)
    assert {len(market.outcomes) for market in odds} == {3}
    assert {len(market.lines) for market in handicaps} == {33}
    assert {len(set(market.lines)) for market in handicaps} == {33}
    for one in odds[:3]:
        market = make(one)
        world.open_market(shard, market)
        trade_all(shard, market, alice, bob)
    [named] = [market for market in handicaps if market.market_id == "1.242971311"]
    fields = {"title": "Is {answer} covered?", "close_at": make(odds[0]).close_at}
    made = do_create_market_group(by=operator, fields=fields, answers=named.lines)
    assert len(made) == 33
    for line, wins in zip(made, itertools.cycle((10_000, 5_000, 0)), strict=False):
        Market.objects.filter(pk=line.pk).update(dispute_seconds=0)
        world.open_market(shard, line)
        run(shard, sell(line, bob, 40, LOTS), buy(line, alice, 40, LOTS))
        line.refresh_from_db()
        actions.do_close_market(line, by=operator)
        # A handicap of a quarter goal may be half won: both sides are paid a part.
        actions.do_resolve_market(
            line, by=operator, payout_pips=binary_payout(wins), evidence_text="x"
        )
        end_window(line)
        settle_market(line.pk)
        assert status_of(line) == Market.Status.SETTLED
    assert [finding for finding in check_everything() if finding.breaches] == []
