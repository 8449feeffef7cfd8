"""The admin's sidebar: operators see only what they have permission to view."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class NavigationLink(NamedTuple):
    """A link to a list (`model` as "app.name") or a page (`url`), for users with `permission`.

    The default is the view permission of the model.
    """

    title: Any
    icon: str
    model: str = ""
    url: str = ""
    permission: str = ""


GROUPS: list[tuple[Any, list[NavigationLink]]] = [
    (
        _("Markets"),
        [
            NavigationLink(_("Markets"), "query_stats", "markets.market"),
            NavigationLink(_("Results"), "gavel", "markets.resolution"),
            NavigationLink(_("Disputes"), "report", "markets.dispute"),
            NavigationLink(_("Corrections"), "undo", "markets.correction"),
            NavigationLink(
                _("Import from CSV"),
                "upload_file",
                url="admin:markets_market_import",
                permission="markets.manage_markets",
            ),
            NavigationLink(_("Categories"), "category", "markets.category"),
            NavigationLink(_("Tags"), "sell", "markets.tag"),
            NavigationLink(_("Events"), "event", "markets.event"),
            NavigationLink(_("Series"), "event_repeat", "markets.series"),
            NavigationLink(_("Schedules of series"), "schedule", "markets.seriesschedule"),
            NavigationLink(_("Private groups"), "groups", "markets.group"),
            NavigationLink(_("Status changes"), "history", "markets.statuschange"),
        ],
    ),
    (
        _("People"),
        [
            NavigationLink(_("Users"), "person", "accounts.user"),
            NavigationLink(_("Comments"), "forum", "markets.comment"),
            NavigationLink(_("Reported comments"), "flag", "markets.commentreport"),
            NavigationLink(_("Invitation codes"), "mail", "accounts.invitecode"),
            NavigationLink(_("API keys"), "key", "accounts.apikey"),
            NavigationLink(_("API sessions"), "terminal", "accounts.loginsession"),
            NavigationLink(_("Webhooks"), "webhook", "trading.webhook"),
            NavigationLink(_("Roles"), "badge", "auth.group"),
        ],
    ),
    (
        _("Money"),
        [
            NavigationLink(_("Withdrawals"), "payments", "accounts.withdrawalrequest"),
            NavigationLink(_("Deposit requests"), "savings", "accounts.depositrequest"),
            NavigationLink(_("Accounts"), "account_balance_wallet", "accounts.account"),
            NavigationLink(
                _("Grant to many"),
                "group_add",
                url="admin:accounts_account_grant",
                permission="accounts.deposit_credits",
            ),
            NavigationLink(_("Transfers"), "swap_horiz", "accounts.transfer"),
            NavigationLink(_("Positions"), "pie_chart", "trading.position"),
            NavigationLink(_("Collateral"), "lock", "trading.margin"),
            NavigationLink(_("Settlements"), "balance", "trading.settlement"),
            NavigationLink(_("Daily equity"), "show_chart", "trading.dailyequity"),
        ],
    ),
    (
        _("Trading"),
        [
            NavigationLink(_("Orders"), "list_alt", "trading.order"),
            NavigationLink(_("Trades"), "sync_alt", "trading.trade"),
            NavigationLink(_("Journal"), "menu_book", "trading.journalrow"),
            NavigationLink(_("Order books"), "stacked_bar_chart", "trading.bookstate"),
            NavigationLink(_("Statistics"), "monitoring", "trading.outcomestats"),
            NavigationLink(_("Candles"), "candlestick_chart", "trading.candle"),
            NavigationLink(_("Order receipts"), "receipt_long", "trading.receipt"),
        ],
    ),
    (
        _("Exchange"),
        [
            NavigationLink(_("State and announcement"), "campaign", "markets.exchange"),
            NavigationLink(_("Policy"), "policy", "accounts.policy"),
            NavigationLink(_("Engines"), "dns", "trading.lease"),
            NavigationLink(_("Checks of all invariants"), "verified", "trading.verifyrun"),
            NavigationLink(_("Days"), "bar_chart", "trading.exchangeday"),
            NavigationLink(_("Audit log"), "fact_check", "accounts.auditevent"),
        ],
    ),
]


def build_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return unfold's groups of links, without groups in which nothing is visible."""
    may = request.user.has_perm
    overview = {"title": _("Overview"), "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": None, "items": [overview]}]
    for title, entries in GROUPS:
        items = [link for entry in entries for link in _link(entry, may)]
        if items:
            groups.append({"title": title, "separator": True, "collapsible": False, "items": items})
    _mark_active([item for group in groups for item in group["items"]], request.path)
    return groups


def _mark_active(items: list[dict[str, Any]], path: str) -> None:
    """Mark the active item: the one whose link is the longest prefix of the path."""
    overview, *others = items
    above = [item for item in others if path.startswith(item["link"])]
    active = max(above, key=lambda item: len(item["link"]), default=None)
    for item in items:
        item["active"] = item is active
    overview["active"] = path == overview["link"]


def _link(entry: NavigationLink, may: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the entry's link; none without permission or when the admin has no such list."""
    url, permission = entry.url, entry.permission
    if entry.model:
        app, name = entry.model.split(".")
        model = apps.all_models[app].get(name)
        if model is None or not admin.site.is_registered(model):
            return []
        url = f"admin:{app}_{name}_changelist"
        permission = permission or f"{app}.view_{name}"
    if not may(permission):
        return []
    return [{"title": entry.title, "icon": entry.icon, "link": reverse(url)}]
