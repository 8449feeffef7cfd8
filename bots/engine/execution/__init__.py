"""Execution: signals become orders, leg by leg, and whatever happens is known afterwards."""
