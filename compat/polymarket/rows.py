"""The rows of both hosts: a book as a market of the CLOB and of Gamma, a market as an event."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from compat.polymarket import listing
from compat.polymarket.books import (
    is_neg_risk,
    list_tokens,
    number,
    show_half_pips,
    show_price,
    show_size,
)
from compat.polymarket.listing import ShownLeg
from compat.polymarket.names import OutcomeToken, compute_hash, compute_number
from kernel.clock import format_time, from_datetime
from kernel.units import MICROS_PER_CREDIT
from markets.models import FINAL_STATUSES, Market, Tag
from trading.engine.types import PAYOUT_PIPS
from trading.readmodels.marks import HALF_PIPS_PER_CONTRACT

PPM_PER_BPS: Final = 100


# --- of the CLOB ------------------------------------------------------------------------------


def show_market(shown: ShownLeg) -> dict[str, Any]:
    market, leg = shown.market, shown.leg
    opened = format_time(from_datetime(market.open_at or market.created_at))
    negative = is_neg_risk(shown.instrument)
    return {
        **show_simply(shown),
        "enable_order_book": True,
        "accepting_order_timestamp": opened,
        "minimum_order_size": number(show_size(market.lot_step_lots)),
        "minimum_tick_size": number(show_price(market.tick_pips)),
        "question_id": compute_hash("question", leg.slug),
        "question": name_question(shown),
        "description": describe(market),
        "market_slug": leg.slug,
        "end_date_iso": format_time(from_datetime(market.close_at)),
        "game_start_time": None,
        "seconds_delay": 0,
        "fpmm": "",
        "maker_base_fee": market.fee_maker_rate // PPM_PER_BPS,
        "taker_base_fee": market.fee_taker_rate // PPM_PER_BPS,
        "notifications_enabled": False,
        "neg_risk": negative,
        "neg_risk_market_id": name_event_hash(market) if negative else "",
        "neg_risk_request_id": "",
        "icon": "",
        "image": "",
        "is_50_50_outcome": shown.payout_pips == PAYOUT_PIPS // 2,
        "tags": [tag.name for tag in market.tags.all()],
    }


def show_simply(shown: ShownLeg) -> dict[str, Any]:
    return {
        "condition_id": shown.leg.condition_id,
        "rewards": {"rates": None, "min_size": 0, "max_spread": 0},
        "tokens": _show_tokens(shown),
        "active": True,
        "closed": shown.market.status in FINAL_STATUSES,
        "archived": False,
        "accepting_orders": shown.accepts_orders,
    }


def _show_tokens(shown: ShownLeg) -> list[dict[str, Any]]:
    prices = find_prices(shown)
    return [
        {
            "token_id": token.id,
            "outcome": name,
            "price": number(prices[token.is_no] if prices else "0"),
            "winner": wins(shown, token),
        }
        for token, name in zip(list_tokens(shown.leg), name_outcomes(shown), strict=True)
    ]


def wins(shown: ShownLeg, token: OutcomeToken) -> bool:
    return shown.payout_pips is not None and shown.payout_pips == (
        0 if token.is_no else PAYOUT_PIPS
    )


def show_fees(market: Market) -> dict[str, Any]:
    """A fee is contracts x rate x (price x (1 - price)) ^ exponent: quadratic 1, flat 0."""
    rate = number(_show_ppm(market.fee_taker_rate))
    exponent = int(market.fee_kind == "quadratic")
    return {"r": rate, "e": exponent, "to": market.fee_maker_rate == 0}


def _show_ppm(rate_ppm: int) -> str:
    whole, rest = divmod(rate_ppm, 1_000_000)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


# --- of Gamma ---------------------------------------------------------------------------------


def show_gamma_market(shown: ShownLeg) -> dict[str, Any]:
    """Return a market with the event that it belongs to."""
    return {**show_gamma_market_alone(shown), "events": [show_event_alone(shown.market)]}


def show_gamma_market_alone(shown: ShownLeg) -> dict[str, Any]:
    market, leg, figures = shown.market, shown.leg, shown.figures
    negative = is_neg_risk(shown.instrument)
    prices = find_prices(shown)
    bid_pips, ask_pips = figures.bid_pips or 0, figures.ask_pips or PAYOUT_PIPS
    return {
        **_show_common(market),
        "id": str(leg.number),
        "slug": leg.slug,
        "question": name_question(shown),
        "conditionId": leg.condition_id,
        "questionID": compute_hash("question", leg.slug),
        "outcomes": _encode(name_outcomes(shown)),
        "outcomePrices": None if prices is None else _encode(prices),
        "clobTokenIds": _encode(leg.token_ids),
        **_show_volume(figures.volume_lots, figures.volume_24h_lots, figures.liquidity_micros),
        "acceptingOrders": shown.accepts_orders,
        "orderPriceMinTickSize": number(show_price(market.tick_pips)),
        "orderMinSize": number(show_size(market.lot_step_lots)),
        "bestBid": number(show_price(bid_pips)),
        "bestAsk": number(show_price(ask_pips)),
        "spread": number(show_price(ask_pips - bid_pips)),
        "lastTradePrice": _show_number(figures.last_pips),
        "oneDayPriceChange": _show_number(figures.change_24h_pips),
        "marketMakerAddress": "",
        **_show_resolution(shown),
        "negRiskOther": False,
        "groupItemTitle": shown.outcome.name if negative else "",
        "groupItemThreshold": str(leg.book),
        "makerBaseFee": market.fee_maker_rate // PPM_PER_BPS,
        "takerBaseFee": market.fee_taker_rate // PPM_PER_BPS,
        "feesEnabled": bool(market.fee_taker_rate or market.fee_maker_rate),
        "feeSchedule": _show_fees(market),
        "secondsDelay": 0,
        "clobRewards": [],
        "tags": [show_tag(tag) for tag in market.tags.all()],
    }


def show_events(markets: Iterable[Market]) -> list[dict[str, Any]]:
    rows = list(markets)
    legs: dict[int, list[ShownLeg]] = {}
    for leg in listing.show_legs(rows):
        legs.setdefault(leg.market.pk, []).append(leg)
    return [show_event(market, legs[market.pk]) for market in rows]


def show_event(market: Market, legs: list[ShownLeg]) -> dict[str, Any]:
    volume = sum(leg.figures.volume_lots for leg in legs)
    volume_24h = sum(leg.figures.volume_24h_lots for leg in legs)
    liquidity = sum(leg.figures.liquidity_micros for leg in legs)
    return {
        **show_event_alone(market),
        **{
            name: value
            for name, value in _show_volume(volume, volume_24h, liquidity).items()
            if name not in ("volumeNum", "liquidityNum")
        },
        "volume": number(show_size(volume)),
        "liquidity": number(_show_micros(liquidity)),
        "openInterest": number(show_size(max(leg.figures.open_interest_lots for leg in legs))),
        "markets": [show_gamma_market_alone(leg) for leg in legs],
        "tags": [show_tag(tag) for tag in market.tags.all()],
    }


def show_event_alone(market: Market) -> dict[str, Any]:
    series = market.event.series if market.event else None
    return {
        **_show_common(market),
        "id": str(compute_number("event", market.slug)),
        "ticker": market.slug,
        "slug": market.slug,
        "title": market.title,
        "subtitle": "",
        "creationDate": _show_time(market.created_at),
        "commentCount": 0,
        "cyom": False,
        "showAllOutcomes": True,
        "showMarketImages": False,
        "series": []
        if series is None
        else [
            {
                "id": str(compute_number("series", series.slug)),
                "ticker": series.slug,
                "slug": series.slug,
                "title": series.title,
            }
        ],
    }


def _show_common(market: Market) -> dict[str, Any]:
    negative = not market.has_one_book
    return {
        "description": describe(market),
        "category": market.category.name if market.category else None,
        "image": "",
        "icon": "",
        "resolutionSource": market.resolution_source,
        "startDate": _show_time(market.open_at or market.created_at),
        "endDate": _show_time(market.close_at),
        "createdAt": _show_time(market.created_at),
        "updatedAt": _show_time(market.updated_at),
        "closedTime": None if market.settled_at is None else _show_time(market.settled_at),
        "active": True,
        "closed": market.status in FINAL_STATUSES,
        "archived": False,
        "new": False,
        "featured": market.featured,
        "restricted": False,
        "enableOrderBook": True,
        "negRisk": negative,
        "negRiskMarketID": name_event_hash(market) if negative else "",
    }


def _show_volume(volume_lots: int, day_lots: int, liquidity_micros: int) -> dict[str, Any]:
    volume, liquidity = show_size(volume_lots), _show_micros(liquidity_micros)
    return {
        "volume": volume,
        "volumeNum": number(volume),
        "volumeClob": number(volume),
        "volume24hr": number(show_size(day_lots)),
        "liquidity": liquidity,
        "liquidityNum": number(liquidity),
        "liquidityClob": number(liquidity),
    }


def _show_resolution(shown: ShownLeg) -> dict[str, Any]:
    status = shown.market.status
    if status in FINAL_STATUSES:
        return {
            "umaResolutionStatus": "resolved",
            "umaResolutionStatuses": '["proposed","resolved"]',
        }
    if status == Market.Status.RESOLVING:
        return {"umaResolutionStatus": "proposed", "umaResolutionStatuses": '["proposed"]'}
    return {"umaResolutionStatus": None, "umaResolutionStatuses": "[]"}


def _show_fees(market: Market) -> dict[str, Any]:
    fees = show_fees(market)
    return {"exponent": fees["e"], "rate": fees["r"], "takerOnly": fees["to"], "rebateRate": 0}


def _show_number(price_pips: int | None) -> msgspec.Raw | None:
    if price_pips is None:
        return None
    sign = "-" if price_pips < 0 else ""
    return number(sign + show_price(abs(price_pips)))


def _show_micros(micros: int) -> str:
    whole, rest = divmod(micros, MICROS_PER_CREDIT)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


def _show_time(moment: datetime) -> str:
    return format_time(from_datetime(moment))


def show_tag(tag: Tag) -> dict[str, Any]:
    tag_number = compute_number("tag", tag.slug)
    return {
        "id": str(tag_number),
        "label": tag.name,
        "slug": tag.slug,
        "requiresTranslation": False,
    }


def _encode(texts: Iterable[str]) -> str:
    """Return a list as JSON in a string, with the spaces that readers' samples have."""
    return "[" + ", ".join(msgspec.json.encode(text).decode() for text in texts) + "]"


