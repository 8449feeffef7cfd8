"""Measurements: `python -m bench [NAME...] [--quick]` prints one JSON document.

Each bench starts the servers that it needs, durable, and stops them; load comes from processes of
its own, over loopback. `python -m bench.profile` shows where the processor time of an order goes.
"""
