"""What is derived from trades and rows to be read: statistics, equity, leaderboards, tiles."""
