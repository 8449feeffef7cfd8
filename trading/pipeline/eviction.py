"""What a shard forgets after each batch: what has been published, and accounts long idle."""

from typing import Final

from trading.engine.engine import Engine
from trading.pipeline.writer import Batch

ACCOUNTS_CACHED_MAX: Final = 100_000
"""The maximum number of accounts without open orders that a market keeps in memory."""


def clean(batch: Batch) -> None:
    """Clear the dirty sets, and evict accounts that have been idle for long."""
    for part in batch.parts.values():
        engine = part.live.engine
        engine.dirty_orders.clear()
        for book in engine.books:
            book.forget_changes()
        if len(engine.accounts) > ACCOUNTS_CACHED_MAX + len(engine.orders):
            kept = _find_unnamed(engine)
            waiting = {order.account_id for order in engine.untriggered.values()}
            idle = [
                key
                for key, account in engine.accounts.items()
                if not account.has_orders() and key not in waiting
            ]
            for account_id in idle:
                if account_id not in kept:
                    del engine.accounts[account_id]


def _find_unnamed(engine: Engine) -> set[int | None]:
    """Return the accounts that trade though no command names them, so that they would be missed."""
    config = engine.config
    if config is None:
        return set()
    return {config.house_account_id, None if config.maker is None else config.maker.account_id}
