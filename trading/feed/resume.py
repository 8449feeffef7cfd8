"""The prices of a book that changed since a sequence number, from the journal's events.

Events name a price where an order rests or trades; of one that ends or shrinks only the id. Its
price is known if it came to rest inside the fold, else its row has it. An order from before the
fold that was amended to another price has left a price that nothing remembers: then the answer is
None, and the client gets a snapshot instead.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trading.engine.commands import Amend, AnyCommand, Place
from trading.engine.events import Amended, AnyEvent, Decremented, Ended, Rested, list_trades
from trading.engine.types import SCHEMA_VERSION
from trading.models import JournalRow, Order
from trading.pipeline.journal import JournalEntry, decode_body

ROWS_MAX: Final = 200
COMMANDS_MAX: Final = 10_000

Key = tuple[int, int]
"""An outcome and a price in pips."""


class Fold(NamedTuple):
    """`keys`: prices that changed. `orders`: ids whose price must be looked up."""

    keys: set[Key]
    orders: set[str]


def read_changed(market_id: int, since_seq: int) -> set[Key] | None:
    """Return the prices that changed since `since_seq` (or slightly earlier).

    None if that is too long ago, or cannot be determined.
    """
    first = (
        JournalRow.objects.filter(market_id=market_id, seq_first__lte=since_seq + 1)
        .order_by("-seq_first")
        .first()
    )
    if first is None:
        return None
    rows = list(
        JournalRow.objects.filter(market_id=market_id, seq_first__gte=first.seq_first).order_by(
            "seq_first"
        )[: ROWS_MAX + 1]
    )
    until_seq = rows[-1].seq_last
    if len(rows) > ROWS_MAX or not 0 <= until_seq - since_seq <= COMMANDS_MAX:
        return None
    if any(row.schema_version != SCHEMA_VERSION for row in rows):
        return None
    fold = fold_entries(entry for row in rows for entry in decode_body(bytes(row.body)).entries)
    if fold is None:
        return None
    found = list(
        Order.objects.filter(pk__in=fold.orders).values_list(
            "outcome_index", "price_pips", "updated_seq"
        )
    )
    if len(found) != len(fold.orders) or any(row[2] > until_seq for row in found):
        return None
    return fold.keys | {(outcome, price_pips or 0) for outcome, price_pips, _ in found}


def fold_entries(entries: Iterable[JournalEntry]) -> Fold | None:
    fold = Fold(set(), set())
    places: dict[str, Key] = {}
    for entry in entries:
        if not _fold_entry(entry.command, entry.events, fold, places):
            return None
    return fold


def _fold_entry(
    command: AnyCommand, events: Sequence[AnyEvent], fold: Fold, places: dict[str, Key]
) -> bool:
    """Fold one command; False if a changed price cannot be determined."""
    # The command's own order before it rests: its events then affect no level.
    taker_id = command.order_id if isinstance(command, Place) else None
    for event in events:
        for trade in list_trades(event):
            fold.keys.add((trade.outcome, trade.price_pips))
        if isinstance(event, Rested):
            places[event.order_id] = (event.outcome, event.price_pips)
            fold.keys.add(places[event.order_id])
        elif isinstance(event, Amended) and not event.kept_priority:
            taker_id = event.order_id
            if not _leave(event, command, fold, places):
                return False
        elif isinstance(event, Amended | Decremented | Ended) and event.order_id != taker_id:
            _touch(event.order_id, fold, places)
    return True


def _leave(event: Amended, command: AnyCommand, fold: Fold, places: dict[str, Key]) -> bool:
    if event.order_id in places or not _may_have_moved(command):
        _touch(event.order_id, fold, places)
        places.pop(event.order_id, None)
        return True
    return False


def _may_have_moved(command: AnyCommand) -> bool:
    return not isinstance(command, Amend) or command.price_pips is not None


def _touch(order_id: str, fold: Fold, places: dict[str, Key]) -> None:
    if order_id in places:
        fold.keys.add(places[order_id])
    else:
        fold.orders.add(order_id)
