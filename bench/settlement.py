"""Paying out 1,000,000 positions with the real `trading.settlement.payments`, on PostgreSQL.

The positions are generated rows with trades, transfers and escrow to match. Each run pays a fresh
copy of that database, then checks the invariants of money, positions and payouts on it.
"""

from collections.abc import Iterator

from bench import rows
from bench.figures import Figure, Sizes, build_figure
from bench.stage import cloned, open_stage


def measure(sizes: Sizes) -> Iterator[Figure]:
    positions = sizes.choose(1_000_000, 20_000)
    with open_stage("postgres") as stage:
        rows.make_accounts(stage, positions)
        market_id = stage.call("bench.payment:close_market")
        rows.make_positions(stage, market_id, positions)
        stage.call("bench.payment:resolve_market", market_id=market_id)
        rows.tidy(stage)
        results = []
        for number in range(sizes.runs):
            with cloned(stage, number) as copy:
                results.append(copy.call("bench.payment:settle", market_id=market_id))
        durable = stage.describe_durability()
    for result in results:
        if result["paid"] != positions or result["breaches"]:
            raise RuntimeError(f"{result['paid']} were paid; broken laws: {result['breaches']}")
    yield build_figure(
        "settlement_of_1000000_positions",
        [result["seconds"] for result in results],
        unit="s",
        durable=durable,
        at_most=60,
        details={
            "positions": positions,
            "positions_per_transaction": results[0]["chunk"],
            "laws_checked_and_kept": results[0]["laws"],
            "processor_seconds_of_python": [
                round(result["processor_seconds"], 2) for result in results
            ],
        },
    )
