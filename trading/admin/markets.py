"""The markets app's admin of markets, with the actions on those that trade."""

from collections.abc import Iterable

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import Link, link_to_list
from markets.admin import MarketAdmin
from markets.models import Market
from trading.admin.acts import ACTS
from trading.admin.corrections import ACTS as CORRECTION_ACTS
from trading.admin.discounts import ACTS as DISCOUNT_ACTS
from trading.admin.panels import ACTS as PANEL_ACTS
from trading.admin.resolvers import ACTS as RESOLVER_ACTS

admin.site.unregister(Market)


@admin.register(Market)
class LiveMarketAdmin(MarketAdmin):
    acts = {
        **MarketAdmin.acts, **ACTS, **CORRECTION_ACTS, **RESOLVER_ACTS, **PANEL_ACTS,
        **DISCOUNT_ACTS,
    }  # fmt: skip

    def get_links(self, row: Market) -> Iterable[Link]:
        for title, model in (
            (_("Open orders"), "trading_order"),
            (_("Trades"), "trading_trade"),
            (_("Positions"), "trading_position"),
            (_("Collateral"), "trading_margin"),
            (_("Journal"), "trading_journalrow"),
        ):
            yield Link(title, link_to_list(model, row.slug))
        yield from super().get_links(row)
