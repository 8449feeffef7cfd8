"""Random trade histories in the database, drawn by hypothesis, for the laws of settlement."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Sum
from hypothesis import strategies as st

from accounts.actions import do_decide_withdrawal, do_request_withdrawal
from accounts.models import Account, User
from markets.models import Market
from tests.trading import world
from trading.actions import do_close_market
from trading.engine.types import BUY, SELL, Tif
from trading.pipeline.shard import Shard

ACCOUNTS = 4
FEES: tuple[dict[str, Any], ...] = (
    {},
    {"fee_kind": "quadratic", "fee_maker_rate": 10_000, "fee_taker_rate": 70_000},
    {
        "fee_kind": "flat",
        "fee_maker_rate": 5_000,
        "fee_taker_rate": 20_000,
        "fee_unit_micros": 10_000,
    },
)

orders = st.tuples(
    st.integers(0, ACCOUNTS - 1),
    st.sampled_from((BUY, SELL)),
    st.integers(0, 2),  # outcome
    st.integers(30, 70),  # cents
    st.integers(1, 40).map(lambda contracts: contracts * 100),
    st.sampled_from((Tif.GTC, Tif.GTC, Tif.IOC)),
)
histories = st.lists(orders, min_size=1, max_size=25)
terms = st.fixed_dictionaries({"outcomes": st.sampled_from((2, 3)), "strict_refund": st.booleans()})
fees = st.sampled_from(FEES)


@contextmanager
def undone(shard: Shard) -> Iterator[None]:
    """Undo all that happens inside, in the database and in the engine's memory."""
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        shard.markets.clear()


class World:
    """A market that has traded, closed; `before` is each account's cash at that moment."""

    def __init__(self, shard: Shard, terms: dict[str, Any], history: list[tuple]) -> None:
        self.operator = User.objects.filter(is_staff=True).first()
        self.accounts = [world.make_account(credits=40) for _ in range(ACCOUNTS)]
        self.market: Market = world.make_market(dispute_seconds=0, **terms)
        self.books = 1 if terms["outcomes"] == 2 else terms["outcomes"]
        world.open_market(shard, self.market)
        for who, side, outcome, cents, lots, tif in history:
            task = world.place(
                self.market, self.accounts[who], side, cents, lots, outcome=outcome % self.books,
                tif=tif,
            )  # fmt: skip
            world.run(shard, task)

    def withdraw_all(self, who: int) -> None:
        """Let an account take out all that is free: gains made here may be among it."""
        account = self.accounts[who]
        account.refresh_from_db()
        if account.available_micros:
            request = do_request_withdrawal(
                account, amount_micros=account.available_micros, by=account.owner
            )
            do_decide_withdrawal(request, approve=True, by=self.operator)

    def close(self) -> None:
        do_close_market(self.market, by=None, reason="time")
        self.before = {account.pk: self.cash(account.pk) for account in self.accounts}
        self.house_before = self.cash(Account.objects.get(kind="house").pk)
        self.total_before = self.total()

    def cash(self, account_id: int) -> int:
        return Account.objects.get(pk=account_id).cash_micros

    def total(self) -> int:
        return Account.objects.aggregate(total=Sum("cash_micros"))["total"]

    def pots(self) -> list[int]:
        pots = Account.objects.filter(market_id=self.market.pk)
        return list(pots.values_list("cash_micros", flat=True))

    def check_conserved(self) -> None:
        assert self.total() == self.total_before
        assert self.pots() == [0, 0]
        owned = Account.objects.filter(kind="user")
        assert all(account.available_micros >= 0 for account in owned)
        assert not owned.filter(held_micros__gt=0).exists()
