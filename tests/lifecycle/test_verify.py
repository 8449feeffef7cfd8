"""A correct exchange has no breach; every violated invariant is reported."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from accounts.actions import do_request_withdrawal
from accounts.models import Account, Transfer
from kernel.clock import now_us
from markets.models import Market, Outcome, StatusChange
from tests.trading import world
from tests.trading.world import CREDIT, buy, cancel, run, sell
from trading import actions
from trading.engine.commands import Amend
from trading.engine.types import (
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
)
from trading.models import (
    BookState,
    JournalRow,
    Lease,
    Margin,
    Order,
    Position,
    Receipt,
    Trade,
    VerifyRun,
)
from trading.pipeline.messages import Task, decode_result, encode
from trading.settlement.payments import settle_market
from trading.verify import check_everything, journals

pytestmark = pytest.mark.django_db

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 10_000, "fee_taker_rate": 70_000}


@pytest.fixture
def trading_day(shard, operator, alice, bob):
    """Markets in every status, with orders, trades, receipts, a withdrawal, a void half paid."""
    live, settled, voided, paying = markets = [
        world.make_market(dispute_seconds=0, **FEES),
        world.make_market(dispute_seconds=0, outcomes=3, **FEES),
        world.make_market(dispute_seconds=0, **FEES),
        world.make_market(dispute_seconds=0, outcomes=3),
    ]
    for market in markets:
        world.open_market(shard, market)
        trade_in(shard, market, alice, bob)
    for market in markets[1:]:
        actions.do_close_market(market, by=operator)
    actions.do_resolve_market(settled, by=operator, payout_pips=[1, 0, 9_999], evidence_text="x")
    assert settle_market(settled.pk)
    actions.do_void_market(voided, by=operator, reason="x", house_cover_micros=10**9)
    assert settle_market(voided.pk)
    actions.do_resolve_market(paying, by=operator, payout_pips=[5_000, 5_000, 0], evidence_text="x")
    do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    made = world.make_market(maker_b_lots=10_000, maker_funded_by_house=True)
    world.open_market(shard, made)
    run(shard, buy(made, alice, 60, 400))
    return live


def trade_in(shard, market, alice, bob):
    named = f"in{market.pk}"
    run(
        shard,
        sell(market, bob, 60, 1000, key=f"order:{named}", client_order_id=named),
        buy(market, alice, 60, 400, key=f"order:{named}", client_order_id=named),
        buy(market, alice, 30, 500),
        buy(market, alice, 0, 100, key=f"order:bad{named}"),
    )
    [first] = run(shard, buy(market, alice, 20, 500))
    amend = Amend(first.order.order_id, alice.pk, price_pips=2_500, quantity_lots=700)
    run(shard, Task(0, market.pk, amend, key=f"request:{named}", body_hash=b"a"))
    run(shard, cancel(market, alice, first.order.order_id))
    run(shard, sell(market, alice, 30, 100, stp=Stp.DECREMENT, tif=Tif.IOC))
    if market.kind == "categorical":
        run(shard, buy(market, alice, 45, 200, outcome=1), buy(market, bob, 60, 300, outcome=2))


def broken() -> set[str]:
    return {finding.what for finding in check_everything() if finding.breaches}


def test_an_exchange_as_it_should_be_has_no_breach(trading_day):
    findings = check_everything()
    assert [finding for finding in findings if finding.breaches] == []
    assert {finding.invariant for finding in findings} == set("abcdefghijk")
    unchecked = [finding.what for finding in findings if not finding.checked]
    assert unchecked == []


def test_orders_that_wait_are_due_were_fired_or_rejected_are_no_breach(shard, alice, bob):
    market = world.make_market(**FEES)
    world.open_market(shard, market)
    stop = OrderOptions(trigger=Trigger(TriggerKind.STOP, 6_000))
    far = OrderOptions(trigger=Trigger(TriggerKind.STOP, 9_000))
    trailing = OrderOptions(trigger=Trigger(TriggerKind.TRAILING_STOP, None, trail_pips=500))
    closing = OrderOptions(reduce_only=True, trigger=Trigger(TriggerKind.STOP, 6_000))
    carol = world.make_account()
    waiting = [
        buy(market, carol, 70, 500, options=stop),
        buy(market, carol, 95, 500, options=far),
        sell(market, carol, 40, 500, options=trailing),
        buy(market, carol, 70, 500, options=closing),
    ]
    run(shard, *waiting)
    run(shard, sell(market, alice, 60, 100), buy(market, bob, 60, 100))
    assert Order.objects.untriggered().filter(priority__gt=0).exists()
    assert broken() == set()
    while shard.due:
        shard.run([])
    statuses = dict(Order.objects.filter(account=carol).values_list("id", "status"))
    assert [OrderStatus(statuses[UUID(task.command.order_id)]).name for task in waiting] == [
        "OPEN",
        "UNTRIGGERED",
        "UNTRIGGERED",
        "REJECTED",
    ]
    assert broken() == set()


def test_a_settlement_half_way_has_no_breach(shard, operator):
    market = world.make_market(dispute_seconds=0, outcomes=3, **FEES)
    world.open_market(shard, market)
    accounts = [world.make_account() for _ in range(6)]
    for seller, buyer in pairwise(accounts):
        run(shard, sell(market, seller, 60, 400), buy(market, buyer, 60, 300))
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[3_333] * 2 + [3_334],
                              evidence_text="x")  # fmt: skip
    _pay_one_chunk(market, chunk=4)
    assert Margin.objects.filter(payout_micros=None).count() == 2
    assert broken() == set()


def test_a_void_half_way_has_no_breach(shard, operator):
    market = world.make_market(dispute_seconds=0, **FEES)
    world.open_market(shard, market)
    accounts = [world.make_account() for _ in range(6)]
    for seller, buyer in pairwise(accounts):
        run(shard, sell(market, seller, 40, 400), buy(market, buyer, 40, 400))
        run(shard, buy(market, accounts[0], 70, 200), sell(market, buyer, 70, 200))
    actions.do_void_market(market, by=operator, reason="x")
    steps = 0
    while _pay_one_chunk(market, chunk=1):
        steps += 1
        assert broken() == set()
    assert steps == 6


def _pay_one_chunk(market, *, chunk):
    from trading.settlement.payments import _step

    return _step(market.pk, after_id=0, chunk=chunk)


# --- each law, broken ---------------------------------------------------------------------------


def in_sql(statement: str) -> Callable[[Any], None]:
    """Corrupt rows in spite of the database's own laws."""

    def corrupt(live: Market) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return corrupt


