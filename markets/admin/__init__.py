"""Markets in the admin. Forms show what `markets.actions` refuses; saving calls its `do_`."""

from markets.admin import catalogue, exchange, history
from markets.admin.market import MarketAdmin
from markets.admin.results import DisputeAdmin, ResolutionAdmin

__all__ = [
    "DisputeAdmin",
    "MarketAdmin",
    "ResolutionAdmin",
    "catalogue",  # these are imported for what importing them registers
    "exchange",
    "history",
]
