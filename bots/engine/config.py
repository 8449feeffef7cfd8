"""The configuration file: TOML, its numbers exact. Keys are in the environment or in files."""

import inspect
import os
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import httpx
import msgspec
from msgspec import Meta, Struct

from bots.engine.execution.bridge import Rule
from bots.engine.execution.risk import Limits, read_limits
from bots.engine.units import read_pips
from bots.engine.venues.base import Venue
from bots.engine.venues.kalshi import Kalshi
from bots.engine.venues.polymarket import Polymarket
from bots.engine.venues.predex import Predex

T = TypeVar("T")
Table = TypeVar("Table", bound=Struct)
LIVE: Final = "live"
VENUES: Final[dict[str, type[Venue]]] = {
    "predex": Predex,
    "kalshi": Kalshi,
    "polymarket": Polymarket,
}
FROM_ENVIRONMENT: Final = "_env"
FROM_FILE: Final = "_file"

Natural = Annotated[int, Meta(ge=0)]


class ConfigError(Exception):
    """The configuration can't be used; the text says why."""


class EngineTable(Struct, frozen=True, forbid_unknown_fields=True):
    """`reload_seconds`: how often venues are asked for new markets; 0 never."""

    state: str = "engine.sqlite3"
    metrics: str = "127.0.0.1:9000"
    kill_file: str = ""
    mapping: str = ""
    failed_leg: Literal["unwind", "hold"] = "unwind"
    unwind_bound: str = "0.03"
    signal_ms_max: Natural = 500
    reload_seconds: Natural = 0


class VenueTable(Struct, frozen=True):
    """`options` are arguments of the venue's class."""

    kind: Literal["predex", "kalshi", "polymarket"]
    name: str = ""
    executor: Literal["paper", "live"] = "paper"
    latency_ms: Natural = 50
    options: dict[str, Any] = {}


class StrategyTable(Struct, frozen=True):
    """`options` are arguments of the strategy's class."""

    kind: str
    name: str = ""
    options: dict[str, Any] = {}


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    engine: EngineTable = EngineTable()
    limits: dict[str, Any] = {}
    venues: list[dict[str, Any]] = []
    strategies: list[dict[str, Any]] = []


class EngineConfig(Struct, frozen=True):
    """`metrics_address` None: there are none."""

    engine: EngineTable
    rule: Rule
    metrics_address: tuple[str, int] | None
    limits: Limits
    venues: list[VenueTable]
    strategies: list[StrategyTable]


def load_config(path: Path) -> EngineConfig:
    try:
        with path.open("rb") as file:
            return read_config(tomllib.load(file, parse_float=Decimal))
    except (OSError, ValueError) as fault:  # msgspec's and tomllib's are of the latter kind
        raise ConfigError(f"{path}: {fault}") from fault


def read_config(tables: dict[str, Any]) -> EngineConfig:
    document = msgspec.convert(tables, Document)
    engine = document.engine
    if not document.venues:
        raise ValueError("there is no venue: a [[venues]] table for each is needed")
    secrets = [
        {strip(name): read_secret(name, value) for name, value in table.items()}
        for table in document.venues
    ]
    return EngineConfig(
        engine,
        Rule(engine.failed_leg, read_pips(engine.unwind_bound)),
        read_address(engine.metrics),
        read_limits(document.limits),
        read_tables(secrets, VenueTable, "venues"),
        read_tables(document.strategies, StrategyTable, "strategies"),
    )


def read_tables(tables: list[dict[str, Any]], kind: type[Table], title: str) -> list[Table]:
    """Return tables as structs: what these do not name are options. Each has a name of its own."""
    found: dict[str, Table] = {}
    for table in tables:
        named = {field: table[field] for field in kind.__struct_fields__ if field in table}
        options = {field: value for field, value in table.items() if field not in named}
        name = named["name"] = table.get("name", table.get("kind", ""))
        if name in found:
            raise ValueError(f"two {title} have the name {name!r}")
        try:
            found[name] = msgspec.convert(named | {"options": options}, kind)
        except msgspec.ValidationError as fault:
            raise ValueError(f"{title} {name!r}: {fault}") from fault
    return list(found.values())


def read_address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    if not text:
        return None
    if not port.isdecimal():
        raise ValueError(f"metrics = {text!r} is not like 127.0.0.1:9000")
    return host or "127.0.0.1", int(port)


def strip(name: str) -> str:
    return name.removesuffix(FROM_ENVIRONMENT).removesuffix(FROM_FILE)


def read_secret(name: str, value: Any) -> Any:
    """Return a setting; `key_env` is a variable's value, `private_key_file` a file's content."""
    if name.endswith(FROM_ENVIRONMENT):
        if value not in os.environ:
            raise ValueError(f"{name}: the environment has no {value}")
        return os.environ[value]
    return Path(value).read_text().strip() if name.endswith(FROM_FILE) else value


def build(what: str, kind: type[T], *arguments: Any, options: dict[str, Any]) -> T:
    """Return an object of a class whose keyword arguments are settings of a table."""
    parameters = inspect.signature(kind).parameters
    try:
        for name, value in options.items():
            if name not in parameters:
                raise ValueError(f"there is no setting {name!r}")
            if not fits(value, parameters[name].annotation):
                raise ValueError(f"{name} can't be {value!r}")
        return kind(*arguments, **options)
    except (TypeError, ValueError, ArithmeticError, httpx.InvalidURL) as fault:
        raise ConfigError(f"{what}: {fault}") from fault


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of TOML is of an annotation's type."""
    origin = get_origin(hint) or hint
    if origin is UnionType:
        return any(fits(value, one) for one in get_args(hint))
    if origin is Sequence:
        return isinstance(value, list)
    return not isinstance(origin, type) or isinstance(value, origin)
