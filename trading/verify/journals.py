"""Checks that need a replay: each market's journal against its rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from markets.models import FINAL_STATUSES, Market
from trading.engine.commands import AnyCommand, Place
from trading.engine.engine import Engine
from trading.engine.events import Amended, Fired, LegAttached, Rejected, Traded, list_trades
from trading.engine.state import MarketState
from trading.engine.trade_ids import trade_id
from trading.engine.types import BUY
from trading.models import JournalRow, Margin, Order, Receipt, Trade
from trading.pipeline.journal import JournalEntry, JournalError, read_rows
from trading.pipeline.loading import load_engine
from trading.pipeline.messages import decode_result
from trading.pipeline.replay import Row, compare_with_live, replay
from trading.pipeline.snapshot import consistent_read
from trading.verify.findings import Finding, found

RECEIPTS_A_TIME: Final = 5_000
TRADE_FIELDS: Final = (
    "seq", "outcome_index", "taker_side", "price_pips", "quantity_lots", "amount_micros", "kind",
    "taker_account_id", "maker_account_id", "taker_cash_micros", "maker_cash_micros",
    "taker_fee_micros", "maker_fee_micros",
)  # fmt: skip


class Answered(NamedTuple):
    """A receipt: the engine's first answer to a key."""

    receipt_id: int
    account_id: int
    seq: int
    order_id: str | None


