"""What accounts shows but only apps above it know. They register a function when they are ready.

One function each, and a plain answer without it: accounts runs, and is tested, alone.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple


class Valuation(NamedTuple):
    locked_collateral_micros: int
    positions_micros: int | None  # None: some position has no known price


_value_positions: Callable[[int], Valuation] | None = None
_name_markets: Callable[[Collection[int]], Mapping[int, str]] | None = None


def register(
    *,
    value_positions: Callable[[int], Valuation] | None = None,
    name_markets: Callable[[Collection[int]], Mapping[int, str]] | None = None,
) -> None:
    """`value_positions(account_id)`, and `name_markets(market_ids)` -> {market_id: slug}."""
    global _value_positions, _name_markets
    _value_positions = value_positions or _value_positions
    _name_markets = name_markets or _name_markets


def value_positions(account_id: int) -> Valuation:
    return _value_positions(account_id) if _value_positions else Valuation(0, 0)


def name_markets(market_ids: Collection[int]) -> Mapping[int, str]:
    return _name_markets(market_ids) if _name_markets and market_ids else {}
