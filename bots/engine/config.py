"""The configuration file: TOML, its numbers exact. Keys are in the environment or in files."""

import os
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from bots.engine.execution.bridge import HOLD, UNWIND, Rule
from bots.engine.execution.risk import Limits, read_limits
from bots.engine.units import read_pips
from bots.engine.venues.base import Venue
from bots.engine.venues.kalshi import Kalshi
from bots.engine.venues.polymarket import Polymarket
from bots.engine.venues.predex import Predex

PAPER: Final = "paper"
LIVE: Final = "live"
VENUES: Final[dict[str, Callable[..., Venue]]] = {
    "predex": Predex,
    "kalshi": Kalshi,
    "polymarket": Polymarket,
}
FROM_ENVIRONMENT: Final = "_env"
FROM_FILE: Final = "_file"


class ConfigError(Exception):
    """The configuration can't be used; the text says why."""


class EngineTable(Struct, frozen=True, forbid_unknown_fields=True):
    """`reload_seconds`: how often venues are asked for new markets; 0 never."""

    state: str = "engine.sqlite3"
    metrics: str = "127.0.0.1:9000"
    kill_file: str = ""
    mapping: str = ""
    failed_leg: str = UNWIND
    unwind_bound: str = "0.03"
    signal_ms_max: int = 500
    reload_seconds: int = 0


class VenueTable(Struct, frozen=True):
    name: str
    kind: str
    executor: str
    latency_ms: int
    options: dict[str, Any]


class StrategyTable(Struct, frozen=True):
    name: str
    kind: str
    options: dict[str, Any]


class EngineConfig(Struct, frozen=True):
    engine: EngineTable
    limits: Limits
    venues: list[VenueTable]
    strategies: list[StrategyTable]

    @property
    def rule(self) -> Rule:
        return Rule(self.engine.failed_leg, read_pips(self.engine.unwind_bound))

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        host, _, port = self.engine.metrics.rpartition(":")
        return (host or "127.0.0.1", int(port)) if port else None


def load_config(path: Path) -> EngineConfig:
    with path.open("rb") as file:
        document = tomllib.load(file, parse_float=Decimal)
    try:
        return read_config(document)
    except (KeyError, TypeError, ValueError, ArithmeticError, msgspec.ValidationError) as fault:
        raise ConfigError(f"{path}: {fault}") from fault


def read_config(document: dict[str, Any]) -> EngineConfig:
    engine = msgspec.convert(document.get("engine", {}), EngineTable)
    if engine.failed_leg not in (UNWIND, HOLD):
        raise ValueError(f"failed_leg is {UNWIND} or {HOLD}, not {engine.failed_leg!r}")
    venues = [read_venue(table) for table in document.get("venues", [])]
    names = [venue.name for venue in venues]
    if len(set(names)) < len(names) or not names:
        raise ValueError("venues need names, each another")
    strategies = [read_strategy(table) for table in document.get("strategies", [])]
    return EngineConfig(engine, read_limits(document.get("limits", {})), venues, strategies)


def read_venue(table: dict[str, Any]) -> VenueTable:
    options = {name: read_secret(name, value) for name, value in table.items()}
    kind = options.pop("kind")
    executor = options.pop("executor", PAPER)
    if kind not in VENUES:
        raise ValueError(f"kind of venue {kind!r}: one of {', '.join(VENUES)}")
    if executor not in (PAPER, LIVE):
        raise ValueError(f"executor is {PAPER} or {LIVE}, not {executor!r}")
    return VenueTable(
        name=options.pop("name", kind),
        kind=kind,
        executor=executor,
        latency_ms=options.pop("latency_ms", 50),
        options={strip(name): value for name, value in options.items()},
    )


def read_strategy(table: dict[str, Any]) -> StrategyTable:
    options = dict(table)
    kind = options.pop("kind")
    return StrategyTable(options.pop("name", kind), kind, options)


def strip(name: str) -> str:
    return name.removesuffix(FROM_ENVIRONMENT).removesuffix(FROM_FILE)


def read_secret(name: str, value: Any) -> Any:
    """Return a setting; `key_env` is a variable's value, `private_key_file` a file's content."""
    if name.endswith(FROM_ENVIRONMENT):
        if value not in os.environ:
            raise ValueError(f"{name}: the environment has no {value}")
        return os.environ[value]
    return Path(value).read_text() if name.endswith(FROM_FILE) else value


def build_venue(table: VenueTable) -> Venue:
    try:
        return VENUES[table.kind](table.name, **table.options)
    except TypeError as fault:
        raise ConfigError(f"venue {table.name}: {fault}") from fault
