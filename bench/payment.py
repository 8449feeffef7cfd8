"""The part of the settlement's measurement that runs inside Django, through `Stage.call`."""

import time
from typing import Any, Final

from django.db import connection

from bench.seed import get_operator, make_market
from markets.lifecycle import binary_payout, record_status
from markets.models import Market
from trading.actions import do_resolve_market
from trading.settlement.payments import CHUNK_MARGINS_MAX, settle_market
from trading.verify.laws import LAWS, check_law

CHECKED: Final = frozenset("abcj")
"""The checks that generated rows can pass; the others read the journal, which lacks them."""


def close_market() -> int:
    """Create a closed market with trades; return its id."""
    market = make_market()
    for status in (Market.Status.OPEN, Market.Status.CLOSED):
        record_status(market, status, by=get_operator(), reason="bench")
    return market.pk


def resolve_market(market_id: int) -> None:
    market = Market.objects.get(pk=market_id)
    do_resolve_market(
        market, by=get_operator(), payout_pips=binary_payout(10_000), evidence_text="bench"
    )


def settle(market_id: int) -> dict[str, Any]:
    """Pay out the market; return the duration and the findings of the checks afterwards."""
    started, processor_started = time.perf_counter(), time.process_time()
    assert settle_market(market_id), "the market is final"
    seconds = time.perf_counter() - started
    processor_seconds = time.process_time() - processor_started
    findings = [check_law(law) for law in LAWS if law.invariant in CHECKED]
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "paid": _count_paid(market_id),
        "chunk": CHUNK_MARGINS_MAX,
        "laws": len(findings),
        "breaches": [example for finding in findings for example in finding.examples],
    }


def _count_paid(market_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM trading_margin"
            " WHERE market_id = %s AND payout_micros IS NOT NULL",
            [market_id],
        )
        return int(cursor.fetchone()[0])
