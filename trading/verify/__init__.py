"""Checks every invariant of the exchange, while it runs: a. to i. in this order, and j.

a. transfers balance; total credits equal those issued minus those withdrawn
b. no available balance is negative; holds are the sum of the markets', by the formula
c. escrow covers the payout of any result, and is 0 at the end; positions of an outcome sum to 0
d. every acknowledged command, order and trade is in the journal exactly once, without gaps
e. the journal replays to the live state; so do its events alone
f. books are not crossed, orders filled by their trades, none worse than its limit
g. only legal changes of status
h. the book that follows from the events equals the actual book
i. epochs of leases only grow
j. each position is settled exactly once, and corrected exactly once; so are bonds
k. no command was executed at a time in the future

`laws` are statements over rows, `journals` replays market by market. Each check reads one snapshot.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.utils import timezone

from trading.models import VerifyRun
from trading.verify.findings import Finding, merge
from trading.verify.journals import check_journals
from trading.verify.laws import LAWS, check_law, check_times
from trading.verify.settlement_laws import SETTLEMENT_LAWS


class Stopped(Exception):  # noqa: N818 - requested, not an error
    """The process is stopping; there is no result."""


def _never() -> bool:
    return False


def check_everything(
    market_ids: list[int] | None = None, *, should_stop: Callable[[], bool] = _never
) -> list[Finding]:
    """Return one finding per check, in order. `market_ids`: replay only these journals."""
    return merge(_check(market_ids, should_stop))


def _check(market_ids: list[int] | None, should_stop: Callable[[], bool]) -> Iterator[Finding]:
    for law in (*LAWS, *SETTLEMENT_LAWS):
        if should_stop():
            raise Stopped
        yield check_law(law)
    yield check_times()
    for findings in check_journals(market_ids):
        if should_stop():
            raise Stopped
        yield from findings


def record_run(*, should_stop: Callable[[], bool] = _never) -> VerifyRun | None:
    """Check everything and store the report; None if stopped."""
    started_at = timezone.now()
    try:
        findings = check_everything(should_stop=should_stop)
    except Stopped:
        return None
    return keep_report(findings, started_at=started_at)


def keep_report(findings: list[Finding], *, started_at: datetime) -> VerifyRun:
    """Store the findings of a full run."""
    return VerifyRun.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        breaches=sum(finding.breaches for finding in findings),
        report=[finding._asdict() for finding in findings],
    )
