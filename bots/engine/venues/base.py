"""What the engine needs of a venue."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from bots.engine.events import Event, Key
from bots.engine.execution.orders import Executor
from bots.engine.markets import MarketEvent, MarketMap


class VenueError(Exception):
    """A venue can't be used as it is configured, or answers what can't be understood."""


class Payout(NamedTuple):
    """`pips` None: the market was voided, and what was paid is refunded."""

    pips: int | None


class Received(NamedTuple):
    """What a message brought: events, and messages to send."""

    events: Sequence[Event] = ()
    messages: Sequence[str] = ()


NOTHING = Received()


class VenueFeed(ABC):
    """A venue's socket without the connection: what to send, what frames mean.

    Times are seconds and nanoseconds of the monotonic clock.
    """

    @abstractmethod
    def connect(self, now: float) -> list[str]:
        """Return the messages with which a connection begins."""

    @abstractmethod
    def lose(self, received_ns: int) -> list[Event]:
        """The connection was lost: say which books are stale."""

    @abstractmethod
    def receive(self, text: str | bytes, received_ns: int) -> Received: ...

    @abstractmethod
    def beat(self, now: float) -> list[str]:
        """Called once a second; return what is to be sent. SilentError: connect again."""

    @abstractmethod
    def resync(self, key: Key) -> list[str]:
        """Return what asks for a book from its beginning."""


class SilentError(Exception):
    """The venue has not answered for too long."""


class Venue(ABC):
    name: str

    @abstractmethod
    async def load(self) -> list[MarketEvent]:
        """Return the markets that are followed, as the venue has them now."""

    async def find_payout(self, key: Key) -> Payout | None:
        """Return what a YES token has paid; None: nothing yet."""
        return None

    @abstractmethod
    def build_feed(self) -> VenueFeed: ...

    @abstractmethod
    def locate(self) -> tuple[str, dict[str, str]]:
        """Return the socket's address, and the headers for the next handshake."""

    def build_executor(self, markets: MarketMap) -> Executor:
        """Return what carries out live orders. VenueError: what they need is missing."""
        raise VenueError(f"{self.name}: nothing carries out live orders there")

    async def close(self) -> None:
        return None
