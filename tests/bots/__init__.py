"""The trading engine."""
