"""An automated maker on the path from its funding to the return of what it has left."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Account, Transfer
from kernel.errors import ApiError
from markets.actions import do_create_market, do_edit_market
from markets.csv_import import Row, check_rows
from markets.models import Market
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.engine.lmsr import compute_worst_loss_micros
from trading.engine.types import BUY, SELL, OrderStatus, Tif, TradeKind
from trading.feed.reads import read_market, read_markets
from trading.models import BookState, Margin, OutcomeStats, Trade
from trading.notifications.notify import notify_of_orders
from trading.pipeline.journal import read_rows
from trading.pipeline.loading import load_engine
from trading.pipeline.replay import replay
from trading.readmodels import projections
from trading.readmodels.tiles import build_tiles
from trading.settlement.payments import settle_market
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)

B_LOTS = 10_000
WORST_LOSS_MICROS = compute_worst_loss_micros(B_LOTS, (1, 1))
START_MICROS = 10_000 * CREDIT
FEES = {"fee_kind": "quadratic", "fee_maker_rate": 0, "fee_taker_rate": 70_000}


@pytest.fixture
def creator(operator):
    """The operator's account, which funds what they create."""
    account = Account.objects.get(owner=operator, number=1)
    world.do_grant(account, amount_micros=START_MICROS - account.cash_micros, by=None)
    return account


@pytest.fixture
def market(shard, creator):
    """An open binary market with a maker that its creator funded."""
    return open_with_maker(shard)


def open_with_maker(shard, **fields):
    fields = {"maker_b_lots": B_LOTS, "dispute_seconds": 0, **fields}
    market = world.make_market(**fields)
    actions.do_open_market(market, by=None)
    market.refresh_from_db()
    return market


def cash(account):
    account.refresh_from_db()
    return account.cash_micros


def maker_of(market):
    return Account.objects.get(kind="maker", market_id=market.pk)


def assert_sound():
    assert [finding for finding in check_everything() if finding.breaches] == []


def settle(market, operator, payout_pips):
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=payout_pips, evidence_text="x")
    assert settle_market(market.pk)


def test_the_creator_funds_the_maker_when_the_market_opens(market, creator):
    assert cash(creator) == START_MICROS - WORST_LOSS_MICROS
    assert cash(maker_of(market)) == WORST_LOSS_MICROS
    [transfer] = Transfer.objects.filter(kind="liquidity")
    assert (transfer.debit_account_id, transfer.credit_account_id, transfer.market_id) == (
        creator.pk, maker_of(market).pk, market.pk,
    )  # fmt: skip
    assert_sound()


def test_a_market_does_not_open_while_its_creator_can_not_fund_the_maker(shard, creator, operator):
    draft = world.make_market(maker_b_lots=10**10, dispute_seconds=0)
    with pytest.raises(ApiError) as refused:
        actions.do_open_market(draft, by=operator)
    assert refused.value.code == "maker_not_funded"
    draft.refresh_from_db()
    assert draft.status == Market.Status.DRAFT
    assert not Transfer.objects.filter(kind="liquidity").exists()
    do_edit_market(draft, by=operator, fields={"maker_b_lots": B_LOTS})
    actions.do_open_market(draft, by=operator)
    assert cash(creator) == START_MICROS - WORST_LOSS_MICROS
    assert_sound()


def test_an_order_is_filled_by_the_maker_at_its_exact_cost(shard, market, alice):
    [result] = run(shard, buy(market, alice, 60, 2_000))
    assert result.order.status == OrderStatus.FILLED
    [fill] = result.fills
    assert fill.trade.amount_micros == 10_499_169
    trade = Trade.objects.get(market=market)
    assert (trade.kind, trade.amount_micros, trade.price_pips) == (
        TradeKind.MAKER, 10_499_169, 5_250,
    )  # fmt: skip
    assert trade.maker_account_id == maker_of(market).pk
    assert trade.maker_order_id is None
    assert cash(alice) == START_MICROS - 10_499_169
    assert cash(maker_of(market)) == WORST_LOSS_MICROS + 10_499_169 - 20 * CREDIT
    assert_sound()


