"""Measurements: `python -m bench [NAME...] [--quick]` prints one JSON document.

Each bench starts the servers that it needs, with durable settings, and stops them; load comes from
separate processes over loopback. `python -m bench.profile` shows an order's CPU time by function.
"""
