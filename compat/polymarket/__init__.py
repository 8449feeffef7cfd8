"""Market data as Polymarket's readers know it: `/poly/gamma`, `/poly/clob`, `/poly/ws/market`.

Read-only, and only what everybody may see. A market is an event there; each of its books is a
market with a YES and a NO token. docs/polymarket.md is what readers may rely on.
"""
