"""Detects lost messages from the sequence numbers that engines announce. Pure.

Publications contain changes; heartbeats (and looks at the database) only sequence numbers.
A heartbeat may run ahead of its publication, or even of a commit that then fails, so a number is
missed only after it was announced for LATE_SECONDS.
"""

from collections.abc import Mapping
from typing import Final

LATE_SECONDS: Final = 0.75


class Progress:
    def __init__(self) -> None:
        self._seqs: dict[int, int] = {}
        self._announced: dict[int, tuple[int, float]] = {}
        self._epochs: dict[int, int] = {}
        self._heard: dict[int, float] = {}

    def follow(self, market_id: int, prev_seq: int, seq: int) -> bool:
        """Record a publication; return False if an earlier one is missing."""
        known = self._seqs.get(market_id)
        self._seqs[market_id] = max(seq, known or 0)
        return known is None or prev_seq <= known

    def stand(self, market_id: int, seq: int) -> None:
        """Record the sequence number of a market just read from the database."""
        self._seqs[market_id] = seq

    def announce(self, seqs: Mapping[int, int], now: float) -> None:
        """Record announced sequence numbers of markets."""
        for market_id, seq in seqs.items():
            known = self._seqs.setdefault(market_id, seq)
            if seq > known and market_id not in self._announced:
                self._announced[market_id] = (seq, now)

    def find_late(self, now: float) -> list[int]:
        """Return markets with an announced number that has not arrived; each once."""
        late = []
        for market_id, (seq, since) in list(self._announced.items()):
            if self._seqs[market_id] >= seq:
                del self._announced[market_id]
            elif now - since >= LATE_SECONDS:
                del self._announced[market_id]
                self._seqs[market_id] = seq
                late.append(market_id)
        return late

    def hear(self, shard: int, epoch: int, now: float) -> bool:
        """Record a heartbeat; return whether it is from a new engine that follows another."""
        self._heard[shard] = now
        before = self._epochs.get(shard)
        self._epochs[shard] = max(epoch, before or 0)
        return before is not None and epoch > before

    def is_heard(self, shards: int, now: float, *, within_seconds: float) -> bool:
        """Return whether every shard's engine has sent a recent heartbeat."""
        return all(
            now - self._heard.get(shard, float("-inf")) < within_seconds for shard in range(shards)
        )

    def forget(self) -> None:
        """Reset: a new engine may even be behind (a restored database)."""
        self._seqs.clear()
        self._announced.clear()