def tamper(change: Callable[[Any], None]) -> Callable[[Market], None]:
    """Change the body of the live market's last journal row."""

    def corrupt(live: Market) -> None:
        row = JournalRow.objects.filter(market=live).order_by("-seq_first")[1]
        change(row)
        row.save()

    return corrupt


def delete_middle_of_journal(live: Market) -> None:
    JournalRow.objects.filter(market=live).order_by("seq_first")[2].delete()


def answer_something_else(live: Market) -> None:
    receipt = Receipt.objects.get(account__owner__handle="alice", key=f"order:in{live.pk}")
    result = decode_result(bytes(receipt.answer))
    result.order.order_id = "0" * 32
    receipt.answer = encode(result)
    receipt.save()


def answer_beyond_the_journal(live: Market) -> None:
    receipt = Receipt.objects.get(account__owner__handle="alice", key=f"order:in{live.pk}")
    result = decode_result(bytes(receipt.answer))
    result.seq = 10**6
    receipt.answer = encode(result)
    receipt.save()


def forge_transfer(live: Market) -> None:
    """Credits from the issuer under another name, booked into the balances too."""
    issuer, alice = Account.objects.get(kind="issuer"), Account.objects.get(owner__handle="alice")
    Transfer.objects.create(debit_account=issuer, credit_account=alice, amount_micros=5,
                            kind="trade")  # fmt: skip
    Account.objects.filter(pk=issuer.pk).update(cash_micros=F("cash_micros") - 5)
    Account.objects.filter(pk=alice.pk).update(cash_micros=F("cash_micros") + 5)


def pay_twice(live: Market) -> None:
    once = Transfer.objects.filter(kind="settlement").first()
    Transfer.objects.create(
        debit_account_id=once.debit_account_id,
        credit_account_id=once.credit_account_id,
        amount_micros=once.amount_micros,
        kind="settlement",
        market_id=once.market_id,
    )


def open_orders(live):
    return Order.objects.filter(market=live).open()


def first(queryset):
    return queryset.model.objects.filter(pk=queryset.order_by("pk").first().pk)


