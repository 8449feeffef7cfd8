"""What trading in a market costs, in words."""

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import FeeType
from accounts.numbers import show_percent
from accounts.templatetags.predex import moment
from markets.models import Market
from trading.pages.numbers import show_exact


def describe_fees(market: Market) -> str:
    """Return a text of what trading costs."""
    maker, taker = market.fee_maker_rate, market.fee_taker_rate
    if market.fee_kind == FeeType.NONE or not (maker or taker):
        return _("Trading is free.")
    return f"{_describe_schedule(market)} {describe_discount(market)}".strip()


def describe_discount(market: Market) -> str:
    """Say what is off the fees, and until or from when; "" where nothing is, or no more."""
    discount = getattr(market, "discount", None)
    now = timezone.now()
    if discount is None or (discount.ends_at is not None and discount.ends_at <= now):
        return ""
    makers, takers = discount.maker_percent, discount.taker_percent
    parts = [
        _describe_part(makers, _("makers pay nothing"), _("makers pay %(percent)s less")),
        _describe_part(takers, _("takers pay nothing"), _("takers pay %(percent)s less")),
    ]
    said = {
        "who": ", ".join(filter(None, parts)),
        "start": moment(discount.starts_at),
        "end": "" if discount.ends_at is None else moment(discount.ends_at),
    }
    if discount.starts_at > now and discount.ends_at is None:
        return _("From %(start)s: %(who)s.") % said
    if discount.starts_at > now:
        return _("From %(start)s until %(end)s: %(who)s.") % said
    if discount.ends_at is None:
        return _("For the time being: %(who)s.") % said
    return _("Until %(end)s: %(who)s.") % said


def _describe_part(percent: int, nothing: str, less: str) -> str:
    if percent == 100:
        return nothing
    return less % {"percent": show_percent(percent)} if percent else ""


def _describe_schedule(market: Market) -> str:
    maker, taker = market.fee_maker_rate, market.fee_taker_rate
    said = {"taker": show_exact(taker), "maker": show_exact(maker)}
    if market.fee_kind == FeeType.FLAT:
        if not maker:
            return _("Takers pay %(taker)s per contract; makers pay nothing.") % said
        return _("Takers pay %(taker)s per contract; makers pay %(maker)s.") % said
    if not maker:
        text = _("Takers pay %(taker)s x price x (1 - price) per contract; makers pay nothing.")
    else:
        text = _(
            "Takers pay %(taker)s x price x (1 - price) per contract;"
            " makers pay %(maker)s x price x (1 - price)."
        )
    return text % said
