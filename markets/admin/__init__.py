"""Markets in the admin. Forms show what `markets.actions` refuses; saving calls its `do_`."""

from markets.admin import catalogue, comments, exchange, history
from markets.admin.market import MarketAdmin
from markets.admin.results import DisputeAdmin, ResolutionAdmin

__all__ = [
    "DisputeAdmin",
    "MarketAdmin",
    "ResolutionAdmin",
    "catalogue",  # these are imported for what importing them registers
    "comments",
    "exchange",
    "history",
]
