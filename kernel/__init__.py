"""What every part is built on: units, time, ids, errors, texts, caches, bulk SQL. No domain."""
