"""Venues: each has its REST calls, its feed (a protocol without a connection), its orders."""
