"""The path of an order: gateway, worker, shard, writer, journal, lease."""
