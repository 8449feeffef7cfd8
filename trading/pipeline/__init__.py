"""The path of an order: handler, gateway, worker, shard, writer, journal, lease."""
