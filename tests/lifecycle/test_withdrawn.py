"""An outcome that is withdrawn while trading: closed, paid what was stated, the others go on."""

import pytest
from django.test import Client

from markets.models import Clarification, Market
from tests.lifecycle.results import cash, end_window, refuse, status_of
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.engine.types import Reason, TradeKind
from trading.models import Order, Trade
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)

A, B, C, D = range(4)


@pytest.fixture
def race(shard, operator):
    """A market of four candidates, matched across, open."""
    market = world.make_market(outcomes=4, dispute_seconds=0)
    world.open_market(shard, market)
    return market


def withdraw(market, operator, index, pays_pips=0):
    outcome = market.outcomes.get(index=index)
    actions.do_withdraw_outcome(
        market, by=operator, outcome=outcome, pays_pips=pays_pips, reason="She stepped down."
    )
    market.refresh_from_db()


def assert_sound():
    assert [finding for finding in check_everything() if finding.breaches] == []


def settle(market, operator, payout_pips):
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=payout_pips, evidence_text="Seen.")
    end_window(market)
    settle_market(market.pk)
    assert status_of(market) == Market.Status.SETTLED


@pytest.mark.parametrize("pays_pips", [0, 1_234])
def test_a_withdrawn_outcome_pays_what_was_stated_and_the_others_go_on(
    shard, race, operator, alice, bob, pays_pips
):
    run(shard, sell(race, bob, 30, 1_000, outcome=D), buy(race, alice, 30, 1_000, outcome=D))
    run(shard, buy(race, alice, 20, 500, outcome=D), buy(race, alice, 20, 500, outcome=A))
    withdraw(race, operator, D, pays_pips)
    assert status_of(race) == Market.Status.OPEN
    out = Order.objects.get(outcome_index=D, side=1, price_pips=2_000)
    assert out.reason == Reason.OUTCOME_WITHDRAWN
    assert Order.objects.get(outcome_index=A).status == 0
    gone = race.outcomes.get(index=D)
    assert (gone.withdrawn_pips, gone.withdrawn_at is not None) == (pays_pips, True)

    [refused] = run(shard, buy(race, alice, 10, 100, outcome=D))
    assert refused.reason == Reason.OUTCOME_WITHDRAWN
    [sold] = run(shard, sell(race, bob, 20, 500, outcome=A))
    assert len(sold.fills) == 1
    before = cash(alice), cash(bob)
    settle(race, operator, [10_000 - pays_pips, 0, 0, pays_pips])
    # Alice: 10 D and 5 A; bob the opposite, with 1 of collateral for each set that it may cost.
    assert cash(alice) - before[0] == pays_pips * 1_000 + (10_000 - pays_pips) * 500
    assert cash(alice) + cash(bob) == 20_000 * world.CREDIT
    assert_sound()


def test_no_other_payout_of_a_withdrawn_outcome_can_be_proposed(shard, race, operator):
    withdraw(race, operator, D, 1_000)
    actions.do_close_market(race, by=operator)
    for vector in ([10_000, 0, 0, 0], [0, 0, 0, 10_000], [8_000, 500, 0, 1_500]):
        refuse("payout_of_withdrawn", actions.do_resolve_market, race, by=operator,
               payout_pips=vector, evidence_text="x")  # fmt: skip
    actions.do_resolve_market(race, by=operator, payout_pips=[9_000, 0, 0, 1_000],
                              evidence_text="x")  # fmt: skip


def test_it_is_out_of_the_sums_of_matches_across_books(shard, race, operator, alice, bob):
    carol = world.make_account()
    run(shard, buy(race, carol, 30, 1_000, outcome=D), buy(race, alice, 30, 1_000, outcome=A))
    withdraw(race, operator, D)
    # With its bid of 0.30 a set would have been made at 0.40 already; now B and C must bid more.
    [waits] = run(shard, buy(race, bob, 45, 1_000, outcome=B))
    assert not waits.fills
    [made] = run(shard, buy(race, bob, 25, 1_000, outcome=C))
    assert len(made.fills) == 1
    assert set(Trade.objects.values_list("kind", flat=True)) == {TradeKind.MINT}
    settle(race, operator, [0, 10_000, 0, 0])
    assert_sound()