class Story:
    """The contents of a market's journal: every order and trade, every command's account."""

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self.placed: dict[str, int] = {}
        self.placed_again: list[str] = []
        self.trades: dict[str, tuple[Any, ...]] = {}
        self.commands: dict[int, tuple[int, str | None]] = {}
        self.folded = MarketState(market_id)
        self.breaches: list[str] = []

    def listen(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass the rows on, and record them."""
        for row, body in rows:
            seq = row.seq_first
            for entry in body.entries:
                self._add(entry.command, seq)
                for event in entry.events:
                    for trade in list_trades(event):
                        name = trade_id(self.market_id, row.ts_us, seq, trade.index)
                        self.trades[name] = _trade_values(seq, trade)
                    if isinstance(event, LegAttached):
                        self._add_order(event.order_id, seq)
                if isinstance(entry.command, Place) and not _is_rejected(entry.events):
                    self._add_order(entry.command.order_id, seq)
                seq += 1
            yield row, body
            for entry in body.entries:
                self.breaches += find_limit_breaches(self.folded, entry)
                self.folded.replay_events(entry.command, row.ts_us, entry.events)
            self.folded.dirty_orders.clear()

    def _add(self, command: AnyCommand, seq: int) -> None:
        account_id = getattr(command, "account_id", 0)
        self.commands[seq] = (account_id, getattr(command, "order_id", None))

    def _add_order(self, order_id: str, seq: int) -> None:
        if order_id in self.placed:
            self.placed_again.append(f"order {order_id} again at {seq}")
        self.placed[order_id] = seq


def check_journals(market_ids: list[int] | None) -> Iterator[list[Finding]]:
    """Yield the findings of each market with a journal, or of the given ones."""
    answered = _read_receipts()
    if market_ids is None:
        journals = JournalRow.objects.values_list("market_id", flat=True)
        market_ids = sorted(journals.order_by().distinct())
    for market_id in market_ids:
        with consistent_read():
            yield list(_check_market(market_id, answered.get(market_id, [])))


def _check_market(market_id: int, answered: list[Answered]) -> Iterator[Finding]:
    story = Story(market_id)
    live = load_engine(market_id)
    yield _check_holds(live)
    try:
        replayed = replay(market_id, story.listen(read_rows(market_id)))
    except (JournalError, AssertionError, KeyError, ValueError) as fault:
        # A tampered journal may fail in any way: report the first contradiction.
        yield found("e", "the journal replays to the live state", 1, [_name(market_id, fault)])
        return
    differences = compare_with_live(replayed, live)
    yield found("e", "the journal replays to the live state", replayed.commands, differences)
    yield _check_fold(story, live)
    yield _check_orders(story)
    yield _check_trades(story)
    yield _check_receipts(story, answered)
    yield found("f", "no fill is worse than its limit", len(story.trades), story.breaches)
    yield _check_book(story)
    yield _check_maker(live)


def _check_holds(live: Engine) -> Finding:
    """Compare holds with those computed from the formula on loading."""
    what = "a hold is what the formula says"
    if Market.objects.filter(pk=live.market_id, status__in=FINAL_STATUSES).exists():
        live_holds: dict[int, int] = defaultdict(int)
    else:
        live_holds = {key: account.held_micros for key, account in live.accounts.items()}
    held = Margin.objects.filter(market_id=live.market_id, payout_micros=None)
    rows = dict(held.values_list("account_id", "held_micros"))
    broken = [
        f"account {account_id} in market {live.market_id} holds {micros}"
        for account_id, micros in sorted(rows.items())
        if live_holds[account_id] != micros
    ]
    return found("b", what, len(rows), broken)


def _check_maker(live: Engine) -> Finding:
    """Check that an automated maker's curve matches its trades."""
    what = "a maker has sold what it is short of"
    if live.maker is None or live.config is None or live.config.maker is None:
        return found("c", what, 0, [])
    sold_lots = live.maker.lmsr.state.sold_lots
    net_lots = live.account(live.config.maker.account_id).net_lots
    broken = [
        f"market {live.market_id}, outcome {outcome}"
        for outcome, lots in enumerate(net_lots)
        if sold_lots[outcome] != -lots
    ]
    return found("c", what, len(net_lots), broken)


def _check_fold(story: Story, live: Engine) -> Finding:
    same = story.folded.state_hash() == live.state_hash()
    broken = [] if same else [f"market {story.market_id}"]
    return found("e", "the events alone lead to the live state", len(story.commands), broken)


def _check_orders(story: Story) -> Finding:
    ids = Order.objects.filter(market_id=story.market_id).values_list("id", flat=True)
    rows = {order_id.hex for order_id in ids.iterator(chunk_size=10_000)}
    differing = sorted(rows ^ story.placed.keys())
    broken = [*story.placed_again, *(f"order {order_id}" for order_id in differing)]
    return found("d", "every order is in the journal exactly once", len(rows), broken)


def _check_trades(story: Story) -> Finding:
    trades = Trade.objects.filter(market_id=story.market_id).values_list("id", *TRADE_FIELDS)
    rows = {row[0].hex: row[1:] for row in trades.iterator(chunk_size=10_000)}
    broken = [
        f"trade {name}"
        for name in sorted(rows.keys() | story.trades.keys())
        if rows.get(name) != story.trades.get(name)
    ]
    return found("d", "every trade is in the journal exactly once", len(rows), broken)


def _check_receipts(story: Story, answered: list[Answered]) -> Finding:
    broken = [
        f"receipt {receipt.receipt_id}"
        for receipt in answered
        if not _is_in_journal(receipt, story.commands.get(receipt.seq))
    ]
    return found("d", "what was acknowledged is in the journal", len(answered), broken)


def _is_in_journal(receipt: Answered, command: tuple[int, str | None] | None) -> bool:
    """Return whether the journal has a receipt's command."""
    if command is None:
        return False
    account_id, order_id = command
    return account_id == receipt.account_id and receipt.order_id in (None, order_id)


def _check_book(story: Story) -> Finding:
    """Compare the levels that follow from the events with those of the open orders."""
    levels: dict[tuple[int, int, int], int] = defaultdict(int)
    for order in story.folded.orders.values():
        levels[order.outcome, order.side, order.price_pips] += order.remaining_lots
    rows: dict[tuple[int, int, int], int] = defaultdict(int)
    orders = Order.objects.filter(market_id=story.market_id).open()
    for outcome, side, price_pips, lots in orders.values_list(
        "outcome_index", "side", "price_pips", "remaining_lots"
    ):
        rows[outcome, side, price_pips] += lots
    broken = [
        f"market {story.market_id}, outcome {outcome}, {'bid' if side == BUY else 'ask'} {price}"
        for outcome, side, price in sorted(levels.keys() | rows.keys())
        if levels[outcome, side, price] != rows[outcome, side, price]
    ]
    return found("h", "the book told is the book there is", len(rows), broken)


def _read_receipts() -> dict[int, list[Answered]]:
    """Return receipts by market; those for several markets have no sequence number."""
    answered: dict[int, list[Answered]] = defaultdict(list)
    with consistent_read():
        rows = Receipt.objects.values_list("id", "account_id", "answer")
        for receipt_id, account_id, answer in rows.iterator(chunk_size=RECEIPTS_A_TIME):
            result = decode_result(bytes(answer))
            if result.market_id:
                order_id = None if result.order is None else result.order.order_id
                answered[result.market_id].append(
                    Answered(receipt_id, account_id, result.seq, order_id)
                )
    return answered


def find_limit_breaches(market: MarketState, entry: JournalEntry) -> Iterator[str]:
    """Return the fills of the market's next command that are worse than their orders' limits."""
    where = f"market {market.market_id}, sequence {market.seq + 1}"
    limit_pips = entry.command.price_pips if isinstance(entry.command, Place) else None
    for event in entry.events:
        if isinstance(event, (Amended, Fired)):
            limit_pips = event.price_pips
        for trade in list_trades(event):
            maker = market.orders[trade.maker_order_id] if trade.maker_order_id else None
            if maker is not None and trade.price_pips != maker.price_pips:
                yield f"{where}: a trade away from its maker's price"
            is_worse = limit_pips is not None and (
                (trade.price_pips - limit_pips) * trade.taker_side > 0
            )
            if trade.taker_order_id and is_worse:
                yield f"{where}: a trade worse than its taker's limit"


def _trade_values(seq: int, trade: Traded) -> tuple[Any, ...]:
    return (
        seq,
        trade.outcome,
        trade.taker_side,
        trade.price_pips,
        trade.quantity_lots,
        trade.paid_micros,
        trade.kind.value,
        trade.taker_account_id,
        trade.maker_account_id,
        trade.taker_cash_micros,
        trade.maker_cash_micros,
        trade.taker_fee_micros,
        trade.maker_fee_micros,
    )


def _is_rejected(events: list[Any]) -> bool:
    return any(isinstance(event, Rejected) for event in events)


def _name(market_id: int, fault: Exception) -> str:
    return str(fault) if isinstance(fault, JournalError) else f"market {market_id}: {fault!r}"
