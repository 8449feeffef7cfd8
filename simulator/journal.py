"""A market's journal as a hash that two equal runs share.

Of each command and its events everything counts but what is new in each run: ids are numbered as
they appear, and times of the clock are left out.
"""

import hashlib
import re
from typing import Final

import msgspec

from trading.pipeline.journal import read_rows

_NEW: Final = re.compile(
    rb"\b(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|1[5-9][0-9]{14})\b"
)
_ID_LENGTH: Final = 32


def hash_journal(market_id: int) -> str:
    digest = hashlib.sha256()
    names: dict[bytes, bytes] = {}

    def rename(match: re.Match[bytes]) -> bytes:
        if len(match[0]) < _ID_LENGTH:
            return b"0"
        return names.setdefault(match[0], b"#%d" % len(names))

    for _, body in read_rows(market_id):
        for entry in body.entries:
            text = msgspec.json.encode((entry.command, entry.events))
            digest.update(_NEW.sub(rename, text))
    return digest.hexdigest()
