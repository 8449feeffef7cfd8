"""The matching engine of one market: pure, deterministic, commands in and events out.

`types` names commands, events and constants. `engine` decides (`apply`, `quote`, `reach`), `checks`
are its ladders of refusals, `sweep` carries a taker through the book, `plain` is the commonest part
of both written out. `state` holds books, orders and accounts, `book` is the ladder of one outcome,
`margin` an account's collateral and hold, `fees` an order's fee, `trade_ids` the ids of trades.
`naive` (with `naive_ledger`) is the obvious slow engine that checks all of it.
"""
