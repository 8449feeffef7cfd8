"""A trading engine: prices streamed from venues, a cache of books, strategies, execution.

    python -m bots.engine --config engine.toml

It knows venues by their public APIs only. Prices are pips (1/10,000 of what a contract pays),
quantities lots (1/100 contract), money micros (1/1,000,000 credit): pips x lots = micros, exactly.
`docs/engine.md` describes what it does; ARCHITECTURE has the path of a message.
"""
