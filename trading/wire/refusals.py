"""The one table of what the engine and its gateway refuse: HTTP status, code, words, field.

409: it depends on the market's or the order's state, and may be right later. 422: the order itself
is refused. Nothing has changed in either case.
"""

from typing import Final, NamedTuple

from kernel.errors import ApiError, RefusedError, not_found
from kernel.units import format_amount
from trading.engine.types import ORDER_LOTS_MAX, Reason
from trading.pipeline.gateway import EngineAway, MarketUnknown, Overloaded, TimedOut
from trading.pipeline.messages import Answer


class Refusal(NamedTuple):
    status: int
    message: str
    field: str | None = None


REFUSALS: Final[dict[str, Refusal]] = {
    Reason.MARKET_NOT_OPEN: Refusal(409, "the market is not open", "market"),
    Reason.MARKET_CLOSED: Refusal(409, "the market is closed", "market"),
    Reason.TOO_LATE: Refusal(422, "it arrived after its valid_until", "valid_until"),
    Reason.OUTCOME_UNKNOWN: Refusal(422, "the market has no such outcome", "outcome"),
    Reason.PRICE_OFF_TICK: Refusal(
        422, "the price is not a multiple of the market's tick", "price"
    ),
    Reason.PRICE_OUT_OF_RANGE: Refusal(422, "the price must lie between 0 and 1", "price"),
    Reason.PRICE_MISSING: Refusal(422, "a limit order needs a price", "price"),
    Reason.QUANTITY_NOT_POSITIVE: Refusal(422, "the quantity must be above 0", "quantity"),
    Reason.QUANTITY_OFF_STEP: Refusal(
        422, "the quantity is not a multiple of the market's lot step", "quantity"
    ),
    Reason.QUANTITY_TOO_LARGE: Refusal(
        422, f"an order has at most {ORDER_LOTS_MAX // 100} contracts", "quantity"
    ),
    Reason.BUDGET_INVALID: Refusal(
        422,
        "a budget stands in for the quantity of a market order, is above 0, and goes with neither"
        " fok nor decrement",
        "budget",
    ),
    Reason.POST_ONLY_INVALID: Refusal(
        422, "post_only goes with resting limit orders only", "post_only"
    ),
    Reason.POST_ONLY_WOULD_CROSS: Refusal(422, "a post-only order would trade at once", "price"),
    Reason.EXPIRY_INVALID: Refusal(
        422, "gtd limit orders, and only they, have an expires_at in the future", "expires_at"
    ),
    Reason.REDUCE_ONLY_NO_POSITION: Refusal(
        422, "there is no position that this order would reduce", "reduce_only"
    ),
    Reason.POSITION_LIMIT: Refusal(
        422, "with its open orders the position would exceed the limit", "quantity"
    ),
    Reason.INSUFFICIENT_FUNDS: Refusal(422, "{missing} more is needed", None),
    Reason.NOTHING_TO_AMEND: Refusal(422, "price and quantity are what they were", None),
}


class InsufficientFundsError(RefusedError):
    """An order that costs more than is available, and by how much."""

    def __init__(self, missing_micros: int) -> None:
        refusal = REFUSALS[Reason.INSUFFICIENT_FUNDS]
        message = refusal.message.format(missing=format_amount(missing_micros))
        super().__init__(Reason.INSUFFICIENT_FUNDS, message, status=refusal.status)
        self.missing_micros = missing_micros


def build_refusal(reason: str, *, missing_micros: int = 0) -> ApiError:
    """Return the error for one of the engine's reasons to reject a command."""
    if reason == Reason.ORDER_UNKNOWN:
        return not_found("this order")
    if reason == Reason.INSUFFICIENT_FUNDS:
        return InsufficientFundsError(missing_micros)
    refusal = REFUSALS[reason]
    return RefusedError(reason, refusal.message, refusal.field, status=refusal.status)


def order_not_open(status: str) -> ApiError:
    """The order is the caller's own, and has ended."""
    return RefusedError("order_not_open", f"the order is {status} already", status=409)


def client_order_id_reused() -> ApiError:
    return RefusedError(
        "client_order_id_reused",
        "this client order id was used for another order",
        "client_order_id",
        status=409,
    )


def idempotency_key_reused() -> ApiError:
    return RefusedError(
        "idempotency_key_reused", "this key was used for another request already", status=409
    )


UNDONE: Final[dict[str, tuple[int, str]]] = {
    "exchange_halted": (409, "trading is halted on the whole exchange"),
    "account_closed": (403, "this account is closed"),
    "account_suspended": (403, "this account is suspended"),
    "account_busy": (503, "an account that this needs is locked by something else: try again"),
    "clock_wrong": (503, "the exchange's clock is wrong, so no order is taken: try again later"),
}
"""Answers' statuses that say why nothing was done, which are the codes too: HTTP status, words."""


def refuse_undone(answer: Answer) -> None:
    """Raise what an answer's status means to the caller, where nothing was done."""
    if answer.status in UNDONE:
        status, message = UNDONE[answer.status]
        later = {"Retry-After": "1"} if status == 503 else {}
        raise ApiError(status, answer.status, message, headers=later)


GatewayFault = EngineAway | Overloaded | TimedOut | MarketUnknown


def build_gateway_error(fault: GatewayFault) -> ApiError:
    """Return what a fault of the gateway means to the caller."""
    if isinstance(fault, MarketUnknown):
        return not_found("this market")
    if isinstance(fault, EngineAway):
        later = {"Retry-After": str(fault.retry_after_seconds)}
        message = "the matching engine is away: try again"
        return ApiError(503, "engine_away", message, headers=later)
    if isinstance(fault, Overloaded):
        later = {"Retry-After": str(fault.retry_after_seconds)}
        message = "too many orders are under way: try again"
        return ApiError(503, "overloaded", message, headers=later)
    return ApiError(
        504,
        "timed_out",
        "the outcome is unknown: retry with the same client order id (or Idempotency-Key)",
    )
