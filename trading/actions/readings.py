"""What an automatic resolver sees: a value in a JSON document, or another market's result.

Numbers are exact decimals. What is missing, of another kind or of the wrong time is never guessed.
"""

import hashlib
import json
import operator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn

from django.utils import timezone

from kernel.clock import to_datetime
from kernel.units import PIPS_PER_CREDIT
from markets.lifecycle import scalar_payout
from markets.models import AutomaticResolver, Market, Resolution
from markets.scalars import read_exact, write_exact
from web import outbound

_COMPARE: Final = {
    AutomaticResolver.Comparison.AT_LEAST: operator.ge,
    AutomaticResolver.Comparison.ABOVE: operator.gt,
    AutomaticResolver.Comparison.AT_MOST: operator.le,
    AutomaticResolver.Comparison.BELOW: operator.lt,
}


class NotReadableError(Exception):
    """Nothing can be concluded now; another attempt may find more."""


class NeverReadableError(Exception):
    """Nothing can be concluded by itself any more."""


class Reading(NamedTuple):
    """`seen` is kept as evidence, `text` says it in a sentence."""

    payout_pips: list[int]
    text: str
    url: str
    seen: dict[str, Any]
    number: str = ""
    """Of a scalar market: what was observed, in plain notation."""


def read(resolver: AutomaticResolver) -> Reading:
    """Look at what decides the market; raises NotReadableError or NeverReadableError."""
    if resolver.kind == AutomaticResolver.Kind.MARKET:
        return _read_market(resolver)
    return _read_value(resolver)


def parse_number(value: Any) -> Decimal:
    """Return a JSON number, or a text that is one; raises NotReadableError."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise NotReadableError("the value is no number")
    text = str(value)
    number = read_exact(text)
    if number is None:
        raise NotReadableError("the value is no number")
    return number


def find_at(document: Any, path: str) -> Any:
    """Return what stands at a path like `data.0.price`; raises NotReadableError."""
    for name in path.split("."):
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            raise NotReadableError(f"there is nothing at {path}")
    if document is None:
        raise NotReadableError(f"there is nothing at {path}")
    return document


def _read_value(resolver: AutomaticResolver) -> Reading:
    try:
        body = outbound.fetch(resolver.url)
    except outbound.OutboundRefusedError as refusal:
        raise NeverReadableError(str(refusal)) from None
    except outbound.OutboundError as fault:
        raise NotReadableError(str(fault)) from None
    document = _decode(body)
    seen_at = _check_time(resolver, document)
    value = parse_number(find_at(document, resolver.value_path))
    seen: dict[str, Any] = {
        "value": str(value),
        "threshold": None,
        "at": seen_at.isoformat(),
        "url": resolver.url,
        "market": None,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    when = f"Read automatically at {seen_at:%Y-%m-%d %H:%M:%S} UTC"
    if resolver.kind == AutomaticResolver.Kind.NUMBER:
        number = write_exact(value)
        payout_pips = scalar_payout(resolver.market, number)
        return Reading(payout_pips, f"{when}: {number}.", resolver.url, seen, number)
    if resolver.threshold_path:
        threshold = parse_number(find_at(document, resolver.threshold_path))
    else:
        threshold = parse_number(resolver.threshold)
    is_yes = _COMPARE[AutomaticResolver.Comparison(resolver.comparison)](value, threshold)
    said = AutomaticResolver.Comparison(resolver.comparison).name.lower().replace("_", " ")
    return Reading(
        [PIPS_PER_CREDIT, 0] if is_yes else [0, PIPS_PER_CREDIT],
        f"{when}: {value} is{'' if is_yes else ' not'} {said} {threshold}.",
        resolver.url,
        {**seen, "threshold": str(threshold)},
    )


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_int=_parse_int, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotReadableError("the answer is no JSON") from None


def _parse_int(text: str) -> Decimal:
    return Decimal(text)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _check_time(resolver: AutomaticResolver, document: Any) -> datetime:
    """Return when the value was observed: now, unless it says so itself."""
    if not resolver.time_path:
        return timezone.now().astimezone(UTC)
    seen_at = _parse_time(find_at(document, resolver.time_path))
    if seen_at < resolver.reads_at:
        raise NotReadableError("the value is older than the time that decides")
    if seen_at > resolver.gives_up_at:
        raise NeverReadableError("the value is of a later time than the one that decides")
    return seen_at


def _parse_time(value: Any) -> datetime:
    """Read ISO 8601 with a zone, or a Unix time in seconds or milliseconds."""
    try:
        if isinstance(value, Decimal):
            seconds = value / 1_000 if value > 10**11 else value
            return to_datetime(int(seconds * 1_000_000))
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        raise NotReadableError("the value's time can't be read") from None
    if moment.tzinfo is None:
        raise NotReadableError("the value's time has no zone")
    return moment.astimezone(UTC)


def _read_market(resolver: AutomaticResolver) -> Reading:
    assert resolver.source is not None, resolver.pk
    source = resolver.source
    if source.status == Market.Status.VOIDED:
        raise NeverReadableError("the market that decides was voided")
    if source.status != Market.Status.SETTLED:
        raise NotReadableError("the market that decides has no final result")
    payout_pips = [outcome.payout_pips or 0 for outcome in source.outcomes.all()]
    result = Resolution.objects.filter(market=source, withdrawn_at=None).first()
    return Reading(
        payout_pips,
        f"As the market “{source.title}” was settled.",
        "",
        {
            **dict.fromkeys(("value", "threshold", "url", "sha256")),
            "market": source.slug,
            "at": timezone.now().astimezone(UTC).isoformat(),
        },
        "" if result is None else result.number,
    )
