"""Shared building blocks, free of domain logic: units, time, ids, errors, texts, caches, SQL."""
