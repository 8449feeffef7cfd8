"""Template filters and tags for money, prices, quantities, times and icons, localized.

Filters take integer units (micros, pips, lots, half pips) and render a dash for None.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.numbers import MINUS, show_money, show_number, show_percent
from kernel.clock import to_datetime
from kernel.units import LOTS_PER_CONTRACT, MICROS_PER_CREDIT, PIPS_PER_CREDIT
from kernel.user_agents import describe_user_agent

register = template.Library()

NOTHING = "\N{EN DASH}"
HALF_PIPS_PER_PERCENT = 200


@register.filter
def amount(micros: int | None, decimals: int = 2) -> str:
    """Micros as credits, rounded to cents: 1,234.50. The API and CSV files have exact figures."""
    if micros is None:
        return NOTHING
    credit = Decimal(micros) / MICROS_PER_CREDIT
    return show_number(credit.quantize(Decimal(1).scaleb(-decimals)), decimals)


@register.filter
def money(micros: int | None, decimals: int = 2) -> str:
    """`amount` with the currency symbol."""
    if micros is None:
        return NOTHING
    return show_money(amount(abs(micros), decimals), is_negative=micros < 0)


@register.filter
def signed_money(micros: int | None) -> str:
    """`money` with a plus sign for gains."""
    return f"+{money(micros)}" if micros is not None and micros > 0 else money(micros)


@register.filter
def price(pips: int | None) -> str:
    """Pips as credits: 0.62, and 0.625 where the tick is finer than a cent."""
    if pips is None:
        return NOTHING
    decimals = 2 if pips % 100 == 0 else 3 if pips % 10 == 0 else 4
    return show_number(Decimal(pips) / PIPS_PER_CREDIT, decimals)


@register.filter
def contracts(lots: int | None) -> str:
    """Lots as contracts: 1,250 or 0.5."""
    if lots is None:
        return NOTHING
    decimals = 0 if lots % 100 == 0 else 1 if lots % 10 == 0 else 2
    return show_number(Decimal(lots) / LOTS_PER_CONTRACT, decimals)


@register.filter
def short_contracts(lots: int | None) -> str:
    """Lots as abbreviated contracts: 1.2K, 34M."""
    if lots is None:
        return NOTHING
    whole = lots // LOTS_PER_CONTRACT
    sizes = (
        (10**9, _("%(number)sB")),
        (10**6, _("%(number)sM")),
        (10**3, _("%(number)sK")),
    )
    for size, text in sizes:
        if abs(whole) >= size:
            tenths = whole * 10 // size
            number = show_number(Decimal(tenths) / 10, 1 if abs(tenths) < 100 else 0)
            return text % {"number": number}
    return show_number(Decimal(whole), 0)


@register.filter
def percent(half_pips: int | None) -> str:
    """A price of half pips as a probability: 62%, never 0% or 100%."""
    if half_pips is None:
        return NOTHING
    if half_pips < HALF_PIPS_PER_PERCENT:
        return f"<{show_percent(1)}"
    if half_pips > 99 * HALF_PIPS_PER_PERCENT:
        return f">{show_percent(99)}"
    return show_percent((half_pips + HALF_PIPS_PER_PERCENT // 2) // HALF_PIPS_PER_PERCENT)


@register.filter
def percent_of(number: int) -> str:
    """A whole number of per cent: 62%."""
    return show_percent(number)


@register.filter
def points(pips: int | None) -> str:
    """A change of a price in percentage points: +3, -12, 0."""
    if pips is None:
        return NOTHING
    whole = (abs(pips) + 50) // 100
    return f"{'+' if pips > 0 else MINUS}{whole}" if whole else "0"


@register.filter
def moment(at: datetime, style: str = "minute") -> str:
    """A time in the viewer's zone with its name; `style` is "day", "minute" or "second"."""
    local = timezone.localtime(at)
    day = formats.date_format(local, "DATE_FORMAT")
    clock = f"{local:%H:%M:%S}" if style == "second" else f"{local:%H:%M}"
    return day if style == "day" else f"{day}, {clock} {local:%Z}"


@register.simple_tag
def when(at: datetime | int | None, style: str = "minute") -> str:
    """`moment` as an element that the page's script can convert to another zone.

    `at` is a datetime or UTC microseconds.
    """
    if at is None:
        return NOTHING
    if isinstance(at, int):
        at = to_datetime(at)
    return format_html(
        '<time datetime="{}" data-when="{}">{}</time>', at.isoformat(), style, moment(at, style)
    )


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """An icon of the sprite. With a label it is an image with that text, else decorative."""
    described = (
        format_html('role="img" aria-label="{}"', label)
        if label
        else SafeString('aria-hidden="true"')
    )
    return format_html(
        '<svg class="icon {}" {}><use href="{}#{}"></use></svg>',
        css, described, static("icons.svg"), name,
    )  # fmt: skip


@register.simple_tag
def sparkline(values: list[int], width: int = 96, height: int = 28) -> str:
    """Values (oldest first) as a small line, coloured by whether it rose; "" below two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = max(high - low, 200)
    middle = (low + high) // 2
    dots = [
        f"{index * width // (len(values) - 1)},"
        f"{2 + (height - 4) * (middle + span // 2 - value) // span}"
        for index, value in enumerate(values)
    ]
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" aria-hidden="true">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"'
        ' stroke-linejoin="round" stroke-linecap="round"></polyline></svg>',
        "yes" if values[-1] > values[0] else "no" if values[-1] < values[0] else "muted",
        width, height, width, height, " ".join(dots),
    )  # fmt: skip


register.filter("program", describe_user_agent)


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """`mapping[key]` or None: templates cannot look up by a variable."""
    return mapping.get(key)
