"""Doors that speak other venues' and agents' protocols, each in a room of its own.

A room translates to trading's queries, readmodels, feed and order entry. It has no models, no rules
of its own and no second path to money.
"""
