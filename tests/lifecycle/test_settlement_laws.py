"""After any trades, settling or voiding a market conserves every micro and leaves no debt."""

from collections import defaultdict

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, Transfer
from tests.lifecycle.histories import ACCOUNTS, World, fees, histories, terms, undone
from trading.actions import do_resolve_market, do_void_market
from trading.engine.types import PAYOUT_PIPS
from trading.models import Margin, Trade
from trading.settlement.payments import compute_house_cover_micros, settle_market
from trading.verify import check_everything

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

in_a_database = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lots_bought(market) -> dict[int, list[int]]:
    """What each account bought minus sold of each outcome, added up from the trades."""
    lots: dict[int, list[int]] = defaultdict(lambda: [0] * 50)
    for trade in Trade.objects.filter(market=market):
        signed = trade.taker_side * trade.quantity_lots
        lots[trade.taker_account_id][trade.outcome_index] += signed
        lots[trade.maker_account_id][trade.outcome_index] -= signed
    return lots


def paid_in(world: World) -> dict[int, int]:
    """N: all that each account paid into the market minus all it got, from the transfers."""
    net: dict[int, int] = defaultdict(int)
    for transfer in Transfer.objects.filter(market_id=world.market.pk):
        net[transfer.debit_account_id] += transfer.amount_micros
        net[transfer.credit_account_id] -= transfer.amount_micros
    return {account.pk: net[account.pk] for account in world.accounts}


def breaches() -> list[str]:
    return [example for finding in check_everything() for example in finding.examples]


@in_a_database
@given(terms=terms, fees=fees, history=histories, data=st.data())
def test_each_account_is_paid_what_its_outcomes_are_worth(
    shard, operator, terms, fees, history, data
):
    with undone(shard):
        world = World(shard, {**terms, **fees}, history)
        world.close()
        outcomes = terms["outcomes"]
        cuts = sorted(data.draw(st.integers(0, PAYOUT_PIPS)) for _ in range(outcomes - 1))
        payout = [b - a for a, b in zip([0, *cuts], [*cuts, PAYOUT_PIPS], strict=True)]
        do_resolve_market(world.market, by=operator, payout_pips=payout, evidence_text="seen")
        assert settle_market(world.market.pk, chunk=data.draw(st.integers(1, 3)))
        bought = lots_bought(world.market)
        for account in world.accounts:
            s = bought[account.pk][:outcomes]
            owned = [lots - min(s) for lots in s]
            worth = sum(v * h for v, h in zip(payout, owned, strict=True))
            assert world.cash(account.pk) == world.before[account.pk] + worth
        world.check_conserved()
        assert breaches() == []
        world.market.refresh_from_db()
        assert world.market.status == "settled"
        assert not Margin.objects.filter(payout_micros=None).exists()


@in_a_database
@given(
    terms=terms,
    fees=fees,
    history=histories,
    leaving=st.sets(st.integers(0, ACCOUNTS - 1)),
    chunk=st.integers(1, 3),
)
def test_a_void_undoes_every_payment_and_the_house_pays_what_is_gone(
    shard, operator, terms, fees, history, leaving, chunk
):
    with undone(shard):
        world = World(shard, {**terms, **fees}, history)
        for who in sorted(leaving):
            world.withdraw_all(who)
        world.close()
        net = paid_in(world)
        gone = sum(max(0, -n - world.before[account_id]) for account_id, n in net.items())
        assert compute_house_cover_micros(world.market.pk) == gone
        assert not (terms["strict_refund"] and gone)
        do_void_market(world.market, by=operator, reason="no such thing", house_cover_micros=gone)
        assert settle_market(world.market.pk, chunk=chunk)
        for account_id, n in net.items():
            assert world.cash(account_id) == max(0, world.before[account_id] + n)
        house = Account.objects.get(kind="house")
        assert world.cash(house.pk) == world.house_before - gone
        world.check_conserved()
        assert breaches() == []
        paid = Margin.objects.aggregate(total=Sum("payout_micros"))["total"] or 0
        assert paid == sum(net.values()) + gone
        world.market.refresh_from_db()
        assert world.market.status == "voided"
