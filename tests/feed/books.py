"""The client's copy of a book, for tests that have frames as they come."""

from typing import Any, Final

import predex_client
from predex_client import BookEvent
from predex_client.values import decode

TIME: Final = "2026-07-01T12:00:00.000000Z"
LEFT_OUT: Final = {"market": None, "ts": TIME, "sent_at": TIME}
BEFORE_ANY: Final = -1


class LocalBook(predex_client.LocalBook):
    """Takes frames; its `seq` is BEFORE_ANY before the first snapshot."""

    seq: int

    def __init__(self) -> None:
        super().__init__()
        self.seq = BEFORE_ANY

    def apply(self, frame: Any) -> bool:
        return super().apply(decode(BookEvent, {**LEFT_OUT, **frame}))
