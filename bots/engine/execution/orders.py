"""Orders and what became of them, and what carries them out: the interface of executors."""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Final

from msgspec import Struct

from bots.engine.events import Key
from bots.engine.signals import SignalLeg

ASK_SECONDS: Final = 1.0


class OrderOutcome(StrEnum):
    """What is known of an order. SENDING: it may have reached the venue."""

    PLANNED = "planned"
    SENDING = "sending"
    RESTING = "resting"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NOT_ATTEMPTED = "not_attempted"


OPEN: Final = (OrderOutcome.SENDING, OrderOutcome.RESTING)


class Terms(StrEnum):
    FOK = "fok"
    IOC = "ioc"
    POST_ONLY = "post_only"


class OrderTicket(Struct, frozen=True, kw_only=True):
    """An order of the engine. `id` is the client order id: the same order never gets another."""

    id: str
    intent: str
    role: str
    strategy: str
    key: Key
    side: int
    limit_pips: int
    lots: int
    terms: Terms = Terms.FOK
    created_s: int = 0
    """When it was made, in seconds since 1970."""


class OrderReport(Struct, frozen=True, kw_only=True):
    """What has become of an order so far. `money_micros` is what its fills brought (below 0: cost),
    `fee_micros` comes on top.
    """

    outcome: OrderOutcome
    lots: int = 0
    money_micros: int = 0
    fee_micros: int = 0
    reason: str = ""
    venue_id: str = ""


class OutcomeUnknownAtVenueError(Exception):
    """The order may have been carried out or not: the venue has to be asked."""


class Executor(ABC):
    """Carries out orders of one venue. `name` is "paper" or "live"."""

    name: str
    settle_seconds = 2.0
    """How long an order that was sent may be on its way."""
    shows_own_trades = True
    """Whether the venue's book shows what its orders took."""

    @abstractmethod
    async def place(self, ticket: OrderTicket) -> OrderReport:
        """Carry out an order. OutcomeUnknownAtVenueError: nobody knows whether it was."""

    @abstractmethod
    async def find(self, ticket: OrderTicket) -> OrderReport | None:
        """Return what became of an order that was sent; None: the venue does not know it."""

    async def amend(self, ticket: OrderTicket, venue_id: str, filled_lots: int) -> OrderReport:
        """Change price and quantity of a resting order to those of the ticket, what it has filled
        aside. One that can't be changed is cancelled: nothing rests that is not meant any more.
        """
        return await self.cancel(ticket, venue_id)

    async def cancel(self, ticket: OrderTicket, venue_id: str) -> OrderReport:
        return OrderReport(outcome=OrderOutcome.CANCELLED, reason="orders don't rest here")

    async def stay(self, seconds: int) -> None:
        """Have what rests cancelled unless this is called again within so long, where the venue can
        do that; 0: not any more.
        """
        return None

    async def list_positions(self) -> dict[Key, int] | None:
        """Return the account's lots by YES token; None where nobody but the engine knows them."""
        return None

    def count_available(self, leg: SignalLeg) -> int:
        """Return how much of a leg can be had, as far as is known before it is sent."""
        return leg.lots

    async def close(self) -> None:
        return None

    async def find_out(self, ticket: OrderTicket) -> OrderReport:
        """Ask the venue until it says what became of an order. One it does not know after a while
        has never arrived.
        """
        give_up_at = time.monotonic() + self.settle_seconds
        while True:
            try:
                report = await self.find(ticket)
            except OutcomeUnknownAtVenueError:
                report = None
                give_up_at = time.monotonic() + self.settle_seconds
            if report is not None:
                return report
            if time.monotonic() >= give_up_at:
                return refused("the venue does not know it")
            await asyncio.sleep(min(ASK_SECONDS, self.settle_seconds))


def refused(reason: str) -> OrderReport:
    return OrderReport(outcome=OrderOutcome.REJECTED, reason=reason)


def name_order(intent: str, role: str, number: int) -> str:
    """Return the client order id: a function of what the order is for, so it is sent once."""
    return str(uuid.uuid5(uuid.UUID(intent), f"{role}-{number}"))