def test_the_makers_prices_are_shown_where_a_books_are(shard, market, alice):
    """Tiles and charts are derived from the journal, tickers read or pushed: all show the same."""
    run(shard, buy(market, alice, 60, 2_000), buy(market, alice, 54, 100))
    maker = shard.markets[market.pk].engine.maker
    prices = (maker.find_price(0, SELL, 100), maker.find_price(0, BUY, 100))
    assert prices == (5_400, 5_600)
    projections.project_market(market.pk)
    [stats] = OutcomeStats.objects.filter(market=market)
    assert (stats.bid_pips, stats.ask_pips) == prices
    assert build_tiles([market])[0].yes.quote[:2] == prices
    whole, [tops_only] = read_market(market.pk).image, read_markets([market.pk]).values()
    [top] = whole.tops
    assert (top.maker_bid_pips, top.maker_ask_pips) == prices
    assert tops_only.image.tops == whole.tops
    published = list(read_rows(market.pk, 0))[-1][1].tops
    assert published == whole.tops


def test_only_a_makers_trade_has_an_amount_beside_its_price(shard, market, alice):
    run(shard, buy(market, alice, 60, 2_000))
    trades = Trade.objects.filter(market=market)
    for wrong in ({"kind": TradeKind.DIRECT.value}, {"amount_micros": 5_251 * 2_000}):
        with pytest.raises(IntegrityError), transaction.atomic():
            trades.update(**wrong)


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("side", ["buyers", "sellers"])
def test_the_maker_is_paid_and_its_rest_goes_back(
    shard, creator, alice, bob, operator, winner, side
):
    market = open_with_maker(shard, **FEES)
    send, price = (buy, 90) if side == "buyers" else (sell, 10)
    run(shard, send(market, alice, price, 9_000), send(market, bob, price, 5_000))
    run(shard, sell(market, bob, 40, 1_000), buy(market, bob, 60, 1_000))
    payout_pips = [0, 0]
    payout_pips[winner] = 10_000
    settle(market, operator, payout_pips)
    assert cash(maker_of(market)) == 0
    assert cash(creator) >= START_MICROS - WORST_LOSS_MICROS
    total = cash(alice) + cash(bob) + cash(creator)
    assert total <= 3 * START_MICROS  # the rest are fees
    assert_sound()


def test_several_outcomes_are_swept_and_settled(shard, creator, alice, bob, operator):
    market = open_with_maker(shard, outcomes=3, maker_priors=[2, 1, 1])
    run(shard, buy(market, bob, 24, 500, outcome=1), sell(market, bob, 60, 500, outcome=2))
    [result] = run(shard, buy(market, alice, 80, 4_000, outcome=0))
    assert {fill.trade.taker_order_id for fill in result.fills} == {result.order.order_id}
    swept = Trade.objects.filter(market=market, taker_order_id=None)
    assert sum(trade.quantity_lots for trade in swept) == 500
    assert {(trade.outcome_index, trade.price_pips, trade.maker_account_id) for trade in swept} == {
        (1, 2_400, bob.pk)
    }
    assert {trade.taker_account_id for trade in swept} == {maker_of(market).pk}
    projections.project_market(market.pk)
    notify_of_orders(market.pk, [body for _, body in read_rows(market.pk)])
    assert_sound()
    settle(market, operator, [0, 10_000, 0])
    assert cash(maker_of(market)) == 0
    assert cash(alice) + cash(bob) + cash(creator) == 3 * START_MICROS
    assert_sound()


@pytest.mark.parametrize("strict_refund", [False, True])
def test_a_void_gives_everybody_back_what_they_paid(
    shard, creator, alice, bob, operator, strict_refund
):
    market = open_with_maker(shard, strict_refund=strict_refund, **FEES)
    run(shard, buy(market, alice, 90, 9_000), sell(market, bob, 20, 12_000))
    run(shard, sell(market, alice, 20, 9_000), buy(market, bob, 60, 1_000))
    assert_sound()
    actions.do_close_market(market, by=operator)
    actions.do_void_market(market, by=operator, reason="x", house_cover_micros=0)
    assert settle_market(market.pk)
    assert [cash(account) for account in (alice, bob, creator)] == [START_MICROS] * 3
    assert_sound()


def test_a_market_that_nobody_traded_in_returns_all_of_it(market, creator, operator):
    settle(market, operator, [10_000, 0])
    assert cash(creator) == START_MICROS
    assert_sound()


def test_a_shard_that_starts_again_knows_where_the_maker_stands(shard, market, alice, bob):
    run(shard, buy(market, alice, 60, 2_000))
    actions.do_change_liquidity(market, bob, by_lots=5_000)
    before = shard.markets[market.pk].engine.maker.save()
    [quoted] = run(shard, sell(market, bob, 40, 2_000, quote=True))
    shard.markets.clear()
    [result] = run(shard, sell(market, bob, 40, 2_000, quote=True))
    assert shard.markets[market.pk].engine.maker.save() == before
    assert result.fills[0].trade.amount_micros == quoted.fills[0].trade.amount_micros
    run(shard, sell(market, bob, 40, 2_000))
    assert replay(market.pk).engine.state_hash() == load_engine(market.pk).state_hash()
    assert_sound()


