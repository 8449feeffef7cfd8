"""`/trade-api/v2`: predex for programs that were written for Kalshi.

A market is an event here, each of its books a market with a ticker. Requests are signed with a key
of the account. Order operations go through trading's one handler. docs/kalshi.md is how to use it.
"""
