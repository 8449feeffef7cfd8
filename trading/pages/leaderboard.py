"""`/leaderboard/`: boards by profit and by equity, with the viewer's own place.

`?group=` is the board of a group's members, for its members.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from kernel.errors import not_found
from markets.models import Group
from markets.pages.groups import find_group
from trading.pages.home import Choice
from trading.readmodels.leaderboard import ORDERS, PERIOD_DAYS, get_leaderboard, get_leaderboard_of


@require_safe
def leaderboard(request: HttpRequest) -> HttpResponse:
    period = request.GET.get("period", "week")
    period = period if period in PERIOD_DAYS else "week"
    by = request.GET.get("by", "profit")
    by = by if by in ORDERS else "profit"
    group = find_viewers_group(request)
    if group is None:
        board, rest = get_leaderboard(period, by, user=request.user), ""
    else:
        board = get_leaderboard_of(group.members.all(), period, by, user=request.user)
        rest = f"&group={group.slug}"
    context = {
        "board": board,
        "group": group,
        "periods": [
            Choice(label, f"?period={name}&by={by}{rest}", name == period)
            for name, label in name_periods().items()
        ],
        "orders": [
            Choice(label, f"?period={period}&by={name}{rest}", name == by)
            for name, label in name_orders().items()
        ],
    }
    return render(request, "trading/leaderboard.html", context)


def find_viewers_group(request: HttpRequest) -> Group | None:
    """Return the requested group; the same 404 for unknown and foreign groups."""
    slug = request.GET.get("group", "")
    if not slug:
        return None
    if not request.user.is_authenticated:
        raise not_found("this group")
    return find_group(slug, request.user)[0]


def name_periods() -> dict[str, str]:
    return {"day": _("Today"), "week": _("7 days"), "month": _("30 days"), "all": _("All time")}


def name_orders() -> dict[str, str]:
    return {"profit": _("Profit"), "equity": _("Equity")}
