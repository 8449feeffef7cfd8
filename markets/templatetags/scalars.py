"""Template filters for prices and chances that a scalar market shows as numbers of its range.

Each takes the market beside the price; of any other market they show credits and per cent.
"""

from decimal import Decimal

from django import template

from accounts.numbers import show_quantity_of
from accounts.templatetags.predex import (
    HALF_PIPS_PER_PERCENT,
    NOTHING,
    percent,
    percent_of,
    points,
    price,
)
from kernel.units import MICROS_PER_CREDIT, PIPS_PER_CREDIT, format_price
from markets.models import Market
from markets.scalars import write_exact

register = template.Library()


@register.filter
def price_in(pips: int | None, market: Market) -> str:
    """A price of YES, or of one of several outcomes: 0.62, or the number 1,240."""
    if pips is None or market.scale is None:
        return price(pips)
    return show_quantity_of(market.scale.find_number(2 * pips))


@register.filter
def no_price_in(pips: int | None, market: Market) -> str:
    """A price of NO; the number is the one at which YES has the rest."""
    if pips is None or market.scale is None:
        return price(pips)
    return price_in(PIPS_PER_CREDIT - pips, market)


@register.filter
def distance_in(pips: int | None, market: Market) -> str:
    """A difference between prices: 0.02, or by how much the number differs."""
    if pips is None or market.scale is None:
        return price(pips)
    return show_quantity_of(market.scale.find_distance(2 * pips))


@register.filter
def chance_in(half_pips: int | None, market: Market) -> str:
    """A mark: 62%, or the number that the market expects, with its unit."""
    if half_pips is None or market.scale is None:
        return percent(half_pips)
    return show_quantity_of(market.scale.find_number(half_pips), market.number_unit)


@register.filter
def axis_in(percent: int, market: Market) -> str:
    """A label of a chart's axis, which ends at whole per cent."""
    if market.scale is None:
        return percent_of(percent)
    return show_quantity_of(market.scale.find_number(percent * HALF_PIPS_PER_PERCENT))


@register.filter
def change_in(pips: int | None, market: Market) -> str:
    """A change of the mark: in points, or of the number; "0" if it shows none."""
    if pips is None:
        return NOTHING
    if market.scale is None:
        return points(pips)
    distance = market.scale.find_distance(2 * pips)
    return f"{'+' if distance > 0 else ''}{show_quantity_of(distance)}" if distance else "0"


@register.filter
def settled_in(market: Market) -> str:
    """The number at which a scalar market was settled."""
    return show_quantity_of(Decimal(market.settled_number), market.number_unit)


@register.filter
def plain_price_in(price_pips: int, market: Market) -> str:
    """A price of YES for links and forms: 0.6200, or the number 1240, in any language."""
    if market.scale is None:
        return format_price(price_pips)
    return f"{market.scale.find_number(2 * price_pips):f}"


@register.filter
def lowest(market: Market) -> str:
    """The low end of a scalar market's range: 1,000 points."""
    return _show_millionths(market.low_millionths or 0, market.number_unit)


@register.filter
def highest(market: Market) -> str:
    """The high end of a scalar market's range: 2,000 points."""
    return _show_millionths(market.high_millionths or 0, market.number_unit)


@register.filter("range")
def range_of(market: Market) -> str:
    """A scalar market's range: 1,000 to 2,000 points."""
    if market.scale is None:
        return ""
    low = _show_millionths(market.scale.low_millionths)
    high = _show_millionths(market.scale.high_millionths, market.number_unit)
    return f"{low} \N{EN DASH} {high}"


@register.filter
def scale_data(market: Market) -> str:
    """The range for scripts: low and high in millionths, decimals, unit; "" without one."""
    scale = market.scale
    if scale is None:
        return ""
    return f"{scale.low_millionths} {scale.high_millionths} {scale.decimals} {scale.unit}".rstrip()


def _show_millionths(millionths: int, unit: str = "") -> str:
    exact = Decimal(millionths) / MICROS_PER_CREDIT
    return show_quantity_of(Decimal(write_exact(exact)), unit)
