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
    ForgedWebhookError,
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
from predex_client.signing import Signer
from predex_client.terms import KEEP, KeyRequest, NewOrder, StopLoss, TakeProfit, Trigger
from predex_client.webhooks import WebhookMessage, verify_webhook

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
    "ForgedWebhookError",
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
    "Signer",
    "StopLoss",
    "TakeProfit",
    "TickerEvent",
    "TooManyRequestsError",
    "TradesEvent",
    "Trigger",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnsubscribedEvent",
    "WebhookMessage",
    "verify_webhook",
]
