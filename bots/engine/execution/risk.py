"""Limits: how much an order, a market, a venue and a day may put at risk; and the kill switch."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from bots.engine.events import BUY, Key
from bots.engine.execution.portfolio import EnginePortfolio
from bots.engine.execution.state import TradedDay
from bots.engine.markets import MarketMap
from bots.engine.metrics import Metrics
from bots.engine.signals import SignalLeg
from bots.engine.units import PAYOUT_PIPS, read_micros

log = structlog.get_logger(__name__)


class Limits(Struct, frozen=True, kw_only=True):
    """In micros at risk, which is what is lost if the worse outcome happens. None: no limit."""

    order_micros: int | None = None
    market_micros: int | None = None
    venue_micros: int | None = None
    day_turnover_micros: int | None = None
    day_loss_micros: int | None = None


def read_limits(table: dict[str, Any]) -> Limits:
    """Read amounts of credits: `order`, `market`, `venue`, `day_turnover`, `day_loss`."""
    return Limits(**{f"{name}_micros": read_micros(value) for name, value in table.items()})


class KillSwitch:
    """While it is thrown no order is sent, and those that rest are cancelled.

    A file throws it for as long as it is there; anything else for good, until a restart.
    """

    def __init__(self, path: Path | None, metrics: Metrics) -> None:
        self._path = path
        self._reason = ""
        self._metrics = metrics

    @property
    def is_thrown(self) -> bool:
        return bool(self._reason) or self._has_file()

    def throw(self, reason: str) -> None:
        if not self._reason:
            log.error("kill_switch_thrown", because=reason)
        self._reason = self._reason or reason
        self.show()

    def show(self) -> None:
        self._metrics.killed.set(int(self.is_thrown))

    def _has_file(self) -> bool:
        return self._path is not None and self._path.exists()


class Risk:
    def __init__(
        self, limits: Limits, portfolio: EnginePortfolio, markets: MarketMap, kill: KillSwitch
    ) -> None:
        self.day = TradedDay()
        self._date = datetime.now(UTC).date()
        self._limits = limits
        self._portfolio = portfolio
        self._markets = markets
        self._kill = kill

    def count_room(self, leg: SignalLeg) -> int:
        """Return how many lots of a leg the limits allow, in whole steps."""
        per_lot = leg.limit_pips if leg.side == BUY else PAYOUT_PIPS - leg.limit_pips
        room_micros = min(self._list_rooms(leg.key), default=None)
        lots = leg.lots if room_micros is None else max(0, room_micros) // max(1, per_lot)
        return min(lots, leg.lots) // leg.lot_step_lots * leg.lot_step_lots

    def _list_rooms(self, key: Key) -> list[int]:
        limits, portfolio = self._limits, self._portfolio
        yes, _, _ = self._markets.express_as_yes(key, BUY, 0)
        of_venue = [one.yes for one in self._markets.markets if one.venue == key.venue]
        rooms = (
            (limits.order_micros, 0),
            (limits.market_micros, portfolio.count_at_risk([yes])),
            (limits.venue_micros, portfolio.count_at_risk(of_venue)),
            (limits.day_turnover_micros, self.day.turnover_micros),
        )
        return [limit - used for limit, used in rooms if limit is not None]

    def note(self, turnover_micros: int, realised_micros: int) -> None:
        """Count what was traded; a day (UTC) that has lost too much is over."""
        today = datetime.now(UTC).date()
        if today != self._date:
            self._date, self.day = today, TradedDay()
        self.day.turnover_micros += turnover_micros
        self.day.realised_micros += realised_micros
        most = self._limits.day_loss_micros
        if most is not None and -self.day.realised_micros >= most:
            self._kill.throw("the day's loss has reached its limit")
