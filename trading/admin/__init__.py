"""Trading in the admin: records are read-only; actions call a `do_`."""

from trading.admin import markets, people, records, results
