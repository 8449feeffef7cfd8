"""Ways in which a database can be wrong: what `verify` must find in each."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import F

from accounts.models import Account, Transfer
from kernel.clock import now_us
from markets.models import Dispute, Market, Outcome, StatusChange
from trading.engine.types import (
    MarketStatus,
)
from trading.models import (
    BookState,
    JournalRow,
    Lease,
    Margin,
    Order,
    Position,
    Receipt,
    Settlement,
    Trade,
)
from trading.pipeline.messages import decode_result, encode


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


def move_to_a_stranger(live: Market) -> None:
    """Credits between two owners under the name of those between accounts of one."""
    alice, bob = (Account.objects.get(owner__handle=name) for name in ("alice", "bob"))
    Transfer.objects.create(
        debit_account=alice, credit_account=bob, amount_micros=5, kind="internal"
    )
    Account.objects.filter(pk=alice.pk).update(cash_micros=F("cash_micros") - 5)
    Account.objects.filter(pk=bob.pk).update(cash_micros=F("cash_micros") + 5)


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
        "transfers between own accounts are of one owner, and sum to nothing for each",
        move_to_a_stranger,
    ),
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
        "an account is suspended with its owner",
        lambda live: Account.objects.filter(owner__handle="alice").update(owner_suspended=True),
    ),
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
        "the pots of a final market are empty but for what a correction has collected",
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
        "a correction moves each account's difference exactly once",
        lambda live: first(Settlement.objects.all()).update(
            difference_micros=F("difference_micros") + 1
        ),
    ),
    (
        "a bond is taken once, and returned or lost once",
        lambda live: Dispute.objects.update(bond_micros=F("bond_micros") + 1),
    ),
    (
        "a market's account of bonds has the bonds of undecided disputes",
        lambda live: Account.objects.filter(kind="bonds").update(cash_micros=1),
    ),
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
