"""Trading in the admin: records are read-only; actions call a `do_`."""

from trading.admin import corrections, instructions, markets, people, records, results, webhooks
