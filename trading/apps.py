from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "trading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import hooks
        from trading.cards import name_markets
        from trading.holdings import value_positions

        hooks.register(value_positions=value_positions, name_markets=name_markets)
