"""Builds engines from database rows: at a start, after a failed commit, for verification."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from trading.engine.engine import Engine
from trading.engine.lmsr import Lmsr, list_levels
from trading.engine.maker import MakerState
from trading.engine.margin import AccountState, new_account, set_margin, set_position
from trading.engine.snapshot import Snapshot
from trading.engine.types import BUY, SELL, Config, MarketStatus
from trading.models import BookState, Margin, Position
from trading.pipeline.messages import Levels, Sides
from trading.pipeline.order_rows import read_open_orders, read_untriggered_orders

ACCOUNTS_BY_ID_MAX: Final = 5_000
"""Above this it is cheaper to read all of a market's accounts than selected ones."""
_decode_config = msgspec.msgpack.Decoder(Config).decode
_decode_maker = msgspec.msgpack.Decoder(MakerState).decode


def load_engine(market_id: int, *, all_accounts: bool = True) -> Engine:
    """Return a market's engine as of its last commit; a fresh one if it never had any.

    `all_accounts`: every account that ever traded here; else only those with orders, the
    others being added by `add_accounts` when they come. An automated maker is as the row says:
    what it sold would follow from its positions, its liquidity and who paid for it would not.
    """
    state = BookState.objects.filter(market_id=market_id).first()
    if state is None:
        return Engine(market_id)
    orders, untriggered = (
        list(read_open_orders(market_id)),
        list(read_untriggered_orders(market_id)),
    )
    config = _decode_config(bytes(state.config))
    books = 1 if config.binary else config.outcomes
    trading = {order.account_id for order in (*orders, *untriggered)}
    if config.house_account_id is not None:
        trading.add(config.house_account_id)
    if config.maker is not None:
        trading.add(config.maker.account_id)
    account_ids = None if all_accounts or len(trading) > ACCOUNTS_BY_ID_MAX else trading
    return Engine.load(
        Snapshot(
            market_id,
            state.seq,
            state.ts_us,
            MarketStatus(state.status),
            config,
            orders,
            list(read_accounts(market_id, books, account_ids).values()),
            None if state.maker is None else _decode_maker(bytes(state.maker)),
            untriggered=untriggered,
        )
    )


def read_accounts(
    market_id: int, books: int, account_ids: Iterable[int] | None
) -> dict[int, AccountState]:
    """Return what the database knows of accounts in a market, by id; None: of all of them."""
    margins = Margin.objects.filter(market_id=market_id)
    positions = Position.objects.filter(market_id=market_id)
    if account_ids is not None:
        wanted = list(account_ids)
        margins = margins.filter(account_id__in=wanted)
        positions = positions.filter(account_id__in=wanted)
    accounts: dict[int, AccountState] = {}
    for account_id, *numbers in margins.values_list(
        "account_id", "collateral_lots", "held_micros", "net_paid_micros", "fees_micros"
    ).iterator(chunk_size=10_000):
        accounts[account_id] = new_account(account_id, books)
        set_margin(accounts[account_id], *numbers)
    for account_id, outcome, net_lots, cost_micros, realised_micros in positions.values_list(
        "account_id", "outcome_index", "net_lots", "cost_micros", "realised_micros"
    ).iterator(chunk_size=10_000):
        set_position(accounts[account_id], outcome, net_lots, cost_micros, realised_micros)
    return accounts


def read_ladders(market_ids: Iterable[int], *, levels_max: int) -> dict[int, list[Sides]]:
    """Return [(bids, asks)] of markets' makers by book, best first; none before they open."""
    states = BookState.objects.filter(market_id__in=list(market_ids), maker__isnull=False)
    return {
        market_id: _build_ladders(bytes(config), bytes(maker), levels_max)
        for market_id, config, maker in states.values_list("market_id", "config", "maker")
        if maker is not None
    }


@lru_cache(maxsize=1_024)
def _build_ladders(config: bytes, maker: bytes, levels_max: int) -> list[Sides]:
    rules, saved = _decode_config(config), _decode_maker(maker)
    lmsr = Lmsr.load(saved.lmsr, step_lots=rules.lot_step_lots)

    def list_side(outcome: int, side: int) -> Levels:
        return list_levels(lmsr, outcome, side, tick_pips=rules.tick_pips, levels_max=levels_max)

    books = 1 if rules.binary else rules.outcomes
    return [(list_side(outcome, BUY), list_side(outcome, SELL)) for outcome in range(books)]


def read_maker_funding(market_id: int) -> dict[int, int]:
    """Return who has paid what for a market's maker, first of all who did when it opened."""
    state = BookState.objects.filter(market_id=market_id).first()
    if state is None or state.maker is None:
        return {}
    terms, maker = _decode_config(bytes(state.config)).maker, _decode_maker(bytes(state.maker))
    assert terms is not None
    return {terms.funder_account_id: 0, **dict(maker.funded_micros)}
