from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = _("Trading")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import registry
        from trading.api.own_data import TABLES, cancel_orders, forget_user
        from trading.engine.lmsr import compute_most_liquidity_lots, compute_worst_loss_micros
        from trading.notifications.notify import notify_of_money
        from trading.pipeline.instruments import name_markets
        from trading.readmodels.holdings import value_positions
        from trading.roles import create_roles

        registry.register(
            value_positions=value_positions,
            name_markets=name_markets,
            cancel_orders=cancel_orders,
            notify_of_money=notify_of_money,
            find_liquidity=compute_most_liquidity_lots,
            find_worst_loss=compute_worst_loss_micros,
            data_tables=TABLES,
            forget_user=forget_user,
        )
        # The last app to be migrated: all permissions exist by then.
        post_migrate.connect(create_roles, sender=self)