# --- of both ----------------------------------------------------------------------------------


def find_prices(shown: ShownLeg) -> tuple[str, str] | None:
    """Return the prices of YES and NO: paid, or what they are worth now.

    None if unknown, and of a void: everybody gets back what they paid, which is no price.
    """
    if shown.market.status == Market.Status.VOIDED:
        return None
    half_pips = shown.figures.mark.half_pips
    paid_pips = shown.outcome.withdrawn_pips if shown.payout_pips is None else shown.payout_pips
    if paid_pips is not None:
        half_pips = 2 * paid_pips
    if half_pips is None:
        return None
    return show_half_pips(half_pips), show_half_pips(HALF_PIPS_PER_CONTRACT - half_pips)


def name_outcomes(shown: ShownLeg) -> tuple[str, str]:
    """Return the names of both sides: those of the outcomes of a market with one book."""
    outcomes = list(shown.market.outcomes.all())
    if is_neg_risk(shown.instrument):
        return "Yes", "No"
    return outcomes[0].name, outcomes[1].name


def name_question(shown: ShownLeg) -> str:
    title = shown.market.title
    return f"{title} {shown.outcome.name}" if is_neg_risk(shown.instrument) else title


def describe(market: Market) -> str:
    return "\n\n".join(text for text in (market.description, market.rules) if text)


def name_event_hash(market: Market) -> str:
    return compute_hash("event", market.slug)