def test_the_engine_reloads_and_replays_with_it(shard, race, operator, alice):
    run(shard, buy(race, alice, 20, 500, outcome=D))
    withdraw(race, operator, D)
    fresh = world.own_shard()
    [refused] = run(fresh, buy(race, alice, 10, 100, outcome=D))
    assert refused.reason == Reason.OUTCOME_WITHDRAWN
    assert_sound()


def test_it_is_announced_with_the_rules_once(race, operator):
    withdraw(race, operator, D, 500)
    [said] = Clarification.objects.filter(market=race)
    assert said.text == "“Outcome 3” was withdrawn and pays 0.05. She stepped down."
    withdraw(race, operator, C)
    assert Clarification.objects.filter(market=race).count() == 2


def test_who_may_withdraw_what(shard, race, operator, market):
    yes, last = market.outcomes.first(), race.outcomes.get(index=D)

    def refused(code, market, outcome, by=operator, pays_pips=0):
        refuse(code, actions.do_withdraw_outcome, market, by=by, outcome=outcome,
               pays_pips=pays_pips, reason="x")  # fmt: skip

    refused("outcome_stays", market, yes)
    refused("outcome_stays", race, last, pays_pips=10_001)
    withdraw(race, operator, D, 4_000)
    refused("outcome_withdrawn", race, last)
    refused("outcome_stays", race, race.outcomes.get(index=C), pays_pips=6_001)
    withdraw(race, operator, C, 6_000)
    refused("outcome_stays", race, race.outcomes.get(index=B))
    actions.do_close_market(race, by=operator)
    refused("not_trading", race, race.outcomes.get(index=B))


def test_beside_an_automated_maker_none_can_be_withdrawn(shard, operator):
    maker = world.make_market(outcomes=3, maker_b_lots=10_000, maker_funded_by_house=True)
    refuse("not_trading", actions.do_withdraw_outcome, maker, by=operator,
           outcome=maker.outcomes.first(), pays_pips=0, reason="x")  # fmt: skip
    Market.objects.filter(pk=maker.pk).update(status="open")
    maker.refresh_from_db()
    refuse("outcomes_of_maker", actions.check_withdraw_outcome, maker, by=operator,
           outcome=maker.outcomes.first(), pays_pips=0)  # fmt: skip


def test_the_api_withdraws_an_outcome_and_shows_it(shard, race, operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    url = f"/api/v1/markets/{race.slug}"

    def post(rest, **body):
        return client.post(f"{url}/{rest}", body, content_type="application/json")

    assert post("withdraw-outcome", outcome="NOBODY", reason="x").status_code == 422
    answer = post("withdraw-outcome", outcome="O3", price="0.1", reason="Ill.")
    assert answer.status_code == 200, answer.json()
    shown = client.get(url).json()["outcomes"]
    assert [row["withdrawn_payout"] for row in shown] == [None, None, None, "0.1000"]
    post("close")
    winners = post("resolve", winners=["O0", "O1"], evidence_text="x")
    assert winners.json()["result"]["payout"] == ["0.4500", "0.4500", "0.0000", "0.1000"]


def test_the_admin_withdraws_an_outcome(shard, race, operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    url = f"/admin/markets/market/{race.pk}/do/withdraw-outcome/"
    assert client.post(url, {"outcome": "3", "pays_pips": "0", "reason": ""}).status_code == 422
    form = {"outcome": "3", "pays_pips": "0.2", "reason": "Ill"}
    assert client.post(url, form).status_code == 302
    assert race.outcomes.get(index=3).withdrawn_pips == 2_000
    page = client.get(f"/markets/{race.slug}/").content.decode()
    assert "Withdrawn" in page


def test_a_correction_leaves_a_withdrawn_outcome_what_was_stated(shard, race, operator, alice, bob):
    run(shard, sell(race, bob, 30, 1_000, outcome=D), buy(race, alice, 30, 1_000, outcome=D))
    run(shard, sell(race, bob, 50, 1_000, outcome=A), buy(race, alice, 50, 1_000, outcome=A))
    withdraw(race, operator, D, 1_000)
    settle(race, operator, [9_000, 0, 0, 1_000])
    refuse("payout_of_withdrawn", actions.do_correct_result, race, by=operator,
           payout_pips=[0, 10_000, 0, 0], evidence_text="x")  # fmt: skip
    actions.do_correct_result(
        race, by=operator, payout_pips=[0, 9_000, 0, 1_000], evidence_text="x"
    )
    assert correct_market(race.pk)
    assert race.outcomes.get(index=B).payout_pips == 9_000
    assert_sound()
