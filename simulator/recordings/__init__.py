"""Recorded sessions of a real exchange, and their replay."""
