"""Maps the engine's reasons and the gateway's faults to API errors."""

from kernel.errors import ApiError, RefusedError, not_found
from kernel.units import format_amount
from trading.engine.types import Reason
from trading.pipeline.gateway import EngineAway, MarketUnknown, Overloaded, TimedOut
from trading.pipeline.messages import Answer


class InsufficientFundsError(RefusedError):
    """An order that costs more than is available, with the missing amount."""

    def __init__(self, missing_micros: int) -> None:
        super().__init__("insufficient_funds", missing=format_amount(missing_micros))
        self.missing_micros = missing_micros


def build_refusal(reason: str, *, missing_micros: int = 0) -> ApiError:
    """Return the error for one of the engine's rejection reasons."""
    if reason == Reason.ORDER_UNKNOWN:
        return not_found("this order")
    if reason == Reason.INSUFFICIENT_FUNDS:
        return InsufficientFundsError(missing_micros)
    return RefusedError(reason)


def order_not_open(status: str) -> ApiError:
    """Return the error for the caller's own order that has ended."""
    return RefusedError("order_not_open", status=status)


def client_order_id_reused() -> ApiError:
    return RefusedError("client_order_id_reused")


def idempotency_key_reused() -> ApiError:
    return RefusedError("idempotency_key_reused")


def refuse_undone(answer: Answer) -> None:
    """Raise the error of an answer's status, if nothing was done."""
    if answer.status in ("exchange_halted", "account_closed", "account_suspended"):
        raise ApiError(answer.status)
    if answer.status in ("account_busy", "clock_wrong"):
        raise ApiError(answer.status, retry_after_seconds=1)


GatewayFault = EngineAway | Overloaded | TimedOut | MarketUnknown


def build_gateway_error(fault: GatewayFault) -> ApiError:
    """Return the error for a fault of the gateway."""
    if isinstance(fault, MarketUnknown):
        return not_found("this market")
    if isinstance(fault, EngineAway):
        return ApiError("engine_away", retry_after_seconds=fault.retry_after_seconds)
    if isinstance(fault, Overloaded):
        return ApiError("overloaded", retry_after_seconds=fault.retry_after_seconds)
    return ApiError("timed_out")
