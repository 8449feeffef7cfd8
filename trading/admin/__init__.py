"""Trading in the admin: what happened is shown, never edited; what may happen calls a `do_`."""

from trading.admin import markets, people, records, results

__all__ = [
    "markets",  # these are imported for what importing them registers
    "people",
    "records",
    "results",
]
