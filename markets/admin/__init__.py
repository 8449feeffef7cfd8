"""Markets in the admin. Forms show refusals of `markets.actions`; saving calls its `do_`."""

from markets.admin import catalogue, comments, exchange, history, schedules
from markets.admin.market import MarketAdmin
from markets.admin.results import DisputeAdmin, ResolutionAdmin
