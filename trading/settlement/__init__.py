"""Payouts of results and voids, and the scheduler of due tasks."""
