"""A typed client of the predex prediction-market exchange.

`Client` and `AsyncClient` speak its HTTP API, `Feed` and `AsyncFeed` its socket: live data, order
entry. All have the same methods for orders; numbers are `Decimal`, times are UTC.
"""

from predex_client.client import AsyncClient, Client
from predex_client.errors import (
    ApiError,
    ConflictError,
    ConnectionLostError,
    ForbiddenError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    OutcomeUnknownError,
    PredexError,
    RefusedError,
    TooManyRequestsError,
    UnavailableError,
    UnexpectedAnswerError,
)
from predex_client.events import (
    AccountEvent,
    BookEvent,
    Event,
    ExchangeEvent,
    LifecycleEvent,
    TickerEvent,
    TradesEvent,
    UnsubscribedEvent,
)
from predex_client.feed import AsyncFeed, Feed
from predex_client.local import LocalAccount, LocalBook
from predex_client.terms import KEEP, KeyRequest, NewOrder, StopLoss, TakeProfit, Trigger

__all__ = [
    "KEEP",
    "AccountEvent",
    "ApiError",
    "AsyncClient",
    "AsyncFeed",
    "BookEvent",
    "Client",
    "ConflictError",
    "ConnectionLostError",
    "Event",
    "ExchangeEvent",
    "Feed",
    "ForbiddenError",
    "InvalidRequestError",
    "KeyRequest",
    "LifecycleEvent",
    "LocalAccount",
    "LocalBook",
    "NewOrder",
    "NotAuthenticatedError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PredexError",
    "RefusedError",
    "StopLoss",
    "TakeProfit",
    "TickerEvent",
    "TooManyRequestsError",
    "TradesEvent",
    "Trigger",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnsubscribedEvent",
]
