"""Market data and private streams: from the engines' publications to the frames of many sockets.

`hub.get_hub()` is this process's one reader (per event loop) of the channel layer. It keeps a
`BookReplica` of every market that is watched: an image from the database first, then publications
applied by sequence; on any gap the database again. Frames leave it at most FEED_FRAMES_PER_SECOND
times a second and market, serialised once, into the bounded queue of each `Watcher` (a socket's
side; the sockets themselves are in `trading.feed.consumers`).

Law: snapshot(n) + frames(n..m) == snapshot(m). docs/feed.md is the protocol as clients see it.
"""
