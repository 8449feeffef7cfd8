"""The matching engine of one market: pure, deterministic, commands in and events out.

`types` names the commands, events and constants; `margin` the collateral and hold of an account;
`fees` the fee of an order; `book` the ladder of one outcome; `engine` applies commands;
`naive` is the obvious slow engine that checks it.
"""