def test_liquidity_is_added_by_anybody_and_what_is_left_is_shared(
    shard, market, creator, alice, bob, operator
):
    added = actions.do_change_liquidity(market, bob, by_lots=B_LOTS, key="request:a")
    assert added.b_lots == 2 * B_LOTS
    assert abs(added.amount_micros - WORST_LOSS_MICROS) <= 1  # each is rounded up
    assert actions.do_change_liquidity(market, bob, by_lots=B_LOTS, key="request:a") == added
    assert cash(bob) == START_MICROS - added.amount_micros
    with pytest.raises(ApiError) as refused:
        actions.do_change_liquidity(market, bob, by_lots=B_LOTS - 1, key="request:a")
    assert refused.value.code == "idempotency_key_reused"
    assert_sound()
    run(shard, buy(market, alice, 60, 5_000))
    assert_sound()
    settle(market, operator, [0, 10_000])
    gained = START_MICROS - cash(alice)
    assert cash(creator) + cash(bob) == 2 * START_MICROS + gained
    assert abs(cash(creator) - cash(bob)) <= 2
    assert_sound()


def test_liquidity_is_taken_out_by_who_added_it_and_no_further(market, creator, alice):
    actions.do_change_liquidity(market, alice, by_lots=5_000)
    actions.do_change_liquidity(market, alice, by_lots=-5_000)
    assert cash(alice) == START_MICROS
    with pytest.raises(ApiError) as refused:
        actions.do_change_liquidity(market, alice, by_lots=-100)
    assert refused.value.code == "liquidity_invalid"
    assert_sound()


def test_liquidity_that_an_account_can_not_pay_is_refused(market, alice):
    with pytest.raises(ApiError) as refused:
        actions.do_change_liquidity(market, alice, by_lots=10**9)
    assert refused.value.code == "insufficient_funds"
    assert_sound()


def test_with_the_maker_alone_no_order_rests(shard, creator, alice):
    market = open_with_maker(shard, maker_alone=True)
    [refused] = run(shard, buy(market, alice, 40, 100))
    assert refused.reason == "resting_refused"
    [result] = run(shard, buy(market, alice, 55, 100, tif=Tif.IOC))
    assert result.order.status == OrderStatus.FILLED
    assert_sound()


def test_the_house_funds_a_maker_where_an_operator_says_so(shard, operator):
    before = Account.objects.get(kind="house").cash_micros
    market = open_with_maker(shard, maker_funded_by_house=True)
    assert Account.objects.get(kind="house").cash_micros == before - WORST_LOSS_MICROS
    settle(market, operator, [10_000, 0])
    assert Account.objects.get(kind="house").cash_micros == before
    assert_sound()


def test_a_maker_trades_with_everybody_and_never_has_less_than_nothing(
    shard, market, alice, bob, operator
):
    for number in range(12):
        run(shard, buy(market, alice, 95, 3_000 + 100 * number), sell(market, bob, 5, 5_000))
    margin = Margin.objects.get(market=market, account=maker_of(market))
    assert cash(maker_of(market)) == WORST_LOSS_MICROS - margin.net_paid_micros >= 0
    assert BookState.objects.get(market=market).maker is not None
    assert_sound()
    settle(market, operator, [4_000, 6_000])
    assert_sound()


def test_a_file_of_markets_names_their_makers(operator):
    cells = {
        "title": "Which one?",
        "close_at": "2090-06-01T00:00Z",
        "outcomes": "Red; Green; Blue",
        "maker_liquidity": "100",
        "maker_priors": "2; 1; 1",
        "maker_alone": "yes",
    }
    right, wrong, odd = check_rows(
        [
            Row(2, cells),
            Row(3, {**cells, "maker_priors": "2; 1"}),
            Row(4, {**cells, "maker_liquidity": ""}),
        ],
        by=operator,
    )
    assert right.errors == {}
    assert (right.fields["maker_b_lots"], right.fields["maker_priors"]) == (B_LOTS, [2, 1, 1])
    assert right.fields["maker_alone"] is True
    assert list(wrong.errors) == ["maker_priors"]
    assert list(odd.errors) == ["maker_liquidity"]
    subsidised = {**cells, "maker_liquidity": "", "maker_subsidy": "138.629437"}
    [row] = check_rows([Row(2, subsidised)], by=operator)
    market = do_create_market(by=operator, fields=row.fields, outcomes=row.outcomes)
    assert market.maker_b_lots == B_LOTS
