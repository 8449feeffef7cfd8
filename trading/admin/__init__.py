"""Trading in the admin: what happened is shown, never edited; what may happen calls a `do_`."""

from trading.admin import markets, people, records, results