def drop_laws(live: Market) -> None:
    """Take the database's own checks of accounts away, where it has them."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE accounts_account DROP CONSTRAINT available_never_negative")


CORRUPTIONS: list[tuple[str, Callable[[Market], Any]]] = [
    (
        "a balance is the sum of its transfers",
        lambda live: first(Account.objects.filter(kind="user")).update(
            cash_micros=F("cash_micros") + 1
        ),
    ),
    (
        "credits are what was issued less what was withdrawn",
        lambda live: Account.objects.filter(kind="issuer").update(cash_micros=F("cash_micros") + 1),
    ),
    ("only grants, deposits and withdrawals reach the issuer", forge_transfer),
    (
        "available is never negative",
        lambda live: (
            drop_laws(live),
            Account.objects.filter(owner__handle="alice").update(cash_micros=0),
        ),
    ),
    (
        "an account holds what its markets hold",
        lambda live: Account.objects.filter(owner__handle="alice").update(held_micros=1),
    ),
    (
        "what is set aside are the open withdrawals",
        lambda live: Account.objects.filter(owner__handle="alice").update(withdrawing_micros=2),
    ),
    (
        "a hold is what the formula says",
        lambda live: Margin.objects.filter(market=live, held_micros__gt=0).update(
            held_micros=F("held_micros") + 1
        ),
    ),
    (
        "escrow is 1 credit per contract of collateral, less what was paid",
        lambda live: Account.objects.filter(kind="escrow", market_id=live.pk).update(
            cash_micros=F("cash_micros") + 1
        ),
    ),
    (
        "a market's pots hold what was paid in less what was paid out",
        lambda live: Account.objects.filter(kind="fees", market_id=live.pk).update(
            cash_micros=F("cash_micros") + 1
        ),
    ),
    (
        "a market's fees wait on their account",
        lambda live: first(Margin.objects.filter(market=live)).update(
            fees_micros=F("fees_micros") + 1
        ),
    ),
    (
        "the pots of a final market are empty",
        lambda live: first(
            Account.objects.filter(
                kind="escrow", market_id__in=Market.objects.filter(status="settled").values("pk")
            )
        ).update(cash_micros=1),
    ),
    (
        "positions sum to 0",
        lambda live: first(Position.objects.filter(market=live)).update(net_lots=F("net_lots") + 1),
    ),
    (
        "collateral covers the worst position",
        lambda live: Margin.objects.filter(market=live, collateral_lots__gt=0).update(
            collateral_lots=F("collateral_lots") - 1
        ),
    ),
    (
        "a position is the sum of its trades",
        lambda live: first(Trade.objects.filter(market=live)).update(
            quantity_lots=F("quantity_lots") + 100,
            amount_micros=F("price_pips") * (F("quantity_lots") + 100),
        ),
    ),
    (
        "an account has paid in what its trades cost",
        lambda live: first(Trade.objects.filter(market=live)).update(taker_cash_micros=-1),
    ),
    ("sequence numbers have no gap", delete_middle_of_journal),
    (
        "a book stands where its journal ends",
        lambda live: BookState.objects.filter(market=live).update(seq=F("seq") + 1),
    ),
    (
        "every order is in the journal exactly once",
        lambda live: first(Order.objects.filter(market=live, filled_lots=0, status=3)).delete(),
    ),
    (
        "every trade is in the journal exactly once",
        lambda live: first(Trade.objects.filter(market=live)).update(
            price_pips=6_100, amount_micros=6_100 * F("quantity_lots")
        ),
    ),
    ("what was acknowledged is in the journal", answer_something_else),
    ("what was acknowledged is in the journal", answer_beyond_the_journal),
    (
        "the journal replays to the live state",
        tamper(lambda row: setattr(row, "hash", b"\1" * 32)),
    ),
    (
        "the journal replays to the live state",
        tamper(lambda row: setattr(row, "body", bytes(row.body)[:-1])),
    ),
    (
        "the journal replays to the live state",
        lambda live: first(Position.objects.filter(market=live)).update(
            realised_micros=F("realised_micros") + 1
        ),
    ),
    (
        "the events alone lead to the live state",
        lambda live: first(Margin.objects.filter(market=live)).update(
            net_paid_micros=F("net_paid_micros") + 1
        ),
    ),
    (
        "books are not crossed",
        lambda live: first(open_orders(live).filter(side=1)).update(price_pips=6_000),
    ),
    (
        "books that are matched with one another leave no set",
        lambda live: Order.objects.filter(
            market__kind="categorical", remaining_lots__gt=0, side=1
        ).update(status=0, price_pips=5_000),
    ),
    (
        "an order is filled and left as its status says",
        lambda live: first(open_orders(live)).update(remaining_lots=F("remaining_lots") + 1),
    ),
    (
        "an order is filled and left as its status says",
        lambda live: first(open_orders(live)).update(status=2, reason="filled"),
    ),
    (
        "an order is filled by its trades",
        lambda live: first(Order.objects.filter(filled_lots__gt=0)).update(
            fee_micros=F("fee_micros") + 1
        ),
    ),
    (
        "a trade is between two orders that may meet",
        lambda live: first(Trade.objects.filter(market=live)).update(taker_side=-F("taker_side")),
    ),
    (
        "a trade is between two orders that may meet",
        lambda live: Order.objects.filter(market=live).update(owner_id=1),
    ),
    (
        "a change of status starts where the last one ended, and is legal",
        lambda live: StatusChange.objects.create(
            market=live, from_status="open", to_status="settled"
        ),
    ),
    (
        "a change of status starts where the last one ended, and is legal",
        lambda live: StatusChange.objects.create(
            market=live, from_status="halted", to_status="open"
        ),
    ),
    (
        "a market has the status of its last change",
        lambda live: Market.objects.filter(pk=live.pk).update(status="halted"),
    ),
    (
        "a market trades in the status that its engine has",
        lambda live: BookState.objects.filter(market=live).update(status=MarketStatus.HALTED),
    ),
    (
        "the book told is the book there is",
        lambda live: first(open_orders(live)).update(
            remaining_lots=F("remaining_lots") - 1, quantity_lots=F("quantity_lots") - 1
        ),
    ),
    (
        "epochs only grow",
        lambda live: first(JournalRow.objects.filter(market=live)).update(epoch=10**6),
    ),
    (
        "nobody wrote under an epoch that has not begun",
        lambda live: Lease.objects.update(epoch=0),
    ),
    (
        "everybody in a final market is paid, nobody before its result",
        lambda live: first(Margin.objects.filter(market__status="settled")).update(
            payout_micros=None
        ),
    ),
    (
        "everybody in a final market is paid, nobody before its result",
        lambda live: first(Margin.objects.filter(market=live)).update(payout_micros=0),
    ),
    (
        "a position is paid what its outcomes are worth",
        lambda live: first(Margin.objects.filter(market__status="settled")).update(
            payout_micros=F("payout_micros") + 1
        ),
    ),
    (
        "a void pays back what was paid in",
        lambda live: Margin.objects.filter(market__status="voided").update(payout_micros=1),
    ),
    ("a payout is moved exactly once", pay_twice),
    (
        "a settled market pays exactly 1 credit for a set",
        lambda live: first(Outcome.objects.filter(market__status="settled")).update(payout_pips=2),
    ),
    (
        "a maker has sold what it is short of",
        lambda market: Position.objects.filter(account__kind="maker").update(net_lots=-300),
    ),
    (
        "a maker has what it was funded with less what its trades cost, and in the end nothing",
        lambda market: Account.objects.filter(kind="maker").update(cash_micros=1),
    ),
    (
        "the legs of a match across outcomes make whole sets, and the house nothing",
        lambda live: first(Trade.objects.filter(taker_order_id=None)).update(
            taker_cash_micros=F("taker_cash_micros") + 1
        ),
    ),
    (
        "no book's time lies ahead of the clock",
        lambda live: BookState.objects.filter(market=live).update(ts_us=now_us() + 3600 * 10**6),
    ),
]


@pytest.mark.parametrize(("what", "corrupt"), CORRUPTIONS)
def test_a_broken_law_is_reported(trading_day, what, corrupt):
    corrupt(trading_day)
    assert what in broken()
    if connection.vendor == "sqlite":
        in_sql("PRAGMA ignore_check_constraints = OFF")(trading_day)


def test_a_fill_beyond_its_limit_is_reported(trading_day, monkeypatch):
    """The engine would not replay it, so the check is shown another limit."""
    monkeypatch.setattr(journals, "find_limit_breaches", lambda market, entry: ["worse"])
    assert broken() == {"no fill is worse than its limit"}


def test_every_check_has_a_corruption_that_it_finds(trading_day):
    whats = {finding.what for finding in check_everything()}
    shown = {what for what, _ in CORRUPTIONS} | {"no fill is worse than its limit"}
    assert whats == shown


def test_the_command_prints_a_table_and_fails_on_a_breach(trading_day, capsys):
    call_command("verify")
    printed = capsys.readouterr().out
    assert "a. a balance is the sum of its transfers" in printed
    assert "0 breaches" in printed
    Account.objects.filter(kind="issuer").update(cash_micros=0)
    with pytest.raises(SystemExit) as ended:
        call_command("verify")
    assert ended.value.code == 1
    assert "credits are what was issued less what was withdrawn: CREDIT" in capsys.readouterr().out
    kept = VerifyRun.objects.order_by("pk").values_list("breaches", flat=True)
    assert (kept[0], kept[1] > 0) == (0, True)


def test_verify_changes_nothing(trading_day):
    check_everything()
    assert not VerifyRun.objects.exists()
