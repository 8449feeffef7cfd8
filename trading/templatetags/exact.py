"""Template filters for the portfolio's money: exact to the micro, with the sign as a colour and in
the figure.
"""

from django import template

from accounts.numbers import show_percent
from accounts.templatetags.predex import NOTHING, price
from kernel.units import format_amount
from markets.models import Market
from trading.contracts import MICROS_PER_PIP, Contract
from trading.pages.live import name_status
from trading.pages.numbers import show_average, show_money, show_price

register = template.Library()


@register.filter
def exact_money(micros: int | None) -> str:
    """Micros as credits with 2 to 6 decimals."""
    return NOTHING if micros is None else show_money(micros)


@register.filter
def exact_signed(micros: int | None) -> str:
    """`exact_money` with a plus sign for gains."""
    return f"+{exact_money(micros)}" if micros is not None and micros > 0 else exact_money(micros)


@register.filter
def rounded(micros: int | None) -> str:
    """A price or an average of one, in micros, with 2 to 4 decimals."""
    return NOTHING if micros is None else show_average(micros)


@register.filter
def average_of(micros: int | None, contract: Contract) -> str:
    """`rounded`, or the number that this price of a scalar market's contract stands for."""
    return NOTHING if micros is None else show_price(micros, contract)


@register.filter
def price_of(pips: int | None, contract: Contract) -> str:
    """A contract's price: 0.62, or the number that it stands for."""
    if pips is None or contract.scale is None:
        return price(pips)
    return show_price(pips * MICROS_PER_PIP, contract)


@register.filter
def plain_amount(micros: int | None) -> str:
    """Micros in the API's notation, for scripts."""
    return "" if micros is None else format_amount(micros)


@register.filter
def sign(micros: int | None) -> str:
    """Return the class that colours gains and losses."""
    return "" if not micros else "yes" if micros > 0 else "no"


@register.filter
def share(part: float | None) -> str:
    """A fraction of 1 as a percentage."""
    return NOTHING if part is None else show_percent(round(100 * part))


@register.filter
def status_name(market: Market) -> str:
    return name_status(market.status)
