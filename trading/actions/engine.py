"""Synchronous commands to a market's engine: from the admin, the API and Celery."""

from collections.abc import Sequence

import msgspec
from structlog.contextvars import get_contextvars

from accounts.audit import check_reason
from accounts.models import User
from kernel.errors import ApiError, RefusedError
from kernel.units import format_amount
from markets.models import Market
from trading.engine.commands import Configure
from trading.engine.types import Config, MarketStatus, Reason
from trading.models import BookState
from trading.pipeline.gateway import EngineAway, MarketUnknown, Overloaded, TimedOut, send_sync
from trading.pipeline.messages import Answer, Result, Task
from trading.wire.refusals import build_gateway_error, refuse_undone

Seen = tuple[MarketStatus | None, Config | None]

_decode_config = msgspec.msgpack.Decoder(Config).decode


def look(market: Market) -> Seen:
    """Refresh `market`; return its engine's status and configuration, None at first.

    The engine's state is read first: if it changes before the row is read, `configure` refuses.
    """
    state = BookState.objects.filter(market_id=market.pk).first()
    market.refresh_from_db()
    if state is None:
        return None, None
    return MarketStatus(state.status), _decode_config(bytes(state.config))


def configure(
    market: Market, status: MarketStatus, config: Config, *, seen: Seen, by: User | None, why: str
) -> None:
    """Set the engine's status and configuration, if they are still as `seen`.

    The market's row, its history and the audit event are written with the engine's commit.
    """
    check_reason(why)
    command = Configure(
        status,
        config,
        by_user_id=None if by is None else by.pk,
        why=why,
        seen=seen,
        request_id=get_contextvars().get("request_id", ""),
    )
    [answer] = send([Task(0, market.pk, command)])
    _check(answer)
    market.refresh_from_db()


def send(tasks: Sequence[Task]) -> list[Answer]:
    """Execute tasks; an engine that is down, busy or silent is a 503 or 504."""
    try:
        answers = send_sync(tasks)
    except TimedOut:
        raise ApiError(
            "timed_out", detail="the outcome is unknown: look at the market, then try again"
        ) from None
    except (EngineAway, Overloaded, MarketUnknown) as fault:
        raise build_gateway_error(fault) from None
    for answer in answers:
        refuse_undone(answer)
    return answers


def _check(answer: Answer) -> None:
    assert answer.status == "done", answer.status
    assert isinstance(answer.result, Result)
    if answer.result.reason == Reason.CONFIGURATION_STALE:
        raise RefusedError("changed_meanwhile")
    if answer.result.reason == Reason.INSUFFICIENT_FUNDS:
        missing = format_amount(answer.result.missing_micros)
        raise RefusedError("maker_not_funded", missing=missing)
    if answer.result.reason is not None:
        raise RefusedError("configuration_invalid")
