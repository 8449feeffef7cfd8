"""Changing the liquidity of a market's automated maker, paid by the account that asks for it."""

import msgspec

from accounts.models import Account
from kernel.errors import RefusedError
from markets.models import MAKER_LIQUIDITY_LOTS_MAX, Market
from trading.actions.engine import send
from trading.engine.commands import ChangeLiquidity
from trading.engine.events import LiquidityChanged
from trading.pipeline.messages import Result, Task
from trading.wire.refusals import build_refusal, idempotency_key_reused


def check_change_liquidity(market: Market, *, by_lots: int) -> None:
    """Refuse impossible changes; the engine checks liquidity and contributions."""
    if market.maker_b_lots is None or not by_lots or abs(by_lots) > MAKER_LIQUIDITY_LOTS_MAX:
        raise RefusedError("liquidity_invalid")


def do_change_liquidity(
    market: Market, account: Account, *, by_lots: int, key: str | None = None
) -> LiquidityChanged:
    """Add liquidity, or take out (`by_lots` < 0) some of what the account has added.

    Prices stay. The account pays for the increase of the worst loss, or is refunded its decrease;
    with the same `key` it is done once.
    """
    check_change_liquidity(market, by_lots=by_lots)
    command = ChangeLiquidity(account.pk, by_lots)
    body_hash = msgspec.msgpack.encode(command)
    [answer] = send([Task(0, market.pk, command, key=key, body_hash=body_hash)])
    if answer.status == "key_reused":
        raise idempotency_key_reused()
    assert isinstance(answer.result, Result)
    if answer.result.reason is not None:
        raise build_refusal(answer.result.reason, missing_micros=answer.result.missing_micros)
    assert answer.result.liquidity is not None
    return answer.result.liquidity
