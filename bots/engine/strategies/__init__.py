"""Strategies: each is a class of one file, named in the configuration."""
