"""The cache: every book that is followed, by venue and token, as of the last message."""

from collections.abc import Iterable, Iterator, Mapping

from bots.engine.book import BookLadder, CachedBook
from bots.engine.events import BookChange, BookSnapshot, Event, Key, TradePrint
from bots.engine.markets import MarketMap


class View(Mapping[Key, BookLadder]):
    """Books that are current, by token: what strategies read. A token without one is missing."""

    markets: MarketMap


class Cache(View):
    def __init__(self, markets: MarketMap) -> None:
        self.markets = markets
        self.books = {key: CachedBook() for market in markets.markets for key in market.books}
        self._seen_as = {key: markets.find_book(key) for key in markets.by_token}

    def apply(self, event: Event) -> bool:
        """Apply an event. False: the book does not fit its venue's any more, ask for it again."""
        book = self.books[event.key]
        if isinstance(event, BookChange):
            return book.change(event)
        if isinstance(event, BookSnapshot):
            book.replace(event)
        elif not isinstance(event, TradePrint):
            book.suspect()
        return True

    def freeze(self, keys: Iterable[Key]) -> "FrozenView":
        """Return what can be read in another thread while the cache goes on."""
        found = {key: ladder for key in keys if (ladder := self.get(key)) is not None}
        return FrozenView(self.markets, found)

    def __getitem__(self, key: Key) -> BookLadder:
        book_key, is_mirrored = self._seen_as[key]
        book = self.books[book_key]
        if not book.is_current:
            raise KeyError(key)
        return book.mirrored if is_mirrored else book.ladder

    def __iter__(self) -> Iterator[Key]:
        return (key for key in self._seen_as if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class FrozenView(View):
    def __init__(self, markets: MarketMap, ladders: dict[Key, BookLadder]) -> None:
        self.markets = markets
        self._ladders = ladders

    def __getitem__(self, key: Key) -> BookLadder:
        return self._ladders[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._ladders)

    def __len__(self) -> int:
        return len(self._ladders)
