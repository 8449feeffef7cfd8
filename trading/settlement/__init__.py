"""Paying results and voids, and the schedule of what falls due."""
