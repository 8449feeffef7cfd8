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
    for name in table:
        if f"{name}_micros" not in Limits.__struct_fields__:
            raise ValueError(f"there is no limit {name!r}")
    return Limits(**{f"{name}_micros": read_micros(value) for name, value in table.items()})


class KillSwitch:
    """While it is thrown no order is sent, and those that rest are cancelled.

    A file throws it for as long as it is there; anything else for good, until a restart.
    """

    def __init__(self, path: str, metrics: Metrics) -> None:
        self._path = Path(path) if path else None
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
        self,
        limits: Limits,
        portfolio: EnginePortfolio,
        markets: MarketMap,
        kill: KillSwitch,
        day: TradedDay | None = None,
    ) -> None:
        self.resting: dict[tuple[str, Key, int], int] = {}
        """Micros that quotes put at risk, by strategy, YES token and side."""
        self._day = day or TradedDay()
        self._date = datetime.now(UTC).date()
        self._limits = limits
        self._portfolio = portfolio
        self._markets = markets
        self._kill = kill
        self._check_loss()  # a restart does not give back what the day has lost

    @property
    def day(self) -> TradedDay:
        """What was traded today (UTC)."""
        today = datetime.now(UTC).date()
        if today != self._date:
            self._date, self._day = today, TradedDay()
        return self._day

    def count_room(self, leg: SignalLeg) -> int:
        """Return how many lots of a leg the limits allow, in whole steps."""
        room_micros = min(self._list_rooms(leg), default=count_at_risk(leg, leg.lots))
        lots = min(leg.lots, max(0, room_micros) // count_at_risk(leg, 1))
        return lots // leg.lot_step_lots * leg.lot_step_lots

    def _list_rooms(self, leg: SignalLeg) -> list[int]:
        """Return what may be put at risk. Quotes that rest on the same side count as held; lots
        that only close what is held put nothing at risk.
        """
        limits, portfolio = self._limits, self._portfolio
        yes, side, _ = self._markets.express_as_yes(leg.key, leg.side, leg.limit_pips)
        of_venue = {one.yes for one in self._markets.markets if one.venue == yes.venue}
        closing_micros = count_at_risk(leg, max(0, -side * portfolio.count_lots(yes)))
        rooms = [] if limits.order_micros is None else [limits.order_micros]
        if limits.day_turnover_micros is not None:
            rooms.append(limits.day_turnover_micros - self.day.turnover_micros)
        for limit, keys in ((limits.market_micros, {yes}), (limits.venue_micros, of_venue)):
            if limit is not None:
                resting_micros = sum(
                    micros
                    for (_, key, of_side), micros in self.resting.items()
                    if key in keys and of_side == side
                )
                free_micros = max(0, limit - portfolio.count_at_risk(keys))
                rooms.append(free_micros + closing_micros - resting_micros)
        return rooms

    def note(self, turnover_micros: int, realised_micros: int) -> None:
        """Count what was traded; a day that has lost too much is over."""
        self.day.turnover_micros += turnover_micros
        self.day.realised_micros += realised_micros
        self._check_loss()

    def _check_loss(self) -> None:
        most = self._limits.day_loss_micros
        if most is not None and -self.day.realised_micros >= most:
            self._kill.throw("the day's loss has reached its limit")


def count_at_risk(leg: SignalLeg, lots: int) -> int:
    """Return the micros that so many lots of a leg can lose."""
    return lots * max(1, leg.limit_pips if leg.side == BUY else PAYOUT_PIPS - leg.limit_pips)
