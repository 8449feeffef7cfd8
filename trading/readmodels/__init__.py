"""Read models derived from trades and rows: statistics, equity, leaderboards, tiles."""
