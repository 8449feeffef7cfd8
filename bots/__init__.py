"""Programs that trade through the public HTTP and WebSocket API; they import nothing of ours."""
