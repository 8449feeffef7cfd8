"""Markets for the pages to show, made, opened and decided by an operator through the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.people import Person, wait_for

EVIDENCE = {"evidence_text": "It was in all the papers."}


def make_market(operator: Person, slug: str, **fields: Any) -> str:
    """Make a draft whose result is final at once; return its slug."""
    body = {
        "slug": slug,
        "title": f"Does {slug.replace('-', ' ')} come true?",
        "rules": "YES if it does; otherwise NO.",
        "close_at": find_close(),
        "dispute_seconds": 0,
        **fields,
    }
    operator.call("POST", "markets", body, status=201)
    return slug


def find_close() -> str:
    """Return a close time that no test lives to see."""
    return (datetime.now(UTC) + timedelta(days=3)).isoformat()


def open_market(operator: Person, slug: str, **fields: Any) -> str:
    make_market(operator, slug, **fields)
    assert operator.call("POST", f"markets/{slug}/open", {})["status"] == "open"
    return slug


def name_outcomes(*names: str) -> dict[str, Any]:
    """Return the fields of a market in which one of these happens."""
    outcomes = [{"code": name.upper(), "name": name} for name in names]
    return {"kind": "categorical", "outcomes": outcomes}


def settle_market(operator: Person, slug: str, **result: Any) -> None:
    """Close it, resolve it (`yes="1"` or `payout=[...]`), wait until it is paid out."""
    operator.call("POST", f"markets/{slug}/close", {})
    operator.call("POST", f"markets/{slug}/resolve", {**EVIDENCE, **result})
    wait_for(lambda: operator.call("GET", f"markets/{slug}")["status"] == "settled")
