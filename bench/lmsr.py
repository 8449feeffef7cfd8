"""The automated maker's mathematics alone: the time of one quote, on a warm table.

A trade is what each fill against it needs: its cost, and the maker after it.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from bench.figures import IN_MEMORY, Figure, Sizes, build_figure
from trading.engine.lmsr import (
    Lmsr,
    change_liquidity,
    count_lots_for_budget,
    count_lots_to_limit,
    list_levels,
    start_lmsr,
    trade_lots,
)
from trading.engine.types import BUY, SELL

B_LOTS: Final = 100_000
STEP_LOTS: Final = 100
OUTCOMES: Final = (2, 50)
QUOTES: Final[dict[str, Callable[[Lmsr, int], Any]]] = {
    "trade": lambda maker, lots: trade_lots(maker, 0, lots),
    "lots_to_limit": lambda maker, lots: count_lots_to_limit(maker, 0, BUY, 9_900),
    "lots_for_budget": lambda maker, lots: count_lots_for_budget(maker, 0, BUY, 5_000 * lots),
    "ten_levels": lambda maker, lots: list_levels(maker, 0, SELL, tick_pips=100, levels_max=10),
    "change_of_liquidity": lambda maker, lots: change_liquidity(maker, B_LOTS + lots),
}


def measure(sizes: Sizes) -> Iterator[Figure]:
    quotes = sizes.choose(20_000, 200)
    for outcomes in OUTCOMES:
        maker = start_lmsr(B_LOTS, (1,) * outcomes, step_lots=STEP_LOTS)
        for name, quote in QUOTES.items():
            _time(maker, quote, quotes // 10)
            yield build_figure(
                f"lmsr_{name}_{outcomes}_outcomes",
                [_time(maker, quote, quotes) for _ in range(sizes.runs)],
                unit="us",
                durable=IN_MEMORY,
            )


def _time(maker: Lmsr, quote: Callable[[Lmsr, int], Any], quotes: int) -> float:
    """Return the processor's microseconds for one quote, over quotes of many sizes."""
    started = time.thread_time()
    for number in range(1, quotes + 1):
        quote(maker, number % 1_000 * STEP_LOTS)
    return (time.thread_time() - started) / quotes * 1_000_000
