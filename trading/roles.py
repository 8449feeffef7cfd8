"""The built-in roles: groups of permissions for operators, created after migrating.

They are kept exactly as defined here; other roles are separate groups. Only superusers edit the
policy and other users' permissions.
"""

from typing import Any, Final

from django.apps import apps as registry

SEES_MARKETS = {
    "markets.view_market", "markets.view_outcome", "markets.view_statuschange",
    "markets.view_category", "markets.view_tag", "markets.view_event", "markets.view_series",
    "markets.view_group", "markets.view_seriesschedule", "markets.view_scheduledmarket",
}  # fmt: skip
SEES_RESULTS = {
    "markets.view_resolution", "markets.view_dispute", "markets.view_correction",
}  # fmt: skip
SEES_TRADING = {
    "trading.view_order", "trading.view_trade", "trading.view_position", "trading.view_margin",
    "trading.view_settlement", "trading.view_journalrow", "trading.view_exchangeday",
}  # fmt: skip
SEES_ENGINES = {
    "trading.view_lease", "trading.view_bookstate", "trading.view_outcomestats",
    "trading.view_candle", "trading.view_receipt", "trading.view_verifyrun",
}  # fmt: skip
KEEPS_CATALOGUE = {
    f"markets.{verb}_{name}"
    for name in ("category", "tag", "event", "series", "group", "groupmember")
    for verb in ("add", "change", "delete", "view")
}

ROLES: Final[dict[str, set[str]]] = {
    "operator": {
        *SEES_MARKETS, *SEES_RESULTS, *SEES_TRADING, *SEES_ENGINES, *KEEPS_CATALOGUE,
        "markets.manage_markets", "markets.run_exchange", "accounts.view_user",
        "accounts.view_auditevent",
    },
    "resolver": {*SEES_MARKETS, *SEES_RESULTS, "markets.resolve_markets"},
    "finance": {
        "accounts.view_account", "accounts.view_transfer", "accounts.view_user",
        "accounts.view_withdrawalrequest", "accounts.view_depositrequest",
        "accounts.deposit_credits", "accounts.decide_withdrawals", "accounts.decide_deposits",
        "accounts.view_auditevent", *SEES_TRADING, "trading.view_dailyequity",
        "trading.view_verifyrun",
    },
    "moderator": {
        "accounts.view_user", "accounts.suspend_users", "accounts.view_apikey",
        "accounts.view_loginsession", "accounts.view_invitecode", "accounts.add_invitecode",
        "accounts.change_invitecode", "markets.view_comment", "markets.view_commentreport",
        "markets.moderate_comments",
    },
}  # fmt: skip


def create_roles(*, using: str, apps: Any = registry, **kwargs: Any) -> None:
    """Create or update each role, unless the migrated state lacks some of its permissions."""
    try:
        group_model = apps.get_model("auth.Group")
        permission_model = apps.get_model("auth.Permission")
    except LookupError:
        return
    rows = permission_model.objects.using(using).filter(
        content_type__app_label__in=("accounts", "markets", "trading")
    )
    keys = {
        f"{app}.{codename}": key
        for app, codename, key in rows.values_list("content_type__app_label", "codename", "pk")
    }
    for name, permissions in ROLES.items():
        group, _is_new = group_model.objects.using(using).get_or_create(name=name)
        group.permissions.set([keys[codename] for codename in permissions if codename in keys])
