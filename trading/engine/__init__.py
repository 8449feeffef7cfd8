"""The matching engine of one market: pure, deterministic, commands in and events out.

`types` names commands, events and constants. `engine` decides what a command does (`execute`,
`quote`), `checks` are its ladders of refusals, `matcher` matches a taker with the book. `state`
holds books, orders and accounts, and applies events to them; `book` is the ladder of one outcome,
`margin` an account's collateral and hold, `fees` an order's fee, `dry_run` what a command can
touch, `trade_ids` the ids of trades.
"""
